"""Faces carried from an analysed frame into later ones."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from facetraits.video.following import FaceFollower
from tests.builders import photo_of_many, photo_of_one

SIZE_WH = (320, 240)
FACE = np.array([[116.0, 25.0, 166.0, 84.0]])  # in ``frame()``


def frame(dx: float = 0, dy: float = 0, zoom: float = 1.0, noise: float = 4.0) -> NDArray[np.uint8]:
    """The portrait 240 px high, moved and zoomed about its top-left corner, with a sensor's noise."""
    matrix = np.array([[zoom * 240 / 512, 0, 40 + dx], [0, zoom * 240 / 512, dy]])
    grey = cv2.warpAffine(
        cv2.cvtColor(photo_of_one(), cv2.COLOR_RGB2GRAY), matrix, SIZE_WH, flags=cv2.INTER_AREA, borderValue=80
    )
    rng = np.random.default_rng(round(10 * (dx + 7 * dy + 31 * zoom)))
    return np.clip(grey + rng.normal(0, noise, grey.shape), 0, 255).astype(np.uint8)


def true_box(dx: float = 0, dy: float = 0, zoom: float = 1.0) -> NDArray[np.float64]:
    return ((FACE.reshape(2, 2) - (40, 0)) * zoom + (40 + dx, dy)).reshape(4)


def iou(a: NDArray[np.floating], b: NDArray[np.floating]) -> float:
    shared = np.clip(np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]), 0, None).prod()
    return float(shared / ((a[2:] - a[:2]).prod() + (b[2:] - b[:2]).prod() - shared))


@pytest.mark.parametrize(
    ("dx", "dy", "zoom", "least"),
    [
        (0, 0, 1.0, 0.98),
        (3, 0, 1.0, 0.95),
        (-10, 4, 1.0, 0.95),
        (20, 10, 1.0, 0.95),
        (0, 0, 1.15, 0.93),
        (5, 0, 0.87, 0.93),
    ],
)
def test_box_moves_and_zooms_with_the_face(dx: float, dy: float, zoom: float, least: float) -> None:
    boxes, followed = FaceFollower(frame(), FACE).locate(frame(dx, dy, zoom))

    assert followed.tolist() == [True]
    assert iou(boxes[0], true_box(dx, dy, zoom)) > least


def test_face_that_has_gone_is_not_followed_and_keeps_its_box() -> None:
    empty = np.random.default_rng(0).integers(70, 90, SIZE_WH[::-1]).astype(np.uint8)

    boxes, followed = FaceFollower(frame(), FACE).locate(empty)

    assert followed.tolist() == [False]
    np.testing.assert_allclose(boxes, FACE)


def test_each_face_moves_by_itself() -> None:
    still = cv2.cvtColor(cv2.resize(photo_of_many(2, 90, 640), (320, 160)), cv2.COLOR_RGB2GRAY)
    moving = still.copy()
    moving[:, 160:] = np.roll(still[:, 160:], 6, axis=1)
    boxes = np.array([[30.0, 30, 80, 90], [200.0, 30, 250, 90]])

    found, followed = FaceFollower(still, boxes).locate(moving)

    assert followed.tolist() == [True, True]
    np.testing.assert_allclose(found - boxes, [[0, 0, 0, 0], [6, 0, 6, 0]], atol=1.0)


def test_nobody_is_followed_into_nothing() -> None:
    boxes, followed = FaceFollower(frame(), np.empty((0, 4))).locate(frame(3))

    assert boxes.shape == (0, 4)
    assert followed.shape == (0,)


def test_follower_rejects_what_it_cannot_use() -> None:
    with pytest.raises(ValueError, match=r"\(N, 4\)"):
        FaceFollower(frame(), np.zeros(4))
    with pytest.raises(ValueError, match="size of the analysed frame"):
        FaceFollower(frame(), FACE).locate(np.zeros((10, 10), dtype=np.uint8))


def test_face_beyond_the_edge_does_no_harm() -> None:
    box = np.array([[-30.0, -40, 20, 20]])

    boxes, _ = FaceFollower(frame(), box).locate(frame(2))

    assert np.isfinite(boxes).all()
