"""The formats in which results are written: JSON lines, CSV, Parquet."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal, get_args

from facetraits.errors import UserError
from facetraits.tables import arrow_schema, arrow_table, csv_cell, csv_columns, csv_head, csv_line, csv_piece, face_rows

Format = Literal["jsonl", "csv", "parquet"]
FORMATS: Final[tuple[Format, ...]] = get_args(Format)

_COMPRESSION: Final = "zstd"
_ROW_GROUP: Final = 10_000  # records that become one group of rows


def encoded(records: Iterable[Mapping[str, Any]], form: Format) -> bytes:
    """Records of pictures as bytes that can be put after each other: lines without a head, or Arrow's stream format.

    Args:
        records: as ``tables.picture_record`` gives them.
        form: how they are to be written.
    """
    if form == "parquet":
        return _stream_of(arrow_table(row for record in records for row in face_rows(record)))
    if form == "csv":
        columns = csv_columns()
        text = "".join(csv_piece(face_rows(record), columns) for record in records)
    else:
        text = "".join(json.dumps(record, ensure_ascii=False, allow_nan=False) + "\n" for record in records)
    return text.encode("utf-8", "backslashreplace")


def write_part(path: Path, pieces: Sequence[bytes], form: Format) -> None:
    """Write a file from what ``encoded`` gave.

    Raises:
        OSError: it cannot be written.
    """
    if form == "parquet":
        import pyarrow
        import pyarrow.parquet

        tables = [pyarrow.ipc.open_stream(piece).read_all() for piece in pieces]
        table = pyarrow.concat_tables(tables) if tables else arrow_schema().empty_table()
        pyarrow.parquet.write_table(table, path, compression=_COMPRESSION)
        return
    head = csv_head(csv_columns()).encode() if form == "csv" else b""
    with path.open("wb") as stream:
        stream.write(head)
        stream.writelines(pieces)


def without(path: Path, paths: Iterable[str], form: Format) -> bytes:
    """What a file of results holds, without the rows of some pictures, as ``encoded`` would give it.

    Args:
        path: of the file.
        paths: of the pictures, as the user gave them.
        form: of the file.

    Raises:
        OSError: it cannot be read.
    """
    gone = {as_text(each) for each in paths}
    if form == "parquet":
        import pyarrow
        import pyarrow.parquet

        table = pyarrow.parquet.read_table(path)
        return _stream_of(table.filter(pyarrow.array([cell not in gone for cell in table["path"].to_pylist()])))
    with path.open(encoding="utf-8", newline="") as stream:
        if form == "csv":
            gone = {str(csv_cell(each)) for each in gone}
            rows = list(csv.reader(stream))[1:]
            text = "".join(csv_line(row) for row in rows if row[0] not in gone)
        else:
            text = "".join(line for line in stream if as_text(json.loads(line)["path"]) not in gone)
    return text.encode("utf-8", "backslashreplace")


def as_text(path: str) -> str:
    """A path as results show it: bytes that are no text are escaped."""
    return path.encode("utf-8", "backslashreplace").decode("utf-8")


def parquet_from_json_lines(
    source: Path,
    target: Path,
    rows_of: Callable[[Mapping[str, Any]], Iterable[Mapping[str, Any]]],
    columns: Sequence[str],
) -> None:
    """Turn a file of JSON lines into a Parquet file, some thousand records at a time.

    Args:
        source: JSON lines.
        target: is replaced.
        rows_of: the rows of one object.
        columns: of the table.

    Raises:
        OSError: a file cannot be read or written.
    """
    import pyarrow.parquet

    with (
        source.open(encoding="utf-8") as lines,
        pyarrow.parquet.ParquetWriter(target, arrow_schema(columns), compression=_COMPRESSION) as writer,
    ):
        rows: list[Mapping[str, Any]] = []
        for line in lines:
            rows += rows_of(json.loads(line))
            if len(rows) >= _ROW_GROUP:
                writer.write_table(arrow_table(rows, columns))
                rows = []
        if rows:
            writer.write_table(arrow_table(rows, columns))


def check_parquet() -> None:
    """Find out whether Parquet can be written before work begins.

    Raises:
        UserError: pyarrow is not installed.
    """
    try:
        import pyarrow.parquet  # noqa: F401
    except ImportError as error:
        raise UserError("Parquet needs the package pyarrow; install what requirements.txt lists") from error


def _stream_of(table: Any) -> bytes:
    import pyarrow

    stream = io.BytesIO()
    with pyarrow.ipc.new_stream(stream, table.schema) as writer:
        writer.write_table(table)
    return stream.getvalue()
