"""The callback that every video frame passes through, with real av frames."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterator
from fractions import Fraction

import av
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from facetraits.faces.images import decode_image
from facetraits.traits import TRAITS, TraitName
from facetraits.types import AnalysisResult, FaceDetection, FaceResult
from tests.builders import make_detection, make_result, make_traits, photo_of_one
from ui.live.stream import LiveStream

AMBER = np.array([255, 196, 0])
BOX = (176.0, 60.0, 272.0, 180.0)  # the portrait's face in ``picture()``


class Stand:
    """An analyzer that answers with a fixed face; stopped or broken on demand."""

    def __init__(self, faces: int = 1) -> None:
        self.faces = faces
        self.broken = False
        self.may_go_on = threading.Event()
        self.may_go_on.set()

    def analyze(self, image: NDArray[np.uint8], traits: Collection[TraitName] = TRAITS) -> AnalysisResult:
        self.may_go_on.wait()
        if self.broken:
            raise RuntimeError("a network is broken")
        landmarks = make_detection(BOX[0], BOX[1], BOX[2] - BOX[0]).landmarks
        found = FaceDetection(np.array(BOX, dtype=np.float32), landmarks, 0.9)
        faces = [FaceResult(found, (), make_traits(traits=traits))] * self.faces
        return make_result(*faces, size_wh=(image.shape[1], image.shape[0]))


def picture() -> NDArray[np.uint8]:
    return np.asarray(cv2.resize(photo_of_one(), (480, 480)), dtype=np.uint8)


def video_frame(pts: int = 0) -> av.VideoFrame:
    """As aiortc's decoders give them: planar YUV with a time stamp."""
    frame = av.VideoFrame.from_ndarray(picture(), format="rgb24").reformat(format="yuv420p")
    frame.pts, frame.time_base = pts, Fraction(1, 90000)
    return frame


def rgb(frame: av.VideoFrame) -> NDArray[np.uint8]:
    return frame.to_ndarray(format="rgb24")


def is_amber(image: NDArray[np.uint8]) -> NDArray[np.bool_]:
    return (np.abs(image.astype(int) - AMBER) < 60).all(axis=2)


def play_until(stream: LiveStream, condition: Callable[[av.VideoFrame], bool]) -> av.VideoFrame:
    deadline = time.monotonic() + 30
    while True:
        shown = stream.on_frame(video_frame())
        if condition(shown):
            return shown
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.01)


def has_box(frame: av.VideoFrame) -> bool:
    return bool(is_amber(rgb(frame)).sum() > 200)


@pytest.fixture
def stream() -> Iterator[LiveStream]:
    started = LiveStream(Stand())
    yield started
    started.on_ended()


def test_first_frame_passes_as_it_is_and_later_ones_carry_a_box(stream: LiveStream) -> None:
    first = video_frame()
    assert stream.on_frame(first) is first

    shown = rgb(play_until(stream, has_box))

    left, top, right, bottom = (int(v) for v in BOX)
    rows, columns = np.nonzero(is_amber(shown[top:]))  # above it stands the label, which may be wider
    assert abs(columns.min() - left) < 8 and abs(columns.max() - right) < 8
    assert abs(top + rows.max() - bottom) < 8
    untouched = np.abs(shown.astype(int) - rgb(video_frame()).astype(int))[300:].mean()
    assert untouched < 3


def test_frame_without_a_face_passes_untouched() -> None:
    stream = LiveStream(Stand(faces=0))
    play_until(stream, lambda shown: stream.analysis.snapshot().analyses > 1)

    frame = video_frame()
    assert stream.on_frame(frame) is frame
    stream.on_ended()


def test_failing_analyzer_leaves_the_raw_video_and_is_told() -> None:
    analyzer = Stand()
    analyzer.broken = True
    stream = LiveStream(analyzer)

    play_until(stream, lambda shown: stream.failing)

    frame = video_frame()
    assert stream.on_frame(frame) is frame
    analyzer.broken = False
    play_until(stream, has_box)
    assert not stream.failing
    stream.on_ended()


def test_failing_drawing_returns_the_raw_frame_and_is_logged_once(
    stream: LiveStream, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    play_until(stream, has_box)

    def broken(*arguments: object) -> NDArray[np.uint8]:
        raise ZeroDivisionError

    monkeypatch.setattr("ui.live.stream.annotate", broken)
    frames = [video_frame(n) for n in range(5)]

    assert all(stream.on_frame(frame) is frame for frame in frames)
    assert stream.failing
    assert sum("could not be drawn on" in record.message for record in caplog.records) == 1

    monkeypatch.undo()
    play_until(stream, has_box)
    assert not stream.failing


def test_slow_analyzer_holds_no_frame_up() -> None:
    analyzer = Stand()
    analyzer.may_go_on.clear()
    stream = LiveStream(analyzer)

    frames = [video_frame(n) for n in range(60)]
    shown = [stream.on_frame(frame) for frame in frames]  # would hang if one waited for the analysis

    assert all(out is frame for out, frame in zip(shown, frames, strict=True))
    analyzer.may_go_on.set()
    play_until(stream, has_box)
    stream.on_ended()


@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuvj420p", "nv12", "rgb24", "bgr24", "gray"])
def test_every_pixel_format_of_a_camera_is_understood(stream: LiveStream, pixel_format: str) -> None:
    def shown() -> av.VideoFrame:
        return stream.on_frame(video_frame().reformat(format=pixel_format))

    deadline = time.monotonic() + 30
    while not has_box(shown()):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert not stream.failing


@pytest.mark.parametrize("size_wh", [(480, 480), (479, 480), (480, 361)])
def test_colours_stay_what_they_are(stream: LiveStream, size_wh: tuple[int, int]) -> None:
    small = cv2.resize(photo_of_one(), size_wh)

    def plain() -> av.VideoFrame:
        return av.VideoFrame.from_ndarray(small, format="rgb24").reformat(format="yuv420p")

    deadline = time.monotonic() + 30
    while not has_box(shown := stream.on_frame(plain())):
        assert time.monotonic() < deadline
        time.sleep(0.01)

    assert (shown.width, shown.height) == size_wh
    below = rgb(shown)[200:].astype(int) - rgb(plain())[200:].astype(int)
    assert np.abs(below).mean() < 2.5
    assert np.abs(below.mean(axis=(0, 1))).max() < 1.5, "a colour has shifted"


def test_frozen_picture_is_what_the_visitor_sees(stream: LiveStream) -> None:
    assert stream.freeze() is None
    stream.mirrored = False
    play_until(stream, has_box)

    frozen = stream.freeze()
    assert frozen is not None
    straight = decode_image(frozen)
    stream.mirrored = True
    stream.go_on()
    mirrored_bytes = stream.freeze()
    assert mirrored_bytes is not None
    mirrored = decode_image(mirrored_bytes)

    assert straight.shape == mirrored.shape == (480, 480, 3)
    assert has_box(av.VideoFrame.from_ndarray(straight, format="rgb24"))
    below = slice(200, 480)  # the label, above the box, is drawn the other way round and may lie elsewhere
    difference = np.abs(straight[below].astype(int) - mirrored[below, ::-1].astype(int)).mean()
    assert difference < 4


def test_frozen_video_and_cards_stand_still_until_they_go_on(stream: LiveStream) -> None:
    play_until(stream, has_box)
    stream.freeze()
    then = stream.shown()
    dark = av.VideoFrame.from_ndarray(np.zeros((480, 480, 3), dtype=np.uint8), format="rgb24")
    assert rgb(stream.on_frame(dark)).mean() > 30, "the frozen frame, not the camera's"
    assert stream.shown() is then
    stream.go_on()
    assert rgb(stream.on_frame(dark))[300:].mean() < 20
    assert stream.shown() is not then


def test_a_frozen_moment_follows_the_mirror_and_the_traits(stream: LiveStream) -> None:
    stream.mirrored = True
    play_until(stream, has_box)
    stream.freeze()
    assert stream.shown().people[0].tracked.face.traits.age is not None

    stream.analysis.traits = ("gender",)
    (person,) = stream.shown().people
    assert person.tracked.face.traits.age is None
    assert person.tracked.face.traits.gender is not None

    stream.analysis.traits = ()
    mirrored = rgb(stream.on_frame(video_frame()))
    stream.mirrored = False
    straight = rgb(stream.on_frame(video_frame()))
    assert np.abs(mirrored.astype(int) - straight.astype(int)).max() > 60, "the number is written the other way round"
    stream.analysis.traits = tuple(TRAITS)
    assert stream.shown().people[0].tracked.face.traits.age is not None


def test_a_stream_that_ends_is_not_frozen_any_more(stream: LiveStream) -> None:
    play_until(stream, has_box)
    stream.freeze()
    stream.on_ended()
    assert not stream.is_frozen


def test_labels_say_what_the_cards_say_until_these_are_drawn_again(
    stream: LiveStream, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = []

    def spy(image: NDArray[np.uint8], result: AnalysisResult, *_: object) -> NDArray[np.uint8]:
        drawn.append(result.faces[0].traits)
        return image

    play_until(stream, has_box)
    on_card = stream.shown().people[0].tracked.face.traits
    monkeypatch.setattr("ui.live.stream.annotate", spy)
    before = stream.analysis.snapshot().analyses
    while len(drawn) < 3 or stream.analysis.snapshot().analyses < before + 2:
        stream.on_frame(video_frame())
        time.sleep(0.01)
    assert all(traits is on_card for traits in drawn)
    monkeypatch.setattr("ui.live.stream._CARDS_KEPT_S", -1.0)
    deadline = time.monotonic() + 30
    while drawn[-1] is on_card:  # until the next analysis
        assert time.monotonic() < deadline
        stream.on_frame(video_frame())
        time.sleep(0.01)


def test_crop_of_a_person_stands_still_and_goes_with_the_person(stream: LiveStream) -> None:
    play_until(stream, has_box)

    first = stream.crops(stream.analysis.snapshot())
    play_until(stream, lambda shown: stream.analysis.snapshot().analyses > 5)
    later = stream.crops(stream.analysis.snapshot())

    assert list(first) == [1]
    assert decode_image(first[1]).shape[0] > 50
    assert later == first
    stream.on_ended()
    assert stream.crops(stream.analysis.snapshot()) == {}


def test_who_listens_hears_of_a_stream() -> None:
    heard: list[object] = []
    stream = LiveStream(
        Stand(),
        keep_s=6.0,
        on_started=lambda: heard.append("started"),
        on_tracked=lambda tracked, time_s: heard.append([face.track_id for face in tracked]),
    )

    play_until(stream, lambda shown: [1] in heard)
    stream.on_ended()

    assert heard[0] == "started"
