"""The Webcam page from the first look to the end of the video, and what goes wrong on the way."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import cv2
import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from facetraits.registry import ModelIntegrityError
from tests.builders import photo_of_many, photo_of_one, photo_without_faces
from tests.drawn_boxes import drawn_boxes
from tests.pages.webcam.helpers import (
    CONNECTING,
    OFF,
    PLAYING,
    Camera,
    FailingAnalyzer,
    button,
    figure,
    portrait,
    serve,
    show,
    show_people,
    stream_of,
    text,
    tracks,
    turn,
)
from ui.live.camera_watch import CAMERA_PROBLEMS, CAMERA_WORDS, CameraProblem


def test_before_the_camera_is_on_the_page_says_what_to_do(open_page: Callable[[], AppTest]) -> None:
    page = open_page()
    assert page.title[0].value == "Webcam"
    assert "The camera is off" in text(page)
    assert "Your pictures stay on the machine" in text(page)
    assert tracks(page) == []
    assert button(page, "Freeze").disabled
    assert not page.selectbox("webcam_resolution").disabled
    assert not page.get("camera_input")


def test_while_connecting_the_page_says_so(open_page: Callable[[], AppTest]) -> None:
    page = turn(open_page(), CONNECTING)
    assert "Connecting" in text(page)
    assert page.selectbox("webcam_resolution").disabled
    assert button(page, "Freeze").disabled
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
    assert "The analysis has failed The video continues without boxes" in text(page)
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
