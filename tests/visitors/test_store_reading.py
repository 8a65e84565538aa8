"""What of the visitors' database is read: visits one by one, counts, and tables."""

from __future__ import annotations

import re
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import fields
from datetime import timedelta, timezone
from itertools import pairwise
from pathlib import Path
from uuid import uuid4

import pandas as pd
import pytest

from facetraits.visitors.store import VisitStore, open_store
from facetraits.visitors.visit import EVERYTHING, VISIT_CLASSES, Selection, Settings, Visit
from tests.visitors.conftest import BARE, FULL, NOON, visit


class TestReading:
    def test_visits_that_go_on(self, store: VisitStore):
        ended, gone = visit(0, duration_s=600, ended=True), visit(5, duration_s=240)
        staying, new = visit(0, duration_s=595), visit(9.9)
        store.add([ended, gone, staying, new])
        assert store.current(NOON + timedelta(minutes=10), away_s=6) == (new, staying)
        assert store.current(NOON + timedelta(seconds=540 + 16), away_s=6) == (gone, staying), (
            "one that begins later goes on"
        )

    def test_latest_first_and_not_more_than_wanted(self, store: VisitStore):
        many = [visit(i) for i in (3, 1, 4, 0, 5)]
        store.add(many)
        assert [v.started.minute for v in store.latest(3)] == [5, 4, 3]

    @pytest.mark.parametrize(
        ("chosen", "minutes"),
        [
            (EVERYTHING, [0, 1, 2, 3]),
            (Selection(since=NOON + timedelta(minutes=1)), [1, 2, 3]),
            (Selection(until=NOON + timedelta(minutes=1)), [0]),
            (Selection(NOON.astimezone(timezone(timedelta(hours=-8))), NOON + timedelta(minutes=2)), [0, 1]),
            (Selection(sources=("back",)), [1, 3]),
            (Selection(sources=("back", "door")), [0, 1, 2, 3]),
            (Selection(sources=()), []),
            (Selection(sources=("back' OR 1=1 --",)), []),
            (Selection(age_groups=("21-40", "81+")), [0, 1]),
            (Selection(genders=("male",)), [0, 3]),
            (Selection(since=NOON, sources=("door",), age_groups=("21-40",), genders=("male",)), [0]),
        ],
    )
    def test_selection(self, store: VisitStore, chosen: Selection, minutes: list[int]):
        store.add(
            [
                visit(0, age_group="21-40", gender="male", bought="yes"),
                visit(1, "back", age_group="81+", gender="female"),
                visit(2),
                visit(3, "back", age_group="0-20", gender="male", bought="no"),
            ]
        )
        assert [v.started.minute for v in store.latest(chosen=chosen)] == minutes[::-1]
        assert list(store.frame(chosen)["started"].dt.minute) == minutes
        counted = [("yes", "unknown", "unknown", "no")[minute] for minute in minutes]
        assert store.count(chosen) == {name: counted.count(name) for name in ("yes", "no", "unknown")}

    def test_sources(self, store: VisitStore):
        assert store.sources() == ()
        store.add([visit(0, "zoo"), visit(1, "Back"), visit(2, "zoo"), visit(3, "aisle")])
        assert store.sources() == ("Back", "aisle", "zoo")

    def test_version_grows_with_every_change(self, store: VisitStore, store_url: str):
        with closing(open_store(store_url)) as other:
            changes: list[Callable[[], object]] = [
                lambda: store.add([BARE, FULL]),
                lambda: other.update([BARE]),
                lambda: other.mark([BARE.id], "yes"),
                lambda: store.edit(BARE),
                lambda: other.attach_sales([(BARE.id, NOON, None)]),
                lambda: other.save_settings(Settings(away_s=9)),
                lambda: store.expire(NOON + timedelta(days=89)),  # deletes nothing
                lambda: other.delete([BARE.id]),
                lambda: store.delete_all(),
            ]
            seen = [store.version()]
            for change in changes:
                change()
                seen.append(store.version())
                assert other.version() == seen[-1]
        assert [later - before for before, later in pairwise(seen)] == [1, 1, 1, 1, 1, 1, 0, 1, 1]

    def test_name_is_without_password(self, store: VisitStore, store_url: str):
        if store_url.startswith("sqlite"):
            assert store.name == store_url.removeprefix("sqlite:///")
        else:
            assert re.fullmatch(r"visitors on 127\.0\.0\.1:\d+", store.name)


class TestFrame:
    def test_one_row_per_visit_with_all_that_is_known(self, store: VisitStore):
        store.add([BARE, FULL])
        frame = store.frame()
        assert len(frame) == 2
        for row, known in zip(frame.to_dict("records"), (FULL, BARE), strict=True):
            expected = {field.name: getattr(known, field.name) for field in fields(Visit)}
            expected |= {"id": str(known.id), "basket": None if known.basket is None else float(known.basket)}
            assert {name: None if pd.isna(value) else value for name, value in row.items()} == expected

    @pytest.mark.parametrize("visits", [(), (BARE,), (FULL,), (FULL, BARE)], ids=len)
    def test_types_do_not_depend_on_the_rows(self, store: VisitStore, visits: tuple[Visit, ...]):
        store.add(visits)
        frame = store.frame()
        columns = "id started source duration_s age age_group age_confidence gender gender_confidence ethnicity"
        columns += " ethnicity_confidence mood mood_confidence bought basket sold_at sale_guessed ended corrected"
        columns += " entries exits"
        assert list(frame) == columns.split()
        types = {name: str(dtype) for name, dtype in frame.dtypes.items()}
        assert types.pop("id") == "str"
        assert {types.pop(name) for name in ("started", "sold_at")} == {"datetime64[us, UTC]"}
        assert {types.pop(name) for name in ("sale_guessed", "ended", "corrected")} == {"bool"}
        classes = {name: types.pop(name) for name in ("source", "bought", *VISIT_CLASSES)}
        assert set(classes.values()) == {"category"}
        assert {types.pop(name) for name in ("entries", "exits")} == {"Int64"}
        assert set(types.values()) == {"float64"}
        for trait, names in VISIT_CLASSES.items():
            assert tuple(frame[trait].cat.categories) == names

    def test_a_hundred_thousand_visits_in_a_moment(self, sqlite_url: str, sqlite_path: Path):
        with closing(open_store(sqlite_url)) as store:
            with closing(sqlite3.connect(sqlite_path)) as connection, connection:
                connection.executemany(
                    "INSERT INTO visits VALUES (?, ?, 'door', 4.5, 31.5, '21-40', 0.7, 'male', 0.9, NULL, NULL,"
                    " 'neutral', 0.6, 'yes', 12.5, '2026-05-04 12:09:00.000000', 1, 0, 0, 1, NULL)",
                    ((uuid4().hex, f"{NOON + timedelta(seconds=i):%Y-%m-%d %H:%M:%S}.000000") for i in range(100_000)),
                )
            store.frame()
            before = time.thread_time()  # whatever else the machine does
            frame = store.frame()
            took = time.thread_time() - before
        assert (len(frame), frame["started"].is_monotonic_increasing) == (100_000, True)
        # Much less where nothing else runs; a visit at a time it would be seconds.
        assert took < 2


def test_a_visit_is_found_by_its_id_until_it_is_deleted(store: VisitStore) -> None:
    one, other = visit(), visit()
    store.add([one, other])

    assert store.get(one.id) == one
    store.delete([one.id])
    assert store.get(one.id) is None
