"""The Webcam page with a camera that the test works by hand: real frames, a real detector, fixed answers."""

from __future__ import annotations

import html
import json
import re
import tempfile
import time
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
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

from facetraits.faces.images import decode_image
from facetraits.registry import ModelIntegrityError
from facetraits.traits import TRAITS, TraitName
from facetraits.types import AnalysisResult
from facetraits.video.live import LiveAnalysis
from tests.builders import ROOT, FakeAnalyzer, photo_of_many, photo_of_one, photo_without_faces
from tests.drawn_boxes import best_overlap, drawn_boxes
from tests.pages.test_photo_page import written_files  # noqa: F401 - a fixture
from ui.live.camera_watch import CAMERA_PROBLEMS, CAMERA_WORDS, CameraProblem
from ui.live.gate import Viewers
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


# --------------------------------------------------------------------------------------------------------------- states


def test_before_the_camera_is_on_the_page_says_what_to_do(open_page: Callable[[], AppTest]) -> None:
    page = open_page()
    assert page.title[0].value == "Webcam"
    assert "The camera is off" in text(page)
    assert "Your pictures stay on the machine" in text(page)
    assert tracks(page) == []
    assert button(page, "Freeze picture").disabled
    assert not page.selectbox("webcam_resolution").disabled
    assert not page.get("camera_input")


def test_while_connecting_the_page_says_so(open_page: Callable[[], AppTest]) -> None:
    page = turn(open_page(), CONNECTING)
    assert "Connecting" in text(page)
    assert page.selectbox("webcam_resolution").disabled
    assert button(page, "Freeze picture").disabled
    assert not page.get("camera_input")


def test_one_moment_passes_between_the_connection_and_the_first_answer(open_page: Callable[[], AppTest]) -> None:
    page = turn(open_page(), PLAYING)
    assert "One moment" in text(page)
    assert tracks(page) == []


def test_everybody_in_view_gets_a_box_and_a_card(open_page: Callable[[], AppTest]) -> None:
    page = turn(open_page(), PLAYING)
    group = photo_of_many(3)
    seen = show_people(page, group, 3)
    assert sorted(tracks(page)) == [1, 2, 3]
    read = text(page)
    assert read.count("34 years") >= 3
    for label in ("Apparent age", "Apparent gender Female", "Ethnicity White", "Facial expression Happy"):
        assert read.count(label) == 3, label
    assert len(drawn_boxes(seen)) == 3
    assert figure(page, "fps") >= 1
    assert figure(page, "analyses") > 0
    assert figure(page, "delay") > 0


def test_the_last_minute_of_expressions_is_drawn(open_page: Callable[[], AppTest]) -> None:
    page = turn(open_page(), PLAYING)
    assert "last minute" not in text(page)
    show_people(page, portrait())
    assert "Facial expression, last minute" in text(page)
    (chart,) = page.get("vega_lite_chart") or page.get("arrow_vega_lite_chart")
    encoding = json.loads(chart.proto.spec)["encoding"]
    assert "happy" in encoding["color"]["scale"]["domain"]
    turn(page, OFF)
    assert "last minute" not in text(page)


def test_an_empty_picture_is_said_in_words(open_page: Callable[[], AppTest]) -> None:
    page = turn(open_page(), PLAYING)
    cup = photo_without_faces()
    show(page, cup, lambda: stream_of(page).analysis.snapshot().analyses > 1)
    assert "No face in view" in text(page)
    assert tracks(page) == []


def test_who_leaves_is_marked_for_a_while(open_page: Callable[[], AppTest]) -> None:
    page = turn(open_page(), PLAYING)
    show_people(page, portrait())
    show(page, np.full((480, 480, 3), 90, np.uint8), lambda: not stream_of(page).analysis.snapshot().people[0].in_view)
    assert tracks(page) == [1]
    assert "out of view" in text(page)


def test_a_failing_analysis_is_told_and_the_video_goes_on(
    open_page: Callable[[], AppTest], monkeypatch: pytest.MonkeyPatch
) -> None:
    serve(monkeypatch, FailingAnalyzer())
    page = turn(open_page(), PLAYING)
    seen = show(page, portrait(), lambda: stream_of(page).failing)
    assert "The analysis has failed The video goes on without boxes" in text(page)
    assert tracks(page) == []
    assert np.array_equal(seen, portrait())


def test_stopping_forgets_everybody(open_page: Callable[[], AppTest]) -> None:
    page = turn(open_page(), PLAYING)
    show_people(page, portrait())
    turn(page, OFF)
    assert "The camera is off" in text(page)
    assert tracks(page) == []
    assert stream_of(page).analysis.snapshot().image is None
    turn(page, PLAYING)
    assert tracks(page) == []
    show_people(page, portrait())
    assert tracks(page) == [1], "numbers begin anew"


def test_faulty_models_are_reported_in_words(
    open_page: Callable[[], AppTest], monkeypatch: pytest.MonkeyPatch, camera: Camera
) -> None:
    def fail(profile: str = "accurate") -> None:
        raise ModelIntegrityError("The model file a.tflite was changed.")

    monkeypatch.setattr("ui.kit.analyzers.get_analyzer", fail)
    page = open_page()
    assert "The networks cannot be loaded The model file a.tflite was changed." in text(page)
    assert camera.arguments == {}


# ------------------------------------------------------------------------------------------------------------- settings


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


# -------------------------------------------------------------------------------------------------------------- trouble


@pytest.mark.parametrize("problem", CAMERA_PROBLEMS)
def test_each_problem_with_the_camera_has_its_own_words(
    open_page: Callable[[], AppTest], problem: CameraProblem
) -> None:
    page = open_page()
    titles = {words.title for words in CAMERA_WORDS.values()}
    assert not any(title in text(page) for title in titles)
    page.session_state["webcam_watch"] = {"problem": problem}
    page.run()
    assert not page.exception
    assert {title for title in titles if title in text(page)} == {CAMERA_WORDS[problem].title}
    for line in CAMERA_WORDS[problem].advice:
        assert line in text(page)


def wait_ten_seconds(page: AppTest) -> AppTest:
    page.session_state["webcam_connecting_since"] = time.monotonic() - 10.5
    return page


def test_after_ten_seconds_without_a_connection_snapshots_are_offered(open_page: Callable[[], AppTest]) -> None:
    page = wait_ten_seconds(turn(open_page(), CONNECTING)).run()
    assert not page.exception
    assert "The live video does not get through" in text(page)
    assert page.camera_input[0].label == "Take a snapshot"


def test_a_late_connection_takes_the_offer_back(open_page: Callable[[], AppTest]) -> None:
    page = wait_ten_seconds(turn(open_page(), CONNECTING)).run()
    turn(page, PLAYING)
    assert "does not get through" not in text(page)
    assert not page.get("camera_input")


def test_a_connection_given_up_after_ten_seconds_offers_snapshots_too(open_page: Callable[[], AppTest]) -> None:
    page = turn(wait_ten_seconds(turn(open_page(), CONNECTING)), OFF)
    assert "The live video does not get through" in text(page)
    assert page.camera_input[0].label == "Take a snapshot"


def test_stopping_while_it_connects_is_no_trouble(open_page: Callable[[], AppTest]) -> None:
    page = turn(turn(open_page(), CONNECTING), OFF)
    assert "The camera is off" in text(page)
    assert not page.get("camera_input")


def test_a_snapshot_is_analysed_like_a_photo(open_page: Callable[[], AppTest]) -> None:
    page = wait_ten_seconds(turn(open_page(), CONNECTING)).run()
    jpeg = cv2.imencode(".jpg", cv2.cvtColor(photo_of_one(), cv2.COLOR_RGB2BGR))[1].tobytes()
    page.camera_input[0].set_value(("snapshot.jpg", jpeg, "image/jpeg")).run()
    assert not page.exception
    assert "1 face found" in text(page)
    assert "34 years, female, white, happy" in text(page)


def test_a_snapshot_without_a_face_says_so(open_page: Callable[[], AppTest]) -> None:
    page = wait_ten_seconds(turn(open_page(), CONNECTING)).run()
    jpeg = cv2.imencode(".jpg", photo_without_faces())[1].tobytes()
    page.camera_input[0].set_value(("snapshot.jpg", jpeg, "image/jpeg")).run()
    assert not page.exception
    assert "No face found" in text(page)


# ------------------------------------------------------------------------------------------------------------- freezing


def test_a_picture_can_be_frozen_and_taken_home(open_page: Callable[[], AppTest]) -> None:
    page = turn(open_page(), PLAYING)
    page.toggle("webcam_mirror").set_value(False).run()
    face = drawn_boxes(show_people(page, portrait()))[0]
    assert "Download" not in buttons(page)
    button(page, "Freeze picture").click().run()
    assert not page.exception
    assert {"Download", "Discard"} <= set(buttons(page))
    frozen = decode_image(page.session_state["webcam_frozen"])
    assert best_overlap(face, drawn_boxes(frozen)) > 0.9
    turn(page, OFF)
    assert "Download" in buttons(page), "it is still there when the camera is off"
    button(page, "Discard").click().run()
    assert "Download" not in buttons(page)


def test_a_frozen_picture_is_what_the_mirror_showed(open_page: Callable[[], AppTest]) -> None:
    page = turn(open_page(), PLAYING)
    left, top, right, bottom = drawn_boxes(show_people(page, portrait()))[0]
    button(page, "Freeze picture").click().run()
    frozen = decode_image(page.session_state["webcam_frozen"])
    assert best_overlap(np.array([480 - right, top, 480 - left, bottom]), drawn_boxes(frozen)) > 0.9


def test_freezing_before_the_first_answer_does_nothing(open_page: Callable[[], AppTest]) -> None:
    page = turn(open_page(), PLAYING)
    button(page, "Freeze picture").click().run()
    assert not page.exception
    assert "Download" not in buttons(page)


# ----------------------------------------------------------------------------------------------------- several visitors


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
    assert "No place is free just now Somebody else is using the live video" in text(page)
    assert camera.arguments == {}
    button(page, "Try again").click().run()
    assert "No place is free just now" in text(page)
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
    assert "No place is free just now" in text(page)
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


def test_nothing_is_written_to_disk(
    open_page: Callable[[], AppTest],
    tmp_path: Path,  # before the watch begins: pytest makes it
    written_files: list[str],  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    page = turn(open_page(), PLAYING)
    show_people(page, portrait())
    button(page, "Freeze picture").click().run()
    turn(page, OFF)
    assert [path for path in written_files if not path.startswith("/dev/")] == []
    assert list(tmp_path.iterdir()) == []
