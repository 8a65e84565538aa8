"""What the page "Model performance" reads, and what it leaves out, with the reason."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.evidence import (
    WEIGHTS_FILE,
    utkface_report,
    write_report,
)
from ui.performance.evidence import fingerprint, read_evidence


def test_everything_is_read(models: Path) -> None:
    evidence = read_evidence(models)
    assert [report.model for report in evidence.reports] == [
        "accurate",
        "accurate",
        "age-upload-predictor",
        "other-package",
        "small",
    ]
    assert [run.name for run in evidence.runs] == ["small", "age-upload-predictor"]
    assert evidence.systems == {"age-upload-predictor": "upload-predictor"}
    assert [summary.name for summary in evidence.summaries] == ["utkface"]
    assert [published.name for published in evidence.published] == ["Somebody"]
    assert evidence.problems == ()


def test_an_empty_folder_is_no_problem(tmp_path: Path) -> None:
    evidence = read_evidence(tmp_path)
    assert evidence.reports == evidence.runs == evidence.summaries == evidence.published == evidence.problems == ()


def test_other_weights_than_the_installed_ones_are_left_out(models: Path) -> None:
    (models / WEIGHTS_FILE).write_bytes(b"other weights")
    evidence = read_evidence(models)
    assert {report.kind for report in evidence.reports} == {"reference", "peer"}
    assert len(evidence.problems) == 1
    assert "measured with networks or settings other than the installed ones" in evidence.problems[0]
    assert evidence.problems[0].startswith("3 reports are not shown")


def test_missing_weights_count_as_other_weights(models: Path) -> None:
    (models / WEIGHTS_FILE).unlink()
    assert {report.kind for report in read_evidence(models).reports} == {"reference", "peer"}


@pytest.mark.parametrize("text", ["", "[]", "{}", "nothing", '{"model": "a", "classes": []}'])
def test_a_damaged_report_is_named(models: Path, text: str) -> None:
    (models / "reports" / "damaged.json").write_text(text, encoding="utf-8")
    evidence = read_evidence(models)
    assert len(evidence.reports) == 5
    assert evidence.problems == ("One report is not shown because it cannot be read: damaged.json.",)


@pytest.mark.parametrize(
    ("file", "what"),
    [
        ("published.json", "The published figures cannot be read"),
        ("datasets.json", "The description of the data sets cannot be read"),
        ("small/history.csv", "The learning curves cannot be read"),
        ("small/record.json", "The learning curves cannot be read"),
    ],
)
def test_other_damaged_files_are_a_sentence(models: Path, file: str, what: str) -> None:
    (models / file).write_text("nothing,of\nthe", encoding="utf-8")
    evidence = read_evidence(models)
    assert len(evidence.reports) == 5
    assert [problem.split(" (")[0] for problem in evidence.problems] == [what]


def test_the_fingerprint_notices_a_change(models: Path) -> None:
    before = fingerprint(models)
    assert before == fingerprint(models)
    write_report(models, replace(utkface_report(), date="2026-02-03T00:00"))
    assert before != fingerprint(models)
