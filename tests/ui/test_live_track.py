"""The way of the frames: the newest few only, and an end that nobody goes on waiting for."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from typing import Any, TypeVar

import av
import numpy as np
import pytest
from aiortc import MediaStreamTrack
from aiortc.mediastreams import MediaStreamError

from ui.live.track import LiveTrack, NoRelay

T = TypeVar("T")


def run(scenario: Coroutine[Any, Any, T]) -> T:
    """In a thread of its own: the browser tests leave an event loop running in this one."""
    with ThreadPoolExecutor(1) as threads:
        return threads.submit(asyncio.run, scenario).result()


def video_frame(pts: int) -> av.VideoFrame:
    frame = av.VideoFrame.from_ndarray(np.zeros((16, 16, 3), dtype=np.uint8), format="rgb24")
    frame.pts, frame.time_base = pts, Fraction(1, 90000)
    return frame


class Camera(MediaStreamTrack):
    """Gives the frames that it is handed, as a connection's track does."""

    kind = "video"

    def __init__(self) -> None:
        super().__init__()
        self.frames: asyncio.Queue[av.VideoFrame | None] = asyncio.Queue()

    async def recv(self) -> av.VideoFrame:
        frame = await self.frames.get()
        if frame is None:
            raise MediaStreamError
        return frame


def connected(track: LiveTrack) -> Camera:
    camera = Camera()
    track.addTrack(camera)
    track.start()
    return camera


def test_every_frame_is_drawn_and_keeps_its_time() -> None:
    def draw(frame: av.VideoFrame) -> av.VideoFrame:
        return av.VideoFrame.from_ndarray(np.full((16, 16, 3), 200, dtype=np.uint8), format="rgb24")

    async def scenario() -> list[tuple[int | None, int]]:
        track = LiveTrack(draw, lambda: None)
        camera = connected(track)
        seen = []
        for pts in (3000, 6000, 9000):
            camera.frames.put_nowait(video_frame(pts))
            shown = await track.recv()
            seen.append((shown.pts, int(shown.to_ndarray(format="rgb24").mean())))
        track.stop()
        return seen

    assert run(scenario()) == [(3000, 200), (6000, 200), (9000, 200)]


def test_who_comes_late_gets_the_newest_few_frames_only() -> None:
    async def scenario() -> list[int | None]:
        track = LiveTrack(lambda frame: frame, lambda: None)
        camera = connected(track)
        for pts in range(100):
            camera.frames.put_nowait(video_frame(pts))
        await asyncio.sleep(0.05)
        seen = [(await track.recv()).pts for _ in range(3)]
        camera.frames.put_nowait(video_frame(100))
        seen.append((await track.recv()).pts)
        track.stop()
        return seen

    assert run(scenario()) == [97, 98, 99, 100]


def test_drawing_does_not_hold_the_event_loop_up() -> None:
    drawn_in = []

    def draw(frame: av.VideoFrame) -> av.VideoFrame:
        drawn_in.append(threading.current_thread())
        return frame

    async def scenario() -> None:
        track = LiveTrack(draw, lambda: None)
        connected(track).frames.put_nowait(video_frame(0))
        await track.recv()
        track.stop()

    run(scenario())
    assert drawn_in[0] is not threading.current_thread()


@pytest.mark.parametrize("ended_by", ["camera", "page", "another thread"])
def test_the_end_is_told_once_and_nobody_waits_any_longer(ended_by: str) -> None:
    told = []

    async def scenario() -> tuple[str, int]:
        track = LiveTrack(lambda frame: frame, lambda: told.append(1))
        camera = connected(track)
        waiting = asyncio.create_task(track.recv())
        await asyncio.sleep(0.02)
        if ended_by == "camera":
            camera.frames.put_nowait(None)
        elif ended_by == "page":
            track.stop()
        else:
            thread = threading.Thread(target=track.stop)
            thread.start()
            await asyncio.to_thread(thread.join)
        with pytest.raises(MediaStreamError):
            await asyncio.wait_for(waiting, 5)
        with pytest.raises(MediaStreamError):
            await track.recv()
        track.stop()
        await asyncio.sleep(0.02)
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        return track.readyState, len(others)

    assert run(scenario()) == ("ended", 0)
    assert told == [1]


def test_track_that_never_had_a_camera_can_be_stopped() -> None:
    told = []
    track = LiveTrack(lambda frame: frame, lambda: told.append(1))
    assert not track.hasTrack()

    track.stop()

    assert told == [1]


def test_without_a_relay_the_consumer_gets_the_track_itself() -> None:
    async def scenario() -> bool:
        camera = Camera()
        return NoRelay().subscribe(camera) is camera

    assert run(scenario())
