"""Settings of the Webcam page: traits, mirror, resolution, connection."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest

from tests.builders import FakeAnalyzer
from tests.drawn_boxes import best_overlap, drawn_boxes
from tests.pages.webcam.helpers import PLAYING, Camera, portrait, show, show_people, stream_of, text, tracks, turn


def test_nothing_is_asked_of_public_servers(open_page: Callable[[], AppTest], camera: Camera) -> None:
    open_page()
    assert camera.arguments["frontend_rtc_configuration"] == {"iceServers": []}
    assert camera.arguments["server_rtc_configuration"] == {"iceServers": []}
    assert camera.arguments["media_stream_constraints"]["audio"] is False


def test_it_runs_with_the_real_component_too(open_page: Callable[[], AppTest], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    monkeypatch.setattr("streamlit_webrtc.component.get_this_session_info", lambda: None)
    page = open_page()
    (component,) = page.get("component_instance")
    arguments = json.loads(component.proto.json_args)
    assert arguments["rtc_configuration"]["iceServers"] == []
    assert arguments["translations"]["start"] == "Start camera"


def test_a_trait_switched_off_is_neither_computed_nor_shown(
    open_page: Callable[[], AppTest], analyzer: FakeAnalyzer
) -> None:
    page = open_page()
    page.pills("webcam_traits").set_value(["age", "expression"]).run()
    turn(page, PLAYING)
    show_people(page, portrait())
    assert set(analyzer.calls) == {("age", "expression")}
    assert "Apparent age" in text(page)
    assert "Apparent gender" not in text(page)
    assert "Ethnicity" not in text(page)


def test_traits_can_be_switched_while_the_camera_is_on(
    open_page: Callable[[], AppTest], analyzer: FakeAnalyzer
) -> None:
    page = turn(open_page(), PLAYING)
    show_people(page, portrait())
    page.pills("webcam_traits").set_value(["age"]).run()
    show(page, portrait(), lambda: analyzer.calls[-1] == ("age",))
    show(page, portrait(), lambda: stream_of(page).analysis.snapshot().people[0].tracked.face.traits.gender is None)
    assert "Apparent age" in text(page)
    assert "Apparent gender" not in text(page)
    assert page.selectbox("camera_is").value == PLAYING


def test_without_any_trait_faces_are_still_found(open_page: Callable[[], AppTest], analyzer: FakeAnalyzer) -> None:
    page = open_page()
    page.pills("webcam_traits").set_value([]).run()
    turn(page, PLAYING)
    seen = show_people(page, portrait())
    assert set(analyzer.calls) == {()}
    assert tracks(page) == [1]
    assert len(drawn_boxes(seen)) == 1


def test_the_mirror_is_a_matter_of_the_browser(open_page: Callable[[], AppTest], camera: Camera) -> None:
    page = turn(open_page(), PLAYING)
    face = drawn_boxes(show_people(page, portrait()))[0]
    for mirrored, transform in ((True, "scaleX(-1)"), (False, "none")):
        page.toggle("webcam_mirror").set_value(mirrored).run()
        assert camera.arguments["video_html_attrs"]["style"]["transform"] == transform
        # The picture that travels is never mirrored: only what is written in it is, so that it can be read.
        assert best_overlap(face, drawn_boxes(show_people(page, portrait()))) > 0.9


@pytest.mark.parametrize(("choice", "width", "height"), [("320 × 240", 320, 240), ("1280 × 720", 1280, 720)])
def test_the_camera_is_asked_for_the_chosen_resolution(
    open_page: Callable[[], AppTest], camera: Camera, choice: str, width: int, height: int
) -> None:
    page = open_page()
    assert camera.arguments["media_stream_constraints"]["video"]["width"] == {"ideal": 640}
    page.selectbox("webcam_resolution").set_value(choice).run()
    video = camera.arguments["media_stream_constraints"]["video"]
    assert (video["width"], video["height"]) == ({"ideal": width}, {"ideal": height})
    assert turn(page, PLAYING).selectbox("webcam_resolution").disabled


def test_bad_connection_settings_are_told_and_the_page_works(
    open_page: Callable[[], AppTest], monkeypatch: pytest.MonkeyPatch, camera: Camera
) -> None:
    monkeypatch.setenv("FACETRAITS_VIEWERS", "many")
    page = open_page()
    assert "The environment variable FACETRAITS_VIEWERS must be a whole number" in text(page)
    assert camera.arguments["frontend_rtc_configuration"] == {"iceServers": []}


def test_ice_servers_of_the_environment_reach_the_browser(
    open_page: Callable[[], AppTest], monkeypatch: pytest.MonkeyPatch, camera: Camera
) -> None:
    monkeypatch.setenv("FACETRAITS_ICE_SERVERS", '[{"urls": "stun:stun.example.org"}]')
    open_page()
    servers = camera.arguments["frontend_rtc_configuration"]["iceServers"]
    assert servers == [{"urls": ["stun:stun.example.org"]}]
