"""Where answers break when a face is spoiled or varied."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from facetraits.ensemble import Ensemble
from facetraits.inside.probing import SPOILINGS
from facetraits.types import ClassPrediction
from tests.builders import (
    FakeAnalyzer,
    make_traits,
    photo_of_one,
)
from tests.ui.inside_networks import MANIFEST
from ui.inside.fool import (
    STEPS,
    Course,
    Spoiled,
    answers_held_at,
    class_course,
    only_lasting,
    spoil,
    spoiled_words,
    steadiness,
    variants,
    varied,
    years_course,
)
from ui.inside.session import InsideSession, Subject
from ui.photo.session import Picture


def jpeg(image: NDArray[np.uint8]) -> bytes:
    return cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 85])[1].tobytes()


@pytest.fixture(scope="module")
def subject() -> Subject:
    """A face with the real ensemble; as JPEG, without which the portrait's gender stands at one half."""

    class Analyzer(FakeAnalyzer):
        ensemble = Ensemble(MANIFEST, MANIFEST.profiles["accurate"])

    session = InsideSession()
    looked = session.look(Picture("one", "one", lambda: jpeg(photo_of_one())), Analyzer())
    face = looked.outcome.result.faces[0]
    return Subject(session, Analyzer(), "one", 0, face, {name: crops[0] for name, crops in looked.crops.items()})


def test_all_geometries_are_varied_alike(subject: Subject) -> None:
    """Else one network would see the face mirrored and the other one not."""
    crop = subject.crops["face-v1"]
    same = subject._replace(crops=dict.fromkeys(subject.crops, crop))
    first, *others = varied(same.crops, ("flip", "rotate", "light", "noise", "jpeg", "erase"), 2.0, 15, seed=3).values()
    assert all((first == other).all() for other in others)
    assert (first[0] == crop).all()
    assert len({picture.tobytes() for picture in first}) == 16


def test_geometries_of_other_sides_are_mirrored_and_covered_alike(subject: Subject) -> None:
    ramp = np.repeat(np.linspace(40, 200, 128)[None, :, None], 128, axis=0).repeat(3, axis=2).astype(np.uint8)
    crops = {"face-v1": cv2.resize(ramp, (112, 112)), "face-wide-v1": ramp}
    small, large = varied(crops, ("flip", "noise", "jpeg", "erase"), 2.0, 30, seed=3).values()  # type: ignore[arg-type]
    shrunk = [cv2.resize(picture, (112, 112), interpolation=cv2.INTER_AREA) for picture in large]
    assert max(np.abs(a.astype(float) - b).mean() for a, b in zip(small, shrunk, strict=True)) < 15


def test_without_variation_every_variant_answers_the_same(subject: Subject) -> None:
    found = variants(subject, (), 1.0, 15, 0, "face-v1")
    tiles = {tile.label: tile.value for tile in steadiness(subject.face.traits, found.answers)}
    assert tiles["Apparent gender"] == tiles["Facial expression"] == "15 of 15"
    years = tiles["Apparent age"].split()
    assert years[0] == years[2]


@pytest.mark.parametrize("kind", SPOILINGS)
def test_a_spoiled_face_starts_as_it_is(subject: Subject, kind) -> None:
    found = spoil(subject, kind, "face-v1")
    assert (found.crops[0] == subject.crops["face-v1"]).all()
    assert len(found.amounts) == len(found.crops) == STEPS
    for course in found.courses.values():
        assert len(course.values) == STEPS
        assert course.broke is None or course.broke > 0


UNSURE_BELOW = 0.5
A, B, UNSURE, UNSURE_B, HARDLY = (0.9, 0.1), (0.2, 0.8), (0.4, 0.3), (0.3, 0.4), (0.52, 0.48)


@pytest.mark.parametrize(
    ("rows", "broke", "turns", "how"),
    [
        ([A, A, (0.6, 0.4)], None, (), ""),
        ([A, UNSURE, B], 1, (), "the answer becomes unsure"),
        ([A, B, A, A, B, B, A], None, (), ""),
        ([A, UNSURE, A, A, B], 4, (), "the answer becomes b"),
        ([A, A, B, B, B, A, B, A, B], 2, (5, 8), "the answer becomes b"),
        ([A, UNSURE_B, UNSURE_B, A, UNSURE_B], 4, (), "the answer becomes b (unsure)"),
        ([UNSURE, UNSURE, UNSURE_B], 2, (), "the answer becomes b (unsure)"),
        # Of the sample at its first step: three thousandths below the threshold, and above it again.
        ([HARDLY, (0.49, 0.48), (0.55, 0.45), A, A], None, (), ""),
    ],
)
def test_an_answer_breaks_where_it_stays_away(rows, broke, turns, how) -> None:
    prediction = ClassPrediction(("a", "b"), np.array([0.9, 0.1]), UNSURE_BELOW)
    course = class_course("gender", prediction, np.array(rows, np.float32))
    assert (course.broke, course.turns, course.how) == (broke, turns, how)
    assert course.values.tolist() == pytest.approx([row[0] for row in rows])


@pytest.mark.parametrize(
    ("first", "start"),
    [(A, ""), (HARDLY, "was hardly sure from the start (52%)"), (UNSURE, "was unsure from the start (40%)")],
)
def test_how_sure_it_was_at_first_is_said(first, start) -> None:
    prediction = ClassPrediction(("a", "b"), np.array([0.9, 0.1]), UNSURE_BELOW)
    assert class_course("gender", prediction, np.array([first, A, A], np.float32)).start == start


def test_only_stretches_last() -> None:
    gone = np.array([1, 1, 0, 1, 1, 1, 0, 1, 0, 1, 1], bool)
    assert only_lasting(gone).tolist() == [False] * 3 + [True] * 3 + [False] * 3 + [True] * 2
    assert not only_lasting(np.zeros(5, bool)).any() and only_lasting(np.ones(2, bool)).all()


def ages(*years: int) -> NDArray[np.float32]:
    return np.eye(101, dtype=np.float32)[list(years)]


def test_an_age_breaks_where_it_leaves_its_interval_and_never_from_outside() -> None:
    face = make_traits(years=30.0)
    low, high = face.age.interval
    inside, outside = 30, int(high) + 5
    left = years_course(face, ages(inside, outside, inside, outside, outside, outside))
    assert (left.broke, left.judged, left.start) == (3, True, "")
    assert left.how == f"the estimate leaves the interval of {low:.0f} to {high:.0f} years ({outside}.0)"
    never = years_course(face, ages(outside, outside, inside, outside))
    assert (never.broke, never.judged) == (None, False)
    assert "outside of its own interval from the start" in never.start


def course(trait, broke: int | None, how: str = "the answer becomes unsure", end: int = STEPS) -> Course:
    steps = np.arange(STEPS)
    gone = np.zeros(STEPS, bool) if broke is None else (steps >= broke) & (steps < end)
    return Course(trait, "x", np.ones(STEPS), gone, how)


def test_what_gives_way_first_is_said_first() -> None:
    amounts = np.linspace(0, 12, STEPS)
    found = Spoiled(
        "blur",
        amounts,
        np.empty(0),
        {"age": course("age", None), "gender": course("gender", 9), "expression": course("expression", 4)},
    )
    assert spoiled_words(found) == (
        "Facial expression breaks first: at 1.5 px the answer becomes unsure. "
        "Apparent gender: at 3.5 px the answer becomes unsure. Apparent age holds to the end."
    )
    assert [answers_held_at(found, place) for place in (0, 4, 9)] == [(3, 3), (2, 3), (1, 3)]
    courses = {trait: course(trait, None) for trait in ("age", "gender", "ethnicity", "expression")}
    held = found._replace(courses=courses)
    assert spoiled_words(held) == "Nothing breaks: all four answers hold up to 12 px."
    unsure = courses["gender"]._replace(start="was hardly sure from the start (75%)")
    assert spoiled_words(held._replace(courses={**courses, "gender": unsure})) == (
        "Nothing breaks: all four answers hold up to 12 px. Apparent gender was hardly sure from the start (75%)."
    )


def test_an_answer_that_comes_back_is_said_to_and_counted_again() -> None:
    found = Spoiled(
        "blur",
        np.linspace(0, 12, STEPS),
        np.empty(0),
        {"age": course("age", None), "gender": course("gender", 4, end=8)},
    )
    assert spoiled_words(found) == (
        "Apparent gender breaks first: at 1.5 px the answer becomes unsure, at 3.1 px it is back. "
        "Apparent age holds to the end."
    )
    assert [answers_held_at(found, place)[0] for place in (3, 4, 7, 8)] == [2, 1, 1, 2]


def test_an_age_that_cannot_be_judged_is_not_counted() -> None:
    strange = course("age", None)._replace(start="lay outside of its own interval", judged=False)
    found = Spoiled("blur", np.linspace(0, 12, STEPS), np.empty(0), {"age": strange, "gender": course("gender", None)})
    assert answers_held_at(found, 0) == (1, 1)
    said = spoiled_words(found)
    assert said == "Nothing breaks: apparent gender holds up to 12 px. Apparent age lay outside of its own interval."
