"""A browser's webcam as a source of visits."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import av
import numpy as np
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest
from streamlit_webrtc import WebRtcStreamerContext
from streamlit_webrtc.component import WebRtcStreamerState

from facetraits.visitors.store import VisitStore
from facetraits.visitors.visit import Settings
from tests.builders import photo_of_one
from tests.pages.visitors.helpers import VIEWS, choose, open_page, press, submit, text, wait_for
from ui.live.gate import Viewers
from ui.visitors.webcam import BrowserCamera


@pytest.fixture
def camera(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Stands in for ``webrtc_streamer``: the keys that it was drawn with."""
    drawn: list[str] = []

    def draw(key: str, **arguments: Any) -> None:
        drawn.append(key)
        state = WebRtcStreamerState(playing=True, signalling=True)
        st.session_state.setdefault(key, WebRtcStreamerContext(None, state))

    monkeypatch.setattr("ui.live.stream.webrtc_streamer", draw)
    monkeypatch.setattr("ui.live.gate.get_viewers", Viewers)
    yield drawn


def webcam_of(page: AppTest) -> BrowserCamera:
    return page.session_state["visitors_webcam"]


def portrait() -> av.VideoFrame:
    return av.VideoFrame.from_ndarray(np.ascontiguousarray(photo_of_one()[:480, 16:496]), format="rgb24")


def show(page: AppTest, until: Callable[[], object]) -> None:
    """Let the camera see the portrait until something is so."""

    def so() -> object:
        webcam_of(page).stream.on_frame(portrait())
        return until()

    wait_for(so)
    page.run()
    assert [error.value for error in page.exception] == []


@pytest.mark.usefixtures("here")
def test_this_browsers_webcam_is_a_source_in_every_view(store: VisitStore, camera: list[str]) -> None:
    page = submit(open_page("Recording"), "Use this webcam")
    assert "recording starts in a moment" in text(page)
    show(page, lambda: store.latest())
    for view in VIEWS:
        drawn = len(camera)
        choose(page, "visitors_view", view)
        assert "Recording Webcam" in text(page)
        assert len(camera) == drawn + 1, "a camera that is not drawn is ended by the browser"
    assert (store.latest()[0].source, store.latest()[0].ethnicity) == ("Webcam", None)
    stream = webcam_of(page).stream
    press(page, "visitors_stop_all")
    wait_for(lambda: store.latest()[0].ended)
    for _ in range(30):  # what the browser sends until it has closed the camera
        stream.on_frame(portrait())
        time.sleep(0.05)
    assert len(store.latest()) == 1
    stream.on_ended()
    assert "visitors_webcam" not in page.session_state
    assert "Recording is off" in text(page)


@pytest.mark.usefixtures("here", "camera")
def test_what_is_not_stored_is_not_estimated(store: VisitStore) -> None:
    page = submit(open_page("Recording"), "Use this webcam")
    assert webcam_of(page).stream.analysis.traits == ("age", "gender", "expression")
    press(page, "visitors_webcam_close")
    store.save_settings(Settings(ethnicity=True))
    submit(page, "Use this webcam")
    assert webcam_of(page).stream.analysis.traits == ("age", "gender", "ethnicity", "expression")


@pytest.mark.usefixtures("here", "camera")
def test_a_webcam_follows_settings_that_are_changed_while_it_records(store: VisitStore) -> None:
    page = submit(open_page("Recording"), "Use this webcam")
    analysis = webcam_of(page).stream.analysis
    store.save_settings(Settings(away_s=30.0, ethnicity=True))
    page.run()
    assert webcam_of(page).stream.analysis is analysis
    assert analysis.traits == ("age", "gender", "ethnicity", "expression")
    assert analysis.keep_s == 30.0


@pytest.mark.usefixtures("here", "camera")
def test_a_webcam_needs_a_name_of_its_own(store: VisitStore) -> None:
    first = submit(open_page("Recording"), "Use this webcam")
    show(first, lambda: store.latest())
    second = submit(open_page("Recording"), "Use this webcam")
    assert "There is a source named Webcam already" in text(second)
    assert "visitors_webcam" not in second.session_state


@pytest.mark.usefixtures("here", "camera")
def test_one_camera_too_many_gets_a_polite_word(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Viewers, "full", lambda self, stream, limit: True)
    page = submit(open_page("Recording"), "Use this webcam")
    assert "No place is free at the moment" in text(page)
