"""Heat-maps of a network whose answers are known, and a served one's Keras twin."""

from __future__ import annotations

import numpy as np
import pytest

from facetraits.alignment import CROPS, align_faces
from facetraits.detection import FaceDetector
from facetraits.ensemble import Member
from facetraits.inside.layers import read_network
from facetraits.registry import load_manifest
from tests.builders import MODELS, photo_of_one
from tests.inside.drawn_network import GREEN, RED, grey_with, red_or_green

pytest.importorskip("keras", reason="TensorFlow is not installed")

from facetraits.inside.heat import HEAT_METHODS, Heat
from facetraits.inside.rebuilt import keras_model


@pytest.fixture(scope="module")
def heat() -> Heat:
    network = red_or_green()
    return Heat(network, keras_model(network))


def middle(heat: np.ndarray) -> tuple[float, float]:
    """Top and left of the heat's centre, in px of the crop."""
    side = 32 / heat.shape[0]
    rows, columns = np.indices(heat.shape)
    return float((rows * heat).sum() / heat.sum() + 0.5) * side, float((columns * heat).sum() / heat.sum() + 0.5) * side


@pytest.mark.parametrize("layer", ["colours", "fewer"])
@pytest.mark.parametrize("method", HEAT_METHODS)
def test_the_heat_of_a_class_lies_on_what_shows_it(heat: Heat, layer: str, method) -> None:
    crop = grey_with(red=(2, 4), green=(22, 18))

    assert middle(heat.of_class(crop, "colour", RED, layer, method)) == pytest.approx((5, 7), abs=1)
    assert middle(heat.of_class(crop, "colour", GREEN, layer, method)) == pytest.approx((25, 21), abs=1)


@pytest.mark.parametrize("method", HEAT_METHODS)
def test_nothing_is_hot_where_nothing_shows_the_class(heat: Heat, method) -> None:
    assert heat.of_class(grey_with(green=(8, 8)), "colour", RED, "colours", method).max() == 0


@pytest.mark.parametrize("method", HEAT_METHODS)
def test_what_makes_older_and_what_makes_younger(heat: Heat, method) -> None:
    older, younger = heat.of_years(grey_with(red=(2, 4), green=(22, 18)), "colours", method)

    assert middle(older) == pytest.approx((5, 7), abs=1)
    assert middle(younger) == pytest.approx((25, 21), abs=1)


def test_grad_cam_is_the_sum_of_maps_weighted_by_their_mean_gradient(heat: Heat) -> None:
    """By hand: each of 256 places of a pooled map adds 40 / 256 of itself to the logit of its colour."""
    crop = grey_with(red=(2, 4))

    found = heat.of_class(crop, "colour", RED, "fewer")

    expected = np.zeros((16, 16))
    expected[1:4, 2:5] = 40 / 256  # the map is 1 there, 2 x 2 px to a place
    assert np.allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize("name", sorted(load_manifest(MODELS).members))
def test_the_keras_twin_answers_what_the_served_file_answers(name: str) -> None:
    manifest = load_manifest(MODELS)
    entry = manifest.members[name]
    photo = photo_of_one()
    faces = FaceDetector(manifest.detector).detect(photo)
    crop = align_faces(photo, faces, CROPS[entry.crop])
    network = read_network(entry.path)

    answers = keras_model(network)(crop.astype(np.float32), training=False)

    for output, served in Member(entry).predict(crop).items():
        assert np.allclose(served, answers[network.outputs[output]], atol=1e-5)
