"""Shared by the views of the page "Visitors": errors of the log, messages that survive a rerun, filters."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, datetime, time, timedelta
from typing import Any, Final, Literal
from zoneinfo import ZoneInfo

import streamlit as st

from facetraits.visitors.store import StoreError, VisitStore
from facetraits.visitors.visit import OUTCOME_FILTERS, VISIT_CLASSES, Selection
from ui.kit.components import notice

_MESSAGES: Final = "visitors_messages"
_TITLE: Final = "The visitor log does not respond"
_ADVICE: Final = "Stored visits are not lost. Reload the page in a moment."

# Days before today that a period reaches back; "Dates" are chosen by hand.
PERIODS: Final[dict[str, int | None]] = {"Today": 0, "7 days": 6, "30 days": 29, "All": None, "Dates": None}


@contextmanager
def store_errors_as_notices() -> Iterator[None]:
    """Show errors of the log as notices on the page."""
    try:
        yield
    except StoreError as error:
        notice("error", _TITLE, str(error), (_ADVICE,))


@contextmanager
def store_errors_as_later_notices() -> Iterator[None]:
    """The same for callbacks, which run before the page is drawn."""
    try:
        yield
    except StoreError as error:
        show_later("error", _TITLE, str(error), (_ADVICE,))


def show_later(kind: Literal["error", "hint"], title: str, text: str, advice: Sequence[str] = ()) -> None:
    """Have ``show_messages`` show a notice once, in this run or the next."""
    st.session_state.setdefault(_MESSAGES, []).append((kind, title, text, tuple(advice)))


def show_messages() -> None:
    """Show the messages queued since the last run."""
    for kind, title, text, advice in st.session_state.pop(_MESSAGES, []):
        notice(kind, title, text, advice)


# -------------------------------------------------------------------------------------------------------------- filters


def midnight(day: date, zone: ZoneInfo) -> datetime:
    """The beginning of a day there."""
    return datetime.combine(day, time.min, tzinfo=zone)


def selection_of_days(first: date | None, last: date | None, zone: ZoneInfo) -> Selection:
    """The visits from the first day to the last one, both included; None leaves that end open."""
    return Selection(
        since=None if first is None else midnight(first, zone),
        until=None if last is None else midnight(last + timedelta(days=1), zone),
    )


def choose_visits(store: VisitStore, zone: ZoneInfo, today: date) -> Selection:
    """The row of filters, the same in every view that has one.

    Raises:
        StoreError: the database fails.
    """
    with st.container(horizontal=True, gap="small", vertical_alignment="center", key="visitors_filters"):
        chosen = st.segmented_control(
            "When",
            list(PERIODS),
            default="30 days",
            required=True,
            key="visitors_period",
            persist_state="page",
            label_visibility="collapsed",
        )
        days = _chosen_days(today) if chosen == "Dates" else _days_of(chosen, today)
        people = _choose_people(store.sources())
    return replace(selection_of_days(*days, zone), **people)


def _days_of(period: str, today: date) -> tuple[date | None, date | None]:
    back = PERIODS[period]
    return (None if back is None else today - timedelta(days=back), None)


def _chosen_days(today: date) -> tuple[date | None, date | None]:
    days = st.date_input(
        "From and to",
        (today - timedelta(days=6), today),
        min_value=date(2000, 1, 1),
        max_value=date(today.year + 1, 12, 31),
        key="visitors_days",
        persist_state="page",
        label_visibility="collapsed",
        format="DD.MM.YYYY",
        width=230,
    )
    first, last = (*days, None, None)[:2] if isinstance(days, tuple) else (days, days)
    return first, last if last is not None else first  # the second one is still to be chosen


_FILTERS: Final = ("visitors_sources", "visitors_ages", "visitors_genders", "visitors_moods", "visitors_outcomes")


def _choose_people(sources: Sequence[str]) -> dict[str, Any]:
    """The fields of ``Selection`` that say who; a filter of which nothing is chosen is None."""
    chosen = [len(st.session_state.get(key) or ()) for key in _FILTERS]
    label = f"Filter ({sum(map(bool, chosen))})" if any(chosen) else "Filter"
    with st.popover(label, icon=":material/filter_list:"):
        places: list[str] = []
        if len(sources) > 1 or chosen[0]:
            known = sorted({*sources, *st.session_state.get("visitors_sources", ())})
            places = st.multiselect("Source", known, key="visitors_sources", persist_state="page", placeholder="All")
        people = {
            "age_groups": _pills("Apparent age", VISIT_CLASSES["age_group"], "visitors_ages"),
            "genders": _pills("Apparent gender", VISIT_CLASSES["gender"], "visitors_genders"),
            "moods": _pills("Mood (facial expression)", VISIT_CLASSES["mood"], "visitors_moods"),
            "outcomes": _pills("Outcome", OUTCOME_FILTERS, "visitors_outcomes"),
        }
        st.caption("Nothing chosen means everybody. “Guessed” are purchases that may be somebody else's.")
    return {"sources": tuple(places) or None, **people}


def _pills(label: str, options: Sequence[str], key: str) -> tuple[str, ...] | None:
    chosen = st.pills(label, options, selection_mode="multi", key=key, persist_state="page", format_func=str.capitalize)
    return tuple(chosen) or None
