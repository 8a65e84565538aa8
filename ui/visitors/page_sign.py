"""The sign in the navigation of every page: whether visitors are recorded, but not by which source."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import streamlit as st

from ui.visitors import cached

if TYPE_CHECKING:
    from ui.visitors.webcam import BrowserCamera

WEBCAM: Final = "visitors_webcam"  # the source of this browser session, see ui/visitors/webcam.py
EVERY_S: Final = 1.0


def end_left_webcam() -> None:
    """End the recording of this session's webcam: it is on a page that the browser shows no more.

    A browser stops a webcam whose page is left, but says nothing of it to the server.
    """
    webcam: BrowserCamera | None = st.session_state.get(WEBCAM)
    if webcam is not None:
        webcam.stream.on_ended()


def show_page_sign() -> None:
    """Shows itself and goes by itself, within two seconds, if the log was opened since the server started."""
    st.fragment(run_every=EVERY_S if cached.may_record() else None)(_sign)()


def _sign() -> None:
    if cached.recording_sources():
        st.html('<p class="ft-sign ft-sign-on"><i></i><strong>Recording</strong> visitors</p>', width="content")
