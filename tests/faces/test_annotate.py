"""What a user must be able to count on in an annotated picture."""

from __future__ import annotations

import importlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from facetraits import annotate
from facetraits.types import AgePrediction, AnalysisResult, FaceDetection, FaceResult, FaceTraits
from tests.builders import AGE_GROUP_NAMES, make_classes, make_detection, make_face, make_result, make_traits

module = importlib.import_module("facetraits.faces.annotate")  # the package's attribute of that name is the function


def grey(width: int = 640, height: int = 480, value: int = 128) -> NDArray[np.uint8]:
    return np.full((height, width, 3), value, dtype=np.uint8)


def face_at(left: float, top: float, side: float, confidence: float = 0.9) -> FaceResult:
    return FaceResult(make_detection(left, top, side), (), make_traits(confidence=confidence))


def changed(before: NDArray[np.uint8], after: NDArray[np.uint8]) -> NDArray[np.bool_]:
    return (before != after).any(axis=2)


@pytest.fixture
def labels(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The texts that the next pictures' labels show, in drawing order."""
    drawn: list[str] = []
    original = module._draw_label

    def spy(canvas: NDArray[np.uint8], texts: list[str], *rest: object) -> object:
        patches = {text: module._label_patch(text, rest[0]) for text in texts}  # type: ignore[arg-type]
        place = original(canvas, texts, *rest)  # type: ignore[arg-type]
        if place is not None:
            shown = canvas[place.top : place.bottom, place.left : place.right]
            drawn.extend(text for text, patch in patches.items() if np.array_equal(patch, shown))
        return place

    monkeypatch.setattr(module, "_draw_label", spy)
    return drawn


def test_the_input_is_not_changed() -> None:
    image = grey()
    before = image.copy()
    annotated = annotate(image, make_result(make_face()))
    assert np.array_equal(image, before)
    assert not np.shares_memory(image, annotated)
    assert changed(image, annotated).any()


def test_without_a_face_the_picture_stays_as_it_is() -> None:
    assert np.array_equal(annotate(grey(), make_result()), grey())


def test_the_box_is_where_the_face_is() -> None:
    difference = changed(grey(), annotate(grey(), make_result(face_at(200, 150, 160))))
    assert difference[150, 200:360].all()
    assert difference[309, 200:360].all()
    assert difference[150:310, 200].all()
    assert difference[150:310, 359].all()
    assert not difference[170:290, 220:340].any(), "the face itself must stay visible"


def test_a_picture_at_another_size_gets_its_boxes_there() -> None:
    result = make_result(face_at(200, 150, 160), size_wh=(640, 480))
    difference = changed(grey(320, 240), annotate(grey(320, 240), result))
    assert difference[75, 100:180].all()
    assert not difference[85:145, 110:170].any()


def test_a_picture_of_another_shape_is_refused() -> None:
    with pytest.raises(ValueError, match=r"640 x 640 px is not the analysed one of \(640, 480\)"):
        annotate(grey(640, 640), make_result())


@pytest.mark.parametrize(
    "image", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 4), np.uint8), np.zeros((4, 4, 3), np.float32)]
)
def test_what_is_no_rgb_picture_is_refused(image: NDArray[np.uint8]) -> None:
    with pytest.raises(ValueError, match=r"must be \(H, W, 3\) uint8"):
        annotate(image, make_result(size_wh=(4, 4)))


@pytest.mark.parametrize("value", [0, 64, 128, 192, 255])
def test_lines_stand_out_on_any_grey(value: int) -> None:
    image = grey(value=value)
    annotated = annotate(image, make_result(face_at(200, 150, 160)))
    row = annotated[230, 200:220].astype(int)  # through the left edge of the box
    assert np.abs(row - value).max() >= 100


@pytest.mark.parametrize("confidence", [0.9, 0.3])
def test_a_roomy_face_gets_a_summary(labels: list[str], confidence: float) -> None:
    annotate(grey(), make_result(face_at(200, 150, 200, confidence)))
    # With 0.3 another class leads; a question mark says that the ensemble is unsure.
    assert labels == (["1 · 34 · female · happy"] if confidence == 0.9 else ["1 · 34 · male · happy?"])


def test_a_hidden_trait_is_not_in_the_summary(labels: list[str]) -> None:
    face = FaceResult(make_detection(200, 150, 200), (), make_traits(traits=("gender",)))
    annotate(grey(), make_result(face))
    assert labels == ["1 · female"]


def test_an_age_that_is_unsure_shows_its_range(labels: list[str]) -> None:
    age = AgePrediction(30.4, (14.6, 52.4), 0.8, make_classes(AGE_GROUP_NAMES, "21-40"), clear=False)
    annotate(grey(), make_result(FaceResult(make_detection(200, 150, 200), (), FaceTraits(age=age))))
    assert labels == ["1 · 15-52?"]


def test_numbers_follow_the_order_of_the_result(labels: list[str]) -> None:
    faces = [face_at(left, 200, 36) for left in (500, 300, 100)]
    annotate(grey(), make_result(*faces))
    assert [text.split(" ")[0] for text in labels] == ["1", "2", "3"]


def test_a_crowd_keeps_every_number_readable(labels: list[str]) -> None:
    """40 faces side by side: each label shows its number whole, after all others were drawn."""
    faces = [face_at(10 + 60 * (i % 10), 10 + 110 * (i // 10), 50) for i in range(40)]
    annotate(grey(), make_result(*faces))
    assert labels == [str(i) for i in range(1, 41)]


def test_labels_of_neighbours_do_not_cover_each_other() -> None:
    faces = [face_at(40 + 90 * i, 60, 70) for i in range(6)]
    places: list[module._Rect] = []
    original = module._draw_label
    with pytest.MonkeyPatch.context() as patch:

        def spy(*args: object) -> object:
            place = original(*args)  # type: ignore[arg-type]
            places.append(place)  # type: ignore[arg-type]
            return place

        patch.setattr(module, "_draw_label", spy)
        annotate(grey(), make_result(*faces))
    assert len(places) == 6
    assert not any(a.overlap(b) for i, a in enumerate(places) for b in places[:i])


def test_labels_grow_with_the_picture() -> None:
    def label_height(width: int) -> int:
        scale = width / 640
        face = face_at(200 * scale, 150 * scale, 200 * scale)
        image = grey(width, width * 3 // 4)
        result = make_result(face, size_wh=(width, width * 3 // 4))
        rows = changed(image, annotate(image, result))[: int(150 * scale)].any(axis=1)
        return int(rows.sum())

    assert label_height(2560) == pytest.approx(4 * label_height(640), rel=0.15)


def test_a_face_at_the_top_edge_is_labelled_inside_the_picture(labels: list[str]) -> None:
    annotate(grey(), make_result(face_at(-20, -30, 200)))
    assert labels == ["1 · 34 · female · happy"]


@pytest.mark.parametrize("size", [1, 2, 5, 12])
def test_tiny_pictures_are_no_problem(size: int) -> None:
    result = make_result(make_face(left=0), size_wh=(size, size))
    assert annotate(grey(size, size), result).shape == (size, size, 3)


@given(
    box=st.tuples(st.floats(-300, 700), st.floats(-300, 500), st.floats(0.1, 900), st.floats(0.1, 900)),
    size_wh=st.tuples(st.integers(1, 400), st.integers(1, 300)),
)
def test_any_box_can_be_drawn(box: tuple[float, float, float, float], size_wh: tuple[int, int]) -> None:
    left, top, width, height = box
    detection = FaceDetection(np.array([left, top, left + width, top + height]), np.zeros((5, 2)), 0.9)
    result = AnalysisResult(size_wh, (FaceResult(detection, (), make_traits()),), {})
    image = grey(*size_wh)
    annotated = annotate(image, result)
    assert annotated.shape == image.shape
    assert annotated.dtype == np.uint8
    assert (image == 128).all()


def test_faces_keep_the_numbers_they_are_given() -> None:
    image = np.full((480, 640, 3), 90, dtype=np.uint8)
    result = make_result(make_face(left=100, traits=()), make_face(left=400, traits=()))

    by_order = annotate(image, result)

    assert np.array_equal(annotate(image, result, (1, 2)), by_order)
    assert not np.array_equal(annotate(image, result, (4, 7)), by_order)
    with pytest.raises(ValueError):
        annotate(image, result, (1,))


def test_mirrored_letters_are_read_in_a_mirror() -> None:
    image = np.full((480, 640, 3), 90, dtype=np.uint8)
    result = make_result(make_face(left=260))  # in the middle, so that the label has the same place either way

    label = slice(40, 80)
    straight, mirrored = annotate(image, result)[label], annotate(image, result, mirrored=True)[label]

    rows, columns = np.nonzero((straight != 90).any(axis=2))
    part = (slice(rows.min(), rows.max() + 1), slice(columns.min(), columns.max() + 1))
    assert not np.array_equal(straight, mirrored)
    assert np.array_equal(straight[part][:, ::-1], mirrored[part])
