"""Who is seen in part, or poorly, for a while keeps the number, or gets it back."""

from __future__ import annotations

import numpy as np
import pytest

from facetraits import load_analyzer
from facetraits.video.sightings import behind_heads
from facetraits.video.tracking import FaceTracker
from tests.builders import make_result
from tests.camera import SCENES
from tests.video.faces import MAN, PEOPLE, WOMAN, Scene, drawn_numbers, empty, half_covered

IN_PART = ["turned away", "cut by the edge", "covered"]


# --- seen in part first -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("issue", IN_PART)
@pytest.mark.parametrize("views", [1, 2, 8])
def test_who_is_seen_in_part_at_first_keeps_the_number_and_is_what_all_of_the_face_says(portraits, views, issue):
    """What is left of a face looks like somebody else's, to the traits and to the looks."""
    tracker, scene, shown = FaceTracker(), Scene(portraits), []
    for i in range(20):
        person, traits = (
            ((PEOPLE[1], 300, 200, {"quality": (issue,)}), MAN) if i < views else ((PEOPLE[0], 300, 200), WOMAN)
        )
        result, image = scene.frame(person, **traits)
        shown += tracker.update(result, i / 10, image)
    assert {face.track_id for face in shown} == {1}
    assert shown[-1].face.traits.gender.top1 == "female"
    assert shown[-1].face.traits.age.years == pytest.approx(28)


@pytest.mark.parametrize(("name", "from_s", "to_s", "people"), [("leaving", 14.5, 16.0, 1), ("crossing", 5.5, 10.0, 2)])
def test_who_comes_in_or_out_from_behind_somebody_is_nobody_new(name, from_s, to_s, people):
    """What the networks say of half of the portrait: older, and the other gender."""
    analyzer, tracker, scene = load_analyzer(profile="fast"), FaceTracker(6.0), SCENES[name]((640, 480))
    shown = []
    for time_s in np.arange(from_s, to_s, 0.1):
        image = scene.frame(round(time_s * scene.fps))
        shown += tracker.update(analyzer.analyze(image), time_s, image)
    taken_back = {number for face in shown for number in face.merged_numbers}
    assert {face.track_id for face in shown} - taken_back == set(range(1, people + 1))


def test_somebody_else_who_comes_after_one_who_was_seen_in_part_only_gets_another_number(portraits):
    tracker, scene = FaceTracker(), Scene(portraits)
    in_part = [(PEOPLE[1], 300, 200, {"quality": ("covered",)})]
    drawn_numbers(tracker, scene, lambda _: in_part, np.arange(10) / 10, **MAN)
    tracker.update(*empty(1.0))
    numbers = drawn_numbers(tracker, scene, lambda _: [(PEOPLE[0], 300, 200)], 1.7 + np.arange(10) / 10, **WOMAN)
    assert numbers[2:] == [2] * 8


# --- seen poorly in between -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("issue", [*IN_PART, "too small", "blurred"])
def test_poor_views_alone_make_nobody_somebody_else_who_stays_in_place(portraits, issue):
    def people(now):
        return [(PEOPLE[3], 300, 200, {"quality": (issue,)}) if 1.95 < now < 4.95 else (PEOPLE[2], 300, 200)]

    numbers = drawn_numbers(FaceTracker(), Scene(portraits), people, np.arange(70) / 10)
    assert numbers[1:] == [1] * 69


def test_the_first_good_view_after_poor_ones_shows_that_it_is_somebody_else(portraits):
    def people(now):
        return [
            (PEOPLE[2], 300, 200)
            if now < 1.95
            else (PEOPLE[3], 300, 200, {"quality": ("covered",) if now < 2.95 else ()})
        ]

    numbers = drawn_numbers(FaceTracker(), Scene(portraits), people, np.arange(50) / 10)
    assert numbers[1:30] == [1] * 29
    assert numbers[31:] == [2] * 19


def test_poor_views_tell_people_apart_where_their_place_leaves_doubt(portraits):
    """A cut to somebody who is a little beside, and larger."""

    def people(now):
        place = (PEOPLE[2], 300, 200, {"side": 100.0}) if now < 1.95 else (PEOPLE[3], 335, 215, {"side": 120.0})
        return [(*place[:3], {**place[3], "quality": ("blurred",)})]

    numbers = drawn_numbers(FaceTracker(), Scene(portraits), people, np.arange(50) / 10)
    assert numbers[1:20] == [1] * 19
    assert numbers[-20:] == [2] * 20


def test_a_number_given_to_poor_views_of_somebody_lost_is_taken_back(portraits):
    tracker, scene, shown = FaceTracker(6.0), Scene(portraits), []
    for i in range(40):
        if 10 <= i < 18:
            tracker.update(*empty(i / 10))
            continue
        person, issues = (PEOPLE[4], ("covered",)) if 18 <= i < 21 else (PEOPLE[0], ())
        result, image = scene.frame((person, 300, 200, {"quality": issues}), **(MAN if issues else WOMAN))
        shown += tracker.update(result, i / 10, image)
    assert 2 in {face.track_id for face in shown}
    assert shown[-1].track_id == 1 and shown[-1].merged_numbers == (2,)


@pytest.mark.parametrize("person", PEOPLE)
def test_who_comes_out_from_behind_something_gets_the_old_number_back(portraits, person):
    tracker, scene, shown = FaceTracker(), Scene(portraits), []
    for i in range(40):
        x = 200 if i < 10 else 420
        result, image = (
            scene.frame((person, x, 240)) if not 10 <= i < 20 else (make_result(), np.zeros((480, 640, 3), np.uint8))
        )
        if 20 <= i < 26:
            image = half_covered(image, x, 240)
        shown += [t.track_id for t in tracker.update(result, i / 10, image)]
    assert shown[0] == shown[-1] == 1
    assert set(shown) <= {1, 2} and shown[-12:] == [1] * 12


def test_a_number_that_was_taken_back_is_told_with_the_right_one(portraits):
    told = []
    for person in PEOPLE:
        tracker, scene, shown = FaceTracker(6.0), Scene(portraits), []
        for i in range(50):
            x = 200 if i < 12 else 420
            result, image = scene.frame((person, x, 240))
            if 12 <= i < 20:
                result, image = make_result(), np.zeros((480, 640, 3), np.uint8)
            elif 20 <= i < 34:
                image = half_covered(image, x, 240)
            shown += tracker.update(result, i / 10, image)
        assert all(face.merged_numbers == () for face in shown if face.track_id == 2 or face.last_seen_s < 3)
        assert shown[-1].merged_numbers == ((2,) if any(face.track_id == 2 for face in shown) else ())
        told.append(shown[-1].merged_numbers)
    assert (2,) in told and () in told


# --- beside others ----------------------------------------------------------------------------------------------------


def test_a_face_is_seen_in_part_where_another_head_may_be_before_it():
    apart, beside, before = [300, 100, 400, 200], [130, 100, 230, 200], [60, 120, 160, 240]
    face = [0, 100, 100, 200]
    assert behind_heads(np.array([face, beside, apart], dtype=np.float32)).tolist() == [False, False, False]
    assert behind_heads(np.array([face, before, apart], dtype=np.float32)).tolist() == [True, True, False]
    hair = [105, 100, 205, 200]
    assert behind_heads(np.array([face, hair], dtype=np.float32)).tolist() == [True, True]
    assert behind_heads(np.zeros((0, 4), dtype=np.float32)).tolist() == []
