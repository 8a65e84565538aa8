"""The view "Now": current visitors, today's figures, and marking buyers."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Sequence
from datetime import date, datetime
from html import escape
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

import streamlit as st

from facetraits.visitors.store import VisitStore
from facetraits.visitors.visit import Outcome, Selection, Visit
from ui.kit.components import listed, notice
from ui.kit.figure import explain, subheading, tiles
from ui.visitors import words
from ui.visitors.answers import share_today
from ui.visitors.log import midnight, show_later, show_messages, store_errors_as_later_notices, store_errors_as_notices
from ui.visitors.words import duration_words, moment_words, money_words, person_words

EVERY_S: Final = 3.0
MARK_KEY: Final = "B"
_MARKED: Final = "visitors_marked"  # when, and the visits as they were before
_UNDO_S: Final = 600.0
_LISTED: Final = 12
_EVERYWHERE: Final = "All sources"


def show_now(store: VisitStore, zone: ZoneInfo) -> None:
    """Refreshes itself."""
    st.fragment(run_every=EVERY_S)(_now)(store, zone)


def _now(store: VisitStore, zone: ZoneInfo) -> None:
    show_messages()
    with store_errors_as_notices():
        now = words.now()
        current = store.current(now, store.settings().away_s)
        latest = store.latest(_LISTED)
        _counters(store, current, now, zone)
        if latest:
            _mark_buyers(store, current)
            _list(latest, {visit.id for visit in current}, now, zone)
        else:
            notice(
                "hint",
                "No visits yet",
                "Once a source records, everybody who comes in appears here automatically.",
                ("Open “Recording” above and start a camera, or count the people in a video file.",),
            )


def _counters(store: VisitStore, current: Sequence[Visit], now: datetime, zone: ZoneInfo) -> None:
    today = store.count(Selection(since=midnight(now.astimezone(zone).date(), zone)))
    visits, bought = sum(today.values()), today["yes"]
    entries = [
        ("In view now", f"{len(current):,}", listed(words.sources_of(current)) or "nobody"),
        ("Visits today", f"{visits:,}", "since midnight"),
        ("Bought today", f"{bought:,}", f"{today['no']:,} did not, {today['unknown']:,} not known"),
        ("Share who bought", *share_today(today)),
    ]
    tiles(entries)


# --------------------------------------------------------------------------------------------------------------- buyers


def _mark_buyers(store: VisitStore, current: Sequence[Visit]) -> None:
    places = words.sources_of(current)
    chosen = _EVERYWHERE
    with st.container(horizontal=True, gap="small", vertical_alignment="bottom"):
        if len(places) > 1:
            chosen = st.selectbox("Where", [_EVERYWHERE, *places], key="visitors_mark_source", width=220)
        to_mark = [visit for visit in current if chosen in (_EVERYWHERE, visit.source) and visit.bought != "yes"]
        st.button(
            "Mark current visitors as buyers",
            type="primary",
            icon=":material/shopping_bag:",
            shortcut=MARK_KEY,
            disabled=not to_mark,
            key="visitors_mark",
            on_click=_mark,
            args=(store, to_mark),
        )
        since_s, marked = st.session_state.get(_MARKED, (0.0, ()))
        if marked and time.monotonic() - since_s < _UNDO_S:
            st.button(
                f"Undo: {_people(len(marked))} marked",
                icon=":material/undo:",
                key="visitors_unmark",
                on_click=_unmark,
                args=(store,),
            )
    explain(
        f"Marks {_people(len(to_mark))} in view who {'has' if len(to_mark) == 1 else 'have'} not been marked yet."
        if to_mark
        else "Everybody in view is already marked."
        if current
        else "Nobody is in view at the moment."
    )


def _people(number: int) -> str:
    return "1 visitor" if number == 1 else f"{number:,} visitors"


def _mark(store: VisitStore, before: Sequence[Visit]) -> None:
    with store_errors_as_later_notices():
        store.mark([visit.id for visit in before], "yes")
        st.session_state[_MARKED] = time.monotonic(), tuple(before)


def _unmark(store: VisitStore) -> None:
    ids: defaultdict[Outcome, list[UUID]] = defaultdict(list)
    with store_errors_as_later_notices():
        before: Sequence[Visit] = st.session_state[_MARKED][1]
        sold = 0
        for visit in before:
            newest = store.get(visit.id)
            if newest is not None and newest.bought == "yes":
                if newest.sold_at is None and newest.basket is None:
                    ids[visit.bought].append(visit.id)
                else:  # a basket entered or imported meanwhile would be lost
                    sold += 1
        for outcome, visits in ids.items():
            store.mark(visits, outcome)
        del st.session_state[_MARKED]
        if sold:
            verb = "has" if sold == 1 else "have"
            show_later(
                "hint",
                "Some marks were not undone",
                f"{_people(sold).capitalize()} {verb} a sale by now and stay marked as buyers.",
            )


# ----------------------------------------------------------------------------------------------------------------- list


def _list(latest: Sequence[Visit], current: set[UUID], now: datetime, zone: ZoneInfo) -> None:
    subheading("The last visits")
    today = now.astimezone(zone).date()
    rows = "".join(_row(visit, visit.id in current, today, zone) for visit in latest)
    st.html(f'<ol class="ft-visits" aria-label="The last visits, newest first">{rows}</ol>')
    explain(words.zone_words(zone))


def _row(visit: Visit, here: bool, today: date, zone: ZoneInfo) -> str:
    stay = "in view" if here else duration_words(visit.duration_s)
    bought = words.OUTCOME_WORDS[visit.bought] + ("" if visit.basket is None else f" {money_words(visit.basket)}")
    return (
        f'<li data-visit="{visit.id}"><span class="ft-when">{escape(moment_words(visit.started, zone, today))}</span>'
        f"<span class='ft-who'>{escape(person_words(visit))}</span>"
        f"<span class='ft-where'>{escape(visit.source)}</span>"
        f"<span class='ft-stay{' ft-here' if here else ''}'>{escape(stay)}</span>"
        f"<span class='ft-bought ft-bought-{visit.bought}'>{escape(bought)}</span></li>"
    )
