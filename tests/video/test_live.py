"""Live analysis: frames never wait, only the newest is analysed, failures are counted, nothing is left behind."""

from __future__ import annotations

import gc
import threading
import time
import weakref
from collections.abc import Callable, Collection

import numpy as np
import pytest
from numpy.typing import NDArray

from facetraits.traits import TRAITS, TraitName
from facetraits.types import AnalysisResult, FaceResult
from facetraits.video import live
from facetraits.video.live import LiveAnalysis
from facetraits.video.tracked import TrackedFace
from tests.builders import make_detection, make_result, make_traits


class Scripted:
    """An analyzer that sees one face where the frame is bright; stopped or broken on demand."""

    def __init__(self) -> None:
        self.broken = False
        self.may_go_on = threading.Event()
        self.may_go_on.set()
        self.seen: list[int] = []
        self.traits: list[tuple[TraitName, ...]] = []

    def analyze(self, image: NDArray[np.uint8], traits: Collection[TraitName] = TRAITS) -> AnalysisResult:
        self.seen.append(int(image[0, 0, 0]))
        self.traits.append(tuple(traits))
        self.may_go_on.wait()
        if self.broken:
            raise RuntimeError("a network is broken")
        left = float(np.flatnonzero(image[240, :, 1] > 200)[0])
        face = FaceResult(make_detection(left, 180, 120), (), make_traits(traits=traits))
        return make_result(face, size_wh=(image.shape[1], image.shape[0]))


def frame(number: int = 0, left: int = 200) -> NDArray[np.uint8]:
    """A bright patterned square, 120 px wide, on a dark picture; its number in the corner."""
    image = np.full((480, 640, 3), 40, dtype=np.uint8)
    pattern = np.random.default_rng(1).integers(0, 80, (15, 15, 3)).repeat(8, axis=0).repeat(8, axis=1)
    image[180:300, left : left + 120] = pattern
    image[180:300, left : left + 120, 1] = 230
    image[0, 0, 0] = number
    return image


def play(analysis: LiveAnalysis, until: Callable[[], bool], make: Callable[[int], NDArray[np.uint8]] = frame) -> int:
    """Bring frames, some 100 a second, until something is so; gives their number."""
    deadline = time.monotonic() + 30
    for number in range(5000):
        analysis.add_frame(make(number % 256))
        if until():
            return number + 1
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.01)
    raise AssertionError("unreachable")


def live_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "live-analysis"]


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.01)


def test_face_gets_a_number_and_keeps_it_while_it_moves() -> None:
    analysis = LiveAnalysis(Scripted())
    play(analysis, lambda: bool(analysis.add_frame(frame()).numbers))

    seen = {}
    for step in range(40):
        found = analysis.add_frame(frame(left=200 + 2 * step))
        seen[step] = found
        time.sleep(0.02)

    analysis.end()
    assert {found.numbers for found in seen.values()} == {(1,)}
    lefts = np.array([found.result.faces[0].detection.box_xyxy[0] for found in seen.values()])
    np.testing.assert_allclose(lefts, 200 + 2 * np.arange(40), atol=12)


def test_landmarks_move_with_their_box() -> None:
    analysis = LiveAnalysis(Scripted())
    play(analysis, lambda: bool(analysis.add_frame(frame()).numbers))

    found = analysis.add_frame(frame(left=212)).result.faces[0].detection

    analysis.end()
    shape = make_detection(float(found.box_xyxy[0]), float(found.box_xyxy[1]), 120)
    np.testing.assert_allclose(found.landmarks, shape.landmarks, atol=8)


def test_slow_analysis_holds_no_frame_up_and_sees_only_the_newest() -> None:
    analyzer = Scripted()
    analyzer.may_go_on.clear()
    analysis = LiveAnalysis(analyzer)
    analysis.add_frame(frame(0))
    wait_for(lambda: analyzer.seen == [0])

    for number in range(1, 101):  # would hang if one waited for the analysis
        assert analysis.add_frame(frame(number)).numbers == ()
    analyzer.may_go_on.set()
    wait_for(lambda: len(analyzer.seen) == 2)
    snapshot = analysis.snapshot()
    analysis.end()

    assert analyzer.seen == [0, 100], "old frames were analysed"
    assert snapshot.frames == 101


def test_failing_analysis_is_counted_told_and_survived(caplog: pytest.LogCaptureFixture) -> None:
    analyzer = Scripted()
    analyzer.broken = True
    analysis = LiveAnalysis(analyzer)

    play(analysis, lambda: analysis.snapshot().failing)
    assert analysis.add_frame(frame()).numbers == ()
    assert analysis.snapshot().failures >= 2
    assert sum("could not be analysed" in record.message for record in caplog.records) == 1

    analyzer.broken = False
    play(analysis, lambda: bool(analysis.add_frame(frame()).numbers))
    assert not analysis.snapshot().failing
    analysis.end()


def test_traits_can_be_switched_while_it_runs() -> None:
    analyzer = Scripted()
    analysis = LiveAnalysis(analyzer)
    play(analysis, lambda: bool(analysis.snapshot().people))

    analysis.traits = ("expression", "age")
    play(analysis, lambda: analyzer.traits[-1] == ("age", "expression"))
    play(analysis, lambda: analysis.snapshot().people[0].tracked.face.traits.gender is None)

    traits = analysis.snapshot().people[0].tracked.face.traits
    analysis.end()
    assert traits.age is not None and traits.expression is not None and traits.ethnicity is None


def test_expressions_of_the_last_minute_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "_HISTORY_STEP_S", 0.0)
    analysis = LiveAnalysis(Scripted())

    play(analysis, lambda: any(len(person.expressions) >= 5 for person in analysis.snapshot().people))

    history = analysis.snapshot().people[0].expressions
    analysis.end()
    assert history.shape[1] == 1 + 8
    assert (np.diff(history[:, 0]) < 0).all() and history[-1, 0] >= 0
    np.testing.assert_allclose(history[:, 1:].sum(axis=1), 1, atol=1e-4)


def test_person_who_left_is_listed_a_moment_longer() -> None:
    class Empties(Scripted):
        empty = False

        def analyze(self, image: NDArray[np.uint8], traits: Collection[TraitName] = TRAITS) -> AnalysisResult:
            return make_result() if self.empty else super().analyze(image, traits)

    analyzer = Empties()
    analysis = LiveAnalysis(analyzer)
    play(analysis, lambda: bool(analysis.snapshot().people))
    analyzer.empty = True
    play(analysis, lambda: any(not person.in_view for person in analysis.snapshot().people))

    assert [person.tracked.track_id for person in analysis.snapshot().people] == [1]
    assert analysis.add_frame(frame()).numbers == ()
    analysis.end()


def test_end_stops_the_worker_and_keeps_no_picture() -> None:
    analysis = LiveAnalysis(Scripted())
    pictures = [frame()]
    kept = weakref.ref(pictures[0])
    play(analysis, lambda: bool(analysis.snapshot().people), lambda number: pictures[0])
    assert live_threads()

    analysis.end()
    wait_for(lambda: not live_threads())
    pictures.clear()
    gc.collect()

    assert kept() is None
    assert not analysis.active
    assert analysis.snapshot().people == ()


def test_stream_that_falls_silent_ends_by_itself_and_can_begin_again() -> None:
    analysis = LiveAnalysis(Scripted(), idle_s=0.2)
    play(analysis, lambda: bool(analysis.snapshot().people))

    wait_for(lambda: not live_threads())
    assert analysis.snapshot().image is None

    play(analysis, lambda: bool(analysis.snapshot().people))
    assert analysis.snapshot().people[0].tracked.track_id == 1
    analysis.end()


def test_many_starts_and_ends_leave_no_thread() -> None:
    analysis = LiveAnalysis(Scripted())
    for _ in range(50):
        analysis.add_frame(frame())
        analysis.end()

    wait_for(lambda: not live_threads())


def test_face_is_still_found_when_the_frames_change_their_size() -> None:
    analysis = LiveAnalysis(Scripted())
    play(analysis, lambda: bool(analysis.add_frame(frame()).numbers))
    half = np.ascontiguousarray(frame()[::2, ::2])

    found = analysis.add_frame(half)

    analysis.end()
    assert found.numbers == (1,)
    assert found.result.size_wh == (320, 240)
    np.testing.assert_allclose(found.result.faces[0].detection.box_xyxy, [100, 90, 160, 150], atol=6)


def test_listeners_hear_of_the_start_and_of_each_analysis() -> None:
    heard: list[object] = []
    analysis = LiveAnalysis(
        Scripted(),
        on_started=lambda: heard.append("started"),
        on_tracked=lambda tracked, time_s: heard.append(([face.track_id for face in tracked], time_s)),
    )

    for _ in range(2):  # numbers begin anew with the second run
        play(analysis, lambda: bool(analysis.snapshot().people))
        analysis.end()
        wait_for(lambda: not live_threads())

    starts = [i for i, said in enumerate(heard) if said == "started"]
    assert starts == [0, starts[1]] and len(starts) == 2
    for run in (heard[1 : starts[1]], heard[starts[1] + 1 :]):
        numbers = [said[0] for said in run]  # type: ignore[index]
        assert numbers[0] == [] and numbers[-1] == [1], "a face is a person from its second sighting on"
        times = [said[1] for said in run]  # type: ignore[index]
        assert times == sorted(times)
        assert abs(times[-1] - time.monotonic()) < 30


def test_nothing_of_an_ended_run_is_told() -> None:
    analyzer = Scripted()
    analyzer.may_go_on.clear()
    heard: list[str] = []
    analysis = LiveAnalysis(
        analyzer, on_started=lambda: heard.append("started"), on_tracked=lambda *_: heard.append("tracked")
    )
    analysis.add_frame(frame())
    wait_for(lambda: len(analyzer.seen) == 1)
    analysis.end()
    analyzer.may_go_on.set()
    wait_for(lambda: not live_threads())

    assert heard == ["started"]


def test_listener_that_fails_is_logged_once_and_stops_nothing(caplog: pytest.LogCaptureFixture) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("the listener is broken")

    analysis = LiveAnalysis(Scripted(), on_started=fail, on_tracked=fail)
    play(analysis, lambda: analysis.snapshot().analyses >= 3)
    failures = analysis.snapshot().failures
    analysis.end()

    assert failures == 0
    assert sum("listener of a live analysis" in record.message for record in caplog.records) == 1


@pytest.mark.parametrize(("keep_s", "number"), [(0.6, 2), (30.0, 1)])
def test_numbers_are_kept_for_as_long_as_asked(keep_s: float, number: int) -> None:
    class Leaves(Scripted):
        away = False

        def analyze(self, image: NDArray[np.uint8], traits: Collection[TraitName] = TRAITS) -> AnalysisResult:
            return make_result() if self.away else super().analyze(image, traits)

    analyzer = Leaves()
    analysis = LiveAnalysis(analyzer, keep_s=keep_s)
    play(analysis, lambda: bool(analysis.add_frame(frame()).numbers))
    analyzer.away = True
    left = time.monotonic()
    play(analysis, lambda: time.monotonic() - left > 1.2)
    analyzer.away = False

    found: list[tuple[int, ...]] = []
    play(analysis, lambda: bool(found.append(analysis.add_frame(frame()).numbers) or found[-1]))  # type: ignore[func-returns-value]

    analysis.end()
    assert found[-1] == (number,)


def test_numbers_are_kept_for_as_long_as_is_set_while_it_runs() -> None:
    class Leaves(Scripted):
        away = False

        def analyze(self, image: NDArray[np.uint8], traits: Collection[TraitName] = TRAITS) -> AnalysisResult:
            return make_result() if self.away else super().analyze(image, traits)

    analyzer = Leaves()
    analysis = LiveAnalysis(analyzer, keep_s=0.6)
    play(analysis, lambda: bool(analysis.add_frame(frame()).numbers))
    analysis.keep_s = 30.0
    analyzer.away = True
    left = time.monotonic()
    play(analysis, lambda: time.monotonic() - left > 1.2)
    analyzer.away = False

    play(analysis, lambda: any(person.in_view for person in analysis.snapshot().people))

    assert [person.tracked.track_id for person in analysis.snapshot().people] == [1]
    analysis.end()


def test_number_that_is_taken_back_is_listed_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    updates = 0

    class Doubting:
        """A tracker that takes its person for somebody else in the third and fourth frame."""

        def __init__(self, keep_s: float) -> None:
            self.keep_s = keep_s

        def update(self, result: AnalysisResult, time_s: float, image: object) -> tuple[TrackedFace, ...]:
            nonlocal updates
            updates += 1
            number, merged_numbers = (2, ()) if updates in (3, 4) else (1, (2,) if updates > 4 else ())
            return tuple(TrackedFace(number, face, time_s, time_s, 1, merged_numbers) for face in result.faces)

    monkeypatch.setattr(live, "FaceTracker", Doubting)
    monkeypatch.setattr(live, "_HISTORY_STEP_S", 0.0)
    analysis = LiveAnalysis(Scripted())
    listed: set[tuple[int, ...]] = set()

    def over() -> bool:
        listed.add(tuple(person.tracked.track_id for person in analysis.snapshot().people))
        return updates > 6

    play(analysis, over)

    assert {(1,), (1, 2)} <= listed
    (person,) = analysis.snapshot().people
    assert (person.tracked.track_id, person.in_view) == (1, True)
    assert len(person.expressions) == analysis.snapshot().analyses
    assert (np.diff(person.expressions[:, 0]) < 0).all()
    analysis.end()


def test_idle_time_can_be_chosen() -> None:
    analysis = LiveAnalysis(Scripted(), idle_s=0.2)
    play(analysis, lambda: bool(analysis.snapshot().people))
    assert analysis.active

    wait_for(lambda: not live_threads())
    assert not analysis.active
