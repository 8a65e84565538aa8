"""Portraits turned by any angle get the landmarks that they have upright, and nobody else costs anything."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from facetraits.faces.detection import FaceDetector
from facetraits.faces.images import decode_image
from facetraits.faces.second_look import (
    look_again,
    look_at_turned_picture,
    look_turned,
    misfit,
    roll_deg,
    suspected,
)
from facetraits.types import FaceDetection
from tests.builders import MODELS, ROOT, make_detection, photo_of_many, photo_of_one, photo_without_faces

Picture = NDArray[np.uint8]


@pytest.fixture(scope="module")
def detector() -> FaceDetector:
    return FaceDetector(MODELS / "centerface" / "network_int8.onnx", (640,), tile_small_faces=False, threads=1)


def portrait() -> Picture:
    return decode_image((ROOT / "ui" / "photo" / "samples" / "london-061.jpg").read_bytes())


def turned(image: Picture, degrees: float) -> tuple[Picture, NDArray[np.float64]]:
    """The whole picture turned clockwise, and the (2, 3) matrix from its px to those of the new one."""
    height, width = image.shape[:2]
    matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), -degrees, 1)
    cos, sin = abs(matrix[0, 0]), abs(matrix[0, 1])
    new_wh = int(height * sin + width * cos), int(height * cos + width * sin)
    matrix[:, 2] += (new_wh[0] - width) / 2, (new_wh[1] - height) / 2
    return cv2.warpAffine(image, matrix, new_wh, borderMode=cv2.BORDER_REPLICATE).astype(np.uint8), matrix


def rolled(face: FaceDetection, degrees: float) -> FaceDetection:
    """The landmarks turned clockwise about their middle; the box stays."""
    angle = np.radians(degrees)
    matrix = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    middle = face.landmarks.mean(axis=0)
    landmarks = ((face.landmarks - middle) @ matrix.T + middle).astype(np.float32)
    return FaceDetection(face.box_xyxy, landmarks, face.score)


def away(roll: float = 0.0) -> FaceDetection:
    """A face that looks to its side."""
    face = make_detection()
    landmarks = face.landmarks.copy()
    landmarks[[0, 1, 3, 4], 0] = [138, 184, 144, 184]
    landmarks[2, 0] = 184
    return rolled(FaceDetection(face.box_xyxy, landmarks, 0.9), roll)


def weak() -> FaceDetection:
    """An upright face that the detector is not sure of, and that is no model of a face."""
    face = make_detection()
    landmarks = face.landmarks.copy()
    landmarks[[3, 4], 1] -= 12
    return FaceDetection(face.box_xyxy, landmarks, 0.6)


class Scripted:
    """Sees in each look what it is told, in px of a look; counts the looks."""

    min_score = 0.5

    def __init__(self, *answers: tuple[FaceDetection, ...]) -> None:
        self.answers = list(answers)
        self.looks = 0

    def search(self, image: Picture) -> tuple[FaceDetection, ...]:
        self.looks += 1
        return self.answers.pop(0) if self.answers else ()


GREY: Picture = np.full((480, 640, 3), 128, dtype=np.uint8)
UPRIGHT = make_detection(64, 64, 128, 0.9)  # in the middle of a look


def scripted(*answers: tuple[FaceDetection, ...]) -> FaceDetector:
    return Scripted(*answers)  # type: ignore[return-value]


def looks_of(detector: FaceDetector) -> int:
    return detector.looks  # type: ignore[attr-defined]


# --------------------------------------------------------------------------------------------------- who is suspected


@pytest.mark.parametrize("degrees", [-170, -90, -41, -30, 0, 15, 39, 45, 120, 179])
def test_roll_and_misfit_are_those_of_the_landmarks(degrees: float) -> None:
    face = rolled(make_detection(), degrees)
    assert roll_deg(face) == pytest.approx(degrees, abs=0.5)  # the reference itself is not quite symmetrical
    assert misfit(face) == pytest.approx(misfit(make_detection()), abs=1e-5)
    assert misfit(face) < 0.05
    assert suspected(face) is (abs(degrees) > 40)


@pytest.mark.parametrize(("score", "doubted"), [(0.5, True), (0.59, True), (0.61, False), (0.9, False)])
def test_the_lowest_scores_are_suspected(score: float, doubted: bool) -> None:
    assert suspected(make_detection(score=score)) is doubted
    assert not suspected(FaceDetection(weak().box_xyxy, weak().landmarks, 0.8))
    assert suspected(FaceDetection(weak().box_xyxy, weak().landmarks, 0.7))


def test_misfit_does_not_depend_on_the_size() -> None:
    assert misfit(make_detection(side=60)) == pytest.approx(misfit(make_detection(side=600)), rel=1e-4)


def test_a_face_turned_away_fits_worse_than_a_frontal_one() -> None:
    assert misfit(away()) > 0.06
    assert suspected(away())


# ------------------------------------------------------------------------------------------------------------- costs


def test_faces_that_are_upright_cost_nothing_and_stay_what_they_are() -> None:
    nobody = scripted()
    faces = [make_detection(), rolled(make_detection(left=300), 35)]
    looks = look_again(nobody, GREY, faces)
    assert [look.detection for look in looks] == faces
    assert not any(look.upside_down for look in looks)
    assert looks_of(nobody) == 0
    assert look_again(nobody, GREY, []) == ()


@pytest.mark.parametrize(
    ("face", "most"), [(away(), 1), (weak(), 1), (rolled(make_detection(), 170), 4), (rolled(make_detection(), 60), 4)]
)
def test_looks_that_find_nothing_are_few(face: FaceDetection, most: int) -> None:
    nobody = scripted()
    (look,) = look_again(nobody, GREY, [face])
    assert look.detection is face
    assert looks_of(nobody) == most


def test_one_look_is_enough_where_it_shows_the_face_upright() -> None:
    sure = scripted((UPRIGHT,))
    (look,) = look_again(sure, GREY, [rolled(make_detection(score=0.7), 170)])
    assert looks_of(sure) == 1
    assert not look.upside_down
    assert look.detection.score == pytest.approx(0.9)
    assert roll_deg(look.detection) == pytest.approx(170, abs=1)
    # In the middle of a look of twice its size the box lies as before.
    assert look.detection.box_xyxy == pytest.approx(make_detection().box_xyxy, abs=10)


# ----------------------------------------------------------------------------------------------------------- in doubt


@pytest.mark.parametrize(("degrees", "warned"), [(60, False), (95, False), (105, True), (180, True), (-130, True)])
def test_who_cannot_be_set_upright_is_called_upside_down_if_turned_far(degrees: float, warned: bool) -> None:
    (look,) = look_again(scripted(), GREY, [rolled(make_detection(), degrees)])
    assert look.upside_down is warned


def test_a_face_turned_away_is_never_called_upside_down() -> None:
    (look,) = look_again(scripted(), GREY, [away()])
    assert not look.upside_down


def test_what_does_not_look_like_an_upright_face_is_no_answer() -> None:
    on_its_side = rolled(UPRIGHT, 80)
    weak = FaceDetection(UPRIGHT.box_xyxy, UPRIGHT.landmarks, 0.4)
    elsewhere = make_detection(200, 200, 50)
    face = rolled(make_detection(score=0.6), 180)
    for seen in (on_its_side, weak, elsewhere):
        (look,) = look_again(scripted(*[(seen,)] * 9), GREY, [face])
        assert look.detection is face
        assert look.upside_down


def test_two_detections_of_one_face_become_one() -> None:
    face = rolled(make_detection(score=0.7), 180)
    other = rolled(make_detection(left=130, top=100, score=0.6), 180)
    nearby = make_detection(64 + 32, 64 + 21, 128, 0.8)  # the same place as UPRIGHT in the other's look
    (look,) = look_again(scripted((UPRIGHT,), (nearby,)), GREY, [face, other])
    assert look.detection.score == pytest.approx(0.9)


def test_faces_come_largest_first_after_the_second_look() -> None:
    small, large = make_detection(left=400, side=100), rolled(make_detection(left=50, side=110, score=0.7), 180)
    shrunk = make_detection(80, 80, 96, 0.9)
    looks = look_again(scripted((shrunk,)), GREY, [large, small])
    assert [look.detection is small for look in looks] == [True, False]


# ---------------------------------------------------------------------------------------------------------- portraits


@pytest.mark.parametrize("photo", [photo_of_one, portrait])
@pytest.mark.parametrize("degrees", range(0, 360, 30))
def test_a_portrait_has_the_landmarks_it_has_upright_or_a_warning(
    detector: FaceDetector, photo: Callable[[], Picture], degrees: float
) -> None:
    (expected,) = detector.detect(photo())
    image, matrix = turned(photo(), degrees)
    found = look_again(detector, image, detector.detect(image)) or look_at_turned_picture(detector, image)
    (look,) = found
    points = expected.landmarks @ matrix[:, :2].T + matrix[:, 2]
    eyes = np.linalg.norm(expected.landmarks[1] - expected.landmarks[0])
    off = np.linalg.norm(look.detection.landmarks - points, axis=1).mean() / eyes
    assert off < 0.2 or look.upside_down
    if not look.upside_down:
        middle = look.detection.box_xyxy.reshape(2, 2).mean(axis=0)
        assert np.linalg.norm(middle - points.mean(axis=0)) < 0.8 * eyes
        assert 0.7 < look.detection.size_px / expected.size_px < 1.4


def test_a_group_is_as_it_was(detector: FaceDetector) -> None:
    image = photo_of_many(5)
    faces = detector.detect(image)
    assert [look.detection for look in look_again(detector, image, faces)] == list(faces)


def test_only_the_one_who_stands_on_the_head_changes(detector: FaceDetector) -> None:
    upright, (overturned, _) = photo_of_one(), turned(photo_of_one(), 180)
    image = np.hstack([upright, overturned])
    (expected,) = detector.detect(upright)
    looks = look_again(detector, image, detector.detect(image))
    by_place = sorted(looks, key=lambda look: float(look.detection.box_xyxy[0]))
    assert [abs(roll_deg(look.detection)) < 20 for look in by_place] == [True, False]
    points = 511 - expected.landmarks + (512, 0)
    assert by_place[1].detection.landmarks == pytest.approx(points, abs=8)


def test_a_picture_without_a_face_stays_one_without_a_face(detector: FaceDetector) -> None:
    assert look_at_turned_picture(detector, photo_without_faces()) == ()
    assert look_at_turned_picture(detector, GREY) == ()
    assert look_at_turned_picture(detector, GREY[:1, :1]) == ()


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_a_face_is_found_in_a_turned_picture(detector: FaceDetector, degrees: float) -> None:
    (expected,) = detector.detect(photo_of_one())
    image, matrix = turned(photo_of_one(), degrees)
    (look,) = look_at_turned_picture(detector, image)
    points = expected.landmarks @ matrix[:, :2].T + matrix[:, 2]
    assert look.detection.landmarks == pytest.approx(points, abs=6)
    assert not look.upside_down


def test_a_look_the_wrong_way_up_shows_nobody(detector: FaceDetector) -> None:
    (face,) = detector.detect(photo_of_one())
    seen = look_turned(detector, photo_of_one(), face, 0)
    assert seen is not None and seen.landmarks == pytest.approx(face.landmarks, abs=6)
    assert look_turned(detector, photo_of_one(), face, 180) is None


def test_the_picture_is_not_changed(detector: FaceDetector) -> None:
    image, _ = turned(photo_of_one(), 180)
    before = image.copy()
    look_again(detector, image, detector.detect(image))
    look_at_turned_picture(detector, image)
    assert np.array_equal(image, before)
