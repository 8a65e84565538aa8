"""Three replicas of the app behind Caddy: everyone gets their own answer, also when one replica is killed."""

from __future__ import annotations

import http.client
import io
import re
import shutil
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from deploy.replicas import Replicas
from tests.builders import MODELS
from tests.hostile.visitor import Visitor

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("caddy") is None, reason="Caddy is not installed"),
    pytest.mark.skipif(not (MODELS / "manifest.json").is_file(), reason="no networks are installed"),
]

VISITORS = 30
COOKIE = "facetraits_replica"


@pytest.fixture(scope="module")
def replicas(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Replicas]:
    with pytest.MonkeyPatch.context() as patch, socket.socket() as probe:
        patch.setenv("FACETRAITS_DB", f"sqlite:///{tmp_path_factory.mktemp('log') / 'visitors.db'}")
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        probe.close()
        with Replicas(3, port) as running:
            yield running


def url(replicas: Replicas) -> str:
    return f"http://127.0.0.1:{replicas.port}"


def picture_of(size: int) -> bytes:
    """A picture that nobody else sends: its size is shown with its result."""
    out = io.BytesIO()
    Image.fromarray(np.full((size, 200, 3), 90, dtype=np.uint8)).save(out, "PNG")
    return out.getvalue()


def test_thirty_visitors_at_once_get_their_own_result_each(replicas: Replicas) -> None:
    def shown_size(size: int) -> tuple[str, str]:
        with Visitor(url(replicas), "Photo") as visitor:
            assert visitor.look_at(picture_of(size)) == 204
            (seen,) = set(re.findall(r"in 200 \S+ (\d+) px", visitor.shown))
            return seen, visitor.cookies[COOKIE]

    sizes = range(100, 100 + VISITORS)
    with ThreadPoolExecutor(VISITORS) as together:
        answers = list(together.map(shown_size, sizes))
    assert [size for size, _ in answers] == [str(size) for size in sizes]
    assert len({replica for _, replica in answers}) == 3, "all replicas have work"


def test_who_comes_back_after_their_replica_died_lands_on_another_with_a_word(replicas: Replicas) -> None:
    with Visitor(url(replicas), "Photo") as visitor:
        assert "The connection was interrupted" not in visitor.shown
        (home,) = [port for port in replicas.ports if knows(port, visitor)]
        place = replicas.ports.index(home)
        replicas.processes[place].kill()
        replicas.processes[place].wait()
    known = visitor.cookies
    with Visitor(url(replicas), "Photo", cookies=known, session=visitor.session_id) as visitor:
        assert "The connection was interrupted" in visitor.shown
        assert visitor.cookies[COOKIE] != known[COOKIE]
        assert visitor.look_at(picture_of(77)) == 204
        assert "No face found" in visitor.shown
    replicas.watch()
    assert all(process.poll() is None for process in replicas.processes), "the one that died was started again"


def knows(port: int, visitor: Visitor) -> bool:
    """Whether a replica takes a file of the visitor's, as only the one does that drew the page."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    token = visitor.cookies["_streamlit_xsrf"]
    form = b'--x\r\nContent-Disposition: form-data; name="f"; filename="a.png"\r\n\r\nx\r\n--x--\r\n'
    connection.request(
        "PUT",
        f"/_stcore/upload_file/{visitor.session_id}/probe",
        body=form,
        headers={
            "Content-Type": "multipart/form-data; boundary=x",
            "Cookie": f"_streamlit_xsrf={token}",
            "X-Xsrftoken": token,
        },
    )
    status = connection.getresponse().status
    connection.close()
    return status == 204
