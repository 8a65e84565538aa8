"""The models' passport: what ``models/manifest.json`` promises, checked before anything is loaded."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from facetraits.checked_json import MalformedError, parse_strictly
from facetraits.errors import EXIT_MODELS, UserError
from facetraits.manifest import (
    MANIFEST_FORMAT,
    PROFILES,
    Manifest,
    MemberEntry,
    ProfileEntry,
    ProfileName,
    TraitEntry,
    check_manifest,
    read_manifest,
)

__all__ = [
    "DEFAULT_MODELS_DIR",
    "MANIFEST_FORMAT",
    "PROFILES",
    "Manifest",
    "MemberEntry",
    "ModelIntegrityError",
    "ProfileEntry",
    "ProfileName",
    "TraitEntry",
    "check_file",
    "checked_bytes",
    "load_manifest",
    "profile_files",
    "sha256_of",
    "write_manifest",
]

DEFAULT_MODELS_DIR: Final = Path(__file__).parent.parent / "models"


class ModelIntegrityError(UserError):
    """A model file is missing, was changed, or does not fit this version of the code."""

    exit_code = EXIT_MODELS


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
        return read_manifest(models_dir, parse_strictly(path.read_bytes()))
    except OSError as error:
        raise ModelIntegrityError(f"The list of models {path} cannot be read ({error.strerror}).") from error
    except MalformedError as error:
        raise ModelIntegrityError(f"The list of models {path} is {error}.") from error


def write_manifest(manifest: Manifest) -> None:
    """Write ``manifest.json`` into its models' folder in one step: whoever reads it meets the old one or the new one.

    Raises:
        ModelIntegrityError: it contradicts itself.
    """
    path = manifest.models_dir / "manifest.json"
    try:
        check_manifest(manifest)
    except MalformedError as error:
        raise ModelIntegrityError(f"The list of models {path} would be {error}.") from error
    profiles = manifest.profiles.values()
    described = {
        "format": MANIFEST_FORMAT,
        "detector": {
            "path": manifest.detector.relative_to(manifest.models_dir).as_posix(),
            "sha256": manifest.detector_sha256,
            "serving": {
                "path": manifest.serving_detector.relative_to(manifest.models_dir).as_posix(),
                "sha256": manifest.serving_detector_sha256,
            },
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
