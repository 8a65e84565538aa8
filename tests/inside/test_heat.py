"""Heat-maps of a network whose answers are known, and a served one's Keras twin."""

from __future__ import annotations

import numpy as np
import pytest

from facetraits.ensemble import Member
from facetraits.faces.alignment import CROPS, align_faces
from facetraits.faces.detection import FaceDetector
from facetraits.inside.reading import read_network
from facetraits.registry import load_manifest
from tests.builders import FIRST_NETWORK, MODELS, photo_of_one
from tests.inside.drawn_network import GREEN, RED, grey_with, red_or_green

pytest.importorskip("keras", reason="TensorFlow is not installed")

from facetraits.inside.heat import HEAT_METHODS, Heat, _weighted
from facetraits.inside.rebuilt import keras_model


@pytest.fixture(scope="module")
def heat() -> Heat:
    network = red_or_green()
    return Heat(network, keras_model(network))


def of_class(heat: Heat, crop: np.ndarray, index: int, layer: str, method="grad-cam") -> np.ndarray:
    (found,) = heat.of_classes(crop, "colour", [index], layer, method)
    return found


def middle(heat: np.ndarray) -> tuple[float, float]:
    """Top and left of the heat's centre, in px of the crop."""
    side = 32 / heat.shape[0]
    rows, columns = np.indices(heat.shape)
    return float((rows * heat).sum() / heat.sum() + 0.5) * side, float((columns * heat).sum() / heat.sum() + 0.5) * side


@pytest.mark.parametrize("layer", ["colours", "fewer"])
@pytest.mark.parametrize("method", HEAT_METHODS)
def test_the_heat_of_a_class_lies_on_what_shows_it(heat: Heat, layer: str, method) -> None:
    crop = grey_with(red=(2, 4), green=(22, 18))

    red, green = heat.of_classes(crop, "colour", [RED, GREEN], layer, method)
    assert middle(red) == pytest.approx((5, 7), abs=1)
    assert middle(green) == pytest.approx((25, 21), abs=1)
    assert np.array_equal(red, of_class(heat, crop, RED, layer, method)), "alone as together"


@pytest.mark.parametrize("method", HEAT_METHODS)
def test_nothing_is_hot_where_nothing_shows_the_class(heat: Heat, method) -> None:
    assert of_class(heat, grey_with(green=(8, 8)), RED, "colours", method).max() == 0


@pytest.mark.parametrize("method", HEAT_METHODS)
def test_what_makes_older_and_what_makes_younger(heat: Heat, method) -> None:
    older, younger = heat.of_years(grey_with(red=(2, 4), green=(22, 18)), "colours", method)

    assert middle(older) == pytest.approx((5, 7), abs=1)
    assert middle(younger) == pytest.approx((25, 21), abs=1)


def test_grad_cam_is_the_sum_of_maps_weighted_by_their_mean_gradient(heat: Heat) -> None:
    """By hand: each of 256 places of a pooled map adds 40 / 256 of itself to the logit of its colour."""
    crop = grey_with(red=(2, 4))

    found = of_class(heat, crop, RED, "fewer")

    expected = np.zeros((16, 16))
    expected[1:4, 2:5] = 40 / 256  # the map is 1 there, 2 x 2 px to a place
    assert np.allclose(found, expected, atol=1e-6)


# Two places, two maps: of the first map the gradients vary from place to place and in sign, and it has negative values.
MAPS = np.array([[[1.0, 2.0], [-3.0, 4.0]]], dtype=np.float32)  # (1, 2, 2)
GRADIENTS = np.array([[[0.5, 0.25], [-1.5, 0.5]]], dtype=np.float32)


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        # The maps weigh -0.5 and 0.375: 1 x -0.5 + 2 x 0.375, and -3 x -0.5 + 4 x 0.375.
        ("grad-cam", [0.25, 3.0]),
        # 1 x 0.5 + 2 x 0.25, and 4 x 0.5.
        ("layer-cam", [1.0, 2.0]),
        # Of the first map the positive values sum up to 1, of the second to 6. It weighs 0.5 / (2 + 1 x 0.5) = 0.2,
        # the second 0.25 / (2 + 6 x 0.25) + 0.5 / (2 + 6 x 0.5) = 0.0714 + 0.1.
        ("grad-cam++", [0.2 + 2 * (1 / 14 + 0.1), -3 * 0.2 + 4 * (1 / 14 + 0.1)]),
    ],
)
def test_numbers_by_hand(method, expected) -> None:
    found = _weighted(MAPS, GRADIENTS, method)
    assert found[0].tolist() == pytest.approx([max(value, 0) for value in expected], abs=1e-6)


def test_grad_cam_plus_plus_stays_bounded_where_the_sum_of_a_map_is_negative() -> None:
    """Without care 2 + sum(A) g is 0 here, and the heat without bounds."""
    rng = np.random.default_rng(0)
    maps = rng.normal(0, 1, (24, 24, 4)).astype(np.float32)
    maps[..., 0] -= maps[..., 0].mean() + 2 / (0.01 * 576)
    gradients = 0.01 + rng.normal(0, 1e-5, maps.shape).astype(np.float32)

    assert _weighted(maps, gradients, "grad-cam++").max() <= np.abs(maps).sum(axis=2).max() * gradients.max() * 288


@pytest.mark.parametrize("name", ["block1_pointwise", "block2_depthwise", "block4_pointwise"])
def test_what_a_position_can_see_is_what_its_gradient_reaches(name: str) -> None:
    import tensorflow as tf

    network = read_network(load_manifest(MODELS).members[FIRST_NETWORK].path)
    layer, model = network.by_name[name], keras_model(network)
    row, column = layer.shape[0] // 2, layer.shape[1] // 2 - 1
    pixels = tf.constant(np.random.default_rng(1).integers(0, 256, (8, 112, 112, 3)), tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(pixels)
        value = tf.reduce_sum(model(pixels, training=False)[name][:, row, column] ** 2)
    reached = np.abs(tape.gradient(value, pixels).numpy()).sum(axis=(0, 3)) > 0

    rows, columns = np.flatnonzero(reached.any(axis=1)), np.flatnonzero(reached.any(axis=0))
    x_px, y_px = layer.middle_px(row, column)
    # Pixels at the very edge may weigh nothing.
    assert layer.receptive_px - 2 <= rows[-1] - rows[0] + 1 <= layer.receptive_px
    assert layer.receptive_px - 2 <= columns[-1] - columns[0] + 1 <= layer.receptive_px
    assert (rows[0] + rows[-1] + 1) / 2 == pytest.approx(y_px, abs=1)
    assert (columns[0] + columns[-1] + 1) / 2 == pytest.approx(x_px, abs=1)


@pytest.mark.parametrize("name", sorted(load_manifest(MODELS).differentiable))
def test_the_keras_twin_answers_what_the_served_file_answers(name: str) -> None:
    manifest = load_manifest(MODELS)
    entry = manifest.members[name]
    photo = photo_of_one()
    faces = FaceDetector(manifest.serving_detector).detect(photo)
    crop = align_faces(photo, faces, CROPS[entry.crop])
    network = read_network(entry.path)

    answers = keras_model(network)(crop.astype(np.float32), training=False)

    for output, served in Member(entry).predict(crop).items():
        assert np.allclose(served, answers[network.outputs[output]], atol=1e-5)
