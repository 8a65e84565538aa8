"""Pictures out of video files and camera streams. PyAV is imported where something is opened, not before."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, BinaryIO, Final, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from facetraits.errors import UserError
from facetraits.faces.containers import jpeg_end
from facetraits.video.pictures import shown_rgb

if TYPE_CHECKING:
    import av
    from av.container import InputContainer


VIDEO_SUFFIXES: Final[tuple[str, ...]] = (
    *(".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ts", ".mts", ".m2ts"),
    *(".wmv", ".asf", ".flv", ".3gp", ".ogv", ".mjpg", ".mjpeg"),
)
EVERY_S: Final = 0.1  # as often as live video is analysed at most

# What a file may be. Playlists are left out: they would open what they name, here or on other machines.
_CONTAINERS: Final = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpeg,mpegts,mpegvideo,asf,flv,ogg,h264,hevc,m4v,mxf,dv,ivf,"
    "mjpeg,mpjpeg,jpeg_pipe,gif"
)
_FILE_BUFFER: Final = 1 << 20
_THREADS_OF_LIMITED: Final = 2  # each keeps a picture in memory
_JPEG: Final = b"\xff\xd8\xff"
_LARGEST_PICTURE: Final = 32 << 20
_SAME_TIME_S: Final = 1e-3  # time stamps are rounded
_USUAL_STEP_S: Final = 1 / 25
_LONGEST_GAP_S: Final = 3600.0  # a longer one is a damaged time stamp and no pause
_FIRST_CAMERA: Final = 1990  # clocks that were never set say 1904 or 1970


class VideoError(UserError):
    """A video cannot be read; the message is one sentence for the person who chose it, without any password."""


class Frame(NamedTuple):
    """One picture of a video.

    Attributes:
        image: (H, W, 3) RGB, upright.
        time_s: of a file: since its first picture; of a stream: when it came, on ``time.monotonic``; never decreasing.
    """

    image: NDArray[np.uint8]
    time_s: float


# ------------------------------------------------------------------------------------------------------------- files


class VideoFile:
    """An open video file: iterate once over its frames, then ``close`` it, or use it in a ``with`` statement.

    Attributes:
        duration_s: as the file says; None where it does not.
        recorded_at: as the file says; aware; None where it does not.
        size_wh: of the frames as they are stored, in px; turned ones may have it the other way round.
    """

    def __init__(
        self, container: InputContainer, own_file: BinaryIO | None, every_s: float, max_pixels: int | None = None
    ) -> None:
        self._container = container
        self._own_file = own_file
        self._every_s = every_s
        self._stream = main_track(container)
        self._stream.thread_type = "AUTO"
        self._unreadable = "The video is broken: none of its pictures can be read."
        if max_pixels is not None:
            self._limit(max_pixels)
        self._pixel_aspect = float(self._stream.sample_aspect_ratio or 1)
        self.duration_s = stated_duration_s(container)
        self.recorded_at = _recorded_at({**container.metadata, **self._stream.metadata})
        self.size_wh = self._stream.codec_context.width, self._stream.codec_context.height

    def __iter__(self) -> Iterator[Frame]:
        """At most one frame per ``every_s``; what cannot be decoded is left out.

        A single picture is given twice, as a player goes on showing it: who is seen but once is taken for no person.

        Raises:
            VideoError: not a single picture can be decoded.
        """
        clock = _FileClock(self._stream.average_rate)
        next_s = 0.0
        given = 0
        for frame in self._decoded():
            time_s = clock.read(frame.time)
            if time_s >= next_s - _SAME_TIME_S:
                next_s = time_s + self._every_s
                given += 1
                shown = Frame(shown_rgb(frame, self._pixel_aspect), time_s)
                yield shown
        if given == 0:
            raise VideoError(self._unreadable)
        if given == 1:
            yield shown._replace(time_s=shown.time_s + _USUAL_STEP_S)

    def measured_s(self, most: int) -> float | None:
        """How long the video is by the time stamps of its pictures, in seconds; None for more than ``most`` pictures.

        Reads the file and decodes nothing: what a file says of its own length may be missing or wrong. To get frames,
        open the file once more.
        """
        stamps: list[float] = []
        for count, packet in enumerate(self._packets()):
            if count > most:
                return None
            if packet.pts is not None and packet.time_base is not None:
                stamps.append(float(packet.pts * packet.time_base))
        clock = _FileClock(self._stream.average_rate)
        return max(map(clock.read, sorted(stamps)), default=0.0)

    def close(self) -> None:
        """Let go of the file."""
        self._container.close()
        if self._own_file is not None:
            self._own_file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _limit(self, max_pixels: int) -> None:
        """Have the decoder refuse larger frames, also those that come later in the file."""
        limit = f"at most {max_pixels / 1e6:g} megapixels are accepted"
        self._unreadable = f"None of the video's pictures can be read: they are broken or too large; {limit}."
        context = self._stream.codec_context
        if context.width * context.height > max_pixels:
            raise VideoError(f"The pictures of this video are too large: {limit}.")
        context.options = {**context.options, "max_pixels": str(max_pixels)}
        context.thread_count = _THREADS_OF_LIMITED

    def _packets(self) -> Iterator[av.Packet[av.VideoStream]]:
        import av

        packets = self._container.demux(self._stream)
        while True:
            try:
                packet = next(packets, None)
            except (av.FFmpegError, OSError):  # the file ends too early: what came so far is worth something
                return
            if packet is None:
                return
            yield packet

    def _decoded(self) -> Iterator[av.VideoFrame]:
        import av

        for packet in self._packets():
            try:
                yield from packet.decode()
            except av.FFmpegError:
                continue


def read_file(source: Path | BinaryIO, every_s: float = EVERY_S, max_pixels: int | None = None) -> VideoFile:
    """Open a video file.

    Args:
        source: where it is, or the file itself, which can seek and stays open when the video is closed.
        every_s: at most one frame is given per so many seconds of the video, >= 0.
        max_pixels: of a frame; larger ones are refused before memory is taken for them. None for any size.

    Raises:
        VideoError: there is no such file, it may not be read, is empty, is not a video, shows no picture, or has larger
            frames than ``max_pixels``.
    """
    import av

    own = _opened(source) if isinstance(source, Path) else None
    file = source if own is None else own
    limit = {} if max_pixels is None else {"max_pixels": str(max_pixels)}  # while FFmpeg looks at the first frames
    assert not isinstance(file, Path)
    try:
        file.seek(0, os.SEEK_END)
        if file.tell() == 0:
            raise VideoError("The file is empty.")
        if _is_picture(file):
            raise VideoError("The file is a picture, not a video: open it on the page Photo.")
        file.seek(0)
        try:
            container = av.open(
                file,
                "r",
                buffer_size=_FILE_BUFFER,
                metadata_errors="replace",
                options={"format_whitelist": _CONTAINERS, **limit},
            )
        except (av.FFmpegError, OSError, ValueError):
            raise VideoError("The file is not a video that can be read; it may be broken or incomplete.") from None
        try:
            return VideoFile(container, own, every_s, max_pixels)
        except BaseException:
            container.close()
            raise
    except BaseException:
        if own is not None:
            own.close()
        raise


def _is_picture(file: BinaryIO) -> bool:
    """Whether a file's beginning is one JPEG; several, one behind the other, are a video."""
    file.seek(0)
    start = file.read(len(_JPEG))
    if start != _JPEG:
        return False
    data = start + file.read(_LARGEST_PICTURE)
    return _JPEG not in data[jpeg_end(data) :]


def _opened(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except FileNotFoundError:
        raise VideoError(f"There is no file {path}.") from None
    except IsADirectoryError:
        raise VideoError(f"{path} is a folder, not a video.") from None
    except OSError as error:
        raise VideoError(f"The file {path} could not be read: {error.strerror}.") from None


def main_track(container: InputContainer) -> av.VideoStream:
    """The pictures that a player shows: neither a preview nor the cover of a record.

    Raises:
        VideoError: there are none, or they cannot be read.
    """
    import av

    stream = container.streams.best("video")
    if not isinstance(stream, av.VideoStream) or stream.disposition & stream.disposition.attached_pic:
        what = "only sound" if container.streams.audio else "no pictures"
        raise VideoError(f"The file holds {what}.")
    if stream.codec_context is None:
        raise VideoError("The video is stored in a way that cannot be read; save it as MP4 (H.264).")
    return stream


def stated_duration_s(container: InputContainer) -> float | None:
    """How long a video says that it is, in seconds; None where it does not, as cameras."""
    duration = container.duration
    return None if duration is None or duration <= 0 else duration / 1e6  # in units of AV_TIME_BASE


def _recorded_at(metadata: Mapping[str, str]) -> datetime | None:
    for name in ("com.apple.quicktime.creationdate", "creation_time"):
        try:
            moment = datetime.fromisoformat(metadata[name])
        except (KeyError, ValueError):
            continue
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
        if moment.year >= _FIRST_CAMERA and moment <= datetime.now(UTC):
            return moment
    return None


class _FileClock:
    """Time stamps as seconds since the first one. Missing and falling ones, and leaps, become a usual step on."""

    def __init__(self, rate: object) -> None:
        fps = float(rate) if rate else 0.0  # type: ignore[arg-type]
        self._step_s = 1 / fps if 1 <= fps <= 240 else _USUAL_STEP_S
        self._start_s: float | None = None
        self._last_s = -self._step_s

    def read(self, stamp_s: float | None) -> float:
        expected_s = self._last_s + self._step_s
        if self._start_s is None:
            self._start_s = stamp_s or 0.0
        time_s = expected_s if stamp_s is None else stamp_s - self._start_s
        if not self._last_s <= time_s <= self._last_s + _LONGEST_GAP_S:
            self._start_s -= expected_s - time_s
            time_s = expected_s
        self._last_s = time_s
        return time_s
