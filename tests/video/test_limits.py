"""What a video of a stranger may take of memory and time: the limits of ``read_file`` and of the page Photo."""

from __future__ import annotations

import io
import re
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from facetraits.video.sources import read_file
from tests.builders import ROOT, FakeAnalyzer, photo_of_one
from tests.videos import jpeg, write_video
from ui.photo import video as videos
from ui.photo.session import Picture
from ui.photo.video import VideoSession

LIMIT = 10_000_000
SMALL = jpeg(np.zeros((240, 320, 3), np.uint8))
LARGE = jpeg(np.zeros((3000, 4000, 3), np.uint8))

READ = """
import io, re, sys
from facetraits.video.sources import VideoError, read_file

try:
    with read_file(io.BytesIO(open(sys.argv[1], "rb").read()), max_pixels=10_000_000) as opened:
        list(opened)
except VideoError as error:
    print(error)
print(*re.findall(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read()))
"""


def write_large(path: Path, side: int) -> Path:
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("png", rate=10)
        stream.width = stream.height = side
        stream.pix_fmt = "rgb24"
        frame = av.VideoFrame.from_ndarray(np.zeros((side, side, 3), np.uint8))
        container.mux([*stream.encode(frame), *stream.encode()])
    return path


def test_a_small_file_of_huge_pictures_takes_no_memory(tmp_path: Path) -> None:
    bomb = write_large(tmp_path / "bomb.avi", 8000)
    assert bomb.stat().st_size < 1 << 20
    done = subprocess.run([sys.executable, "-c", READ, str(bomb)], cwd=ROOT, capture_output=True, text=True, check=True)
    sentence, peak_kb = done.stdout.splitlines()
    assert re.search(r"too large.* at most 10 megapixels are accepted\.$", sentence)
    assert int(peak_kb) < 250_000  # one picture of 8000 x 8000 takes 192 MB, and its decoder as much again


@pytest.mark.parametrize("pictures", [(SMALL, LARGE, SMALL), (LARGE, SMALL, SMALL)])
def test_pictures_that_are_larger_than_the_others_are_left_out(pictures: tuple[bytes, ...]) -> None:
    with read_file(io.BytesIO(b"".join(pictures)), max_pixels=LIMIT) as opened:
        assert [frame.image.shape for frame in opened] == [(240, 320, 3)] * 2


def test_pictures_of_4k_are_watched(tmp_path: Path) -> None:
    path = write_video(tmp_path / "4k.mp4", [np.zeros((2160, 3840, 3), np.uint8)] * 2)
    with read_file(path, max_pixels=LIMIT) as opened:
        assert [frame.image.shape for frame in opened] == [(2160, 3840, 3)] * 2


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".avi"])
def test_the_length_is_measured_whatever_the_file_says(suffix: str, tmp_path: Path) -> None:
    path = write_video(tmp_path / f"a{suffix}", [np.zeros((240, 320, 3), np.uint8)] * 50, fps=10)
    with read_file(path) as opened:
        opened.duration_s = 1e9
        assert opened.measured_s(50) == pytest.approx(4.9, abs=0.01)
    with read_file(path) as opened:
        assert opened.measured_s(49) is None


def test_of_a_file_that_says_no_length_no_more_pictures_are_analysed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(videos, "_MOST_PICTURES", 10)
    path = write_video(tmp_path / "a.ts", [photo_of_one()] * 60, fps=10, codec="mpeg2video")
    analyzer, shares = FakeAnalyzer(), []
    (record,) = VideoSession().records(Picture("a", "a.ts", path.read_bytes), ("age",), lambda: analyzer, shares.append)
    assert len(analyzer.calls) in (10, 11)
    assert record["last_s"] > 5
    assert shares == sorted(shares) and shares[-1] > 0.9


def test_a_video_that_takes_too_long_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(videos, "_MOST_DECODED", 20 * videos._LEAST_FRAME)
    path = write_video(tmp_path / "a.mp4", [photo_of_one()] * 21, fps=10)
    analyzer = FakeAnalyzer()
    (record,) = VideoSession().records(Picture("a", "a.mp4", path.read_bytes), ("age",), lambda: analyzer, print)
    assert record["error"].startswith("The video is too long")
    assert analyzer.calls == []


class Left(BaseException):
    """As Streamlit ends a script whose visitor has left."""


def test_one_video_is_watched_at_a_time_and_who_waits_can_leave(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", [photo_of_one()] * 3, fps=10)
    picture, analyzer = Picture("a", "a.mp4", path.read_bytes), FakeAnalyzer()
    others_turn, told = threading.Event(), []

    def leave(share: float | None) -> None:
        told.append(share)
        raise Left

    def while_watched(share: float | None) -> None:
        if not others_turn.is_set():
            others_turn.set()
            thread = threading.Thread(target=wait)
            thread.start()
            thread.join()

    def wait() -> None:
        with pytest.raises(Left):
            VideoSession().records(picture, ("age",), lambda: analyzer, leave)

    (record,) = VideoSession().records(picture, ("age",), lambda: analyzer, while_watched)
    assert told == [None]
    assert record["error"] is None
    with pytest.raises(Left):
        VideoSession().records(picture, ("age",), lambda: analyzer, leave)
    assert told[1] is not None, "who leaves gives the turn back"
