"""Cameras become visits, whatever becomes of the connection."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from facetraits.visitors import outbox, source
from facetraits.visitors.inputs import CameraInput
from facetraits.visitors.visit import Settings
from tests.videos import (
    Bright,
    Camera,
    http_camera,
    rtsp_camera,
)
from tests.visitors.memory_store import MemoryStore
from tests.visitors.recording.helpers import Start, status, wait_for


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
