"""Video files and camera streams for tests: pictures of ``tests.camera`` in containers, over HTTP and over RTSP."""

from __future__ import annotations

import base64
import socket
import struct
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from facetraits.traits import TRAITS, TraitName
from facetraits.types import AnalysisResult, FaceResult
from tests.builders import make_detection, make_result, make_traits
from tests.camera import Person, Pose, Scene

SMALL: Final = (320, 240)
_AWAY: Final = Pose(2.0, 0.55, 0.3)
_BOUNDARY: Final = "frame"


# --------------------------------------------------------------------------------------------------------------- files


def write_video(
    path: Path,
    pictures: Iterable[NDArray[np.uint8]],
    fps: float = 5,
    codec: str = "mpeg4",
    metadata: dict[str, str] | None = None,
    quarter_turns: int = 0,
) -> Path:
    """Write pictures as a video.

    Args:
        path: its suffix decides on the container.
        pictures: (H, W, 3) RGB, all of one size.
        fps: pictures per second.
        codec: a name of FFmpeg's.
        metadata: of the container.
        quarter_turns: of MP4: how often a player has to turn the pictures clockwise, as phones write it.

    Returns:
        ``path``.
    """
    options = {"movflags": "use_metadata_tags"} if metadata else {}
    with av.open(str(path), "w", options=options) as container:
        container.metadata.update(metadata or {})
        stream: Any = None
        for picture in pictures:
            if stream is None:
                stream = container.add_stream(codec, rate=Fraction(fps).limit_denominator(1000))
                stream.height, stream.width = picture.shape[:2]
                stream.pix_fmt = "yuv420p"
                stream.bit_rate = 2_000_000
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    if quarter_turns:
        path.write_bytes(_turned(path.read_bytes(), quarter_turns))
    return path


def write_sound(path: Path) -> Path:
    """A second of silence and no picture."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=16000)
        samples = av.AudioFrame.from_ndarray(np.zeros((1, 16000), dtype=np.float32), format="fltp", layout="mono")
        samples.sample_rate = 16000
        container.mux(stream.encode(samples))
        container.mux(stream.encode(None))
    return path


def _turned(data: bytes, quarter_turns: int) -> bytes:
    """An MP4 whose track header says that it is shown turned clockwise."""
    cosine, sine = ((1, 0), (0, 1), (-1, 0), (0, -1))[quarter_turns % 4]
    at = data.index(b"tkhd") + 4
    at += 40 if data[at] == 0 else 52  # version 1 has longer times
    matrix = [cosine << 16, sine << 16, 0, -sine << 16, cosine << 16, 0, 0, 0, 1 << 30]
    return data[:at] + struct.pack(">9i", *matrix) + data[at + 36 :]


# -------------------------------------------------------------------------------------------------------------- scenes


def comes_and_goes(*stays: tuple[float, float], seconds: float, fps: float = 5) -> Scene:
    """One face that is in view from the one to the other second of each stay, and else outside the picture."""

    def pose(t: float) -> Pose:
        return Pose(0.5, 0.55, 0.3) if any(start <= t < end for start, end in stays) else _AWAY

    return Scene((Person(pose),), frames=round(seconds * fps), size_wh=SMALL, fps=fps)


def two_cross(fps: float = 10) -> Scene:
    """Two faces that walk past each other once, one of them hidden by the other for a moment."""
    seconds = 3

    def walk(t: float) -> float:
        return 0.3 * float(np.cos(np.pi * t / seconds))

    behind = Person(lambda t: Pose(0.5 - walk(t), 0.48, 0.26), mirrored=True, tint=(0.75, 0.7, 0.65))
    before = Person(lambda t: Pose(0.5 + walk(t), 0.58, 0.32))
    return Scene((behind, before), frames=round(seconds * fps), size_wh=SMALL, fps=fps)


# -------------------------------------------------------------------------------------------------- without a detector


class Bright:
    """An analyzer that sees one face wherever the picture is bright; broken on demand."""

    def __init__(self) -> None:
        self.broken = False
        self.traits: list[tuple[TraitName, ...]] = []

    def analyze(self, image: NDArray[np.uint8], traits: Collection[TraitName] = TRAITS) -> AnalysisResult:
        self.traits.append(tuple(traits))
        if self.broken:
            raise RuntimeError("a network is broken")
        faces = [FaceResult(make_detection(100, 80, 90), (), make_traits(traits=traits))] if image.mean() > 100 else []
        return make_result(*faces, size_wh=(image.shape[1], image.shape[0]))


def lit(bright: bool) -> NDArray[np.uint8]:
    """A patterned picture, bright or dark."""
    pattern = np.random.default_rng(1).integers(0, 60, (15, 20, 3), dtype=np.uint8)
    return pattern.repeat(16, axis=0).repeat(16, axis=1) + np.uint8(180 if bright else 0)


# ------------------------------------------------------------------------------------------------------------- streams


class Camera:
    """What a camera server sends, to be changed while it runs.

    Attributes:
        picture: gives the JPEG of this moment.
        fps: pictures per second.
        off: connections are refused with an error, and those there are end.
        silent: nothing is sent, but connections stay.
        password: "user:password" that has to be given; None where none is asked for.
        connections: how many clients have asked for the video so far.
    """

    def __init__(self, picture: Callable[[], bytes], fps: float = 10) -> None:
        self.picture = picture
        self.fps = fps
        self.off = False
        self.silent = False
        self.password: str | None = None
        self.connections = 0
        self.over = threading.Event()

    def pictures(self) -> Iterator[bytes]:
        """JPEGs at their times until the camera is off."""
        while not self.off and not self.over.wait(1 / self.fps):
            if not self.silent:
                yield self.picture()

    def refuses(self, authorization: str | None) -> bool:
        if self.password is None:
            return False
        return authorization != "Basic " + base64.b64encode(self.password.encode()).decode()


def jpeg(picture: NDArray[np.uint8]) -> bytes:
    done, data = cv2.imencode(".jpg", picture[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, 90])
    assert done
    return data.tobytes()


@contextmanager
def http_camera(camera: Camera) -> Iterator[str]:
    """A server of MJPEG over HTTP; gives its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if camera.refuses(self.headers.get("Authorization")):
                self.send_response(401)
                self.send_header("WWW-Authenticate", 'Basic realm="camera"')
                self.end_headers()
                return
            if self.path == "/still":
                camera.connections += 1
                data = camera.picture()
                self.send_response(200)
                self.send_header("Content-Type", "image/jpeg")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)
                return
            if self.path != "/video":
                self.send_error(404)
                return
            if camera.off:
                self.send_error(503)
                return
            camera.connections += 1
            self.send_response(200)
            self.send_header("Content-Type", f"multipart/x-mixed-replace; boundary={_BOUNDARY}")
            self.end_headers()
            try:
                for data in camera.pictures():
                    head = f"--{_BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: {len(data)}\r\n\r\n"
                    self.wfile.write(head.encode() + data + b"\r\n")
            except OSError:
                pass  # the client has gone

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/video"
    finally:
        camera.over.set()
        server.shutdown()
        server.server_close()


@contextmanager
def rtsp_camera(camera: Camera) -> Iterator[str]:
    """A server of MJPEG over RTSP, its packets interleaved in the one TCP connection; gives its address."""
    server = socket.create_server(("127.0.0.1", 0))
    threads = []

    def accept() -> None:
        while True:
            try:
                client, _ = server.accept()
            except OSError:
                return
            threads.append(threading.Thread(target=_serve_rtsp, args=(client, camera), daemon=True))
            threads[-1].start()

    acceptor = threading.Thread(target=accept, daemon=True)
    acceptor.start()
    try:
        yield f"rtsp://127.0.0.1:{server.getsockname()[1]}/video"
    finally:
        camera.over.set()
        server.shutdown(socket.SHUT_RDWR)
        server.close()
        for thread in (acceptor, *threads):
            thread.join(timeout=5)


def _serve_rtsp(client: socket.socket, camera: Camera) -> None:
    with client, client.makefile("rb") as lines:
        try:
            while (request := lines.readline().split()) and len(request) == 3:
                headers = {}
                while line := lines.readline().strip():
                    name, _, value = line.decode().partition(":")
                    headers[name.lower()] = value.strip()
                method = request[0].decode()
                client.sendall(_rtsp_answer(method, headers, camera))
                if method == "PLAY" and not camera.off and not camera.refuses(headers.get("authorization")):
                    camera.connections += 1
                    _send_rtp(client, camera)
                    return
        except OSError:
            pass  # the client has gone


def _rtsp_answer(method: str, headers: dict[str, str], camera: Camera) -> bytes:
    body, extra, status = "", [], "200 OK"
    if camera.off:
        status = "503 Service Unavailable"
    elif camera.refuses(headers.get("authorization")) and method != "OPTIONS":
        status = "401 Unauthorized"
        extra = ['WWW-Authenticate: Basic realm="camera"']
    elif method == "OPTIONS":
        extra = ["Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN"]
    elif method == "DESCRIBE":
        body = "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=camera\r\nt=0 0\r\nm=video 0 RTP/AVP 26\r\na=control:track1\r\n"
        extra = ["Content-Type: application/sdp"]
    elif method == "SETUP":
        extra = ["Transport: RTP/AVP/TCP;unicast;interleaved=0-1", "Session: 1"]
    elif method == "PLAY":
        extra = ["Session: 1"]
    head = [f"RTSP/1.0 {status}", f"CSeq: {headers.get('cseq', '0')}", *extra, f"Content-Length: {len(body)}"]
    return ("\r\n".join(head) + "\r\n\r\n" + body).encode()


def _send_rtp(client: socket.socket, camera: Camera) -> None:
    number, started = 0, time.monotonic()
    for data in camera.pictures():
        stamp = round((time.monotonic() - started) * 90000) & 0xFFFFFFFF
        for payload, last in _rtp_payloads(data):
            rtp = struct.pack(">BBHII", 0x80, 26 | (0x80 if last else 0), number & 0xFFFF, stamp, 1) + payload
            client.sendall(struct.pack(">cBH", b"$", 0, len(rtp)) + rtp)
            number += 1


def _rtp_payloads(data: bytes, most: int = 1400) -> Iterator[tuple[bytes, bool]]:
    """A baseline JPEG in pieces as RFC 2435 wants them, and whether each is the last."""
    tables, at = b"", 2
    width = height = kind = 0
    while True:
        marker, length = data[at + 1], int.from_bytes(data[at + 2 : at + 4], "big")
        body = data[at + 4 : at + 2 + length]
        if marker == 0xDB:  # quantization: one or more tables of a number and 64 bytes
            tables += b"".join(body[i + 1 : i + 65] for i in range(0, len(body), 65))
        elif marker == 0xC0:
            height, width = struct.unpack(">HH", body[1:5])
            kind = {0x21: 0, 0x22: 1}[body[7]]  # colours at half the width, or at half of both
        at += 2 + length
        if marker == 0xDA:
            break
    scan = data[at:].removesuffix(b"\xff\xd9")
    for offset in range(0, len(scan), most):
        head = struct.pack(">IBBBB", offset, kind, 255, width // 8, height // 8)
        if offset == 0:
            head += struct.pack(">BBH", 0, 0, len(tables)) + tables
        yield head + scan[offset : offset + most], offset + most >= len(scan)
