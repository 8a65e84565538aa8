import dataclasses

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, log_loss, recall_score

from facetraits.metrics import EvaluationReport, age_errors, class_counts

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
    assert counts.log_loss == pytest.approx(log_loss(y_true, probabilities), abs=1e-5)


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


def test_report_round_trip(answers):
    report = EvaluationReport(
        model="m",
        dataset="d",
        split="test",
        protocol="crops",
        weights_sha256={"a": "0"},
        classes={"t": class_counts(*answers, CLASSES)},
        ages=age_errors(np.array([30]), np.array([33.0]), np.array([[20.0, 40.0]])),
    )
    again = EvaluationReport.from_json(report.to_json())
    assert again == report
    assert again.to_json() == report.to_json()


@pytest.mark.parametrize("text", ["{}", "[]", "no json", '{"model": 1}'])
def test_what_is_no_report_is_refused(text):
    with pytest.raises(ValueError):
        EvaluationReport.from_json(text)


def test_reports_are_immutable(answers):
    counts = class_counts(*answers, CLASSES)
    with pytest.raises(dataclasses.FrozenInstanceError):
        counts.undetected = 3
