"""Limit of visitors who stream at once."""

from __future__ import annotations

import threading
import time
import weakref
from typing import TYPE_CHECKING, Final

import streamlit as st

if TYPE_CHECKING:
    from facetraits.video.live import LiveAnalysis

_CONNECTING_S: Final = 20.0  # a place is reserved this long for a visitor who is still connecting


class Viewers:
    """Counts the streams of all visitors. A place becomes free automatically when a stream stops, for any reason."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entered: weakref.WeakKeyDictionary[LiveAnalysis, float] = weakref.WeakKeyDictionary()

    def full(self, stream: LiveAnalysis, limit: int) -> bool:
        """Whether there is no place for ``stream`` because ``limit`` others are streaming."""
        with self._lock:
            return self._others(stream) >= limit

    def enter(self, stream: LiveAnalysis, limit: int) -> bool:
        """Take a place; False where there is none."""
        with self._lock:
            if self._others(stream) >= limit:
                return False
            self._entered[stream] = time.monotonic()
            return True

    def leave(self, stream: LiveAnalysis) -> None:
        """Give the place back at once. Otherwise it becomes free soon after the last frame."""
        with self._lock:
            self._entered.pop(stream, None)

    def _others(self, stream: LiveAnalysis) -> int:
        now = time.monotonic()
        return sum(
            other is not stream and (other.active or now - entered < _CONNECTING_S)
            for other, entered in self._entered.items()
        )


@st.cache_resource(show_spinner=False)
def get_viewers() -> Viewers:
    """Who is streaming at the moment: counts, nothing else."""
    return Viewers()
