"""The demonstration log of a browser session: made-up visits, marked on every view and never mixed with real ones."""

from __future__ import annotations

from typing import Final

import streamlit as st

from facetraits.visitors.store import VisitStore
from ui.kit.figure import explain
from ui.visitors import cached, words
from ui.visitors.log import store_errors_as_later_notices

_STORE: Final = "visitors_demonstration"
_FILE_PREFIX: Final = "demonstration-"


def demonstration() -> VisitStore | None:
    """The demonstration log of this browser session; None where none is shown."""
    return st.session_state.get(_STORE)


def file_prefix(store: VisitStore) -> str:
    """What the names of exported files begin with."""
    return _FILE_PREFIX if store is demonstration() else ""


def offer_demonstration() -> None:
    """The button that fills the demonstration log, for views that have nothing to show."""
    if st.button("Show a demonstration", icon=":material/theater_comedy:", key="visitors_demonstrate", on_click=_fill):
        st.rerun()  # the whole page: this may be in a fragment, which would go on with the empty log
    explain(
        "Fills the views with made-up visits and sales of five weeks, marked as demonstration data. They are kept in "
        "memory for this browser tab only, and your own log stays as it is."
    )


def show_banner(own: VisitStore, view: str) -> None:
    """On every view while the demonstration is shown: what it is, and the button that deletes it.

    Raises:
        StoreError: the owner's own log fails.
    """
    if demonstration() is None:
        return
    text = "These visits and sales are made up. "
    if view == "Recording":
        text = "The visits and sales of the other views are made up. Recording goes into your own log. "
    number = sum(own.count().values())
    held = f"Your own log holds {words.counted_visits(number)}, which the demonstration hides." if number else ""
    with st.container(key="visitors_demonstration", horizontal=True, vertical_alignment="center", gap="small"):
        st.html(f'<p class="ft-demonstration" role="status"><strong>Demonstration data.</strong> {text}{held}</p>')
        st.button(
            "Delete the demonstration",
            icon=":material/delete:",
            key="visitors_demonstration_delete",
            on_click=_delete,
        )


def _fill() -> None:
    from facetraits.visitors.demonstration import demonstration_store

    with store_errors_as_later_notices():
        st.session_state[_STORE] = demonstration_store(words.now().astimezone(words.browser_zone()))


def _delete() -> None:
    store: VisitStore = st.session_state.pop(_STORE)
    store.close()
    cached.forget_visits()
