"""Somebody else gets another number, by traits and by looks; a changed view of somebody does not."""

from __future__ import annotations

from itertools import pairwise
from math import sin

import cv2
import numpy as np
import pytest

from facetraits.traits import TRAITS
from facetraits.video.looks import appearance_of
from facetraits.video.tracking import FaceTracker
from tests.builders import FakeAnalyzer, make_result, photo_of_one
from tests.video.faces import MAN, PEOPLE, WOMAN, Scene, drawn_numbers, empty, face_at, numbers_of

# --- another person ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("gap_s", [0.1, 0.4, 1.0, 2.2])
def test_by_traits_alone_somebody_in_the_place_of_another_gets_a_new_number(gap_s):
    tracker = FaceTracker()
    for i in range(20):
        (first,) = tracker.update(make_result(face_at(300, 200, **WOMAN)), i * 0.1) or (None,)
    numbers = []
    for i in range(10):
        shown = tracker.update(make_result(face_at(305, 203, **MAN)), 1.9 + gap_s + i * 0.1)
        numbers.append([t.track_id for t in shown])
    assert numbers[4:] == [[2]] * 6
    assert shown[0].face.traits.gender.confidence == pytest.approx(0.9)
    assert shown[0].face.traits.age.years == pytest.approx(60)
    assert shown[0].first_seen_s == pytest.approx(1.9 + gap_s)
    assert first.track_id == 1 and first.last_seen_s == pytest.approx(1.9)


def test_while_it_is_in_doubt_who_it_is_the_old_answer_stands():
    tracker = FaceTracker()
    for i in range(20):
        tracker.update(make_result(face_at(300, 200, **WOMAN)), i * 0.1)
    (doubtful,) = tracker.update(make_result(face_at(300, 200, **MAN)), 2.0)
    assert doubtful.track_id == 1
    assert doubtful.face.traits.age.years == pytest.approx(28)
    assert doubtful.last_seen_s == pytest.approx(1.9)
    (again,) = tracker.update(make_result(face_at(300, 200, **WOMAN)), 2.1)
    assert (again.track_id, again.last_seen_s, again.analyses) == (1, 2.1, 21)


def test_one_wrong_answer_in_five_changes_nobody():
    tracker = FaceTracker()
    frames = [(i * 0.1, [face_at(300, 200, **(MAN if i % 5 == 3 else WOMAN))]) for i in range(100)]
    assert numbers_of(tracker, frames) == {1}


def test_a_new_expression_is_no_new_person():
    tracker = FaceTracker()
    frames = [(i * 0.1, [face_at(300, 200, expression=("happy", "angry")[i // 10 % 2])]) for i in range(100)]
    assert numbers_of(tracker, frames) == {1}


@pytest.mark.parametrize("name", TRAITS)
def test_a_trait_switched_off_is_gone_at_once_and_starts_afresh(name):
    others = [t for t in TRAITS if t != name]
    tracker = FaceTracker()
    for i in range(20):
        tracker.update(make_result(face_at(300, 200, expression="sad")), i * 0.1)
    (off,) = tracker.update(make_result(face_at(300, 200, expression="sad", traits=others)), 2.0)
    assert getattr(off.face.traits, name) is None
    (on,) = tracker.update(make_result(face_at(300, 200, confidence=0.7, expression="happy")), 2.1)
    assert on.track_id == 1
    back = getattr(on.face.traits, name)
    assert (back.groups if name == "age" else back).confidence == pytest.approx(0.7)


def test_a_trait_switched_off_during_doubt_is_gone_too():
    tracker = FaceTracker()
    for i in range(20):
        tracker.update(make_result(face_at(300, 200, **WOMAN)), i * 0.1)
    (doubtful,) = tracker.update(make_result(face_at(300, 200, traits=("gender", "ethnicity"), **MAN)), 2.0)
    assert doubtful.face.traits.age is None
    assert doubtful.face.traits.gender.top1 == "female"


def test_without_traits_and_picture_the_place_decides():
    tracker = FaceTracker()
    frames = [(i * 0.1, [face_at(300 + 5 * i, 200, traits=())]) for i in range(30) if not 10 < i < 20]
    assert numbers_of(tracker, frames) == {1}


# --- what faces look like ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("before", "after"), list(pairwise((*PEOPLE, PEOPLE[0]))))
def test_at_a_hard_cut_the_new_face_in_the_old_place_gets_a_new_number(portraits, before, after):
    """All have the same traits here: looks alone tell."""
    numbers = drawn_numbers(
        FaceTracker(),
        Scene(portraits),
        lambda now: [(before if now < 1.95 else after, 300, 200)],
        np.arange(40) / 10,
    )
    assert numbers[1:20] == [1] * 19
    assert numbers[22:] == [2] * 18


@pytest.mark.parametrize("gap_s", [0.3, 1.0, 2.2])
def test_who_takes_the_place_of_one_who_left_gets_a_new_number_and_who_returns_does_not(portraits, gap_s):
    for person, number in ((PEOPLE[1], 2), (PEOPLE[0], 1)):
        tracker, scene = FaceTracker(), Scene(portraits)
        drawn_numbers(tracker, scene, lambda now: [(PEOPLE[0], 300, 200)], np.arange(10) / 10)
        tracker.update(*empty(1.0))
        at = [(person, 310, 205, {"turn": 6.0, "gain": 0.85})]
        numbers = drawn_numbers(tracker, scene, lambda now, at=at: at, 0.9 + gap_s + np.arange(8) / 10)
        assert numbers[3:] == [number] * 5


def test_after_a_cut_back_the_first_person_has_the_old_number(portraits):
    first, second = PEOPLE[2], PEOPLE[3]
    numbers = drawn_numbers(
        FaceTracker(),
        Scene(portraits),
        lambda now: [(second if 0.95 < now < 1.95 else first, 300, 200)],
        np.arange(30) / 10,
    )
    assert numbers[5] == 1 and numbers[15] == 2 and numbers[25] == 1


def test_looks_find_somebody_again_at_the_other_side_of_the_picture(portraits):
    tracker, scene = FaceTracker(keep_s=20.0), Scene(portraits)
    drawn_numbers(tracker, scene, lambda now: [(PEOPLE[0], 80, 200)], np.arange(20) / 10)
    tracker.update(*empty(2.0))
    numbers = drawn_numbers(tracker, scene, lambda now: [(PEOPLE[0], 560, 300)], 8 + np.arange(10) / 10)
    assert numbers[2:] == [1] * 8
    numbers = drawn_numbers(tracker, scene, lambda now: [(PEOPLE[4], 80, 200)], 12 + np.arange(10) / 10)
    assert numbers[2:] == [2] * 8


@pytest.mark.parametrize("person", PEOPLE)
@pytest.mark.parametrize(
    "change", [{"gain": 0.6}, {"gain": 1.35}, {"blur": 4.0}, {"turn": 12.0}, {"noise": 15.0}, {"side": 60.0}], ids=str
)
def test_light_blur_noise_and_turning_the_head_make_no_new_person(portraits, person, change):
    """Neither when they begin and end at once, as when a lamp is switched."""
    numbers = drawn_numbers(
        FaceTracker(),
        Scene(portraits),
        lambda now: [(person, 300, 200, change if 0.95 < now < 1.95 else {})],
        np.arange(30) / 10,
    )
    assert numbers[1:] == [1] * 29


def test_most_of_a_hundred_people_are_told_from_the_next_when_they_replace_each_other(portraits):
    found = 0
    for person in range(99):
        numbers = drawn_numbers(
            FaceTracker(),
            Scene(portraits, person),
            lambda now, person=person: [(person + (now > 0.75), 300, 200)],
            np.arange(16) / 10,
        )
        assert numbers[1:8] == [1] * 7
        found += numbers[-1] == 2
    assert found >= 90


def test_a_picture_without_detail_says_nothing_about_looks():
    tracker, grey = FaceTracker(), np.full((480, 640, 3), 90, dtype=np.uint8)
    assert appearance_of(np.full((32, 32, 3), 90, dtype=np.uint8)) is None
    numbers = {t.track_id for i in range(20) for t in tracker.update(make_result(face_at(300, 200)), i / 10, grey)}
    assert numbers == {1}


def test_pictures_may_be_missing_now_and_then(portraits):
    tracker, scene, seen = FaceTracker(), Scene(portraits), set()
    for i in range(30):
        result, image = scene.frame((PEOPLE[0], 300, 200))
        seen |= {t.track_id for t in tracker.update(result, i / 10, image if i % 3 else None)}
    assert seen == {1}


def test_a_real_face_keeps_its_number_while_a_real_detector_follows_it():
    """The packaged portrait moves, grows and tilts, and the camera is covered for a moment."""
    analyzer, tracker = FakeAnalyzer(), FaceTracker()
    portrait = photo_of_one()[0:290, 80:370]
    seen = []
    for i in range(24):
        image = np.full((480, 640, 3), (188, 200, 210), dtype=np.uint8)
        scale = 0.7 + 0.25 * sin(i / 4)
        matrix = cv2.getRotationMatrix2D((145, 100), 10 * sin(i / 3), scale)
        matrix[:, 2] += (60 + 12 * i, 80)
        cv2.warpAffine(portrait, matrix, (640, 480), dst=image, borderMode=cv2.BORDER_TRANSPARENT)
        if i in (10, 11, 12):
            image[:] = 200  # the camera is covered
        seen.append([t.track_id for t in tracker.update(analyzer.analyze(image), i * 0.1, image)])
    assert seen[0] == [] and seen[10:13] == [[], [], []]
    assert all(numbers == [1] for i, numbers in enumerate(seen) if i not in (0, 10, 11, 12))
