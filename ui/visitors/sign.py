"""The line above every view of the page "Visitors" that says whether anything records."""

from __future__ import annotations

import time
from collections.abc import Sequence
from html import escape
from typing import Final

import streamlit as st

from facetraits.visitors.recording import Recording, SourceStatus
from facetraits.visitors.store import VisitStore
from facetraits.visitors.visit import Settings
from ui.kit.components import listed, notice
from ui.kit.figure import explain
from ui.visitors import cached, webcam, words
from ui.visitors.log import store_errors_as_later_notices, store_errors_as_notices
from ui.visitors.page_sign import EVERY_S

VIEW_KEY: Final = "visitors_view"
_WAITING: Final = "visitors_waiting"  # since when visits of sources that are over wait to be written
_PATIENCE_S: Final = 1.5
STATES: Final = {
    "connecting": "connecting …",
    "live": "recording",
    "lost": "no pictures, reconnecting …",
    "ended": "finished",
    "failed": "failed",
}


def show_sign(store: VisitStore) -> None:
    """On every view: whether anything records, what is stored, and for how long."""
    view = st.session_state[VIEW_KEY]
    recording = bool(cached.recording_sources())
    st.fragment(run_every=EVERY_S)(_sign)(store, view, recording)
    if recording or view in ("Now", "Recording"):
        explain(stored_words(store.settings()))


def _sign(store: VisitStore, view: str, was_recording: bool) -> None:
    with store_errors_as_notices():
        mine = webcam.my_source()
        if mine is not None:
            mine.follow(store.settings())
        statuses = cached.recording_sources()
        if bool(statuses) != was_recording:  # recording started or ended by itself, so the whole page must be redrawn
            st.rerun()
        with st.container(horizontal=True, gap="small", vertical_alignment="center", key="visitors_sign"):
            if statuses:
                _sign_line(sign_words(statuses), on=True)
                if st.button(
                    "Stop recording", key="visitors_stop_all", icon=":material/stop_circle:", on_click=_stop_all
                ):
                    st.rerun()
            else:
                _sign_of_others(store)
                if view != "Recording" and st.button(
                    "Start recording", type="primary", key="visitors_start", icon=":material/videocam:", on_click=_open
                ):
                    st.rerun()
        _unwritten(late_visits(cached.get_recording(), bool(statuses)))


def _sign_line(line: str, on: bool) -> None:
    st.html(f'<p class="ft-sign{" ft-sign-on" if on else ""}" role="status"><i></i>{line}</p>', width="content")


def _sign_of_others(store: VisitStore) -> None:
    current = store.current(words.now(), store.settings().away_s)
    elsewhere = sorted(set(words.sources_of(current)) - cached.source_names())
    if elsewhere:  # `facetraits watch`, or another server with the same log
        _sign_line(f"<strong>Another program records</strong> {escape(listed(elsewhere))}", on=True)
    else:
        _sign_line("<strong>Recording is off.</strong> Nothing is stored until you start it.", on=False)


def late_visits(recording: Recording, at_work: bool) -> int:
    """Number of visits that cannot be written, including those of ended sources; 0 while writing works.

    New visits always wait for a moment. Active sources report a failure themselves. Without an active source, visits
    that still wait at the next check count as failed.
    """
    number = recording.unwritten()
    if not number or at_work:
        st.session_state.pop(_WAITING, None)
    if not number or any(status.unwritten for status in recording.statuses()):
        return number
    if at_work:
        return 0
    since_s = st.session_state.setdefault(_WAITING, time.monotonic())
    return number if time.monotonic() - since_s >= _PATIENCE_S else 0


def _unwritten(number: int) -> None:
    if number:
        notice(
            "error",
            "The visitor log does not respond",
            f"{words.counted_visits(number).capitalize()} could not be written yet. Unwritten visits are kept in "
            "memory.",
            ("They are written as soon as it responds again. Keep facetraits running.",),
        )


def _open() -> None:
    st.session_state[VIEW_KEY] = "Recording"


def sign_words(statuses: Sequence[SourceStatus]) -> str:
    """The sign's HTML: "Recording", and the sources with what is wrong with them."""
    names = ", ".join(
        escape(status.name) + ("" if status.state == "live" else f" ({escape(STATES[status.state])})")
        for status in statuses
    )
    return f"<strong>Recording</strong> {names}"


def stored_words(settings: Settings) -> str:
    """What a visit is, and how long it is kept."""
    traits = "apparent age and gender, " + ("ethnicity, " if settings.ethnicity else "") + "mood"
    kept = (
        "until you delete them"
        if settings.retention_days is None
        else f"for {settings.retention_days} days"
        if settings.retention_days > 1
        else "for one day"
    )
    return (
        f"For each visitor the log stores time, source, length of stay, {traits}, and whether they bought. It stores "
        f"no picture and nothing that identifies a person. Visits are kept {kept}."
    )


def _stop_all() -> None:
    with store_errors_as_later_notices():
        webcam.remove_webcam()
        cached.get_recording().stop_all()
