"""A recording into a store in memory, and a camera to watch."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from facetraits.visitors import outbox, source
from facetraits.visitors.recording import Recording
from facetraits.visitors.visit import Settings
from tests.builders import FakeAnalyzer
from tests.videos import Bright, Camera, jpeg, lit
from tests.visitors.memory_store import MemoryStore
from tests.visitors.recording.helpers import Start


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore(Settings(enter_s=0.4, away_s=2.0))


@pytest.fixture
def record(store: MemoryStore) -> Iterator[Start]:
    """Make a recording into ``store``, which ends with the test."""
    made: list[Recording] = []
    before = working()

    def make(analyzer: object = None, **arguments: object) -> Recording:
        made.append(Recording(store, analyzer or Bright(), **arguments))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for one in made:
        one.stop_all()
    assert working() <= before, "those of other tests may go on"


def working() -> set[threading.Thread]:
    return {t for t in threading.enumerate() if t.name == "visit-writer" or t.name.startswith("source ")}


@pytest.fixture(scope="module")
def detecting() -> FakeAnalyzer:
    return FakeAnalyzer()


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
