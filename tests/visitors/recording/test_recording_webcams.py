"""The webcam of a browser as a source."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from facetraits.video.live import LiveAnalysis
from facetraits.visitors import source
from facetraits.visitors.inputs import CameraInput
from facetraits.visitors.visit import Settings
from tests.videos import (
    Bright,
    Camera,
    lit,
)
from tests.visitors.memory_store import MemoryStore
from tests.visitors.recording.helpers import Start, status, wait_for


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


def test_a_webcam_records_only_while_pictures_come(record: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    recording = record()
    hooks = recording.webcam("counter")
    hooks.on_started()
    hooks.frame_came()
    assert not status(recording, "counter").recording, "nothing was analysed yet"
    hooks.on_tracked((), time.monotonic())
    monkeypatch.setattr(source, "_FRAMELESS_S", 60.0)
    assert status(recording, "counter").recording
    monkeypatch.setattr(source, "_FRAMELESS_S", 0.0)
    assert not status(recording, "counter").recording
    assert status(recording, "counter").at_work, "it may come back"
    hooks.finish()


def test_the_name_of_a_webcam_whose_page_was_closed_is_free(record: Start, store: MemoryStore, impatient: None) -> None:
    recording = record()
    hooks = recording.webcam("counter")
    analysis = LiveAnalysis(Bright(), on_started=hooks.on_started, on_tracked=hooks.on_tracked)
    play(analysis, lambda: len(store.visits()) == 1)
    with pytest.raises(ValueError, match="There is a source named counter already"):
        recording.webcam("counter")
    wait_for(lambda: status(recording, "counter").state == "lost")
    others = recording.webcam("counter")
    others.on_started()
    assert others.name == "counter"
    assert len(recording.statuses()) == 1
    wait_for(lambda: store.visits()[0].ended)
    analysis.end()


def test_a_camera_records_also_while_it_is_connected_to_again(record: Start, impatient: None) -> None:
    recording = record()
    recording.start("door", CameraInput("http://127.0.0.1:9/nobody"))
    assert status(recording).recording


def test_webcam_whose_name_was_taken_meanwhile_gets_another(record: Start, room: Camera) -> None:
    recording = record()
    hooks, others = recording.webcam("counter"), recording.webcam("counter")

    hooks.on_started()
    others.on_started()

    assert [s.name for s in recording.statuses()] == ["counter", "counter 2"]
    assert (hooks.name, others.name) == ("counter", "counter 2")
