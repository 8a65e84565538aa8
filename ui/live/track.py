"""The path of a frame from the visitor's camera back to the visitor, with a bounded queue.

streamlit-webrtc's own way for ``video_frame_callback`` hands each frame to a thread and sends what that thread had
finished one frame earlier: a frame's time is lost, and where two frames arrive together one is sent twice. Between its
tracks lies a relay with queues of any length: where frames come faster than they can be encoded, the picture lags
behind by seconds, then minutes. So we give it a track of our own that keeps the newest few frames only, and no relay.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Final

import av
from aiortc import MediaStreamTrack
from aiortc.mediastreams import MediaStreamError
from streamlit.runtime import Runtime, exists
from streamlit_webrtc.relay import _SERVER_GLOBAL_RELAY_ATTR_NAME_ as RELAY_ATTRIBUTE

# Frames come in twos and threes when a thread is held up for a moment; more waiting would be lag.
_MOST_WAITING: Final = 3


class LiveTrack(MediaStreamTrack):
    """The drawn video of one connection: takes the camera's track (a ``MediaSink`` does) and is the track sent back.

    Where frames are not asked for as fast as the camera brings them, the oldest are dropped.

    Args:
        draw: turns a frame into the one to show; runs in a thread of the event loop, one frame at a time.
        on_ended: called once, however the connection ends, from any thread.
    """

    kind = "video"

    def __init__(self, draw: Callable[[av.VideoFrame], av.VideoFrame], on_ended: Callable[[], None]) -> None:
        super().__init__()
        self._draw = draw
        self._on_ended = on_ended
        self._camera: MediaStreamTrack | None = None
        self._frames: deque[av.VideoFrame] = deque(maxlen=_MOST_WAITING)
        self._arrived = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._reader: asyncio.Task[None] | None = None

    # The names are those of streamlit_webrtc.sink.MediaSink.
    def addTrack(self, track: MediaStreamTrack) -> None:
        self._camera = track

    def hasTrack(self) -> bool:
        return self._camera is not None

    def start(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._reader = self._loop.create_task(self._read())

    async def recv(self) -> av.VideoFrame:
        if not self._frames:
            self._arrived.clear()
        if self.readyState == "live":
            await self._arrived.wait()
        if self.readyState == "ended" or not self._frames:
            raise MediaStreamError
        frame = self._frames.popleft()
        drawn = await asyncio.get_running_loop().run_in_executor(None, self._draw, frame)
        drawn.pts, drawn.time_base = frame.pts, frame.time_base
        return drawn

    def stop(self) -> None:
        if self.readyState == "ended":
            return
        super().stop()
        with suppress(RuntimeError):  # the server is shutting down, its loop is closed
            if self._loop is not None:
                self._loop.call_soon_threadsafe(self._let_go)
            elif self._camera is not None:
                self._camera.stop()
        self._on_ended()

    def _let_go(self) -> None:
        """In the loop's thread: stop the camera, whose listeners need a loop, and wake whoever waits for a frame."""
        if self._camera is not None:
            self._camera.stop()
        if self._reader is not None:
            self._reader.cancel()
        self._frames.clear()
        self._arrived.set()

    async def _read(self) -> None:
        assert self._camera is not None
        try:
            while True:
                frame = await self._camera.recv()
                if isinstance(frame, av.VideoFrame):
                    self._frames.append(frame)
                self._arrived.set()
        except MediaStreamError:
            self.stop()


class NoRelay:
    """Stands in for aiortc's ``MediaRelay`` where every track has only one consumer."""

    def subscribe(self, track: MediaStreamTrack, buffered: bool = True) -> MediaStreamTrack:
        return track


def without_relay() -> None:
    """Use ``NoRelay`` for all streams that start from now on. May be called repeatedly."""
    # There is no setting for it, but streamlit-webrtc takes the relay that it finds on Streamlit's runtime.
    if exists() and not isinstance(getattr(Runtime.instance(), RELAY_ATTRIBUTE, None), NoRelay):
        setattr(Runtime.instance(), RELAY_ATTRIBUTE, NoRelay())
