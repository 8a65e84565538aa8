"""Which inputs there are, and which are finished: in a file, because 100 million paths do not fit into memory."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Final, NamedTuple, Self, TypeVar

from facetraits.batch.storage import is_remote

_CHUNK: Final = 1_000  # inputs in one transaction

_T = TypeVar("_T")

_TABLES: Final = """
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
CREATE TABLE finished (path BLOB PRIMARY KEY, size INTEGER, part TEXT) WITHOUT ROWID;
CREATE TABLE inputs (
    number INTEGER PRIMARY KEY, file BLOB UNIQUE, path BLOB, size INTEGER, error TEXT, done INTEGER, attempts INTEGER
);
CREATE TABLE outdated (part TEXT, path BLOB, PRIMARY KEY (part, path)) WITHOUT ROWID;
"""


class Input(NamedTuple):
    """A picture to analyse.

    Attributes:
        path: as the user gave it.
        size: in bytes; None where nobody has asked for it yet.
        error: why it cannot be read, where that is known already.
        number: its place in the catalog.
        attempts: how often its analysis has begun.
    """

    path: str
    size: int | None
    error: str | None = None
    number: int = 0
    attempts: int = 0


class Catalog:
    """Inputs of one run, in a file that only this run needs; it can be made again from the results.

    Not for several threads.

    Args:
        path: where the file goes; one that is there is replaced.
    """

    def __init__(self, path: Path) -> None:
        path.unlink(missing_ok=True)
        self._path = path
        self._database = sqlite3.connect(path)
        self._database.executescript(_TABLES)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *of_error: object) -> None:
        self._database.close()
        self._path.unlink(missing_ok=True)

    def add_finished(self, part: str, inputs: Iterable[tuple[str, int | None]]) -> None:
        """Note what a part of the results holds.

        Args:
            part: its name.
            inputs: path and size; a size of None is that of a file which could not be read, and is tried again.
        """
        with self._database:
            self._database.executemany(
                "INSERT OR REPLACE INTO finished VALUES (?, ?, ?)",
                ((os.fsencode(path), size, part) for path, size in inputs),
            )

    def add_inputs(self, inputs: Iterable[Input]) -> None:
        """Note inputs, each file once; what is finished at the same size is not to be done again."""
        for chunk in chunks(inputs, _CHUNK):
            with self._database:
                self._database.executemany(
                    "INSERT OR IGNORE INTO inputs (file, path, size, error, done, attempts) VALUES (?, ?, ?, ?, 0, 0)",
                    ((_file(each.path), os.fsencode(each.path), each.size, each.error) for each in chunk),
                )

    def unsized(self) -> Iterator[Sequence[tuple[int, str]]]:
        """Number and path of inputs that seem finished and whose size is not known, many at a time."""
        last = 0
        while rows := self._database.execute(
            "SELECT number, path FROM inputs JOIN finished USING (path) WHERE number > ? AND inputs.size IS NULL "
            "AND finished.size IS NOT NULL AND error IS NULL ORDER BY number LIMIT ?",
            (last, _CHUNK),
        ).fetchall():
            yield [(number, os.fsdecode(path)) for number, path in rows]
            last = rows[-1][0]

    def set_sizes(self, sizes: Iterable[tuple[int, int | None]]) -> None:
        """Note sizes by number of the input."""
        with self._database:
            self._database.executemany(
                "UPDATE inputs SET size = ? WHERE number = ?", ((size, number) for number, size in sizes)
            )

    def settle(self) -> None:
        """Mark what is finished, and note which rows of the results are outdated; once, after all inputs are known."""
        with self._database:
            self._database.execute(
                "UPDATE inputs SET done = 1 FROM finished WHERE finished.path = inputs.path "
                "AND finished.size = inputs.size AND inputs.error IS NULL"
            )
            self._database.execute(
                "INSERT INTO outdated SELECT part, path FROM inputs JOIN finished USING (path) WHERE done = 0"
            )

    def outdated(self) -> Iterator[tuple[str, frozenset[str]]]:
        """Parts of the results with the paths whose rows in them are to be replaced."""
        for (part,) in self._database.execute("SELECT DISTINCT part FROM outdated").fetchall():
            rows = self._database.execute("SELECT path FROM outdated WHERE part = ?", (part,))
            yield part, frozenset(os.fsdecode(path) for (path,) in rows)

    def count(self) -> tuple[int, int]:
        """How many inputs there are, and how many of these are done."""
        every, done = self._database.execute("SELECT count(*), coalesce(sum(done), 0) FROM inputs").fetchone()
        return every, done

    def attempt(self, most: int, attempts: int, after: int = 0) -> list[Input]:
        """The next inputs that are not done and have been tried ``attempts`` times; they count as tried once more.

        Args:
            most: how many at most.
            attempts: 0 for those that nobody has tried.
            after: only those of larger numbers.
        """
        rows = self._database.execute(
            "SELECT path, size, error, number, attempts FROM inputs WHERE number > ? AND done = 0 AND attempts = ? "
            "ORDER BY number LIMIT ?",
            (after, attempts, most),
        ).fetchall()
        with self._database:
            self._database.executemany(
                "UPDATE inputs SET attempts = attempts + 1 WHERE number = ?", ((row[3],) for row in rows)
            )
        return [Input(os.fsdecode(row[0]), *row[1:]) for row in rows]

    def finish(self, numbers: Sequence[int]) -> bool:
        """Mark inputs as done.

        Args:
            numbers: of inputs that are analysed together: all of them are done already, or none.

        Returns:
            False where they were done before, so that their rows must not be written again.
        """
        marks = ",".join("?" * len(numbers))
        with self._database:
            changed = self._database.execute(
                f"UPDATE inputs SET done = 1 WHERE done = 0 AND number IN ({marks})", numbers
            ).rowcount
        if changed not in (0, len(numbers)):
            raise AssertionError("inputs were analysed in two different groups")
        return changed > 0


def _file(path: str) -> bytes:
    """What tells whether two paths name the same file."""
    return os.fsencode(path if is_remote(path) else os.path.realpath(path))


def chunks(items: Iterable[_T], most: int) -> Iterator[Sequence[_T]]:
    """``items``, ``most`` at a time."""
    source = iter(items)
    while chunk := tuple(islice(source, most)):
        yield chunk
