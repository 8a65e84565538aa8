"""Video files and camera streams: upright pictures at their times, or one sentence about what is wrong."""

from __future__ import annotations

import io
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing
from datetime import UTC, datetime
from itertools import cycle
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from facetraits.video.cameras import CameraStream, is_address, read_stream, shown_address
from facetraits.video.sources import VideoError, _FileClock, read_file
from tests.camera import Scene, read_counter
from tests.videos import Camera, comes_and_goes, http_camera, jpeg, lit, rtsp_camera, write_sound, write_video


@pytest.fixture(scope="module")
def scene() -> Scene:
    return comes_and_goes((1, 4), seconds=5)


@pytest.fixture(scope="module")
def video(scene: Scene, tmp_path_factory: pytest.TempPathFactory) -> Path:
    metadata = {"creation_time": "2024-05-01T10:00:00Z"}
    return write_video(tmp_path_factory.mktemp("video") / "a.mp4", scene.pictures(), metadata=metadata)


# ------------------------------------------------------------------------------------------------------------- files


@pytest.mark.parametrize("leap_s", [4000.0, 10 * 365 * 86400.0, 1e18, -5.0])
def test_a_leap_of_the_time_stamps_is_a_step_and_a_pause_is_a_pause(leap_s: float) -> None:
    clock = _FileClock(10)
    assert [clock.read(stamp_s) for stamp_s in (7.0, 7.1)] == pytest.approx([0, 0.1])
    assert [clock.read(7.1 + leap_s + i / 10) for i in range(2)] == pytest.approx([0.2, 0.3], abs=200)
    assert clock.read(7.1 + leap_s + 1800) == pytest.approx(1800.2, abs=200)


def test_every_picture_comes_at_its_time(scene: Scene, video: Path) -> None:
    with read_file(video) as opened:
        frames = list(opened)

    assert (opened.duration_s, opened.size_wh) == (5.0, (320, 240))
    assert opened.recorded_at == datetime(2024, 5, 1, 10, tzinfo=UTC)
    assert [frame.time_s for frame in frames] == pytest.approx(np.arange(25) / 5)
    assert [read_counter(frame.image) for frame in frames] == list(range(25))
    assert np.abs(frames[8].image.astype(int) - scene.frame(8)).mean() < 3


def test_no_more_pictures_than_asked_for(video: Path) -> None:
    with read_file(video, every_s=0.5) as opened:
        assert [frame.time_s for frame in opened] == pytest.approx([0, 0.6, 1.2, 1.8, 2.4, 3.0, 3.6, 4.2, 4.8])


@pytest.mark.parametrize(("suffix", "codec"), [("mkv", "libx264"), ("ts", "mpeg2video"), ("avi", "mpeg4")])
def test_other_containers_and_codecs_are_read(scene: Scene, tmp_path: Path, suffix: str, codec: str) -> None:
    path = write_video(tmp_path / f"a.{suffix}", scene.pictures(), fps=25, codec=codec)

    with read_file(path, every_s=0) as opened:
        frames = list(opened)

    assert [read_counter(frame.image) for frame in frames] == list(range(25))
    assert [frame.time_s for frame in frames] == pytest.approx(np.arange(25) / 25, abs=2e-3)


def test_file_in_memory_is_read_and_stays_open(video: Path) -> None:
    file = io.BytesIO(video.read_bytes())
    with read_file(file) as opened:
        assert len(list(opened)) == 25
    assert not file.closed


@pytest.mark.parametrize("quarter_turns", [1, 2, 3])
def test_video_of_a_turned_phone_is_shown_upright(scene: Scene, tmp_path: Path, quarter_turns: int) -> None:
    upright = scene.frame(10)
    stored = np.ascontiguousarray(np.rot90(upright, quarter_turns))
    path = write_video(tmp_path / "a.mp4", [stored] * 3, quarter_turns=quarter_turns)

    with read_file(path) as opened:
        image = next(iter(opened)).image

    assert image.shape == upright.shape
    assert np.abs(image.astype(int) - upright).mean() < 3


@pytest.mark.parametrize(
    "stated",
    [{}, {"creation_time": "1904-01-01T00:00:00Z"}, {"creation_time": "soon"}, {"creation_time": "2999-01-01"}],
)
def test_unknown_or_impossible_time_of_recording_is_none(scene: Scene, tmp_path: Path, stated: dict[str, str]) -> None:
    with read_file(write_video(tmp_path / "a.mkv", [scene.frame(0)] * 3, metadata=stated)) as opened:
        assert opened.recorded_at is None


def test_apple_says_the_time_with_its_zone(scene: Scene, tmp_path: Path) -> None:
    stated = {"com.apple.quicktime.creationdate": "2024-05-01T12:00:00+0200"}
    with read_file(write_video(tmp_path / "a.mov", [scene.frame(0)] * 3, metadata=stated)) as opened:
        assert opened.recorded_at == datetime(2024, 5, 1, 10, tzinfo=UTC)


def test_what_cannot_be_decoded_is_left_out(video: Path) -> None:
    data = bytearray(video.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 3000] = np.random.default_rng(0).integers(0, 256, 3000, dtype=np.uint8).tobytes()

    with read_file(io.BytesIO(bytes(data))) as opened:
        times = [frame.time_s for frame in opened]

    assert 15 <= len(times) <= 25
    assert times == sorted(times)


def test_file_that_ends_too_early_gives_what_it_has(scene: Scene, tmp_path: Path) -> None:
    whole = write_video(tmp_path / "a.mkv", scene.pictures(), codec="libx264").read_bytes()

    with read_file(io.BytesIO(whole[: len(whole) * 2 // 3])) as opened:
        assert 5 < len(list(opened)) < 25


def _playlist(folder: Path, video: Path) -> bytes:
    return f"#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\n{video}\n#EXT-X-ENDLIST\n".encode()


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda folder, video: b"", "empty"),
        (lambda folder, video: video.read_bytes()[:2000], "broken or incomplete"),
        (lambda folder, video: b"no video at all " * 100, "not a video"),
        (lambda folder, video: jpeg(comes_and_goes(seconds=1).frame(0)), "not a video"),
        (_playlist, "not a video"),
        (lambda folder, video: write_sound(folder / "sound.mp4").read_bytes(), "only sound"),
    ],
    ids=["empty", "cut", "text", "picture", "playlist", "sound"],
)
def test_file_without_a_video_gives_a_sentence(
    make: Callable[[Path, Path], bytes], words: str, video: Path, tmp_path: Path
) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(make(tmp_path, video))

    for source in (path, io.BytesIO(path.read_bytes())):
        with pytest.raises(VideoError, match=words):
            read_file(source)


def test_video_whose_pictures_are_all_broken_gives_a_sentence(video: Path) -> None:
    data = bytearray(video.read_bytes())
    start = data.index(b"mdat") + 4
    data[start : data.index(b"moov") - 4] = bytes(data.index(b"moov") - 4 - start)

    with read_file(io.BytesIO(bytes(data))) as opened, pytest.raises(VideoError, match="none of its pictures"):
        list(opened)


def test_path_that_is_no_file_gives_a_sentence(video: Path, tmp_path: Path) -> None:
    with pytest.raises(VideoError, match="no file"):
        read_file(tmp_path / "gone.mp4")
    with pytest.raises(VideoError, match="is a folder"):
        read_file(tmp_path)
    if os.geteuid() != 0:
        closed = tmp_path / "closed.mp4"
        closed.write_bytes(video.read_bytes())
        closed.chmod(0)
        with pytest.raises(VideoError, match="Permission denied"):
            read_file(closed)


# ----------------------------------------------------------------------------------------------------------- streams

Serve = Callable[[Camera], AbstractContextManager[str]]
both = pytest.mark.parametrize("serve", [http_camera, rtsp_camera], ids=["http", "rtsp"])


@pytest.fixture
def camera(scene: Scene) -> Camera:
    return Camera(lambda: jpeg(scene.frame(10)))


def connect(address: str, timeout_s: float = 2.0) -> CameraStream:
    return read_stream(address, open_timeout_s=timeout_s, read_timeout_s=timeout_s)


def first(address: str) -> NDArray[np.uint8]:
    with closing(connect(address, 10)) as stream:
        return next(iter(stream)).image


def why_not(address: str, timeout_s: float = 2.0) -> str:
    with closing(connect(address, timeout_s)) as stream, pytest.raises(VideoError) as caught:
        next(iter(stream))
    assert caught.value.__cause__ is None, "a cause names the address with its password"
    return str(caught.value)


@both
def test_camera_is_seen(serve: Serve, camera: Camera, scene: Scene) -> None:
    with serve(camera) as address:
        image = first(address)

    assert np.abs(image.astype(int) - scene.frame(10)).mean() < 4


def test_only_the_newest_picture_is_given(scene: Scene) -> None:
    pictures: Iterator[bytes] = iter([jpeg(scene.frame(number)) for number in range(25)] * 3)
    with http_camera(Camera(lambda: next(pictures), fps=25)) as address, closing(connect(address)) as stream:
        frames = iter(stream)
        before = next(frames)
        time.sleep(0.5)
        after = next(frames)

    old, new = read_counter(before.image), read_counter(after.image)
    assert old is not None and new is not None and new - old >= 6
    assert after.time_s - before.time_s > 0.3
    assert after.time_s <= time.monotonic()


def test_an_address_of_still_pictures_is_asked_again_and_again() -> None:
    pictures = cycle([jpeg(lit(False)), jpeg(lit(True))])
    still = Camera(lambda: next(pictures))
    with http_camera(still) as address, closing(connect(address.replace("/video", "/still"))) as stream:
        frames = iter(stream)
        levels = [float(next(frames).image.mean()) for _ in range(4)]
    assert min(levels) < 100 < max(levels)
    assert still.connections >= 4


def test_the_owner_may_say_what_the_camera_does_not(camera: Camera) -> None:
    with http_camera(camera) as address:
        for path in ("/video", "/still"):
            with closing(read_stream(address.replace("/video", path), aspect=16 / 9)) as stream:
                assert next(iter(stream)).image.shape[:2] == (240, 427)


@both
def test_password_is_used_but_never_said(serve: Serve, camera: Camera) -> None:
    camera.password = "shop:s3cret"
    with serve(camera) as address:
        said = why_not(address.replace("://", "://shop:wr0ng@"))
        assert first(address.replace("://", "://shop:s3cret@")).shape == (240, 320, 3)

    assert "another user name or password" in said
    assert address.removesuffix("/video") in said and "wr0ng" not in said


@both
def test_camera_that_refuses_or_is_silent_gives_a_sentence(serve: Serve, camera: Camera) -> None:
    with serve(camera) as address:
        camera.off = True
        assert "has refused" in why_not(address)
        camera.off, camera.silent = False, True
        started = time.monotonic()
        said = why_not(address, timeout_s=1.0)
        assert "did not answer in time" in said or "sends no pictures" in said
        assert time.monotonic() - started < 5


def test_what_is_no_camera_gives_a_sentence(video: Path, camera: Camera) -> None:
    with http_camera(camera) as address:
        assert "no video of that name" in why_not(address + "/other")
    assert "cannot be reached" in why_not(address)
    assert "cannot be reached" in why_not("rtsp://no-such-camera.invalid/stream")
    assert why_not("/dev/video97") == "There is no camera /dev/video97."


@both
def test_end_of_the_connection_is_an_error(serve: Serve, camera: Camera) -> None:
    with serve(camera) as address, closing(connect(address)) as stream:
        frames = iter(stream)
        next(frames)
        camera.off = True
        with pytest.raises(VideoError, match=r"ended|lost|stopped"):
            for _ in frames:
                pass


def test_stream_stops_at_once_while_nothing_comes(camera: Camera) -> None:
    camera.silent = True
    with http_camera(camera) as address:
        stream = connect(address, 10)
        stopped = threading.Event()

        def consume() -> None:
            assert list(stream) == []
            stopped.set()

        thread = threading.Thread(target=consume)
        thread.start()
        time.sleep(0.2)
        started = time.monotonic()
        stream.close()
        assert stopped.wait(5)
        assert time.monotonic() - started < 1
        thread.join()


@pytest.mark.parametrize(
    "address",
    ["", "camera", "ftp://camera/x", "rtsp://", "http://a b/c", "rtsp://h:99999/x", "/etc/passwd", "file:///x"],
)
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(VideoError, match="looks like rtsp://"):
        read_stream(address)


@pytest.mark.parametrize("password", ["p#ss", "p/ss", "p?ss", "1234/5", "p@ss/w", "#", "a:b/c"])
def test_a_password_with_signs_of_an_address_is_refused_with_what_to_write(password: str) -> None:
    with pytest.raises(VideoError, match="write # as %23, / as %2F") as caught:
        read_stream(f"rtsp://admin:{password}@camera/stream")
    assert password not in str(caught.value) or len(password) == 1


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("rtsp://user:pass@10.0.0.2:554/stream1", "rtsp://10.0.0.2:554"),
        ("rtsp://user:p@ss@10.0.0.2/a", "rtsp://10.0.0.2"),
        ("rtsp://user:p/ss@10.0.0.2/a", "its address"),
        ("rtsp://user:p?ss@10.0.0.2:554/a", "its address"),
        ("rtsp://user:p/ss@10.0.0.2/user=me@password=secret", "its address"),
        ("rtsp://admin:p@ss/w@cam/s", "its address"),
        ("rtsp://user:1234/5@cam", "its address"),
        ("rtps://admin:secret@cam/s", "its address"),
        ("rtsp:/admin:secret@cam/s", "its address"),
        ("rtsp;//admin:secret@cam/s", "its address"),
        ("rtsp://admin:se cret@cam", "rtsp://cam"),
        ("rtsp://10.0.0.2:554/user=admin_password=secret_channel=1_stream=0.sdp?real_stream", "rtsp://10.0.0.2:554"),
        ("rtsp://10.0.0.2:554/user=me@shop&password=secret", "its address"),
        ("http://camera/live;pw=secret", "http://camera"),
        ("http://camera/video?user=a&pwd=secret", "http://camera"),
        ("http://camera?pwd=secret", "http://camera"),
        ("http://camera/video#secret", "http://camera"),
        ("rtsp://[fe80::1]:554/secret", "rtsp://[fe80::1]:554"),
        ("/dev/video0", "/dev/video0"),
    ],
)
def test_shown_address_has_no_password(address: str, shown: str) -> None:
    assert shown_address(address) == shown


def test_files_and_addresses_are_told_apart() -> None:
    assert is_address("rtsp://camera/x") and is_address("/dev/video0") and is_address("rtsp:/me:secret@camera/x")
    assert is_address("rtsp;//me:secret@camera/x")
    assert not is_address("C:/videos/door.mp4")
    assert not is_address("video.mp4") and not is_address("/home/me/video.mp4")
