"""Visitors: who comes in, in what mood, and who buys; a log that shows no face."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final
from zoneinfo import ZoneInfo

import streamlit as st

from facetraits.visitors.store import StoreError, VisitStore
from ui.kit.components import lead, notice
from ui.shell import start_page
from ui.visitors import cached
from ui.visitors.access import admitted
from ui.visitors.data import show_data
from ui.visitors.demonstration import demonstration, show_banner
from ui.visitors.last_import import forget_import
from ui.visitors.log import store_errors_as_notices
from ui.visitors.marking import forget_marks
from ui.visitors.now import show_now
from ui.visitors.patterns import show_patterns
from ui.visitors.recording import show_recording
from ui.visitors.sign import VIEW_KEY, show_sign
from ui.visitors.visits import show_visits
from ui.visitors.webcam import show_camera
from ui.visitors.words import browser_zone

_VIEWS: Final[Mapping[str, Callable[[VisitStore, ZoneInfo], None]]] = {
    "Now": show_now,
    "Visits": show_visits,
    "Patterns": show_patterns,
    "Recording": show_recording,
    "Data": show_data,
}
_LOG: Final = "visitors_log"  # identity of the log that the views show


def opened_store() -> VisitStore | None:
    """The log; None where it cannot be opened, which the page then says."""
    try:
        return cached.get_store()
    except StoreError as error:
        notice(
            "error",
            "The visitor log cannot be opened",
            str(error),
            ("The person who runs facetraits finds in docs/deploy.md where the log is stored.",),
        )
        st.button("Try again")
        return None


def show_log(store: VisitStore, zone: ZoneInfo) -> None:
    st.session_state.setdefault(VIEW_KEY, "Now")  # no default of the widget: a button of the sign sets it, too
    with st.container(key="visitors_top"), store_errors_as_notices():
        show_sign(store)
        show_camera()
    views = tuple(_VIEWS)
    view = st.segmented_control("View", views, required=True, key=VIEW_KEY, label_visibility="collapsed") or "Now"
    with store_errors_as_notices():
        show_banner(store, view)
    shown = demonstration() or store
    if st.session_state.setdefault(_LOG, shown.identity) != shown.identity:  # nothing of the other log is undone here
        st.session_state[_LOG] = shown.identity
        forget_import()
        forget_marks()
    _VIEWS[view](store if view == "Recording" else shown, zone)


def show_page() -> None:
    start_page("Visitors", "🛍️", layout="wide")
    st.title("Visitors", anchor=False)
    if admitted():
        lead("See who comes in, in what mood, and who buys. Visitors are counted from a camera; no picture is stored.")
        store = opened_store()
        if store is not None:
            show_log(store, browser_zone())


show_page()
