"""The table of sales in a till's CSV: where it begins, what separates its columns, and what they hold."""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from facetraits.visitors.sale_values import AmountReader, Moment, UnreadableError, read_moment


def _split(words: str) -> frozenset[str]:
    return frozenset(words.split())


DELIMITERS: Final = (";", "\t", ",", "|")
# A till may write its name and the period above the table.
_LINES_ABOVE: Final = 30
_SAMPLE_ROWS: Final = 200
_MOST_COLUMNS: Final = 200
_LONGEST_ROW_LINES: Final = 50
_SAMPLE_CHARACTERS: Final = 200_000

_DAY_WORDS: Final = _split("date datum day tag fecha data dia dato jour pvm datetime timestamp")
_CLOCK_WORDS: Final = _split(
    "time uhrzeit zeit zeitpunkt zeitstempel heure hora ora tijd tid klokkeslett datetime timestamp"
)
_MOMENT_WORDS: Final = _DAY_WORDS | _CLOCK_WORDS | _split("created closed sold paid completed verkauft bezahlt")
# The likelier first; a longer word may begin otherwise, as "Gesamtbetrag" does.
_AMOUNT_WORDS: Final = (
    *("total", "totale", "totaal", "gesamt", "summe", "betrag", "gross", "brutto", "amount", "montant", "importe"),
    *("importo", "bedrag", "sum", "paid", "umsatz", "revenue", "turnover", "sales", "sale", "basket", "value", "wert"),
    *("valor", "price", "preis", "prix", "precio", "prezzo", "net", "netto"),
)
# What is paid for a whole receipt, unless it is said to be of a part of it.
_TOTAL_WORDS: Final = _AMOUNT_WORDS[: _AMOUNT_WORDS.index("sales")]
_PART_WORDS: Final = _split(
    "line item article artikel unit each position pos einzel stueck zeile zeilen price preis prix precio prezzo"
)
_TAX_WORDS: Final = _split("tax vat mwst ust steuer iva tva btw moms")
_NOT_AMOUNT_WORDS: Final = _split(
    "tip tips trinkgeld discount rabatt quantity qty menge anzahl count items id number nr no change cost costs fee "
    "fees currency waehrung type method refunded given tendered gegeben rueckgeld subtotal zwischensumme points "
    "date datum time zeit"
)
_INCLUDING: Final = _split("incl inc including inkl ttc")
_RECEIPT_WORDS: Final = _split(
    "receipt bon bonnummer beleg belegnummer belegnr order transaction transaktion invoice rechnung rechnungsnummer "
    "ticket bill kassenbon"
)
_NUMBER_WORDS: Final = _split("id no nr number num nummer numero")


class SalesError(Exception):
    """Why a file cannot be taken for sales: one sentence for the owner."""


class Columns(NamedTuple):
    """Places of the columns: of the time one, or date and time of day."""

    moment: tuple[int, ...]
    amount: int | None
    receipt: int | None


class Table(NamedTuple):
    """Names of the columns, then number of the line and cells of each row that is not blank."""

    header: tuple[str, ...]
    rows: list[tuple[int, list[str]]]
    columns: Columns


def find_table(text: str, delimiters: Sequence[str]) -> Table:
    """The table, by the delimiter that makes sense of it and makes the most columns.

    Raises:
        SalesError: there is none.
    """
    sample = text[:_SAMPLE_CHARACTERS]
    found: list[tuple[int, str]] = []
    problems: list[tuple[int, str]] = []
    for delimiter in delimiters:
        width = 0
        try:
            rows = _rows(sample, delimiter)
            width = max((len(cells) for _, cells in rows), default=0)
            place, _ = _head_of(rows)
            # Else "2026-05-04 14:05:00,5" would be a time with tenths of a second.
            if width == 1 and any(sign in rows[place][1][0] for sign in DELIMITERS):
                raise SalesError("The columns of the file are not separated as its first lines say.")
            found.append((width, delimiter))
        except SalesError as error:
            problems.append((width, str(error)))
    if not found:
        raise SalesError(max(problems, key=lambda problem: problem[0])[1])
    _, delimiter = max(found, key=lambda table: table[0])
    rows = _rows(text, delimiter)
    place, columns = _head_of(rows)
    header = tuple(cell.strip() for cell in rows[place][1])
    return Table(header, rows[place + 1 :], columns)


def _rows(text: str, delimiter: str) -> list[tuple[int, list[str]]]:
    """Number of the first line and cells of each row that is not blank."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    rows: list[tuple[int, list[str]]] = []
    before = 0
    try:
        for cells in reader:
            if reader.line_num - before > _LONGEST_ROW_LINES:
                raise SalesError(f"The file is no CSV: a quotation mark in line {before + 1} is not closed.")
            if any(cell.strip() for cell in cells):
                rows.append((before + 1, cells))
            before = reader.line_num
    except csv.Error as error:
        raise SalesError(f"The file is no CSV: line {reader.line_num} cannot be read.") from error
    return rows


def _head_of(rows: Sequence[tuple[int, list[str]]]) -> tuple[int, Columns]:
    """The place of the row that names the columns, and the columns.

    Raises:
        SalesError: no row does, or no column is of times.
    """
    problem = "The file names no column for the time of the sales; its first line must name the columns."
    for place, (_, cells) in enumerate(rows[:_LINES_ABOVE]):
        cells = cells[:_MOST_COLUMNS]
        named = [i for i, cell in enumerate(cells) if _words(cell) & _MOMENT_WORDS]
        if not named:
            continue
        below = [cells for _, cells in rows[place + 1 : place + 1 + _SAMPLE_ROWS]]
        kinds = {i: _kind_of(cells_of(below, i)) for i in range(len(cells))}
        moment = _moment_columns(kinds, named)
        if moment is not None:
            return place, Columns(moment, _amount_column(cells, below, moment), _receipt_column(cells, moment))
        problem = _no_time(cells, kinds, named, below)
    raise SalesError(problem)


def _moment_columns(kinds: Mapping[int, str], named: Sequence[int]) -> tuple[int, ...] | None:
    def first(kind: str) -> int | None:
        return next((i for i in (*named, *kinds) if kinds[i] == kind), None)

    if (both := first("both")) is not None:
        return (both,)
    day, clock = first("day"), next((i for i in named if kinds[i] == "clock"), None)
    return (day, clock) if day is not None and clock is not None else None


def _no_time(cells: Sequence[str], kinds: Mapping[int, str], named: Sequence[int], below: Sequence[object]) -> str:
    if not below:
        return "The file has names of columns, but no sales below them."
    name = cells[named[0]].strip()
    if any(kinds[i] == "day" for i in named):
        return f'The column "{name}" has days but no time of day, without which sales cannot be matched to visits.'
    if any(kinds[i] == "clock" for i in named):
        return f'The column "{name}" has times of day, but the file has no column with the date.'
    return f'The column "{name}" holds no dates and times that can be read.'


def _kind_of(cells: Sequence[str]) -> str:
    """What most of its cells are: "both" date and time, "day", "clock" or "" (something else)."""
    moments = []
    for cell in cells:
        try:
            moments.append(read_moment(cell))
        except UnreadableError:
            moments.append(Moment())
    with_day = [moment for moment in moments if moment.day is not None]
    if 2 * len(with_day) >= len(moments) > 0:
        clocks = [moment.clock for moment in with_day if moment.clock is not None]
        # A spreadsheet writes a day as its midnight.
        only_midnight = len(clocks) > 1 and not any(map(any, clocks))
        return "both" if 2 * len(clocks) >= len(with_day) and not only_midnight else "day"
    with_clock = [moment for moment in moments if moment.clock is not None]
    return "clock" if 2 * len(with_clock) >= len(moments) > 0 else ""


def _amount_column(header: Sequence[str], below: Sequence[Sequence[str]], taken: Sequence[int]) -> int | None:
    ranked = [(rank, i) for i, name in enumerate(header) if i not in taken and (rank := _amount_rank(name)) is not None]
    for _, i in sorted(ranked):
        cells = cells_of(below, i)
        if 2 * sum(map(_is_amount, cells)) >= len(cells) > 0:
            return i
    return None


def _amount_rank(name: str) -> int | None:
    words = _words(name)
    no_amount = words & _NOT_AMOUNT_WORDS or any(word.startswith("steuer") for word in words)
    if no_amount or (words & _TAX_WORDS and not words & _INCLUDING and not words & {"excl", "exkl"}):
        return None
    ranks = [rank for rank, known in enumerate(_AMOUNT_WORDS) if any(_is_or_ends(word, known) for word in words)]
    return min(ranks, default=None)


def names_totals(name: str) -> bool:
    """Whether a column of that name has what was paid in all, on each line of a receipt."""
    words = _words(name)
    return not words & _PART_WORDS and any(_is_or_ends(word, total) for word in words for total in _TOTAL_WORDS)


def _is_or_ends(word: str, known: str) -> bool:
    return word == known or (len(known) > 4 and word.endswith(known))


def _is_amount(cell: str) -> bool:
    try:
        AmountReader(()).read(cell)
    except UnreadableError:
        return False
    return True


def _receipt_column(header: Sequence[str], taken: Sequence[int]) -> int | None:
    for i, name in enumerate(header):
        words = _words(name)
        if i not in taken and words & _RECEIPT_WORDS and words <= _RECEIPT_WORDS | _NUMBER_WORDS:
            return i
    return None


def _words(name: str) -> frozenset[str]:
    """The words of a column's name, in small letters without marks: "Sold_at (UTC)" has sold, at and utc."""
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)
    for sign, letters in (("ä", "ae"), ("ö", "oe"), ("ü", "ue"), ("ß", "ss")):
        spaced = spaced.replace(sign, letters)
    plain = unicodedata.normalize("NFKD", spaced.casefold())
    return frozenset(re.findall(r"[a-z0-9]+", "".join(sign for sign in plain if not unicodedata.combining(sign))))


def cells_of(rows: Iterable[Sequence[str]], place: int) -> list[str]:
    """Its cells that are not empty."""
    return [cell for cells in rows if (cell := cell_of(cells, place))]


def cell_of(cells: Sequence[str], place: int | None) -> str:
    """The cell without blanks around it; "" where the row is too short or there is no such column."""
    return cells[place].strip() if place is not None and place < len(cells) else ""
