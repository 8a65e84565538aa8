"""Processor time and memory of reading sales files of 100,000 lines, as several tills and spreadsheets write them.

``python -m benchmarks.sales [--quick]``. Each file is made up and read in a fresh process. Processor time is what one
core takes when nothing else wants it; what other programs leave in its caches still makes a difference. Memory is the
process's peak, beside what it holds before reading: Python, the packages and the file.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from statistics import median

import numpy as np

from benchmarks.reporting import table, this_machine, write_results
from facetraits.visitors.sales.file import LARGEST_FILE
from facetraits.visitors.sales.reading import read_sales
from tests.visitors.made_visits import BERLIN
from tests.visitors.made_workbooks import xlsx

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "results" / "sales.json"
LINES = 100_000
ROUNDS = 3

Sold = tuple[int, datetime, float]


def made(lines: int) -> Iterator[Sold]:
    """Number, local time and amount of so many sales, one after the other."""
    draw = np.random.default_rng(1)
    moment = datetime(2026, 1, 1, 9)
    for number, (gap, amount) in enumerate(zip(draw.integers(1, 300, lines), draw.uniform(1, 90, lines), strict=True)):
        moment += timedelta(seconds=int(gap))
        yield number, moment, float(amount)


def text_of(head: str, line: Callable[[Sold], str], lines: int) -> bytes:
    return "\n".join([head, *map(line, made(lines)), ""]).encode()


def iso(lines: int) -> bytes:
    return text_of("time,amount", lambda sold: f"{sold[1]:%Y-%m-%d %H:%M:%S},{sold[2]:.2f}", lines)


def german(lines: int) -> bytes:
    amount = "{:.2f}".format
    return text_of(
        "Datum;Uhrzeit;Betrag", lambda sold: f"{sold[1]:%d.%m.%Y;%H:%M:%S};{amount(sold[2]).replace('.', ',')}", lines
    )


def american(lines: int) -> bytes:
    return text_of(
        "Receipt,Date,Status,Total,Method,Note",
        lambda sold: f'{sold[0]},"{sold[1]:%b %d, %Y %I:%M:%S %p}",Completed,${sold[2]:.2f},Card,note',
        lines,
    )


def workbook(lines: int) -> bytes:
    rows = [[moment, round(amount, 2), "Paid"] for _, moment, amount in made(lines)]
    return xlsx([["Date", "Amount", "Status"], *rows])


def largest(lines: int) -> bytes:
    """As much of ``iso`` as is accepted; ``lines`` is not looked at."""
    return iso(800_000)[:LARGEST_FILE].rpartition(b"\n")[0]


SLOW = ("XLSX", "20 MB")
FILES = {"ISO 8601": iso, "German": german, "American": american, "XLSX": workbook, "20 MB": largest}


def measure(name: str, lines: int) -> None:
    """Runs in a process of its own; prints the row of one file."""
    data = FILES[name](lines)
    before, seconds, sales = _resident_mb(), [], 0
    for _ in range(1 if name in SLOW else ROUNDS):
        began = time.process_time()
        sales = len(read_sales(data, BERLIN).sales)
        seconds.append(time.process_time() - began)
    print(
        json.dumps(
            {
                "file": name,
                "megabytes": round(len(data) / 1e6, 1),
                "sales": sales,
                "processor_seconds": round(median(seconds), 2),
                "before_mb": before,
                "peak_mb": _peak_mb(),
            }
        )
    )


def _peak_mb() -> int | None:
    return _status_mb("VmHWM")


def _resident_mb() -> int | None:
    return _status_mb("VmRSS")


def _status_mb(name: str) -> int | None:
    """None where the system has no ``/proc``."""
    status = Path("/proc/self/status")
    if not status.exists():
        return None
    return int(status.read_text().split(f"{name}:")[1].split()[0]) // 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, help="where the results go as JSON (default: beside this script)")
    parser.add_argument("--quick", action="store_true", help="few lines; written only with --out")
    parser.add_argument("--measure", choices=FILES, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    lines = LINES // 50 if arguments.quick else LINES
    if arguments.measure:
        measure(arguments.measure, lines)
        return
    machine, rows = this_machine(), []
    for name in list(FILES)[:-1] if arguments.quick else FILES:
        command = [sys.executable, "-m", "benchmarks.sales", "--measure", name, *(["--quick"] * arguments.quick)]
        done = subprocess.run(command, check=True, capture_output=True, cwd=ROOT)
        rows.append(json.loads(done.stdout))
    results = {
        "machine": machine,
        "versions": {package: version(package) for package in ("babel", "openpyxl")},
        "settings": {"lines": lines, "rounds": ROUNDS},
        "rows": rows,
    }
    write_results(results, arguments.out or (None if arguments.quick else RESULTS))
    print(f"# Sales files\n\nLoad {machine['load_average']} at the start.\n\n{table(rows)}")


if __name__ == "__main__":
    main()
