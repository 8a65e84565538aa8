import dataclasses
import json

import numpy as np
import pytest
from sklearn.metrics import (
    accuracy_score,
    brier_score_loss,
    confusion_matrix,
    f1_score,
    log_loss,
    mean_absolute_error,
    precision_score,
    recall_score,
)

from facetraits.reports.evaluation_report import EvaluationReport
from facetraits.reports.metrics import AGE_RANGES, Subgroup, age_errors, class_counts, merged, sum_of_errors

CLASSES = ("a", "b", "c")


@pytest.fixture
def answers():
    rng = np.random.default_rng(7)
    probabilities = rng.dirichlet((1.0, 1.0, 1.0), size=500)
    y_true = np.array([rng.choice(3, p=p) for p in probabilities])
    return y_true, probabilities


def test_class_counts_equal_scikit_learn(answers):
    y_true, probabilities = answers
    y_pred = probabilities.argmax(axis=1)
    counts = class_counts(y_true, probabilities, CLASSES)
    assert np.array_equal(counts.confusion, confusion_matrix(y_true, y_pred))
    assert counts.accuracy == pytest.approx(accuracy_score(y_true, y_pred))
    assert counts.macro_f1 == pytest.approx(f1_score(y_true, y_pred, average="macro"))
    assert counts.recall_by_class == pytest.approx(recall_score(y_true, y_pred, average=None))
    assert counts.precision_by_class == pytest.approx(precision_score(y_true, y_pred, average=None))
    assert counts.support_by_class == tuple(np.bincount(y_true))
    assert counts.log_loss == pytest.approx(log_loss(y_true, probabilities), abs=1e-5)
    of_one_class = [brier_score_loss(y_true == i, probabilities[:, i]) for i in range(3)]
    assert counts.brier == pytest.approx(sum(of_one_class), abs=1e-5)


def test_bare_answers_are_not_judged_as_probabilities(answers):
    y_true, probabilities = answers
    ones = np.eye(3)[probabilities.argmax(axis=1)]
    counts = class_counts(y_true, ones, CLASSES, confident=False)
    assert counts.accuracy == class_counts(y_true, probabilities, CLASSES).accuracy
    assert not counts.confident and counts.log_loss == 0 and counts.ece == 0
    assert class_counts(y_true, probabilities, CLASSES).confident


def resampled(rng, n, figure):
    """Middle 95% of a figure over test sets drawn picture by picture: what the intervals must agree with."""
    values = [figure(rng.integers(0, n, n)) for _ in range(600)]
    return np.quantile(values, (0.025, 0.975))


def test_intervals_are_those_of_drawing_pictures_anew(answers):
    y_true, probabilities = answers
    y_pred = probabilities.argmax(axis=1)
    rng = np.random.default_rng(1)
    counts = class_counts(y_true, probabilities, CLASSES)
    accuracy = resampled(rng, 500, lambda i: np.mean(y_true[i] == y_pred[i]))
    assert counts.accuracy_interval == pytest.approx(accuracy, abs=0.012)
    f1 = resampled(rng, 500, lambda i: f1_score(y_true[i], y_pred[i], average="macro"))
    assert counts.macro_f1_interval == pytest.approx(f1, abs=0.012)
    draws = (rng.integers(0, 500, 500) for _ in range(600))
    drawn = [class_counts(y_true[i], probabilities[i], CLASSES).ece for i in draws]
    ece = np.quantile(drawn, (0.025, 0.975)) - np.mean(drawn) + counts.ece
    assert counts.ece_interval == pytest.approx(ece, abs=0.015)
    assert counts.ece_interval[0] < counts.ece < counts.ece_interval[1]
    assert counts.accuracy_interval == counts.accuracy_interval, "the same at every look"


def test_the_interval_of_the_mean_error_is_that_of_drawing_faces_anew():
    rng = np.random.default_rng(2)
    ages = rng.integers(0, 100, 400)
    years = ages + rng.normal(0, 6, 400)
    errors = np.abs(years - ages)
    drawn = resampled(rng, 400, lambda i: errors[i].mean())
    assert sum_of_errors(ages, years, None).mae_interval == pytest.approx(drawn, abs=0.08)


def test_nobody_has_no_figures_and_no_crash():
    nobody = sum_of_errors(np.array([], dtype=int), np.array([]), None)
    assert (nobody.n, nobody.mae, nobody.mae_interval, nobody.coverage) == (0, 0, (0, 0), None)
    empty = class_counts(np.array([], dtype=int), np.zeros((0, 3)), CLASSES)
    assert (empty.accuracy, empty.macro_f1, empty.accuracy_interval) == (0, 0, (0, 0))


def test_undetected_pictures_count_as_wrong(answers):
    y_true, probabilities = answers
    counts = class_counts(y_true, probabilities, CLASSES, undetected=500)
    assert counts.accuracy == pytest.approx(class_counts(y_true, probabilities, CLASSES).accuracy / 2)


def test_ece_is_small_where_truth_follows_the_probabilities_and_large_where_it_does_not(answers):
    y_true, probabilities = answers
    assert class_counts(y_true, probabilities, CLASSES).ece < 0.1
    wrong = (probabilities.argmax(axis=1) + 1) % 3
    counts = class_counts(wrong, probabilities, CLASSES)
    assert counts.ece == pytest.approx(probabilities.max(axis=1).mean(), abs=1e-4)


def test_age_errors_by_range():
    ages, years = np.array([2, 25, 60, 90]), np.array([4.0, 20.0, 61.0, 80.0])
    intervals = np.array([[0, 3], [24, 30], [50, 59], [80, 95]])
    errors = age_errors(ages, years, intervals)
    assert errors["all"].mae == pytest.approx((2 + 5 + 1 + 10) / 4)
    assert errors["all"].bias == pytest.approx((2 - 5 + 1 - 10) / 4)
    assert errors["all"].coverage == pytest.approx(3 / 4)
    assert (errors["21-60"].n, errors["0-3"].n, errors["81+"].n) == (2, 1, 1)
    assert errors["21-60"].mae == pytest.approx(3.0)


def test_cumulative_score_counts_errors_up_to_and_with_the_years():
    ages = np.array([20, 20, 20, 20, 20])
    errors = sum_of_errors(ages, np.array([20.0, 21.0, 22.5, 15.0, 27.0]), None)
    assert errors.mae == pytest.approx(mean_absolute_error(ages, [20, 21, 22.5, 15, 27]))
    assert [errors.cumulative_score(k) for k in (0.5, 1, 2, 2.5, 5, 6.5, 7)] == [0.2, 0.4, 0.4, 0.6, 0.8, 0.8, 1.0]


def test_groups_merge_to_what_counting_them_together_gives(answers):
    y_true, probabilities = answers
    ages, years = y_true * 20 + 5, probabilities.argmax(axis=1) * 20 + 6.5
    intervals = np.stack([years - 5, years + 5], axis=1)

    def group(of, rows):
        counts = {"t": class_counts(y_true[rows], probabilities[rows], CLASSES)}
        return Subgroup(of, counts, sum_of_errors(ages[rows], years[rows], intervals[rows]))

    parts = [group({"part": name}, rows) for name, rows in (("a", slice(0, 120)), ("b", slice(120, 500)))]
    together, whole = merged(parts, {"part": "both"}), group({"part": "both"}, slice(0, 500))
    assert together.classes["t"].confusion == whole.classes["t"].confusion
    assert together.classes["t"].bin_counts == whole.classes["t"].bin_counts
    assert together.classes["t"].ece == pytest.approx(whole.classes["t"].ece, abs=1e-4)
    assert together.ages.by_error == whole.ages.by_error
    assert (together.ages.mae, together.ages.coverage) == pytest.approx((whole.ages.mae, whole.ages.coverage))


def test_report_round_trip(answers):
    report = EvaluationReport(
        model="m",
        dataset="d",
        split="test",
        protocol="crops",
        weights_sha256={"a": "0"},
        classes={"t": class_counts(*answers, CLASSES)},
        kind="member",
        ages=age_errors(np.array([30]), np.array([33.0]), np.array([[20.0, 40.0]])),
        age_pairs=((30, 33, 1),),
        subgroups=(
            Subgroup({"gender": "female"}, {"t": class_counts(*answers, CLASSES)}),
            Subgroup({"gender": "male"}, {}, sum_of_errors(np.array([30]), np.array([33.0]), None)),
        ),
        version="1.0",
    )
    again = EvaluationReport.from_json(report.to_json())
    assert again == report
    assert again.to_json() == report.to_json()
    assert set(again.ages) == set(AGE_RANGES)


def test_odd_numbers_are_no_report(answers):
    report = EvaluationReport("m", "d", "test", "crops", {"a": "0"}, {"t": class_counts(*answers, CLASSES)})
    good = json.loads(report.to_json())
    assert EvaluationReport.from_json(json.dumps(good)) == report
    for key, value in (
        ("kind", "foreign"),
        ("weights_sha256", ["a"]),
        ("ages", {"all": {"n": 1, "absolute": 1.0, "signed": 1.0, "within": 1, "by_error": [1]}}),
        ("classes", {"t": good["classes"]["t"] | {"confusion": [[1, 2, 3], [4, 5], [6]]}}),
    ):
        with pytest.raises(ValueError, match="not an evaluation report"):
            EvaluationReport.from_json(json.dumps(good | {key: value}))


@pytest.mark.parametrize("text", ["{}", "[]", "no json", '{"classes": []}', '{"model": 1}'])
def test_what_is_no_report_is_refused(text):
    with pytest.raises(ValueError):
        EvaluationReport.from_json(text)


def test_reports_are_immutable(answers):
    counts = class_counts(*answers, CLASSES)
    with pytest.raises(dataclasses.FrozenInstanceError):
        counts.undetected = 3
