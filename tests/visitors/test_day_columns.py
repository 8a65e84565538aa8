"""The visits of finished days are packed into columns, which follow every change, on SQLite and on PostgreSQL."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from sqlalchemy import func, inspect, select, text, update

from facetraits.visitors import counting_store, day_columns, migrations
from facetraits.visitors.day_columns import pack_days
from facetraits.visitors.engine import engine_for, parse_url
from facetraits.visitors.schema import days, visits
from facetraits.visitors.store import StoreError, VisitStore, open_store
from facetraits.visitors.visit import Selection, Visit
from facetraits.visitors.weeks import week_spans
from tests.visitors.conftest import BARE, FULL, visit
from tests.visitors.made_visits import BERLIN
from tests.visitors.test_counts import CHANGE, assert_alike, assert_counted, random_visits


@pytest.mark.parametrize("version", ["0004", "0005"])
def test_visits_of_older_versions_are_counted(store_url: str, version: str, caplog: pytest.LogCaptureFixture) -> None:
    engine = engine_for(parse_url(store_url))
    known = [FULL, BARE, *random_visits(200, seed=4)]
    with closing(open_store(store_url)) as store:
        store.add(known)
        expected = store.counts(BERLIN)
        with engine.begin() as connection:
            migrations.downgrade(connection, version)
            assert inspect(connection).has_table("visit_counts") == (version == "0005")
            if version == "0005":  # its triggers work
                connection.execute(update(visits).where(visits.c.id == FULL.id).values(bought="no"))
                connection.execute(update(visits).where(visits.c.id == FULL.id).values(bought=FULL.bought))
                number = connection.execute(text("SELECT sum(visits) FROM visit_counts")).scalar_one()
                assert number == len(known)
    engine.dispose()
    with pytest.MonkeyPatch.context() as patch, caplog.at_level(logging.WARNING, logger=counting_store.__name__):
        patch.setattr(counting_store, "_TELL_EVERY_S", 0.0)
        opened = open_store(store_url)
    with closing(opened) as store:
        packed = days_packed(store)
        assert packed > 16
        told = [record.getMessage().removeprefix(f"{store.name}: ") for record in caplog.records]
        assert told[0] == f"visits of 16 of {packed} days are packed"
        assert told[-1] == f"visits of {packed} of {packed} days are packed"
        assert_alike(store.counts(BERLIN), expected)
        assert not any(inspect(store._engine).has_table(f"visit_{name}counts") for name in ("", "time_", "people_"))
        store.add([visit(minute=5)])
        assert_counted(store)


def days_packed(store: VisitStore) -> int:
    with store._reading() as connection:
        return connection.execute(select(func.count()).where(days.c.visits.is_not(None))).scalar_one()


def pack(store: VisitStore) -> None:
    """Every day, as if it were long ago."""
    with store._writing() as writer:
        while pack_days(writer.connection, date.max):
            pass


def test_packed_days_are_counted_like_their_visits(store: VisitStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(day_columns, "_AT_ONCE", 50)
    store.add([FULL, BARE, *random_visits(300, seed=6)])
    monkeypatch.setattr(store, "pack_days", lambda: None)
    assert_counted(store)
    weeks = week_spans(CHANGE.astimezone(BERLIN))
    of_visits = store.counts(BERLIN), store.crossings(), store.count_spans(BERLIN, weeks)

    pack(store)

    with store._reading() as connection:
        assert connection.execute(select(func.sum(days.c.visits))).scalar_one() == 302
    packed = store.counts(BERLIN), store.crossings(), store.count_spans(BERLIN, weeks)
    assert_alike(packed[0], of_visits[0])
    assert packed[1] == of_visits[1]
    np.testing.assert_array_equal(packed[2], of_visits[2])
    assert_counted(store, "Asia/Kathmandu", Selection(since=CHANGE, sources=("door",), moods=("negative", "neutral")))


@pytest.mark.parametrize(
    "change",
    [
        lambda store, known: store.add([replace(BARE, started=known.started)]),
        lambda store, known: store.update([replace(known, duration_s=1e6)]),
        lambda store, known: store.edit(replace(known, mood="positive")),
        lambda store, known: store.mark([known.id], "no"),
        lambda store, known: store.attach_sales([(known.id, known.started, Decimal("3.50"))]),
        lambda store, known: store.delete([known.id]),
        lambda store, known: store.expire(known.started + timedelta(days=90, seconds=1)),
    ],
    ids=["add", "update", "edit", "mark", "sale", "delete", "expire"],
)
def test_a_change_empties_the_row_of_its_day_alone(
    store: VisitStore, change: Callable[[VisitStore, Visit], object]
) -> None:
    other = visit(minute=3 * 24 * 60)
    store.add([FULL, visit(minute=3), other])
    pack(store)

    change(store, FULL)

    with store._reading() as connection:
        found = connection.execute(select(days).order_by(days.c.day)).all()
    assert [row.visits for row in found] == [None, 1]
    assert all(value is None for value in found[0][1:]), "nothing of the visit as it was is left"
    assert_counted(store)


def test_what_is_no_visitors_matter_leaves_a_day_packed(sqlite_url: str) -> None:
    with closing(open_store(sqlite_url)) as store:
        store.add([BARE])
        pack(store)
        store.update([replace(BARE, ended=True, age=3.0)])
        assert days_packed(store) == 1


def test_a_visit_that_moves_to_another_day_leaves_none_behind(store: VisitStore) -> None:
    store.add([BARE])
    pack(store)
    with store._writing() as writer:
        writer.run(update(visits).values(started=BARE.started + timedelta(days=2)))
    with store._reading() as connection:
        assert connection.execute(select(days.c.day)).scalars().all() == [date(2026, 5, 6)]
    assert_counted(store)


def test_days_are_counted_where_nothing_can_be_written(store: VisitStore, monkeypatch: pytest.MonkeyPatch) -> None:
    store.add(random_visits(50, seed=7))

    def refuse() -> None:
        raise StoreError("full")

    monkeypatch.setattr(store, "_writing", refuse)
    assert_counted(store)
    assert days_packed(store) == 0


@pytest.mark.parametrize("number", [1, 2, 3, 10])
def test_median_of_equal_and_of_extreme_durations(store: VisitStore, number: int) -> None:
    lengths = [0.0, -0.0, 1e-9, 5.0, 5.0, 5.0000000001, 240.0, 1e9, 1e300, 7.25]
    store.add([replace(visit(minute=i), duration_s=length) for i, length in enumerate(lengths[:number])])
    assert store.counts(BERLIN).median_duration_s == np.median(lengths[:number])


@pytest.mark.parametrize(
    "damage",
    [
        {"kinds": b"\xff\xff"},
        {"kinds": b"\0"},
        {"times": b"\0"},
        {"times": b"\xff" * 8},
        {"sources": "[]"},
        {"sources": '[["door", 2]]'},
        {"sources": "door"},
        {"cents": b"\0" * 8},
    ],
    ids=str,
)
def test_a_damaged_day_is_a_sentence(store: VisitStore, damage: dict[str, Any]) -> None:
    store.add([BARE])
    pack(store)
    with store._writing() as writer:
        writer.run(update(days).values(damage))
    with pytest.raises(StoreError, match="is damaged"):
        store.counts(BERLIN)


def test_many_changes_are_packed_at_once(store: VisitStore) -> None:
    long_ago = [visit(minute=-3_000_000 + i) for i in range(60)]
    store.add(long_ago)
    ids = [one.id for one in long_ago]
    store.mark(ids, "no")
    assert days_packed(store) == 1
    store.attach_sales([(one.id, one.started, None) for one in long_ago])
    assert days_packed(store) == 1
    store.mark(ids[:1], "no")
    assert days_packed(store) == 0
    assert_counted(store)
    assert days_packed(store) == 1


def test_a_day_is_not_packed_while_somebody_else_adds_a_visit(postgresql_url: str) -> None:
    """Not even somebody who does not take the lock of this program."""
    with closing(open_store(postgresql_url)) as store:
        store.add([BARE])
        late = {column.name: getattr(FULL, column.name) for column in visits.c}
        with store._engine.begin() as other:
            other.execute(visits.insert(), late)
            with pytest.raises(StoreError, match="is in use"), store._writing() as writer:
                writer.connection.execute(text("SET LOCAL lock_timeout = 50"))
                pack_days(writer.connection, date.max)
        pack(store)
        assert days_packed(store) == 1
        assert store.counts(BERLIN).visits == 2
