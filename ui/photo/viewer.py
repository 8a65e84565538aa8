"""The boxes over a picture (viewer.js): each leads to its face's card; with zoom, pan and full screen."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import streamlit as st

from facetraits.types import AnalysisResult
from ui.kit.face_card import headline

_FOLDER: Final = Path(__file__).parent
_viewer = st.components.v2.component(
    "facetraits.picture_viewer",
    js=(_FOLDER / "viewer.js").read_text(encoding="utf-8"),
    css=(_FOLDER / "viewer.css").read_text(encoding="utf-8"),
)


def show_boxes(result: AnalysisResult) -> int | None:
    """Draw the numbered boxes of the faces over the picture in the container "picture_frame", which this is called in.

    Args:
        result: the picture's faces, in the order of their cards.

    Returns:
        The number of a face that was pressed just now while its card was not on the page; else None.
    """
    faces = [
        {"box": [round(float(v), 1) for v in face.detection.box_xyxy], "text": headline(face)} for face in result.faces
    ]
    data = {"size": list(result.size_wh), "faces": faces}
    wanted = _viewer(key="picture_viewer", data=data, on_wanted_change=lambda: None).wanted
    return wanted if isinstance(wanted, int) and 0 < wanted <= len(faces) else None
