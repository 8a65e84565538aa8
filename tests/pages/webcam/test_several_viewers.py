"""Several viewers of the Webcam page at once."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest

from facetraits.video.live import LiveAnalysis
from tests.builders import FakeAnalyzer
from tests.pages.webcam.helpers import (
    CONNECTING,
    PLAYING,
    Camera,
    button,
    portrait,
    show_people,
    text,
    tracks,
    turn,
)
from ui.live.gate import Viewers


def somebody_else(viewers: Viewers) -> LiveAnalysis:
    other = LiveAnalysis(FakeAnalyzer())
    assert viewers.enter(other, 1)
    return other


def test_one_too_many_gets_a_polite_word_and_may_try_again(
    open_page: Callable[[], AppTest], monkeypatch: pytest.MonkeyPatch, viewers: Viewers, camera: Camera
) -> None:
    monkeypatch.setenv("FACETRAITS_VIEWERS", "1")
    other = somebody_else(viewers)
    page = open_page()
    assert "No place is free at the moment Somebody else is using the live video" in text(page)
    assert camera.arguments == {}
    button(page, "Try again").click().run()
    assert "No place is free at the moment" in text(page)
    del other
    button(page, "Try again").click().run()
    assert not page.exception
    assert "No place is free" not in text(page)
    assert turn(page, PLAYING)


def test_who_came_first_stays_when_the_place_is_taken_meanwhile(
    open_page: Callable[[], AppTest], monkeypatch: pytest.MonkeyPatch, viewers: Viewers
) -> None:
    monkeypatch.setenv("FACETRAITS_VIEWERS", "1")
    page = open_page()
    other = somebody_else(viewers)
    turn(page, CONNECTING)
    assert "No place is free at the moment" in text(page)
    assert "Connecting" not in text(page)
    del other


def test_there_is_room_for_several(
    open_page: Callable[[], AppTest], monkeypatch: pytest.MonkeyPatch, viewers: Viewers
) -> None:
    monkeypatch.setenv("FACETRAITS_VIEWERS", "2")
    first, second = turn(open_page(), PLAYING), turn(open_page(), PLAYING)
    show_people(first, portrait())
    second.run()
    assert tracks(first) == [1]
    assert tracks(second) == [], "visitors do not see each other"
