"""Time and memory of the patterns of long visitor logs, on SQLite and on PostgreSQL.

``python -m benchmarks.long_log [--visits N ...] [--sources N] [--days N] [--quick]``. The visits are made up, of a shop
with opening hours. They are put into tables of an older version (0004), so that bringing the log up to date is
measured too. Every query is measured with a warm cache: the page that asks it has been shown before.
"""

from __future__ import annotations

import argparse
import json
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from itertools import cycle
from pathlib import Path
from statistics import median
from typing import Any
from zoneinfo import ZoneInfo

import psycopg
import sqlalchemy as sa

from benchmarks.reporting import table, this_machine, write_results
from facetraits.visitors import migrations, patterns
from facetraits.visitors.counts import Counts
from facetraits.visitors.engine import engine_for, parse_url
from facetraits.visitors.schema import visits
from facetraits.visitors.store import VisitStore, open_store
from facetraits.visitors.visit import EVERYTHING, OUTCOMES, Selection
from facetraits.visitors.weeks import compare_weeks, week_spans
from tests.visitors.made_visits import BERLIN
from tests.visitors.servers import postgresql_server

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "results" / "long_log.json"
PACKAGES = ("SQLAlchemy", "psycopg")
BEGAN = datetime(2021, 1, 4, tzinfo=UTC)  # a Monday
AT_ONCE = 1_000_000
QUARTER_HOURS = ZoneInfo("Asia/Kathmandu")


# ---------------------------------------------------------------------------------------------------------- made data


def insertion(dialect: str, start: int, number: int, days: int, sources: int) -> str:
    """A statement that makes so many visits, with numbers from ``start`` on as their ids; the database draws them."""

    def draw(below: int) -> str:
        return f"(abs(random()) % {below})" if dialect == "sqlite" else f"floor(random() * {below})::int"

    def pick(shares: dict[str, int]) -> str:
        names = [name for name, share in shares.items() for _ in range(share)]
        cases = " ".join(f"WHEN {place} THEN '{name}'" for place, name in enumerate(names))
        return f"CASE {draw(len(names))} {cases} END"

    seconds = f"{BEGAN.timestamp():.0f} + {draw(days)} * 86400 + (9 + {draw(11)}) * 3600 + {draw(3600)}"
    if dialect == "sqlite":
        numbers = (
            f"(WITH RECURSIVE n(i) AS (SELECT {start} UNION ALL SELECT i + 1 FROM n WHERE i < {start + number - 1})"
            " SELECT i FROM n)"
        )
        number_, moment = "printf('%032x', i)", f"strftime('%Y-%m-%d %H:%M:%S', {seconds}, 'unixepoch')"
        moment += f" || '.' || printf('%06d', {draw(1_000_000)})"
    else:
        numbers = f"generate_series({start}, {start + number - 1}) AS g(i)"
        number_, moment = "lpad(to_hex(i), 32, '0')::uuid", f"to_timestamp({seconds} + random())"
    cells = {
        "id": number_,
        "started": moment,
        "source": f"'door ' || {draw(sources)}",
        "duration_s": f"({draw(300_000)} + {draw(300_000)}) / 1000.0",
        "age_group": pick({"0-20": 3, "21-40": 7, "41-60": 6, "61-80": 3, "81+": 1}),
        "gender": pick({"male": 9, "female": 11}),
        "mood": pick({"positive": 5, "neutral": 12, "negative": 3}),
        "bought": pick({"yes": 5, "no": 9, "unknown": 6}),
        "basket": f"(50 + {draw(6000)}) / 100.0",  # also of those who did not buy, for whom it does not count
        "sale_guessed": "false",
        "ended": "true",
        "corrected": "false",
    }
    return f"INSERT INTO visits ({', '.join(cells)}) SELECT {', '.join(cells.values())} FROM {numbers}"


def fill(url: str, number: int, days: int, sources: int) -> float:
    """Put visits into tables of version 0004; returns the seconds that opening the log takes after that."""
    engine = engine_for(parse_url(url))
    dialect = engine.dialect.name
    with engine.begin() as connection:
        migrations.upgrade(connection)
        migrations.downgrade(connection, "0004")
    engine.dispose()
    if dialect == "sqlite":
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as raw:
            raw.execute("PRAGMA synchronous = OFF")
            raw.execute("PRAGMA cache_size = -2000000")
            for start in range(0, number, AT_ONCE):
                raw.execute(insertion(dialect, start, min(AT_ONCE, number - start), days, sources))
                raw.commit()
    else:
        with psycopg.connect(url, autocommit=True) as connected:
            for start in range(0, number, AT_ONCE):
                connected.execute(insertion(dialect, start, min(AT_ONCE, number - start), days, sources))  # type: ignore[arg-type]
    started = time.perf_counter()
    open_store(url).close()
    seconds = time.perf_counter() - started
    if dialect == "postgresql":
        with psycopg.connect(url, autocommit=True) as connected:
            connected.execute("VACUUM ANALYZE")  # which the server does by itself, some time later
    return seconds


# ------------------------------------------------------------------------------------------------------- measurements


def all_patterns(counts: Counts) -> None:
    """What every part of the page's view of patterns computes, but the weeks."""
    patterns.findings(counts.cells)
    patterns.summary(counts)
    patterns.by_hour(counts)
    patterns.by_day(counts)
    patterns.weekday_hour(counts)
    patterns.by_group(counts)
    patterns.mood_by_outcome(counts)
    patterns.crossings_by_hour(counts)
    for by in (("age_group",), ("gender",), ("age_group", "gender"), ("mood",), ("weekday",), ("source",)):
        patterns.conversion(counts, by)


def tasks_of(store: VisitStore, days: int) -> dict[str, Callable[[], object]]:
    """Name to what is measured."""
    last = (BEGAN + timedelta(days=days)).astimezone(BERLIN).replace(hour=15, minute=7)
    month = Selection(since=last.replace(hour=0, minute=0) - timedelta(days=30))
    chosen = Selection(genders=("female",), sources=("door 1",))
    doors = tuple(f"door {number}" for number in range(0, 20, 2))
    many = Selection(
        since=last - timedelta(days=days // 2),
        sources=doors,
        age_groups=("0-20", "21-40", "41-60"),
        genders=("female",),
        moods=("positive", "neutral"),
        outcomes=("bought", "guessed", "not bought"),
    )
    since = [sa.select(visits.c.id).where(visits.c.started > last - timedelta(days=day)) for day in range(2, 92)]
    with store._reading() as connection:
        found = [connection.execute(some.order_by(visits.c.started).limit(1)).scalar() for some in since]
    known = [number for number in found if number is not None]  # few days have visits where there are few

    def everything(zone: ZoneInfo, selection: Selection = EVERYTHING) -> None:
        all_patterns(store.counts(zone, selection))
        compare_weeks(store.count_spans(zone, week_spans(last), selection), last)

    outcomes = cycle(OUTCOMES)

    def after_changes() -> None:
        store.mark(known, next(outcomes))
        everything(BERLIN)

    return {
        "all of the page, all visits": lambda: everything(BERLIN),
        "all of the page, every filter, a zone of quarter hours": lambda: everything(QUARTER_HOURS, many),
        "all of the page, after changes on 90 days": after_changes,
        "page, all visits": lambda: all_patterns(store.counts(BERLIN)),
        "page, last 30 days": lambda: all_patterns(store.counts(BERLIN, month)),
        "page, women at one door": lambda: all_patterns(store.counts(BERLIN, chosen)),
        "page, all visits, a zone of quarter hours": lambda: all_patterns(store.counts(QUARTER_HOURS)),
        "weeks": lambda: compare_weeks(store.count_spans(BERLIN, week_spans(last)), last),
        "one visit is marked": lambda: store.mark(known[:1], next(outcomes)),
        "number of visits": store.count,
        "names of sources": store.sources,
    }


def measure(task: Callable[[], object], rounds: int) -> float:
    """Median seconds, after a first round that is not measured."""
    seconds = []
    for _ in range(rounds + 1):
        started = time.perf_counter()
        task()
        seconds.append(time.perf_counter() - started)
    return median(seconds[1:])


def measure_memory(url: str) -> dict[str, int]:
    """Peak resident MB of a fresh process: before it reads the log, and after all patterns."""
    command = [sys.executable, "-m", "benchmarks.long_log", "--memory-of", url]
    done = subprocess.run(command, check=True, capture_output=True, cwd=ROOT)
    measured: dict[str, int] = json.loads(done.stdout)
    return measured


def use_memory(url: str) -> None:
    """Runs in the process of ``measure_memory``; prints what that returns."""
    store = open_store(url)
    opened = _peak_mb()
    all_patterns(store.counts(BERLIN))
    print(json.dumps({"opened_mb": opened, "patterns_mb": _peak_mb()}))


def _peak_mb() -> int:
    return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) // 1024


def size_mb(url: str) -> int:
    """Of the whole database on the disk."""
    if url.startswith("sqlite"):
        return Path(url.removeprefix("sqlite:///")).stat().st_size // 2**20
    with psycopg.connect(url) as raw:
        row = raw.execute("SELECT pg_database_size(current_database())").fetchone()
    assert row is not None
    return int(row[0]) // 2**20


def measure_log(url: str, number: int, days: int, sources: int, rounds: int) -> tuple[list[dict[str, Any]], dict]:
    """Rows of times, and one of sizes."""
    name = "SQLite" if url.startswith("sqlite") else "PostgreSQL"
    migration_s = fill(url, number, days, sources)
    with closing(open_store(url)) as store:
        if store.counts(BERLIN).visits != number:
            sys.exit("The counts are wrong.")
        rows = [
            {"database": name, "visits": number, "task": task, "seconds": round(measure(work, rounds), 3)}
            for task, work in tasks_of(store, days).items()
        ]
        with store._reading() as connection:
            counted = connection.execute(sa.text("SELECT count(*) FROM visit_days")).scalar_one()
    log = {"database": name, "visits": number, "days": counted, "size_mb": size_mb(url)}
    return rows, log | {"up_to_date_s": round(migration_s, 1)} | measure_memory(url)


def report(results: dict[str, Any]) -> str:
    """All tables of the results as Markdown."""
    machine, settings = results["machine"], results["settings"]
    return "\n\n".join(
        [
            f"# Long logs\n\n{machine['cpu_count']} cores ({machine['machine']}), Python {machine['python']}, load "
            f"{machine['load_average']} at the start; {settings['sources']} sources, {settings['days']} days; medians "
            f"of {settings['rounds']} rounds.",
            table(results["rows"]),
            "## Sizes",
            table(results["logs"]),
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--visits", type=int, nargs="+", default=[100_000, 1_000_000, 10_000_000])
    parser.add_argument("--sources", type=int, default=20)
    parser.add_argument("--days", type=int, default=1825)
    parser.add_argument("--out", type=Path, help="where the results go as JSON (default: beside this script)")
    parser.add_argument("--quick", action="store_true", help="few visits; written only with --out")
    parser.add_argument("--memory-of", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.memory_of:
        use_memory(arguments.memory_of)
        return
    rounds, sizes = (1, [2_000]) if arguments.quick else (3, arguments.visits)
    out = arguments.out or (None if arguments.quick else RESULTS)
    results: dict[str, Any] = {
        "machine": this_machine(),
        "versions": {package: version(package) for package in PACKAGES},
        "settings": {"rounds": rounds, "sources": arguments.sources, "days": arguments.days},
        "rows": [],
        "logs": [],
    }
    for number in sizes:
        for kind in ("SQLite", "PostgreSQL"):
            with ExitStack() as held:
                if kind == "SQLite":
                    folder = held.enter_context(tempfile.TemporaryDirectory())
                    url = f"sqlite:///{Path(folder) / 'visitors.db'}"
                else:
                    url = held.enter_context(postgresql_server()).url("visitors")
                rows, log = measure_log(url, number, arguments.days, arguments.sources, rounds)
            results["rows"] += rows
            results["logs"].append(log)
            write_results(results, out)
    print(report(results))


if __name__ == "__main__":
    main()
