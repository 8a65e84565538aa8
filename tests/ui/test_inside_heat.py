"""Which answer is asked about, and what covering the face finds."""

from __future__ import annotations

import json

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.builders import (
    FIRST_NETWORK,
    MODELS,
)
from tests.ui.inside_networks import EXPRESSION_NETWORK, FACE, MANIFEST
from ui.inside.cover import Covered, correlation, cover, log_odds, verdict
from ui.inside.question import FER2013_CLASSES, Question
from ui.inside.session import Network


def test_the_rival_is_the_second_or_the_first() -> None:
    question = Question("gender", ("a", "b", "c"), np.array([0.1, 0.7, 0.2]), 1)
    assert question.rival == 2
    assert question._replace(target=2).rival == 1
    assert question._replace(target=0).rival == 1


def test_covering_watches_the_class_or_the_years() -> None:
    outputs = {"gender": np.array([[0.25, 0.75]], np.float32), "age": np.array([[0.2, 0.6, 0.2]], np.float32)}
    assert Question("gender", ("a", "b"), outputs["gender"][0], 1).value(outputs) == pytest.approx([0.75])
    assert Question("age", ("0", "1", "2"), outputs["age"][0], "years").value(outputs) == pytest.approx([1.0])


def test_correlation_of_the_same_the_opposite_and_nothing() -> None:
    drop = np.zeros((112, 112), np.float32)
    drop[40:60, 40:60] = 1
    assert correlation(drop, drop) == pytest.approx(1)
    assert correlation(drop, -drop) == pytest.approx(-1)
    assert correlation(drop, np.ones((6, 6))) is None
    assert correlation(np.zeros((112, 112)), np.eye(6)) is None


def test_heat_is_compared_with_what_covering_costs() -> None:
    drop = np.zeros((112, 112), np.float32)
    drop[:56] = 1
    heat = np.array([[1, 1], [0, 0]], np.float32)
    gender = Question("gender", ("a", "b"), np.array([0.1, 0.9]), 1)
    found = Covered(drop, 0.4, 0.9)
    assert verdict(gender, found, (heat, 1 - heat), "Grad-CAM").startswith("Grad-CAM and covering agree well (corr")
    assert "contradict each other" in verdict(gender, found, (1 - heat, heat), "Grad-CAM")
    assert verdict(gender, found._replace(lowest=0.995), (heat, heat), "LayerCAM").endswith("a little less sure.")
    even = verdict(gender, found, (np.zeros((2, 2)), heat), "Grad-CAM")
    assert even == "Grad-CAM and covering cannot be compared: one of the two maps is the same everywhere."
    assert verdict(gender, found, None, "Grad-CAM") == "", "without Keras there is nothing to compare with"
    age = Question("age", ("0", "1"), np.array([0.5, 0.5]), "years")
    assert "agree well" in verdict(age, found, (heat, 1 - heat), "Grad-CAM")


def test_what_covering_finds_is_of_covered_faces_only() -> None:
    """Here all that covering does is to help: the face as it is has the lowest probability."""

    def predict(crops: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
        best = [0.1 if (crop == FACE).all() else 0.3 for crop in crops]
        return {"gender": np.array([[value, 1 - value] for value in best], np.float32)}

    *_, (done, found) = cover(FACE, Question("gender", ("a", "b"), np.array([0.1, 0.9]), 0), predict, 40)
    assert done == 1
    assert (found.lowest, found.highest) == (pytest.approx(0.3), pytest.approx(0.3))
    assert found.drop.max() < 0


def test_the_surest_answers_still_have_differences() -> None:
    values = log_odds(np.array([0.5, 0.999, 0.9999, 1.0], np.float32))
    assert values[0] == 0 and (np.diff(values) > 1).all() and np.isfinite(values).all()


def test_the_two_heat_maps_are_of_one_request() -> None:
    question = Question("gender", ("a", "b"), np.array([0.1, 0.9]), 0)
    assert question.targets == (0, 1)
    assert question._replace(target="years").targets == "years"


def test_the_seven_classes_are_those_of_the_models() -> None:
    raw = json.loads((MODELS / "manifest.json").read_text(encoding="utf-8"))
    assert list(FER2013_CLASSES) == raw["classes"]["expression_fer2013"]
    entry = MANIFEST.members[FIRST_NETWORK]
    assert set(Network(entry, EXPRESSION_NETWORK).outputs) > {"expression", "expression_fer2013"}


def test_places_are_said() -> None:
    question = Question("expression", ("a", "b", "c", "d"), np.array([0.4, 0.3, 0.2, 0.1]), 0)
    assert question.titles() == ("For a", "For b")
    assert question.texts()[1] == "30% by this network alone: came second."
    assert question._replace(target=3).texts() == (
        "10% by this network alone: came 4th.",
        "40% by this network alone: the answer.",
    )
