"""Sales as tills export them, read from CSV; ``matching`` finds the visits that they belong to."""

from __future__ import annotations

import codecs
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from decimal import Decimal
from typing import Final

from facetraits.visitors.matching import Matching, MatchRule, Sale, match_sales
from facetraits.visitors.receipts import Line, merged
from facetraits.visitors.sale_table import (
    DELIMITERS,
    SalesError,
    Table,
    cell_of,
    cells_of,
    find_table,
    names_totals,
)
from facetraits.visitors.sale_values import (
    AmountReader,
    Moment,
    UnreadableError,
    is_day_first,
    read_moment,
    to_utc,
)
from facetraits.visitors.visit import LARGEST_BASKET, checked_basket

__all__ = ["MatchRule", "Matching", "Sale", "SalesError", "SalesFile", "match_sales", "read_sales"]

LARGEST_FILE: Final = 20 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class SalesFile:
    """What a till's file says.

    Attributes:
        sales: by time; at least one.
        skipped: number of the line, counted from 1, and why it is no sale; by line.
        time_column: name of the column of the times; two, joined by " + ", where date and time stand apart.
        amount_column: name of the column of the amounts; None without one.
        note: sentences on what had to be assumed, or "".
        day_first: how dates such as 3/4/2026 were read; None where the file has none.
    """

    sales: tuple[Sale, ...]
    skipped: tuple[tuple[int, str], ...]
    time_column: str
    amount_column: str | None
    note: str = ""
    day_first: bool | None = None


def read_sales(data: bytes, zone: tzinfo, day_first: bool | None = None) -> SalesFile:
    """The sales of a CSV file.

    Commas, semicolons, tabs or bars separate its columns; a line names them, and one column has "date" or "time" in its
    name, or two have. Text is UTF-8, UTF-16 or Latin-1. Refunds and lines that cannot be read are skipped. Lines with
    the same number of a receipt, within ten minutes, are one sale.

    Args:
        data: the file.
        zone: in which times are meant that do not say their offset.
        day_first: how 3/4/2026 is to be read; None finds it from the whole column.

    Raises:
        SalesError: it holds no sale that can be read.
    """
    text, delimiter = _without_separator_line(_decoded(data))
    table = find_table(text, (delimiter,) if delimiter else DELIMITERS)
    lines = _lines(table)
    if not lines:
        raise SalesError("The file has names of columns, but no sales below them.")
    moments = [_moments(cells, table.columns.moment) for _, cells in lines]
    first, note = _order([found for day, clock, _ in moments for found in (day, clock) if found], day_first)
    amounts = _Amounts.of(table, lines)
    skipped: list[tuple[int, str]] = []
    read: list[Line] = []
    for (number, cells), (day, clock, problem) in zip(lines, moments, strict=True):
        try:
            if day is None or clock is None:
                raise UnreadableError(problem)
            time = to_utc(day, clock, first is not False, zone)
            read.append(Line(number, time, amounts.read(cells), cell_of(cells, table.columns.receipt)))
        except UnreadableError as error:
            skipped.append((number, str(error)))
    amount_column = None if table.columns.amount is None else table.header[table.columns.amount]
    one_each, merge_note = merged(read, amount_column is not None and names_totals(amount_column))
    sales = _sales(one_each, skipped)
    if not sales:
        number, reason = min(skipped)
        raise SalesError(f"No line of the file is a sale that can be read; line {number}: {reason}.")
    return SalesFile(
        sales=tuple(sorted(sales, key=lambda sale: (sale.time, sale.line))),
        skipped=tuple(sorted(skipped)),
        time_column=" + ".join(table.header[i] for i in table.columns.moment),
        amount_column=amount_column,
        note=" ".join(part for part in (note, amounts.note, merge_note) if part),
        day_first=first,
    )


# --------------------------------------------------------------------------------------------------------------- text


def _decoded(data: bytes) -> str:
    if not data.strip():
        raise SalesError("The file is empty.")
    if len(data) > LARGEST_FILE:
        raise SalesError(f"The file is larger than {LARGEST_FILE // 2**20} MB; export a shorter time.")
    if data.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
        raise SalesError("This is a spreadsheet; save it as CSV first.")
    if data.startswith(b"%PDF"):
        raise SalesError("This is a PDF; export the sales as CSV instead.")
    # Old tills end their files with Control-Z.
    text = _text_of(data).rstrip("\x1a")
    if any(unicodedata.category(sign) == "Cc" and sign not in "\t\r\n\f" for sign in set(text)):
        raise SalesError("This is no text file; export the sales as CSV.")
    if not text.strip():
        raise SalesError("The file is empty.")
    return text


def _text_of(data: bytes) -> str:
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
    raise SalesError("This is no text file; export the sales as CSV.")


def _without_separator_line(text: str) -> tuple[str, str | None]:
    """Spreadsheets write "sep=;" first."""
    found = re.match(r"\s*\"?sep=([;,\t|])\"?[ ]*(\r\n|\r|\n)", text, re.IGNORECASE)
    # The line stays, empty, so that the others keep their numbers.
    return (found[2] + text[found.end() :], found[1]) if found else (text, None)


# -------------------------------------------------------------------------------------------------------------- lines


def _lines(table: Table) -> list[tuple[int, list[str]]]:
    """Without repetitions of the header, which files that were joined have."""
    header = list(table.header)
    return [(number, cells) for number, cells in table.rows if [cell.strip() for cell in cells] != header]


def _moments(cells: Sequence[str], columns: Sequence[int]) -> tuple[Moment | None, Moment | None, str]:
    """Date and time of day of a line, or why there are none."""
    found = []
    for place in columns:
        if not (cell := cell_of(cells, place)):
            return None, None, "the time is missing"
        try:
            found.append(read_moment(cell))
        except UnreadableError as error:
            return None, None, str(error)
    return found[0], found[-1], ""


def _order(moments: Sequence[Moment], wanted: bool | None) -> tuple[bool | None, str]:
    """Whether the day comes before the month, None where no date leaves it open; and a note on what was assumed."""
    unclear = [moment for moment in moments if moment.open_order]
    if not unclear:
        return None, ""
    if wanted is not None:
        return wanted, ""
    found = is_day_first(unclear)
    if found is not None:
        return found, ""
    if unclear[0].dotted:
        return True, ""
    # Where clocks have AM and PM the month is mostly written first.
    first = not any(moment.half_day for moment in moments)
    read_as = "day/month" if first else "month/day"
    return first, f"The dates do not show whether day or month comes first; they were read as {read_as}."


class _Amounts:
    """Reads the amounts of a table; ``note`` says what had to be assumed."""

    def __init__(self, place: int | None, cells: Iterable[str]) -> None:
        self._place = place
        self._reader = AmountReader(cells)
        self.note = self._reader.note

    @classmethod
    def of(cls, table: Table, lines: Sequence[tuple[int, Sequence[str]]]) -> _Amounts:
        place = table.columns.amount
        return cls(place, [] if place is None else cells_of((cells for _, cells in lines), place))

    def read(self, cells: Sequence[str]) -> Decimal | None:
        cell = cell_of(cells, self._place)
        return self._reader.read(cell) if cell else None


def _sales(lines: Iterable[Line], skipped: list[tuple[int, str]]) -> list[Sale]:
    """Those that are sales; the others are added to ``skipped``."""
    sales = []
    for line in lines:
        if line.amount is None:
            sales.append(Sale(line.time, None, line.number))
        elif line.amount < 0:
            skipped.append((line.number, "a refund"))
        elif line.amount == 0:
            skipped.append((line.number, "nothing was paid"))
        elif line.amount > LARGEST_BASKET:
            skipped.append((line.number, "the amount is too large"))
        else:
            sales.append(Sale(line.time, checked_basket(line.amount), line.number))
    return sales
