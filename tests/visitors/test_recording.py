"""Recording: sources become visits in the store, whatever fails on the way."""

from __future__ import annotations

import io
import threading
import time
import weakref
from collections.abc import Callable, Collection, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from facetraits import load_analyzer
from facetraits.registry import ModelIntegrityError
from facetraits.traits import TRAITS, TraitName
from facetraits.types import AnalysisResult
from facetraits.video.live import LiveAnalysis
from facetraits.video.tracked import TrackedFace
from facetraits.visitors import outbox, recording, retention, source
from facetraits.visitors.inputs import CameraInput, FileInput
from facetraits.visitors.recording import Recording, SourceStatus
from facetraits.visitors.store import StoreError
from facetraits.visitors.visit import Settings, Visit
from tests.builders import FakeAnalyzer, make_face
from tests.videos import (
    Bright,
    Camera,
    comes_and_goes,
    http_camera,
    jpeg,
    lit,
    rtsp_camera,
    two_cross,
    write_sound,
    write_video,
)
from tests.visitors.memory_store import MemoryStore

BEGAN = datetime.now(UTC) - timedelta(days=1)


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore(Settings(enter_s=0.4, away_s=2.0))


Start = Callable[..., Recording]


@pytest.fixture
def record(store: MemoryStore) -> Iterator[Start]:
    """Make a recording into ``store``, which ends with the test."""
    made = []

    def make(analyzer: object = None, **arguments: object) -> Recording:
        made.append(Recording(store, analyzer or Bright(), **arguments))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for one in made:
        one.stop_all()
    assert not [t for t in threading.enumerate() if t.name == "visit-writer" or t.name.startswith("source ")]


@pytest.fixture(scope="module")
def detecting() -> FakeAnalyzer:
    return FakeAnalyzer()


def wait_for(condition: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.02)


def status(recording: Recording, name: str = "door") -> SourceStatus:
    return next(s for s in recording.statuses() if s.name == name)


def is_over(recording: Recording, name: str = "door") -> Callable[[], bool]:
    return lambda: status(recording, name).state in ("ended", "failed")


def spans(visits: list[Visit], began: datetime = BEGAN) -> list[tuple[float, float]]:
    """Start and end of each visit in seconds after ``began``."""
    return [((v.started - began).total_seconds(), (v.started - began).total_seconds() + v.duration_s) for v in visits]


# -------------------------------------------------------------------------------------------------------------- files


def test_visits_of_a_video_are_those_that_happened(
    record: Start, store: MemoryStore, detecting: FakeAnalyzer, tmp_path: Path
) -> None:
    """Somebody comes, is away for a moment, comes back, leaves, and comes again later; another only passes by."""
    scene = comes_and_goes((1, 4), (5.4, 7), (10.2, 12), (15, 15.2), seconds=16)
    path = write_video(tmp_path / "shop.mp4", scene.pictures())
    recording = record(detecting)

    recording.start("door", FileInput(path, BEGAN))
    wait_for(is_over(recording))

    done = status(recording)
    assert (done.kind, done.state, done.detail, done.visits, done.in_view, done.progress) == (
        *("file", "ended", "", 2, 0),
        1.0,
    )
    wait_for(lambda: recording.unwritten() == 0)
    first, second = store.visits()
    np.testing.assert_allclose(spans([first, second]), [(1, 6.8), (10.2, 11.8)], atol=0.25)
    assert first.ended and second.ended
    assert (first.source, first.age_group, first.gender, first.mood) == ("door", "21-40", "female", "positive")
    assert first.ethnicity is None
    assert all(traits == ("age", "gender", "expression") for traits in detecting.calls)


def test_a_video_that_leaps_into_the_future_keeps_what_came_before(
    record: Start, store: MemoryStore, detecting: FakeAnalyzer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By damaged time stamps; a visit in the future would never be too old to keep."""
    path = write_video(tmp_path / "shop.mp4", comes_and_goes((0.5, 9), seconds=10).pictures())
    monkeypatch.setattr("facetraits.visitors.inputs._CLOCK_ERROR", timedelta(0))
    recording = record(detecting)

    recording.start("door", FileInput(path, datetime.now(UTC) - timedelta(seconds=4)))
    wait_for(is_over(recording))

    assert status(recording).state == "failed"
    assert status(recording).detail.startswith("By its time stamps the video goes on in the future")
    wait_for(lambda: recording.unwritten() == 0)
    (kept,) = store.visits()
    assert kept.ended and 2 < kept.duration_s < 8


def test_two_who_cross_are_two_visits(record: Start, store: MemoryStore, tmp_path: Path) -> None:
    path = write_video(tmp_path / "cross.mp4", two_cross().pictures(), fps=10)
    recording = record(load_analyzer(profile="fast"))

    recording.start("door", FileInput(path, BEGAN))
    wait_for(is_over(recording))
    recording.stop_all()

    assert len(store.visits()) == 2
    assert all(visit.duration_s > 2.5 for visit in store.visits())


def test_visits_of_a_video_are_over_from_the_start(record: Start, store: MemoryStore, tmp_path: Path) -> None:
    go_on = threading.Event()

    class Slow(Bright):
        def analyze(self, image: NDArray[np.uint8], traits: Collection[TraitName] = TRAITS) -> AnalysisResult:
            if len(self.traits) == 20:
                go_on.wait(30)
            return super().analyze(image, traits)

    recording = record(Slow())
    recording.start("door", FileInput(write_video(tmp_path / "a.mp4", [lit(True)] * 30), BEGAN))
    wait_for(lambda: len(store.visits()) == 1)
    assert store.visits()[0].ended and status(recording).in_view == 1
    go_on.set()
    wait_for(is_over(recording))
    recording.stop_all()

    assert store.visits()[0].duration_s == pytest.approx(5.8)


def test_video_from_memory_is_let_go_when_it_is_over(record: Start, store: MemoryStore, tmp_path: Path) -> None:
    file = io.BytesIO(write_video(tmp_path / "a.mp4", [lit(True)] * 10).read_bytes())
    recording = record()

    recording.start("door", FileInput(file, BEGAN))
    wait_for(is_over(recording))
    recording.stop("door")

    assert recording.statuses() == ()
    assert len(store.visits()) == 1
    assert not file.closed


def test_file_that_cannot_be_read_has_failed_with_a_sentence(record: Start, store: MemoryStore, tmp_path: Path) -> None:
    recording = record()
    recording.start("sound", FileInput(write_sound(tmp_path / "a.mp4"), BEGAN))
    recording.start("gone", FileInput(tmp_path / "gone.mp4", BEGAN))
    wait_for(lambda: is_over(recording, "sound")() and is_over(recording, "gone")())

    assert (status(recording, "sound").state, status(recording, "sound").detail) == (
        "failed",
        "The file holds only sound.",
    )
    assert "no file" in status(recording, "gone").detail
    assert store.visits() == []


def test_models_that_cannot_be_loaded_are_said(record: Start, tmp_path: Path) -> None:
    def load() -> Bright:
        raise ModelIntegrityError("A network is missing.")

    recording = record(load)
    recording.start("door", FileInput(write_video(tmp_path / "a.mp4", [lit(True)] * 3), BEGAN))
    wait_for(is_over(recording))

    assert (status(recording).state, status(recording).detail) == ("failed", "A network is missing.")


def test_analyzer_is_loaded_once_for_all_sources(record: Start, tmp_path: Path) -> None:
    loaded = []

    def load() -> Bright:
        loaded.append(Bright())
        return loaded[-1]

    recording = record(load)
    path = write_video(tmp_path / "a.mp4", [lit(True)] * 5)
    assert not loaded
    for name in "abc":
        recording.start(name, FileInput(path, BEGAN))
    wait_for(lambda: all(is_over(recording, name)() for name in "abc"))

    assert len(loaded) == 1
    assert [s.name for s in recording.statuses()] == ["a", "b", "c"]


def test_frames_that_cannot_be_analysed_end_nothing(
    record: Start, store: MemoryStore, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    class Moody(Bright):
        def analyze(self, image: NDArray[np.uint8], traits: Collection[TraitName] = TRAITS) -> AnalysisResult:
            self.broken = 3 <= len(self.traits) < 7
            return super().analyze(image, traits)

    recording = record(Moody())
    recording.start("door", FileInput(write_video(tmp_path / "a.mp4", [lit(True)] * 20), BEGAN))
    wait_for(is_over(recording))
    recording.stop_all()

    assert len(store.visits()) == 1
    assert sum("could not be analysed" in entry.message for entry in caplog.records) == 1


# ------------------------------------------------------------------------------------------------------------- cameras


@pytest.fixture
def room() -> Camera:
    """A camera that shows somebody; ``room.picture`` may be replaced."""
    return Camera(lambda: jpeg(lit(True)), fps=15)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("facetraits.video.pace._FIRST_PAUSE_S", 0.1)
    monkeypatch.setattr(outbox, "_EVERY_S", 0.1)
    monkeypatch.setattr(source, "_SILENT_S", 0.5)
    monkeypatch.setattr(source, "_UPDATE_EVERY_S", 0.3)


@pytest.mark.parametrize("serve", [http_camera, rtsp_camera], ids=["http", "rtsp"])
def test_short_loss_of_a_camera_is_the_same_visit(
    serve: Callable[[Camera], object], record: Start, store: MemoryStore, room: Camera, impatient: None
) -> None:
    store.save_settings(Settings(enter_s=0.4, away_s=20.0))
    recording = record()
    with serve(room) as address:  # type: ignore[attr-defined]
        recording.start("door", CameraInput(address))
        wait_for(lambda: status(recording).visits == 1)
        room.off = True
        wait_for(lambda: status(recording).state == "lost")
        assert status(recording).detail
        room.off = False
        wait_for(lambda: status(recording).state == "live" and room.connections >= 2)
        before = store.visits()[0].duration_s
        wait_for(lambda: store.visits()[0].duration_s > before + 0.5)
        assert (status(recording).detail, status(recording).in_view) == ("", 1)
        recording.stop("door")

    (visit,) = store.visits()
    assert visit.ended
    assert abs((datetime.now(UTC) - visit.started).total_seconds() - visit.duration_s) < 10


def test_long_loss_ends_the_visit(record: Start, store: MemoryStore, room: Camera, impatient: None) -> None:
    store.save_settings(Settings(enter_s=0.2, away_s=1.0))
    recording = record()
    with http_camera(room) as address:
        recording.start("door", CameraInput(address))
        wait_for(lambda: status(recording).visits == 1)
        room.off = True
        wait_for(lambda: any(visit.ended for visit in store.visits()))
        assert status(recording).state == "lost"
        room.off = False
        wait_for(lambda: status(recording).visits == 2)

    recording.stop_all()
    assert [visit.ended for visit in store.visits()] == [True, True]


def test_camera_that_is_not_there_is_tried_again_and_stops_at_once(
    record: Start, room: Camera, impatient: None
) -> None:
    recording = record()
    room.off = True
    with http_camera(room) as address:
        recording.start("door", CameraInput(address.replace("://", "://me:s3cret@")))
        wait_for(lambda: "refused" in status(recording).detail)
        assert status(recording).state == "connecting"
        assert "s3cret" not in status(recording).detail
        room.off = False
        wait_for(lambda: status(recording).state == "live")
        room.silent = True
        started = time.monotonic()
        recording.stop("door")

    assert time.monotonic() - started < 1.5
    assert recording.statuses() == ()


def test_pauses_between_attempts_grow(record: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []
    monkeypatch.setattr(source.Source, "wait", lambda self, seconds: (waited.append(seconds), time.sleep(0.01)))
    recording = record()
    recording.start("door", CameraInput("http://127.0.0.1:1/video"))
    wait_for(lambda: len(waited) >= 8)
    recording.stop_all()

    assert waited[:8] == [1, 2, 4, 8, 16, 30, 30, 30]


def test_ethnicity_follows_the_settings_at_once(
    record: Start, store: MemoryStore, room: Camera, impatient: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "_SETTINGS_EVERY_S", 0.1)
    store.save_settings(Settings(enter_s=0.2, ethnicity=True))
    analyzer = Bright()
    recording = record(analyzer)
    with http_camera(room) as address:
        recording.start("door", CameraInput(address))
        wait_for(lambda: [visit.ethnicity for visit in store.visits()] == ["white"])
        store.save_settings(Settings(enter_s=0.2))
        wait_for(lambda: [visit.ethnicity for visit in store.visits()] == [None])

    recording.stop_all()
    assert "ethnicity" in analyzer.traits[0] and "ethnicity" not in analyzer.traits[-1]


# -------------------------------------------------------------------------------------------------------------- webcam


def play(analysis: LiveAnalysis, until: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not until():
        analysis.add_frame(lit(True))
        time.sleep(0.02)
        assert time.monotonic() < deadline, "it never happened"


def test_webcam_is_a_source_while_it_runs(record: Start, store: MemoryStore, impatient: None) -> None:
    recording = record()
    hooks = recording.webcam("counter")
    assert recording.statuses() == ()
    analysis = LiveAnalysis(Bright(), keep_s=2.0, on_started=hooks.on_started, on_tracked=hooks.on_tracked)

    play(analysis, lambda: len(store.visits()) == 1)
    now = status(recording, "counter")
    assert (now.kind, now.state, now.in_view, now.visits) == ("webcam", "live", 1, 1)
    assert now.analyses_per_second > 0
    analysis.end()
    hooks.finish()
    assert recording.statuses() == ()
    wait_for(lambda: store.visits()[0].ended)

    play(analysis, lambda: len(store.visits()) == 2)  # numbers began anew
    assert [s.name for s in recording.statuses()] == ["counter"]
    recording.stop("counter")
    wait_for(lambda: store.visits()[1].ended)
    analysis.end()
    play(analysis, lambda: analysis.snapshot().analyses > 3)
    analysis.end()
    assert recording.statuses() == () and len(store.visits()) == 2, "it was stopped by the owner"


def test_webcam_that_begins_anew_without_an_end_ends_its_visits(record: Start, store: MemoryStore) -> None:
    recording = record()
    hooks = recording.webcam("counter")
    analysis = LiveAnalysis(Bright(), on_started=hooks.on_started, on_tracked=hooks.on_tracked)
    for visits in (1, 2):
        play(analysis, lambda visits=visits: len(store.visits()) == visits)  # type: ignore[misc]
        analysis.end()
    recording.stop_all()

    assert [visit.ended for visit in store.visits()] == [True, True]


def test_webcam_that_falls_silent_is_lost(record: Start, store: MemoryStore, impatient: None) -> None:
    store.save_settings(Settings(enter_s=0.2, away_s=1.0))
    recording = record()
    hooks = recording.webcam("counter")
    analysis = LiveAnalysis(Bright(), on_started=hooks.on_started, on_tracked=hooks.on_tracked)
    play(analysis, lambda: len(store.visits()) == 1)

    wait_for(lambda: status(recording, "counter").state == "lost")
    wait_for(lambda: store.visits()[0].ended)

    analysis.end()
    hooks.finish()


def test_webcam_whose_name_was_taken_meanwhile_gets_another(record: Start, room: Camera) -> None:
    recording = record()
    hooks, others = recording.webcam("counter"), recording.webcam("counter")

    hooks.on_started()
    others.on_started()

    assert [s.name for s in recording.statuses()] == ["counter", "counter 2"]
    assert (hooks.name, others.name) == ("counter", "counter 2")


# ------------------------------------------------------------------------------------------------------------ database


def test_nothing_is_lost_while_the_database_is_down(
    record: Start, store: MemoryStore, tmp_path: Path, impatient: None, caplog: pytest.LogCaptureFixture
) -> None:
    recording = record()
    store.down = True
    recording.start("door", FileInput(write_video(tmp_path / "a.mp4", [lit(True)] * 10), BEGAN))
    wait_for(is_over(recording))
    wait_for(lambda: status(recording).unwritten == 1)
    time.sleep(0.5)
    assert status(recording).detail == "The database does not answer."
    assert sum("database of visits has failed" in entry.message for entry in caplog.records) <= 3, "the log fills up"

    store.down = False
    wait_for(lambda: len(store.visits()) == 1 and status(recording).unwritten == 0)

    assert store.visits()[0].ended
    assert status(recording).detail == ""


def test_a_write_whose_answer_was_lost_is_not_done_twice(
    record: Start, store: MemoryStore, tmp_path: Path, impatient: None
) -> None:
    store.forgetful = True
    recording = record()
    recording.start("door", FileInput(write_video(tmp_path / "a.mp4", [lit(True)] * 10), BEGAN))
    wait_for(is_over(recording))
    wait_for(lambda: recording.unwritten() == 0)

    (visit,) = store.visits()
    assert visit.ended and visit.duration_s == pytest.approx(1.8)


def test_visits_that_are_deleted_meanwhile_stay_deleted(record: Start, store: MemoryStore, impatient: None) -> None:
    box = outbox.Outbox()
    visit = Visit(BEGAN, "door", 1.0)
    box.add([visit])
    box.write(store)  # type: ignore[arg-type]
    store._visits.clear()
    box.update([visit])
    box.write(store)  # type: ignore[arg-type]

    assert store.visits() == [] and len(box) == 0


def test_stopping_does_not_wait_long_for_a_database_that_is_down(
    record: Start, store: MemoryStore, room: Camera, impatient: None
) -> None:
    recording = record()
    with http_camera(room) as address:
        recording.start("door", CameraInput(address))
        wait_for(lambda: len(store.visits()) == 1)
        store.down = True
        started = time.monotonic()
        recording.stop("door", timeout_s=2)
        assert time.monotonic() - started < 3
    assert recording.unwritten() == 1

    store.down = False
    wait_for(lambda: store.visits()[0].ended)


@pytest.mark.parametrize("end", [lambda r: r.stop("door", 1.0), lambda r: r.stop_all(1.0)], ids=["stop", "stop_all"])
def test_visits_that_the_database_has_not_taken_are_written_when_it_is_back(
    end: Callable[[Recording], None], record: Start, store: MemoryStore, room: Camera, impatient: None
) -> None:
    recording = record()
    with http_camera(room) as address:
        recording.start("door", CameraInput(address))
        wait_for(lambda: status(recording).state == "live")
        store.down = True
        wait_for(lambda: recording.unwritten() == 1 and status(recording).unwritten == 1)
        end(recording)
    assert (recording.statuses(), recording.unwritten(), store.visits()) == ((), 1, [])

    store.down = False
    wait_for(lambda: recording.unwritten() == 0)

    (visit,) = store.visits()
    assert visit.ended
    recording.stop_all()


def test_visits_that_are_unwritten_after_the_end_are_tried_once_more_at_exit(
    record: Start, store: MemoryStore, tmp_path: Path
) -> None:
    made = record()
    store.down = True
    made.start("door", FileInput(write_video(tmp_path / "a.mp4", [lit(True)] * 10), BEGAN))
    wait_for(is_over(made))
    made.stop_all(0.5)
    assert made.unwritten() == 1

    store.down = False
    recording._stop_all(weakref.ref(made))

    assert (made.unwritten(), len(store.visits())) == (0, 1)


def test_all_that_ended_is_told(record: Start, store: MemoryStore, tmp_path: Path) -> None:
    recording = record()
    recording.start("door", FileInput(write_video(tmp_path / "a.mp4", [lit(True)] * 10), BEGAN))
    wait_for(is_over(recording))

    (ended,) = recording.stop_all()

    assert (ended.name, ended.state, ended.visits, ended.in_view) == ("door", "ended", 1, 0)
    assert recording.stop_all() == ()


def test_slow_database_holds_up_nobody_who_looks(record: Start, store: MemoryStore) -> None:
    asked, answer = threading.Event(), threading.Event()

    def slow() -> Settings:
        asked.set()
        answer.wait(20)
        return Settings()

    recording = record(settings=slow)
    starting = threading.Thread(target=recording.webcam, args=("counter",))
    starting.start()
    asked.wait(20)
    started = time.monotonic()
    assert recording.statuses() == ()
    took = time.monotonic() - started
    answer.set()
    starting.join()

    assert took < 1


def test_visit_of_a_number_that_is_taken_back_disappears(record: Start, store: MemoryStore, impatient: None) -> None:
    recording = record()
    hooks = recording.webcam("counter")
    hooks.on_started()

    def look(number: int, first_s: float, formerly: tuple[int, ...] = ()) -> None:
        now = time.monotonic()
        hooks.on_tracked((TrackedFace(number, make_face(), first_s, now, 1, formerly),), now)
        time.sleep(0.05)

    began = time.monotonic()
    while len(store.visits()) < 1:
        look(1, began)
    (visit,) = store.visits()
    later = time.monotonic()
    while len(store.visits()) < 2:
        look(2, later)
    assert status(recording, "counter").visits == 2
    look(1, began, (2,))

    wait_for(lambda: [v.id for v in store.visits()] == [visit.id])
    assert (status(recording, "counter").visits, recording.unwritten()) == (1, 0)
    hooks.finish()
    wait_for(lambda: store.visits()[0].ended)
    assert store.visits()[0].duration_s > later - began


def test_withdrawn_visit_that_was_not_written_never_is(store: MemoryStore) -> None:
    box = outbox.Outbox()
    visit, double = Visit(BEGAN, "door", 1.0), Visit(BEGAN, "door", 0.5)
    store.down = True
    box.add([visit, double])
    with pytest.raises(StoreError):
        box.write(store)  # type: ignore[arg-type]
    box.withdraw([(double.id, visit.id)])
    store.down = False
    box.write(store)  # type: ignore[arg-type]

    assert (store.visits(), len(box)) == ([visit], 0)


def test_withdrawal_waits_for_the_database(store: MemoryStore) -> None:
    box = outbox.Outbox()
    visit, double = Visit(BEGAN, "door", 1.0), Visit(BEGAN, "door", 0.5)
    box.add([visit, double])
    box.write(store)  # type: ignore[arg-type]
    store.down = True
    box.withdraw([(double.id, visit.id)])
    with pytest.raises(StoreError):
        box.write(store)  # type: ignore[arg-type]
    assert len(box) == 1
    store.down = False
    box.write(store)  # type: ignore[arg-type]

    assert (store.visits(), len(box)) == ([visit], 0)


def test_longer_absence_is_allowed_at_once_in_a_running_source(
    record: Start, store: MemoryStore, room: Camera, impatient: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "_SETTINGS_EVERY_S", 0.1)
    store.save_settings(Settings(enter_s=0.2, away_s=1.0))
    empty = threading.Event()
    room.picture = lambda: jpeg(lit(not empty.is_set()))
    recording = record()
    with http_camera(room) as address:
        recording.start("door", CameraInput(address))
        wait_for(lambda: len(store.visits()) == 1)
        store.save_settings(Settings(enter_s=0.2, away_s=20.0))
        time.sleep(0.5)
        empty.set()
        wait_for(lambda: status(recording).in_view == 0)
        time.sleep(0.5)
        empty.clear()
        wait_for(lambda: status(recording).in_view == 1)

    recording.stop_all()
    assert len(store.visits()) == 1


def test_old_visits_are_deleted_at_the_start_and_every_hour(
    record: Start, store: MemoryStore, impatient: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "_EVERY_S", 0.3)
    record().webcam("counter")

    wait_for(lambda: len(store.expired_at) >= 3)

    gaps = np.diff([moment.timestamp() for moment in store.expired_at])
    assert (gaps > 0.25).all()
    assert abs(store.expired_at[-1] - datetime.now(UTC)) < timedelta(seconds=5)


# --------------------------------------------------------------------------------------------------------------- names


def test_what_cannot_be_started_gives_a_sentence(record: Start, tmp_path: Path, room: Camera) -> None:
    recording = record()
    with http_camera(room) as address:
        recording.start("door", CameraInput(address))
        with pytest.raises(ValueError, match="There is a source named door already"):
            recording.start("door", FileInput(tmp_path / "a.mp4", BEGAN))
        with pytest.raises(ValueError, match="There is a source named door already"):
            recording.webcam("door")
        for name in ("", "  ", "x" * 81, "a\nb"):
            with pytest.raises(ValueError, match="1 to 80 characters"):
                recording.start(name, CameraInput(address))
        with pytest.raises(ValueError, match="looks like rtsp"):
            recording.start("other", CameraInput("file:///etc/passwd"))
        with pytest.raises(ValueError, match="time zone"):
            recording.start("other", FileInput(tmp_path / "a.mp4", datetime(2026, 5, 4)))
        with pytest.raises(ValueError, match="cannot begin on 2999-12-31 at 00:00, in the future: correct the time"):
            recording.start("other", FileInput(tmp_path / "a.mp4", datetime(2999, 12, 31, tzinfo=UTC)))
        with pytest.raises(ValueError, match="recorded on 1999-12-31, but visits are kept for 90 days only"):
            recording.start("other", FileInput(tmp_path / "a.mp4", datetime(1999, 12, 31, tzinfo=UTC)))

    recording.stop("nobody")
    assert [s.name for s in recording.statuses()] == ["door"]


def test_name_of_a_file_that_is_over_is_free_again(record: Start, store: MemoryStore, tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", [lit(True)] * 10)
    recording = record()
    for _ in range(2):
        recording.start("door", FileInput(path, BEGAN))
        wait_for(is_over(recording))

    recording.stop_all()
    assert len(store.visits()) == 2


def test_everything_can_be_started_again_after_stop_all(record: Start, store: MemoryStore, tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", [lit(True)] * 10)
    recording = record()
    for visits in (1, 2):
        recording.start("door", FileInput(path, BEGAN))
        wait_for(is_over(recording))
        recording.stop_all()
        assert len(store.visits()) == visits
    recording.stop_all()
