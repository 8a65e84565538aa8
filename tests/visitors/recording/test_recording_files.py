"""Video files become the visits that they show."""

from __future__ import annotations

import io
import threading
from collections.abc import Collection
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from facetraits import load_analyzer
from facetraits.registry import ModelIntegrityError
from facetraits.traits import TRAITS, TraitName
from facetraits.types import AnalysisResult
from facetraits.visitors.inputs import FileInput
from tests.builders import FakeAnalyzer
from tests.videos import (
    Bright,
    comes_and_goes,
    lit,
    two_cross,
    write_sound,
    write_video,
)
from tests.visitors.memory_store import MemoryStore
from tests.visitors.recording.helpers import BEGAN, Start, is_over, spans, status, wait_for


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
    moment = datetime.now(UTC)

    class Stopped(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
            return moment

    monkeypatch.setattr("facetraits.visitors.inputs.datetime", Stopped)
    recording = record(detecting)

    recording.start("door", FileInput(path, moment - timedelta(seconds=4)))
    wait_for(is_over(recording))

    assert status(recording).state == "failed"
    assert status(recording).detail.startswith("The time stamps of the video continue into the future")
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


def test_a_recording_that_is_counted_again_doubles_nobody(
    record: Start, store: MemoryStore, tmp_path: Path, detecting: FakeAnalyzer
) -> None:
    path = write_video(tmp_path / "shop.mp4", comes_and_goes((0.5, 4), (7, 9.5), seconds=10).pictures())
    known = []
    for file in (path, io.BytesIO(path.read_bytes())):
        recording = record(detecting)
        known.append(recording.start("door", FileInput(file, BEGAN)))
        wait_for(is_over(recording))
        recording.stop_all()
    assert known == [0, 2]
    assert len(store.visits()) == 2

    for name, began in (("another door", BEGAN), ("door", BEGAN + timedelta(hours=1))):
        assert record(detecting).start(name, FileInput(path, began)) == 0


def test_where_nobody_knows_the_time_the_file_and_the_name_tell(tmp_path: Path) -> None:
    path = write_video(tmp_path / "shop.mp4", [lit(True)] * 5)
    later = BEGAN + timedelta(hours=1)
    guesses = {FileInput(path, began, began_is_known=False).ids("door") for began in (BEGAN, later)}
    assert len(guesses) == 1
    assert FileInput(path, BEGAN).ids("door") not in guesses
    other = write_video(tmp_path / "other.mp4", [lit(True)] * 6)
    assert FileInput(other, BEGAN, began_is_known=False).ids("door") not in guesses


@pytest.mark.parametrize("pictures", [1, 2, 5])
def test_a_video_that_is_shorter_than_a_visit_has_its_person(
    record: Start, store: MemoryStore, tmp_path: Path, pictures: int
) -> None:
    path = write_video(tmp_path / "short.mp4", [lit(True)] * pictures, fps=25)
    recording = record()
    recording.start("door", FileInput(path, BEGAN))
    wait_for(is_over(recording))
    assert status(recording).visits == 1
    recording.stop_all()
    (only,) = store.visits()
    assert only.ended
