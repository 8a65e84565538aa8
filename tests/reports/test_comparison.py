"""Reports laid side by side: figures, leaderboards, groups of people."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from facetraits.reports.comparison import (
    FIGURE,
    FIGURES,
    HEADLINE_KEYS,
    MIN_COMPARED,
    find_report,
    group_rows,
    largest_gap,
    leaderboard,
    load_published,
)
from facetraits.reports.evaluation_report import EvaluationReport
from facetraits.reports.metrics import ClassCounts, Subgroup, age_errors, class_counts, sum_of_errors
from facetraits.traits import TRAITS


def counts(right: int, wrong: int, undetected: int = 0) -> ClassCounts:
    """Two classes; every error takes the first for the second."""
    y_true = np.array([0] * (right + wrong))
    confidence = np.array([[0.9, 0.1]] * right + [[0.2, 0.8]] * wrong).reshape(-1, 2)
    return class_counts(y_true, confidence, ("male", "female"), undetected)


def report(model: str, gender: ClassCounts, **more: object) -> EvaluationReport:
    plain = EvaluationReport(model, "utkface", "test", "crops", {"a": "0"}, {"gender": gender})
    return replace(plain, **more)  # type: ignore[arg-type]


AGES = np.array([20, 30, 40, 50])
OURS = report("accurate", counts(95, 5), ages=age_errors(AGES, AGES + 4.0, None))
THEIRS = report("other", counts(90, 10), kind="peer", ages=age_errors(AGES, AGES - 6.0, None))


def test_every_trait_has_a_first_figure() -> None:
    assert set(HEADLINE_KEYS) == set(TRAITS)
    assert all(FIGURE[key].trait == trait for trait, key in HEADLINE_KEYS.items())
    assert len(FIGURE) == len(FIGURES)


def test_a_figure_comes_with_its_interval_and_n() -> None:
    measured = FIGURE["gender"].of(report("m", counts(90, 5, undetected=5)))
    assert measured is not None
    assert (measured.value, measured.n) == (0.9, 100)
    assert 0.82 < measured.low < 0.9 < measured.high < 0.97
    assert FIGURE["gender"].formatted(measured.value) == "90.0%"
    years = FIGURE["age_mae"].of(OURS)
    assert years is not None and FIGURE["age_mae"].formatted(years.value) == "4.00 years"


def test_what_a_model_does_not_answer_has_no_figure() -> None:
    assert FIGURE["ethnicity"].of(OURS) is None
    assert FIGURE["age_mae_0_3"].of(OURS) is None, "nobody is that young here"


def test_the_best_comes_first_whichever_way_is_better(tmp_path: Path) -> None:
    (tmp_path / "published.json").write_text(
        json.dumps([{"figure": "gender", "name": "a paper", "value": 0.97, "note": "their split", "source": "it"}])
    )
    published = load_published(tmp_path)
    reports = (THEIRS, OURS, report("unread", counts(100, 0), split="validation"))
    board = leaderboard(FIGURE["gender"], reports, published)
    assert [(row.name, row.kind) for row in board] == [
        ("a paper", "published"),
        ("accurate", "profile"),
        ("other", "peer"),
    ]
    assert board[0].report is None and board[1].report is OURS
    assert [row.name for row in leaderboard(FIGURE["age_mae"], reports, published)] == ["accurate", "other"]


@pytest.mark.parametrize(
    "entry", [{"figure": "gender"}, {"figure": "x", "name": "", "value": 1, "note": "", "source": ""}]
)
def test_malformed_published_figures_are_refused(entry: dict[str, object], tmp_path: Path) -> None:
    (tmp_path / "published.json").write_text(json.dumps([entry]))
    with pytest.raises(ValueError, match=r"published\.json"):
        load_published(tmp_path)


def test_reports_are_found_by_name() -> None:
    assert find_report((THEIRS, OURS), "accurate", "utkface") is OURS
    assert find_report((THEIRS, OURS), "accurate", "utkface", "test", "photos") is None


def people() -> EvaluationReport:
    """Women 80%, men 90%, two elves all wrong; of the ethnicities only white, young and grown."""
    groups = [
        Subgroup({"gender": "female"}, {"gender": counts(80, 20)}, sum_of_errors(AGES, AGES + 9.0, None)),
        Subgroup({"gender": "male"}, {"gender": counts(180, 20)}),
        Subgroup({"gender": "elf"}, {"gender": counts(0, 2)}),
        Subgroup({"ethnicity": "white"}, {"gender": counts(260, 42)}),
        *(
            Subgroup({"ethnicity": "white", "age_group": name}, {"gender": of})
            for name, of in (("0-20", counts(10, 30)), ("21-40", counts(60, 0)), ("41-60", counts(30, 10)))
        ),
        *(
            Subgroup({"ethnicity": "black", "age_group": name}, {"gender": of})
            for name, of in (("0-20", counts(5, 5)), ("21-40", counts(40, 10)))
        ),
    ]
    return report("accurate", counts(260, 42), subgroups=tuple(groups))


def test_groups_that_are_too_small_are_shown_but_not_compared() -> None:
    rows = group_rows(people(), FIGURE["gender"], ("gender",))
    assert [(row.name, row.measured.n, row.compared) for row in rows] == [
        ("female", 100, True),
        ("male", 200, True),
        ("elf", 2, False),
    ]
    gap = largest_gap(rows, FIGURE["gender"])
    assert gap is not None
    assert (gap.worst.name, gap.best.name, round(gap.size, 6)) == ("female", "male", 0.1)
    assert largest_gap(rows[1:], FIGURE["gender"]) is None
    assert MIN_COMPARED > 2


def test_groups_have_no_macro_f1() -> None:
    assert group_rows(people(), FIGURE["gender_f1"], ("gender",)) == (), "some classes cannot occur in a group"
    assert FIGURE["gender_f1"].of(people()) is not None


def test_only_accuracy_counts_faces_that_were_not_found() -> None:
    some = report("m", counts(90, 5, undetected=5))
    accuracy, f1 = FIGURE["gender"].of(some), FIGURE["gender_f1"].of(some)
    assert accuracy is not None and f1 is not None
    assert (accuracy.n, f1.n) == (100, 95)


def test_pairs_are_asked_for_by_both_names() -> None:
    rows = group_rows(people(), FIGURE["gender"], ("ethnicity", "age_group"))
    assert [row.name for row in rows] == ["white, 0-20", "white, 21-40", "white, 41-60", "black, 0-20", "black, 21-40"]
    grown = group_rows(people(), FIGURE["gender"], ("ethnicity", "age_group"), adults=True)
    assert [row.name for row in grown] == ["white, 21-40", "white, 41-60", "black, 21-40"]


def test_adults_are_the_older_age_groups_together() -> None:
    rows = group_rows(people(), FIGURE["gender"], ("ethnicity",), adults=True)
    assert [(row.name, row.measured.value, row.measured.n) for row in rows] == [("white", 0.9, 100), ("black", 0.8, 50)]


def test_of_years_the_most_is_the_worst() -> None:
    groups = (
        Subgroup({"gender": "female"}, {}, sum_of_errors(np.full(40, 30), np.full(40, 33.0), None)),
        Subgroup({"gender": "male"}, {}, sum_of_errors(np.full(40, 30), np.full(40, 37.0), None)),
    )
    rows = group_rows(report("m", counts(1, 0), subgroups=groups), FIGURE["age_mae"], ("gender",))
    gap = largest_gap(rows, FIGURE["age_mae"])
    assert gap is not None and (gap.worst.name, gap.size) == ("male", 4.0)
