"""Refuses uploads that no page asked for, and uploads that are too large, too many or too slow, while they arrive."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import streamlit as st
from starlette.formparsers import MultiPartParser
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from facetraits import settings
from ui.kit.uploads import PERMITS, UploadPermits
from ui.server.sessions import session_manager

# The parser would write files of more than 1 MB to the disk while they come in; 0 stands for never.
MultiPartParser.spool_max_size = 0

_UPLOAD: Final = re.compile(r"/_stcore/upload_file/(?P<session>[^/]+)/[^/]+$")
_MB: Final = 1 << 20
_FRAME: Final = 64 << 10  # bytes that a form may have around its file


@dataclass(frozen=True, slots=True)
class UploadLimits:
    """What is taken at most.

    Attributes:
        of_session, of_all: bytes that are held at once, for one browser session and for all together.
        silence_s: an upload ends when nothing comes for so long.
        grace_s, least_bytes_per_s: it also ends when less than this has come per second, beyond the grace.
    """

    of_session: int = 700 * _MB
    of_all: int = 2000 * _MB
    silence_s: float = 20.0
    grace_s: float = 30.0
    least_bytes_per_s: float = 16_384.0


class _Refused(Exception):
    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


class UploadGuard:
    """ASGI middleware around Streamlit's route for uploads.

    Args:
        app: the rest.
        limits: what is taken at most.
        permits: what the pages have asked for.
        held: gives the bytes that are held already, by session.
        draw_again: draws the page of a session, so that it says why a file was refused.
    """

    def __init__(
        self,
        app: ASGIApp,
        limits: UploadLimits | None = None,
        permits: UploadPermits = PERMITS,
        held: Callable[[], Mapping[str, int]] | None = None,
        draw_again: Callable[[str], None] | None = None,
    ) -> None:
        self._app = app
        self._limits = limits or UploadLimits()
        self._permits = permits
        self._held = held or held_uploads
        self._draw_again = draw_again or draw_page_again
        # Read when an upload begins and ends, not with each of its pieces: nothing else adds to it.
        self._held_bytes: Mapping[str, int] = {}
        self._coming: dict[object, tuple[str, int]] = {}  # upload to its session and the bytes that are there

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        found = _UPLOAD.search(scope.get("path", "")) if scope["type"] == "http" and scope["method"] == "PUT" else None
        if found is None:
            await self._app(scope, receive, send)
            return
        upload = object()
        self._held_bytes = self._held()
        try:
            self._coming[upload] = (found["session"], 0)
            await self._app(scope, self._counted(receive, upload, _declared_bytes(scope)), send)
        except _Refused as refusal:
            if self._permits.largest(found["session"]):  # a page that asks for files, and tells of them
                self._permits.refuse(found["session"], str(refusal))
                self._draw_again(found["session"])
            answer = PlainTextResponse(str(refusal), refusal.status, headers={"Connection": "close"})
            await answer(scope, receive, send)
        finally:
            del self._coming[upload]
            self._held_bytes = self._held()

    def _counted(self, receive: Receive, upload: object, declared: int) -> Receive:
        """``receive``, which ends as soon as more comes than may."""
        self._check(upload, declared)
        started_s = time.monotonic()

        async def counted() -> Message:
            try:
                message = await asyncio.wait_for(receive(), self._limits.silence_s)
            except TimeoutError:
                raise _Refused(408, "The upload stopped.") from None
            session, size = self._coming[upload]
            size += len(message.get("body", b""))
            self._coming[upload] = (session, size)
            self._check(upload, size)
            late_s = time.monotonic() - started_s - self._limits.grace_s
            if message.get("more_body") and size < late_s * self._limits.least_bytes_per_s:
                raise _Refused(408, "The upload is too slow.")
            return message

        return counted

    def _check(self, upload: object, size: int) -> None:
        """Refuse an upload that has, or says that it will have, ``size`` bytes."""
        session = self._coming[upload][0]
        largest = self._permits.largest(session)
        if not largest:
            raise _Refused(403, "This page takes no files.")
        if size > largest + _FRAME:
            raise _Refused(413, f"This page takes files of up to {largest // _MB} MB.")
        held = self._held_bytes
        coming = [(other, there) for key, (other, there) in self._coming.items() if key is not upload]
        mine = held.get(session, 0) + sum(there for other, there in coming if other == session)
        if mine + size > self._limits.of_session:
            raise _Refused(413, "Too many files: remove some first.")
        if sum(held.values()) + sum(there for _, there in coming) + size > self._limits.of_all:
            raise _Refused(503, "The server holds too many files for all visitors: try again in a minute.")


def held_uploads() -> dict[str, int]:
    """Bytes of the uploads that Streamlit holds, by session."""
    manager: Any = st.runtime.get_instance().uploaded_file_mgr
    sessions = list(manager.file_storage.items())
    return {session: sum(len(file.data) for file in list(files.values())) for session, files in sessions}


def draw_page_again(session_id: str) -> None:
    """Run the page of a session once more; must be called on the server's event loop."""
    found = session_manager(st.runtime.get_instance()).get_session_info(session_id)
    if found is not None:
        found.session.request_rerun(found.session._client_state)  # what its page shows, which nothing public gives


def limits_from(environ: Mapping[str, str]) -> UploadLimits:
    """The limits as whoever runs the server has set them.

    Raises:
        SystemExit: a setting is wrong; it says so in one sentence.
    """
    reader = settings.SettingsReader({}, environ)
    limits = UploadLimits()
    of_all = reader.read(settings.UPLOADS_MB, _megabytes, limits.of_all)
    if reader.problems:
        raise SystemExit(reader.problems[0])
    return replace(limits, of_all=of_all)


def _megabytes(raw: Any) -> int:
    if not str(raw).isdecimal() or not 1 <= int(raw) <= 1_000_000:
        raise ValueError("must be a number of megabytes from 1 to 1000000")
    return int(raw) * _MB


def _declared_bytes(scope: Scope) -> int:
    value = dict(scope["headers"]).get(b"content-length", b"")
    return int(value) if value.isdigit() and len(value) < 20 else 0
