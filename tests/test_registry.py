import hashlib
import json
import shutil
from dataclasses import asdict, replace

import pytest

from facetraits.registry import ModelIntegrityError, check_file, load_manifest, profile_files, write_manifest
from tests.builders import MODELS


@pytest.fixture
def raw():
    return json.loads((MODELS / "manifest.json").read_text())


def written(tmp_path, raw):
    (tmp_path / "manifest.json").write_text(json.dumps(raw))
    return tmp_path


def test_the_committed_manifest_names_files_with_these_checksums():
    manifest = load_manifest()
    check_file(manifest.detector, manifest.detector_sha256)
    check_file(manifest.serving_detector, manifest.serving_detector_sha256)
    for member in manifest.members.values():
        check_file(member.path, member.sha256)


def test_a_manifest_is_written_as_it_was_read(tmp_path):
    manifest = load_manifest()

    def moved(path):
        return tmp_path / path.relative_to(manifest.models_dir)

    elsewhere = replace(
        manifest,
        models_dir=tmp_path,
        detector=moved(manifest.detector),
        serving_detector=moved(manifest.serving_detector),
        members={name: replace(member, path=moved(member.path)) for name, member in manifest.members.items()},
    )
    write_manifest(elsewhere)
    assert (tmp_path / "manifest.json").read_bytes() == (MODELS / "manifest.json").read_bytes()
    with pytest.raises(ModelIntegrityError, match="weights must be > 0"):
        broken = {trait: replace(entry, weights={}) for trait, entry in manifest.profiles["fast"].traits.items()}
        write_manifest(replace(elsewhere, profiles={"fast": replace(manifest.profiles["fast"], traits=broken)}))
    assert load_manifest(tmp_path) == elsewhere, "what contradicts itself replaces nothing"


def test_both_profiles_answer_all_traits():
    profiles = load_manifest().profiles
    assert set(profiles) == {"accurate", "fast"}
    for profile in profiles.values():
        assert {"age", "gender", "ethnicity", "expression"} <= set(profile.traits)


def test_all_weights_together_stay_under_60_mb():
    assert sum(file.stat().st_size for file in MODELS.rglob("*") if file.is_file()) < 60e6


def test_a_changed_byte_is_noticed(tmp_path):
    original = load_manifest().detector
    copy = tmp_path / "network.onnx"
    shutil.copyfile(original, copy)
    with copy.open("r+b") as file:
        file.seek(1000)
        byte = file.read(1)
        file.seek(1000)
        file.write(bytes([byte[0] ^ 1]))
    with pytest.raises(ModelIntegrityError, match=r"was changed: expected sha256 [0-9a-f]{64}, found [0-9a-f]{64}"):
        check_file(copy, load_manifest().detector_sha256)


def test_a_missing_folder_and_broken_json_are_told_apart(tmp_path):
    with pytest.raises(ModelIntegrityError, match="cannot be read"):
        load_manifest(tmp_path)
    (tmp_path / "manifest.json").write_text("{")
    with pytest.raises(ModelIntegrityError, match="not valid JSON"):
        load_manifest(tmp_path)


def test_an_unknown_crop_does_not_load(tmp_path, raw):
    raw["members"][0]["crop"] = "face-v99"
    with pytest.raises(ModelIntegrityError, match="face-v99"):
        load_manifest(written(tmp_path, raw))


def _other_format(raw):
    raw["format"] = 99


def _weights_not_one(raw):
    weights = raw["profiles"]["accurate"]["traits"]["gender"]["weights"]
    raw["profiles"]["accurate"]["traits"]["gender"]["weights"] = {name: 0.9 * w for name, w in weights.items()}


def _unknown_member(raw):
    raw["profiles"]["accurate"]["traits"]["gender"]["weights"] = {"nobody": 1.0}


def _no_classes(raw):
    del raw["classes"]["gender"]


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_other_format, "format 99"),
        (_weights_not_one, "sum to 1"),
        (_unknown_member, "nobody"),
        (_no_classes, "gender must be an output whose classes are listed"),
    ],
)
def test_a_manifest_that_makes_no_sense_is_refused(tmp_path, raw, damage, message):
    damage(raw)
    with pytest.raises(ModelIntegrityError, match=message):
        load_manifest(written(tmp_path, raw))


def test_the_widest_interval_that_is_sure_is_read_and_checked(tmp_path, raw):
    raw["profiles"]["accurate"]["traits"]["age"]["unsure_wider_than"] = 28.5
    manifest = load_manifest(written(tmp_path, raw))
    assert manifest.profiles["accurate"].traits["age"].unsure_wider_than == 28.5
    raw["profiles"]["fast"]["traits"]["age"]["unsure_wider_than"] = 0
    with pytest.raises(ModelIntegrityError, match="unsure_wider_than must be > 0"):
        load_manifest(written(tmp_path, raw))


def test_settings_are_another_only_where_the_limit_is_named(tmp_path, raw):
    for profile in raw["profiles"].values():
        profile["traits"]["age"].pop("unsure_wider_than", None)
    name = "manifest.json, profile fast"
    before = profile_files(load_manifest(written(tmp_path, raw)), "fast")[name]
    # The sum is that of the settings as they were written before the limit could be named.
    entry = asdict(load_manifest(tmp_path).profiles["fast"])
    for trait in entry["traits"].values():
        del trait["unsure_wider_than"]
    assert before == hashlib.sha256(json.dumps(entry, sort_keys=True).encode()).hexdigest()
    raw["profiles"]["fast"]["traits"]["age"]["unsure_wider_than"] = 28.5
    assert profile_files(load_manifest(written(tmp_path, raw)), "fast")[name] != before
