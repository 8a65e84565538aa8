"""The way of a frame from the visitor's camera back to the visitor, without a queue that could grow.

streamlit-webrtc's own way for ``video_frame_callback`` hands each frame to a thread and sends what that thread had
finished one frame earlier: a frame's time is lost, and where two frames arrive together one is sent twice. Between its
tracks lies a relay with queues of any length: where frames come faster than they can be encoded, the picture lags
behind by seconds, then minutes. So we give it a track of our own, and a relay that forgets all but the newest frame.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import av
from aiortc import MediaStreamTrack
from aiortc.contrib.media import MediaRelay
from aiortc.mediastreams import MediaStreamError
from streamlit.runtime import Runtime, exists
from streamlit_webrtc.relay import _SERVER_GLOBAL_RELAY_ATTR_NAME_ as RELAY_ATTRIBUTE


class LiveTrack(MediaStreamTrack):
    """The drawn video of one connection: takes the camera's track (a ``MediaSink`` does) and is the track sent back.

    Args:
        draw: turns a frame into the one to show; runs in a thread of the event loop, one frame at a time.
        on_ended: called once, however the connection ends.
    """

    kind = "video"

    def __init__(self, draw: Callable[[av.VideoFrame], av.VideoFrame], on_ended: Callable[[], None]) -> None:
        super().__init__()
        self._draw = draw
        self._on_ended = on_ended
        self._camera: MediaStreamTrack | None = None

    # The names are those of streamlit_webrtc.sink.MediaSink.
    def addTrack(self, track: MediaStreamTrack) -> None:
        self._camera = track

    def hasTrack(self) -> bool:
        return self._camera is not None

    def start(self) -> None:
        """Nothing to do: whoever sends the video asks for its frames."""

    def stop(self) -> None:
        if self.readyState == "ended":
            return
        super().stop()
        if self._camera is not None:
            self._camera.stop()
        self._on_ended()

    async def recv(self) -> av.VideoFrame:
        if self.readyState == "ended" or self._camera is None:
            raise MediaStreamError
        try:
            frame = await self._camera.recv()
        except MediaStreamError:
            self.stop()
            raise
        drawn = await asyncio.get_running_loop().run_in_executor(None, self._draw, frame)
        drawn.pts, drawn.time_base = frame.pts, frame.time_base
        return drawn


class NewestFrameRelay(MediaRelay):
    """A relay without queues: who comes late gets the newest frame and never sees the ones before it."""

    def subscribe(self, track: MediaStreamTrack, buffered: bool = False) -> MediaStreamTrack:
        return super().subscribe(track, buffered)


def pass_on_newest_frames_only() -> None:
    """Make it so for all streams that begin from now on. May be called any number of times."""
    # There is no setting for it, but streamlit-webrtc takes the relay that it finds on Streamlit's runtime.
    if exists() and not isinstance(getattr(Runtime.instance(), RELAY_ATTRIBUTE, None), NewestFrameRelay):
        setattr(Runtime.instance(), RELAY_ATTRIBUTE, NewestFrameRelay())
