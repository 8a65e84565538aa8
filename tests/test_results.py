import json
import shutil

import pytest

from facetraits.metrics import load_reports
from facetraits.registry import ModelIntegrityError, load_manifest
from facetraits.results import END, START, check_reports, headlines, with_generated, write_documents
from tests.builders import MODELS, ROOT


def test_readme_and_cards_are_up_to_date():
    assert write_documents(ROOT, check=True) == []


def test_every_report_belongs_to_the_weights_that_are_served():
    reports = check_reports(MODELS)
    served = {member.sha256 for member in load_manifest().members.values()}
    assert {sha for r in reports for file, sha in r.weights_sha256.items() if file.endswith(".tflite")} == served


def test_both_profiles_were_judged_on_the_test_splits_by_both_protocols():
    have = {(r.model, r.dataset, r.split, r.protocol) for r in load_reports(MODELS)}
    for profile in ("accurate", "fast"):
        for dataset in ("utkface", "fer2013"):
            for protocol in ("crops", "photos"):
                assert (profile, dataset, "test", protocol) in have


def test_a_report_on_other_weights_is_noticed(tmp_path):
    models = tmp_path / "models"
    shutil.copytree(MODELS, models)
    file = next((models / "reports").glob("accurate-*.json"))
    raw = json.loads(file.read_text())
    name = next(iter(raw["weights_sha256"]))
    raw["weights_sha256"][name] = "0" * 64
    file.write_text(json.dumps(raw))
    with pytest.raises(ModelIntegrityError, match="made with another"):
        check_reports(models)


def test_a_changed_figure_makes_the_readme_stale(tmp_path):
    shutil.copytree(MODELS, tmp_path / "models")
    shutil.copy(ROOT / "README.md", tmp_path)
    assert write_documents(tmp_path, check=True) == []
    file = tmp_path / "models" / "reports" / "accurate-utkface-test-crops.json"
    raw = json.loads(file.read_text())
    raw["classes"]["gender"]["confusion"][0][0] += 500
    file.write_text(json.dumps(raw))
    assert tmp_path / "README.md" in write_documents(tmp_path, check=True)
    assert tmp_path / "README.md" in write_documents(tmp_path)
    assert write_documents(tmp_path, check=True) == []


def test_headlines_are_derived_from_the_counts():
    reports = load_reports(MODELS)
    gender = next(h for h in headlines(reports) if h.label == "Apparent gender")
    counts = gender.report.classes["gender"]
    right = sum(counts.confusion[i][i] for i in range(2))
    assert gender.number == pytest.approx(right / gender.n)
    assert gender.value == f"{right / gender.n:.1%}"


def test_generated_text_needs_its_markers():
    assert with_generated(f"a{START}old{END}b", "new\n") == f"a{START}\nnew\n{END}b"
    with pytest.raises(ValueError, match="markers"):
        with_generated("no markers", "new")
