"""The picture that a player shows of a frame: its shape, its colours, its light, its one moment."""

from __future__ import annotations

from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from facetraits.video.pictures import shown_rgb
from facetraits.video.sources import VideoError, read_file
from tests.builders import ROOT, FakeAnalyzer, photo_of_one
from tests.videos import jpeg

CASES = ROOT / "tests" / "cases"
PORTRAIT = photo_of_one()


def pictures_of(path: Path) -> list[NDArray[np.uint8]]:
    with read_file(path, every_s=0) as video:
        return [frame.image for frame in video]


def difference(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    return float(np.abs(one.astype(float) - other).mean())


def written(path: Path, planes: NDArray[np.uint8] | NDArray[np.uint16], form: str, codec: str, **of_frame: int) -> Path:
    """One frame, with what it says of its colours."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25, options=of_frame.pop("options", {}))  # type: ignore[call-overload]
        frame = av.VideoFrame.from_ndarray(planes, format=form)
        stream.width, stream.height, stream.pix_fmt = frame.width, frame.height, form
        for name, value in of_frame.items():
            setattr(frame, name, value)
            setattr(stream.codec_context, name, value)
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def test_pixels_that_are_not_square():
    picture = pictures_of(CASES / "sar1080N.mp4")[0]
    assert picture.shape == (1080, 1920, 3)
    (face,) = FakeAnalyzer().analyze(picture).faces
    left, top, right, bottom = face.detection.box_xyxy
    assert 0.6 < (right - left) / (bottom - top) < 1.0, "a face is higher than wide"


def test_aspects_that_no_camera_has_do_not_count():
    frame = av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), format="rgb24")
    assert shown_rgb(frame, 0).shape == shown_rgb(frame, 100).shape == (48, 64, 3)
    assert shown_rgb(frame, 0.5).shape == (96, 64, 3)


def test_the_main_track_is_shown():
    picture = pictures_of(CASES / "preview_first.mp4")[0]
    assert picture.shape == (512, 512, 3)
    assert difference(picture, PORTRAIT) < 8


@pytest.mark.parametrize("form", ["yuv420p", "yuv444p"])
@pytest.mark.parametrize("colorspace", [1, 5], ids=["BT.709", "BT.601"])
def test_colours_are_those_of_the_files_colour_space(tmp_path: Path, colorspace: int, form: str):
    colours = np.array([[255, 0, 0], [0, 200, 0], [0, 0, 255], [230, 160, 120]], np.uint8).repeat(16, 0)
    image = np.ascontiguousarray(np.broadcast_to(colours, (64, 64, 3)))
    frame = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format=form, dst_colorspace=colorspace)
    path = written(tmp_path / "a.mkv", frame.to_ndarray(), form, "ffv1", colorspace=colorspace)
    assert difference(pictures_of(path)[0][:, 4::16], image[:, 4::16]) < 5


def test_hdr_looks_like_the_same_picture():
    picture = pictures_of(CASES / "hlg.mp4")[0]
    # Its white is that of 100 cd/m^2, where 203 are usual: the same picture, darker.
    light = (PORTRAIT / 255.0) ** 2.2 * 100 / 203
    assert difference(picture, (light ** (1 / 2.2) * 255).astype(np.uint8)) < 10


def test_pq_of_known_light(tmp_path: Path):
    """ITU-R BT.2408: a signal of 0.58 is diffuse white, 0.75 is 1,000 cd/m^2."""
    levels = np.array([0.0, 0.44, 0.58, 0.75])
    luma = np.broadcast_to((64 + levels.repeat(16) * 876).astype(np.uint16), (64, 64))
    grey = np.full((32, 64), 512, np.uint16)
    path = written(tmp_path / "a.mkv", np.vstack([luma, grey]), "yuv420p10le", "ffv1", color_trc=16, colorspace=9)
    black, grey_card, white, brightest = pictures_of(path)[0][32, 8::16].mean(axis=1)
    assert black < 3
    assert 110 < grey_card < 140, "a quarter of white"
    assert 215 < white < 245 and brightest == 255, "and there is room for what is brighter"


def test_interlaced_frames_show_one_moment(tmp_path: Path):
    first = cv2.resize(PORTRAIT, (320, 256))
    woven = first.copy()
    woven[1::2] = np.roll(first, 12, axis=1)[1::2]
    frame = av.VideoFrame.from_ndarray(woven, format="rgb24").reformat(format="yuv420p")
    path = written(tmp_path / "a.mkv", frame.to_ndarray(), "yuv420p", "libx264", options={"x264-params": "tff=1:qp=10"})
    picture = pictures_of(path)[0]
    assert picture.shape == first.shape
    assert difference(picture, first) < 0.5 * difference(woven, first)


@pytest.mark.parametrize("wrapping", ["one behind the other", "parts with a boundary"])
def test_mjpeg_in_all_wrappings(tmp_path: Path, wrapping: str):
    pictures = [jpeg(cv2.resize(PORTRAIT, (320, 240)))] * 4
    path = tmp_path / "a.mjpeg"
    if wrapping == "one behind the other":
        path.write_bytes(b"".join(pictures))
    else:
        head = b"--part\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n"
        path.write_bytes(b"".join(head % len(picture) + picture + b"\r\n" for picture in pictures))
    assert len(pictures_of(path)) == 4


def test_a_saved_stream_of_pictures_is_a_video():
    assert len(pictures_of(CASES / "multi.mjpeg")) == 5


def test_the_cover_of_a_record_is_no_video(tmp_path: Path):
    path = tmp_path / "song.mp4"
    with av.open(str(path), "w") as container:
        sound = container.add_stream("aac", rate=16000)
        cover = container.add_stream("mjpeg", rate=1)
        cover.width, cover.height, cover.pix_fmt = 64, 64, "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic
        container.mux(cover.encode(av.VideoFrame.from_ndarray(PORTRAIT[:64, :64].copy(), format="rgb24")))
        container.mux(cover.encode(None))
        samples = av.AudioFrame.from_ndarray(np.zeros((1, 16000), np.float32), format="fltp", layout="mono")
        samples.sample_rate = 16000
        container.mux(sound.encode(samples))
        container.mux(sound.encode(None))
    with pytest.raises(VideoError, match="only sound"):
        pictures_of(path)
