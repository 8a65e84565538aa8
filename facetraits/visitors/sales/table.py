"""The table of sales in a till's file: where it begins, what separates its columns, and the cells that matter."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Final, NamedTuple

from facetraits.visitors.currency import currency_column
from facetraits.visitors.sales.columns import (
    ColumnChoice,
    Columns,
    cell_of,
    columns_of,
    moment_columns,
    reader_of,
    unreadable_example,
)
from facetraits.visitors.sales.file import DELIMITERS, Dialect, Row, SalesError
from facetraits.visitors.sales.text import short
from facetraits.visitors.sales.times import UnreadableError

# A till may write its name and the period above the table.
_LINES_ABOVE: Final = 30
_SAMPLE_ROWS: Final = 200
_SAMPLE_LINES: Final = 400
_MOST_COLUMNS: Final = 200
_SHOWN_ROWS: Final = 5


class Table(NamedTuple):
    """A table whose columns are known.

    Attributes:
        dialect: splits the file into rows.
        header: names of the columns.
        line: number of the last line of the names.
        columns: where what stands.
        first: cells of the first rows below the names.
    """

    dialect: Dialect
    header: tuple[str, ...]
    line: int
    columns: Columns
    first: tuple[tuple[str, ...], ...]


class Cells(NamedTuple):
    """The rows of a table.

    Attributes:
        lines: number of the line of each row.
        columns: place of a column to its cells, one of each row.
        refused: number of the line of each other row, and why it cannot be read.
        mended: numbers of lines with a quotation mark that is not closed.
    """

    lines: list[int]
    columns: dict[int, list[str]]
    refused: list[tuple[int, str]]
    mended: list[int]


def find_table(dialects: Sequence[Dialect], choice: ColumnChoice | None = None) -> Table:
    """The table, in the dialect that makes sense of the file and gives the most columns.

    Args:
        dialects: the ways to read the file.
        choice: columns that somebody has chosen; None finds them by their names and cells.

    Raises:
        SalesError: there is none.
    """
    found: list[tuple[int, Table]] = []
    problems: list[tuple[int, str]] = []
    for dialect in dialects:
        rows = list(dialect.rows(_SAMPLE_LINES))
        width = max((len(row.cells) for row in rows), default=0)
        try:
            table = _table_of(dialect, rows, choice)
            # Else "2026-05-04 14:05:00,5" would be a time with tenths of a second.
            if width == 1 and any(sign in table.header[0] for sign in DELIMITERS):
                raise SalesError("The first line of the file names another separator than its columns use.")
            found.append((width, table))
        except SalesError as error:
            problems.append((width, str(error)))
    if found:
        return max(found, key=lambda table: table[0])[1]
    if not problems:
        raise SalesError("The workbook has no sheets.")
    raise SalesError(max(problems, key=lambda problem: problem[0])[1])


def likely_table(dialects: Sequence[Dialect]) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    """Names of the columns and the first rows of a file in which no table of sales is found; empty without any."""
    best: tuple[int, list[Row]] = (0, [])
    for dialect in dialects:
        rows = list(dialect.rows(_LINES_ABOVE + _SHOWN_ROWS))
        width = max((len(row.cells) for row in rows), default=0)
        if width > best[0]:
            best = width, rows
    width, rows = best
    start = next((place for place, row in enumerate(rows) if sum(map(bool, map(str.strip, row.cells))) == width), 0)
    header = tuple(cell.strip() for cell in rows[start].cells[:_MOST_COLUMNS]) if rows else ()
    return header, tuple(tuple(row.cells) for row in rows[start + 1 : start + 1 + _SHOWN_ROWS])


def _table_of(dialect: Dialect, rows: Sequence[Row], choice: ColumnChoice | None) -> Table:
    problem = ""
    for place, row in enumerate(rows[:_LINES_ABOVE]):
        header = tuple(cell.strip() for cell in row.cells)
        under = rows[place + 1 : place + 1 + _SAMPLE_ROWS]
        below = [other.cells for other in under]
        first = tuple(tuple(cells) for cells in below[:_SHOWN_ROWS])
        if choice is not None:
            if choice.fits(header[:_MOST_COLUMNS]):
                found = columns_of(header[:_MOST_COLUMNS], below, ())
                return Table(dialect, header, row.last, choice.places(header[:_MOST_COLUMNS], found), first)
            continue
        moment, why = moment_columns(header[:_MOST_COLUMNS], below)
        if moment is not None:
            return Table(dialect, header, row.last, columns_of(header[:_MOST_COLUMNS], below, moment), first)
        if why:
            example = unreadable_example(header, ((other.number, other.cells) for other in under))
            problem = problem or (why if why.endswith(".") else f"{why}{example}.")
    if problem:
        raise SalesError(problem)
    shown = f'; line {rows[0].number} begins with "{short(rows[0].cells[0])}"' if rows else ""
    raise SalesError(
        f"The file names no column for the time of the sales; its first line must name the columns{shown}."
    )


def read_cells(table: Table, columns: Columns) -> Cells:
    """The cells of some columns; rows with more cells than the table has columns are refused.

    Raises:
        SalesError: the file is no CSV.
    """
    roles = (*columns.moment, *columns.status, columns.amount, columns.zone, columns.receipt)
    more = (columns.original, columns.refunded, currency_column(table.header))
    used = {place for place in (*roles, *more) if place is not None}
    cells = Cells([], {place: [] for place in used}, [], [])
    header, width = list(table.header), len(table.header)
    kept = [(place, cells.columns[place].append) for place in used]
    for row in _rows_below(table, columns):
        if row.mended:
            cells.mended.append(row.number)
        found = row.cells
        if found[0].strip() == header[0] and [cell.strip() for cell in found[:width]] == header:
            continue  # files that were joined repeat it
        if len(found) > width and any(map(str.strip, found[width:])):
            cells.refused.append((row.number, _too_wide(row, table)))
            continue
        cells.lines.append(row.number)
        for place, append in kept:
            append(found[place].strip() if place < len(found) else "")
    return cells


def _rows_below(table: Table, columns: Columns) -> Iterator[Row]:
    """The rows below the names; a quoted cell that contains separate lines is split into them."""
    for row in table.dialect.rows(None):
        if row.number <= table.line:
            continue
        if row.last > row.number and table.dialect.apart and _contains_lines(row, table, columns):
            yield from table.dialect.apart(row.number, row.last)
        else:
            yield row


def _contains_lines(row: Row, table: Table, columns: Columns) -> bool:
    assert table.dialect.apart is not None
    place = columns.moment[0]
    reader = reader_of(table.header[place])
    for line in islice(table.dialect.apart(row.number, row.last), 1, None):
        if len(line.cells) == len(table.header):
            try:
                return reader.read(cell_of(line.cells, place)) is not None
            except UnreadableError:
                continue
    return False


def _too_wide(row: Row, table: Table) -> str:
    end = short(table.dialect.delimiter.join(row.cells[-2:]))
    return (
        f'it has {len(row.cells)} cells for {len(table.header)} column names; it ends with "{end}", and a cell '
        "with a separator in it needs quotation marks"
    )
