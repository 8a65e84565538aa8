"""Opens a sales file as text or workbook, and offers the possible ways to split it into rows and cells."""

from __future__ import annotations

import codecs
import csv
import io
import re
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime, time, timedelta
from typing import Any, Final, NamedTuple

from facetraits.errors import UserError

LARGEST_FILE: Final = 20 * 1024 * 1024
_LARGEST_UNPACKED: Final = 200 * 1024 * 1024
DELIMITERS: Final = (";", "\t", ",", "|")
_LONGEST_ROW_LINES: Final = 50
_MOST_MENDED: Final = 1000
_CONTROL: Final = re.compile("[\x00-\x08\x0b\x0e-\x1f\x7f-\x9f]")
_OLD_WORKBOOK: Final = b"\xd0\xcf\x11\xe0"
_SEPARATOR_LINE: Final = re.compile(r"\s*\"?sep=([;,\t|])\"?\s*", re.IGNORECASE)
_NO_TEXT: Final = "This is not a text file; export the sales as CSV."


class SalesError(UserError):
    """The file cannot be read as sales; the message is one sentence for the owner."""


class Row(NamedTuple):
    """A row that is not blank.

    Attributes:
        number: of its first line in the file, the first is 1.
        cells: as they are written.
        last: number of its last line; cells in quotation marks may have several.
        mended: the line has an unclosed quotation mark; it was split at every separator.
    """

    number: int
    cells: list[str]
    last: int
    mended: bool = False


class Dialect(NamedTuple):
    """One way to split a file into rows and cells.

    Attributes:
        rows: reads the file from its beginning, at most so many lines of it where a number is given.
        apart: reads the lines from one number to another, each alone, as if nothing were quoted; None for workbooks.
        delimiter: between the cells; "" for workbooks.
    """

    rows: Callable[[int | None], Iterator[Row]]
    apart: Callable[[int, int], Iterator[Row]] | None
    delimiter: str = ""


def dialects_of(data: bytes) -> list[Dialect]:
    """The possible dialects: by each of four separators, or by the sheets of a workbook.

    Raises:
        SalesError: it is neither text in columns nor a workbook.
    """
    if not data.strip():
        raise SalesError("The file is empty.")
    if len(data) > LARGEST_FILE:
        raise SalesError(f"The file is larger than {LARGEST_FILE // 2**20} MB; export a shorter time.")
    if data.startswith((b"PK\x03\x04", _OLD_WORKBOOK)):
        return _sheets(data)
    if data.startswith(b"%PDF"):
        raise SalesError("This is a PDF; export the sales as CSV instead.")
    text = _text_of(data)
    _refuse_other_formats(text)
    lines = list(io.StringIO(text, newline=None))
    if named := _SEPARATOR_LINE.fullmatch(lines[0]):
        # The line stays, empty, so that the others keep their numbers.
        lines[0] = "\n"
        if not any(map(str.strip, lines)):
            raise SalesError("The file is empty.")
    return [_csv_dialect(lines, mark) for mark in ([named[1]] if named else DELIMITERS)]


# --------------------------------------------------------------------------------------------------------------- text


def _text_of(data: bytes) -> str:
    # Old tills end their files with Control-Z.
    text = _decoded(data).rstrip("\x1a")
    if _CONTROL.search(text):
        raise SalesError(_NO_TEXT)
    if not text.strip():
        raise SalesError("The file is empty.")
    return text


def _decoded(data: bytes) -> str:
    encodings = ["utf-8-sig", "cp1252", "latin-1"]
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encodings = ["utf-16"]
    elif b"\x00" in data[:1000]:
        # Without a mark: Latin letters have their zero byte second or first.
        encodings = ["utf-16-le" if data[1:2] == b"\x00" else "utf-16-be"]
    for encoding in encodings:
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise SalesError(_NO_TEXT)


def _refuse_other_formats(text: str) -> None:
    begin = text[:1000].lstrip().casefold()
    if begin.startswith("<"):
        raise SalesError(
            "This is a web page (HTML or XML); open it in a spreadsheet program and save it as CSV or XLSX."
        )
    if re.match(r"\{\s*[\"}]|\[\s*[\[{\]]", begin):
        raise SalesError("This is JSON; export the sales as CSV or XLSX instead.")


# ---------------------------------------------------------------------------------------------------------------- CSV


def _csv_dialect(lines: Sequence[str], delimiter: str) -> Dialect:
    def rows(most: int | None) -> Iterator[Row]:
        return _csv_rows(lines if most is None else lines[:most], delimiter)

    def apart(first: int, last: int) -> Iterator[Row]:
        for number in range(first, last + 1):
            yield _unquoted(lines[number - 1], number, delimiter)

    return Dialect(rows, apart, delimiter)


def _csv_rows(lines: Sequence[str], delimiter: str) -> Iterator[Row]:
    """Reads CSV; a line that breaks the rules of CSV is split at every separator."""
    first, mended = 0, 0
    while first < len(lines):
        feed = _Feed(lines, first)
        reader = csv.reader(feed, delimiter=delimiter, strict=True, skipinitialspace=True)
        try:
            for cells in reader:
                if any(map(str.strip, cells)):
                    yield Row(feed.row + 1, cells, feed.next)
                feed.row = feed.next
            return
        except csv.Error:
            mended += 1
            if mended > _MOST_MENDED:
                raise SalesError(
                    f"The file is not valid CSV: more than {_MOST_MENDED:,} lines have unclosed quotation marks; "
                    f"one is line {feed.row + 1}."
                ) from None
            if lines[feed.row].strip():
                yield _unquoted(lines[feed.row], feed.row + 1, delimiter)
            first = feed.row + 1


class _Feed:
    """Lines for a reader of CSV, which end where one row would have too many."""

    def __init__(self, lines: Sequence[str], first: int) -> None:
        self.row = self.next = first
        self._lines = lines

    def __iter__(self) -> _Feed:
        return self

    def __next__(self) -> str:
        if self.next >= len(self._lines) or self.next - self.row >= _LONGEST_ROW_LINES:
            raise StopIteration
        self.next += 1
        return self._lines[self.next - 1]


def _unquoted(line: str, number: int, delimiter: str) -> Row:
    cells = [cell.strip().removeprefix('"').removesuffix('"') for cell in line.rstrip("\n").split(delimiter)]
    return Row(number, cells, number, mended=True)


# ---------------------------------------------------------------------------------------------------------- workbooks


def _sheets(data: bytes) -> list[Dialect]:
    if data.startswith(_OLD_WORKBOOK):
        raise SalesError("This is an old workbook (XLS) or has a password; save it as XLSX without one, or as CSV.")
    from openpyxl import load_workbook  # takes longer than all else of this page, and most files are CSV

    with _workbook_errors():
        with zipfile.ZipFile(io.BytesIO(data)) as packed:
            if sum(member.file_size for member in packed.infolist()) > _LARGEST_UNPACKED:
                raise SalesError("The workbook is too large; export a shorter period.")
        # Read-only, one row after the other: a cell far away in an empty sheet takes no memory.
        book = load_workbook(io.BytesIO(data), read_only=True, data_only=True)
        return [_sheet(sheet) for sheet in book.worksheets]


def _sheet(sheet: Any) -> Dialect:
    def rows(most: int | None) -> Iterator[Row]:
        with _workbook_errors():
            for number, values in enumerate(sheet.iter_rows(max_row=most, values_only=True), start=1):
                cells = [_cell_of(value) for value in values]
                while cells and not cells[-1]:
                    cells.pop()
                if cells:
                    yield Row(number, cells, number)

    return Dialect(rows, None)


@contextmanager
def _workbook_errors() -> Iterator[None]:
    """Whatever the library meets in a broken workbook becomes a ``SalesError``."""
    try:
        yield
    except (SalesError, GeneratorExit):
        raise
    except Exception as error:
        raise SalesError("This workbook cannot be read; save it as CSV or XLSX first.") from error


def _cell_of(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat(" ", "seconds" if not value.microsecond else "microseconds")
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, timedelta):
        return str((datetime.min + value).time()) if value < timedelta(days=1) else str(value)
    if isinstance(value, float):
        # Three decimals could be read as thousands.
        text = f"{value:.10f}".rstrip("0").rstrip(".")
        return f"{text}0" if re.search(r"\.\d{3}$", text) else text
    return "" if value is None else str(value).strip()
