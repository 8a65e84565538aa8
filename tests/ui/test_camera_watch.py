"""What Python makes of the browser's reports; tests/browser/test_camera_watch.py has the browser's side."""

from __future__ import annotations

import json
import re

import pytest
from streamlit.testing.v1 import AppTest

from ui.live.camera_watch import CAMERA_PROBLEMS, CAMERA_WORDS, CameraProblem, snapshot_words


def page() -> None:
    import streamlit as st

    from ui.live.camera_watch import camera_problem

    st.text(repr(camera_problem("my watch")))


def open_page(**state: object) -> AppTest:
    app = AppTest.from_function(page)
    if state:
        app.session_state["my watch"] = state
    return app.run()


def answer(app: AppTest) -> str:
    assert not app.exception
    return app.text[0].value


def data_sent(app: AppTest) -> object:
    return json.loads(app.get("bidi_component")[0].proto.json)


def test_no_problem_is_known_before_the_browser_reports_one() -> None:
    app = open_page()
    assert answer(app) == "None"
    assert data_sent(app) == {"problem": None, "ofPage": False}


@pytest.mark.parametrize("problem", CAMERA_PROBLEMS)
def test_a_reported_problem_is_returned_and_the_browser_told_so(problem: CameraProblem) -> None:
    app = open_page(problem=problem)
    assert answer(app) == repr(problem)
    assert data_sent(app) == {"problem": problem, "ofPage": False}


def test_a_problem_stays_until_the_browser_takes_it_back() -> None:
    app = open_page(problem="busy")
    assert answer(app.run()) == "'busy'"
    app.session_state["my watch"] = {"problem": None}
    assert answer(app.run()) == "None"


@pytest.mark.parametrize("nonsense", ["REFUSED", "", "<script>", 7, True, ["refused"], {"refused": 1}])
def test_whatever_else_the_browser_says_is_some_other_problem(nonsense: object) -> None:
    app = open_page(problem=nonsense)
    assert answer(app) == "'other'"
    assert data_sent(app) == {"problem": "other", "ofPage": False}


def test_words_for_a_snapshot_name_no_button_that_is_not_there() -> None:
    for problem in CAMERA_PROBLEMS:
        words = snapshot_words(problem)
        assert words.text == CAMERA_WORDS[problem].text
        assert not [line for line in words.advice if "Start camera" in line or "Choose camera" in line]
        assert words.advice


def test_a_report_about_something_else_is_no_problem() -> None:
    assert answer(open_page(weather="fine")) == "None"


def test_the_element_is_hidden_by_the_class_that_streamlit_gives_it() -> None:
    assert [piece.body for piece in open_page().html] == ["<style>.st-key-my-watch { display: none; }</style>"]


def test_nothing_is_fetched_from_elsewhere() -> None:
    proto = open_page().get("bidi_component")[0].proto
    assert (proto.js_source_path, proto.css_source_path, proto.html_content) == ("", "", "")
    # The one address is that of the standard, in a comment.
    assert re.findall(r"^(?!//).*(?:https?:|fetch|import).*$", proto.js_content, re.MULTILINE) == []


def test_every_problem_has_a_title_a_sentence_and_advice() -> None:
    assert set(CAMERA_WORDS) == set(CAMERA_PROBLEMS)
    for title, text, advice in CAMERA_WORDS.values():
        assert not title.endswith(".")
        assert re.fullmatch(r"[A-Z][^.]+\.", text), "one sentence"
        assert len(advice) >= 2
        for line in advice:
            assert line.endswith(".")
            assert not re.search(r"Error|mediaDevices|getUserMedia|WebRTC|permission", line), "a word of programmers"


@pytest.mark.parametrize("browser", ["Chrome", "Edge", "Firefox", "Safari", "phone", "iPhone"])
def test_who_refused_the_camera_reads_how_to_allow_it_in_each_browser(browser: str) -> None:
    assert browser in " ".join(CAMERA_WORDS["refused"].advice)
