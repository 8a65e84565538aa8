"""Sales as tills export them, read from CSV or a workbook; ``matching`` finds the visits that they belong to."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from decimal import Decimal
from typing import Final, NamedTuple

from facetraits.visitors.currency import currency_column, currency_of
from facetraits.visitors.sales.amounts import AmountReader
from facetraits.visitors.sales.columns import ColumnChoice, Columns, choice_of, names_totals, reader_of
from facetraits.visitors.sales.file import LARGEST_FILE, SalesError, dialects_of
from facetraits.visitors.sales.matching import Matching, MatchRule, Sale, match_sales
from facetraits.visitors.sales.notes import notes_on
from facetraits.visitors.sales.receipts import Line, apply_refunds, merge_receipts
from facetraits.visitors.sales.status import Meaning, StatusReader, combined_meaning
from facetraits.visitors.sales.table import Cells, Table, find_table, likely_table, read_cells
from facetraits.visitors.sales.text import short
from facetraits.visitors.sales.times import Moment, UnreadableError, aware, is_day_first, parts_of, to_utc, zone_named
from facetraits.visitors.sales.zones import zone_in_name
from facetraits.visitors.visit import LARGEST_BASKET

__all__ = [
    "LARGEST_FILE",
    "ColumnChoice",
    "FirstLook",
    "MatchRule",
    "Matching",
    "Sale",
    "SalesError",
    "SalesFile",
    "first_look",
    "match_sales",
    "read_sales",
]

_NOTHING: Final = Decimal(0)
_CENT: Final = Decimal("0.01")


class FirstLook(NamedTuple):
    """The beginning of a table.

    Attributes:
        header: names of the columns.
        rows: cells of the first rows.
        choice: which columns are taken for what; None where no table of sales was found.
    """

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    choice: ColumnChoice | None


_NOT_LOOKED: Final = FirstLook((), (), None)


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
        order_assumed: the file does not show whether day or month comes first.
        look: the beginning of its table.
        currency: of the amounts, a code of ISO 4217; None where the file names none, or several.
    """

    sales: tuple[Sale, ...]
    skipped: tuple[tuple[int, str], ...]
    time_column: str
    amount_column: str | None
    note: str = ""
    day_first: bool | None = None
    order_assumed: bool = False
    look: FirstLook = _NOT_LOOKED
    currency: str | None = None


def read_sales(
    data: bytes, zone: tzinfo, day_first: bool | None = None, choice: ColumnChoice | None = None
) -> SalesFile:
    """The sales of a till's file: CSV, or an XLSX workbook of which one sheet is read.

    Commas, semicolons, tabs or bars separate the columns of CSV; a line names them, and one column has "date" or "time"
    in its name, or two have. Text is UTF-8, UTF-16 or Latin-1. Lines that a status or a type calls voided, failed or
    not yet paid are left out, and so are those that cannot be read. Lines with the same number of a receipt, within ten
    minutes, are one sale. Refunds reduce the sales that they name.

    Args:
        data: the file.
        zone: in which times are meant that neither say their zone nor have one in the name or a column beside them.
        day_first: how 3/4/2026 is to be read; None finds it from the whole column.
        choice: columns that somebody has chosen; None finds them by their names and cells.

    Raises:
        SalesError: it holds no sale that can be read.
    """
    lines = _read(data, zone, day_first, choice)
    one_each, merge_note = merge_receipts(
        lines.sold, lines.amount_column is not None and names_totals(lines.amount_column)
    )
    paid = [line for line in one_each if line.amount is None or line.amount >= 0]
    refunds = [line for line in one_each if line.amount is not None and line.amount < 0]
    left, taken_back = apply_refunds(paid, lines.given_back + refunds)
    skipped = lines.skipped + taken_back
    sales = _sales(left, skipped)
    if not sales:
        number, reason = min(skipped)
        raise SalesError(f"No line of the file is a sale that can be read; line {number}: {reason}.")
    return SalesFile(
        sales=tuple(sorted(sales, key=lambda sale: (sale.time, sale.line))),
        skipped=tuple(sorted(skipped)),
        time_column=lines.time_column,
        amount_column=lines.amount_column,
        note=" ".join(filter(None, (*lines.notes, merge_note))),
        day_first=lines.day_first,
        order_assumed=lines.order_assumed,
        look=lines.look,
        currency=lines.currency,
    )


def first_look(data: bytes) -> FirstLook:
    """The beginning of a file, of which only so much is read; also of one in which ``read_sales`` finds no sales.

    Raises:
        SalesError: it is no text and no workbook.
    """
    dialects = dialects_of(data)
    try:
        return _look_of(find_table(dialects))
    except SalesError:
        return FirstLook(*likely_table(dialects), None)


def _look_of(table: Table) -> FirstLook:
    return FirstLook(table.header, table.first, choice_of(table.header, table.columns))


class _Lines(NamedTuple):
    """The lines of a file before the lines of each receipt are merged."""

    sold: list[Line]
    given_back: list[Line]
    skipped: list[tuple[int, str]]
    time_column: str
    amount_column: str | None
    notes: tuple[str, ...]
    day_first: bool | None
    order_assumed: bool
    look: FirstLook
    currency: str | None


def _read(data: bytes, zone: tzinfo, day_first: bool | None, choice: ColumnChoice | None) -> _Lines:
    table = find_table(dialects_of(data), choice)
    cells = read_cells(table, table.columns)
    if not cells.lines and not cells.refused:
        raise SalesError("The file has column names, but no sales below them.")
    moments = _read_moments(cells, table)
    first, order_note = _date_order(moments, day_first)
    amounts = AmountReader(filter(None, _column(cells, table.columns.amount, ())))
    sold, given_back, skipped = _split_lines(cells, table, moments, amounts, zone, first is not False)
    return _Lines(
        sold=sold,
        given_back=given_back,
        skipped=skipped + cells.refused,
        time_column=" + ".join(table.header[i] for i in table.columns.moment),
        amount_column=None if table.columns.amount is None else table.header[table.columns.amount],
        notes=(order_note, amounts.note, *notes_on(cells, table, zone)),
        day_first=first,
        order_assumed=bool(order_note),
        look=_look_of(table),
        currency=_currency(cells, table),
    )


def _currency(cells: Cells, table: Table) -> str | None:
    if table.columns.amount is None:
        return None
    amounts, place = cells.columns[table.columns.amount], currency_column(table.header)
    return currency_of(table.header[table.columns.amount], amounts, () if place is None else cells.columns[place])


# -------------------------------------------------------------------------------------------------------------- times

# The time, or what says the day and what says the time of day, or why there is neither.
_Read = datetime | tuple[Moment, Moment] | str


def _read_moments(cells: Cells, table: Table) -> list[_Read]:
    """Of each row."""
    found = [_column_of_moments(cells.columns[i], table.header[i]) for i in table.columns.moment]
    if len(found) == 1:
        return found[0]
    return [_joined(day, clock) for day, clock in zip(*found, strict=True)]


def _column_of_moments(column: Sequence[str], name: str) -> list[_Read]:
    read = reader_of(name).read
    moments: list[_Read] = []
    for cell in column:
        try:
            moments.append(read(cell) if cell else "the time is missing")
        except UnreadableError as error:
            moments.append(str(error))
    return moments


def _joined(day: _Read, clock: _Read) -> _Read:
    if isinstance(day, str):
        return day
    return clock if isinstance(clock, str) else (parts_of(day)[0], parts_of(clock)[1])


def _date_order(moments: Iterable[_Read], wanted: bool | None) -> tuple[bool | None, str]:
    """Whether the day comes before the month, None where no date leaves it open; and a note on what was assumed."""
    read = [moment for moment in moments if isinstance(moment, tuple)]
    unclear = [day for day, _ in read if day.open_order]
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
    first = not any(clock.half_day for _, clock in read)
    read_as = "day/month" if first else "month/day"
    return first, f"The dates do not show whether day or month comes first; they were read as {read_as}."


def _zones(cells: Cells, table: Table, home: tzinfo) -> Callable[[int], tzinfo]:
    """The zone of a row whose time names none itself.

    The callable raises ``UnreadableError`` where the row's cell is no zone.
    """
    named = (zone_in_name(table.header[place], home) for place in table.columns.moment)
    usual = next((zone for zone in named if zone is not None), home)
    if table.columns.zone is None:
        return lambda row: usual
    column = cells.columns[table.columns.zone]

    def zone_of_row(row: int) -> tzinfo:
        return zone_named(column[row], home) if column[row] else usual

    return zone_of_row


# -------------------------------------------------------------------------------------------------------------- lines


def _split_lines(
    cells: Cells, table: Table, moments: Sequence[_Read], amounts: AmountReader, zone: tzinfo, day_first: bool
) -> tuple[list[Line], list[Line], list[tuple[int, str]]]:
    """Lines of sales, lines that give money back, and number of the line and reason of the others."""
    columns = table.columns
    blank = [""] * len(cells.lines)
    zone_of_row = _zones(cells, table, zone)
    backs = AmountReader(filter(None, _column(cells, columns.refunded, ())))
    sold: list[Line] = []
    given_back: list[Line] = []
    skipped: list[tuple[int, str]] = []
    said = _status_cells(cells, table)
    meanings = _row_meanings(cells, said)
    rows = zip(
        cells.lines,
        moments,
        _column(cells, columns.amount, blank),
        _column(cells, columns.receipt, blank),
        _column(cells, columns.original, blank),
        _column(cells, columns.refunded, blank),
        strict=True,
    )
    for row, (number, moment, amount, receipt, original, back) in enumerate(rows):
        try:
            meaning = meanings.get(row, "sale")
            value = amounts.read(amount) if amount else None
            gives_back = meaning == "refund" or (meaning == "void" and (bool(original) or (value or _NOTHING) < 0))
            if meaning != "sale" and not gives_back:
                raise UnreadableError(_why_no_sale(cells, table, said, row))
            if isinstance(moment, str):
                raise UnreadableError(moment)
            time = _time(moment, day_first, zone_of_row(row), zone)
            if gives_back:
                loss = None if value is None else -abs(value)
                given_back.append(Line(number, time, loss, receipt, original))
                continue
            if back and value is not None:
                value = _without(value, backs.read(back), f"{table.header[columns.refunded or 0]}: {short(back)}")
            sold.append(Line(number, time, value, receipt, original))
        except UnreadableError as error:
            skipped.append((number, _with_cell(str(error), cells, columns, row)))
    return sold, given_back, skipped


def _time(moment: datetime | tuple[Moment, Moment], day_first: bool, zone: tzinfo, home: tzinfo) -> datetime:
    if isinstance(moment, tuple):
        return to_utc(*moment, day_first, zone, home)
    try:
        return aware(moment, zone)
    except OverflowError:
        raise UnreadableError(f"there is no such time in UTC in the year {moment.year}") from None


def _status_cells(cells: Cells, table: Table) -> dict[int, dict[str, Meaning]]:
    """Of each column of states or kinds its different cells that stand for no plain sale, and what they mean."""
    found: dict[int, dict[str, Meaning]] = {}
    for place in table.columns.status:
        reader = StatusReader(table.header[place])
        found[place] = {cell: said for cell in set(cells.columns[place]) if (said := reader.read(cell)) != "sale"}
    return found


def _row_meanings(cells: Cells, said: Mapping[int, Mapping[str, Meaning]]) -> dict[int, Meaning]:
    """Place of each row that is no plain sale, and what it is."""
    found: dict[int, Meaning] = {}
    for place, meanings in said.items():
        if meanings:
            for row, cell in enumerate(cells.columns[place]):
                if cell in meanings:
                    found[row] = combined_meaning(found.get(row, "sale"), meanings[cell])
    return found


def _why_no_sale(cells: Cells, table: Table, said: Mapping[int, Mapping[str, Meaning]], row: int) -> str:
    return "no sale, " + " and ".join(
        f'{table.header[place]}: "{short(cell)}"'
        for place, meanings in said.items()
        if (cell := cells.columns[place][row]) in meanings
    )


def _column(cells: Cells, place: int | None, missing: Sequence[str]) -> Sequence[str]:
    return missing if place is None else cells.columns[place]


def _without(amount: Decimal, back: Decimal, why: str) -> Decimal:
    if back and abs(back) >= amount > 0:
        raise UnreadableError(f"refunded, {why}")
    return amount - abs(back)


def _with_cell(reason: str, cells: Cells, columns: Columns, row: int) -> str:
    """The reason with the cell of the time, unless it shows a cell already."""
    cell = " ".join(filter(None, (cells.columns[place][row] for place in columns.moment)))
    return reason if not cell or '"' in reason or "refunded" in reason else f'{reason}: "{short(cell)}"'


def _sales(lines: Iterable[Line], skipped: list[tuple[int, str]]) -> list[Sale]:
    """Those that are sales; the others are added to ``skipped``."""
    sales = []
    baskets: dict[Decimal, Decimal] = {}
    for line in lines:
        if line.amount is None:
            sales.append(Sale(line.time, None, line.number))
        elif line.amount == _NOTHING:
            skipped.append((line.number, "nothing was paid"))
        elif line.amount > LARGEST_BASKET:
            skipped.append((line.number, f"the amount {short(f'{line.amount:,.2f}')} is too large"))
        else:
            basket = baskets.setdefault(line.amount, line.amount.quantize(_CENT))
            sales.append(Sale(line.time, basket, line.number))
    return sales
