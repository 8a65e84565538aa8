"""Where figures come from, leaderboards and fairness: sentences and tables."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from pathlib import Path

import pytest

from facetraits.reports.comparison import FIGURE, GroupRow, Measured, largest_gap, leaderboard
from tests.evidence import (
    WEIGHTS_FILE,
    peer_report,
    reference_report,
    utkface_report,
)
from ui.kit.tables import Column, Table, code_words, percent
from ui.performance.evidence import read_evidence
from ui.performance.models import (
    choice_words,
    fairness_sentence,
    fairness_table,
    group_dots,
    leaderboard_dots,
    leaderboard_sentence,
    leaderboard_table,
    provenance,
    report_key,
    reports_of,
    row_name,
    unfinished_sentence,
)


def test_csv_holds_bare_values_and_html_written_ones() -> None:
    table = Table("Shares <all>", (Column("Name"), Column("Right", percent)), (("a, b", 0.123456789), ("c", None)))
    assert list(csv.reader(io.StringIO(table.to_csv().decode("utf-8-sig")))) == [
        ["Name", "Right"],
        ["a, b", "0.123457"],
        ["c", ""],
    ]
    html = table.to_html()
    assert ">12.3%</td>" in html
    assert "<th scope='row' class='ft-cell'>a, b</th>" in html
    assert "<caption>Shares &lt;all&gt;</caption>" in html
    assert ">–</td>" in html


def test_provenance_names_data_protocol_weights_date_and_code() -> None:
    report = utkface_report()
    sha = report.weights_sha256[WEIGHTS_FILE]
    told = provenance(report)
    for part in ("facetraits (accurate)", "UTKFace", "test split", "300 pictures", "2026-01-02", "0123456", sha[:12]):
        assert part in told.line
    assert sha not in told.line
    facts = dict(told.facts)
    assert facts[f"Checksum (SHA-256) of {WEIGHTS_FILE}"] == sha
    assert facts["Version of the code"] == report.commit
    assert "protocol crops" in facts["How it was measured"]


def test_models_are_listed_ours_first() -> None:
    reports = [peer_report(), reference_report(), utkface_report("small", "member"), utkface_report()]
    names = [choice_words(report) for report in reports_of(reports, ["gender"])]
    assert names == ["facetraits (accurate)", "small", "other-package 1.2.3"]
    photos = replace(utkface_report(), protocol="photos")
    assert choice_words(photos) == "facetraits (accurate), whole pictures"
    assert report_key(photos) != report_key(utkface_report())
    assert reports_of([replace(utkface_report(), split="validation")], ["gender"]) == []


def test_the_leaderboard_tells_who_leads_and_where_we_stand(models: Path) -> None:
    evidence = read_evidence(models)
    figure = FIGURE["gender"]
    rows = leaderboard(figure, evidence.reports, evidence.published)
    sentence = leaderboard_sentence(rows, figure)
    measured = [row for row in rows if row.report is not None]
    assert f"of {len(measured)} models measured on the same pictures, {row_name(measured[0])} does" in sentence
    assert "(higher is better)" in sentence
    assert [dot.kind for dot in leaderboard_dots(rows, figure, {})] == [row.kind for row in rows]
    assert "No model" in leaderboard_sentence([], figure)
    assert "only" in leaderboard_sentence(measured[:1], figure)


def test_published_figures_are_marked_and_have_no_interval(models: Path) -> None:
    evidence = read_evidence(models)
    rows = leaderboard(FIGURE["gender"], evidence.reports, evidence.published)
    table = leaderboard_table(rows, FIGURE["gender"], evidence.systems, {})
    (published,) = [row for row in table.rows if row[0] == "Somebody"]
    assert published[1:] == (
        "Published by others, not measured here",
        0.97,
        None,
        None,
        None,
        "their pictures (a paper)",
    )
    said = next(dot.said for dot in leaderboard_dots(rows, FIGURE["gender"], {}) if dot.kind == "published")
    assert "not measured here" in said


def test_a_reference_model_names_its_system(models: Path) -> None:
    evidence = read_evidence(models)
    rows = leaderboard(FIGURE["age_group"], evidence.reports)
    table = leaderboard_table(rows, FIGURE["age_group"], evidence.systems, {})
    assert {row[0]: row[-1] for row in table.rows}["age-upload-predictor"] == "from upload-predictor"
    unfinished = {"age-upload-predictor": "still improving"}
    table = leaderboard_table(rows, FIGURE["age_group"], evidence.systems, unfinished)
    assert {row[0]: row[-1] for row in table.rows}["age-upload-predictor"] == "from upload-predictor; still improving"
    assert "age-upload-predictor" in unfinished_sentence(rows, unfinished)
    assert unfinished_sentence(rows, {}) == ""
    for system, shown in (("upload-predictor", "age-upload-predictor"), ("other", "age-upload-predictor (of other)")):
        dots = leaderboard_dots(rows, FIGURE["age_group"], {"age-upload-predictor": system})
        assert shown in [dot.name for dot in dots]


@pytest.mark.parametrize(
    ("commit", "words"),
    [("0123456789", "0123456"), ("0123456789-dirty", "0123456 with later changes"), ("", "of an unknown version")],
)
def test_the_code_is_named_with_whether_it_was_changed(commit: str, words: str) -> None:
    assert code_words(commit) == words


def group(name: str, value: float, n: int, width: float = 0.01) -> GroupRow:
    return GroupRow({"gender": name}, Measured(value, value - width, value + width, n), n >= 30)


def test_the_worst_group_is_named_and_small_ones_are_not_compared() -> None:
    rows = [group("a", 0.9, 100), group("b", 0.8, 50), group("c", 0.1, 5)]
    figure = FIGURE["gender"]
    gap = largest_gap(rows, figure)
    sentence = fairness_sentence(gap, figure, compared=2)
    assert sentence.startswith("Worst for b: 80.0%; best for a: 90.0%. The largest gap is 10.0 percentage points.")
    assert "chance alone is an unlikely explanation" in sentence
    assert "extremes of 25 groups" in fairness_sentence(gap, figure, compared=25)
    assert [dot.kind for dot in group_dots(rows, figure, gap)] == ["group", "worst", "few"]
    assert [row[-1] for row in fairness_table(rows, figure).rows] == [True, True, False]
    assert "no, too few" in fairness_table(rows, figure).to_html()


def test_a_gap_within_the_intervals_may_be_chance() -> None:
    gap = largest_gap([group("a", 0.9, 100, 0.1), group("b", 0.8, 50, 0.1)], FIGURE["gender"])
    assert "chance may explain it" in fairness_sentence(gap, FIGURE["gender"], 2)
    assert "enough people" in fairness_sentence(None, FIGURE["gender"], 0)
