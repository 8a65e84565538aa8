"""Time and memory of the visitors' log: reading it, the patterns of its page, export, and the import of sales.

``python -m benchmarks.visitors [--quick]``. The visits are made up, of a shop with opening hours over one year, in an
SQLite file in the system's cache. Reading is compared with pandas' own way from a database, matching with SciPy's
solver for sparse assignments, in one run and in turns, A B A B: ratios travel to other machines, times do not.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pandas as pd
import sqlalchemy as sa
from scipy.sparse import coo_array
from scipy.sparse.csgraph import min_weight_full_bipartite_matching

from benchmarks.long_log import all_patterns
from benchmarks.reporting import table, this_machine, write_results
from facetraits.visitors import patterns
from facetraits.visitors.export import to_csv, to_parquet
from facetraits.visitors.sales.matching import MatchRule, Sale, assign, match_sales
from facetraits.visitors.sales.reading import read_sales
from facetraits.visitors.store import VisitStore, open_store
from tests.visitors.made_visits import BERLIN, make_frame, visits_of

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "results" / "visitors.json"
PACKAGES = ("pandas", "numpy", "SQLAlchemy", "pyarrow", "scipy")

RULE = MatchRule()
PEERS = {"read the log": "pandas.read_sql", "match the sales": "scipy.sparse.csgraph"}


# -------------------------------------------------------------------------------------------------------------- tasks


def tasks_of(store: VisitStore, url: str, till: bytes) -> dict[str, Callable[[], object]]:
    """Name to what is measured; a peer's name ends in its own."""
    frame, sales = store.frame(), read_sales(till, BERLIN).sales
    sale_ms, visit_ms = _milliseconds([sale.time for sale in sales]), _milliseconds(frame["started"])
    free = np.zeros(len(visit_ms), dtype=bool)
    engine = sa.create_engine(url)
    return {
        "read the log": store.frame,
        f"read the log: {PEERS['read the log']}": lambda: pd.read_sql("SELECT * FROM visits ORDER BY started", engine),
        "patterns": lambda: all_patterns(store.counts(BERLIN)),
        "findings": lambda: patterns.findings(store.counts(BERLIN).cells),
        "export as CSV": lambda: to_csv(frame, BERLIN),
        "export as Parquet": lambda: to_parquet(frame),
        "read the till's file": lambda: read_sales(till, BERLIN),
        "import of the sales": lambda: match_sales(sales, frame, RULE),
        "match the sales": lambda: assign(sale_ms, visit_ms, free, 3_600_000, 600_000),
        f"match the sales: {PEERS['match the sales']}": lambda: assign_by_scipy(sale_ms, visit_ms),
    }


def assign_by_scipy(sales: np.ndarray, visits: np.ndarray) -> np.ndarray:
    """The same optimum by SciPy: a column of its own lets each sale stay without a visit, at a price."""
    low, high = np.searchsorted(visits, sales - 3_600_000), np.searchsorted(visits, sales, side="right")
    width = high - low
    rows = np.repeat(np.arange(len(sales)), width)
    columns = np.arange(width.sum()) - np.repeat(np.cumsum(width) - width, width) + np.repeat(low, width)
    cost = 1.0 + np.abs(sales[rows] - visits[columns] - 600_000)
    alone = np.arange(len(sales))
    edges = np.concatenate([cost, np.full(len(sales), 1e12)])
    places = (np.concatenate([rows, alone]), np.concatenate([columns, len(visits) + alone]))
    graph = coo_array((edges, places), shape=(len(sales), len(visits) + len(sales))).tocsr()
    chosen = min_weight_full_bipartite_matching(graph)[1]
    return np.where(chosen < len(visits), chosen, -1)


def _milliseconds(moments: Any) -> np.ndarray:
    column = pd.Series(pd.to_datetime(moments, utc=True)).dt.tz_localize(None)
    return column.to_numpy().astype("datetime64[ms]").astype(np.int64)


# ---------------------------------------------------------------------------------------------------------- made data


def fill(folder: Path, visits: int, sales: int) -> tuple[str, bytes]:
    """A database with so many visits, and a file of a till with so many sales; the URL of the one, and the other."""
    frame = make_frame(visits, seed=1, days=365, unknown=0.3)
    url = f"sqlite:///{folder / f'{visits}.db'}"
    store = open_store(url)
    store.add(visits_of(frame))
    store.close()
    return url, till_file(frame, sales)


def till_file(frame: pd.DataFrame, count: int) -> bytes:
    """Sales some ten minutes after visits of unknown outcome, in a shop that knows its buyers from the till alone."""
    draw = np.random.default_rng(2)
    came = frame["started"][frame["bought"] == "unknown"].dt.tz_convert(BERLIN)
    bought = came.iloc[np.sort(draw.choice(len(came), min(count, len(came)), replace=False))]
    sales = [
        Sale(moment.to_pydatetime() + timedelta(seconds=float(lag)), None, 0)
        for moment, lag in zip(bought, draw.gamma(4, 150, len(bought)), strict=True)
    ]
    lines = [f"{sale.time:%d.%m.%Y;%H:%M:%S};{draw.uniform(1, 90):.2f}" for sale in sales]
    return ("Datum;Uhrzeit;Betrag\r\n" + "\r\n".join(lines) + "\r\n").encode()


# ------------------------------------------------------------------------------------------------------- measurements


def measure(tasks: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, tuple[float, float]]:
    """Median seconds by the wall clock and of processor time of each task, all in turns, warmed up."""
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in tasks}
    for task in tasks.values():
        task()
    for _ in range(rounds):
        for name, task in tasks.items():
            wall, processor = time.perf_counter(), time.process_time()
            task()
            seconds[name].append((time.perf_counter() - wall, time.process_time() - processor))
    return {
        name: (median(wall for wall, _ in times), median(cpu for _, cpu in times)) for name, times in seconds.items()
    }


def measure_memory(url: str) -> dict[str, int | None]:
    """Peak resident MB of a fresh process: all imported, log read, both exports made."""
    command = [sys.executable, "-m", "benchmarks.visitors", "--memory-of", url]
    done = subprocess.run(command, check=True, capture_output=True, cwd=ROOT)
    return json.loads(done.stdout)


def use_memory(url: str) -> None:
    """Runs in the process of ``measure_memory``; prints what that returns."""
    store = open_store(url)
    measured = {"imported_mb": _peak_mb()}
    frame = store.frame()
    measured["log_mb"] = _peak_mb()
    to_csv(frame, BERLIN)
    to_parquet(frame)
    measured["exports_mb"] = _peak_mb()
    print(json.dumps(measured))


def _peak_mb() -> int | None:
    """None where the system has no ``/proc``."""
    status = Path("/proc/self/status")
    if not status.exists():
        return None
    return int(status.read_text().split("VmHWM:")[1].split()[0]) // 1024


def same_optimum(store: VisitStore, till: bytes) -> bool:
    """SciPy's assignment has as many sales and the same sum of distances as ours."""
    sales, visits = (
        _milliseconds([sale.time for sale in read_sales(till, BERLIN).sales]),
        _milliseconds(store.frame()["started"]),
    )
    found = []
    for chosen in (
        assign(sales, visits, np.zeros(len(visits), dtype=bool), 3_600_000, 600_000),
        assign_by_scipy(sales, visits),
    ):
        has = chosen >= 0
        found.append((int(has.sum()), int(np.abs(sales[has] - visits[chosen[has]] - 600_000).sum())))
    return found[0] == found[1]


# ------------------------------------------------------------------------------------------------------------- report


def ratios_of(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """How many times as much processor time the peer takes as ours."""
    seconds = {(row["visits"], row["task"]): row["processor_seconds"] for row in rows}
    return [
        {
            "visits": visits,
            "task": task,
            "peer": peer,
            "peer_over_ours": round(seconds[visits, f"{task}: {peer}"] / seconds[visits, task], 2),
        }
        for visits in dict.fromkeys(row["visits"] for row in rows)
        for task, peer in PEERS.items()
    ]


def report(results: dict[str, Any]) -> str:
    """All tables of the results as Markdown."""
    machine = results["machine"]
    return "\n\n".join(
        [
            f"# Visitors\n\n{machine['cpu_count']} cores ({machine['machine']}), Python {machine['python']}, load "
            f"{machine['load_average']} at the start; medians of {results['settings']['rounds']} rounds.",
            table(results["rows"]),
            "## Peers",
            table(results["ratios"]),
            "## Memory",
            table(results["memory"]),
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, help="where the results go as JSON (default: beside this script)")
    parser.add_argument("--quick", action="store_true", help="one round, few visits; written only with --out")
    parser.add_argument("--memory-of", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.memory_of:
        use_memory(arguments.memory_of)
        return
    rounds, sizes = (1, (2_000,)) if arguments.quick else (7, (1_000, 10_000, 100_000))
    machine = this_machine()
    rows, memory = [], []
    with tempfile.TemporaryDirectory() as folder:
        for visits in sizes:
            url, till = fill(Path(folder), visits, sales=visits // 10)
            store = open_store(url)
            if not same_optimum(store, till):
                sys.exit("The two ways of matching sales disagree.")
            measured = measure(tasks_of(store, url, till), rounds)
            rows += [
                {"visits": visits, "task": task, "seconds": round(wall, 4), "processor_seconds": round(processor, 4)}
                for task, (wall, processor) in measured.items()
            ]
            memory.append({"visits": visits} | measure_memory(url))
            store.close()
    results = {
        "machine": machine,
        "versions": {package: version(package) for package in PACKAGES},
        "settings": {"rounds": rounds, "sales_per_visit": 0.1},
        "rows": rows,
        "ratios": ratios_of(rows),
        "memory": memory,
    }
    out = arguments.out or (None if arguments.quick else RESULTS)
    write_results(results, out)
    print(report(results))


if __name__ == "__main__":
    main()
