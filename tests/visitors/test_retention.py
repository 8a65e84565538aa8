"""Visits are kept no longer than the owner has set, also where nothing records."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest

from facetraits.visitors import retention
from facetraits.visitors.recording import Recording
from facetraits.visitors.retention import start_retention
from facetraits.visitors.store import StoreError, VisitStore, open_store
from facetraits.visitors.visit import Settings, Visit
from tests.videos import Bright
from tests.visitors.memory_store import MemoryStore
from ui.visitors import cached

NOW = datetime.now(UTC)
OLD = Visit(NOW - timedelta(days=400), "door", 1.0, ended=True)
NEW = Visit(NOW - timedelta(days=4), "door", 1.0, ended=True)


def keepers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "visit-retention"]


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.02)


@pytest.fixture
def url(store_url: str) -> str:
    """A log with an old visit and a new one."""
    with closing(open_store(store_url)) as store:
        store.add([OLD, NEW])
    return store_url


def test_app_that_opens_the_log_deletes_what_is_too_old(url: str) -> None:
    store = cached._store.__wrapped__(url)  # type: ignore[attr-defined]

    with closing(store):
        assert store.latest() == (NEW,)


def test_log_that_cannot_be_cleared_is_opened_all_the_same(
    url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(self: VisitStore, now: datetime) -> int:
        raise StoreError("The database is read-only.")

    monkeypatch.setattr(retention, "_AGAIN_S", 0.05)
    with monkeypatch.context() as broken:
        broken.setattr(VisitStore, "expire", fail)
        store = cached._store.__wrapped__(url)  # type: ignore[attr-defined]
        assert len(store.latest()) == 2
        time.sleep(0.3)

    wait_for(lambda: store.latest() == (NEW,))
    assert sum("The database is read-only" in entry.message for entry in caplog.records) == 1
    store.close()


def test_it_goes_on_every_hour_while_nothing_records(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "_EVERY_S", 0.1)
    store = MemoryStore()

    start_retention(store)  # type: ignore[arg-type]

    assert len(store.expired_at) == 1
    wait_for(lambda: len(store.expired_at) >= 3)


def test_one_log_is_looked_after_once() -> None:
    store = MemoryStore()
    before = set(keepers())
    for _ in range(3):
        start_retention(store)  # type: ignore[arg-type]
    recording = Recording(store, Bright())  # type: ignore[arg-type]

    assert len(store.expired_at) == 1
    assert len(set(keepers()) - before) == 1  # those of other logs may end meanwhile
    recording.stop_all()


def test_it_ends_with_the_store() -> None:
    store = MemoryStore()
    before = set(keepers())
    start_retention(store)  # type: ignore[arg-type]
    (keeper,) = set(keepers()) - before
    del store
    gc.collect()

    keeper.join(20)

    assert not keeper.is_alive()


def test_fault_of_the_program_is_logged_and_stops_nothing(caplog: pytest.LogCaptureFixture) -> None:
    class Faulty(MemoryStore):
        def expire(self, now: datetime) -> int:
            raise RuntimeError("a fault")

    store = Faulty(Settings())
    start_retention(store)  # type: ignore[arg-type]

    assert [entry.message for entry in caplog.records] == ["old visits could not be deleted"]
