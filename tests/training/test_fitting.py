"""Weights, temperatures and age intervals that are fitted on validation."""

import numpy as np
import pytest

from facetraits.training.fitting import LabelledAnswers, fit_trait


def test_weights_and_temperature_are_found():
    rng = np.random.default_rng(5)
    truth = rng.integers(0, 5, 3000)
    good = np.eye(5)[truth] * 2.0 + rng.normal(0, 1, (3000, 5))
    noise = rng.normal(0, 1, (3000, 5))

    def softmax(x):
        e = np.exp(x - x.max(axis=1, keepdims=True))
        return (e / e.sum(axis=1, keepdims=True)).astype(np.float32)

    asked = np.ones(5, dtype=bool)

    def fit(**by_member):
        return fit_trait("ethnicity", [LabelledAnswers(by_member, truth, asked)])

    both = fit(good=softmax(2 * good), noise=softmax(noise))
    assert both.weights["good"] > 0.8
    assert sum(both.weights.values()) == pytest.approx(1)
    # Unit noise around means 2 apart makes 2 * x the true log-odds; 3 * x is one and a half times too sure.
    assert fit(sure=softmax(3 * good)).temperature == pytest.approx(1.5, abs=0.1)
    # As they are, the sharper of two looks better; after calibration the one that knows more is.
    pair = fit(unsure=softmax(good / 2), sure=softmax(1.5 * (good + noise)))
    assert pair.weights["unsure"] > 0.8 and pair.temperature < 0.5


def test_members_that_bear_other_qualities_get_more_weight():
    rng = np.random.default_rng(5)
    truth = rng.integers(0, 5, 2000)
    identity, asked = np.eye(5, dtype=np.float32), np.ones(5, dtype=bool)
    blurred = 0.9 * identity[truth] + 0.02, 0.9 * identity[rng.integers(0, 5, 2000)] + 0.02
    clear = LabelledAnswers({"steady": 0.8 * identity[truth] + 0.04, "sharp": blurred[0]}, truth, asked)
    varied = LabelledAnswers({"steady": 0.8 * identity[truth] + 0.04, "sharp": blurred[1]}, truth, asked)
    assert fit_trait("ethnicity", [clear]).weights["sharp"] > 0.9
    assert fit_trait("ethnicity", [clear], [varied]).weights["steady"] > 0.9


def test_an_age_is_unsure_where_wide_intervals_are_far_off():
    rng = np.random.default_rng(5)
    truth = rng.integers(20, 70, 4000)
    spread = np.where(np.arange(4000) < 200, 14.0, 3.0)
    centre = truth + rng.normal(0, spread)
    rows = np.exp(-0.5 * ((np.arange(101) - centre[:, None]) / spread[:, None]) ** 2)
    rows = (rows / rows.sum(axis=1, keepdims=True)).astype(np.float32)
    entry = fit_trait("age", [LabelledAnswers({"only": rows}, truth, np.ones(101, dtype=bool))])
    assert 8 <= entry.unsure_wider_than <= 30, "between those of 3 and those of 14 years"


def test_each_data_set_counts_alike_and_only_for_what_it_asked():
    rng = np.random.default_rng(5)
    identity = np.eye(5, dtype=np.float32)

    def part(faces, good, bad, asked):
        truth = rng.integers(0, 3, faces)
        right, wrong = (0.9 * identity[(truth + off) % 3] + 0.02 for off in (0, 1))
        return LabelledAnswers({good: right, bad: wrong}, truth, asked)

    everything, three = np.ones(5, dtype=bool), np.arange(5) < 3
    # By number of faces "a" would win: each of two sets counts as much as the other, so both get a share.
    weights = fit_trait("ethnicity", [part(3000, "a", "b", everything), part(300, "b", "a", three)]).weights
    assert weights["a"] == pytest.approx(0.5, abs=0.15)
    asked = LabelledAnswers({"a": np.full((1, 5), 0.2, np.float32)}, np.array([0]), three).mixed({"a": 1.0}, 1.0)
    assert asked[0].tolist() == pytest.approx([1 / 3, 1 / 3, 1 / 3, 0, 0])


def test_the_age_interval_covers_what_it_promises():
    rng = np.random.default_rng(5)
    truth = rng.integers(20, 70, 4000)
    centre = truth + rng.normal(0, 5, 4000)
    rows = np.exp(-0.5 * ((np.arange(101) - centre[:, None]) / 3) ** 2)
    rows = (rows / rows.sum(axis=1, keepdims=True)).astype(np.float32)
    entry = fit_trait("age", [LabelledAnswers({"only": rows}, truth, np.ones(101, dtype=bool))])
    from facetraits.age import central_interval
    from facetraits.ensemble import apply_temperature

    assert entry.unsure_wider_than is None, "all intervals are equally wide"
    ends = central_interval(apply_temperature(rows, entry.temperature), entry.interval_mass)
    assert np.mean((ends[:, 0] <= truth) & (truth <= ends[:, 1])) == pytest.approx(0.8, abs=0.02)
