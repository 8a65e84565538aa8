"""Times and amounts as tills write them; what one cell leaves open is found from its whole column."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from decimal import Decimal
from typing import Final, NamedTuple

_MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_YEAR_FIRST: Final = re.compile(r"(?P<year>\d{4})(?P<mark>[-/.])(?P<month>\d{1,2})(?P=mark)(?P<day>\d{1,2})(?!\d)")
_YEAR_LAST: Final = re.compile(r"(?P<a>\d{1,2})(?P<mark>[-/.]) ?(?P<b>\d{1,2})(?P=mark) ?(?P<year>\d{4}|\d{2})(?!\d)")
_NAMED: Final = (
    re.compile(r"(?P<day>\d{1,2})[. -]{1,2}(?P<name>[a-z]{3,9})[. ,-]{1,2}(?P<year>\d{4})(?!\d)"),
    re.compile(r"(?P<name>[a-z]{3,9})[. ]{1,2}(?P<day>\d{1,2}),? (?P<year>\d{4})(?!\d)"),
)
_CLOCK: Final = re.compile(
    r"(?P<hour>\d{1,2})[:.h](?P<minute>\d{2})(?:[:.](?P<second>\d{2})(?:[.,](?P<fraction>\d{1,9}))?)?"
    r"(?: ?(?P<half>[ap])\.? ?m\.?)?(?: ?uhr)?"
    r"(?: ?(?P<zone>z|(?:utc|gmt)?(?:(?P<sign>[+-])(?P<east>\d{1,2})(?::?(?P<minutes>\d{2}))?)?))?"
)
_WEEKDAY: Final = re.compile(r"[^\W\d_]{2,10}\.?,? (?=\d|[a-z]{3})")
_BETWEEN: Final = re.compile(r" ?(?:t|,|;|-|at|um)? ?")

_NUMBER: Final = re.compile(
    r"(?P<before>[-(]?) ?(?:[^\d\s.,()+-]{1,4}\.?)? ?(?P<inner>[-+]?) ?"
    r"(?P<number>\d[\d.,' ]*|[.,]\d+) ?(?:[^\d\s.,()+-]{1,4}\.?)? ?(?P<after>[-)]?)"
)
_NO_CENTS: Final = re.compile(r"(?<=\d)[.,]-+(?=\D*$)")


class UnreadableError(Exception):
    """Why a cell cannot be read; follows "line 7: "."""


class Moment(NamedTuple):
    """What one cell says of a time.

    Attributes:
        day: year, month, day; of a date such as 3/4/2026 year, first, second number.
        open_order: it is not known which of the numbers is the month.
        dotted: points stand between the numbers, which nobody writes with the month first.
        clock: hour, minute, second, microsecond.
        half_day: the clock was AM or PM.
        offset: of UTC, if it is written.
    """

    day: tuple[int, int, int] | None = None
    open_order: bool = False
    dotted: bool = False
    clock: tuple[int, int, int, int] | None = None
    half_day: bool = False
    offset: timezone | None = None


def read_moment(cell: str) -> Moment:
    """A date, a time of day, or both.

    Raises:
        UnreadableError: it is none of these.
    """
    text = _plain(cell).casefold()
    if (weekday := _WEEKDAY.match(text)) and weekday[0][:3] not in _MONTHS:
        text = text[weekday.end() :]
    day, rest = _take_day(text)
    if day is not None and rest:
        rest = rest[_between(rest) :]
    if day is not None and not rest:
        return day
    clock = _CLOCK.fullmatch(rest)
    if clock is None:
        raise UnreadableError(f'"{_short(cell)}" is no date and time')
    return _with_clock(day or Moment(), clock, cell)


def _between(rest: str) -> int:
    found = _BETWEEN.match(rest)
    return found.end() if found else 0


def _take_day(text: str) -> tuple[Moment | None, str]:
    if found := _YEAR_FIRST.match(text):
        return Moment((int(found["year"]), int(found["month"]), int(found["day"]))), text[found.end() :]
    if found := _YEAR_LAST.match(text):
        year = int(found["year"]) + (2000 if len(found["year"]) == 2 else 0)
        day = (year, int(found["a"]), int(found["b"]))
        return Moment(day, open_order=True, dotted=found["mark"] == "."), text[found.end() :]
    for pattern in _NAMED:
        if (found := pattern.match(text)) and found["name"][:3] in _MONTHS:
            month = _MONTHS.index(found["name"][:3]) + 1
            return Moment((int(found["year"]), month, int(found["day"]))), text[found.end() :]
    return None, text


def _with_clock(moment: Moment, clock: re.Match[str], cell: str) -> Moment:
    hour, minute, second = (int(clock[name] or 0) for name in ("hour", "minute", "second"))
    if clock["half"]:
        if not 1 <= hour <= 12:
            raise UnreadableError(f'"{_short(cell)}" is no time of day')
        hour = hour % 12 + (12 if clock["half"] == "p" else 0)
    if hour > 23 or minute > 59 or second > 59:
        raise UnreadableError(f'"{_short(cell)}" is no time of day')
    offset = None
    if clock["zone"]:
        east = timedelta(hours=int(clock["east"] or 0), minutes=int(clock["minutes"] or 0))
        if east >= timedelta(hours=24):
            raise UnreadableError(f'"{_short(cell)}" is no time of day')
        offset = timezone(-east if clock["sign"] == "-" else east)
    microsecond = int((clock["fraction"] or "").ljust(6, "0")[:6])
    return moment._replace(clock=(hour, minute, second, microsecond), half_day=bool(clock["half"]), offset=offset)


def is_day_first(moments: Iterable[Moment]) -> bool | None:
    """Whether 3/4/2026 is 3 April in this column, from dates that can be read in one way only; None if none can."""
    votes: Counter[bool] = Counter()
    for moment in moments:
        if moment.day is not None and moment.open_order:
            _, a, b = moment.day
            if a > 12 >= b or b > 12 >= a:
                votes[a > 12] += 1
    return votes.most_common(1)[0][0] if votes else None


def to_utc(day: Moment, clock: Moment, day_first: bool, zone: tzinfo) -> datetime:
    """The time in UTC of a date and a time of day, which may be one cell's.

    Without an offset they are meant in ``zone``. Of an hour that a change of the clocks repeats the first is meant.

    Raises:
        UnreadableError: there is no such date.
    """
    if day.day is None or clock.clock is None:
        raise UnreadableError("the date is missing" if day.day is None else "the time of day is missing")
    year, month, of_month = day.day
    if day.open_order and day_first:
        month, of_month = of_month, month
    try:
        local = datetime(year, month, of_month, *clock.clock, tzinfo=clock.offset or zone)
        return local.astimezone(UTC)
    except (ValueError, OverflowError):
        raise UnreadableError(f"there is no day {of_month} of month {month} in {year}") from None


class AmountReader:
    """Reads the amounts of one column.

    Args:
        cells: the column, from which it is found whether 1.234 has thousands or decimals.
    """

    def __init__(self, cells: Iterable[str]) -> None:
        marks: Counter[str] = Counter()
        self._example = ""
        for cell in cells:
            number = _number(cell)
            if number is None:
                continue
            mark = _decimal_mark(number[1])
            if mark is None:
                self._example = self._example or _short(cell)
            elif mark:
                marks[mark] += 1
        self._mark = marks.most_common(1)[0][0] if marks else ""

    @property
    def note(self) -> str:
        """A sentence on what had to be assumed, or ""."""
        if self._example and not self._mark:
            return f'Amounts such as "{self._example}" were read with thousands, not with decimals.'
        return ""

    def read(self, cell: str) -> Decimal:
        """The amount; negative for a refund.

        Raises:
            UnreadableError: it is no amount.
        """
        found = _number(cell)
        if found is None:
            raise UnreadableError(f'"{_short(cell)}" is no amount')
        negative, number = found
        mark = _decimal_mark(number)
        if mark is None:
            only = "." if "." in number else ","
            mark = only if only == self._mark else ""
        whole, _, cents = number.rpartition(mark) if mark else (number, "", "")
        digits = re.sub(r"[.,]", "", whole)
        amount = Decimal(f"{digits or '0'}.{cents or '0'}")
        return -amount if negative else amount


def _number(cell: str) -> tuple[bool, str] | None:
    """Whether the amount is negative, and its digits with points and commas only."""
    text = _NO_CENTS.sub("", _plain(cell).replace("’", "'"))
    found = _NUMBER.fullmatch(text)
    if found is None or (found["before"] == "(") != (found["after"] == ")"):
        return None
    number = re.sub(r"[' ]", "", found["number"]).rstrip(".,")
    if not number:
        return None
    return bool(found["before"] or found["inner"] == "-" or found["after"]), number


def _decimal_mark(number: str) -> str | None:
    """The mark before the decimals, "" if there are none; None where 1.234 may have either."""
    marks = [sign for sign in number if sign in ".,"]
    if len(set(marks)) == 2:
        return marks[-1] if marks.count(marks[-1]) == 1 else ""
    if len(marks) != 1:
        return ""
    whole, _, decimals = number.partition(marks[0])
    may_be_thousands = len(decimals) == 3 and 1 <= len(whole) <= 3 and not whole.startswith("0")
    return None if may_be_thousands else marks[0]


def _plain(cell: str) -> str:
    """With plain spaces and minus signs."""
    text = unicodedata.normalize("NFKC", cell)
    return " ".join(re.sub(r"[\u2010-\u2015\u2212]", "-", text).split())


def _short(cell: str) -> str:
    text = " ".join(cell.split())
    return text if len(text) <= 30 else text[:29] + "…"
