"""Counting lines and ignored areas of sources, drawn on a still picture that is kept in memory only."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Final

import streamlit as st

from facetraits.video.sources import VideoError, read_file
from facetraits.visitors.layout import Layout
from facetraits.visitors.still import still_of
from facetraits.visitors.store import VisitStore
from ui.kit.components import notice
from ui.kit.controls import loaded_analyzer
from ui.kit.figure import explain, subheading
from ui.visitors import cached
from ui.visitors.line_editor import edit_layout
from ui.visitors.log import show_later, store_errors_as_notices

_DRAWING: Final = "visitors_drawing"
_UPLOADED: Final = "visitors_uploaded_layout"
_WAIT_S: Final = 1.0
_MEANING: Final = (
    "With a counting line, only people who cross it in the direction of the arrow count as visitors. People who cross "
    "it the other way are counted as leaving. What counts is the centre of the face. Faces in an area to ignore are "
    "not counted: use one for a poster, a screen or the street."
)
_STILL: Final = (
    "The still picture shows what the camera sees, not mirrored. It is kept in memory until you close this, and faces "
    "that were found in it are made unrecognisable. Only the numbers of lines and corners are stored."
)


@dataclass
class Drawing:
    """The source whose line is being drawn; lives in ``st.session_state``.

    Attributes:
        source: its name.
        still: JPEG of the source; None while none has come.
        number: makes the editor a new one when it is opened anew.
    """

    source: str
    still: bytes | None
    number: int


# ------------------------------------------------------------------------------------------------------ active sources


def start_drawing(source: str) -> None:
    """Have ``show_drawing`` show the editor of an active source, as soon as a still picture has come."""
    cached.get_recording().want_still(source)
    before: Drawing | None = st.session_state.get(_DRAWING)
    st.session_state[_DRAWING] = Drawing(source, None, 1 if before is None else before.number + 1)


def show_drawing(store: VisitStore) -> None:
    """The editor that ``start_drawing`` asked for; nothing where it was closed.

    Raises:
        StoreError: the database fails.
    """
    drawing: Drawing | None = st.session_state.get(_DRAWING)
    if drawing is None or not drawing.source:
        return
    subheading(f"Counting line of {drawing.source}")
    if drawing.still is None:
        st.fragment(run_every=_WAIT_S)(_wait)(drawing)
    else:
        explain(_MEANING)
        layout = edit_layout(drawing.still, store.layout(drawing.source), f"visitors_line_{drawing.number}")
        if layout is not None:
            store.save_layout(drawing.source, layout)
            cached.get_recording().refresh()
            show_later("hint", "Saved", f"{drawing.source} counts with it from now on. {_drawn_words(layout)}")
            st.rerun()
        explain(_STILL)
    st.button("Close the drawing", key="visitors_line_close", icon=":material/close:", on_click=_close)


def _wait(drawing: Drawing) -> None:
    with store_errors_as_notices():
        drawing.still = cached.get_recording().take_still(drawing.source)
        if drawing.still is not None:
            st.rerun()
        explain(f"Waiting for a picture of {drawing.source} …")


def _close() -> None:
    drawing: Drawing = st.session_state[_DRAWING]
    st.session_state[_DRAWING] = Drawing("", None, drawing.number)


def _drawn_words(layout: Layout) -> str:
    line = "It has a counting line" if layout.line is not None else "It has no counting line"
    areas = len(layout.ignored)
    return f"{line} and {areas or 'no'} area{'s' if areas != 1 else ''} to ignore."


# ------------------------------------------------------------------------------------------------------ uploaded videos


def choose_layout(store: VisitStore, data: io.BytesIO, source: str, file_id: str) -> Layout | None:
    """Have the owner draw over the first picture of an uploaded video, before it is counted.

    Args:
        store: has what was drawn for the source before.
        data: the video; where it stands in it changes.
        source: its name at first.
        file_id: of the upload.

    Returns:
        What was drawn; None where nothing was, so that what the log has for the source counts.

    Raises:
        StoreError: the database fails.
    """
    known: tuple[str, bytes | None, Layout | None] = st.session_state.get(_UPLOADED, ("", None, None))
    if known[0] != file_id:
        known = file_id, None, None
    if not st.toggle("Draw a counting line or areas to ignore", key=f"visitors_draw_{file_id}", help=_MEANING):
        return known[2]
    if known[1] is None:
        known = st.session_state[_UPLOADED] = file_id, _first_picture(data), None
    if known[1] is None:
        notice("hint", "No picture", "No picture of this video can be shown.")
        return None
    layout = edit_layout(known[1], known[2] or store.layout(source), f"visitors_line_{file_id}")
    if layout is not None:
        known = st.session_state[_UPLOADED] = file_id, known[1], layout
    explain(_STILL if known[2] is None else f"Saved for this video. {_drawn_words(known[2])}")
    return known[2]


def _first_picture(data: io.BytesIO) -> bytes | None:
    analyzer = loaded_analyzer("fast")
    if analyzer is None:
        return None
    data.seek(0)
    try:
        with read_file(data) as video:
            frame = next(iter(video), None)
    except VideoError:
        return None
    return None if frame is None else still_of(frame.image, analyzer.analyze(frame.image, ()))
