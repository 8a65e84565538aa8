"""Tell visitors whose session the server no longer has that what they had chosen is gone.

A browser that connects again names its session. Another replica of the app does not know it, nor does this one after a
restart, or once the session was ended because its page was away for long (ui/server/sessions.py).
"""

from __future__ import annotations

import time
from typing import Final

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from ui.kit.components import notice

_SHOWN_S: Final = 60.0
_KEY: Final = "lost_session_since"
_PROTOCOLS: Final = "Sec-WebSocket-Protocol"  # "streamlit", a token, and the session that the browser had


def tell_of_lost_session() -> None:
    """Show a notice for a minute where this session has followed a lost one; to be called when a page begins."""
    since: float = st.session_state.setdefault(_KEY, time.monotonic() if _is_lost() else 0.0)
    if since and time.monotonic() - since < _SHOWN_S:
        notice(
            "hint",
            "The connection was interrupted",
            "The server no longer has what you had chosen: pictures are deleted soon after a page is away.",
            ("Choose your pictures once more, or start the camera again.",),
        )


def _is_lost() -> bool:
    context = get_script_run_ctx()
    named = [part.strip() for part in st.context.headers.get(_PROTOCOLS, "").split(",")]
    return context is not None and len(named) > 2 and bool(named[2]) and named[2] != context.session_id
