"""Identifies the columns of a sales file by their names and first cells."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from facetraits.visitors.sales.amounts import AmountReader
from facetraits.visitors.sales.status import names_refund, names_status, status_columns
from facetraits.visitors.sales.text import short, word_set, words_of
from facetraits.visitors.sales.times import Moment, MomentReader, UnreadableError, parts_of
from facetraits.visitors.sales.zones import names_zone

_DAY_WORDS: Final = word_set(
    "date datum day tag fecha data dia dato jour pvm datetime timestamp giorno dag paiva paeivae paeivaemaeaera "
    "paivamaara dzien"
)
_CLOCK_WORDS: Final = word_set(
    "time uhrzeit zeit zeitpunkt zeitstempel heure horaire hora horario ora orario tijd tijdstip tid tidpunkt "
    "klokkeslett klokkeslaet klockslag klo aika kello kellonaika godzina czas datetime timestamp"
)
_MOMENT_WORDS: Final = _DAY_WORDS | _CLOCK_WORDS | word_set("created closed sold paid completed verkauft bezahlt")
# The likelier first; a longer word may begin otherwise, as "Gesamtbetrag" does.
_AMOUNT_WORDS: Final = (
    *("total", "totale", "totaal", "gesamt", "summe", "betrag", "gross", "brutto", "amount", "montant", "importe"),
    *("importo", "bedrag", "sum", "paid", "monto", "belob", "belop", "belopp", "summa", "yhteensae", "kwota", "suma"),
    *("razem", "umsatz", "revenue", "turnover", "sales", "sale", "basket", "value", "wert", "valor", "wartosc"),
    *("price", "preis", "prix", "precio", "prezzo", "preco", "prijs", "pris", "hinta", "cena", "net", "netto"),
)
# Words for the total of a receipt, unless the name also says that it is a part of it.
_TOTAL_WORDS: Final = _AMOUNT_WORDS[: _AMOUNT_WORDS.index("umsatz")]
_PART_WORDS: Final = word_set(
    "line item article artikel unit each position pos einzel stueck zeile zeilen price preis prix precio prezzo"
)
_TAX_WORDS: Final = word_set("tax vat mwst ust steuer iva tva btw moms")
_NOT_AMOUNT_WORDS: Final = word_set(
    "tip tips trinkgeld discount rabatt quantity qty menge anzahl count items id number nr no change cost costs fee "
    "fees currency waehrung type method refunded given tendered gegeben rueckgeld subtotal zwischensumme points "
    "date datum time zeit"
)
_INCLUDING: Final = word_set("incl inc including inkl ttc")
_RECEIPT_WORDS: Final = word_set(
    "receipt bon bonnummer beleg belegnummer belegnr order transaction transaktion invoice rechnung rechnungsnummer "
    "ticket bill kassenbon txn paragon kvitto kvittering kuitti recibo ricevuta scontrino bonnetje"
)
_NUMBER_WORDS: Final = word_set("id no nr number num nummer numero")
_ORIGINAL_WORDS: Final = word_set(
    "original originale originalbeleg ursprung ursprungsbeleg bezug bezugsbeleg parent reference ref refers related "
    "references origine origen origem korrigiert"
)
_ZONE_WORDS: Final = word_set(
    "zone timezone tz zeitzone fuseau huso fuso tijdzone tidszon tidszone tidssone strefa offset"
)


# Whether a column of that name, with those cells, is the one that is looked for.
Fits = Callable[[str, Sequence[str]], bool]


# After this many cells without a time, no time is expected in the column.
_ENOUGH_UNREADABLE: Final = 20


class Columns(NamedTuple):
    """Places of the columns.

    Attributes:
        moment: of the time one, or date and time of day.
        amount: of what was paid.
        status: columns that can mark a line as not a sale.
        zone: of the time zone of each line.
        receipt: of the number of the receipt.
        original: of the receipt that a refund belongs to.
        refunded: of what was given back of the amount.
    """

    moment: tuple[int, ...]
    amount: int | None = None
    status: tuple[int, ...] = ()
    zone: int | None = None
    receipt: int | None = None
    original: int | None = None
    refunded: int | None = None


class ColumnChoice(NamedTuple):
    """Names of the columns that somebody has chosen; "" for none.

    Attributes:
        moment: of the time, or of the date where ``clock`` is another.
        clock: of the time of day.
        amount, status, zone: as of ``Columns``.
    """

    moment: str
    clock: str = ""
    amount: str = ""
    status: str = ""
    zone: str = ""

    def fits(self, header: Sequence[str]) -> bool:
        """Whether the columns have these names."""
        return all(name in header for name in self if name)

    def places(self, header: Sequence[str], found: Columns) -> Columns:
        """Where they are; what nobody chooses is as it was found."""
        at = {name: place for place, name in reversed(list(enumerate(header)))}
        moment = tuple(at[name] for name in (self.moment, self.clock) if name)
        taken = {*moment, at.get(self.amount), at.get(self.zone)}
        others = {
            role: None if place in taken else place
            for role, place in (("receipt", found.receipt), ("original", found.original), ("refunded", found.refunded))
        }
        return Columns(
            moment=moment,
            amount=at[self.amount] if self.amount else None,
            status=(at[self.status],) if self.status else (),
            zone=at[self.zone] if self.zone else None,
            **others,
        )


def choice_of(header: Sequence[str], columns: Columns) -> ColumnChoice:
    """The columns that were found, by their names."""

    def name(place: int | None) -> str:
        return "" if place is None else header[place]

    moment, clock, *_ = (*columns.moment, None)
    return ColumnChoice(
        moment=name(moment),
        clock=name(clock),
        amount=name(columns.amount),
        status=name(columns.status[0] if columns.status else None),
        zone=name(columns.zone),
    )


def names_moment(name: str) -> bool:
    """Whether a column of that name may hold the time of a sale."""
    return bool(set(words_of(name)) & _MOMENT_WORDS) and not _names_voids(name)


def _names_voids(name: str) -> bool:
    words = set(words_of(name)) - _MOMENT_WORDS
    return any(names_status(word) or names_refund(word) for word in words)


def columns_of(header: Sequence[str], below: Sequence[Sequence[str]], moment: tuple[int, ...]) -> Columns:
    """The other columns of a table.

    Args:
        header: names of the columns.
        below: the cells of the first rows under it.
        moment: places of the columns of the time.
    """
    cells = [cells_of(below, place) for place in range(len(header))]
    amount = _amount_column(header, cells, moment)
    receipt = _receipt_column(header, moment)
    original = _named(header, cells, _is_original, {*moment, receipt, amount})
    zone = _named(header, cells, _is_zone, {*moment, amount, receipt})
    refunded = _named(header, cells, _is_refunded, {*moment, amount, receipt, original})
    taken = {place for place in (*moment, amount, receipt, original, zone, refunded) if place is not None}
    return Columns(moment, amount, status_columns(header, taken, cells), zone, receipt, original, refunded)


def _named(header: Sequence[str], cells: Sequence[Sequence[str]], fits: Fits, taken: set[int | None]) -> int | None:
    return next((i for i, name in enumerate(header) if i not in taken and fits(name, cells[i])), None)


def _is_original(name: str, cells: Sequence[str]) -> bool:
    words = set(words_of(name))
    names_receipt = bool(words & (_RECEIPT_WORDS | _NUMBER_WORDS))
    named = bool(words & _ORIGINAL_WORDS) or {"refund", "of"} <= words or {"storno", "zu"} <= words
    return named and (names_receipt or len(words) <= 2) and _amount_rank(name) is None and bool(cells)


def _is_zone(name: str, cells: Sequence[str]) -> bool:
    known = [cell for cell in cells if names_zone(cell)]
    return bool(set(words_of(name)) & _ZONE_WORDS) and 2 * len(known) >= len(cells) > 0


def _is_refunded(name: str, cells: Sequence[str]) -> bool:
    return names_refund(name) and bool(cells) and all(map(_is_amount, cells))


# -------------------------------------------------------------------------------------------------------------- times


def moment_columns(header: Sequence[str], below: Sequence[Sequence[str]]) -> tuple[tuple[int, ...] | None, str]:
    """Places of the columns of the time, or None and why there are none."""
    named = [place for place, name in enumerate(header) if names_moment(name)]
    if not named:
        return None, ""
    numbers = {place for place in named if _may_be_numbers(header[place])}
    kinds = {place: kind_of(header[place], cells_of(below, place), place in numbers) for place in range(len(header))}

    def first(kind: str) -> int | None:
        return next((i for i in (*named, *kinds) if kinds[i] == kind), None)

    if (both := first("both")) is not None:
        return (both,), ""
    day, clock = first("day"), next((i for i in named if kinds[i] == "clock"), None)
    if day is not None and clock is not None:
        return (day, clock), ""
    return None, _no_time(header, kinds, named, below)


def _may_be_numbers(name: str) -> bool:
    """Of a column "Paid" the numbers are amounts, not times."""
    return _amount_rank(name) is None or bool(set(words_of(name)) & (_DAY_WORDS | _CLOCK_WORDS | {"at", "on"}))


def _no_time(
    header: Sequence[str], kinds: Mapping[int, str], named: Sequence[int], below: Sequence[Sequence[str]]
) -> str:
    name = header[named[0]].strip()
    if not below:
        return "The file has column names, but no sales below them."
    if (day := next((i for i in named if kinds[i] == "day"), None)) is not None:
        name = header[day].strip()
        return f'The column "{name}" has dates but no time of day, which is needed to match sales with visits'
    if any(kinds[i] == "clock" for i in named):
        return f'The column "{name}" has times of day, but the file has no column with the date'
    return f'The column "{name}" holds no dates and times that can be read'


def kind_of(name: str, cells: Sequence[str], numbers: bool) -> str:
    """What most cells of a column are: "both" date and time, "day", "clock" or "" (something else).

    Args:
        name: of the column.
        cells: those that are not empty.
        numbers: they may be times; otherwise no number is taken for one.
    """
    reader = reader_of(name)
    moments: list[Moment] = []
    for cell in cells:
        if len(moments) == _ENOUGH_UNREADABLE and not any(moment.day or moment.clock for moment in moments):
            return ""
        try:
            day, clock = (Moment(), Moment()) if not numbers and _is_amount(cell) else parts_of(reader.read(cell))
            moments.append(day._replace(clock=clock.clock))
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


def reader_of(name: str) -> MomentReader:
    """Reads the times of the column of that name."""
    words = set(words_of(name))
    return MomentReader(clocks_only=bool(words & _CLOCK_WORDS) and not words & _DAY_WORDS)


def unreadable_example(header: Sequence[str], rows: Iterable[tuple[int, Sequence[str]]]) -> str:
    """The first cell of a column of times, with its line: ' line 2: "soon"'; "" without one."""
    named = [place for place, name in enumerate(header) if names_moment(name)]
    return next(
        (
            f'; line {number}: "{short(cell)}"'
            for number, cells in rows
            for place in named
            if (cell := cell_of(cells, place))
        ),
        "",
    )


# ------------------------------------------------------------------------------------------------- amounts and receipts


def _amount_column(header: Sequence[str], cells: Sequence[Sequence[str]], taken: Sequence[int]) -> int | None:
    ranked = [(rank, i) for i, name in enumerate(header) if i not in taken and (rank := _amount_rank(name)) is not None]
    for _, i in sorted(ranked):
        if 2 * sum(map(_is_amount, cells[i])) >= len(cells[i]) > 0:
            return i
    return None


def _amount_rank(name: str) -> int | None:
    words = set(words_of(name))
    no_amount = words & _NOT_AMOUNT_WORDS or any(word.startswith("steuer") for word in words) or names_refund(name)
    if no_amount or (words & _TAX_WORDS and not words & _INCLUDING and not words & {"excl", "exkl"}):
        return None
    ranks = [rank for rank, known in enumerate(_AMOUNT_WORDS) if any(_is_or_ends(word, known) for word in words)]
    return min(ranks, default=None)


def names_totals(name: str) -> bool:
    """Whether a column of that name has what was paid in all, on each line of a receipt."""
    words = set(words_of(name))
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
        words = set(words_of(name))
        if i not in taken and words & _RECEIPT_WORDS and words <= _RECEIPT_WORDS | _NUMBER_WORDS:
            return i
    return None


# -------------------------------------------------------------------------------------------------------------- cells


def cells_of(rows: Iterable[Sequence[str]], place: int) -> list[str]:
    """Its cells that are not empty."""
    return [cell for cells in rows if (cell := cell_of(cells, place))]


def cell_of(cells: Sequence[str], place: int | None) -> str:
    """The cell without blanks around it; "" where the row is too short or there is no such column."""
    return cells[place].strip() if place is not None and place < len(cells) else ""
