"""A face keeps its number, and a new person gets a new one."""

from __future__ import annotations

import gc
import tracemalloc
from itertools import permutations
from math import cos, pi, sin

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from facetraits.types import FaceResult
from facetraits.video.tracking import FaceTracker, best_pairs
from tests.builders import make_detection, make_face, make_result, make_traits, photo_without_faces
from tests.video.faces import MAN, SIDE, Scene, centre, drawn, empty, face_at, numbers_of, times

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


def test_a_face_keeps_its_number_when_the_frames_change_their_size():
    tracker = FaceTracker()
    for step in range(5):
        shown = tracker.update(make_result(make_face(left=300), size_wh=(640, 480)), step / 10)
    small = FaceResult(make_detection(left=150, top=40, side=60), (), make_traits())

    later = tracker.update(make_result(small, size_wh=(320, 240)), 0.5)

    assert [face.track_id for face in shown] == [face.track_id for face in later] == [1]


# --- what is kept -----------------------------------------------------------------------------------------------------


def test_nothing_is_kept_of_people_who_are_gone(portraits):
    """Nor of what they looked like."""
    tracker, scene, now = FaceTracker(), Scene(portraits), 0.0

    def visit(person):
        nonlocal now
        for _ in range(4):
            now += 0.1
            tracker.update(*drawn(scene, now, (person, 300, 200)))
        now += 3.0
        tracker.update(*empty(now))

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


# --- pairs ------------------------------------------------------------------------------------------------------------


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
