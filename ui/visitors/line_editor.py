"""The editor of a source's counting line and ignored areas, over a still picture (line_editor.js)."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import streamlit as st

from facetraits.visitors.layout import Layout, layout_of
from ui.kit.components import notice

_FOLDER: Final = Path(__file__).parent
_editor = st.components.v2.component(
    "facetraits.line_editor",
    js=(_FOLDER / "line_editor.js").read_text(encoding="utf-8"),
    css=(_FOLDER / "line_editor.css").read_text(encoding="utf-8"),
)


def edit_layout(still: bytes, layout: Layout, key: str) -> Layout | None:
    """Have the owner draw a line and areas.

    Args:
        still: JPEG, as of ``still_of``.
        layout: what is drawn at first.
        key: of the component, unique on the page.

    Returns:
        What is drawn when the owner has just pressed "Save the drawing"; else None.
    """
    data = {
        "still": f"data:image/jpeg;base64,{b64encode(still).decode()}",
        "line": None if layout.line is None else [value for point in layout.line for value in point],
        "ignored": [[value for corner in area for value in corner] for area in layout.ignored],
    }
    saved = _editor(key=key, data=data, on_saved_change=lambda: None).saved
    if saved is None:
        return None
    try:
        return drawn_layout(saved)
    except ValueError as error:
        notice("error", "The line was not saved", str(error))
        return None


def drawn_layout(saved: Any) -> Layout:
    """The layout that the component has sent; it comes from the browser and may be anything.

    Raises:
        ValueError: it is none; the message is one sentence for the owner.
    """
    if not isinstance(saved, Mapping) or not isinstance(saved.get("ignored"), Sequence):
        raise ValueError("The browser has sent no line.")
    lists = [] if saved.get("line") is None else [saved["line"]]
    lists += saved["ignored"]
    for numbers in lists:
        if not isinstance(numbers, Sequence) or not all(type(value) in (int, float) for value in numbers):
            raise ValueError("The browser has sent no line.")
    return layout_of(saved.get("line"), saved["ignored"])
