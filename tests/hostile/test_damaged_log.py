"""A log that is damaged, locked or no log at all: every use of it succeeds or says why in one sentence."""

from __future__ import annotations

import random
import sqlite3
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import UTC, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from facetraits.visitors import engine, patterns
from facetraits.visitors.export import to_csv, to_parquet
from facetraits.visitors.layout import layout_of
from facetraits.visitors.store import StoreError, VisitStore, open_store
from facetraits.visitors.visit import Selection, Settings
from facetraits.visitors.weeks import compare_weeks, week_spans
from tests.hostile.damage import damaged_database
from tests.visitors.conftest import NOON, visit
from tests.visitors.made_visits import make_frame, visits_of

PAGE = 4096
KNOWN = UUID(int=1)


def all_patterns(store: VisitStore) -> None:
    counts = store.counts(UTC)
    patterns.findings(counts.cells)
    for by in (("age_group", "gender"), ("weekday",), ("source",)):
        patterns.conversion(counts, by)
    for pattern in (patterns.summary, patterns.by_hour, patterns.by_day, patterns.weekday_hour, patterns.by_group):
        pattern(counts)
    patterns.mood_by_outcome(counts)
    patterns.crossings_by_hour(counts)
    now = NOON.astimezone(UTC)
    compare_weeks(store.count_spans(UTC, week_spans(now)), now)


# Those that delete come last.
OPERATIONS: dict[str, Callable[[VisitStore], object]] = {
    "settings": lambda store: store.settings(),
    "layouts": lambda store: store.layouts(),
    "crossings": lambda store: store.crossings(),
    "version": lambda store: store.version(),
    "current": lambda store: store.current(NOON, 6.0),
    "end abandoned": lambda store: store.end_abandoned(NOON),
    "latest": lambda store: store.latest(1000),
    "get": lambda store: store.get(KNOWN),
    "count": lambda store: store.count(Selection(since=NOON, sources=("door",))),
    "sources": lambda store: store.sources(),
    "patterns": all_patterns,
    "csv": lambda store: to_csv(store.frame(), UTC),
    "parquet": lambda store: to_parquet(store.frame()),
    "add": lambda store: store.add([visit(i, id=uuid4()) for i in range(50)]),
    "update": lambda store: store.update([replace(visit(), id=KNOWN)]),
    "mark": lambda store: store.mark([KNOWN], "yes"),
    "edit": lambda store: store.edit(replace(visit(), id=KNOWN)),
    "attach": lambda store: store.attach_sales([(KNOWN, NOON, Decimal(3))], [uuid4()]),
    "withdraw": lambda store: store.withdraw({uuid4(): KNOWN}),
    "save layout": lambda store: store.save_layout("door", layout_of((0, 0, 1, 1), [(0, 0, 1, 0, 1, 1)])),
    "save settings": lambda store: store.save_settings(Settings()),
    "expire": lambda store: store.expire(NOON + timedelta(days=95)),
    "delete": lambda store: store.delete([KNOWN]),
    "delete all": lambda store: store.delete_all(),
}


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return sound_log(tmp_path_factory.mktemp("log"))


def sound_log(folder: Path) -> bytes:
    """A real log as its file."""
    path = folder / "visitors.db"
    with closing(open_store(f"sqlite:///{path}")) as store:
        store.add([*visits_of(make_frame(400, seed=1, unknown=0.3)), visit(id=KNOWN)])
        store.save_layout("door", layout_of((0, 0, 1, 1), [(0, 0, 1, 0, 1, 1)]))
    return path.read_bytes()


def sentence(use: Callable[[], object]) -> str | None:
    """What the owner reads; None where it succeeds."""
    try:
        use()
    except StoreError as error:
        message = str(error)
        assert message.endswith(".") and message.isprintable() and len(message) < 400, message
        return message
    return None


def used(path: Path, found: Counter[str], damage_while_open: Callable[[], object] | None = None) -> None:
    """Open a log and use it in every way; what is raised but ``StoreError`` is counted by its type."""

    def attempt(name: str, use: Callable[[], object]) -> None:
        try:
            found["fails" if sentence(use) else "succeeds"] += 1
        except Exception as error:
            found[f"{type(error).__name__} in {name}"] += 1

    opened: list[VisitStore] = []
    attempt("open", lambda: opened.append(open_store(f"sqlite:///{path}")))
    for store in opened:
        with closing(store):
            if damage_while_open is not None:
                damage_while_open()
            for name, use in OPERATIONS.items():
                attempt(name, partial(use, store))


def outcomes(folder: Path, sound: bytes, count: int, first: int = 0) -> Counter[str]:
    """How the uses of so many damaged logs end."""
    found: Counter[str] = Counter()
    for seed in range(first, first + count):
        draw = random.Random(seed)
        path = folder / f"{seed}.db"
        damaged = damaged_database(sound, PAGE, draw)
        if seed % 4:
            path.write_bytes(damaged)
            used(path, found)
        else:
            path.write_bytes(sound)
            used(path, found, lambda path=path, damaged=damaged: path.write_bytes(damaged))  # type: ignore[misc]
    return found


def test_damaged_pages_are_a_sentence(tmp_path: Path, sound: bytes) -> None:
    found = outcomes(tmp_path, sound, 60)

    assert set(found) == {"succeeds", "fails"}, found
    assert found["fails"] > 100


CHANGES = {
    "no settings": "DELETE FROM visit_settings",
    "no number of changes": "DELETE FROM visit_changes",
    "two versions": "INSERT INTO visit_schema VALUES ('0000')",
    "no version": "DELETE FROM visit_schema",
    "unknown version": "UPDATE visit_schema SET version_num = x'ff'",
    "no table of versions": "DROP TABLE visit_schema",
    "no visits": "DROP TABLE visits",
    "other columns": "ALTER TABLE visits RENAME COLUMN started TO begun",
    "time in words": "UPDATE visits SET started = 'noon'",
    "time as a number": "UPDATE visits SET started = 12",
    "no such day": "UPDATE visits SET started = '2026-02-31 12:00:00.000000'",
    "year 0": "UPDATE visits SET started = '0000-01-01 12:00:00.000000'",
    "time with a zone": "UPDATE visits SET started = '2026-05-04 12:00:00.000000+02:00'",
    "bytes as a time": "UPDATE visits SET started = x'ff00'",
    "sale in words": "UPDATE visits SET sold_at = 'later'",
    "id": "UPDATE visits SET id = 'x' WHERE id = (SELECT min(id) FROM visits)",
    "no id": "UPDATE visits SET id = NULL WHERE id = (SELECT min(id) FROM visits)",
    "source of bytes": "UPDATE visits SET source = x'c328'",
    "source that is no UTF-8": "UPDATE visits SET source = CAST(x'c328' AS TEXT)",
    "source that is a control": "UPDATE visits SET source = char(10)",
    "endless duration": "UPDATE visits SET duration_s = 9e999",
    "negative duration": "UPDATE visits SET duration_s = -1",
    "duration in words": "UPDATE visits SET duration_s = 'long'",
    "age in words": "UPDATE visits SET age = 'old'",
    "huge age": "UPDATE visits SET age = 1e300",
    "endless basket": "UPDATE visits SET basket = 9e999",
    "huge basket": "UPDATE visits SET basket = 1e300",
    "basket in words": "UPDATE visits SET basket = 'much'",
    "unknown class": "UPDATE visits SET gender = 'x', mood = 3, bought = 'perhaps'",
    "confidence": "UPDATE visits SET gender_confidence = 'high', mood_confidence = 7",
    "ended in words": "UPDATE visits SET ended = 'yes', corrected = 7",
    "settings in words": "UPDATE visit_settings SET enter_s = 'x', retention_days = 'y'",
    "settings out of range": "UPDATE visit_settings SET away_s = -1",
    "changes in words": "UPDATE visit_changes SET number = 'many'",
    "changes beyond all numbers": "UPDATE visit_changes SET number = 9223372036854775807",
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("constrained", [True, False], ids=["", "unconstrained"])
def test_another_programs_changes_are_a_sentence(tmp_path: Path, sound: bytes, change: str, constrained: bool) -> None:
    path = tmp_path / "visitors.db"
    path.write_bytes(sound)
    with closing(sqlite3.connect(path)) as connection, connection:
        if not constrained:
            _drop_constraints(connection)
        connection.execute("PRAGMA ignore_check_constraints = ON")
        try:
            connection.execute(CHANGES[change])
        except sqlite3.IntegrityError:
            pytest.skip("the file's own rules forbid it")
    found: Counter[str] = Counter()

    used(path, found)

    assert set(found) <= {"succeeds", "fails"}, found


def _drop_constraints(connection: sqlite3.Connection) -> None:
    connection.execute("CREATE TABLE plain AS SELECT * FROM visits")
    connection.execute("DROP TABLE visits")
    connection.execute("ALTER TABLE plain RENAME TO visits")


def test_a_schema_that_is_no_text_is_a_sentence(tmp_path: Path, sound: bytes) -> None:
    """SQLite repeats it in its message, which Python cannot read then."""
    path = tmp_path / "visitors.db"
    path.write_bytes(sound.replace(b"CHECK (id = 1)", b"CHE\xabK (id = 1)"))

    message = sentence(lambda: open_store(f"sqlite:///{path}"))

    assert message is not None and "is damaged" in message


def test_what_is_no_database_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "text").write_text("Milk, bread, butter\n" * 100)
    for name in ("folder", "text", "text/visitors.db", "no/where/visitors.db"):
        assert sentence(lambda name=name: open_store(f"sqlite:///{tmp_path}/{name}").close())  # type: ignore[misc]


def test_a_log_that_another_program_keeps_locked_is_a_sentence(
    tmp_path: Path, sound: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "_BUSY_S", 0.05)
    path = tmp_path / "visitors.db"
    path.write_bytes(sound)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("PRAGMA locking_mode = EXCLUSIVE")
        other.execute("BEGIN IMMEDIATE")
        other.execute("UPDATE visit_changes SET number = 7")
        message = sentence(lambda: open_store(f"sqlite:///{path}"))

    assert message is not None and "is in use" in message


def test_a_log_that_has_become_read_only_is_read_and_says_why_it_is_not_written(tmp_path: Path, sound: bytes) -> None:
    path = tmp_path / "visitors.db"
    path.write_bytes(sound)
    with closing(open_store(f"sqlite:///{path}")) as store:

        def read_only(raw: sqlite3.Connection, *_: object) -> None:
            raw.execute("PRAGMA query_only = ON")

        engine.event.listen(store._engine, "checkout", read_only)
        assert len(store.frame()) == 401
        message = sentence(store.delete_all)

    assert message is not None and "read-only" in message
