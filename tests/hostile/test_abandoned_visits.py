"""Programs that were killed leave visits that nobody ends: they make the log neither wrong nor slow."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import event

from facetraits.visitors import store as module
from facetraits.visitors.retention import start_retention
from facetraits.visitors.store import VisitStore, open_store
from facetraits.visitors.visit import Settings, Visit
from tests.visitors.conftest import NOON, visit

MANY = 20_000
NOW = NOON + timedelta(days=30)
LIVE = [
    visit(started.total_seconds() / 60, duration_s=3.0) for started in (timedelta(days=30, seconds=-s) for s in (3, 9))
]


def abandoned(count: int) -> Iterator[tuple[str, str]]:
    for number in range(count):
        yield UUID(int=number).hex, f"{NOON + timedelta(minutes=2 * number):%Y-%m-%d %H:%M:%S}.000000"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[VisitStore]:
    path = tmp_path / "visitors.db"
    with closing(open_store(f"sqlite:///{path}")) as opened:
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.executemany(
                "INSERT INTO visits (id, started, source, duration_s, bought, ended, corrected)"
                " VALUES (?, ?, 'door', 4.5, 'unknown', 0, 0)",
                abandoned(MANY),
            )
        opened.add(LIVE)
        yield opened


@contextmanager
def steps(store: VisitStore) -> Iterator[list[int]]:
    """What the database does meanwhile, in hundreds of SQLite's steps."""
    counted = [0]

    def watch(raw: sqlite3.Connection, *_: object) -> None:
        def count() -> int:
            counted[0] += 1
            return 0

        raw.set_progress_handler(count, 100)

    event.listen(store._engine, "checkout", watch)
    try:
        yield counted
    finally:
        event.remove(store._engine, "checkout", watch)


def test_they_are_not_read_to_see_who_is_in_view(store: VisitStore, monkeypatch: pytest.MonkeyPatch) -> None:
    read = []

    def counted(**row: object) -> Visit:
        read.append(row)
        return Visit(**row)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "Visit", counted)

    assert store.current(NOW, 6.0) == tuple(LIVE)
    assert len(read) == len(LIVE)


def test_they_are_ended_when_a_program_opens_the_log(store: VisitStore) -> None:
    with steps(store) as before:
        store.current(NOW, 6.0)
    assert before[0] > MANY / 100, "all of them are looked through"

    assert store.end_abandoned(NOW) == MANY
    assert store.end_abandoned(NOW) == 0

    with steps(store) as after:
        assert store.current(NOW, 6.0) == tuple(LIVE)
    assert after[0] < 20
    assert not any(v.ended for v in store.latest(2, module.Selection(since=LIVE[-1].started, until=NOW)))


def test_whoever_opens_the_log_ends_them(store: VisitStore) -> None:
    store.save_settings(Settings(retention_days=None))

    start_retention(store)  # by today's calendar, by which all of them are long over or to come

    assert store.frame()["ended"].all()


def test_a_visit_that_was_taken_for_abandoned_goes_on_when_it_is_written_again(store: VisitStore) -> None:
    (kept, *_) = LIVE
    later = NOW + timedelta(hours=2)
    store.end_abandoned(later)
    assert store.current(later, 6.0) == ()

    store.update([Visit(kept.started, kept.source, 7200.0, id=kept.id)])

    assert [v.id for v in store.current(later, 6.0)] == [kept.id]
