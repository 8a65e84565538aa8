"""Small faces in large pictures are found in bounded time, and what closer looks do not confirm is none."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.small_faces import Portrait, is_at, scene
from facetraits.faces import tiles
from facetraits.faces.detection import MOST_FACES, FaceDetector
from facetraits.registry import load_manifest
from tests.builders import photo_of_one

SIDES = (160, 320, 640, 1600)
FACE = Portrait(photo_of_one()[20:230, 150:310], np.float32([34.5, 42.9, 118.4, 154.4]))


@pytest.fixture(scope="module")
def detector():
    return FaceDetector(load_manifest().serving_detector, SIDES, threads=2)


@pytest.fixture
def answers(monkeypatch):
    """Have a detector see what a test says: ``(score, side)`` in whole pictures and one score in each closer look."""

    def installed(detector, first, *looks):
        left = iter(looks)

        def run(pictures, weak=0.0):
            return [seen(picture) for picture in pictures]

        def seen(picture):
            whole = picture.shape[0] > 400
            score, side = first if whole else (next(left), picture.shape[0] / 2)
            row = np.zeros((1, 15), np.float32)
            middle = picture.shape[0] / 2
            row[0, :5] = (*([middle - side / 2] * 2), *([middle + side / 2] * 2), score)
            row[0, 5:] = middle + len(looks)
            return row if score else row[:0]

        monkeypatch.setattr(detector, "_run", run)
        return lambda: list(left)

    return installed


@pytest.mark.parametrize(
    ("width", "height", "face_px", "kind"),
    [
        pytest.param(2000, 1500, 24, 0, id="3 megapixels, colours"),
        pytest.param(4032, 3024, 24, 1, id="12 megapixels, noise"),
        pytest.param(8064, 6048, 40, 2, id="48 megapixels, material"),
        pytest.param(33000, 2000, 250, 0, id="panorama, colours"),
    ],
)
def test_small_faces_are_found_in_large_pictures(detector, width, height, face_px, kind):
    picture, boxes = scene(np.random.default_rng(kind), width, height, face_px, kind, [FACE])
    faces = detector.detect(picture)
    assert sum(any(is_at(face, box) for face in faces) for box in boxes) >= 9
    assert all(any(is_at(face, box) for box in boxes) for face in faces)


def test_landmarks_of_a_face_that_is_well_seen_do_not_move(detector):
    picture, _ = scene(np.random.default_rng(0), 4000, 3000, 150, 0, [FACE])
    without = FaceDetector(load_manifest().serving_detector, SIDES, tile_small_faces=False, threads=2)
    faces, others = detector.detect(picture), without.detect(picture)
    assert len(faces) == len(others) == 10
    for face, other in zip(faces, others, strict=True):
        np.testing.assert_array_equal(face.landmarks, other.landmarks)


@pytest.mark.parametrize(
    ("first", "looks", "stays"),
    [
        ((0.9, 80.0), (), True),  # sure and large: no look
        ((0.6, 80.0), (0.55,), True),
        ((0.8, 80.0), (0.2, 0.2), False),
        ((0.6, 80.0), (0.45, 0.4), True),  # 0.48 in the mean
        ((0.3, 80.0), (0.55,), True),
        ((0.3, 80.0), (0.3, 0.55), True),
        ((0.3, 80.0), (0.2,), False),
        ((0.3, 80.0), (0.45, 0.45), False),
    ],
)
def test_closer_looks_decide_on_what_is_doubtful(answers, first, looks, stays):
    detector = FaceDetector(load_manifest().serving_detector, (500,), threads=1)
    unused = answers(detector, first, *looks)
    faces = detector.detect(np.zeros((500, 500, 3), np.uint8))
    assert len(faces) == stays
    assert unused() == []
    if stays and first[0] > detector.min_score:
        assert faces[0].score == pytest.approx(first[0]), "a look confirms; the face stays as it was seen"


@given(width=st.integers(1, 65535), height=st.integers(1, 65535))
def test_the_search_in_tiles_is_bounded_and_covers_the_picture(width, height):
    if width * height > 120_000_000:
        height = max(1, 120_000_000 // width)
    searched = 0
    for scale in tiles.scales((width, height), min(1.0, 1600 / max(width, height))):
        size = max(1, round(width * scale)), max(1, round(height * scale))
        parts = list(tiles.tiles(size))
        searched += sum((part.right - part.left) * (part.bottom - part.top) for part in parts)
        assert (min(p.left for p in parts), min(p.top for p in parts)) == (0, 0)
        assert (max(p.right for p in parts), max(p.bottom for p in parts)) == size
        assert max(max(p.right - p.left, p.bottom - p.top) for p in parts) <= 1376
    assert searched <= 1.4 * tiles.MOST_PIXELS


@given(side=st.integers(1, 65535))
def test_what_is_no_longer_than_the_overlap_lies_whole_in_a_tile(side):
    spans = sorted({(part.left, part.right) for part in tiles.tiles((side, 1))})
    for (_, right), (left, _) in pairwise(spans):
        assert right - left >= tiles.OVERLAP_PX


def test_a_picture_full_of_traces_gets_a_bounded_number_of_looks(monkeypatch):
    detector = FaceDetector(load_manifest().serving_detector, (640,), threads=1)
    seen = 0

    def run(pictures, weak=0.0):
        nonlocal seen
        seen += len(pictures)
        if pictures[0].shape[0] < 600:
            return [np.zeros((0, 15), np.float32)] * len(pictures)
        left, top = (part.ravel() * 15.0 for part in np.meshgrid(np.arange(40), np.arange(40)))
        rows = np.zeros((1600, 15), np.float32)
        rows[:, 0], rows[:, 1], rows[:, 2], rows[:, 3], rows[:, 4] = left, top, left + 14, top + 14, 0.6
        return [rows]

    monkeypatch.setattr(detector, "_run", run)
    assert detector.detect(np.zeros((640, 640, 3), np.uint8)) == ()
    assert 1 < seen <= 1 + 2 * MOST_FACES
