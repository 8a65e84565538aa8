"""Whatever stands in the list of models, it loads whole or is refused with one sentence."""

from __future__ import annotations

import json
import math
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from facetraits.age import age_predictions
from facetraits.ensemble import apply_temperature
from facetraits.registry import Manifest, ModelIntegrityError, load_manifest, profile_files, write_manifest
from facetraits.traits import TRAITS
from tests.builders import MODELS
from tests.hostile.damage import damaged_document

RAW = json.loads((MODELS / "manifest.json").read_text(encoding="utf-8"))
SHA256 = "0123456789abcdef" * 4


def refusal(folder: Path) -> str | None:
    """The sentence with which the list of models is refused; None where it loads, which then makes sense."""
    try:
        manifest = load_manifest(folder)
    except ModelIntegrityError as error:
        message = str(error)
        assert message.endswith(".") and message.isprintable() and len(message) < 1000, message
        return message
    check(manifest)
    write_manifest(manifest)
    assert load_manifest(folder) == manifest
    return None


def check(manifest: Manifest) -> None:
    """All that those who use a manifest rely on."""
    json.dumps([asdict(profile) for profile in manifest.profiles.values()], allow_nan=False)
    detectors = (manifest.detector, manifest.serving_detector)
    for path in (*detectors, *(member.path for member in manifest.members.values())):
        assert path.resolve().is_relative_to(manifest.models_dir) and path != manifest.models_dir
    for name, member in manifest.members.items():
        assert name == member.name and len(member.sha256) == 64 and member.path.name
        texts = (member.name, member.licence, member.copy_of, *member.outputs, *member.training_data)
        assert all(type(text) is str and text.isprintable() for text in texts)
        assert type(member.in_integers) is bool
    for name, profile in manifest.profiles.items():
        assert profile_files(manifest, name)
        assert type(profile.flip) is type(profile.tile_small_faces) is bool
        assert all(type(side) is int and 32 <= side <= 10_000 for side in profile.long_sides_px)
        assert 1 <= len(profile.long_sides_px) <= 10
        for trait, entry in profile.traits.items():
            rows = np.eye(len(entry.classes), dtype=np.float32)
            calibrated = apply_temperature(rows, entry.temperature)
            assert np.isfinite(calibrated).all() and sum(entry.weights.values()) == pytest.approx(1)
            if trait == "age":
                assert entry.interval_mass is not None and entry.interval_coverage is not None
                for age in age_predictions(
                    calibrated,
                    entry.interval_mass,
                    entry.interval_coverage,
                    entry.unsure_below,
                    entry.unsure_wider_than,
                ):
                    assert math.isfinite(age.years)
            elif trait in TRAITS:
                assert entry.classes == TRAITS[trait].classes


def outcomes(folder: Path, count: int, first: int = 0) -> Counter[str]:
    """How so many damaged lists end: "loads", "refused", or the type of what is raised instead."""
    found: Counter[str] = Counter()
    for seed in range(first, first + count):
        (folder / "manifest.json").write_bytes(damaged_document(RAW, seed))
        try:
            found["loads" if refusal(folder) is None else "refused"] += 1
        except Exception as error:
            found[f"{type(error).__name__} with seed {seed}"] += 1
    return found


def test_damage_is_refused_or_does_no_harm(tmp_path: Path) -> None:
    found = outcomes(tmp_path, 300)

    assert set(found) == {"loads", "refused"}, found
    assert found["refused"] > 200


FAULTS: dict[str, tuple[tuple[str | int, ...], Any, str]] = {
    "format": (("format",), "1", "format must be a whole number"),
    "not an object": ((), [], "must be an object"),
    "unknown field": (("profiles", "fast", "traits", "age", "unsure"), 1, "'unsure'"),
    "years": (("classes", "age"), [str(year) for year in range(50)], "classes.age"),
    "years in words": (("classes", "age", 7), "seven", "classes.age"),
    "other classes": (("classes", "gender"), ["female", "male"], "classes.gender"),
    "class twice": (("classes", "expression_fer2013", 0), "happy", "twice"),
    "class no text": (("classes", "gender", 0), 1, "classes.gender[0] must be a text"),
    "name of a member twice": (("members", 1, "name"), RAW["members"][0]["name"], "twice"),
    "path to above": (("members", 0, "path"), "../network.tflite", "members[0].path"),
    "path from the root": (("members", 0, "path"), "/etc/passwd", "members[0].path"),
    "path of Windows": (("members", 0, "path"), "C:\\network.tflite", "members[0].path"),
    "path of the detector": (("detector", "path"), "a/../../b", "detector.path"),
    "checksum": (("members", 0, "sha256"), SHA256[:-1], "members[0].sha256"),
    "checksum in capitals": (("detector", "sha256"), SHA256.upper(), "detector.sha256"),
    "in integers": (("members", 0, "in_integers"), "no", "members[0].in_integers must be true or false"),
    "copy of itself": (("members", 0, "copy_of"), RAW["members"][0]["name"], "is a copy of"),
    "outputs": (("members", 0, "outputs"), "age", "members[0].outputs must be a list"),
    "sides": (("profiles", "fast", "detector", "long_sides_px"), [], "long_sides_px"),
    "huge side": (("profiles", "fast", "detector", "long_sides_px", 0), 10**9, "long_sides_px"),
    "side of truth": (("profiles", "fast", "detector", "long_sides_px", 0), True, "long_sides_px[0]"),
    "flip": (("profiles", "fast", "flip"), 1, "profiles.fast.flip must be true or false"),
    "trait without classes": (("profiles", "fast", "traits", "hat"), {}, "hat"),
    "weights": (("profiles", "fast", "traits", "gender", "weights"), [1], "gender.weights must be an object"),
    "weight": (("profiles", "fast", "traits", "gender", "weights", "face-wide-112-long-int8"), "1", "must be a number"),
    "cold": (("profiles", "fast", "traits", "gender", "temperature"), 1e-320, "temperature"),
    "hot": (("profiles", "fast", "traits", "gender", "temperature"), 10**400, "temperature"),
    "no interval": (("profiles", "fast", "traits", "age", "interval_mass"), None, "interval_mass must be a number"),
    "all of the mass": (("profiles", "fast", "traits", "age", "interval_mass"), 1.0, "interval_mass"),
    "coverage": (("profiles", "fast", "traits", "age", "interval_coverage"), -0.1, "interval_coverage"),
    "interval of no years": (("profiles", "fast", "traits", "gender", "interval_mass"), 0.5, "age only"),
    "no profiles": (("profiles",), {}, "profiles"),
    "no members": (("members",), [], "members"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_every_field_is_checked(tmp_path: Path, fault: str) -> None:
    path, value, said = FAULTS[fault]
    whole = {"root": json.loads(json.dumps(RAW))}
    place: Any = whole
    *way, last = ("root", *path)
    for key in way:
        place = place[key]
    place[last] = value
    (tmp_path / "manifest.json").write_text(json.dumps(whole["root"]), encoding="utf-8")

    message = refusal(tmp_path)

    assert message is not None and said in message
    assert str(tmp_path / "manifest.json") in message
