"""A camera's server that lies: about where its pictures are, and how large they are."""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from facetraits.video.cameras import read_stream
from facetraits.video.http_camera import MOST_BYTES_PER_PICTURE
from facetraits.video.sources import VideoError
from tests.videos import jpeg

Answer = Callable[[BaseHTTPRequestHandler], None]
PICTURE = jpeg(np.full((240, 320, 3), 120, np.uint8))


@contextmanager
def served(answers: dict[str, Answer]) -> Iterator[str]:
    """The address of a server that gives such answers, by path."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answers[self.path](self)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def pictures(to: BaseHTTPRequestHandler) -> None:
    to.send_response(200)
    to.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
    to.end_headers()
    try:
        for _ in range(200):
            send_picture(to)
    except OSError:
        pass  # nobody listens any more


def send_picture(to: BaseHTTPRequestHandler) -> None:
    to.wfile.write(b"--frame\r\nContent-Type: image/jpeg\r\n")
    to.wfile.write(f"Content-Length: {len(PICTURE)}\r\n\r\n".encode() + PICTURE + b"\r\n")


def redirect(address: str) -> Answer:
    def answer(to: BaseHTTPRequestHandler) -> None:
        to.send_response(302)
        to.send_header("Location", address)
        to.end_headers()

    return answer


def first_picture(address: str) -> tuple[int, ...]:
    with closing(read_stream(address, open_timeout_s=5, read_timeout_s=5)) as stream:
        return next(iter(stream)).image.shape


def why_not(address: str) -> str:
    with pytest.raises(VideoError) as caught:
        first_picture(address)
    return str(caught.value)


def test_a_redirect_to_another_host_is_not_followed():
    asked = []
    with (
        served({"/secret": lambda to: (asked.append(to.path), pictures(to))[1]}) as inside,
        served({"/video": redirect(inside.replace("127.0.0.1", "localhost") + "/secret")}) as camera,
    ):
        assert "wants to be read at another address" in why_not(f"{camera}/video")
    assert asked == []


def test_a_redirect_on_the_same_host_is_followed():
    with served({"/": redirect("/live"), "/live": pictures}) as camera:
        assert first_picture(f"{camera}/") == (240, 320, 3)


@pytest.mark.parametrize("before", [0, 3], ids=["at once", "after some pictures"])
def test_a_picture_without_an_end_takes_no_memory(before: int):
    sent = 0

    def endless(to: BaseHTTPRequestHandler) -> None:
        nonlocal sent
        to.send_response(200)
        to.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        to.end_headers()
        for _ in range(before):
            send_picture(to)
        to.wfile.write(b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: 1900000000\r\n\r\n\xff\xd8")
        try:
            while sent < 500 << 20:
                to.wfile.write(bytes(1 << 20))
                sent += 1 << 20
        except OSError:
            pass

    with (
        served({"/": endless}) as camera,
        closing(read_stream(camera + "/")) as stream,
        pytest.raises(VideoError, match="sends more than a picture can be"),
    ):
        list(stream)
    assert sent < MOST_BYTES_PER_PICTURE + (64 << 20)  # what the buffers in between hold


def test_a_password_by_digest_is_given_to_the_camera_alone():
    heard = []

    def asks(to: BaseHTTPRequestHandler) -> None:
        given = to.headers.get("Authorization", "")
        heard.append(given)
        if given:
            said = dict(re.findall(r'(\w+)="?([^",]+)', given))
            first = hashlib.md5(b"shop:camera:s3cret").hexdigest()
            second = hashlib.md5(f"GET:{to.path}".encode()).hexdigest()
            middle = ":".join((said["nonce"], said["nc"], said["cnonce"], said["qop"]))
            if said["response"] == hashlib.md5(f"{first}:{middle}:{second}".encode()).hexdigest():
                return pictures(to)
        to.send_response(401)
        to.send_header("WWW-Authenticate", 'Digest realm="camera", nonce="abc", qop="auth"')
        to.end_headers()
        return None

    with served({"/video": asks}) as camera:
        assert first_picture(camera.replace("//", "//shop:s3cret@") + "/video") == (240, 320, 3)
        assert "another user name or password" in why_not(camera.replace("//", "//shop:wrong@") + "/video")
    assert heard[0] == "" and all("s3cret" not in line for line in heard)
