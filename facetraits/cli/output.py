"""The file or stream into which `analyze` writes, and how a run that was stopped goes on."""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from facetraits.batch.formats import Format, parquet_from_json_lines
from facetraits.errors import UserError
from facetraits.tables import csv_cell, csv_columns, csv_line, face_rows
from facetraits.video.timeline import timeline_columns, timeline_rows


def _part_of(out: Path) -> Path:
    """Where results go until all are there, so that an old file stays whole until then; a device is what it is."""
    return out if out.exists() and not out.is_file() else out.with_name(f"{out.name}.part")


def checked_output(out: Path | None, form: Format, resume: bool, force: bool) -> frozenset[str]:
    """The paths, as of ``as_written``, whose results a run that was stopped has left; its file is cut after them.

    Args:
        out: where the results go; None for the terminal.
        form: how they are written.
        resume: go on with what such a run has left.
        force: replace ``out`` where it is there already.

    Raises:
        UserError: the file is there already, or cannot be of that format, or there is no run to go on with.
    """
    if out is None:
        if resume or force:
            raise UserError("--resume and --force need --out FILE")
        if form == "parquet":
            raise UserError("--format parquet needs --out FILE")
        return frozenset()
    if out.is_dir():
        raise UserError(f"cannot write to {out}: it is a folder")
    if form == "parquet" and out.exists() and not out.is_file():
        raise UserError(f"cannot write Parquet to {out}: it is no file")
    if not resume:
        if out.is_file() and not force:
            raise UserError(f"{out} is there already; --force replaces it")
        return frozenset()
    part = _part_of(out)
    if not part.exists():
        raise UserError(f"there is no {part}, in which a run that was stopped leaves its results")
    return _cut_to_finished(part, form)


def _cut_to_finished(part: Path, form: str) -> frozenset[str]:
    """Take the last path's results, which may be incomplete, out of a file; the paths of those that stay."""
    try:
        with part.open(encoding="utf-8", newline="") as stream:
            if form == "csv":
                columns, *rows = csv.reader(stream)
                head = csv_line(columns)
                found = [(row[0], csv_line(row)) for row in rows]
            else:
                head = ""
                found = [(json.loads(line)["path"], line) for line in stream if line.endswith("\n")]
    except (OSError, ValueError, KeyError, TypeError, IndexError, csv.Error) as error:
        raise UserError(f"{part} cannot be read as the results of a run that was stopped") from error
    last = found[-1][0] if found else ""
    kept = [(path, line) for path, line in found if path != last]
    if kept:
        part.write_text(head + "".join(line for _, line in kept), encoding="utf-8", newline="")
    return frozenset(as_written(path) for path, _ in kept)


def as_written(path: str) -> str:
    """A path as CSV shows it: bytes that are no text escaped, and what looks like a formula quoted."""
    return str(csv_cell(path.encode("utf-8", "backslashreplace").decode("utf-8")))


@contextmanager
def output(path: Path | None, append: bool, form: Format, videos: bool = False) -> Iterator[TextIO]:
    """The stream for results: UTF-8 with plain line ends everywhere; bytes of a path that are no text are escaped.

    A file gets its name when all results are in it. What becomes Parquet is written to the stream as JSON lines.

    Args:
        path: of the file; None for the terminal.
        append: go on with the results that a run has left.
        form: of the file.
        videos: whether the results are those of videos.

    Raises:
        UserError: they cannot be written.
    """
    if path is None:
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace", newline="\n")
        try:
            yield sys.stdout
        except BrokenPipeError:
            raise
        except OSError as error:
            raise UserError(f"the results cannot be written: {error.strerror}") from error
        return
    part = _part_of(path)
    try:
        with part.open("a" if append else "w", encoding="utf-8", errors="backslashreplace", newline="\n") as stream:
            yield stream
        if form == "parquet":
            _to_parquet(part, path, videos)
        elif part != path:
            part.replace(path)
    except OSError as error:
        raise UserError(f"cannot write to {path}: {error.strerror}") from error
    except KeyboardInterrupt:
        print(f"facetraits: the results so far are in {part}; --resume goes on from there", file=sys.stderr)
        raise


def _to_parquet(part: Path, path: Path, videos: bool) -> None:
    """Turn the JSON lines of a run that is complete into the file that was asked for."""
    table = path.with_name(f"{path.name}.new")
    try:
        if videos:
            parquet_from_json_lines(part, table, timeline_rows, timeline_columns())
        else:
            parquet_from_json_lines(part, table, face_rows, csv_columns())
        table.replace(path)
    finally:
        table.unlink(missing_ok=True)
    part.unlink()
