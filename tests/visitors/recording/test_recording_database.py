"""Nothing is lost where the database fails, and nothing is written twice."""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from facetraits.video.tracked import TrackedFace
from facetraits.visitors import outbox, recording, retention
from facetraits.visitors.inputs import CameraInput, FileInput
from facetraits.visitors.recording import Recording
from facetraits.visitors.store import StoreError
from facetraits.visitors.visit import Settings, Visit
from tests.builders import make_face
from tests.videos import (
    Camera,
    http_camera,
    jpeg,
    lit,
    write_video,
)
from tests.visitors.memory_store import MemoryStore
from tests.visitors.recording.helpers import BEGAN, Start, is_over, status, wait_for


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

    def look(number: int, first_s: float, merged_numbers: tuple[int, ...] = ()) -> None:
        now = time.monotonic()
        hooks.on_tracked((TrackedFace(number, make_face(), first_s, now, 1, merged_numbers),), now)
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
