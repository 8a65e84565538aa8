"""The visitor's camera: frames of a WebRTC stream through a ``LiveAnalysis``."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final

import av
import numpy as np
from numpy.typing import NDArray
from streamlit_webrtc import WebRtcMode, webrtc_streamer

from facetraits.annotate import annotate
from facetraits.live import Analyzer, LiveAnalysis, LiveSnapshot
from ui.connection import ConnectionSettings
from ui.live_track import LiveTrack, pass_on_newest_frames_only
from ui.photos import face_crop, to_jpeg

_LOG: Final = logging.getLogger(__name__)

RESOLUTIONS: Final = {"320 × 240": (320, 240), "640 × 480": (640, 480), "1280 × 720": (1280, 720)}
STREAM_KEY: Final = "webcam"

_BUTTONS: Final = {"start": "Start camera", "stop": "Stop camera", "select_device": "Choose camera"}
_FRAMES_PER_SECOND: Final = 30
_FROZEN_QUALITY: Final = 93


class LiveStream:
    """One visitor's camera; lives in ``st.session_state``.

    ``on_frame`` runs once per frame, in a thread of the event loop: it only draws, and it never raises, because that
    would end the stream without a word.

    Attributes:
        analysis: what looks at the frames.
        mirrored: the page shows the video as in a mirror; letters are drawn for that.
    """

    def __init__(self, analyzer: Analyzer) -> None:
        self.analysis = LiveAnalysis(analyzer)
        self.mirrored = True
        self._drawing_fails = False
        self._crops: dict[int, tuple[bool, bytes]] = {}
        self._track: LiveTrack | None = None

    def track(self) -> LiveTrack:
        """The track for the next connection; one that has had its connection is not given again."""
        if self._track is None or self._track.hasTrack():
            self._track = LiveTrack(self.on_frame, self.on_ended)
        return self._track

    def on_frame(self, frame: av.VideoFrame) -> av.VideoFrame:
        """The frame with numbered boxes around the faces; the frame itself where that fails."""
        try:
            image = frame.to_ndarray(format="rgb24")
            found = self.analysis.see(image)
            if found.numbers:
                drawn = annotate(image, found.result, found.numbers, self.mirrored)
                frame = av.VideoFrame.from_ndarray(drawn, format="rgb24")
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
        self._crops.clear()

    @property
    def failing(self) -> bool:
        """Whether the analysis fails, so that the picture is shown as it comes."""
        return self._drawing_fails or self.analysis.snapshot().failing

    def crops(self, snapshot: LiveSnapshot) -> dict[int, bytes]:
        """A small JPEG of each person by number: the first good view, so that the pictures stand still."""
        if snapshot.image is None or snapshot.faces is None:
            self._crops.clear()
            return {}
        for number, face in zip(snapshot.faces.numbers, snapshot.faces.result.faces, strict=True):
            good, crop = self._crops.get(number, (False, b""))
            if not crop or (not good and not face.quality):
                self._crops[number] = (not face.quality, face_crop(snapshot.image, face.detection))
        people = {person.tracked.track_id for person in snapshot.people}
        self._crops = {number: kept for number, kept in self._crops.items() if number in people}
        return {number: crop for number, (_, crop) in self._crops.items()}

    def frozen(self) -> bytes | None:
        """The newest analysed frame as JPEG, with its boxes, as the visitor sees it; None before the first."""
        snapshot = self.analysis.snapshot()
        if snapshot.image is None or snapshot.faces is None:
            return None
        drawn = annotate(snapshot.image, snapshot.faces.result, snapshot.faces.numbers, self.mirrored)
        picture: NDArray[np.uint8] = np.ascontiguousarray(drawn[:, ::-1]) if self.mirrored else drawn
        return to_jpeg(picture, _FROZEN_QUALITY)


def camera(
    stream: LiveStream, connection: ConnectionSettings, size_wh: tuple[int, int], on_change: Callable[[], None]
) -> None:
    """The video with its buttons to start and stop it; ``camera_state`` tells what it is doing.

    Args:
        stream: gets the frames.
        connection: how browser and server find each other.
        size_wh: what the camera is asked for, in px; it takes effect when the camera is started.
        on_change: called, before the page runs again, when the stream begins to connect, plays or stops.
    """
    pass_on_newest_frames_only()
    track = stream.track()
    style = {"width": "100%", "borderRadius": "0.6rem", "transform": "scaleX(-1)" if stream.mirrored else "none"}
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
        video_html_attrs={"autoPlay": True, "controls": False, "muted": True, "playsInline": True, "style": style},
        translations=_BUTTONS,
        on_change=on_change,
    )
