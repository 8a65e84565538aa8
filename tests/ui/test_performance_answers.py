"""Confusion matrices, confidence and errors of age: sentences and tables."""

from __future__ import annotations

from dataclasses import replace

import pytest

from facetraits.reports.metrics import ClassCounts
from tests.evidence import (
    fer2013_report,
    utkface_report,
)
from ui.performance import answers

# 10 sad and 40 happy faces, 3 of the sad ones taken for happy.
COUNTS = ClassCounts(("sad", "happy"), ((7, 3), (0, 40)), (0, 50), (0, 47), (0.0, 45.0), 5.0, 6.0)


@pytest.mark.parametrize(
    ("truth", "answer", "norm", "sentence"),
    [
        ("sad", "happy", "rows", "Of 10 faces labelled sad, 3 (30%) were taken for happy."),
        ("sad", "sad", "counts", "Of 10 faces labelled sad, 7 (70%) were recognised."),
        ("sad", "happy", "columns", "Of 43 faces answered with happy, 3 (7%) were actually labelled sad."),
        ("sad", "sad", "columns", "Of 7 faces answered with sad, 7 (100%) had this label."),
    ],
)
def test_a_cell_is_a_sentence(truth: str, answer: str, norm: str, sentence: str) -> None:
    assert answers.cell_sentence(COUNTS, truth, answer, norm) == sentence


@pytest.mark.parametrize(
    ("norm", "shares"),
    [("counts", [7 / 40, 3 / 40, 0, 1]), ("rows", [0.7, 0.3, 0, 1]), ("columns", [1, 3 / 43, 0, 40 / 43])],
)
def test_cells_are_normalised(norm: str, shares: list[float]) -> None:
    cells = answers.cells(COUNTS, norm)
    assert [cell["n"] for cell in cells] == [7, 3, 0, 40]
    assert [cell["share"] for cell in cells] == pytest.approx(shares)


def test_a_class_that_never_occurs_divides_by_nothing() -> None:
    counts = ClassCounts(("a", "b"), ((5, 0), (0, 0)), (5,), (5,), (5.0,), 0.0, 0.0)
    assert [cell["share"] for cell in answers.cells(counts, "columns")] == [1, 0, 0, 0]
    assert answers.most_confused(counts) is None


def test_the_most_frequent_mistake_is_one_of_a_class_with_enough_faces() -> None:
    counts = replace(COUNTS, confusion=((7, 3), (4, 36)))
    assert answers.most_confused(counts) == ("happy", "sad")


def test_undetected_faces_are_mentioned() -> None:
    assert "no face was found" not in answers.confusion_sentence(COUNTS)
    told = answers.confusion_sentence(replace(COUNTS, undetected=50))
    assert told.startswith("47.0% of 100 faces")
    assert "In 50 pictures no face was found" in told


def test_the_tables_of_the_matrix_equal_its_counts() -> None:
    assert answers.confusion_table(COUNTS).rows == (("sad", 7, 3), ("happy", 0, 40))
    assert answers.class_table(COUNTS).rows[0] == ("sad", 0.7, 1.0, pytest.approx(14 / 17), 10)


def test_bins_hold_claim_and_truth() -> None:
    (bin_,) = answers.reliability_bins(COUNTS)
    assert (bin_["low"], bin_["high"], bin_["n"]) == (0.5, 1.0, 50)
    assert (bin_["confidence"], bin_["accuracy"]) == (0.9, 0.94)
    assert answers.reliability_table([bin_]).rows == ((0.5, 1.0, 50, 0.9, 0.94),)


@pytest.mark.parametrize(
    ("claimed", "verdict"),
    [(45.0, "it is underconfident"), (49.0, "it is overconfident"), (47.2, "its confidence is about right")],
)
def test_confidence_is_judged(claimed: float, verdict: str) -> None:
    assert f"Overall {verdict}" in answers.confidence_sentence(replace(COUNTS, bin_confidence=(0.0, claimed)))


def test_ages_are_binned_by_label_and_estimate() -> None:
    spread, means = answers.age_cells([(1, 2, 8), (3, 12, 2), (100, 99, 1)], 5)
    assert [(c["truth"], c["estimate"], c["n"], c["share"]) for c in spread] == [
        (0, 0, 8, 0.8),
        (0, 10, 2, 0.2),
        (95, 95, 1, 1.0),
    ]
    assert means == [{"truth": 2.5, "estimate": 4.0}]  # one face of 100 years is no mean
    assert "95 or older" in spread[-1]["said"]
    assert sum(row[4] for row in answers.age_cell_table(spread, 5).rows) == 11


def test_the_age_table_equals_the_report() -> None:
    report = utkface_report()
    rows = {row[0]: row for row in answers.age_table(report.ages).rows}
    assert rows["All ages"][1] == report.ages["all"].mae
    assert rows["Ages 21-60"][-1] == report.ages["21-60"].n
    assert f"{report.ages['all'].mae:.1f} years on average" in answers.age_sentence(report.ages)
    points = answers.score_points([report, fer2013_report()])
    assert answers.score_table(points).rows[0][3] == report.ages["all"].cumulative_score(5)
    assert {point["model"] for point in points} == {"facetraits (accurate)"}


@pytest.mark.parametrize(("trait", "word"), [("age", "five years at most"), ("gender", "of 100 faces get the gender")])
def test_the_headline_needs_no_statistics(trait: str, word: str) -> None:
    assert word in answers.plain_words(utkface_report(), trait)
