"""Pictures of network cameras and of cameras of this machine, the newest whenever one is asked for."""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, nullcontext
from errno import ECONNREFUSED, EHOSTUNREACH, EIO, ENETUNREACH, ETIMEDOUT
from functools import partial
from socket import gaierror
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import cv2
import numpy as np
from numpy.typing import NDArray

from facetraits.faces.images import ImageDecodeError, decode_image
from facetraits.video.http_camera import ElsewhereError, HttpCamera, RefusedError, TooMuchError
from facetraits.video.pictures import shown_rgb
from facetraits.video.sources import Frame, VideoError, main_track, stated_duration_s

if TYPE_CHECKING:
    from av.container import InputContainer

_LOG: Final = logging.getLogger(__name__)
_PROTOCOLS: Final = "rtsp,rtp,udp,tcp,tls,http,https,httpproxy,crypto"
_OPEN_TIMEOUT_S: Final = 10.0
_READ_TIMEOUT_S: Final = 10.0
_POLL_EVERY_S: Final = 0.5  # of a camera that gives still pictures; some make no more than one in a second
MAX_CAMERA_PIXELS: Final = 16_000_000
_SAME_ASPECT: Final = 0.02
_SCHEMES: Final = ("rtsp", "rtsps", "http", "https")
_HLS: Final = b"#EXTM3U"
_DEVICE: Final = re.compile(r"/dev/video\d+")
_END_OF_PLACE: Final = re.compile(r"[/?#]")
_HOST: Final = re.compile(r"([\w.-]+|\[[\da-fA-F:.]+\])(:\d+)?")
_SCHEME: Final = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]+[:;]")  # of one letter it is a drive of Windows


class CameraStream:
    """The newest pictures of a camera: iterate over them; ``close`` ends that from any thread, at once.

    Pictures that come while the last one is looked at are skipped, so that none is ever old.
    """

    def __init__(
        self,
        address: str,
        aspect: float | None,
        open_timeout_s: float,
        read_timeout_s: float,
        on_skipped: Callable[[int], object],
        before_picture: Callable[[], object],
    ) -> None:
        self._address = address
        self._aspect = aspect
        self._timeouts_s = open_timeout_s, read_timeout_s
        self._on_skipped = on_skipped
        self._before_picture = before_picture
        self._changed = threading.Condition()
        self._newest: tuple[Callable[[], NDArray[np.uint8]], float] | None = None
        self._error: VideoError | None = None
        self._closed = False
        self._reader: threading.Thread | None = None

    def __iter__(self) -> Iterator[Frame]:
        """Connect and give the newest picture whenever the caller asks for one; ends only with ``close``.

        Raises:
            VideoError: the camera cannot be reached, refuses, or sends no pictures (any more).
        """
        if self._reader is None:
            self._reader = threading.Thread(target=self._read, name="camera-reader", daemon=True)
            self._reader.start()
        waiting_s = self._timeouts_s[0] + self._timeouts_s[1]
        while True:
            with self._changed:
                come = self._changed.wait_for(
                    lambda: self._closed or self._newest is not None or self._error is not None, timeout=waiting_s
                )
                if self._closed:
                    return
                if self._newest is None:
                    if come and self._error is not None:
                        raise self._error
                    raise VideoError("The camera sends no pictures.")
            self._before_picture()
            newest = self._take()
            if newest is None:
                return
            converted, time_s = newest
            waiting_s = self._timeouts_s[1]
            yield Frame(converted(), time_s)
            del converted, newest

    def _take(self) -> tuple[Callable[[], NDArray[np.uint8]], float] | None:
        """The newest picture; None where the stream was closed."""
        with self._changed:
            newest, self._newest = self._newest, None
            return newest

    def close(self) -> None:
        """Stop. The connection is closed as soon as the camera answers or the time for that is over."""
        with self._changed:
            self._closed = True
            self._newest = None
            self._changed.notify_all()

    def _read(self) -> None:
        try:
            self._follow()
            error = VideoError("The camera has ended the connection.")
        except VideoError as known:
            error = known
        except Exception:
            _LOG.exception("a camera's pictures could not be read")
            error = VideoError("The camera's pictures could not be read.")
        with self._changed:
            self._error = error
            self._changed.notify_all()

    def _follow(self) -> None:
        import av

        http = None
        try:
            http = _connect_http(self._address, self._timeouts_s)
            if http is not None and http.media_type.startswith("image/"):
                self._poll(http)
                return
            container = _open(self._address, self._timeouts_s, http)
        except (av.FFmpegError, OSError, ValueError) as error:
            if http is not None:
                http.close()
            # Without the cause, which may name the password.
            raise VideoError(_why_not(_failure(http) or error, self._address)) from None
        with container, closing(http) if http is not None else nullcontext():
            _check_live(container)
            stream = main_track(container)
            stated = float(stream.sample_aspect_ratio or 1)
            packets = container.demux(stream)
            while not self._closed:
                try:
                    packet = next(packets, None)
                except (av.FFmpegError, OSError) as error:
                    raise VideoError(_why_lost(_failure(http) or error)) from None
                if packet is None:
                    if (failure := _failure(http)) is not None:
                        raise VideoError(_why_lost(failure))
                    return
                if http is not None:
                    http.picture_came()
                try:
                    frames = packet.decode()
                except av.FFmpegError:
                    continue
                if frames:
                    frame = frames[-1]
                    if len(frames) > 1:
                        self._on_skipped(len(frames) - 1)
                    pixel_aspect = stated if self._aspect is None else self._aspect * frame.height / frame.width
                    self._put(partial(shown_rgb, frame, pixel_aspect))

    def _poll(self, http: HttpCamera) -> None:
        """Ask for one still picture after the other."""
        while True:
            due_s = time.monotonic() + _POLL_EVERY_S
            with closing(http):
                data = http.read_all()
            if http.failure is not None:
                raise http.failure
            try:
                image = decode_image(data, MAX_CAMERA_PIXELS)
            except ImageDecodeError as error:
                raise VideoError(f"The camera's picture cannot be used. {error}") from None
            self._put(partial(_as_shown, image, self._aspect))
            with self._changed:
                if self._changed.wait_for(lambda: self._closed, max(0.0, due_s - time.monotonic())):
                    return
            http = HttpCamera(self._address, min(self._timeouts_s))

    def _put(self, converted: Callable[[], NDArray[np.uint8]]) -> None:
        with self._changed:
            if self._closed:
                return
            skipped, self._newest = self._newest is not None, (converted, time.monotonic())
            self._changed.notify_all()
        if skipped:
            self._on_skipped(1)


def _as_shown(image: NDArray[np.uint8], aspect: float | None) -> NDArray[np.uint8]:
    height, width = image.shape[:2]
    if aspect is None or abs(aspect * height / width - 1) < _SAME_ASPECT:
        return image
    return np.asarray(cv2.resize(image, (max(1, round(height * aspect)), height)), dtype=np.uint8)


def read_stream(
    address: str,
    aspect: float | None = None,
    open_timeout_s: float = _OPEN_TIMEOUT_S,
    read_timeout_s: float = _READ_TIMEOUT_S,
    on_skipped: Callable[[int], object] = lambda pictures: None,
    before_picture: Callable[[], object] = lambda: None,
) -> CameraStream:
    """A camera by its address; nothing is opened before the first picture is asked for.

    Args:
        address: ``rtsp://...``, ``http://...`` (MJPEG, MPEG-TS, HLS, or a still picture, which is asked for again and
            again), or ``/dev/videoN``; may hold user and password.
        aspect: width over height of the picture as it is meant, for cameras that state it wrongly or not at all.
        open_timeout_s: how long connecting may take.
        read_timeout_s: how long the next picture may take.
        on_skipped: called with the number of pictures that came while another one was looked at; from any thread.
        before_picture: called when there is a picture, and may wait: the newest picture after that is given.

    Raises:
        VideoError: ``address`` is none.
    """
    check_address(address)
    return CameraStream(address, aspect, open_timeout_s, read_timeout_s, on_skipped, before_picture)


def check_address(address: str) -> None:
    """Refuse what is no camera's address.

    Raises:
        VideoError: says what an address looks like.
    """
    if _DEVICE.fullmatch(address):
        return
    try:
        parts = urlsplit(address)
        # An @ behind the host: where the host ends, nobody can tell, and the password might be sent to another.
        unclear = "@" in address.partition("://")[2].partition(parts.netloc)[2]
        valid = parts.scheme.lower() in _SCHEMES and bool(parts.hostname) and (parts.port or 1) > 0 and not unclear
    except ValueError:
        valid = False
    if not valid or not address.isprintable() or " " in address:
        advice = ""
        if "@" in address:
            advice = " In its user name and password write # as %23, / as %2F, ? as %3F, @ as %40, : as %3A, % as %25."
        raise VideoError(
            f"The address of a camera looks like rtsp://192.168.1.20:554/stream or http://camera/video.{advice}"
        )


def is_address(source: str) -> bool:
    """Whether ``source`` is meant as the address of a camera, right or mistyped, and not as a file."""
    return "://" in source or source.startswith("/dev/") or _SCHEME.match(source) is not None


def host_of(address: str) -> str | None:
    """Host and port of a camera's address; None where they are not surely that.

    Everything else may be part of a password, with many recorders the path too. Where an @ follows the first slash,
    the password may have a slash in it, or the path an @: nobody can tell.
    """
    scheme, separator, rest = address.partition("://")
    place, *after = _END_OF_PLACE.split(rest, maxsplit=1)
    if scheme.lower() not in _SCHEMES or not separator or "@" in "".join(after):
        return None
    host = place.rpartition("@")[2]
    return host if _HOST.fullmatch(host) else None


def shown_address(address: str) -> str:
    """What may be shown of an address: scheme, host and port, or "its address" where they are not known for sure."""
    if _DEVICE.fullmatch(address):
        return address
    host = host_of(address)
    return "its address" if host is None else f"{address.partition('://')[0]}://{host}"


def _connect_http(address: str, timeouts_s: tuple[float, float]) -> HttpCamera | None:
    """The answer of a camera that speaks HTTP; None for others, and for HLS, which FFmpeg reads by itself."""
    if not address.lower().startswith(("http://", "https://")):
        return None
    http = HttpCamera(address, min(timeouts_s))
    if not http.starts_with(_HLS):
        return http
    http.close()
    return None


def _open(address: str, timeouts_s: tuple[float, float], http: HttpCamera | None) -> InputContainer:
    import av

    if http is not None:
        form = "mpjpeg" if http.media_type == "multipart/x-mixed-replace" else None
        return av.open(http, "r", format=form, options={"fflags": "nobuffer"}, metadata_errors="replace")
    if _DEVICE.fullmatch(address):
        return av.open(address, "r", format="v4l2", timeout=timeouts_s)
    options = {"protocol_whitelist": _PROTOCOLS, "rtsp_transport": "tcp", "fflags": "nobuffer"}
    return av.open(address, "r", options=options, timeout=timeouts_s, metadata_errors="replace")


def _failure(http: HttpCamera | None) -> OSError | None:
    return None if http is None else http.failure


def _check_live(container: InputContainer) -> None:
    if not container.streams.video:
        raise VideoError("The camera sends no pictures.")
    if stated_duration_s(container) is not None:
        raise VideoError("The address is that of a recorded video, not of a camera: download it and open it as a file.")


def _why_not(error: Exception, address: str) -> str:
    """Why there is no connection, in one sentence."""
    import av

    shown = shown_address(address)
    status = error.status if isinstance(error, RefusedError) else 0
    if status in (401, 403) or isinstance(error, av.HTTPUnauthorizedError | av.HTTPForbiddenError):
        return f"The camera at {shown} asks for another user name or password."
    if status == 404 or isinstance(error, av.HTTPNotFoundError):
        return f"There is a server at {shown}, but no video of that name."
    if status or isinstance(error, av.HTTPClientError | av.HTTPServerError):
        return f"The camera at {shown} has refused."
    if isinstance(error, ElsewhereError):
        return f"The camera at {shown} wants to be read at another address; give that one."
    if isinstance(error, av.ExitError | TimeoutError) or _errno(error) == ETIMEDOUT:
        return f"The camera at {shown} did not answer in time."
    if isinstance(error, FileNotFoundError):
        return f"There is no camera {shown}."
    if isinstance(error, PermissionError):
        return f"This program may not use the camera {shown}."
    if isinstance(error, ConnectionError | gaierror) or _errno(error) in (
        ECONNREFUSED,
        EHOSTUNREACH,
        ENETUNREACH,
        EIO,
    ):
        return f"The camera at {shown} cannot be reached."
    return f"What the camera at {shown} sends is not a video that can be read."


def _why_lost(error: Exception) -> str:
    import av

    if isinstance(error, av.ExitError | TimeoutError):
        return "The camera has stopped sending pictures."
    if isinstance(error, TooMuchError):
        return "The camera sends more than a picture can be."
    return "The connection to the camera was lost."


def _errno(error: Exception) -> int | None:
    return getattr(error, "errno", None)
