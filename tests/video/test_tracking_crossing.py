"""People who cross, meet, hide each other or swap places keep their numbers."""

from __future__ import annotations

import numpy as np
import pytest

from facetraits.video.tracking import FaceTracker
from tests.builders import make_result
from tests.video.faces import MAN, PEOPLE, SIDE, WOMAN, Scene, centre, drawn, empty, face_at, times


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


def test_who_was_seen_beside_somebody_never_takes_the_others_number(portraits):
    """The same portrait twice: looks and traits say that they are one."""
    tracker, scene = FaceTracker(), Scene(portraits)
    twice = (PEOPLE[0], 200, 240), (PEOPLE[0], 440, 240)
    for i in range(6):
        both = tracker.update(*drawn(scene, i / 10, *twice))
    for i in range(6, 16):
        one = tracker.update(*drawn(scene, i / 10, twice[1]))
    assert [t.track_id for t in both] == [1, 2]
    assert [t.track_id for t in one] == [2]


def test_people_who_swapped_places_while_unseen_keep_their_numbers(portraits):
    tracker, scene = FaceTracker(), Scene(portraits)
    left, right = (PEOPLE[1], 250, 240), (PEOPLE[4], 390, 240)
    for i in range(10):
        before = tracker.update(*drawn(scene, i / 10, left, right))
    tracker.update(*empty(1.0))
    for i in range(10):
        after = tracker.update(*drawn(scene, 1.8 + i / 10, (PEOPLE[4], 250, 240), (PEOPLE[1], 390, 240)))
    assert {t.track_id: round(centre(t)[0]) for t in before} == {1: 250, 2: 390}
    assert {t.track_id: round(centre(t)[0]) for t in after} == {1: 390, 2: 250}


@pytest.mark.parametrize("pose", [(250, 390), (230, 410), (267, 373)], ids=["beside", "apart", "ear to ear"])
def test_people_who_swap_places_from_one_frame_to_the_next_keep_their_numbers(portraits, pose):
    """As at a cut."""
    tracker, scene = FaceTracker(), Scene(portraits)
    for i in range(20):
        left, right = pose if i < 10 else reversed(pose)
        shown = tracker.update(*drawn(scene, i / 10, (PEOPLE[1], left, 240), (PEOPLE[4], right, 240)))
        if i == 9:
            before = {t.track_id: round(centre(t)[0]) for t in shown}
    assert before == {1: pose[0], 2: pose[1]}
    assert {t.track_id: round(centre(t)[0]) for t in shown} == {1: pose[1], 2: pose[0]}


@pytest.mark.parametrize("hold_s", [0.5, 1.5, 3.0])
@pytest.mark.parametrize("walk_s", [1.0, 2.0])
def test_look_alikes_keep_their_numbers_while_one_stands_before_the_other(portraits, walk_s, hold_s):
    """The one in front is seen all the time, and goes back to where it came from."""
    tracker, scene, seen = FaceTracker(6.0), Scene(portraits), (set(), set())
    for i in range(80):
        now = i / 10
        way = now / walk_s if now < walk_s + hold_s else 1 - (now - walk_s - hold_s) / walk_s
        x = 120 + 200 * min(max(way, 0), 1)
        both = [(PEOPLE[0], x, 240, {"side": 120.0}), (PEOPLE[0], 320, 230)]
        apart = abs(x - 320) > 80
        for face in tracker.update(*drawn(scene, now, *(both if apart else both[:1]))):
            if apart:
                seen[int(abs(centre(face)[0] - x) > 40)].add(face.track_id)
    assert seen == ({1}, {2})
