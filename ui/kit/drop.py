"""Files that are dropped anywhere on a page or pasted go to its file field (drop.js)."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import streamlit as st

_FOLDER: Final = Path(__file__).parent
_KEY: Final = "drop_anywhere"
_drop = st.components.v2.component(
    "facetraits.drop_anywhere",
    html='<div class="drop"><p>Drop the pictures here</p></div>',
    css=(_FOLDER / "drop.css").read_text(encoding="utf-8"),
    js=(_FOLDER / "drop.js").read_text(encoding="utf-8"),
)


def files_wait() -> bool:
    """Take files that are dropped anywhere on the page; True where some wait because it has no file field now."""
    with st.container(key=_KEY):
        return bool(_drop(key="drop", on_files_wait_change=lambda: None).files_wait)
