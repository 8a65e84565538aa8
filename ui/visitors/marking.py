"""Buyers marked by hand: one with a tap on their row, or everybody in view at once; and how that is undone."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Sequence
from typing import Final
from uuid import UUID

import streamlit as st

from facetraits.visitors.store import VisitStore
from facetraits.visitors.visit import Outcome, Visit
from ui.kit.figure import explain
from ui.visitors import words
from ui.visitors.log import show_later, store_errors_as_later_notices
from ui.visitors.words import counted_visitors

MARK_KEY: Final = "B"
MARK, UNMARK = "Bought", "Undo"
_MARKED: Final = "visitors_marked"  # when, and the visits as they were before
_BEFORE: Final = "visitors_before"  # of each visit that was tapped, its outcome before
_UNDO_S: Final = 600.0
_EVERYWHERE: Final = "All sources"


# -------------------------------------------------------------------------------------------------------------- one row


def tap_label(visit: Visit) -> str:
    """What a tap on the visit's row does: ``MARK``, ``UNMARK``, or "" where a sale would be lost."""
    if visit.bought != "yes":
        return MARK
    return "" if _has_sale(visit) else UNMARK


def tap(store: VisitStore, visit_id: UUID) -> Visit | None:
    """Mark the visit as a buyer, or undo that.

    Returns:
        The visit as it is now; None where it was deleted meanwhile.

    Raises:
        StoreError: the database fails.
    """
    visit = store.get(visit_id)
    if visit is None or not tap_label(visit):
        return visit
    before: dict[UUID, Outcome] = st.session_state.setdefault(_BEFORE, {})
    if visit.bought == "yes":
        store.mark([visit_id], before.pop(visit_id, "unknown"))
    else:
        before[visit_id] = visit.bought
        store.mark([visit_id], "yes")
    return store.get(visit_id)


def show_tap_button(store: VisitStore, visit: Visit) -> None:
    """The button of a row that does what ``tap_label`` says; nothing where that is ""."""
    label = tap_label(visit)
    if label:
        st.button(
            label,
            key=f"visitors_tap_{visit.id}",
            icon=":material/shopping_bag:" if label == MARK else ":material/undo:",
            help="This visitor bought something." if label == MARK else "This visitor did not buy after all.",
            on_click=_tap,
            args=(store, visit.id),
        )


def _tap(store: VisitStore, visit_id: UUID) -> None:
    with store_errors_as_later_notices():
        tap(store, visit_id)


# ---------------------------------------------------------------------------------------------------- everybody in view


def show_mark_button(store: VisitStore, current: Sequence[Visit]) -> None:
    """The button that marks everybody in view, and the one that undoes it."""
    places = words.sources_of(current)
    chosen = _EVERYWHERE
    with st.container(horizontal=True, gap="small", vertical_alignment="bottom"):
        if len(places) > 1:
            chosen = st.selectbox("Where", [_EVERYWHERE, *places], key="visitors_mark_source", width=220)
        to_mark = [visit for visit in current if chosen in (_EVERYWHERE, visit.source) and visit.bought != "yes"]
        st.button(
            "Mark all in view as buyers",
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
                f"Undo: {counted_visitors(len(marked))} marked",
                icon=":material/undo:",
                key="visitors_unmark",
                on_click=_unmark,
                args=(store,),
            )
    explain(
        f"Marks {counted_visitors(len(to_mark))} in view who {'has' if len(to_mark) == 1 else 'have'} not been marked "
        "yet. To mark one visitor, press “Bought” in their row."
        if to_mark
        else "Everybody in view is already marked."
        if current
        else "Nobody is in view at the moment. To mark a visitor who has left, press “Bought” in their row."
    )


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
                if _has_sale(newest):  # a basket entered or imported meanwhile would be lost
                    sold += 1
                else:
                    ids[visit.bought].append(visit.id)
        for outcome, visits in ids.items():
            store.mark(visits, outcome)
        del st.session_state[_MARKED]
        if sold:
            verb = "has" if sold == 1 else "have"
            show_later(
                "hint",
                "Some marks were not undone",
                f"{counted_visitors(sold).capitalize()} {verb} a sale by now and stay marked as buyers.",
            )


def forget_marks() -> None:
    """Offer no undo for what was marked so far."""
    for key in (_MARKED, _BEFORE):
        st.session_state.pop(key, None)


def _has_sale(visit: Visit) -> bool:
    return visit.sold_at is not None or visit.basket is not None
