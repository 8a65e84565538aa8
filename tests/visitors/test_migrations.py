"""Every version of the tables leads to the next and back, on SQLite and on PostgreSQL."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import closing
from dataclasses import fields
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import JSON, Connection, Engine, LargeBinary, inspect, text
from sqlalchemy.exc import IntegrityError

from facetraits.visitors import migrations
from facetraits.visitors.engine import engine_for, parse_url
from facetraits.visitors.schema import metadata, visits
from facetraits.visitors.store import StoreError, VisitStore, open_store
from facetraits.visitors.visit import Visit
from tests.visitors.conftest import visit

OURS = {
    *("visits", "visit_settings", "visit_sales_columns", "visit_changes"),
    *("visit_lines", "visit_ignored_corners"),
    "visit_days",
}


@pytest.fixture
def database(store_url: str) -> Iterator[Engine]:
    """An empty database of each kind."""
    engine = engine_for(parse_url(store_url))
    yield engine
    engine.dispose()


def tables(engine: Engine) -> set[str]:
    return set(inspect(engine).get_table_names())


def constraints(connection: Connection) -> dict[str, set[str]]:
    """All constraints and indexes by table, in the database's own words."""
    found = inspect(connection)
    return {
        table: {f"{check['name']}: {check['sqltext']}" for check in found.get_check_constraints(table)}
        | {
            f"{index['name']}: {index['column_names']} {[str(v) for v in index['dialect_options'].values()]}"
            for index in found.get_indexes(table)
        }
        for table in OURS
    }


class TestVersions:
    def test_up_and_down_and_up_again(self, database: Engine):
        for _ in range(2):
            with database.begin() as connection:
                migrations.upgrade(connection)
                assert migrations.current(connection) == migrations.revisions()[0]
            assert tables(database) == OURS | {migrations.VERSION_TABLE}
            with database.begin() as connection:
                migrations.downgrade(connection, "base")
                assert migrations.current(connection) is None
            assert tables(database) == {migrations.VERSION_TABLE}

    def test_every_step_can_be_taken_back(self, database: Engine):
        known = [*migrations.revisions(), "base"]
        with database.begin() as connection:
            migrations.upgrade(connection)
            for revision in known[1:]:
                migrations.downgrade(connection, revision)
                assert migrations.current(connection) == (None if revision == "base" else revision)

    def test_they_make_the_tables_of_the_schema(self, database: Engine):
        with database.begin() as connection:
            migrations.upgrade(connection)
            context = MigrationContext.configure(
                connection, opts={"version_table": migrations.VERSION_TABLE, "compare_server_default": True}
            )
            assert compare_metadata(context, metadata) == []
            found = constraints(connection)
            assert all(found.values())
            migrations.downgrade(connection, "base")
            metadata.create_all(connection)
            assert constraints(connection) == found

    def test_where_it_fails_nothing_stays(self, database: Engine):
        with database.begin() as connection:
            connection.execute(text("CREATE TABLE visit_changes (theirs INTEGER)"))
        with pytest.raises(Exception, match="already exists"), database.begin() as connection:
            migrations.upgrade(connection)
        assert tables(database) == {"visit_changes"}

    def test_there_is_no_place_for_a_picture(self):
        assert not any(isinstance(column.type, LargeBinary | JSON) for column in visits.c)
        assert {column.name for column in visits.c} == {field.name for field in fields(Visit)}


class TestOpening:
    def test_brings_an_empty_version_up_to_date(self, database: Engine, store_url: str):
        with database.begin() as connection:
            migrations.upgrade(connection)
            migrations.downgrade(connection, "base")
        with closing(open_store(store_url)) as store:
            store.add([visit()])
            assert len(store.latest()) == 1

    def test_refuses_what_a_newer_program_made(self, store: VisitStore, store_url: str, database: Engine):
        store.add([visit()])
        with database.begin() as connection:
            connection.execute(text(f"UPDATE {migrations.VERSION_TABLE} SET version_num = '9999'"))
        with pytest.raises(StoreError) as caught:
            open_store(store_url)
        assert str(caught.value) == f"{store.name} was made by a newer version of this program: update this one."
        assert len(store.latest()) == 1

    def test_leaves_the_loggers_of_the_app_alone(self, store_url: str, caplog: pytest.LogCaptureFixture):
        ours = logging.getLogger("facetraits.test_migrations")
        root = logging.getLogger()
        before = (root.level, list(root.handlers), logging.root.manager.disable)
        with caplog.at_level(logging.INFO, logger="facetraits"):
            open_store(store_url).close()
            ours.info("still heard")
        assert (root.level, list(root.handlers), logging.root.manager.disable) == before
        assert [record.getMessage() for record in caplog.records] == ["still heard"]
        assert not ours.disabled

    def test_does_not_depend_on_the_folder(
        self, store_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
    ):
        monkeypatch.chdir(tmp_path)
        open_store(store_url).close()
        assert capfd.readouterr() == ("", "")


GOOD = {column.name: getattr(visit(), column.name) for column in visits.c}


class TestWhatTheDatabaseRefuses:
    """What no part of this program writes, others cannot write either."""

    @pytest.mark.parametrize(
        "wrong",
        [
            {"started": None},
            {"source": ""},
            {"source": "x" * 81},
            {"duration_s": -1.0},
            {"age": -0.5},
            {"age_group": "20-30"},
            {"gender": "Male"},
            {"ethnicity": ""},
            {"mood": "happy"},
            {"gender": "male", "gender_confidence": 1.01},
            {"mood_confidence": 0.5},
            {"bought": "perhaps"},
            {"basket": -1},
            {"ended": None},
        ],
        ids=str,
    )
    def test_bad_values(self, store: VisitStore, wrong: dict[str, Any]):
        with pytest.raises(Exception) as caught, store._engine.begin() as connection:
            connection.execute(visits.insert(), {**GOOD, **wrong})
        assert "constraint" in str(caught.value) or "too long" in str(caught.value)
        assert store.latest() == ()

    @pytest.mark.parametrize("table", ["visit_settings", "visit_changes"])
    def test_a_second_row(self, store: VisitStore, table: str):
        with pytest.raises(IntegrityError), store._engine.begin() as connection:
            connection.execute(text(f"UPDATE {table} SET id = 2"))

    def test_a_visit_twice(self, store: VisitStore):
        with store._engine.begin() as connection:
            connection.execute(visits.insert(), GOOD)
        with pytest.raises(IntegrityError), store._engine.begin() as connection:
            connection.execute(visits.insert(), {**GOOD, "started": GOOD["started"] + timedelta(days=1)})


@pytest.mark.parametrize(
    ("asked", "index"),
    [
        ("SELECT * FROM visits WHERE ended = false ORDER BY started DESC", "ix_visits_not_ended"),
        ("SELECT DISTINCT source FROM visits", "ix_visits_source_started"),
        ("SELECT * FROM visits WHERE started < '2026-05-04 12:00:00'", "ix_visits_started"),
    ],
)
def test_questions_are_answered_by_an_index(sqlite_url: str, asked: str, index: str):
    with closing(open_store(sqlite_url)) as store, store._engine.connect() as connection:
        plan = connection.execute(text(f"EXPLAIN QUERY PLAN {asked.replace('false', '0')}")).all()
    assert any(index in row[-1] for row in plan), plan
