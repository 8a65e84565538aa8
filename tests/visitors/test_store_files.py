"""Where the visitors' database lies, and what is left there of what was deleted."""

from __future__ import annotations

import sqlite3
import stat
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from facetraits.settings import database_url
from facetraits.visitors.store import VisitStore, open_store
from facetraits.visitors.visit import Settings
from tests.builders import ROOT
from tests.visitors.conftest import BARE, FULL, NOON, visit


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
