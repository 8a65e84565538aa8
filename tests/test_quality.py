"""Each warning comes with the fault that it names, and only then."""

import cv2
import numpy as np
import pytest

from facetraits.faces.alignment import CROPS, align_faces
from facetraits.faces.detection import FaceDetector
from facetraits.quality import CROP, assess, is_clear
from facetraits.types import ClassPrediction, FaceDetection
from tests.builders import MODELS, make_detection, photo_of_one


@pytest.fixture(scope="module")
def detector():
    return FaceDetector(MODELS / "centerface" / "network_int8.onnx", threads=1)


@pytest.fixture(scope="module")
def portrait(detector):
    """The portrait at twice its size, and its one face, 204 px large."""
    image = cv2.resize(photo_of_one(), None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)
    (face,) = detector.detect(image)
    return image, face


def issues_of(image, face):
    (crop,) = align_faces(image, [face], CROPS[CROP])
    return assess(image, face, crop)


def lit(image, factor):
    return np.clip(image * factor, 0, 255).astype(np.uint8)


def resized(image, face, factor):
    """Picture and face at another size; px centres move with the picture."""
    image = cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
    landmarks = (face.landmarks + 0.5) * factor - 0.5
    return image, FaceDetection(face.box_xyxy * factor, landmarks, face.score)


def test_a_good_portrait_has_no_issue(portrait):
    assert issues_of(*portrait) == ()


@pytest.mark.parametrize("sigma_px", [6, 9, 15])
def test_a_blurred_face_is_called_blurred(portrait, sigma_px):
    image, face = portrait
    assert issues_of(cv2.GaussianBlur(image, (0, 0), sigma_px), face) == ("blurred",)


def test_motion_in_one_direction_is_called_blurred(portrait):
    image, face = portrait
    assert issues_of(cv2.blur(image, (31, 1)), face) == ("blurred",)


@pytest.mark.parametrize("factor", [0.1, 0.2, 0.25])
def test_a_dark_picture_is_called_too_dark_whatever_its_sharpness(portrait, factor):
    image, face = portrait
    assert issues_of(lit(image, factor), face) == ("too dark",)


def test_a_burnt_out_picture_is_called_too_bright(portrait):
    image, face = portrait
    assert "too bright" in issues_of(lit(image, 3.0), face)
    assert "too dark" not in issues_of(lit(image, 3.0), face)


@pytest.mark.parametrize("factor", [0.6, 0.8, 1.2])
def test_ordinary_light_is_no_issue(portrait, factor):
    image, face = portrait
    assert issues_of(lit(image, factor), face) == ()


@pytest.mark.parametrize(("side_px", "small"), [(24, True), (39, True), (41, False), (80, False)])
def test_small_faces_are_told_by_the_side_of_their_box(portrait, side_px, small):
    image, face = portrait
    assert ("too small" in issues_of(*resized(image, face, side_px / face.size_px))) is small


def test_a_sharp_face_stays_sharp_when_the_picture_is_shrunk(portrait):
    image, face = portrait
    for side_px in (60, 90, 120):
        assert issues_of(*resized(image, face, side_px / face.size_px)) == ()


def turned(degrees, roll=0.0):
    """Landmarks of a rigid face turned about its vertical axis, in px; mm of an average head, z towards the viewer."""
    head = np.array([[-31, -35, 0], [31, -35, 0], [0, 0, 28], [-25, 32, 8], [25, 32, 8]], dtype=float)
    yaw, tilt = np.radians(degrees), np.radians(roll)
    upright = np.column_stack([head[:, 0] * np.cos(yaw) + head[:, 2] * np.sin(yaw), head[:, 1]])
    points = upright @ np.array([[np.cos(tilt), np.sin(tilt)], [-np.sin(tilt), np.cos(tilt)]])
    box = np.array([120.0, 120.0, 280.0, 280.0])
    return FaceDetection(box, (points + 200).astype(np.float32), 0.9)


@pytest.mark.parametrize(
    ("degrees", "roll", "away"),
    [
        *((degrees, 0, False) for degrees in (-25, -10, 0, 10, 25)),
        *((degrees, 0, True) for degrees in (-80, -50, 50, 80)),
        (0, 40, False),
        (0, -90, False),
        (60, 40, True),
        (-60, 170, True),
    ],
)
def test_turning_counts_and_tilting_does_not(degrees, roll, away):
    image = np.full((400, 400, 3), 128, dtype=np.uint8)
    assert ("turned away" in issues_of(image, turned(degrees, roll))) is away


def test_landmarks_on_one_line_are_a_face_seen_from_the_side():
    points = np.array([[200, 150], [200, 150], [210, 190], [200, 230], [200, 230]], dtype=np.float32)
    face = FaceDetection(np.array([150, 120, 250, 260]), points, 0.9)
    assert "turned away" in issues_of(np.full((400, 400, 3), 128, dtype=np.uint8), face)


@pytest.mark.parametrize("side", ["left", "right", "top", "bottom"])
@pytest.mark.parametrize(("share", "cut"), [(-0.1, False), (0.4, True)])
def test_a_face_cut_by_any_edge_is_called_so(portrait, detector, side, share, cut):
    image, whole = portrait
    x1, y1, x2, y2 = whole.box_xyxy
    dx, dy = share * (x2 - x1), share * (y2 - y1)
    part = {
        "left": image[:, int(x1 + dx) :],
        "right": image[:, : int(x2 - dx)],
        "top": image[int(y1 + dy) :],
        "bottom": image[: int(y2 - dy)],
    }[side]
    part = np.ascontiguousarray(part)
    face = detector.detect(part)[0]
    assert ("cut by the edge" in issues_of(part, face)) is cut


def test_several_issues_come_in_a_fixed_order(portrait):
    image, face = portrait
    x1 = int(face.box_xyxy[0] + 60)
    blurred = cv2.GaussianBlur(image, (0, 0), 9)[:, x1:]
    half = FaceDetection(face.box_xyxy - (x1, 0, x1, 0), face.landmarks - (x1, 0), face.score)
    assert issues_of(np.ascontiguousarray(blurred), half) == ("blurred", "cut by the edge")
    image, face = resized(image, face, 30 / face.size_px)
    assert issues_of(lit(image, 0.2), face) == ("too small", "too dark")


def test_a_face_wholly_outside_the_picture_is_cut():
    image = np.full((50, 50, 3), 128, dtype=np.uint8)
    assert "cut by the edge" in issues_of(image, make_detection(left=100, top=80))


def test_nothing_is_changed(portrait):
    image, face = portrait
    before = image.copy()
    (crop,) = align_faces(image, [face], CROPS[CROP])
    crop_before = crop.copy()
    assess(image, face, crop)
    assert np.array_equal(image, before) and np.array_equal(crop, crop_before)


def seen_as(**shares):
    names = tuple(name.replace("_", " ") for name in shares)
    return ClassPrediction(names, np.array(list(shares.values()), dtype=np.float32))


@pytest.mark.parametrize(
    ("view", "doubt", "issues"),
    [
        (None, False, ()),
        (None, True, ("upside down",)),
        (seen_as(clear=0.9, covered=0.1, upside_down=0.0), False, ()),
        (seen_as(clear=0.4, covered=0.35, upside_down=0.25), True, ()),  # the networks overrule the detector
        (seen_as(clear=0.1, covered=0.8, upside_down=0.1), False, ("covered",)),
        (seen_as(clear=0.1, covered=0.8, upside_down=0.1), True, ("covered", "upside down")),
        (seen_as(clear=0.3, covered=0.45, upside_down=0.25), False, ()),
        (seen_as(clear=0.1, covered=0.1, upside_down=0.8), False, ("upside down",)),
        (seen_as(clear=0.3, covered=0.25, upside_down=0.45), False, ()),
        (seen_as(clear=0.3, covered=0.25, upside_down=0.45), True, ("upside down",)),
    ],
)
def test_what_the_networks_see_and_the_detector_doubts(portrait, view, doubt, issues):
    image, face = portrait
    (crop,) = align_faces(image, [face], CROPS[CROP])
    assert assess(image, face, crop, view, doubt) == issues
    assert is_clear(issues) is (not issues)
