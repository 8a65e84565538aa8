"""Why the visitor's camera could not be opened, in words.

streamlit-webrtc shows a browser's error as it comes, in English for programmers, and does not tell Python. An invisible
component (camera_watch.js) listens in on its attempts.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple, cast, get_args

import streamlit as st

CameraProblem = Literal["insecure", "unsupported", "refused", "missing", "busy", "other"]
CAMERA_PROBLEMS: Final[tuple[CameraProblem, ...]] = get_args(CameraProblem)


class CameraWords(NamedTuple):
    """One problem as a visitor reads it; the order is that of ``ui.kit.components.notice``."""

    title: str
    text: str
    advice: tuple[str, ...]


CAMERA_WORDS: Final[Mapping[CameraProblem, CameraWords]] = {
    "insecure": CameraWords(
        "No camera at this address",
        "Browsers allow the camera only on pages whose address begins with https://, and on pages of the same "
        "computer.",
        (
            "On the computer that runs facetraits: open it as http://localhost, with the same number after the colon.",
            "On any other device: open it at an address that begins with https://. See docs/deploy.md for how to set "
            "one up.",
            "Photos from files work without it, on the page Photo.",
        ),
    ),
    "unsupported": CameraWords(
        "This browser has no live video",
        "The browser is too old for live video, or live video is switched off.",
        (
            "Update the browser, or open this page in a current Chrome, Edge, Firefox or Safari.",
            "If another app opened this page, choose “Open in browser” in its menu.",
            "On an iPhone, iPad or Mac in Lockdown Mode, allow this website in the settings of Lockdown Mode.",
        ),
    ),
    "refused": CameraWords(
        "The camera is not allowed",
        "The browser blocks the camera for this page: permission was denied, or the question was not answered.",
        (
            "Press “Start camera” again. If the browser asks, choose Allow.",
            "Chrome and Edge, on phones too: press the sign on the left of the address, open Permissions if it is "
            "there, and switch Camera on.",
            "Firefox: press the crossed-out camera on the left of the address, and remove the block. On a phone: "
            "press the lock on the left of the address, and allow Camera.",
            "Safari on a Mac: in the menu bar choose Safari, then Settings for this website, and set Camera to Allow.",
            "Safari on an iPhone or iPad: press the sign on the left of the address, then Website Settings (perhaps "
            "behind “…”), and set Camera to Allow.",
            "If all of this is right, the device itself may block the camera for the browser: check Camera in its "
            "privacy settings.",
        ),
    ),
    "missing": CameraWords(
        "No camera was found",
        "The browser finds no camera on this device.",
        (
            "Plug a camera in, or switch on the one that is built in. Some laptops have a key or a slider for it.",
            "Check Camera in the device's privacy settings: it may be switched off for all programs.",
            "Then press “Start camera” again.",
        ),
    ),
    "busy": CameraWords(
        "The camera is busy",
        "The camera is there, but another program or browser tab seems to be using it.",
        (
            "Close video calls and other pages that use the camera, then press “Start camera” again.",
            "If nothing else uses it: unplug the camera and plug it in again, or restart the browser.",
        ),
    ),
    "other": CameraWords(
        "The camera could not be opened",
        "The browser could not open the camera, and does not say why.",
        (
            "Press “Choose camera”, and try another camera if there is one.",
            "Close other programs that may use the camera, load this page again, then press “Start camera”.",
        ),
    ),
}

_SCRIPT: Final = (Path(__file__).parent / "camera_watch.js").read_text(encoding="utf-8")
_watch = st.components.v2.component("facetraits.camera_watch", js=_SCRIPT)


def snapshot_words(problem: CameraProblem) -> CameraWords:
    """A problem of the snapshot's camera in words: it has no button "Start camera"."""
    words = CAMERA_WORDS[problem]
    advice = [
        line.replace("press “Start camera”", "load this page").replace("Press “Start camera”", "Load this page")
        for line in words.advice
        if "“Choose camera”" not in line
    ]
    return words._replace(advice=tuple(advice))


def camera_problem(key: str, of_page: bool = False) -> CameraProblem | None:
    """What keeps the camera of the page from working; None while nothing is known to.

    Takes no room on the page. The script (or the fragment that this is called in) runs once more when the answer
    changes, and only then: soon after the camera failed, when it works after all, and at the first look in a browser
    that can never have it.

    Args:
        key: of the component, unique on the page.
        of_page: watch the camera of ``st.camera_input``, not that of ``webrtc_streamer``.
    """
    class_name = re.sub(r"[^a-zA-Z0-9_-]", "-", key)  # as Streamlit makes it
    st.html(f"<style>.st-key-{class_name} {{ display: none; }}</style>")
    known = _problem_in(st.session_state.get(key))
    return _problem_in(_watch(key=key, data={"problem": known, "ofPage": of_page}))


def _problem_in(state: Any) -> CameraProblem | None:
    """The problem in the component's state, which comes from the browser and may be anything."""
    problem = state.get("problem") if isinstance(state, Mapping) else None
    if problem is None:
        return None
    return cast(CameraProblem, problem) if problem in CAMERA_PROBLEMS else "other"
