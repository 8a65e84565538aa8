"""Parses times; ambiguous cells are resolved from the whole column."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final, NamedTuple

from facetraits.visitors.sales.text import plain, short, without_accents
from facetraits.visitors.sales.zones import months, names_zone, weekdays, zone_of

_YEAR_FIRST: Final = re.compile(r"(?P<year>\d{4})(?P<mark>[-/.])(?P<month>\d{1,2})(?P=mark)(?P<day>\d{1,2})(?!\d)")
_YEAR_LAST: Final = re.compile(r"(?P<a>\d{1,2})(?P<mark>[-/.]) ?(?P<b>\d{1,2})(?P=mark) ?(?P<year>\d{4}|\d{2})(?!\d)")
_COMPACT: Final = re.compile(r"(?P<year>(?:19|20)\d\d)(?P<month>\d\d)(?P<day>\d\d)(?=$|[t ])")
_NAME: Final = r"(?P<name>[^\W\d_]{3,14})"
_NAMED: Final = (
    re.compile(
        rf"(?:den )?(?P<day>\d{{1,2}})(?:\.|er|[oa]|st|nd|rd|th)?[ -]*(?:de |of )?{_NAME}"
        r"[. ,-]{1,2}(?:del? )?(?P<year>\d{4}|\d{2})(?![\d:.])"
    ),
    re.compile(rf"{_NAME}[. ]{{1,2}}(?P<day>\d{{1,2}})(?:st|nd|rd|th)?,? (?P<year>\d{{4}})(?!\d)"),
    re.compile(rf"(?P<year>\d{{4}})[ -]{_NAME}[. -]{{1,2}}(?P<day>\d{{1,2}})(?!\d)"),
)
_CLOCK: Final = re.compile(
    r"(?P<hour>\d{1,2}) ?[:.h] ?(?P<minute>\d{2})(?:[:.](?P<second>\d{2})(?:[.,](?P<fraction>\d{1,9}))?)?"
    r"(?: ?(?P<half>[ap])\.? ?m\.?(?![a-z]))?(?: ?uhr)?(?: ?(?P<zone>[a-z+\[(-].*))?"
)
_COMPACT_CLOCK: Final = re.compile(
    r"(?P<hour>\d{2})(?P<minute>\d{2})(?:(?P<second>\d{2})(?:[.,](?P<fraction>\d{1,9}))?)?(?P<half>)"
    r"(?: ?(?P<zone>[a-z+\[(-].*))?"
)
_WEEKDAY: Final = re.compile(r"([^\W\d_]{2,14}(?:-feira)?)\.?,? ?(?=\d|[^\W\d_]{3})")
_BETWEEN: Final = re.compile(r" ?(?:t(?=\d)|,|;|-|(?:at|um|om|as?|a las|alle(?: ore)?|kl\.?|klo|o godz\.?)(?= ?\d))? ?")
_TIME_ALONE: Final = re.compile(r"(?:kl\.?|klo) ?(?=\d)")

_NUMBER: Final = re.compile(r"\d+(?:[.,]\d+)?")
_STAMP: Final = re.compile(
    r"(?P<year>(?:19|20)\d\d)(?P<month>0[1-9]|1[0-2])(?P<day>0[1-9]|[12]\d|3[01])"
    r"(?:(?P<hour>[01]\d|2[0-3])(?P<minute>[0-5]\d)(?P<second>[0-5]\d)?)?"
)
# A spreadsheet counts days from here; those of 2000 to 2099, and seconds since 1970 from September 2001 on.
_DAY_ZERO: Final = datetime(1899, 12, 30)
_SERIAL_DAYS: Final = range(36_526, 73_051)
_SERIAL_DIGITS: Final = 5
_EPOCH_DIGITS: Final = {10: 1, 13: 1_000, 16: 1_000_000}
_SHORTEST_ISO: Final = len("2026-05-04T14:05")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class UnreadableError(Exception):
    """A cell cannot be read; the message follows "line 7: "."""


class Moment(NamedTuple):
    """What one cell says of a time.

    Attributes:
        day: year, month, day; of a date such as 3/4/2026 year, first, second number.
        open_order: it is not known which of the numbers is the month.
        dotted: points stand between the numbers, which nobody writes with the month first.
        clock: hour, minute, second, microsecond.
        half_day: the clock was AM or PM.
        zone: as it is written, or "".
    """

    day: tuple[int, int, int] | None = None
    open_order: bool = False
    dotted: bool = False
    clock: tuple[int, int, int, int] | None = None
    half_day: bool = False
    zone: str = ""


def read_moment(cell: str) -> Moment:
    """A date, a time of day, or both.

    Also numbers: seconds, milliseconds and microseconds since 1970, days of spreadsheets, 20240131 and 20240131101500.

    Raises:
        UnreadableError: it is none of these.
    """
    text = without_accents(plain(cell))
    if ":" in text[1:3] and (clock := _CLOCK.fullmatch(text)):
        return _with_clock(Moment(), clock, cell)
    if _NUMBER.fullmatch(text) and (moment := _of_number(text)):
        return moment
    day, rest = _take_day(text)
    if day is None and (weekday := _WEEKDAY.match(text)) and weekday[1] in weekdays():
        day, rest = _take_day(text[weekday.end() :])
    if day is None:
        rest = _TIME_ALONE.sub("", rest, count=1)
    elif rest and (between := _BETWEEN.match(rest)):
        rest = rest[between.end() :]
    if day is not None and not rest:
        return day
    clock = _CLOCK.fullmatch(rest) or (_COMPACT_CLOCK.fullmatch(rest) if day is not None else None)
    if clock is None:
        raise UnreadableError(f'"{short(cell)}" is no date and time')
    return _with_clock(day or Moment(), clock, cell)


def read_compact_clock(cell: str) -> Moment:
    """A time of day such as 101500, in a column of times of day, where ``read_moment`` takes it for nothing.

    Raises:
        UnreadableError: it is none.
    """
    found = _COMPACT_CLOCK.fullmatch(cell.zfill(6) if len(cell) == 5 else cell.zfill(4))
    if found is None:
        raise UnreadableError(f'"{short(cell)}" is no time of day')
    return _with_clock(Moment(), found, cell)


def _of_number(text: str) -> Moment | None:
    if stamp := _STAMP.fullmatch(text):
        day = int(stamp["year"]), int(stamp["month"]), int(stamp["day"])
        clock = (int(stamp["hour"]), int(stamp["minute"]), int(stamp["second"] or 0), 0) if stamp["hour"] else None
        return Moment(day, clock=clock)
    whole, mark, decimals = text.replace(",", ".").partition(".")
    if per_second := _EPOCH_DIGITS.get(len(whole)):
        microseconds = int(whole) * (1_000_000 // per_second)
        if mark and per_second == 1:
            microseconds += int(decimals[:6].ljust(6, "0"))
        return _of_datetime(_EPOCH + timedelta(microseconds=microseconds), "utc")
    if len(whole) == _SERIAL_DIGITS and int(whole) in _SERIAL_DAYS:
        if not mark:
            return _of_datetime(_DAY_ZERO + timedelta(days=int(whole)), "")._replace(clock=None)
        seconds = round(float(f"0.{decimals}") * 86_400)
        return _of_datetime(_DAY_ZERO + timedelta(days=int(whole), seconds=seconds), "")
    return None


def _of_datetime(moment: datetime, zone: str) -> Moment:
    clock = (moment.hour, moment.minute, moment.second, moment.microsecond)
    return Moment((moment.year, moment.month, moment.day), clock=clock, zone=zone)


def _take_day(text: str) -> tuple[Moment | None, str]:
    if found := _YEAR_FIRST.match(text) or _COMPACT.match(text):
        return Moment((int(found["year"]), int(found["month"]), int(found["day"]))), text[found.end() :]
    if found := _YEAR_LAST.match(text):
        day = (_full_year(found["year"]), int(found["a"]), int(found["b"]))
        return Moment(day, open_order=True, dotted=found["mark"] == "."), text[found.end() :]
    for pattern in _NAMED:
        if (found := pattern.match(text)) and (month := months().get(found["name"])):
            return Moment((_full_year(found["year"]), month, int(found["day"]))), text[found.end() :]
    return None, text


def _full_year(digits: str) -> int:
    return int(digits) + (2000 if len(digits) == 2 else 0)


def _with_clock(moment: Moment, clock: re.Match[str], cell: str) -> Moment:
    hour, minute, second = int(clock["hour"]), int(clock["minute"]), int(clock["second"] or 0)
    if clock["half"]:
        if not 1 <= hour <= 12:
            raise UnreadableError(f'"{short(cell)}" is no time of day')
        hour = hour % 12 + (12 if clock["half"] == "p" else 0)
    if hour > 23 or minute > 59 or second > 59:
        raise UnreadableError(f'"{short(cell)}" is no time of day')
    zone = clock["zone"] or ""
    if zone and not names_zone(zone):
        raise UnreadableError(f'"{short(cell)}" names "{short(zone)}", which is no time zone')
    microsecond = int(clock["fraction"].ljust(6, "0")[:6]) if clock["fraction"] else 0
    day, open_order, dotted, *_ = moment
    return Moment(day, open_order, dotted, (hour, minute, second, microsecond), bool(clock["half"]), zone)


class MomentReader:
    """Reads cells of one file; what comes again, a day or a time of day, is read once.

    Args:
        clocks_only: numbers such as 101500 are times of day.
    """

    def __init__(self, clocks_only: bool = False) -> None:
        self._clocks_only = clocks_only
        self._parts: dict[str, Moment | None] = {}

    def read(self, cell: str) -> tuple[Moment, Moment] | datetime:
        """What says the day, and what says the time of day; one and the same where they cannot be told apart.

        A cell as in ISO 8601 is its time, aware where it names an offset.

        Raises:
            UnreadableError: it is no time.
        """
        if self._clocks_only and cell.isdigit() and len(cell) <= 6:
            compact = read_compact_clock(cell)
            return compact, compact
        if cell[4:5] == "-" and len(cell) >= _SHORTEST_ISO:
            try:
                return datetime.fromisoformat(cell)
            except ValueError:
                pass
        colon = cell.find(":")
        space = cell.rfind(" ", 0, colon if colon > 0 else None)
        if space > 0:
            day, clock = self._part(cell[:space]), self._part(cell[space + 1 :])
            if day and clock and not day.clock and not clock.day:
                return day, clock
        whole = self._part(cell) or read_moment(cell)
        return whole, whole

    def _part(self, text: str) -> Moment | None:
        if text not in self._parts:
            try:
                self._parts[text] = read_moment(text)
            except UnreadableError:
                self._parts[text] = None
        return self._parts[text]


def parts_of(read: tuple[Moment, Moment] | datetime) -> tuple[Moment, Moment]:
    """What ``MomentReader.read`` has found, day and time of day apart."""
    if isinstance(read, datetime):
        whole = _of_datetime(read, read.strftime("%z"))
        return whole, whole
    return read


def is_day_first(moments: Iterable[Moment]) -> bool | None:
    """Whether 3/4/2026 is 3 April in this column, from dates that can be read in one way only; None if none can."""
    votes: Counter[bool] = Counter()
    for moment in moments:
        if moment.day is not None and moment.open_order:
            _, a, b = moment.day
            if a > 12 >= b or b > 12 >= a:
                votes[a > 12] += 1
    return votes.most_common(1)[0][0] if votes else None


def to_utc(day: Moment, clock: Moment, day_first: bool, zone: tzinfo, home: tzinfo) -> datetime:
    """The time in UTC of a date and a time of day, which may be one cell's.

    If a clock change repeats an hour, the first one is used.

    Args:
        day: of this the date counts, and its zone where ``clock`` has none.
        clock: of this the time of day counts.
        day_first: 3/4/2026 is 3 April.
        zone: in which times are meant that do not say their own.
        home: whose abbreviations of zones come first.

    Raises:
        UnreadableError: there is no such date, or its zone may be one of several.
    """
    if day.day is None or clock.clock is None:
        raise UnreadableError("the date is missing" if day.day is None else "the time of day is missing")
    year, month, of_month = day.day
    if day.open_order and day_first:
        month, of_month = of_month, month
    if named := clock.zone or day.zone:
        zone = zone_named(named, home)
    try:
        return aware(datetime(year, month, of_month, *clock.clock), zone)
    except (ValueError, OverflowError):
        raise UnreadableError(f"there is no day {of_month} of month {month} in {year}") from None


def aware(moment: datetime, zone: tzinfo) -> datetime:
    """The time in UTC; one that is not aware is meant in ``zone``.

    Raises:
        ValueError, OverflowError: it lies outside the years 1 to 9999.
    """
    return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(UTC)


def zone_named(text: str, home: tzinfo) -> tzinfo:
    """The zone of that name; an abbreviation of several is that of ``home``.

    Raises:
        UnreadableError: there is none, or there are several and ``home`` has another.
    """
    if zone := zone_of(text, home):
        return zone
    why = "stands for several time zones" if names_zone(text) else "is no time zone"
    raise UnreadableError(f'"{short(text)}" {why}')
