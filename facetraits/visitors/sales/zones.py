"""Time zones and names of months and days as files name them; the names are those of Babel (CLDR) and of tzdata."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import cache, lru_cache
from typing import Final
from zoneinfo import ZoneInfo, available_timezones

from babel import Locale
from babel.core import get_global

from facetraits.visitors.sales.text import without_accents, words_of

# English comes first: CST is that of America.
_LANGUAGES: Final = ("en", "en_GB", "de", "de_AT", "fr", "es", "it", "pt", "nl", "da", "nb", "sv", "fi", "pl")
_OFFSET: Final = re.compile(r"(?:utc|gmt)? ?(?P<sign>[+-]) ?(?P<hours>\d{1,2})(?::?(?P<minutes>\d{2}))?")
_UTC: Final = re.compile(r"z|utc|gmt|ut|zulu|etc/utc")
# "Z[UTC]" and "GMT+0200 (Central European Summer Time)" say it twice.
_REPEATED: Final = re.compile(r"(?<=.) ?[\[(].*[\])]$")
_BRACKETS: Final = re.compile(r"[(\[]([^()\[\]]+)[)\]]")
# Dates in spring and autumn when no zone is about to change its clocks.
_WINTER_AND_SUMMER: Final = (datetime(2026, 1, 15), datetime(2026, 7, 15))
_SHORTEST_MONTH: Final = 3
# How German spreadsheets write it.
_MORE_MONTHS: Final = {"mrz": 3}


@cache
def months() -> Mapping[str, int]:
    """1 to 12 of each name of a month, in small letters without marks; also of its beginning, from three letters on."""
    full: dict[str, int] = {}
    exact = dict(_MORE_MONTHS)
    for language in _LANGUAGES:
        for names in Locale.parse(language).months.values():
            exact |= {_name(name): number for width in ("abbreviated", "wide") for number, name in names[width].items()}
            full |= {_name(name): number for number, name in names["wide"].items()}
    begun: dict[str, set[int]] = {}
    for name, number in full.items():
        for end in range(_SHORTEST_MONTH, len(name)):
            begun.setdefault(name[:end], set()).add(number)
    return {name: min(numbers) for name, numbers in begun.items() if len(numbers) == 1} | exact


@cache
def weekdays() -> frozenset[str]:
    """Names of the days of the week, in small letters without marks."""
    return frozenset(
        _name(name)
        for language in _LANGUAGES
        for names in Locale.parse(language).days.values()
        for width in ("abbreviated", "short", "wide")
        if width in names
        for name in names[width].values()
    )


def _name(name: str) -> str:
    return without_accents(name).rstrip(".")


def names_zone(text: str) -> bool:
    """Whether ``zone_of`` knows it, for some shop at least: "IST" is in India, Israel and Ireland."""
    return zone_of(text, UTC) is not None or text.strip().casefold() in _offsets_of_abbreviations()


@lru_cache(maxsize=4096)
def zone_of(text: str, home: tzinfo) -> tzinfo | None:
    """The zone that is meant by "EST", "Europe/Berlin", "Z", "+02:00", "GMT-5" or "MESZ"; None where none is.

    An abbreviation stands for one offset, in winter as in summer. One that has several meanings is that of ``home``,
    else the one that English and then the other languages of the import know.
    """
    text = _REPEATED.sub("", " ".join(text.split())).strip("[]()")
    return _zone_of(text.casefold(), home) if text else None


def _zone_of(text: str, home: tzinfo) -> tzinfo | None:
    if _UTC.fullmatch(text):
        return UTC
    if found := _OFFSET.fullmatch(text):
        east = timedelta(hours=int(found["hours"]), minutes=int(found["minutes"] or 0))
        return timezone(-east if found["sign"] == "-" else east) if east < timedelta(hours=24) else None
    offset = dict(_abbreviations_of(home)).get(text) or _abbreviations().get(text)
    if offset is not None:
        return timezone(offset, text.upper())
    name = _names().get(text.replace(" ", "_"))
    return ZoneInfo(name) if name else None


@cache
def _names() -> Mapping[str, str]:
    return {name.casefold(): name for name in available_timezones()} | {
        windows.casefold().replace(" ", "_"): name for windows, name in get_global("windows_zone_mapping").items()
    }


@cache
def _offsets_of_abbreviations() -> Mapping[str, set[timedelta]]:
    meant: dict[str, set[timedelta]] = {}
    for name in available_timezones():
        for abbreviation, offset in _abbreviations_of(ZoneInfo(name)):
            meant.setdefault(abbreviation, set()).add(offset)
    return meant


@cache
def _abbreviations() -> Mapping[str, timedelta]:
    """Those that have one meaning, or are known to the languages."""
    certain = {name: min(offsets) for name, offsets in _offsets_of_abbreviations().items() if len(offsets) == 1}
    zones = {meta: name for name, meta in get_global("meta_zones").items()}
    for language in reversed(_LANGUAGES):
        for meta, widths in Locale.parse(language).meta_zones.items():
            if (named := widths.get("short")) and meta in zones:
                moments = [moment.replace(tzinfo=ZoneInfo(zones[meta])) for moment in _WINTER_AND_SUMMER]
                for moment in moments:
                    kind = "daylight" if moment.dst() else "standard"
                    offset = moment.utcoffset()
                    if kind in named and offset is not None:
                        certain[named[kind].casefold()] = offset
    return certain


def _abbreviations_of(zone: tzinfo) -> Iterator[tuple[str, timedelta]]:
    for moment in _WINTER_AND_SUMMER:
        name, offset = zone.tzname(moment), zone.utcoffset(moment)
        if name is not None and offset is not None and name.isalpha():
            yield name.casefold(), offset


def zone_in_name(name: str, home: tzinfo) -> tzinfo | None:
    """The zone that the name of a column says, as "Date (UTC)", "created_utc" and "Time [Europe/Berlin]" do."""
    for part in _BRACKETS.findall(name):
        if found := zone_of(part, home):
            return found
    if {"utc", "gmt"} & set(words_of(name)):
        _, _, offset = without_accents(name).partition("utc" if "utc" in without_accents(name) else "gmt")
        return zone_of(f"utc{offset.strip()}", home) or UTC
    return None


def zone_words(zone: tzinfo) -> str:
    """Its name, to be shown: "UTC", "UTC+02:00", "EST (UTC-05:00)" or "Europe/Berlin"."""
    if isinstance(zone, ZoneInfo):
        return str(zone)
    offset = str(timezone(zone.utcoffset(None) or timedelta(0)))
    return offset if str(zone) == offset else f"{zone} ({offset})"
