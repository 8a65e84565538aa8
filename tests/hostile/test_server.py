"""What the server takes, keeps and gives away, asked without a browser."""

from __future__ import annotations

import asyncio
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pytest
from starlette.types import Message, Scope

from tests.browser.conftest import no_file_can_grow, running_app
from tests.builders import ROOT, photo_of_one, png
from tests.hostile.visitor import Visitor
from ui.kit.uploads import UploadPermits
from ui.server.uploads import UploadGuard, UploadLimits, limits_from

MB = 1 << 20
Result = TypeVar("Result")
LEAVING = f"""
import functools, gc, sys
sys.path.insert(0, {str(ROOT)!r})
import streamlit as st
from starlette.responses import PlainTextResponse
from streamlit.runtime.uploaded_file_manager import UploadedFileRec
from starlette.routing import Route
from ui.photo.session import PhotoSession
from ui.server.sessions import ending_left_sessions

def count(_):
    kept = [type(thing).__name__ for thing in gc.get_objects() if isinstance(thing, (PhotoSession, UploadedFileRec))]
    return PlainTextResponse(" ".join(sorted(kept)))

app = st.App(
    {str(ROOT / "app.py")!r},
    lifespan=functools.partial(ending_left_sessions, after_s=0.5, every_s=0.1),
    routes=[Route("/count", count)],
)
"""


def status_of(url: str) -> int:
    try:
        with urllib.request.urlopen(url, timeout=20) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


def text_of(url: str) -> str:
    with urllib.request.urlopen(url, timeout=20) as answer:
        return answer.read().decode()


def eventually(holds: Callable[[], bool], within_s: float = 30) -> bool:
    deadline_s = time.monotonic() + within_s
    while not (answer := holds()) and time.monotonic() < deadline_s:
        time.sleep(0.1)
    return answer


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The app as it is served, in a process that can write no byte to any file."""
    with running_app(tmp_path_factory.mktemp("app") / "log.txt", before=no_file_can_grow) as url:
        yield url


@pytest.mark.slow
def test_a_photo_is_analysed_without_a_byte_on_the_disk(app: str):
    noise = np.random.default_rng(0).integers(0, 255, (1500, 1500, 3), dtype=np.uint8)
    noise[:512, :512] = photo_of_one()
    data = png(noise)
    assert len(data) > 4 * MB  # the parser of uploads would write 1 MB and more to the disk
    with Visitor(app, "Photo") as visitor:
        assert visitor.look_at(data) == 204
        assert "ft-percent" in visitor.shown
        with urllib.request.urlopen(app + visitor.media()[0]) as picture:
            assert picture.headers["Cache-Control"] == "no-store"


@pytest.mark.slow
def test_no_page_takes_what_it_has_not_asked_for(app: str):
    with Visitor(app, "Model_performance") as visitor:
        assert visitor.put(b"x") == 403
        visitor.open("")
        assert visitor.put(b"x") == 204
        assert visitor.put(bytes(51 * MB)) == 413
        visitor.watch()
        assert "This page takes files of up to 50 MB." in visitor.shown
        visitor.open("About")
        assert visitor.put(b"x") == 403
        visitor.session_id = "of-somebody-else"
        assert visitor.put(b"x") == 403


@pytest.mark.slow
def test_metrics_are_not_public(app: str):
    assert status_of(f"{app}/_stcore/metrics") == 404
    assert status_of(f"{app}/_stcore/health") == 200


@pytest.mark.slow
def test_a_closed_page_leaves_nothing(tmp_path: Path):
    script = tmp_path / "leaving.py"
    script.write_text(LEAVING)
    with running_app(tmp_path / "log.txt", script=script) as url, ExitStack() as stays:
        one, other = (stays.enter_context(Visitor(url, "Photo")) for _ in range(2))
        one.look_at(png(photo_of_one()))
        other.look_at(png(photo_of_one()[:, ::-1]))
        kept, gone = one.media(), other.media()
        assert not set(kept[:1]) & set(gone)
        assert status_of(url + gone[0]) == 200
        assert text_of(f"{url}/count") == "PhotoSession PhotoSession UploadedFileRec UploadedFileRec"
        other.leave()
        assert eventually(lambda: status_of(url + gone[0]) == 404)
        assert status_of(url + kept[0]) == 200, "of whoever is still there"
        one.leave()
        assert eventually(lambda: status_of(url + kept[0]) == 404)
        assert eventually(lambda: text_of(f"{url}/count") == "")


class Upload:
    """Plays an upload in pieces to a guard."""

    def __init__(self, guard_limits: UploadLimits, largest: int = 1000, held: dict[str, int] | None = None) -> None:
        self.permits = UploadPermits()
        self.permits.allow("me", largest)
        self.taken = 0
        self.guard = UploadGuard(self._app, guard_limits, self.permits, lambda: held or {}, lambda _: None)

    async def _app(self, scope: Scope, receive: Callable, send: Callable) -> None:
        more = True
        while more:
            message = await receive()
            self.taken += len(message["body"])
            more = message["more_body"]
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def send(self, pieces: list[int], pause_s: float = 0.0) -> tuple[int, str]:
        """Status and text of the answer to an upload in pieces of so many bytes; a negative one ends it."""
        left, sent = list(pieces), []

        async def receive() -> Message:
            if not left:
                await asyncio.sleep(3600)
            await asyncio.sleep(pause_s)
            size = left.pop(0)
            return {"type": "http.request", "body": bytes(abs(size)), "more_body": size >= 0 and bool(left or size)}

        async def send(message: Message) -> None:
            sent.append(message)

        scope = {"type": "http", "method": "PUT", "path": "/_stcore/upload_file/me/file", "headers": []}
        await self.guard(scope, receive, send)
        return sent[0]["status"], sent[1]["body"].decode()


def played(upload: Upload, pieces: list[int], pause_s: float = 0.0) -> tuple[int, str]:
    return run(upload.send(pieces, pause_s))


def run(work: Coroutine[Any, Any, Result]) -> Result:
    """In a thread of its own: in this one Playwright has a loop for the browser tests."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()


def test_an_upload_that_grows_beyond_the_limit_ends_while_it_comes_in():
    upload = Upload(UploadLimits(), largest=100_000)
    status, text = played(upload, [50_000] * 100)
    assert status == 413 and "up to 0 MB" in text
    assert upload.taken < 100_000 + (64 << 10) + 50_000


def test_a_stuck_upload_ends():
    upload = Upload(UploadLimits(silence_s=0.05))
    assert played(upload, [10]) == (408, "The upload stopped.")
    assert upload.permits.refusal_reason("me") == "The upload stopped.", "which the page says"
    upload.permits.open_page("me", "another")
    assert upload.permits.refusal_reason("me") is None


def test_a_trickling_upload_ends():
    limits = UploadLimits(grace_s=0.05, least_bytes_per_s=1e6)
    assert played(Upload(limits), [10] * 50, pause_s=0.02) == (408, "The upload is too slow.")


@pytest.mark.parametrize(("held", "status"), [({"me": 900}, 413), ({"me": 400, "you": 1600}, 503), ({"you": 900}, 204)])
def test_what_is_held_already_counts(held: dict[str, int], status: int):
    limits = UploadLimits(of_session=1000, of_all=2000)
    assert played(Upload(limits, held=held), [200, -1])[0] == status


def test_uploads_that_come_in_together_count_together():
    upload = Upload(UploadLimits(of_session=10_000, of_all=1000), largest=10_000)

    async def all_at_once() -> list[tuple[int, str]]:
        return await asyncio.gather(*(upload.send([100] * 5 + [-1], pause_s=0.01) for _ in range(4)))

    statuses = sorted(status for status, _ in run(all_at_once()))
    assert statuses[-1] == 503 and statuses[0] == 204


def test_the_quota_is_a_setting():
    assert limits_from({}).of_all == 2000 * MB
    assert limits_from({"FACETRAITS_UPLOADS_MB": "64"}).of_all == 64 * MB
    with pytest.raises(SystemExit, match="FACETRAITS_UPLOADS_MB must be a number of megabytes"):
        limits_from({"FACETRAITS_UPLOADS_MB": "plenty"})
