"""What may be started, and under which name."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from facetraits.visitors.inputs import CameraInput, FileInput
from tests.videos import (
    Camera,
    http_camera,
    lit,
    write_video,
)
from tests.visitors.memory_store import MemoryStore
from tests.visitors.recording.helpers import BEGAN, Start, is_over, wait_for


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
    for hours in range(2):
        recording.start("door", FileInput(path, BEGAN + timedelta(hours=hours)))
        wait_for(is_over(recording))

    recording.stop_all()
    assert len(store.visits()) == 2


def test_everything_can_be_started_again_after_stop_all(record: Start, store: MemoryStore, tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", [lit(True)] * 10)
    recording = record()
    for visits in (1, 2):
        recording.start("door", FileInput(path, BEGAN + timedelta(hours=visits)))
        wait_for(is_over(recording))
        recording.stop_all()
        assert len(store.visits()) == visits
    recording.stop_all()
