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

from facetraits.visitors import source
from facetraits.visitors.layout import layout_of
from facetraits.visitors.store import VisitStore
from facetraits.visitors.visit import Settings
from tests.builders import photo_of_one
from tests.pages.visitors.helpers import PAGE, VIEWS, choose, open_page, press, submit, text, wait_for
from ui.live.gate import Viewers
from ui.visitors import cached
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
def test_the_recording_ends_with_the_page_that_shows_the_webcam(store: VisitStore) -> None:
    page = submit(open_page("Recording"), "Use this webcam")
    show(page, lambda: store.latest())
    page.switch_page("app.py").run()
    assert "Recording" not in text(page)
    wait_for(lambda: store.latest()[0].ended)
    page.switch_page(PAGE).run()
    assert "visitors_webcam" in page.session_state, "it can be started again"
    show(page, lambda: len(store.latest()) == 2)


@pytest.mark.usefixtures("here", "camera")
def test_a_counting_line_is_drawn_on_a_still_of_the_webcam(store: VisitStore) -> None:
    page = submit(open_page("Recording"), "Use this webcam")
    show(page, lambda: store.latest())
    press(page, "visitors_line_of_Webcam")
    assert "Waiting for a picture of Webcam" in text(page)
    show(page, lambda: cached.get_recording().statuses()[0].visits and still_waits())
    assert "Counting line of Webcam" in subheadings(page)
    assert "faces that were found in it are made unrecognisable." in text(page)
    store.save_layout("Webcam", layout_of((0.05, 1.0, 0.05, 0.0), ()))
    cached.get_recording().refresh()
    show(page, lambda: cached.get_recording().statuses()[0].crossings == (0, 0))
    assert "0 entered, 0 left" in text(page)
    press(page, "visitors_line_close")
    assert "Counting line of Webcam" not in subheadings(page)


def still_waits() -> bool:
    """Whether a still picture was kept."""
    return cached.get_recording()._sources["Webcam"]._still is not None


def subheadings(page: AppTest) -> list[str]:
    return [heading.value for heading in page.subheader]


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
def test_a_webcam_needs_a_name_of_its_own(store: VisitStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "_SILENT_S", 600.0)  # no picture comes while the second page is opened
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
