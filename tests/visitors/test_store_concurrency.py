"""Several threads and programs use one database at a time; one that is killed loses nothing that it had written."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from threading import Event, Thread
from uuid import UUID

from facetraits.visitors.store import VisitStore, open_store
from tests.builders import ROOT
from tests.visitors.conftest import NOON, visit

AT_ONCE = 5
# Writes a few visits at a time and says of each that it is written.
WRITER = """
import os, sys
from datetime import UTC, datetime
from facetraits.visitors.store import open_store
from facetraits.visitors.visit import Visit
store = open_store(os.environ["FACETRAITS_DB"])
for _ in range(int(sys.argv[2])):
    visits = [Visit(datetime.now(UTC), sys.argv[1], 1.0) for _ in range(int(sys.argv[3]))]
    store.add(visits)
    store.update(visits)
    print(*(visit.id for visit in visits), sep="\\n", flush=True)
"""


@contextmanager
def writer(url: str, name: str, times: int) -> Iterator[subprocess.Popen[str]]:
    """A program of its own that writes so many times ``AT_ONCE`` visits."""
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, name, str(times), str(AT_ONCE)],
        cwd=ROOT,
        env=os.environ | {"FACETRAITS_DB": url},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait(timeout=20)


def ids(store: VisitStore) -> set[UUID]:
    return {v.id for v in store.latest(10**6)}


def test_threads_write_at_the_same_time(store: VisitStore):
    def write(number: int) -> list[UUID]:
        known = [visit(i, source=f"camera {number}") for i in range(25)]
        for one in known:
            store.add([one])
            store.update([replace(one, duration_s=60.0)])
        store.mark([v.id for v in known], "yes")
        return [v.id for v in known]

    with ThreadPoolExecutor(6) as pool:
        written = [i for some in pool.map(write, range(6)) for i in some]
    assert ids(store) == set(written)
    assert {(v.duration_s, v.bought) for v in store.latest(1000)} == {(60.0, "yes")}
    assert store.version() == 6 * (25 + 25 + 1)


def test_threads_change_the_same_visits_in_any_order(store: VisitStore):
    known = [visit(i) for i in range(20)]
    store.add(known)

    def change(number: int) -> None:
        order = known if number % 2 else known[::-1]
        for _ in range(8):
            store.update([replace(v, duration_s=float(number)) for v in order])
            store.mark([v.id for v in order], "no")

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(change, range(6)))
    # One writer after the other: what the last one wrote is not mixed with what others did.
    assert len({v.duration_s for v in store.latest()}) == 1


def test_a_reader_sees_all_of_a_change_or_nothing(store: VisitStore):
    known = [visit(i) for i in range(40)]
    store.add(known)
    done, seen = Event(), []

    def read() -> None:
        last = False
        while not last:
            last = done.is_set()
            before, counts, after = store.version(), store.count(), store.version()
            if before == after:
                seen.append((after, counts["yes"]))

    reader = Thread(target=read)
    reader.start()
    try:
        for one, other in zip(known[::2], known[1::2], strict=True):
            store.attach_sales([(one.id, NOON, Decimal(1)), (other.id, NOON, None)])
    finally:
        done.set()
        reader.join()
    assert seen[-1] == (1 + 20, 40)
    # The number of changes says exactly which of them a reader has seen: caches can go by it.
    assert all(sold == 2 * (version - 1) for version, sold in seen)


def test_programs_write_at_the_same_time(store_url: str):
    # They also make the tables at the same time.
    with writer(store_url, "one", 40) as one, writer(store_url, "two", 40) as two:
        written = {UUID(line) for process in (one, two) for line in process.communicate(timeout=60)[0].split()}
        assert (one.returncode, two.returncode, len(written)) == (0, 0, 80 * AT_ONCE)
    with closing(open_store(store_url)) as store:
        assert ids(store) == written
        assert store.sources() == ("one", "two")


def test_a_killed_program_loses_no_visit_that_it_had_written(store_url: str):
    with writer(store_url, "killed", 100_000) as process:
        assert process.stdout is not None
        said = [process.stdout.readline() for _ in range(30 * AT_ONCE)]
        process.send_signal(signal.SIGKILL)  # somewhere in the middle of a write
        rest, _ = process.communicate(timeout=20)
        assert process.returncode == -signal.SIGKILL
    written = {UUID(line) for line in "".join([*said, rest]).splitlines() if len(line) == 36}
    assert len(written) >= 30 * AT_ONCE
    with closing(open_store(store_url)) as store:
        found = ids(store)
        assert written <= found
        # Of what it wrote last it could no longer say so; that is there as a whole or not at all.
        assert (len(found) % AT_ONCE, len(found - written) <= 2 * AT_ONCE) == (0, True)
        store.add([visit()])
        assert len(ids(store)) == len(found) + 1


def test_stores_are_opened_at_the_same_time(store_url: str):
    def use(number: int) -> None:
        with closing(open_store(store_url)) as store:
            store.add([visit(number)])

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(use, range(8)))
    with closing(open_store(store_url)) as store:
        assert len(store.latest()) == 8


def test_what_was_deleted_is_gone_although_another_program_has_it_open(sqlite_url: str, sqlite_path: Path):
    with closing(open_store(sqlite_url)) as store, closing(open_store(sqlite_url)) as other:
        store.add([visit(source="secretname")])
        other.latest()
        assert store.delete_all() == 1
        assert not any(b"secretname" in path.read_bytes() for path in sqlite_path.parent.iterdir())
