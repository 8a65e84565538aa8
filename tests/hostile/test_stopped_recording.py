"""What is stopped stays stopped, also where a frame or its worker is still on the way: the order is forced."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import pytest

from facetraits.visitors.outbox import VisitWriter
from facetraits.visitors.recording import Recording
from facetraits.visitors.visit import Settings
from tests.ui.test_stream import Stand, video_frame
from tests.visitors.memory_store import MemoryStore
from ui.live import stream as module
from ui.visitors.webcam import BrowserCamera

PATIENCE_S = 20.0


class Gate:
    """Holds up whoever comes to it until it is opened."""

    def __init__(self) -> None:
        self.reached, self._open = threading.Event(), threading.Event()

    def __call__(self) -> None:
        self.reached.set()
        assert self._open.wait(PATIENCE_S)

    def passed_after(self, meanwhile: Callable[[], object], begun: Callable[[], bool] | None = None) -> None:
        """Do something while somebody stands here, then let them go on.

        Args:
            meanwhile: what to do.
            begun: whether it has come to where it waits for whoever stands here; None where it has not to wait.
        """
        assert self.reached.wait(PATIENCE_S)
        helper = threading.Thread(target=meanwhile)
        helper.start()
        if begun is None:
            helper.join(PATIENCE_S)
        else:
            wait_for(begun)
        self._open.set()
        helper.join(PATIENCE_S)
        assert not helper.is_alive()


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.005)


def join(name: str) -> None:
    for thread in threading.enumerate():
        if thread.name == name:
            thread.join(PATIENCE_S)
            assert not thread.is_alive()


@pytest.fixture
def recording() -> Iterator[Recording]:
    made = Recording(MemoryStore(Settings(enter_s=0.0)), Stand())  # type: ignore[arg-type]
    yield made
    made.stop_all()


@pytest.fixture
def camera(recording: Recording) -> BrowserCamera:
    return BrowserCamera(recording, Stand(), "counter", Settings())


def send(camera: BrowserCamera) -> None:
    """One frame, in a thread as those of the event loop."""
    draw = camera.stream.track()._draw
    threading.Thread(target=draw, args=(video_frame(),), name="frame", daemon=True).start()


ENDS: dict[str, Callable[[BrowserCamera, Recording], object]] = {
    "the connection": lambda camera, _: camera.stream.track().stop(),
    "the webcam put away": lambda camera, _: camera.remove(),
    "the recording": lambda camera, recording: (recording.stop_all(), camera.stream.track().stop()),
    "the source": lambda camera, recording: (recording.stop("counter"), camera.stream.track().stop()),
}


@pytest.mark.parametrize("end", ENDS)
def test_a_frame_that_is_still_being_converted(
    recording: Recording, camera: BrowserCamera, end: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate, really = Gate(), module.shown_rgb
    monkeypatch.setattr(module, "shown_rgb", lambda frame: (gate(), really(frame))[1])
    send(camera)

    gate.passed_after(lambda: ENDS[end](camera, recording))

    join("frame")
    assert camera.stream.analysis.running == (end == "the webcam put away"), "whose video goes on until it is closed"
    camera.stream.analysis.end()
    join("live-analysis")
    assert recording.statuses() == ()


@pytest.mark.parametrize("end", ENDS)
def test_a_worker_that_is_about_to_say_that_it_has_begun(
    recording: Recording, camera: BrowserCamera, end: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate, really = Gate(), camera._visits.on_started
    monkeypatch.setattr(camera._visits, "on_started", lambda *still_connected: (gate(), really(*still_connected)))
    send(camera)

    gate.passed_after(lambda: ENDS[end](camera, recording))

    join("live-analysis")
    assert recording.statuses() == ()


@pytest.mark.parametrize("end", ENDS)
def test_a_source_that_is_being_registered(
    recording: Recording, camera: BrowserCamera, end: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate()
    monkeypatch.setattr(VisitWriter, "ensure_settings", lambda self: gate())
    send(camera)

    gate.passed_after(
        lambda: ENDS[end](camera, recording), lambda: camera._visits.over or not camera.stream.analysis.running
    )

    join("live-analysis")
    assert recording.statuses() == ()


def test_a_connection_that_begins_anew_is_recorded_again(recording: Recording, camera: BrowserCamera) -> None:
    for _ in range(2):
        track = camera.stream.track()
        track._draw(video_frame())
        wait_for(lambda: [s.name for s in recording.statuses()] == ["counter"])
        camera.stream._track = None
        track.stop()
        assert recording.statuses() == ()
