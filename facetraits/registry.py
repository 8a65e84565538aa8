"""The models' passport: what ``models/manifest.json`` promises, checked before anything is loaded."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Literal, get_args

from facetraits.errors import EXIT_MODELS, UserError
from facetraits.faces.alignment import CROPS

ProfileName = Literal["accurate", "fast"]
PROFILES: Final[tuple[ProfileName, ...]] = get_args(ProfileName)
DEFAULT_MODELS_DIR: Final = Path(__file__).parent.parent / "models"
MANIFEST_FORMAT: Final = 1


class ModelIntegrityError(UserError):
    """A model file is missing, was changed, or does not fit this version of the code."""

    exit_code = EXIT_MODELS


@dataclass(frozen=True, slots=True)
class MemberEntry:
    """One served network.

    Attributes:
        name: also its folder below the models' folder.
        path: the file; sha256: its checksum in hex.
        crop: name of the crop geometry it was trained on.
        outputs: names of its outputs.
        licence: in words; training_data: names of the sets.
        in_integers: weights and values are 8-bit integers: two to three times as fast, about half of the size, no
            gradients. True of all copies.
        copy_of: the member with the same weights in floating point, of which this is the copy in 8-bit integers; "" for
            members that are no copies.
    """

    name: str
    path: Path
    sha256: str
    crop: str
    outputs: tuple[str, ...]
    licence: str
    training_data: tuple[str, ...]
    in_integers: bool = False
    copy_of: str = ""


@dataclass(frozen=True, slots=True)
class TraitEntry:
    """How one profile combines its members for one trait.

    Attributes:
        classes: names in the order of every member's output; for age one per year from 0.
        weights: member to its share in the mean; shares are > 0 and sum to 1.
        temperature: the mean's logits are divided by it; fitted on validation; > 0.
        unsure_below: a confidence under this value is shown as unsure; in [0, 1].
        interval_mass: age only: probability mass between the interval's ends, chosen on validation so that the interval
            covers ``interval_coverage`` of the labels.
        interval_coverage: age only: nominal coverage.
        unsure_wider_than: age only: a wider interval, in years, is shown as unsure; > 0; None where no width is.
    """

    classes: tuple[str, ...]
    weights: Mapping[str, float]
    temperature: float
    unsure_below: float
    interval_mass: float | None = None
    interval_coverage: float | None = None
    unsure_wider_than: float | None = None


@dataclass(frozen=True, slots=True)
class ProfileEntry:
    """One way to serve.

    Attributes:
        long_sides_px, tile_small_faces: the detector's settings, see ``FaceDetector``.
        flip: members see each face mirrored as well, and the two answers are averaged.
        traits: by output name.
    """

    long_sides_px: tuple[int, ...]
    tile_small_faces: bool
    flip: bool
    traits: Mapping[str, TraitEntry]


@dataclass(frozen=True, slots=True)
class Manifest:
    """All of ``manifest.json``, with paths made absolute."""

    models_dir: Path
    detector: Path
    detector_sha256: str
    detector_licence: str
    detector_source: str
    members: Mapping[str, MemberEntry]
    profiles: Mapping[str, ProfileEntry]

    @property
    def originals(self) -> Mapping[str, MemberEntry]:
        """Members that are no copies of others."""
        return {name: member for name, member in self.members.items() if not member.copy_of}

    @property
    def differentiable(self) -> Mapping[str, MemberEntry]:
        """Members in floating point, which can be looked into: with gradients, to the last digit as they answer."""
        return {name: member for name, member in self.members.items() if not member.in_integers}


def sha256_of(path: Path) -> str:
    """Checksum of a file, in hex.

    Raises:
        ModelIntegrityError: the file cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ModelIntegrityError(f"The model file {path} cannot be read ({error.strerror}).") from error


def check_file(path: Path, expected: str) -> None:
    """Raise ``ModelIntegrityError`` unless the file has the expected checksum."""
    _check_sum(path, sha256_of(path), expected)


def checked_bytes(path: Path, expected: str) -> bytes:
    """What a file holds, read once: what is checked is what is loaded, whatever becomes of the file meanwhile.

    Raises:
        ModelIntegrityError: it cannot be read, or has another checksum.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ModelIntegrityError(f"The model file {path} cannot be read ({error.strerror}).") from error
    _check_sum(path, hashlib.sha256(data).hexdigest(), expected)
    return data


def _check_sum(path: Path, actual: str, expected: str) -> None:
    if actual != expected:
        raise ModelIntegrityError(f"The model file {path} was changed: expected sha256 {expected}, found {actual}.")


def profile_files(manifest: Manifest, profile: str) -> dict[str, str]:
    """All that a profile's answers depend on, by name below the models' folder, with checksums.

    These are the detector, the members' networks, and the profile's own entry in the manifest: weights, temperatures,
    interval, mirroring and the detector's settings.

    Raises:
        ModelIntegrityError: there is no such profile.
    """
    entry = manifest.profiles.get(profile)
    if entry is None:
        raise ModelIntegrityError(f"There is no profile {profile!r}.")
    described = asdict(entry)
    for trait in described["traits"].values():
        if trait["unsure_wider_than"] is None:  # as if the manifest could not name it: reports of before stay valid
            del trait["unsure_wider_than"]
    settings = json.dumps(described, sort_keys=True).encode()
    members = sorted({member for trait in entry.traits.values() for member in trait.weights})
    return {
        f"{manifest.detector.relative_to(manifest.models_dir).as_posix()}": manifest.detector_sha256,
        f"manifest.json, profile {profile}": hashlib.sha256(settings).hexdigest(),
        **{f"{name}/network.tflite": manifest.members[name].sha256 for name in members},
    }


def load_manifest(models_dir: Path | None = None) -> Manifest:
    """Read and validate ``manifest.json``; the files that it names are checked when they are loaded.

    Args:
        models_dir: folder of the models; by default the one beside the package.

    Raises:
        ModelIntegrityError: the manifest is missing, malformed or of another format.
    """
    models_dir = (models_dir or DEFAULT_MODELS_DIR).resolve()
    path = models_dir / "manifest.json"
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ModelIntegrityError(f"The list of models {path} cannot be read ({error.strerror}).") from error
    except ValueError as error:
        raise ModelIntegrityError(f"The list of models {path} is not valid JSON ({error}).") from error
    try:
        if raw["format"] != MANIFEST_FORMAT:
            raise ModelIntegrityError(
                f"The list of models {path} has format {raw['format']}; this version reads format {MANIFEST_FORMAT}."
            )
        manifest = Manifest(
            models_dir=models_dir,
            detector=models_dir / raw["detector"]["path"],
            detector_sha256=raw["detector"]["sha256"],
            detector_licence=raw["detector"]["licence"],
            detector_source=raw["detector"]["source"],
            members={m["name"]: _member(models_dir, m) for m in raw["members"]},
            profiles={name: _profile(raw["classes"], entry) for name, entry in raw["profiles"].items()},
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ModelIntegrityError(f"The list of models {path} is incomplete or malformed ({error!r}).") from error
    _check(manifest, path)
    return manifest


def write_manifest(manifest: Manifest) -> None:
    """Write ``manifest.json`` into its models' folder in one step: whoever reads it meets the old one or the new one.

    Raises:
        ModelIntegrityError: it contradicts itself.
    """
    path = manifest.models_dir / "manifest.json"
    _check(manifest, path)
    profiles = manifest.profiles.values()
    described = {
        "format": MANIFEST_FORMAT,
        "detector": {
            "path": manifest.detector.relative_to(manifest.models_dir).as_posix(),
            "sha256": manifest.detector_sha256,
            "licence": manifest.detector_licence,
            "source": manifest.detector_source,
        },
        "classes": {name: list(e.classes) for profile in profiles for name, e in profile.traits.items()},
        "members": [_described_member(member, manifest.models_dir) for member in manifest.members.values()],
        "profiles": {name: _described_profile(profile) for name, profile in manifest.profiles.items()},
    }
    new = path.with_name("manifest.json.new")
    new.write_text(json.dumps(described, indent=1) + "\n", encoding="utf-8")
    new.replace(path)


def _described_member(member: MemberEntry, models_dir: Path) -> dict[str, Any]:
    path = member.path.relative_to(models_dir).as_posix()
    described = asdict(member) | {"path": path}
    return {key: value for key, value in described.items() if value not in (False, "")}


def _described_profile(profile: ProfileEntry) -> dict[str, Any]:
    traits = {name: asdict(entry) for name, entry in profile.traits.items()}
    return {
        "detector": {
            "long_sides_px": list(profile.long_sides_px),
            "tile_small_faces": profile.tile_small_faces,
        },
        "flip": profile.flip,
        "traits": {
            name: {key: value for key, value in entry.items() if key != "classes" and value is not None}
            for name, entry in traits.items()
        },
    }


def _member(models_dir: Path, raw: Mapping[str, Any]) -> MemberEntry:
    return MemberEntry(
        name=raw["name"],
        path=models_dir / raw["path"],
        sha256=raw["sha256"],
        crop=raw["crop"],
        outputs=tuple(raw["outputs"]),
        licence=raw["licence"],
        training_data=tuple(raw["training_data"]),
        in_integers=bool(raw.get("in_integers") or raw.get("copy_of")),
        copy_of=raw.get("copy_of", ""),
    )


def _profile(classes: Mapping[str, list[str]], raw: Mapping[str, Any]) -> ProfileEntry:
    return ProfileEntry(
        long_sides_px=tuple(raw["detector"]["long_sides_px"]),
        tile_small_faces=bool(raw["detector"]["tile_small_faces"]),
        flip=bool(raw["flip"]),
        traits={name: TraitEntry(classes=tuple(classes[name]), **entry) for name, entry in raw["traits"].items()},
    )


def _check(manifest: Manifest, path: Path) -> None:
    for member in manifest.members.values():
        if member.crop not in CROPS:
            raise ModelIntegrityError(
                f"The network {member.name} needs the face crop {member.crop!r}, which this version cannot make."
            )
        if member.copy_of and member.copy_of not in manifest.originals:
            raise ModelIntegrityError(f"{path}: {member.name} is a copy of {member.copy_of!r}, which is not there.")
    for name, profile in manifest.profiles.items():
        for trait, entry in profile.traits.items():
            where = f"{path}: profile {name}, {trait}"
            if not entry.weights or abs(sum(entry.weights.values()) - 1) > 1e-6 or min(entry.weights.values()) <= 0:
                raise ModelIntegrityError(f"{where}: the members' weights must be > 0 and sum to 1.")
            if not entry.temperature > 0 or not 0 <= entry.unsure_below <= 1:
                raise ModelIntegrityError(f"{where}: temperature must be > 0 and unsure_below in [0, 1].")
            if entry.unsure_wider_than is not None and not entry.unsure_wider_than > 0:
                raise ModelIntegrityError(f"{where}: unsure_wider_than must be > 0.")
            for member_name in entry.weights:
                if trait not in getattr(manifest.members.get(member_name), "outputs", ()):
                    raise ModelIntegrityError(f"{where}: there is no member {member_name!r} with that output.")
