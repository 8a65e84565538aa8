"""Dates, times and amounts as people write them in the language of their browser; the pages' words are English."""

from __future__ import annotations

from datetime import date, datetime, time
from decimal import Decimal

import streamlit as st
from babel import Locale, UnknownLocaleError
from babel.dates import format_date, format_skeleton, format_time
from streamlit.runtime.scriptrunner import get_script_run_ctx

from facetraits.visitors import currency as amounts

_DEFAULT = Locale("en", "GB")


def browser_locale() -> Locale:
    """That of the browser that looks at the page; British English where it names none that is known."""
    named = st.context.locale if get_script_run_ctx(suppress_warning=True) else None
    try:
        return Locale.parse(named, sep="-") if named else _DEFAULT
    except (UnknownLocaleError, ValueError):
        return _DEFAULT


def short_date(day: date, with_year: bool) -> str:
    """As in "Tue 3 Nov" and "Tue, 3 Nov 2025"; in German "Di., 3. Nov."."""
    return format_skeleton("yMMMEd" if with_year else "MMMEd", day, locale=browser_locale())


def long_date(day: date) -> str:
    """As in "Tuesday, 3 November 2026"."""
    return format_date(day, "full", locale=browser_locale())


def clock(moment: datetime | time) -> str:
    """As in "14:05"; in American English "2:05 PM"."""
    return format_time(moment, "short", tzinfo=moment.tzinfo, locale=browser_locale())


def written_amount(value: Decimal | float, currency: str | None) -> str:
    """An amount of money as ``facetraits.visitors.currency.format_amount`` writes it."""
    return amounts.format_amount(value, currency, browser_locale())
