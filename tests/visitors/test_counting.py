"""Counting: who is a visitor, which visit it is, what is known of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
import skimage.data

from facetraits.video.tracked import TrackedFace
from facetraits.video.tracking import FaceTracker
from facetraits.visitors.counting import Step, VisitCounter
from facetraits.visitors.visit import Settings, Visit
from tests.builders import make_face, make_result
from tests.video.faces import PEOPLE, Scene, half_covered

BEGAN = datetime(2026, 5, 4, 9, 0, tzinfo=UTC)
SETTINGS = Settings(enter_s=1.0, away_s=5.0)


def counter(settings: Settings = SETTINGS) -> VisitCounter:
    return VisitCounter("door", settings, BEGAN)


def seen(number: int, first_s: float, last_s: float, **face: object) -> TrackedFace:
    return TrackedFace(number, make_face(**face), first_s, last_s, 1)  # type: ignore[arg-type]


def show(
    counting: VisitCounter, number: int, start_s: float, end_s: float, first_s: float | None = None, **face: object
) -> tuple[list[Visit], list[Visit]]:
    """One face in view from ``start_s`` until before ``end_s``, five times a second; who entered and who left."""
    entered, left = [], []
    for step in range(round((end_s - start_s) * 5)):
        time_s = start_s + step / 5
        new = counting.add_faces([seen(number, start_s if first_s is None else first_s, time_s, **face)], time_s)
        entered += new.entered
        left += new.left
    return entered, left


def test_visitor_is_counted_once_and_leaves_after_being_away() -> None:
    counting = counter()
    assert counting.add_faces([], 0.0) == Step()

    entered, left = show(counting, 1, 10.0, 20.0)
    (visit,) = entered
    assert not left
    assert (visit.source, visit.started, visit.ended) == ("door", BEGAN + timedelta(seconds=10), False)
    assert visit.duration_s == pytest.approx(1.0)
    assert (counting.visits, counting.in_view) == (1, 1)

    assert counting.add_faces([], 24.7) == Step()
    assert counting.in_view == 0
    (gone,) = counting.add_faces([], 24.9).left
    assert (gone.id, gone.ended) == (visit.id, True)
    assert gone.duration_s == pytest.approx(9.8)
    assert counting.current() == ()


def test_who_passes_by_is_no_visitor() -> None:
    counting = counter()
    counting.add_faces([], 0.0)

    entered, _ = show(counting, 1, 10.0, 10.9)

    assert entered == []
    assert counting.add_faces([], 30.0) == Step()
    assert (counting.visits, counting.finish()) == (0, ())


@pytest.mark.parametrize(("enter_s", "entered"), [(0.0, 1), (0.8, 1), (1.0, 0)])
def test_entering_needs_the_time_of_the_settings(enter_s: float, entered: int) -> None:
    counting = counter(Settings(enter_s=enter_s, away_s=5.0))
    counting.add_faces([], 0.0)

    assert len(show(counting, 1, 10.0, 11.0)[0]) == entered


def test_time_out_of_view_does_not_count_as_time_in_view() -> None:
    counting = counter()
    counting.add_faces([], 0.0)

    assert show(counting, 1, 10.0, 10.5)[0] == []
    assert show(counting, 1, 13.0, 13.5, first_s=10.0)[0] == []
    ((visit,), _) = show(counting, 1, 14.0, 14.5, first_s=10.0)

    assert visit.started == BEGAN + timedelta(seconds=10)


def test_who_comes_back_in_time_is_the_same_visit() -> None:
    counting = counter()
    counting.add_faces([], 0.0)
    ((visit,), _) = show(counting, 1, 10.0, 12.0)

    entered, left = show(counting, 1, 16.0, 18.0, first_s=10.0)

    assert (entered, left) == ([], [])
    (now,) = counting.current()
    assert now.id == visit.id
    assert now.duration_s == pytest.approx(7.8)


def test_a_number_that_comes_back_too_late_is_a_new_visit_from_then_on() -> None:
    """The tracker may remember longer than the counter, because the settings have changed."""
    counting = counter()
    counting.add_faces([], 0.0)
    ((visit,), _) = show(counting, 1, 10.0, 12.0)

    ((again,), (gone,)) = show(counting, 1, 20.0, 22.0, first_s=10.0)

    assert gone.id == visit.id != again.id
    assert again.started == BEGAN + timedelta(seconds=20)
    assert counting.visits == 2


def test_two_people_are_two_visits() -> None:
    counting = counter()
    counting.add_faces([], 0.0)
    entered: list[Visit] = []
    for step in range(15):
        time_s = 10 + step / 5
        faces = [seen(1, 10.0, time_s), seen(2, 11.0, time_s)] if time_s >= 11 else [seen(1, 10.0, time_s)]
        entered += counting.add_faces(faces, time_s).entered

    assert [visit.started for visit in entered] == [BEGAN + timedelta(seconds=s) for s in (10, 11)]
    assert counting.in_view == 2


def test_who_was_there_before_recording_began_is_counted_from_then_on() -> None:
    counting = counter()

    ((visit,), _) = show(counting, 3, 100.0, 102.0, first_s=40.0)

    assert visit.started == BEGAN + timedelta(seconds=100)


def test_a_sighting_in_doubt_teaches_nothing() -> None:
    """While the tracker is in doubt who a face is, it reports an older time."""
    counting = counter()
    counting.add_faces([], 0.0)
    show(counting, 1, 10.0, 12.0, expression="happy")

    for step in range(10):
        counting.add_faces([seen(1, 10.0, 11.8, expression="angry", gender="male")], 12 + step / 5)

    (now,) = counting.current()
    assert now.duration_s == pytest.approx(1.8)
    assert (now.mood, now.gender) == ("positive", "female")


def test_traits_are_the_tracks_and_the_mood_is_that_of_the_whole_visit() -> None:
    counting = counter()
    counting.add_faces([], 0.0)
    show(counting, 1, 10.0, 13.0, expression="happy", years=30.0)
    show(counting, 1, 13.0, 14.0, first_s=10.0, expression="sad", years=35.0)

    (now,) = counting.current()

    assert (now.age, now.age_group, now.gender) == (35.0, "21-40", "female")
    assert now.age_confidence == pytest.approx(0.9)
    assert now.gender_confidence == pytest.approx(0.9)
    assert now.mood == "positive"
    assert now.mood_confidence == pytest.approx((15 * (0.9 + 0.1 / 7) + 5 * 0.2 / 7) / 20, abs=1e-3)


def test_the_age_group_is_that_of_the_years_and_the_confidence_that_of_the_group() -> None:
    """Even where the networks think another group likelier."""
    counting = counter()
    counting.add_faces([], 0.0)
    show(counting, 1, 10.0, 13.0, years=40.6)

    (now,) = counting.current()

    assert (now.age, now.age_group) == (40.6, "41-60")
    assert now.age_confidence == pytest.approx(0.025)


def test_bad_views_say_little_about_the_mood() -> None:
    counting = counter()
    counting.add_faces([], 0.0)
    show(counting, 1, 10.0, 12.0, expression="sad")
    show(counting, 1, 12.0, 18.0, first_s=10.0, expression="happy", quality=("blurred",))

    (now,) = counting.current()

    assert now.mood == "negative"


def test_ethnicity_is_kept_only_where_it_is_switched_on() -> None:
    without, with_it = counter(), counter(Settings(away_s=5.0, ethnicity=True))

    ((visit,), _), ((other,), _) = show(without, 1, 10.0, 12.0), show(with_it, 1, 10.0, 12.0)

    assert (visit.ethnicity, visit.ethnicity_confidence) == (None, None)
    assert other.ethnicity == "white"
    with_it.settings = SETTINGS
    assert with_it.current()[0].ethnicity is None


def test_traits_that_are_not_estimated_are_none() -> None:
    ((visit,), _) = show(counter(), 1, 10.0, 12.0, traits=("gender",))

    assert (visit.age, visit.age_group, visit.age_confidence, visit.mood, visit.mood_confidence) == (None,) * 5
    assert visit.gender == "female"


def test_finish_ends_visits_and_numbers_may_begin_anew() -> None:
    counting = counter()
    counting.add_faces([], 0.0)
    ((visit,), _) = show(counting, 1, 10.0, 12.0)

    (gone,) = counting.finish()
    assert (gone.id, gone.ended, counting.in_view) == (visit.id, True, 0)
    ((again,), left) = show(counting, 1, 13.0, 15.0)

    assert again.id != visit.id and not left
    assert counting.visits == 2


def test_visits_that_have_begun_keep_their_start_when_the_clock_is_set() -> None:
    counting = counter()
    ((visit,), _) = show(counting, 1, 10.0, 12.0)

    counting.began = BEGAN + timedelta(hours=1)
    ((other,), _) = show(counting, 2, 13.0, 15.0)

    assert counting.current()[0].started == visit.started
    assert other.started == BEGAN + timedelta(hours=1, seconds=13)


# ------------------------------------------------------------------------------------------ numbers that are taken back


def give_back(counting: VisitCounter, time_s: float, first_s: float = 10.0) -> Step:
    """Number 2 turns out to be number 1."""
    return counting.add_faces([TrackedFace(1, make_face(), first_s, time_s, 1, (2,))], time_s)


def test_visit_of_a_number_that_is_taken_back_is_withdrawn() -> None:
    counting = counter()
    counting.add_faces([], 0.0)
    ((visit,), _) = show(counting, 1, 10.0, 12.0, expression="happy")
    ((double,), _) = show(counting, 2, 15.0, 16.6, expression="sad")
    assert counting.visits == 2

    step = give_back(counting, 16.6)

    assert step == Step(withdrawn=((double.id, visit.id),))
    assert (counting.visits, counting.in_view) == (1, 1)
    (now,) = counting.current()
    assert (now.id, now.started, now.mood) == (visit.id, visit.started, "positive")
    assert now.duration_s == pytest.approx(6.6)
    assert now.mood_confidence == pytest.approx(11 * 0.9 / 19 + 8 / 19 * 0.1 / 7, abs=0.03)
    assert give_back(counting, 16.8) == Step(), "it is told with every frame"
    assert [gone.id for gone in counting.finish()] == [visit.id]


def test_who_was_seen_too_shortly_before_is_one_visit_from_the_first_sighting_on() -> None:
    counting = counter()
    counting.add_faces([], 0.0)
    assert show(counting, 1, 10.0, 10.6) == ([], [])
    ((double,), _) = show(counting, 2, 12.0, 13.4)

    step = give_back(counting, 13.4)

    (visit,) = step.entered
    assert step.withdrawn == ((double.id, visit.id),)
    assert visit.started == BEGAN + timedelta(seconds=10)
    assert counting.visits == 1


def test_time_under_a_number_that_is_taken_back_counts() -> None:
    counting = counter()
    counting.add_faces([], 0.0)
    assert show(counting, 1, 10.0, 10.6) == ([], [])
    assert show(counting, 2, 12.0, 12.8) == ([], [])

    step = give_back(counting, 12.8)

    assert [visit.started for visit in step.entered] == [BEGAN + timedelta(seconds=10)]
    assert (step.withdrawn, counting.visits) == ((), 1)


def test_who_had_left_before_goes_on_with_the_new_visit() -> None:
    """The tracker may remember longer than the counter."""
    counting = counter()
    counting.add_faces([], 0.0)
    ((visit,), _) = show(counting, 1, 10.0, 12.0)
    ((again,), (gone,)) = show(counting, 2, 20.0, 21.4)

    assert give_back(counting, 21.4) == Step()

    (now,) = counting.current()
    assert (gone.id, now.id, now.started) == (visit.id, again.id, again.started)
    assert now.duration_s == pytest.approx(1.4)
    assert counting.visits == 2


@pytest.mark.parametrize("covered", [6, 12, 14, 17])
def test_who_comes_out_from_behind_something_is_counted_once(covered: int) -> None:
    """Frames in which the face is half covered, a tenth of a second each, after an absence."""
    portraits = (skimage.data.lfw_subset()[:100] * 255).astype(np.uint8)
    taken_back = 0
    for person in PEOPLE:
        tracker, scene, counting = FaceTracker(6.0), Scene(portraits), counter()
        entered: dict[object, Visit] = {}
        for i in range(40 + covered):
            x = 200 if i < 12 else 420
            result, image = scene.frame((person, x, 240))
            if 12 <= i < 20:
                result, image = make_result(), np.zeros((480, 640, 3), np.uint8)
            elif 20 <= i < 20 + covered:
                image = half_covered(image, x, 240)
            step = counting.add_faces(tracker.update(result, i / 10, image), i / 10)
            entered |= {visit.id: visit for visit in step.entered}
            for double, owner in step.withdrawn:
                taken_back += 1
                del entered[double]
                assert owner in entered
        assert counting.visits == len(entered) == 1
    assert taken_back == (0 if covered == 6 else 3)


def test_who_covers_the_face_for_long_stays_one_visitor() -> None:
    """Longer than somebody may be away, while what is seen looks like somebody else."""
    portraits = (skimage.data.lfw_subset()[:100] * 255).astype(np.uint8)
    tracker, scene, counting = FaceTracker(SETTINGS.away_s), Scene(portraits), counter()
    for i in range(120):
        covered = 20 <= i < 100
        person = (PEOPLE[3] if covered else PEOPLE[2], 300, 200, {"quality": ("covered",) if covered else ()})
        result, image = scene.frame(person)
        step = counting.add_faces(tracker.update(result, i / 10, image), i / 10)
        assert not step.left
    assert counting.visits == 1


@pytest.mark.parametrize("every_s", [1.6, 2.5])
def test_machine_that_looks_seldom_counts_too(every_s: float) -> None:
    counting = counter(Settings(enter_s=5.0, away_s=10.0))
    entered: list[Visit] = []
    for look in range(10):
        time_s = look * every_s
        entered += counting.add_faces([seen(1, 0.0, time_s)] if look else [], time_s).entered
        assert counting.in_view == len(entered)

    assert len(entered) == 1
    counting.wait(9 * every_s + 9)
    assert counting.in_view == 0
    assert [gone.id for gone in counting.wait(9 * every_s + 11).left] == [entered[0].id]
