"""Colours, heat on a face, its parts, filters and layers as pictures."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from facetraits.faces.alignment import CROPS
from facetraits.inside.reading import read_network
from tests.ui.inside_networks import FACE, MANIFEST, NETWORKS, TRAITS_NETWORK
from ui.inside.heat import default_layer
from ui.inside.layers import as_seen, sees_grey, stages
from ui.inside.pictures import (
    blended,
    brightest,
    coloured,
    filter_pictures,
    heat_by_part,
    over_face,
    parts_of_face,
    stretched,
    with_square,
)


def test_colours_keep_their_order_in_grey() -> None:
    for colours in ("viridis", "inferno"):
        ramp = coloured(np.linspace(0, 1, 32)[None], colours)
        grey = cv2.cvtColor(ramp, cv2.COLOR_RGB2GRAY)[0].astype(int)
        assert (np.diff(grey) >= 0).all() and grey[-1] - grey[0] > 180


def test_stretching_reaches_from_nothing_to_all_and_survives_sameness() -> None:
    values = stretched(np.array([[-2.0, 0.0], [1.0, 2.0]]))
    assert (values.min(), values.max()) == (0, 1)
    assert (stretched(np.full((3, 3), 7.0)) == 0).all()


def test_without_heat_the_face_alone_is_seen_and_heat_changes_its_own_place() -> None:
    none = over_face(FACE, np.zeros((6, 6)))
    assert (none[..., 0] == none[..., 1]).all(), "the face is grey there"
    spot = np.zeros((6, 6), np.float32)
    spot[1, 1] = 1
    changed = (over_face(FACE, spot).astype(int) != none).any(axis=2)
    rows, columns = np.nonzero(changed)
    assert abs(rows.mean() / 448 - 0.25) < 0.06
    assert abs(columns.mean() / 448 - 0.25) < 0.06
    assert not changed[300:].any()


def test_a_map_without_opacity_leaves_the_grey_face() -> None:
    values = np.arange(16, dtype=np.float32).reshape(4, 4)
    assert (blended(FACE, values, 0.0) == over_face(FACE, np.zeros((4, 4)))).all()
    full = blended(FACE, values, 1.0)
    assert full[-1, -1].tolist() == coloured(np.ones((1, 1)), "viridis")[0, 0].tolist()


def test_the_square_stays_in_the_picture_and_lies_where_it_should() -> None:
    plain = np.full((100, 100, 3), 90, np.uint8)
    changed = (with_square(plain, (0.3, 0.6), 0.2) != plain).any(axis=2)
    rows, columns = np.nonzero(changed)
    assert abs(rows.mean() - 60) < 1.5 and abs(columns.mean() - 30) < 1.5
    assert not changed[60, 30], "its middle is open"
    whole = (with_square(plain, (0.95, 0.5), 2.0) != plain).any(axis=2)
    assert whole[:4].any() and whole[-4:].any()
    assert (plain == 90).all()


def test_the_brightest_position_is_found() -> None:
    values = np.zeros((4, 8))
    values[3, 2] = 1
    assert brightest(values) == (3, 2)


def test_filters_show_their_true_colours() -> None:
    kernel = np.zeros((3, 3, 3, 2), np.float32)
    kernel[1, 1, 0, 0], kernel[0, 0, 2, 0] = 0.2, -0.1  # for red in the middle, half against blue in a corner
    kernel[2, 2, :, 1] = 0.1, 0.2, 0.3
    red, _ = filter_pictures(kernel, grey=False)
    assert red[1, 1].tolist() == [255, 128, 128]
    assert red[0, 0].tolist() == [128, 128, 64]
    _, grey = filter_pictures(kernel, grey=True)
    assert grey[2, 2].tolist() == [255, 255, 255] and grey[0, 0].tolist() == [128, 128, 128]


@pytest.mark.parametrize("spec", CROPS.values(), ids=CROPS)
def test_parts_of_a_face_cover_the_crop_once(spec) -> None:
    parts = parts_of_face(spec)
    assert (sum(where.astype(int) for where in parts.values()) == 1).all()
    left_eye, right_eye, nose, left_mouth, right_mouth = spec.landmarks_px().round().astype(int)
    for point, part in (
        (left_eye, "eyes and brows"),
        (right_eye, "eyes and brows"),
        (nose, "nose and cheeks"),
        (left_mouth, "mouth and chin"),
        (right_mouth, "mouth and chin"),
    ):
        assert parts[part][point[1], point[0]], part


def test_heat_on_the_mouth_is_called_so() -> None:
    spec = CROPS["face-v1"]
    heat = parts_of_face(spec)["mouth and chin"].astype(np.float32)
    (name, share, of_crop), *others = heat_by_part(heat, spec)
    assert name == "mouth and chin" and share > 0.99 and 0.1 < of_crop < 0.4
    assert sum(part[1] for part in others) < 0.01
    assert heat_by_part(np.zeros((6, 6)), spec) == []


def test_stages_have_ever_fewer_positions() -> None:
    sides = [[layer.shape[0] for layer in stage] for stage in stages(TRAITS_NETWORK)]
    assert [set(stage) for stage in sides] == [{56}, {28}, {14}, {7}, {4}]
    assert sum(map(len, sides)) == len(TRAITS_NETWORK.maps)


def test_what_the_network_sees_is_the_picture_again() -> None:
    scale = TRAITS_NETWORK.by_name["scale"].weights
    values = FACE.astype(np.float32) * scale["factor"] + scale["offset"]
    assert (as_seen(TRAITS_NETWORK, values) == FACE).all()
    grey = read_network(MANIFEST.members["expression-lite0-112-forehead"].path)
    assert sees_grey(grey) and not sees_grey(TRAITS_NETWORK)


def test_the_layer_for_heat_is_the_last_one_that_is_sharp_enough() -> None:
    for network in NETWORKS.values():
        names = [layer.name for layer in network.maps]
        chosen = network.by_name[default_layer(network)]
        later = [network.by_name[name] for name in names[names.index(chosen.name) + 1 :]]
        assert chosen.name == ("block10_pointwise" if min(network.by_name["stem"].shape[:2]) < 56 else names[-1])
        assert min(chosen.shape[:2]) >= 4 and all(min(layer.shape[:2]) < 4 for layer in later)
