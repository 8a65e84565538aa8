"""A folder of results that grows by whole parts: a run that is killed leaves neither half a part nor a row twice.

The folder holds::

    part-0001-000001.parquet            rows; .jsonl and .csv alike
    _finished/part-0001-000001.json.gz  the inputs whose rows the part holds, and which part it replaces
    _run.json                           what the run was asked for
    _lock                               kept while a run writes here

A part counts from the moment when its list of inputs has its name; until then nobody reads its rows again. Names that
begin with ``_`` are skipped by those who read a folder of Parquet files as one table.
"""

from __future__ import annotations

import gzip
import json
import os
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple, Self

from filelock import FileLock, Timeout

from facetraits.batch.formats import Format, without, write_part
from facetraits.errors import UserError

PART_INPUTS: Final = 10_000  # a part is written when it holds so many inputs ...
PART_S: Final = 60.0  # ... or so many seconds after the part before

_LISTS: Final = "_finished"
_LIST_SUFFIX: Final = ".json.gz"
_RUN: Final = "_run.json"
_LOCK: Final = "_lock"
_BEGUN: Final = "_writing-"

Finished = tuple[str, int | None]  # path and size in bytes; None where the file could not be read


class Rows(NamedTuple):
    """What came back for some inputs.

    Attributes:
        inputs: path and size of each.
        data: their rows, as ``formats.encoded`` gives them.
    """

    inputs: Sequence[Finished]
    data: bytes


class Results:
    """The results of one run, written by one process.

    Args:
        folder: where they go; it is made if it is not there.
        form: of the parts.
        asked: what the run was asked for; a run goes on only where that is the same.
        resume: go on where a run has stopped.
        force: replace the results that are there.
        part_inputs: how many inputs a part holds at most.
        part_s: after how many seconds a smaller part is written.

    Raises:
        UserError: there are results already, or none to go on with, or they are those of another request, or another
            run writes there, or the folder cannot be written.
    """

    def __init__(
        self,
        folder: Path,
        form: Format,
        asked: Mapping[str, Any],
        resume: bool = False,
        force: bool = False,
        part_inputs: int = PART_INPUTS,
        part_s: float = PART_S,
    ) -> None:
        self.folder = folder
        self._form = form
        self._most = part_inputs
        self._part_s = part_s
        self._waiting: list[Rows] = []
        self._number = 0
        request = json.loads(json.dumps({**asked, "format": form}))  # as it is read again: without tuples
        self._check(resume, force, request)
        try:
            (folder / _LISTS).mkdir(parents=True, exist_ok=True)
            self._lock = FileLock(folder / _LOCK)
            self._lock.acquire(timeout=0)
        except Timeout:
            raise UserError(f"another run writes to {folder}; wait until it has ended") from None
        except OSError as error:
            raise UserError(f"cannot write to {folder}: {error.strerror}") from error
        self._begin(force, request)

    def _check(self, resume: bool, force: bool, asked: Mapping[str, Any]) -> None:
        """Refuse before anything is written."""
        folder, run = self.folder, self.folder / _RUN
        if folder.exists() and not folder.is_dir():
            raise UserError(f"cannot write to {folder}: it is a file, and --engine ray writes a folder")
        if resume:
            try:
                before = json.loads(run.read_text("utf-8"))
            except (OSError, ValueError) as error:
                raise UserError(f"{folder} holds no results of a run that was stopped") from error
            if changed := sorted(name for name in asked if asked[name] != before.get(name)):
                raise UserError(
                    f"the results in {folder} were made with another choice of {' and '.join(changed)}; "
                    "repeat the command as it was, or name another folder"
                )
        elif run.exists() and (self._lists() or any(folder.glob("part-*"))):
            if not force:
                raise UserError(f"{folder} holds results already; --resume goes on with them, --force replaces them")
        elif folder.is_dir() and any(not path.name.startswith("_") for path in folder.iterdir()):
            raise UserError(f"{folder} holds other files; name a new folder")

    def _begin(self, force: bool, asked: Mapping[str, Any]) -> None:
        if force:
            for path in (*self.folder.glob("part-*"), *(self.folder / _LISTS).iterdir()):
                path.unlink()
        for path in self.folder.glob(f"{_BEGUN}*"):
            path.unlink()
        lists = {path.name.removesuffix(_LIST_SUFFIX): path for path in self._lists()}
        replaced = {old for path in lists.values() if (old := _read(path)["replaces"]) is not None}
        for part in replaced & lists.keys():
            lists.pop(part).unlink()
        for path in self.folder.glob("part-*"):
            if path.name.partition(".")[0] not in lists:
                path.unlink()  # its list was never written, or it was replaced
        self._run = 1 + max((int(part.split("-")[1]) for part in lists), default=0)
        self._write(self.folder / _RUN, json.dumps(asked, indent=1).encode())
        self._written_s = time.monotonic()

    @property
    def scratch(self) -> Path:
        """Where a file may go that only this run needs."""
        return self.folder / "_catalog.sqlite"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *of_error: object) -> None:
        try:
            self.commit()
        finally:
            self._lock.release()

    def finished(self) -> Iterator[tuple[str, list[Finished]]]:
        """The name of each part with its inputs."""
        for path in self._lists():
            yield path.name.removesuffix(_LIST_SUFFIX), [(name, size) for name, size in _read(path)["inputs"]]

    def drop(self, part: str, paths: Collection[str]) -> None:
        """Take the rows of some inputs out of a part, which gets another name.

        Args:
            part: its name.
            paths: of the inputs.
        """
        old = self._data(part)
        inputs = _read(self._list(part))["inputs"]
        kept = [(name, size) for name, size in inputs if name not in paths]
        self._write_part([Rows(kept, without(old, paths, self._form))], replaces=part)
        self._list(part).unlink()
        old.unlink()

    def add(self, rows: Rows) -> None:
        """Keep rows until there are enough for a part, then write it.

        Raises:
            UserError: the part cannot be written.
        """
        self._waiting.append(rows)
        many = sum(len(each.inputs) for each in self._waiting) >= self._most
        if many or time.monotonic() - self._written_s > self._part_s:
            self.commit()

    def commit(self) -> None:
        """Write what was added; nothing where nothing was.

        Raises:
            UserError: the part cannot be written.
        """
        if self._waiting:
            self._write_part(self._waiting)
            self._waiting = []
        self._written_s = time.monotonic()

    def _write_part(self, rows: Sequence[Rows], replaces: str | None = None) -> None:
        self._number += 1
        part = f"part-{self._run:04}-{self._number:06}"
        begun = self.folder / f"{_BEGUN}{part}"
        inputs = [each for group in rows for each in group.inputs]
        try:
            write_part(begun, [each.data for each in rows], self._form)
            _into_place(begun, self._data(part))
            listed = json.dumps({"replaces": replaces, "inputs": inputs}).encode()
            self._write(self._list(part), gzip.compress(listed, 6))
        except OSError as error:
            raise UserError(f"cannot write to {self.folder}: {error.strerror or error}") from error

    def _write(self, path: Path, data: bytes) -> None:
        begun = self.folder / f"{_BEGUN}{path.name}"
        begun.write_bytes(data)
        _into_place(begun, path)

    def _data(self, part: str) -> Path:
        return self.folder / f"{part}.{self._form}"

    def _list(self, part: str) -> Path:
        return self.folder / _LISTS / f"{part}{_LIST_SUFFIX}"

    def _lists(self) -> list[Path]:
        return sorted((self.folder / _LISTS).glob(f"part-*{_LIST_SUFFIX}"))


def _read(path: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(gzip.decompress(path.read_bytes()))
        return found
    except (OSError, EOFError, ValueError) as error:
        raise UserError(f"{path} is damaged; its part and it must be deleted before the run can go on") from error


def _into_place(begun: Path, path: Path) -> None:
    """Give a file its name once all of it is on the disk."""
    with begun.open("rb") as stream:
        os.fsync(stream.fileno())
    begun.replace(path)
    if os.name == "posix":
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
