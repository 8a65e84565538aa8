"""Ends the sessions of closed pages soon, and deletes their data.

Streamlit keeps such a session for a page whose connection broke, and forgets it only when others come and go: on an
idle server its pictures would stay.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

import streamlit as st

from ui.kit.uploads import PERMITS

if TYPE_CHECKING:
    from streamlit.runtime import Runtime

# A phone that changes from one network to another is back in a few seconds.
LEFT_AFTER_S: Final = 45.0
_LOOK_EVERY_S: Final = 5.0


@asynccontextmanager
async def ending_left_sessions(
    _: object, after_s: float = LEFT_AFTER_S, every_s: float = _LOOK_EVERY_S
) -> AsyncIterator[None]:
    """End sessions ``after_s`` seconds after their connection did, for as long as the server runs."""
    task = asyncio.create_task(_end_left_sessions(st.runtime.get_instance(), after_s, every_s))
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def session_manager(runtime: Runtime) -> Any:
    """Streamlit's keeper of sessions, without which no session can be listed or got by its id."""
    return runtime._session_mgr


async def _end_left_sessions(runtime: Runtime, after_s: float, every_s: float) -> None:
    sessions = session_manager(runtime)
    left_at_s: dict[str, float] = {}
    while True:
        await asyncio.sleep(every_s)
        known = [info.session.id for info in sessions.list_sessions()]
        now_s = time.monotonic()
        left_at_s = {key: left_at_s.get(key, now_s) for key in known if not runtime.is_active_session(key)}
        gone = [key for key, at_s in left_at_s.items() if now_s - at_s >= after_s]
        for key in gone:
            sessions.get_session_info(key).session.session_state.clear()  # Streamlit itself holds the last one for long
            runtime.close_session(key)
        PERMITS.forget_all_but(known)
        if gone:
            gc.collect()  # a session and what it holds refer to each other
