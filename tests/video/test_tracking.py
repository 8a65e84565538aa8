"""A face keeps its number, and a new person gets a new one."""

from __future__ import annotations

import gc
import tracemalloc
from itertools import pairwise, permutations
from math import cos, pi, sin

import cv2
import numpy as np
import pytest
import skimage.data
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from facetraits.faces.alignment import CROPS, align_faces
from facetraits.traits import TRAITS
from facetraits.types import FaceDetection, FaceResult, FaceTraits
from facetraits.video.looks import look_of, trait_likeness
from facetraits.video.tracking import FaceTracker, best_pairs
from tests.builders import (
    FakeAnalyzer,
    make_detection,
    make_face,
    make_result,
    make_traits,
    photo_of_one,
    photo_without_faces,
)

SIDE = 100.0  # px: one face width
WOMAN = {"gender": "female", "years": 28.0, "ethnicity": "asian"}
MAN = {"gender": "male", "years": 60.0, "ethnicity": "white"}


def face_at(x, y, side=SIDE, quality=(), score=0.95, **traits):
    """A face whose box is centred there."""
    return FaceResult(make_detection(x - side / 2, y - side / 2, side, score), quality, make_traits(**traits))


def centre(tracked):
    return tracked.face.detection.box_xyxy.reshape(2, 2).mean(axis=0)


def times(rng, rate, seconds):
    """Irregular times of analyses."""
    now, out = 0.0, []
    while now < seconds:
        out.append(now)
        now += rng.uniform(0.6, 1.4) / rate
    return out


def numbers_of(tracker, frames):
    """Every number that was shown, where ``frames`` gives a time and the faces in view at it."""
    return {t.track_id for time_s, faces in frames for t in tracker.update(make_result(*faces), time_s)}


def walk_past(tracker, first, second, merged, rng, rate=10, seconds=4.0, merge_widths=0.8, bounce=False):
    """Two people at ``first(t)`` and ``second(t)``, in widths from the middle of the picture; they meet half-way.

    While they are nearer than ``merge_widths``, only the face that ``merged`` names is found: "first" or "second", who
    is in front, or "both", a large box around the two.

    Returns:
        The numbers seen on the first, and on the second, after and before the meeting included.
    """
    seen = set(), set()
    for now in times(rng, rate, seconds):
        t = now - seconds / 2
        t = -abs(t) if bounce else t
        places = [np.array(where(t)) * SIDE + (320, 240) for where in (first, second)]
        apart = float(np.linalg.norm(places[0] - places[1])) / SIDE
        noisy = [place + rng.normal(0, 0.01 * SIDE, 2) for place in places]
        hidden = apart < merge_widths
        if not hidden:
            faces = [face_at(*noisy[0]), face_at(*noisy[1])]
        elif merged == "both":
            faces = [face_at(*np.mean(noisy, axis=0), side=SIDE * (1 + 0.3 * apart))]
        else:
            faces = [face_at(*noisy[("first", "second").index(merged)])]
        for tracked in tracker.update(make_result(*faces), now):
            if not hidden:
                distances = [np.linalg.norm(centre(tracked) - place) for place in places]
                seen[int(np.argmin(distances))].add(tracked.track_id)
    return seen


# --- one face ---------------------------------------------------------------------------------------------------------


def test_a_face_is_shown_from_its_second_sighting_on_with_the_time_of_its_first():
    tracker = FaceTracker()
    assert tracker.update(make_result(face_at(300, 200)), 10.0) == ()
    (tracked,) = tracker.update(make_result(face_at(300, 200)), 10.1)
    assert (tracked.track_id, tracked.first_seen_s, tracked.last_seen_s, tracked.analyses) == (1, 10.0, 10.1, 2)


@pytest.mark.parametrize("confirm_after", [1, 3, 5])
def test_confirmation_takes_as_many_sightings_as_asked_for(confirm_after):
    tracker = FaceTracker(confirm_after=confirm_after)
    shown = [len(tracker.update(make_result(face_at(300, 200)), i * 0.1)) for i in range(6)]
    assert shown == [0] * (confirm_after - 1) + [1] * (7 - confirm_after)


def test_place_and_quality_are_those_of_now_and_traits_those_of_the_track():
    tracker = FaceTracker()
    for i in range(20):
        tracker.update(make_result(face_at(300 + i, 200, years=30.0)), i * 0.1)
    (tracked,) = tracker.update(make_result(face_at(325, 210, years=36.0, quality=("blurred",))), 2.0)
    np.testing.assert_allclose(centre(tracked), (325, 210))
    assert tracked.face.quality == ("blurred",)
    assert tracked.face.traits.age.years == pytest.approx(30, abs=0.1)


@settings(max_examples=60)
@given(
    rate=st.floats(5, 25),
    speed=st.floats(0, 2),
    direction=st.floats(0, 2 * pi),
    growth=st.floats(0.6, 1.7),
    jitter=st.floats(0, 0.03),
    missed=st.floats(0, 0.3),
    seed=st.integers(0, 2**32 - 1),
)
def test_a_moving_zooming_jittering_face_keeps_its_number(rate, speed, direction, growth, jitter, missed, seed):
    rng = np.random.default_rng(seed)
    tracker, seen, size = FaceTracker(), set(), SIDE
    x, y, vx, vy = 320.0, 240.0, speed * cos(direction), speed * sin(direction)
    last = 0.0
    for now in times(rng, rate, 4.0):
        passed, last = now - last, now
        size = SIDE * growth**now
        x, y = x + vx * size * passed, y + vy * size * passed
        if abs(x - 320) > 300:
            vx = -vx  # turns back at the edge
        noise = rng.normal(0, jitter * size, 2)
        faces = [] if rng.random() < missed else [face_at(x + noise[0], y + noise[1], size * np.exp(noise[0] / size))]
        seen |= {t.track_id for t in tracker.update(make_result(*faces), now)}
    assert seen == {1}


@pytest.mark.parametrize("interval_s", [0.03, 0.2, 1.0])
def test_slow_and_fast_machines_confirm_a_still_face(interval_s):
    tracker = FaceTracker()
    frames = [(i * interval_s, [face_at(300, 200)]) for i in range(10)]
    assert numbers_of(tracker, frames) == {1}


def test_two_frames_at_nearly_the_same_time_make_no_speed():
    tracker = FaceTracker()
    instants = (0.0, 1e-6, 1e-6, 0.2, 0.4)
    frames = [(now, [face_at(300 + 2 * i, 200, traits=())]) for i, now in enumerate(instants)]
    assert numbers_of(tracker, frames) == {1}
    assert [t.track_id for t in tracker.update(make_result(face_at(308, 200, traits=())), 1.4)] == [1]


def test_a_face_that_is_not_detected_is_not_shown():
    tracker = FaceTracker()
    for i in range(5):
        tracker.update(make_result(face_at(300, 200)), i * 0.1)
    assert tracker.update(make_result(), 0.5) == ()
    (tracked,) = tracker.update(make_result(face_at(300, 200)), 0.6)
    assert (tracked.track_id, tracked.first_seen_s, tracked.last_seen_s) == (1, 0.0, 0.6)


@pytest.mark.parametrize("keep_s", [2.5, 10.0])
@pytest.mark.parametrize("moved", [0, 60])
def test_brief_loss_keeps_the_number_and_long_loss_does_not(keep_s, moved):
    for lost_s, number in ((keep_s - 0.2, 1), (keep_s + 0.2, 2)):
        tracker = FaceTracker(keep_s=keep_s)
        for i in range(10):
            tracker.update(make_result(face_at(300, 200)), i * 0.1)
        for i in range(1, int(lost_s / 0.1)):
            assert tracker.update(make_result(), 0.9 + i * 0.1) == ()
        frames = [(0.9 + lost_s + i * 0.1, [face_at(300 + moved, 200)]) for i in range(5)]
        assert numbers_of(tracker, frames) == {number}


def test_a_returning_person_keeps_the_first_time_and_the_traits():
    tracker = FaceTracker()
    for i in range(20):
        tracker.update(make_result(face_at(300, 200, years=30.0)), i * 0.1)
    (tracked,) = tracker.update(make_result(face_at(300, 200, years=33.0)), 3.9)
    assert tracked.first_seen_s == 0.0
    assert tracked.analyses == 21
    assert tracked.face.traits.age.years == pytest.approx(30.17, abs=0.01)  # one of 21, the newest fading least


# --- false detections -------------------------------------------------------------------------------------------------


def test_an_isolated_false_detection_is_no_person():
    tracker = FaceTracker()
    frames = []
    for i in range(60):
        faces = [face_at(200, 200)]
        if i % 10 == 3:
            faces.append(face_at(500 if i % 20 == 3 else 480, 350, side=50, **MAN))
        frames.append((i * 0.1, faces))
    assert numbers_of(tracker, frames) == {1}


def test_a_false_detection_takes_no_number_from_the_next_person():
    tracker = FaceTracker()
    tracker.update(make_result(face_at(500, 350)), 0.0)
    frames = [(1 + i * 0.1, [face_at(200, 200)]) for i in range(5)]
    assert numbers_of(tracker, frames) == {1}


def test_one_misplaced_box_does_not_move_the_person_away():
    tracker = FaceTracker()
    for i in range(20):
        x = 300 if i != 10 else 560
        shown = tracker.update(make_result(face_at(x, 200)), i * 0.1)
    assert [t.track_id for t in shown] == [1]


# --- several faces ----------------------------------------------------------------------------------------------------


def test_faces_come_in_the_order_of_their_numbers_whatever_the_order_of_detections():
    tracker = FaceTracker()
    one, two, three = (face_at(x, 200) for x in (100, 300, 500))
    for i, order in enumerate(permutations((one, two, three))):
        shown = tracker.update(make_result(*order), i * 0.1)
    assert [t.track_id for t in shown] == [1, 2, 3]
    assert [centre(t)[0] for t in shown] == [100, 300, 500]


def test_somebody_who_joins_gets_the_next_number():
    tracker = FaceTracker()
    for i in range(10):
        tracker.update(make_result(face_at(100, 200)), i * 0.1)
    for i in range(10, 20):
        shown = tracker.update(make_result(face_at(400, 200), face_at(100, 200)), i * 0.1)
    assert [(t.track_id, centre(t)[0]) for t in shown] == [(1, 100), (2, 400)]
    assert shown[1].first_seen_s == 1.0


@settings(max_examples=25)
@given(rate=st.floats(5, 25), missed=st.floats(0, 0.2), seed=st.integers(0, 2**32 - 1))
def test_five_moving_faces_keep_their_numbers(rate, missed, seed):
    """Each goes around in its own part of the picture, at 1.3 widths a second at most, in alternating order."""
    rng = np.random.default_rng(seed)
    tracker, seen = FaceTracker(), [set() for _ in range(5)]
    phases, turns = rng.uniform(0, 2 * pi, 5), rng.uniform(-2, 2, 5)
    for now in times(rng, rate, 4.0):
        places = [
            (200 + 260 * i + 65 * cos(phases[i] + turns[i] * now), 300 + 65 * sin(phases[i] + turns[i] * now))
            for i in range(5)
        ]
        found = [face_at(*(np.array(p) + rng.normal(0, 2, 2))) for p in places if rng.random() >= missed]
        rng.shuffle(found)
        for tracked in tracker.update(make_result(*found, size_wh=(1440, 600)), now):
            seen[int(np.argmin([np.linalg.norm(centre(tracked) - p) for p in places]))].add(tracked.track_id)
    assert all(len(numbers) == 1 for numbers in seen)
    assert set.union(*seen) == {1, 2, 3, 4, 5}


PATHS = {
    "opposite": (lambda t: (1.0 * t, 0), lambda t: (-1.0 * t, 0.1)),
    "opposite slow": (lambda t: (0.6 * t, 0), lambda t: (-0.6 * t, 0.1)),
    "opposite fast": (lambda t: (1.6 * t, 0), lambda t: (-1.6 * t, 0.2)),
    "past one who stands": (lambda t: (1.2 * t, 0), lambda t: (0, 0.1)),
    "overtaking": (lambda t: (1.7 * t, 0), lambda t: (0.4 * t, 0.1)),
    "up and down": (lambda t: (0, 1.0 * t), lambda t: (0.1, -1.0 * t)),
    "diagonal": (lambda t: (1.0 * t, 0.5 * t), lambda t: (-0.7 * t, 0.4 * t)),
}


@pytest.mark.parametrize("rate", [5, 10, 25])
@pytest.mark.parametrize("merged", ["first", "second", "both"])
@pytest.mark.parametrize("paths", PATHS)
def test_two_who_cross_keep_their_numbers_by_their_movement_alone(paths, merged, rate):
    rng = np.random.default_rng(rate)
    seen = walk_past(FaceTracker(), *PATHS[paths], merged, rng, rate)
    assert sorted(map(sorted, seen)) == [[1], [2]]


def test_the_one_in_front_does_not_take_on_the_traits_of_the_hidden_one_nor_teach_it():
    """While one is hidden it is open whose the one face is, so it counts for nobody."""
    tracker = FaceTracker()
    for i in range(41):
        t = (i - 20) / 10
        woman, man = face_at(320 + 100 * t, 240, **WOMAN), face_at(320 - 100 * t, 250, **MAN)
        faces = [man] if abs(t) < 0.4 else [woman, man]
        shown = tracker.update(make_result(*faces), i * 0.1)
    by_x = sorted(shown, key=lambda tracked: centre(tracked)[0])
    assert [t.face.traits.gender.top1 for t in by_x] == ["male", "female"]
    assert by_x[0].face.traits.age.years == pytest.approx(60)
    assert by_x[1].face.traits.age.years == pytest.approx(28)
    assert by_x[1].analyses == 41 - 7


def test_traits_tell_who_is_who_when_two_meet_and_turn_back():
    """Their movement alone would say that they crossed."""
    tracker, seen = FaceTracker(), {"female": set(), "male": set()}
    for i in range(51):
        t = -abs((i - 25) / 10)
        woman, man = face_at(320 + 100 * t, 240, **WOMAN), face_at(320 - 100 * t, 250, **MAN)
        apart = abs(200 * t) >= 80
        for tracked in tracker.update(make_result(*([woman, man] if apart else [woman])), i * 0.1):
            if apart:
                seen["female" if centre(tracked)[0] < 320 else "male"].add(tracked.track_id)
    assert sorted(map(sorted, seen.values())) == [[1], [2]]


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

# Six quite different of the 100 people in scikit-image's excerpt of "Labeled Faces in the Wild", 25 x 25 px each.
PEOPLE = (4, 9, 16, 17, 47, 70)
_POINTS = np.array([[0.32, 0.40], [0.68, 0.40], [0.5, 0.6], [0.36, 0.76], [0.64, 0.76]])


@pytest.fixture(scope="module")
def portraits():
    return (skimage.data.lfw_subset()[:100] * 255).astype(np.uint8)


class Scene:
    """Draws people at given places, with noise as of a camera, and says where their faces are."""

    def __init__(self, portraits, seed=0):
        self._portraits = portraits
        self._rng = np.random.default_rng(seed)

    def frame(self, *people, **traits):
        """``people``: number of the portrait, x and y of the centre and, if wanted, changes (see ``_draw``)."""
        image = np.full((480, 640, 3), 110, dtype=np.uint8)
        faces = []
        for person, x, y, *changes in people:
            faces.append(self._draw(image, person, x, y, traits, **(changes[0] if changes else {})))
        return make_result(*faces), image

    def _draw(self, image, person, x, y, traits, side=SIDE, turn=0.0, gain=1.0, blur=0.0, noise=4.0):
        """``turn`` in degrees; ``blur`` in px. Whoever is drawn must lie inside the picture."""
        reach = int(0.75 * side)
        left, top = int(x) - reach, int(y) - reach
        patch = image[top : top + 2 * reach, left : left + 2 * reach]
        matrix = cv2.getRotationMatrix2D((12, 12), turn, side / 25)
        matrix[:, 2] += (x - left - 12, y - top - 12)
        size_wh = patch.shape[1::-1]
        area = cv2.warpAffine(np.full((25, 25), 255, dtype=np.uint8), matrix, size_wh) > 127
        face = cv2.warpAffine(
            self._portraits[person], matrix, size_wh, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
        )
        if blur:
            face = cv2.GaussianBlur(face, (0, 0), blur)
        face = np.clip(face * gain + self._rng.normal(0, noise, face.shape), 0, 255)
        patch[area] = face[area][:, None]
        points = (_POINTS * 25 - 0.5) @ matrix[:, :2].T + matrix[:, 2] + (left, top)
        points += self._rng.normal(0, 0.012 * side, (5, 2))  # as uncertain as a detector's
        box = (x - side / 2, y - side / 2, x + side / 2, y + side / 2)
        return FaceResult(FaceDetection(box, points, 0.9), (), make_traits(**traits))


def drawn_numbers(tracker, scene, people_at, times_s, **traits):
    """The number of the only face in every frame; None where none is shown."""
    out = []
    for now in times_s:
        result, image = scene.frame(*people_at(now), **traits)
        shown = tracker.update(result, now, image)
        out.append(shown[0].track_id if shown else None)
    return out


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
        tracker.update(*_empty(1.0))
        at = [(person, 310, 205, {"turn": 6.0, "gain": 0.85})]
        numbers = drawn_numbers(tracker, scene, lambda now, at=at: at, 0.9 + gap_s + np.arange(8) / 10)
        assert numbers[3:] == [number] * 5


def _empty(now):
    return make_result(), now, np.full((480, 640, 3), 110, dtype=np.uint8)


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
    tracker.update(*_empty(2.0))
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


@pytest.mark.parametrize("bounce", [False, True], ids=["cross", "turn back"])
@pytest.mark.parametrize("front", [0, 1])
@pytest.mark.parametrize("speed", [0.5, 1.0, 1.5])
def test_looks_tell_whether_two_crossed_or_met_and_turned_back(portraits, speed, front, bounce):
    """With the same traits, and only the one in front found while they are near."""
    tracker, scene, seen = FaceTracker(), Scene(portraits), (set(), set())
    for i in range(61):
        t = (i - 30) / 10
        t = -abs(t) if bounce else t
        xs = 320 + speed * SIDE * t, 320 - speed * SIDE * t
        apart = abs(xs[0] - xs[1]) >= 80
        people = [(PEOPLE[0], xs[0], 240), (PEOPLE[5], xs[1], 248)]
        if max(abs(x - 320) for x in xs) > 240:
            continue
        result, image = scene.frame(*(people if apart else [people[front]]))
        for tracked in tracker.update(result, i / 10, image):
            if apart:
                seen[int(abs(centre(tracked)[0] - xs[1]) < abs(centre(tracked)[0] - xs[0]))].add(tracked.track_id)
    assert sorted(map(sorted, seen)) == [[1], [2]]


def half_covered(image, x, y):
    """Something stands before the left half of a face."""
    covered = image.copy()
    covered[int(y - SIDE) : int(y + SIDE), int(x - SIDE) : int(x)] = np.random.default_rng(3).integers(0, 256, 3)
    return covered


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
        assert all(face.formerly == () for face in shown if face.track_id == 2 or face.last_seen_s < 3)
        assert shown[-1].formerly == ((2,) if any(face.track_id == 2 for face in shown) else ())
        told.append(shown[-1].formerly)
    assert (2,) in told and () in told


def test_who_was_seen_beside_somebody_never_takes_the_others_number(portraits):
    """The same portrait twice: looks and traits say that they are one."""
    tracker, scene = FaceTracker(), Scene(portraits)
    twice = (PEOPLE[0], 200, 240), (PEOPLE[0], 440, 240)
    for i in range(6):
        both = tracker.update(*_drawn(scene, i / 10, *twice))
    for i in range(6, 16):
        one = tracker.update(*_drawn(scene, i / 10, twice[1]))
    assert [t.track_id for t in both] == [1, 2]
    assert [t.track_id for t in one] == [2]


def test_people_who_swapped_places_while_unseen_keep_their_numbers(portraits):
    tracker, scene = FaceTracker(), Scene(portraits)
    left, right = (PEOPLE[1], 250, 240), (PEOPLE[4], 390, 240)
    for i in range(10):
        before = tracker.update(*_drawn(scene, i / 10, left, right))
    tracker.update(*_empty(1.0))
    for i in range(10):
        after = tracker.update(*_drawn(scene, 1.8 + i / 10, (PEOPLE[4], 250, 240), (PEOPLE[1], 390, 240)))
    assert {t.track_id: round(centre(t)[0]) for t in before} == {1: 250, 2: 390}
    assert {t.track_id: round(centre(t)[0]) for t in after} == {1: 390, 2: 250}


def _drawn(scene, now, *people):
    result, image = scene.frame(*people)
    return result, now, image


def test_a_picture_without_detail_says_nothing_about_looks():
    tracker, grey = FaceTracker(), np.full((480, 640, 3), 90, dtype=np.uint8)
    assert look_of(np.full((32, 32, 3), 90, dtype=np.uint8)) is None
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


# --- what is kept -----------------------------------------------------------------------------------------------------


def test_nothing_is_kept_of_people_who_are_gone(portraits):
    """Nor of what they looked like."""
    tracker, scene, now = FaceTracker(), Scene(portraits), 0.0

    def visit(person):
        nonlocal now
        for _ in range(4):
            now += 0.1
            tracker.update(*_drawn(scene, now, (person, 300, 200)))
        now += 3.0
        tracker.update(*_empty(now))

    visit(0)
    gc.collect()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for person in range(1, 40):
            visit(person)
        gc.collect()
        grown = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert grown < 20_000  # one look alone is 2.5 kB, one face more than that


def test_how_long_a_number_is_kept_can_be_changed_while_somebody_is_away():
    tracker = FaceTracker(keep_s=2.0)
    numbers_of(tracker, [(i / 10, [face_at(300, 200)]) for i in range(5)])
    tracker.keep_s = 20.0
    assert numbers_of(tracker, [(10 + i / 10, [face_at(300, 200)]) for i in range(5)]) == {1}
    with pytest.raises(ValueError, match="keep_s"):
        tracker.keep_s = 0.0
    assert tracker.keep_s == 20.0


@pytest.mark.parametrize("keep_s", [0.0, -1.0, float("nan")])
def test_keep_must_be_positive(keep_s):
    with pytest.raises(ValueError, match="keep_s"):
        FaceTracker(keep_s=keep_s)


def test_confirmation_needs_a_sighting():
    with pytest.raises(ValueError, match="confirm_after"):
        FaceTracker(confirm_after=0)


@pytest.mark.parametrize("time_s", [0.9, float("nan"), float("inf")])
def test_time_must_not_run_backwards(time_s):
    tracker = FaceTracker()
    tracker.update(make_result(), 1.0)
    with pytest.raises(ValueError, match="times"):
        tracker.update(make_result(), time_s)


def test_the_picture_must_be_the_analysed_one():
    with pytest.raises(ValueError, match="analysed"):
        FaceTracker().update(make_result(), 0.0, photo_without_faces())


# --- parts ------------------------------------------------------------------------------------------------------------


def test_two_views_of_one_face_look_more_alike_than_two_people(portraits):
    scene = Scene(portraits)

    def look(person, **changes):
        result, image = scene.frame((person, 300, 200, changes))
        return look_of(align_faces(image, [result.faces[0].detection], CROPS["face-v1"])[0])

    for person, other in pairwise(PEOPLE):
        same = float(look(person) @ look(person, turn=8.0, gain=0.8, blur=1.0))
        assert same > 0.7
        assert float(look(person) @ look(other)) < 0.45


def test_equal_traits_speak_for_the_same_person_and_different_ones_against():
    one = make_traits(**WOMAN)
    assert trait_likeness(one, one) > 0
    assert trait_likeness(one, make_traits(**MAN)) < -1
    assert trait_likeness(one, FaceTraits()) == 0
    assert trait_likeness(one, make_traits(**{**WOMAN, "expression": "angry"})) == trait_likeness(one, one)


@pytest.mark.parametrize("name", ["age", "gender", "ethnicity"])
def test_every_single_trait_can_tell_people_apart(name):
    one, other = (make_traits(**person, confidence=0.98, traits=(name,)) for person in (WOMAN, MAN))
    assert trait_likeness(one, one) > 0 > trait_likeness(one, other)


@given(
    arrays(
        np.float64,
        st.tuples(st.integers(0, 5), st.integers(0, 5)),
        elements=st.one_of(st.just(-np.inf), st.floats(-10, 10)),
    )
)
def test_the_best_pairs_have_the_largest_sum_of_all(scores):
    pairs = best_pairs(scores)
    rows, columns = [i for i, _ in pairs], [j for _, j in pairs]
    assert len(set(rows)) == len(rows) and len(set(columns)) == len(columns)
    assert all(scores[pair] > 0 for pair in pairs)
    gains = np.maximum(scores, 0)
    if gains.shape[0] > gains.shape[1]:
        gains = gains.T
    choices = permutations(range(gains.shape[1]), gains.shape[0])
    best = max((sum(gains[i, j] for i, j in enumerate(choice)) for choice in choices), default=0.0)
    assert sum(scores[pair] for pair in pairs) == pytest.approx(best)


def test_thirty_faces_are_paired_as_they_are():
    order = np.random.default_rng(0).permutation(30)
    scores = np.full((30, 30), 1.0)
    scores[np.arange(30), order] = 3.0
    assert best_pairs(scores) == [(i, int(j)) for i, j in enumerate(order)]


def test_a_face_keeps_its_number_when_the_frames_change_their_size():
    tracker = FaceTracker()
    for step in range(5):
        shown = tracker.update(make_result(make_face(left=300), size_wh=(640, 480)), step / 10)
    small = FaceResult(make_detection(left=150, top=40, side=60), (), make_traits())

    later = tracker.update(make_result(small, size_wh=(320, 240)), 0.5)

    assert [face.track_id for face in shown] == [face.track_id for face in later] == [1]
