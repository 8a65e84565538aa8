"""Times, durations and visits as an owner reads them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import streamlit as st

from facetraits.visitors.visit import Outcome, Visit
from ui.kit.local import clock, short_date

OUTCOME_WORDS: Final[dict[Outcome, str]] = {"yes": "bought", "no": "did not buy", "unknown": "not known"}


def browser_zone() -> ZoneInfo:
    """The time zone of the browser; UTC where it does not say, or names one that this machine does not know."""
    try:
        return ZoneInfo(st.context.timezone or "UTC")
    except (KeyError, OSError, ValueError):  # one that does not exist is a KeyError
        return ZoneInfo("UTC")


def zone_words(zone: ZoneInfo) -> str:
    """As in "Times are those of Europe/Berlin"."""
    return f"Times are those of {zone.key.replace('_', ' ')}."


def now() -> datetime:
    """The present, in UTC."""
    return datetime.now(UTC)


def day_words(day: date, today: date) -> str:
    """As in "today", "yesterday", "Mon 3 Nov" and, in other years, "Mon, 3 Nov 2025"."""
    if day == today:
        return "today"
    if day == today - timedelta(days=1):
        return "yesterday"
    return short_date(day, with_year=day.year != today.year)


def moment_words(moment: datetime, zone: ZoneInfo, today: date) -> str:
    """As in "14:05" for today and "yesterday, 14:05" before."""
    local = moment.astimezone(zone)
    time_words = clock(local)
    return time_words if local.date() == today else f"{day_words(local.date(), today)}, {time_words}"


def duration_words(seconds: float) -> str:
    """As in "40 s", "3 min" and "1 h 05 min"."""
    if round(seconds) < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


def person_words(visit: Visit) -> str:
    """As in "Female, 21-40, positive mood"."""
    parts = [visit.gender, visit.age_group, None if visit.mood is None else f"{visit.mood} mood"]
    words = ", ".join(part for part in parts if part)
    return words[:1].upper() + words[1:] if words else "Not estimated"


def counted_visits(number: int) -> str:
    """As in "no visit", "1 visit" and "1,234 visits"."""
    return "no visit" if number == 0 else "1 visit" if number == 1 else f"{number:,} visits"


def counted_visitors(number: int) -> str:
    """As in "1 visitor" and "1,234 visitors"."""
    return "1 visitor" if number == 1 else f"{number:,} visitors"


def sources_of(visits: Iterable[Visit]) -> list[str]:
    """Their sources, each once, by name."""
    return sorted({visit.source for visit in visits})
