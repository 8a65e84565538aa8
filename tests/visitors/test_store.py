"""What is written to the visitors' database is what is read, on SQLite and on PostgreSQL."""

from __future__ import annotations

import re
import sqlite3
import stat
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from uuid import uuid4

import pandas as pd
import pytest

from facetraits.settings import database_url
from facetraits.visitors.store import StoreError, VisitStore, open_store
from facetraits.visitors.visit import EVERYTHING, LARGEST_BASKET, VISIT_CLASSES, Outcome, Selection, Settings, Visit
from tests.builders import ROOT
from tests.visitors.conftest import NOON, visit

FULL = visit(
    source="Tür 3 🚪 ' \" % ;",
    duration_s=12.345678901234567,
    age=34.56789012345678,
    age_group="21-40",
    age_confidence=0.8123456789012345,
    gender="female",
    gender_confidence=1.0,
    ethnicity="asian",
    ethnicity_confidence=0.0,
    mood="negative",
    mood_confidence=0.333,
    bought="yes",
    basket=Decimal("19.99"),
    sold_at=NOON + timedelta(minutes=9, microseconds=123456),
    ended=True,
    corrected=True,
)
BARE = visit(minute=1)


class TestWriting:
    def test_what_is_added_is_read(self, store: VisitStore):
        store.add([FULL, BARE])
        assert store.latest() == (BARE, FULL)

    @pytest.mark.parametrize("amount", ["0", "0.01", "0.07", "1234567.89", str(LARGEST_BASKET)])
    def test_an_amount_stays_exact(self, store: VisitStore, amount: str):
        store.add([visit(basket=Decimal(amount))])
        (read,) = store.latest()
        assert (str(read.basket), read.basket) == (f"{Decimal(amount):.2f}", Decimal(amount))

    def test_times_of_any_zone_are_read_in_utc(self, store: VisitStore):
        there = timezone(timedelta(hours=5, minutes=45))
        store.add([replace(BARE, started=NOON.astimezone(there), sold_at=NOON.astimezone(there))])
        (read,) = store.latest()
        assert (read.started, read.sold_at) == (NOON, NOON)
        assert read.started.tzinfo is UTC

    @pytest.mark.parametrize("moment", [datetime(1970, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, tzinfo=UTC)])
    def test_dates_of_cameras_without_a_clock(self, store: VisitStore, moment: datetime):
        store.add([replace(BARE, started=moment)])
        assert store.latest()[0].started == moment
        assert store.frame()["started"][0].to_pydatetime() == moment

    def test_adding_again_changes_nothing(self, store: VisitStore):
        store.add([BARE])
        store.mark([BARE.id], "yes")
        version = store.version()
        store.add([replace(BARE, duration_s=99.0), FULL])
        assert store.latest() == (replace(BARE, bought="yes"), FULL)
        assert store.version() > version

    def test_nothing_to_write(self, store: VisitStore):
        store.add([])
        store.update(iter(()))
        assert (store.mark([], "yes"), store.delete([]), store.attach_sales([])) == (0, 0, 0)
        assert store.version() == 0

    def test_update_writes_what_a_source_learned(self, store: VisitStore):
        store.add([BARE, FULL])
        learned = replace(FULL, id=BARE.id, started=BARE.started, source=BARE.source, corrected=False)
        store.update([learned])
        kept = {"bought": "unknown", "basket": None, "sold_at": None}
        assert store.latest() == (replace(learned, **kept), FULL)

    def test_update_leaves_what_was_corrected(self, store: VisitStore):
        store.add([FULL])
        store.update([replace(BARE, id=FULL.id, duration_s=40.0, ended=False)])
        assert store.latest() == (replace(FULL, duration_s=40.0, ended=False),)

    def test_update_does_not_bring_back_what_was_deleted(self, store: VisitStore):
        store.add([BARE, FULL])
        store.delete([BARE.id])
        version = store.version()
        store.update([BARE])
        assert (store.latest(), store.version()) == ((FULL,), version)

    def test_mark(self, store: VisitStore):
        store.add([BARE, FULL])
        assert store.mark([BARE.id, FULL.id, uuid4()], "no") == 2
        assert {v.bought for v in store.latest()} == {"no"}
        assert store.mark([BARE.id], "unknown") == 1
        assert store.latest()[0] == BARE

    @pytest.mark.parametrize("bought", ["no", "unknown"])
    def test_who_did_not_buy_keeps_no_sale(self, store: VisitStore, bought: Outcome):
        store.add([FULL])
        store.mark([FULL.id], "yes")
        assert store.latest() == (FULL,)
        store.mark([FULL.id], bought)
        assert store.latest() == (replace(FULL, bought=bought, basket=None, sold_at=None),)

    def test_visits_that_were_none_are_gone(self, store: VisitStore):
        whole, part, kept, sold = visit(0), visit(1), visit(2, bought="no"), visit(3, bought="yes", basket=Decimal(5))
        store.add([whole, part, kept, sold])
        before = store.version()
        store.withdraw({part.id: whole.id, sold.id: kept.id, uuid4(): whole.id})
        assert store.latest() == (kept, whole)
        assert store.version() == before + 1
        store.withdraw({part.id: whole.id})
        assert store.version() == before + 1

    def test_outcome_of_a_visit_that_was_none_goes_over(self, store: VisitStore):
        whole = visit(0)
        part = visit(1, bought="yes", basket=Decimal("3.50"), sold_at=NOON + timedelta(minutes=9))
        store.add([whole, part])
        store.withdraw({part.id: whole.id})
        assert store.latest() == (replace(part, id=whole.id, started=whole.started),)

    def test_edit(self, store: VisitStore):
        store.add([BARE])
        by_hand = replace(FULL, id=BARE.id)
        assert store.edit(by_hand)
        source_knows = {name: getattr(BARE, name) for name in ("started", "source", "duration_s", "ended")}
        assert store.latest() == (replace(by_hand, **source_knows),)

    def test_edit_of_a_deleted_visit(self, store: VisitStore):
        assert not store.edit(BARE)
        assert store.latest() == ()

    def test_sales_are_attached(self, store: VisitStore):
        known = [visit(i, bought=bought) for i, bought in enumerate(("unknown", "no", "unknown", "yes", "no"))]
        store.add(known)
        sales = [(known[0].id, NOON, Decimal("3.50")), (known[1].id, NOON, None), (uuid4(), NOON, Decimal(1))]
        assert store.attach_sales(sales, others_no=[v.id for v in known[2:]]) == 2
        read = store.latest()[::-1]
        assert [v.bought for v in read] == ["yes", "yes", "no", "yes", "no"]
        assert [v.basket for v in read] == [Decimal("3.50"), None, None, None, None]
        assert [v.sold_at for v in read] == [NOON, NOON, None, None, None]

    def test_sales_are_attached_all_or_none(self, store: VisitStore):
        store.add([BARE, FULL])
        before = store.latest(), store.version()
        with pytest.raises(StoreError, match="failed") as caught:
            store.attach_sales([(BARE.id, NOON, Decimal(5)), (FULL.id, NOON, Decimal(-5))])
        # Not even a traceback in a log says whose row it was.
        assert "parameters hidden" in str(caught.value.__cause__)
        assert (store.latest(), store.version()) == before

    def test_more_visits_than_a_statement_takes(self, store: VisitStore):
        many = [visit(i / 60) for i in range(2100)]
        store.add(many)
        ids = [v.id for v in many]
        assert store.mark(ids, "no") == 2100
        assert store.attach_sales([(i, NOON, None) for i in ids[:1100]], ids) == 1100
        assert store.count() == {"yes": 1100, "no": 1000, "unknown": 0}
        assert store.delete(ids) == 2100


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
        columns += " ethnicity_confidence mood mood_confidence bought basket sold_at ended corrected"
        assert list(frame) == columns.split()
        types = {name: str(dtype) for name, dtype in frame.dtypes.items()}
        assert types.pop("id") == "str"
        assert {types.pop(name) for name in ("started", "sold_at")} == {"datetime64[us, UTC]"}
        assert {types.pop(name) for name in ("ended", "corrected")} == {"bool"}
        classes = {name: types.pop(name) for name in ("source", "bought", *VISIT_CLASSES)}
        assert set(classes.values()) == {"category"}
        assert set(types.values()) == {"float64"}
        for trait, names in VISIT_CLASSES.items():
            assert tuple(frame[trait].cat.categories) == names

    def test_a_hundred_thousand_visits_in_a_moment(self, sqlite_url: str, sqlite_path: Path):
        with closing(open_store(sqlite_url)) as store:
            with closing(sqlite3.connect(sqlite_path)) as connection, connection:
                connection.executemany(
                    "INSERT INTO visits VALUES (?, ?, 'door', 4.5, 31.5, '21-40', 0.7, 'male', 0.9, NULL, NULL,"
                    " 'neutral', 0.6, 'yes', 12.5, '2026-05-04 12:09:00.000000', 1, 0)",
                    ((uuid4().hex, f"{NOON + timedelta(seconds=i):%Y-%m-%d %H:%M:%S}.000000") for i in range(100_000)),
                )
            store.frame()
            before = time.thread_time()  # whatever else the machine does
            frame = store.frame()
            took = time.thread_time() - before
        assert (len(frame), frame["started"].is_monotonic_increasing) == (100_000, True)
        # Much less where nothing else runs; a visit at a time it would be seconds.
        assert took < 2


class TestDeleting:
    def test_delete(self, store: VisitStore):
        store.add([BARE, FULL])
        assert store.delete([BARE.id, uuid4()]) == 1
        assert store.latest() == (FULL,)

    def test_delete_all_leaves_the_settings(self, store: VisitStore):
        store.save_settings(Settings(away_s=20))
        store.add([BARE, FULL])
        assert store.delete_all() == 2
        assert (store.latest(), store.settings()) == ((), Settings(away_s=20))

    def test_expire(self, store: VisitStore):
        store.save_settings(Settings(retention_days=2))
        days = timedelta(days=2)
        store.add([visit(0), visit(1), visit(2)])
        assert store.expire(NOON + days) == 0
        assert store.expire(NOON + days + timedelta(minutes=1)) == 1
        assert [v.started.minute for v in store.latest()] == [2, 1]
        store.save_settings(Settings(retention_days=None))
        assert store.expire(NOON + 10 * days) == 0

    def test_what_lies_in_the_future_expires_too(self, store: VisitStore):
        """Written by a program that believed a damaged time stamp."""
        store.save_settings(Settings(retention_days=30))
        later = replace(visit(1), started=NOON + timedelta(days=3650))
        store.add([visit(0), later])
        assert store.expire(NOON + timedelta(hours=1)) == 1
        assert [v.started for v in store.latest()] == [visit(0).started]

    @pytest.mark.parametrize("how", ["delete", "delete_all", "expire"])
    def test_nothing_of_it_stays_in_the_files_of_sqlite(self, sqlite_url: str, sqlite_path: Path, how: str):
        def on_disk() -> bytes:
            files = [path for path in sqlite_path.parent.iterdir() if not path.name.endswith("-spare")]
            return b"".join(path.read_bytes() for path in files)

        with closing(open_store(sqlite_url)) as store:
            kept = visit(199 * 24 * 60, source="kept")
            gone = [visit(i / 60, source="secretname", gender="male", gender_confidence=0.9) for i in range(3000)]
            store.add([*gone, kept])
            store.mark([v.id for v in gone], "yes")
            full = len(on_disk())
            assert b"secretname" in on_disk()
            deletions: dict[str, Callable[[], int]] = {
                "delete": lambda: store.delete([v.id for v in gone]),
                "delete_all": store.delete_all,
                "expire": lambda: store.expire(NOON + timedelta(days=200)),
            }
            assert deletions[how]() == 3000 + (how == "delete_all")
            left = on_disk()
            assert b"secretname" not in left
            assert not any(v.id.hex.encode() in left for v in gone)
            assert len(left) < full / 10
            assert store.latest() == (() if how == "delete_all" else (kept,))


class TestSettings:
    def test_those_of_the_program_at_first(self, store: VisitStore):
        assert store.settings() == Settings()

    def test_are_kept(self, store: VisitStore, store_url: str):
        chosen = Settings(enter_s=0.5, away_s=33.3, ethnicity=True, retention_days=None)
        store.save_settings(chosen)
        with closing(open_store(store_url)) as other:
            assert other.settings() == chosen


class TestAddress:
    def test_environment_names_the_database(self, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setenv("FACETRAITS_DB", " postgresql://somewhere/log ")
        assert database_url() == "postgresql://somewhere/log"

    @pytest.mark.parametrize("value", [None, "", " "])
    def test_else_a_file_of_the_project(self, monkeypatch: pytest.MonkeyPatch, value: str | None):
        monkeypatch.delenv("FACETRAITS_DB", raising=False)
        if value is not None:
            monkeypatch.setenv("FACETRAITS_DB", value)
        assert database_url() == f"sqlite:///{ROOT / 'data' / 'visitors.db'}"

    def test_folder_and_file_are_made_for_their_owner_only(self, tmp_path: Path):
        path = tmp_path / "log of 100% & more" / "visitors.db"
        with closing(open_store(f"sqlite:///{path}")) as store:
            store.add([BARE])
            modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
            assert modes == dict.fromkeys([f"visitors.db{end}" for end in ("", "-wal", "-shm", "-spare")], 0o600)
            assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700

    def test_the_mode_that_an_owner_gave_stays(self, sqlite_url: str, sqlite_path: Path):
        open_store(sqlite_url).close()
        sqlite_path.chmod(0o640)
        open_store(sqlite_url).close()
        assert stat.S_IMODE(sqlite_path.stat().st_mode) == 0o640

    def test_other_programs_may_read_while_we_write(self, sqlite_url: str, sqlite_path: Path):
        with closing(open_store(sqlite_url)) as store, closing(sqlite3.connect(sqlite_path)) as reader:
            store.add([FULL])
            reader.execute("BEGIN")
            assert reader.execute("SELECT started, gender, basket FROM visits").fetchall() == [
                ("2026-05-04 12:00:00.000000", "female", 19.99)
            ]
            store.add([BARE])
            assert reader.execute("SELECT count(*) FROM visits").fetchone() == (1,)
            reader.rollback()
            assert reader.execute("SELECT count(*) FROM visits").fetchone() == (2,)
            assert [reader.execute(f"PRAGMA {name}").fetchone() for name in ("journal_mode", "auto_vacuum")] == [
                ("wal",),
                (1,),
            ]

    @pytest.mark.parametrize("scheme", ["postgresql", "postgresql+psycopg", "postgres"])
    def test_ways_to_write_the_address_of_postgresql(self, postgresql_url: str, scheme: str):
        with closing(open_store(postgresql_url.replace("postgresql", scheme, 1))) as store:
            assert store.latest() == ()

    def test_a_store_can_be_opened_again(self, store_url: str):
        with closing(open_store(store_url)) as store:
            store.add([FULL])
        with closing(open_store(store_url)) as store:
            assert store.latest() == (FULL,)


def test_a_visit_is_found_by_its_id_until_it_is_deleted(store: VisitStore) -> None:
    one, other = visit(), visit()
    store.add([one, other])

    assert store.get(one.id) == one
    store.delete([one.id])
    assert store.get(one.id) is None
