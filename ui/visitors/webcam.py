"""This browser's webcam as a source of visits: the Webcam page's stream, with a counter that listens."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import av
import streamlit as st

from facetraits.video.live import IDLE_S, Analyzer, LiveAnalysis
from facetraits.video.tracked import TrackedFace
from facetraits.visitors.recording import Recording
from facetraits.visitors.store import VisitStore
from facetraits.visitors.visit import Settings
from facetraits.visitors.watching import stored_traits
from ui.kit.components import notice
from ui.kit.controls import loaded_analyzer
from ui.kit.figure import explain
from ui.live import gate
from ui.live.camera_watch import CAMERA_WORDS, camera_problem
from ui.live.connection import ConnectionSettings, connection_settings, load_secrets
from ui.live.stream import RESOLUTIONS, STREAM_KEY, LiveStream, camera
from ui.visitors import cached
from ui.visitors.page_sign import WEBCAM

_LEAVING: Final = "The webcam stops recording when you leave this page. Leave it?"
_SCRIPT: Final = (Path(__file__).parent / "leave_guard.js").read_text(encoding="utf-8")
_guard = st.components.v2.component("facetraits.leave_guard", js=_SCRIPT)


class _CountedStream(LiveStream):
    """A ``LiveStream`` that says when a frame comes.

    Args:
        on_arrival: called for every frame.
        arguments: as of ``LiveStream``.
    """

    def __init__(self, on_arrival: Callable[[], None], *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._on_arrival = on_arrival

    def on_frame(self, frame: av.VideoFrame, still_connected: Callable[[], bool] = lambda: True) -> av.VideoFrame:
        """See ``LiveStream.on_frame``."""
        self._on_arrival()
        return super().on_frame(frame, still_connected)


class BrowserCamera:
    """The webcam of one browser session, with the visits counted from it; lives in ``st.session_state``.

    Args:
        recording: that lists the source while frames come.
        analyzer: of the stream.
        name: of the source.
        settings: of the log.

    Raises:
        ValueError: the name is invalid; the message is one sentence for the owner.
    """

    def __init__(self, recording: Recording, analyzer: Analyzer, name: str, settings: Settings) -> None:
        self._visits = recording.webcam(name)
        self.stream = _CountedStream(
            self._visits.frame_came,
            analyzer,
            self._left,
            keep_s=settings.away_s,
            idle_s=max(IDLE_S, settings.away_s),  # a pause of the connection begins no new visit
            on_started=self._started,
            on_tracked=self._tracked,
        )
        self.follow(settings)

    def follow(self, settings: Settings) -> None:
        """Apply the current settings: which traits to estimate, and how long to remember faces."""
        self.stream.analysis.traits = stored_traits(settings)
        self.stream.analysis.keep_s = settings.away_s

    @property
    def name(self) -> str:
        """Of the source, as the log has it."""
        return self._visits.name

    @property
    def recording(self) -> bool:
        """Whether visits are counted; somebody else may have stopped the recording while the video goes on."""
        return any((s.name, s.kind) == (self.name, "webcam") for s in cached.recording_sources())

    def remove(self) -> None:
        """Stop recording, also for frames that arrive before the browser has closed the camera."""
        self._visits.close()
        self.stream.on_ended()

    def _started(self) -> None:
        self._visits.on_started(lambda: self.stream.analysis.running)

    def _tracked(self, tracked: Sequence[TrackedFace], time_s: float) -> None:
        newest = self.stream.analysis.snapshot()  # this runs in its worker, so that it is of the same frame
        if newest.faces is not None and newest.image is not None:
            self._visits.on_tracked(tracked, time_s, newest.faces.result.size_wh)
            self._visits.offer_still(newest.image, newest.faces.result)

    def _left(self, analysis: LiveAnalysis) -> None:
        gate.get_viewers().leave(analysis)
        self._visits.finish()


def my_source() -> BrowserCamera | None:
    """The source that this browser session has set up; None where it has none."""
    return st.session_state.get(WEBCAM)


def add_webcam(store: VisitStore, recording: Recording, name: str) -> None:
    """Have ``show_camera`` offer this browser's webcam as a source.

    Raises:
        ValueError: the name is invalid; the message is one sentence for the owner.
    """
    analyzer = loaded_analyzer("fast")
    if analyzer is not None:
        st.session_state[WEBCAM] = BrowserCamera(recording, analyzer, name, store.settings())


def remove_webcam() -> None:
    """Forget the source; its camera stops because the page does not show it any more."""
    source: BrowserCamera | None = st.session_state.pop(WEBCAM, None)
    if source is not None:
        source.remove()


def is_playing() -> bool:
    """Whether this browser's video comes in."""
    return WEBCAM in st.session_state and STREAM_KEY in st.session_state and st.session_state[STREAM_KEY].state.playing


def show_camera() -> None:
    """The camera of ``my_source`` with its buttons; nothing where there is none.

    It must be at the same place on the page in every view, because a browser ends the video of a camera that is removed
    from the page.
    """
    source = my_source()
    if source is None:
        return
    settings = connection_settings(load_secrets(), os.environ)
    st.html("<style>.st-key-visitors_leaving { display: none; }</style>")
    _guard(key="visitors_leaving", data={"question": _LEAVING if is_playing() else ""})
    with st.container(key="visitors_camera"):
        video, beside = st.columns([2, 3], gap="medium")
        with video:
            _video(source, settings)
        with beside:
            if settings.problem is not None:
                notice("error", "The settings for live video are not valid", settings.problem)
            explain(_state_words(source))
            st.button("Remove the webcam", key="visitors_webcam_close", icon=":material/close:", on_click=remove_webcam)


def _state_words(source: BrowserCamera) -> str:
    if not is_playing():
        return "Press “Start camera” to count everybody in view."
    if source.recording:
        return "Recording continues in all views of this page, and stops when you open another page."
    return "The camera is on, and recording starts in a moment. If it does not, remove the webcam and add it again."


def _video(source: BrowserCamera, settings: ConnectionSettings) -> None:
    if _turned_away() or gate.get_viewers().full(source.stream.analysis, settings.viewers):
        notice(
            "hint",
            "No place is free at the moment",
            "All places for live video are in use. One more would make it stutter for everybody.",
            ("A place becomes free when somebody stops. Try again in a minute.",),
        )
        st.button("Try again", key="visitors_webcam_again", on_click=_try_again)
        return
    problem = camera_problem("visitors_webcam_watch")
    camera(source.stream, settings, RESOLUTIONS["640 × 480"], _changed(source, settings.viewers))
    if problem is not None:
        notice("error", *CAMERA_WORDS[problem])


def _changed(source: BrowserCamera, viewers: int) -> Callable[[], None]:
    def changed() -> None:
        connecting = st.session_state[STREAM_KEY].state.signalling and not is_playing()
        if connecting and not gate.get_viewers().enter(source.stream.analysis, viewers):
            st.session_state["visitors_turned_away"] = True

    return changed


def _turned_away() -> bool:
    return bool(st.session_state.get("visitors_turned_away", False))


def _try_again() -> None:
    st.session_state.pop("visitors_turned_away", None)
