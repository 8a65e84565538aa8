"""Time and memory of the patterns of long visitor logs, on SQLite and on PostgreSQL.

``python -m benchmarks.long_log [--visits N ...] [--sources N] [--days N] [--quick]``. The visits are made up, of a shop
with opening hours. They are put into tables of the version before the counts (0004), so that bringing the log up to
date is measured too. Every query is measured with a warm cache: the page that asks it has been shown before.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import psycopg
import sqlalchemy as sa

from benchmarks.reporting import table, this_machine, write_results
from facetraits.visitors import migrations, patterns
from facetraits.visitors.counts import Counts
from facetraits.visitors.engine import engine_for, parse_url
from facetraits.visitors.schema import visits as visits_table
from facetraits.visitors.store import VisitStore, open_store
from facetraits.visitors.visit import VISIT_CLASSES, Selection
from facetraits.visitors.weeks import compare_weeks, week_spans
from tests.visitors.made_visits import BERLIN
from tests.visitors.servers import postgresql_server

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "results" / "long_log.json"
PACKAGES = ("SQLAlchemy", "numpy", "psycopg")
BEGAN = datetime(2021, 1, 4, tzinfo=UTC)  # a Monday
AT_ONCE = 100_000
COLUMNS = [column.name for column in visits_table.c]
QUARTER_HOURS = ZoneInfo("Asia/Kathmandu")


# ---------------------------------------------------------------------------------------------------------- made data


def rows_of(start: int, number: int, days: int, sources: int) -> Iterator[tuple[Any, ...]]:
    """Rows of visits in the order of ``COLUMNS``, with numbers from ``start`` on as their ids."""
    draw = np.random.default_rng(start)
    day, hour = draw.integers(days, size=number), draw.choice([9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19], number)
    seconds = (day * 24 + hour) * 3600 + draw.uniform(0, 3600, number)
    started = np.datetime64(BEGAN.replace(tzinfo=None), "us") + (seconds * 1e6).astype("timedelta64[us]")
    bought = draw.choice(["yes", "no", "unknown"], number, p=[0.25, 0.45, 0.3])
    basket = np.round(draw.gamma(2, 12, number) + 0.5, 2)
    ids = [f"{start + i:032x}" for i in range(number)]
    cells: dict[str, list[Any]] = {
        "id": ids,
        "started": np.datetime_as_string(started, unit="us").tolist(),
        "source": [f"door {place + 1}" for place in draw.integers(sources, size=number)],
        "duration_s": np.round(draw.gamma(2, 150, number), 3).tolist(),
        "age": np.round(draw.uniform(5, 80, number), 1).tolist(),
        "bought": bought.tolist(),
        "basket": [float(paid) if of == "yes" else None for paid, of in zip(basket, bought, strict=True)],
        "ended": [True] * number,
        "corrected": [False] * number,
        "sale_guessed": (draw.uniform(size=number) < 0.05).tolist(),
    }
    shares = {"age_group": (0.15, 0.35, 0.3, 0.17, 0.03), "gender": (0.45, 0.55), "mood": (0.25, 0.6, 0.15)}
    for trait, share in shares.items():
        cells[trait] = draw.choice(VISIT_CLASSES[trait], number, p=share).tolist()  # type: ignore[index]
    nothing = [None] * number
    yield from zip(*(cells.get(name, nothing) for name in COLUMNS), strict=True)


def fill(url: str, number: int, days: int, sources: int) -> float:
    """Put visits into tables of version 0004; returns the seconds that opening the log takes after that."""
    engine = engine_for(parse_url(url))
    with engine.begin() as connection:
        migrations.upgrade(connection)
        migrations.downgrade(connection, "0004")
    engine.dispose()
    pieces = [(start, min(AT_ONCE, number - start)) for start in range(0, number, AT_ONCE)]
    if url.startswith("sqlite"):
        quick = sa.create_engine(url)
        with closing(quick.raw_connection()) as raw:
            raw.execute("PRAGMA synchronous = OFF")
            raw.execute("PRAGMA cache_size = -2000000")
            statement = f"INSERT INTO visits ({', '.join(COLUMNS)}) VALUES ({', '.join('?' * len(COLUMNS))})"
            for start, some in pieces:
                # As SQLAlchemy keeps a time: with a space, not with a T.
                written = (
                    tuple(cell.replace("T", " ") if place == 1 else cell for place, cell in enumerate(row))
                    for row in rows_of(start, some, days, sources)
                )
                raw.executemany(statement, written)
                raw.commit()
        quick.dispose()
    else:
        with psycopg.connect(url, autocommit=True) as raw:
            for start, some in pieces:
                with raw.cursor().copy(f"COPY visits ({', '.join(COLUMNS)}) FROM STDIN") as copy:
                    for row in rows_of(start, some, days, sources):
                        copy.write_row(row)
    started = time.perf_counter()
    open_store(url).close()
    seconds = time.perf_counter() - started
    if not url.startswith("sqlite"):
        with psycopg.connect(url, autocommit=True) as raw:
            raw.execute("VACUUM ANALYZE")  # which the server does by itself, some time later
    return seconds


# ------------------------------------------------------------------------------------------------------- measurements


def all_patterns(counts: Counts) -> None:
    """What every part of the page's view of patterns computes, findings included."""
    patterns.summary(counts)
    patterns.by_hour(counts)
    patterns.by_day(counts)
    patterns.weekday_hour(counts)
    patterns.by_group(counts)
    patterns.mood_by_outcome(counts)
    patterns.crossings_by_hour(counts)
    for by in (("age_group",), ("gender",), ("age_group", "gender"), ("mood",), ("weekday",), ("part_of_day",)):
        patterns.conversion(counts, by)
    patterns.findings(counts)


def tasks_of(store: VisitStore, days: int) -> dict[str, Callable[[], object]]:
    """Name to what is measured."""
    last = (BEGAN + timedelta(days=days)).astimezone(BERLIN).replace(hour=15, minute=7)
    month = Selection(since=last.replace(hour=0, minute=0) - timedelta(days=30))
    chosen = Selection(genders=("female",), sources=("door 1",))
    return {
        "page, all visits": lambda: all_patterns(store.counts(BERLIN)),
        "page, last 30 days": lambda: all_patterns(store.counts(BERLIN, month)),
        "page, women at one door": lambda: all_patterns(store.counts(BERLIN, chosen)),
        "page, all visits, a zone of quarter hours": lambda: all_patterns(store.counts(QUARTER_HOURS)),
        "weeks": lambda: compare_weeks(store.count_spans(BERLIN, week_spans(last)), last),
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
            counted = connection.execute(sa.text("SELECT count(*) FROM visit_counts")).scalar_one()
    log = {"database": name, "visits": number, "counts": counted, "size_mb": size_mb(url)}
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
