"""What stands in ``models/manifest.json``: its parts, and how each of them is checked."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, get_args

from facetraits.checked_json import Field, MalformedError
from facetraits.faces.alignment import CROPS
from facetraits.traits import TRAITS
from facetraits.types import AGE_GROUPS

ProfileName = Literal["accurate", "fast"]
PROFILES: Final[tuple[ProfileName, ...]] = get_args(ProfileName)
MANIFEST_FORMAT: Final = 1

# Names of networks, and of files and folders below the models' folder: none of them leads out of it.
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_SHA256: Final = re.compile("[0-9a-f]{64}")
_SIDES_PX: Final = (32, 10_000)
_TEMPERATURES: Final = (0.01, 100.0)
_INTERVAL_FIELDS: Final = ("interval_mass", "interval_coverage", "unsure_wider_than")


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
    """All of ``manifest.json``, with paths made absolute.

    Attributes:
        models_dir: folder of ``manifest.json``.
        detector: CenterFace in floating point; it cut the crops for training and for the reports.
        detector_sha256: of that file.
        serving_detector: the same network in whole numbers of 8 bits, which finds the faces of visitors.
        serving_detector_sha256: of that file.
        detector_licence, detector_source: of both.
        members: the networks by name.
        profiles: how they answer together, by name.
    """

    models_dir: Path
    detector: Path
    detector_sha256: str
    serving_detector: Path
    serving_detector_sha256: str
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


def read_manifest(models_dir: Path, raw: Any) -> Manifest:
    """What a parsed ``manifest.json`` says.

    Raises:
        MalformedError: something is missing, too much, of the wrong kind, or contradicts the rest.
    """
    root = Field(raw)
    # Before all else: another format may have other fields.
    form = dict(root.items()).get("format")
    if form is None or form.whole() != MANIFEST_FORMAT:
        shown = "no format" if form is None else f"format {form.whole()}"
        raise MalformedError(f"of another version: it has {shown}, and this version reads format {MANIFEST_FORMAT}")
    fields = root.fields(("format", "detector", "classes", "members", "profiles"))
    detector = fields["detector"].fields(("path", "sha256", "serving", "licence", "source"))
    serving = detector["serving"].fields(("path", "sha256"))
    members = [_member(models_dir, entry) for entry in fields["members"].list(least=1)]
    names = [member.name for member in members]
    if len(set(names)) < len(names):
        raise MalformedError("malformed: it names a member twice")
    classes = {name: _classes(name, entry) for name, entry in fields["classes"].items()}
    manifest = Manifest(
        models_dir=models_dir,
        detector=models_dir / _path(detector["path"]),
        detector_sha256=_sha256(detector["sha256"]),
        serving_detector=models_dir / _path(serving["path"]),
        serving_detector_sha256=_sha256(serving["sha256"]),
        detector_licence=detector["licence"].text(),
        detector_source=detector["source"].text(),
        members=dict(zip(names, members, strict=True)),
        profiles={name: _profile(classes, entry) for name, entry in fields["profiles"].items()},
    )
    check_manifest(manifest)
    return manifest


def _path(field: Field) -> str:
    path = field.text(least=1)
    if not all(_NAME.fullmatch(part) for part in path.split("/")):
        raise field.wrong("the path of a file below the folder of the models")
    return path


def _sha256(field: Field) -> str:
    text = field.text()
    if not _SHA256.fullmatch(text):
        raise field.wrong("a checksum of 64 digits and letters a to f")
    return text


def _classes(output: str, field: Field) -> tuple[str, ...]:
    """The classes of one output: those that this version knows, where it knows the output."""
    classes = field.texts(least=2)
    if output == "age":
        years = tuple(str(year) for year in range(len(classes)))
        last_group = max(upper for _, upper in AGE_GROUPS if upper is not None) + 1
        if classes != years or len(years) <= last_group:
            raise field.wrong(f"the years from 0 to {last_group} or more")
    elif output in TRAITS and classes != TRAITS[output].classes:
        raise field.wrong(f"the classes {', '.join(TRAITS[output].classes)} in this order")
    return classes


def _member(models_dir: Path, field: Field) -> MemberEntry:
    raw = field.fields(
        ("name", "path", "sha256", "crop", "outputs", "licence", "training_data"), optional=("in_integers", "copy_of")
    )
    name = raw["name"].text()
    if not _NAME.fullmatch(name):
        raise raw["name"].wrong("letters, digits, dots and dashes")
    copy_of = raw["copy_of"].text() if "copy_of" in raw else ""
    in_integers = raw["in_integers"].flag() if "in_integers" in raw else False
    return MemberEntry(
        name=name,
        path=models_dir / _path(raw["path"]),
        sha256=_sha256(raw["sha256"]),
        crop=raw["crop"].text(),
        outputs=raw["outputs"].texts(least=1),
        licence=raw["licence"].text(),
        training_data=raw["training_data"].texts(),
        in_integers=in_integers or bool(copy_of),
        copy_of=copy_of,
    )


def _profile(classes: Mapping[str, tuple[str, ...]], field: Field) -> ProfileEntry:
    raw = field.fields(("detector", "flip", "traits"))
    detector = raw["detector"].fields(("long_sides_px", "tile_small_faces"))
    return ProfileEntry(
        long_sides_px=tuple(side.whole() for side in detector["long_sides_px"].list(least=1, most=10)),
        tile_small_faces=detector["tile_small_faces"].flag(),
        flip=raw["flip"].flag(),
        traits={name: _trait(name, classes, entry) for name, entry in raw["traits"].items()},
    )


def _trait(name: str, classes: Mapping[str, tuple[str, ...]], field: Field) -> TraitEntry:
    if name not in classes:
        raise field.wrong("an output whose classes are listed")
    raw = field.fields(("weights", "temperature", "unsure_below"), optional=_INTERVAL_FIELDS)
    return TraitEntry(
        classes=classes[name],
        weights={member: weight.number() for member, weight in raw["weights"].items()},
        temperature=raw["temperature"].number(),
        unsure_below=raw["unsure_below"].number(),
        **{key: raw[key].number() for key in _INTERVAL_FIELDS if key in raw},
    )


def check_manifest(manifest: Manifest) -> None:
    """Raise ``MalformedError`` where the parts contradict each other or a number makes no sense."""
    for member in manifest.members.values():
        if member.crop not in CROPS:
            raise MalformedError(
                f"malformed: {member.name} needs the face crop {member.crop[:60]!r}, which this version cannot make"
            )
        if member.copy_of and member.copy_of not in manifest.originals:
            raise MalformedError(f"malformed: {member.name} is a copy of {member.copy_of[:60]!r}, which is not there")
    if not manifest.profiles:
        raise MalformedError("malformed: profiles names none")
    for name, profile in manifest.profiles.items():
        if name not in PROFILES:
            raise MalformedError(f"malformed: there is no profile {name[:60]!r}, only {' and '.join(PROFILES)}")
        low, high = _SIDES_PX
        if not profile.long_sides_px or not all(low <= side <= high for side in profile.long_sides_px):
            raise MalformedError(f"malformed: profile {name}: long_sides_px must name sizes from {low} to {high}")
        for trait, entry in profile.traits.items():
            _check_trait(manifest, f"malformed: profile {name}, {trait}", trait, entry)


def _check_trait(manifest: Manifest, where: str, trait: str, entry: TraitEntry) -> None:
    if not entry.weights or abs(sum(entry.weights.values()) - 1) > 1e-6 or min(entry.weights.values()) <= 0:
        raise MalformedError(f"{where}: the members' weights must be > 0 and sum to 1")
    low, high = _TEMPERATURES
    if not low <= entry.temperature <= high or not 0 <= entry.unsure_below <= 1:
        raise MalformedError(f"{where}: temperature must be in [{low}, {high}] and unsure_below in [0, 1]")
    interval = [entry.interval_mass, entry.interval_coverage]
    if trait == "age":
        if not all(share is not None and 0 < share < 1 for share in interval):
            raise MalformedError(f"{where}: interval_mass and interval_coverage must be in (0, 1)")
        if entry.unsure_wider_than is not None and not entry.unsure_wider_than > 0:
            raise MalformedError(f"{where}: unsure_wider_than must be > 0")
    elif any(value is not None for value in (*interval, entry.unsure_wider_than)):
        raise MalformedError(f"{where}: interval and unsure_wider_than are of age only")
    for name in entry.weights:
        if trait not in getattr(manifest.members.get(name), "outputs", ()):
            raise MalformedError(f"{where}: there is no member {name[:60]!r} with that output")
