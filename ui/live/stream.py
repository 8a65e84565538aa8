"""The visitor's camera: frames of a WebRTC stream through a ``LiveAnalysis``."""

from __future__ import annotations

import logging
import math
import sys
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple

import av
import cv2
import numpy as np
from numpy.typing import NDArray
from streamlit_webrtc import Translations, VideoHTMLAttributes, WebRtcMode, webrtc_streamer

from facetraits.faces.annotate import annotate
from facetraits.traits import TraitName
from facetraits.types import FaceResult, FaceTraits
from facetraits.video.live import IDLE_S, Analyzer, LiveAnalysis, LiveSnapshot, NumberedFaces
from facetraits.video.pictures import shown_rgb
from facetraits.video.tracked import TrackedFace
from ui.live.bit_rates import begin_with_sharp_video
from ui.live.connection import ConnectionSettings, keep_transport_policy
from ui.live.track import LiveTrack, without_relay
from ui.photo.session import face_crop, to_jpeg

_LOG: Final = logging.getLogger(__name__)

RESOLUTIONS: Final = {"320 × 240": (320, 240), "640 × 480": (640, 480), "1280 × 720": (1280, 720)}
STREAM_KEY: Final = "webcam"

_BUTTONS: Final[Translations] = {"start": "Start camera", "stop": "Stop camera", "select_device": "Choose camera"}
_FRAMES_PER_SECOND: Final = 30
_FROZEN_QUALITY: Final = 93
_CARDS_KEPT_S: Final = 4.0  # labels follow cards that are not older; a page that is not looked at draws none

# A frame passes through several threads, and Python lets one that computes go on for 5 ms before another gets its turn:
# together more than a frame's time.
_SWITCH_INTERVAL_S: Final = 0.001


class LiveStream:
    """One visitor's camera; lives in ``st.session_state``.

    ``on_frame`` runs once per frame, in a thread of the event loop: it only draws, and it never raises, because that
    would end the stream without a word.

    Args:
        analyzer: may be shared by many streams.
        on_left: called with ``analysis`` when a connection has ended.
        keep_s, idle_s, on_started, on_tracked: as of ``LiveAnalysis``.

    Attributes:
        analysis: what looks at the frames.
        mirrored: the page shows the video as in a mirror; letters are drawn for that.
    """

    def __init__(
        self,
        analyzer: Analyzer,
        on_left: Callable[[LiveAnalysis], None] | None = None,
        keep_s: float = 2.5,
        idle_s: float = IDLE_S,
        on_started: Callable[[], None] | None = None,
        on_tracked: Callable[[tuple[TrackedFace, ...], float], None] | None = None,
    ) -> None:
        self.analysis = LiveAnalysis(
            analyzer, keep_s=keep_s, idle_s=idle_s, on_started=on_started, on_tracked=on_tracked
        )
        self.mirrored = True
        self._on_left = on_left
        self._drawing_fails = False
        self._crops: dict[int, tuple[bool, bytes]] = {}
        self._on_cards: tuple[float, dict[int, FaceTraits]] = (-math.inf, {})
        self._frozen: _Frozen | None = None
        self._track: LiveTrack | None = None

    def track(self) -> LiveTrack:
        """The track for the next connection; one that has had its connection is not given again."""
        if self._track is None or self._track.hasTrack():

            def draw(frame: av.VideoFrame) -> av.VideoFrame:
                return self.on_frame(frame, lambda: track.readyState == "live")

            track = self._track = LiveTrack(draw, self.on_ended)
        return self._track

    def on_frame(self, frame: av.VideoFrame, still_connected: Callable[[], bool] = lambda: True) -> av.VideoFrame:
        """The frame with numbered boxes around the faces; the frame itself where that fails.

        Args:
            frame: of the camera.
            still_connected: whether its connection still is.
        """
        try:
            image = shown_rgb(frame)
            found = self._as_on_cards(self.analysis.add_frame(image, still_connected))
            if (frozen := self._frozen) is not None:
                frame = _to_frame(self._view_of(frozen).drawn)
            elif found.numbers:
                drawn = annotate(image, found.result, found.numbers, self.mirrored)
                frame = _to_frame(drawn)
        except Exception:
            if not self._drawing_fails:  # once, or a failing stream would fill the log
                _LOG.exception("a frame could not be drawn on")
            self._drawing_fails = True
        else:
            self._drawing_fails = False
        return frame

    def on_ended(self) -> None:
        """Forget everything of the stream that has ended."""
        self.analysis.end()
        self._crops = {}
        self._frozen = None
        if self._on_left is not None:
            self._on_left(self.analysis)

    @property
    def failing(self) -> bool:
        """Whether the analysis fails, so that the picture is shown as it comes."""
        return self._drawing_fails or self.analysis.snapshot().failing

    def shown(self) -> LiveSnapshot:
        """What the cards show: the moment that is frozen, or the present.

        Until the next call, or for some seconds, the labels in the video say the same.
        """
        if (frozen := self._frozen) is not None:
            return self._view_of(frozen).snapshot
        snapshot = self.analysis.snapshot()
        self._on_cards = time.monotonic(), _answers(snapshot)
        return snapshot

    def _as_on_cards(self, found: NumberedFaces) -> NumberedFaces:
        at_s, answers = self._on_cards
        return found if time.monotonic() - at_s > _CARDS_KEPT_S else _relabelled(found, answers)

    def crops(self, snapshot: LiveSnapshot) -> dict[int, bytes]:
        """A small JPEG of each person by number: the first good view, so that the pictures stand still."""
        if snapshot.image is None or snapshot.faces is None:
            return {}
        people = {person.tracked.track_id for person in snapshot.people}
        kept = {number: crop for number, crop in self._crops.items() if number in people}
        for number, face in zip(snapshot.faces.numbers, snapshot.faces.result.faces, strict=True):
            good, _ = kept.get(number, (False, b""))
            if number not in kept or (not good and not face.quality):
                kept[number] = (not face.quality, face_crop(snapshot.image, face.detection))
        self._crops = kept  # replaced, never changed: the stream may end in another thread meanwhile
        return {number: crop for number, (_, crop) in kept.items()}

    @property
    def is_frozen(self) -> bool:
        """Whether video and cards stand still."""
        return self._frozen is not None

    def freeze(self) -> bytes | None:
        """Let video and cards stand still at the newest analysed frame, until ``go_on`` or the end of the connection.

        Returns:
            The frame as JPEG, with its boxes, as the visitor sees it; None before the first, and nothing is frozen.
        """
        snapshot = self.analysis.snapshot()
        if snapshot.image is None or snapshot.faces is None:
            return None
        frozen = _Frozen(snapshot)
        drawn = self._view_of(frozen).drawn
        self._frozen = frozen
        picture: NDArray[np.uint8] = np.ascontiguousarray(drawn[:, ::-1]) if self.mirrored else drawn
        return to_jpeg(picture, _FROZEN_QUALITY)

    def _view_of(self, frozen: _Frozen) -> _View:
        """The frozen moment as it is shown now: mirrored or not, without the traits that are switched off."""
        mirrored, traits = settings = self.mirrored, frozenset(self.analysis.traits)
        if frozen.view is None or frozen.view.settings != settings:
            snapshot = _limited_to(frozen.moment, traits)
            assert snapshot.image is not None and snapshot.faces is not None
            faces = _relabelled(snapshot.faces, _answers(snapshot))
            frozen.view = _View(settings, snapshot, annotate(snapshot.image, faces.result, faces.numbers, mirrored))
        return frozen.view

    def go_on(self) -> None:
        """Show the present again."""
        self._frozen = None


class _View(NamedTuple):
    """A moment of the video as it is shown with some settings; ``drawn`` is its frame with boxes, (H, W, 3) RGB."""

    settings: tuple[bool, frozenset[TraitName]]
    snapshot: LiveSnapshot
    drawn: NDArray[np.uint8]


@dataclass(slots=True, eq=False)
class _Frozen:
    """A moment of the video that stands still, and its newest view."""

    moment: LiveSnapshot
    view: _View | None = None


def _answers(snapshot: LiveSnapshot) -> dict[int, FaceTraits]:
    """What is known of each person, by number."""
    return {person.tracked.track_id: person.tracked.face.traits for person in snapshot.people}


def _limited_to(snapshot: LiveSnapshot, traits: Collection[TraitName]) -> LiveSnapshot:
    def limited(face: FaceResult) -> FaceResult:
        return replace(face, traits=face.traits.only(traits))

    people = [replace(p, tracked=replace(p.tracked, face=limited(p.tracked.face))) for p in snapshot.people]
    faces = snapshot.faces
    if faces is not None:
        result = replace(faces.result, faces=tuple(map(limited, faces.result.faces)))
        faces = replace(faces, result=result)
    return replace(snapshot, people=tuple(people), faces=faces)


def _relabelled(found: NumberedFaces, answers: Mapping[int, FaceTraits]) -> NumberedFaces:
    faces = tuple(
        replace(face, traits=answers.get(number, face.traits))
        for number, face in zip(found.numbers, found.result.faces, strict=True)
    )
    return replace(found, result=replace(found.result, faces=faces))


# OpenCV turns one colour space into the other in 0.3 ms; PyAV takes 1.5 ms and starts threads for every single frame.
def _to_frame(image: NDArray[np.uint8]) -> av.VideoFrame:
    """A frame of an (H, W, 3) RGB picture, as encoders take it where both sides are even."""
    if image.shape[0] % 2 == image.shape[1] % 2 == 0:
        planes = cv2.cvtColor(image, cv2.COLOR_RGB2YUV_I420).astype(np.uint8, copy=False)
        return av.VideoFrame.from_ndarray(planes, format="yuv420p")
    return av.VideoFrame.from_ndarray(image, format="rgb24")


def camera(
    stream: LiveStream, connection: ConnectionSettings, size_wh: tuple[int, int], on_change: Callable[[], None]
) -> None:
    """The video with its buttons to start and stop it.

    Args:
        stream: gets the frames.
        connection: how browser and server find each other.
        size_wh: what the camera is asked for, in px; it takes effect when the camera is started.
        on_change: called, before the page runs again, when the stream begins to connect, plays or stops.
    """
    sys.setswitchinterval(_SWITCH_INTERVAL_S)
    without_relay()
    keep_transport_policy()
    begin_with_sharp_video()
    track: Any = stream.track()  # has what is called of a MediaSink, and is none
    style: dict[str, str | int | float] = {
        "width": "100%",
        "borderRadius": "0.6rem",
        "transform": "scaleX(-1)" if stream.mirrored else "none",
    }
    webrtc_streamer(
        STREAM_KEY,
        mode=WebRtcMode.SENDRECV,
        frontend_rtc_configuration=connection.browser(),
        server_rtc_configuration=connection.server(),
        media_stream_constraints={
            "video": {
                "width": {"ideal": size_wh[0]},
                "height": {"ideal": size_wh[1]},
                "frameRate": {"ideal": _FRAMES_PER_SECOND},
            },
            "audio": False,
        },
        sink_video_track=track,
        source_video_track=track,
        sendback_audio=False,
        # Without controls: pausing a mirror makes no sense, and they would be mirrored too.
        video_html_attrs=VideoHTMLAttributes(autoPlay=True, controls=False, muted=True, playsInline=True, style=style),
        translations=_BUTTONS,
        on_change=on_change,
    )
