"""How tests work the camera of the page "Webcam" and read what it shows."""

from __future__ import annotations

import html
import re
import time
from collections.abc import Callable, Collection
from typing import Any

import av
import cv2
import numpy as np
import pytest
import streamlit as st
from numpy.typing import NDArray
from streamlit.testing.v1 import AppTest
from streamlit_webrtc import WebRtcStreamerContext
from streamlit_webrtc.component import WebRtcStreamerState

from facetraits.traits import TRAITS, TraitName
from facetraits.types import AnalysisResult
from tests.builders import FakeAnalyzer, photo_of_one
from ui.live.stream import LiveStream

OFF, CONNECTING, PLAYING = "off", "connecting", "playing"
STATES = {OFF: (False, False), CONNECTING: (False, True), PLAYING: (True, True)}


class Camera:
    """Stands in for ``webrtc_streamer``: a select box is what the browser would report."""

    def __init__(self) -> None:
        self.arguments: dict[str, Any] = {}

    def __call__(self, key: str, **arguments: Any) -> None:
        self.arguments = arguments
        if key not in st.session_state:
            context = WebRtcStreamerContext(None, WebRtcStreamerState(playing=False, signalling=False))
            st.session_state[key] = context

        def changed() -> None:
            playing, signalling = STATES[st.session_state["camera_is"]]
            st.session_state[key]._set_state(WebRtcStreamerState(playing, signalling))
            if not signalling:
                st.session_state["webcam_stream"].on_ended()  # as the end of the track does
            arguments["on_change"]()

        st.selectbox("Camera", tuple(STATES), key="camera_is", on_change=changed)


class FailingAnalyzer(FakeAnalyzer):
    def analyze(self, image: NDArray[np.uint8], traits: Collection[TraitName] = TRAITS) -> AnalysisResult:
        raise RuntimeError("a network is broken")


def serve(monkeypatch: pytest.MonkeyPatch, analyzer: FakeAnalyzer) -> FakeAnalyzer:
    monkeypatch.setattr("ui.kit.analyzers.get_analyzer", lambda profile="accurate": analyzer)
    return analyzer


def stream_of(page: AppTest) -> LiveStream:
    return page.session_state["webcam_stream"]


def turn(page: AppTest, state: str) -> AppTest:
    page.selectbox("camera_is").set_value(state).run()
    assert not page.exception
    return page


def show(page: AppTest, image: NDArray[np.uint8], until: Callable[[], object]) -> NDArray[np.uint8]:
    """Show the camera a picture until something is so; returns what the visitor gets to see then."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        so = until()  # asked before the frame is drawn: what comes back then shows it
        seen = stream_of(page).on_frame(av.VideoFrame.from_ndarray(image, format="rgb24")).to_ndarray(format="rgb24")
        if so:
            page.run()
            assert not page.exception
            return seen
        time.sleep(0.03)
    pytest.fail("it never happened")


def show_people(page: AppTest, image: NDArray[np.uint8], count: int = 1) -> NDArray[np.uint8]:
    return show(page, image, lambda: len(stream_of(page).analysis.snapshot().people) == count)


def portrait() -> NDArray[np.uint8]:
    return np.asarray(cv2.resize(photo_of_one(), (480, 480), interpolation=cv2.INTER_AREA), dtype=np.uint8)


def raw(page: AppTest) -> str:
    return " ".join(piece.body for piece in page.html)


def text(page: AppTest) -> str:
    return re.sub(r"\s+", " ", html.unescape(re.sub("<[^>]+>", " ", raw(page))))


def tracks(page: AppTest) -> list[int]:
    return [int(number) for number in re.findall(r'data-track="(\d+)"', raw(page))]


def figure(page: AppTest, name: str) -> float:
    (value,) = re.findall(rf'data-figure="{name}">([^<]+)<', raw(page))
    return float(value)


def button(page: AppTest, label: str) -> Any:
    return next(b for b in page.button if b.label == label)


def buttons(page: AppTest) -> list[str]:
    return [b.label for b in page.button] + [b.proto.label for b in page.get("download_button")]
