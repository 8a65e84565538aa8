"""The view "Now": current visitors, today's figures, and marking buyers."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from html import escape
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

import streamlit as st

from facetraits.visitors.store import VisitStore
from facetraits.visitors.visit import Selection, Visit
from ui.kit.components import listed, notice
from ui.kit.figure import explain, subheading, tiles
from ui.kit.local import written_amount
from ui.visitors import words
from ui.visitors.answers import share_words, show_share
from ui.visitors.demonstration import offer_demonstration
from ui.visitors.log import midnight, show_messages, store_errors_as_notices
from ui.visitors.marking import show_mark_button, show_tap_button
from ui.visitors.words import duration_words, moment_words, person_words

EVERY_S: Final = 3.0
_LISTED: Final = 12


def show_now(store: VisitStore, zone: ZoneInfo) -> None:
    """Refreshes itself."""
    st.fragment(run_every=EVERY_S)(_now)(store, zone)


def _now(store: VisitStore, zone: ZoneInfo) -> None:
    show_messages()
    with store_errors_as_notices():
        now = words.now()
        settings = store.settings()
        current = store.current(now, settings.away_s)
        latest = store.latest(_LISTED)
        if latest:
            _counters(store, current, now, zone)
            show_mark_button(store, current)
            _list(store, latest, {visit.id for visit in current}, now, zone, settings.currency)
        else:
            notice(
                "hint",
                "No visits yet",
                "Once a source records, everybody who comes in appears here automatically.",
                ("Open “Recording” above and start a camera, or count the people in a video file.",),
            )
            offer_demonstration()


def _counters(store: VisitStore, current: Sequence[Visit], now: datetime, zone: ZoneInfo) -> None:
    since_midnight = Selection(since=midnight(now.astimezone(zone).date(), zone))
    today = store.count(since_midnight)
    headline, basis = share_words(today)
    show_share("Today", headline, basis)
    entries = [
        ("In view now", f"{len(current):,}", listed(words.sources_of(current)) or "nobody"),
        ("Visitors today", f"{sum(today.values()):,}", "since midnight"),
        ("Bought today", f"{today['yes']:,}", f"{today['no']:,} did not, {today['unknown']:,} not known"),
    ]
    crossings = store.crossings(since_midnight)
    if crossings is not None or any(layout.line for layout in store.layouts().values()):
        crossings = crossings or (0, 0)
        entries.append(("Entered / left today", "{:,} / {:,}".format(*crossings), "crossings of the counting lines"))
    tiles(entries)


# ----------------------------------------------------------------------------------------------------------------- list


def _list(
    store: VisitStore, latest: Sequence[Visit], current: set[UUID], now: datetime, zone: ZoneInfo, currency: str | None
) -> None:
    subheading("The last visits")
    today = now.astimezone(zone).date()
    with st.container(key="visitors_list", gap=None):
        for place, visit in enumerate(latest):
            with st.container(key=f"visitors_row_{place}", horizontal=True, vertical_alignment="center", gap="small"):
                st.html(_row(visit, visit.id in current, today, zone, currency))
                show_tap_button(store, visit)
    explain(words.zone_words(zone))


def _row(visit: Visit, here: bool, today: date, zone: ZoneInfo, currency: str | None) -> str:
    stay = "in view" if here else duration_words(visit.duration_s)
    bought = words.OUTCOME_WORDS[visit.bought]
    if visit.basket is not None:
        bought += f" {written_amount(visit.basket, currency)}"
    return (
        f'<div class="ft-visit" data-visit="{visit.id}">'
        f'<span class="ft-when">{escape(moment_words(visit.started, zone, today))}</span>'
        f"<span class='ft-who'>{escape(person_words(visit))}</span>"
        f"<span class='ft-where'>{escape(visit.source)}</span>"
        f"<span class='ft-stay{' ft-here' if here else ''}'>{escape(stay)}</span>"
        f"<span class='ft-bought ft-bought-{visit.bought}'>{escape(bought)}</span></div>"
    )
