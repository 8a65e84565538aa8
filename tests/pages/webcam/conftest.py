"""A stand-in for the camera, and pages that are ended with the test."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from streamlit.testing.v1 import AppTest

from tests.builders import ROOT, FakeAnalyzer
from tests.pages.webcam.helpers import Camera, serve, stream_of
from ui.live.gate import Viewers


@pytest.fixture(autouse=True)
def camera(monkeypatch: pytest.MonkeyPatch) -> Camera:
    stand_in = Camera()
    monkeypatch.setattr("ui.live.stream.webrtc_streamer", stand_in)
    return stand_in


@pytest.fixture(autouse=True)
def viewers(monkeypatch: pytest.MonkeyPatch) -> Viewers:
    counted = Viewers()
    monkeypatch.setattr("ui.live.gate.get_viewers", lambda: counted)
    return counted


@pytest.fixture(autouse=True)
def analyzer(monkeypatch: pytest.MonkeyPatch) -> FakeAnalyzer:
    return serve(monkeypatch, FakeAnalyzer())


@pytest.fixture(autouse=True)
def nothing_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ICE_SERVERS", "TURN_URLS", "TURN_SECRET", "RELAY_ONLY", "SERVER_BEHIND_NAT", "VIEWERS"):
        monkeypatch.delenv(f"FACETRAITS_{name}", raising=False)
    monkeypatch.setattr("ui.live.connection.load_secrets", dict)


@pytest.fixture
def open_page() -> Iterator[Callable[[], AppTest]]:
    opened: list[AppTest] = []

    def open_one() -> AppTest:
        page = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60).switch_page("pages/2_Webcam.py").run()
        assert not page.exception
        opened.append(page)
        return page

    yield open_one
    for page in opened:
        if "webcam_stream" in page.session_state:
            stream_of(page).on_ended()
