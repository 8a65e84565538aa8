"""Uploads: the server accepts only files that a page asks for, up to the size that it allows."""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from ui.kit.components import notice

if TYPE_CHECKING:
    from streamlit.runtime.uploaded_file_manager import UploadedFile

_MB: Final = 1 << 20
_LARGEST_SNAPSHOT_MB: Final = 20
_REFUSAL_SHOWN_S: Final = 30.0


class UploadPermits:
    """The largest file that each browser session may send now, by what its page shows, and why one was refused.

    Safe between threads.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._page: dict[str, str] = {}
        self._largest: dict[str, int] = {}
        self._refused: dict[str, tuple[str, float]] = {}

    def open_page(self, session_id: str, page: str) -> None:
        """A session looks at a page; where it is another than before, nothing may be sent until that page asks."""
        with self._lock:
            if self._page.get(session_id) != page:
                self._page[session_id] = page
                self._largest.pop(session_id, None)
                self._refused.pop(session_id, None)

    def allow(self, session_id: str, size: int) -> None:
        """The page asks for a file of up to ``size`` bytes."""
        with self._lock:
            self._largest[session_id] = max(size, self._largest.get(session_id, 0))

    def largest(self, session_id: str) -> int:
        """How many bytes a file may have; 0 where none may be sent."""
        with self._lock:
            return self._largest.get(session_id, 0)

    def refuse(self, session_id: str, why: str) -> None:
        """Note why a file was refused; the page shows it when drawn within the next half minute."""
        with self._lock:
            self._refused[session_id] = why, time.monotonic()

    def refusal_reason(self, session_id: str) -> str | None:
        """Why a file was refused just now; None if none was."""
        with self._lock:
            why, at_s = self._refused.get(session_id, (None, 0.0))
            return why if time.monotonic() - at_s < _REFUSAL_SHOWN_S else None

    def forget_all_but(self, session_ids: Collection[str]) -> None:
        """Forget the sessions that have ended."""
        with self._lock:
            for known in (self._page, self._largest, self._refused):
                for gone in known.keys() - set(session_ids):
                    del known[gone]


PERMITS: Final = UploadPermits()


def open_page(page: str) -> None:
    """To be called when a page begins: files that an earlier page asked for are no longer taken."""
    if (session_id := _session_id()) is not None:
        PERMITS.open_page(session_id, page)


def upload_one(label: str, largest_mb: int, types: Sequence[str], **options: Any) -> UploadedFile | None:
    """Ask for one file; the file, once it is there.

    Args:
        label: over the field.
        largest_mb: of the file, which the browser and the server both hold to.
        types: endings of the files' names.
        options: as of ``st.file_uploader``.
    """
    _allow(largest_mb)
    file: UploadedFile | None = st.file_uploader(label, type=types, max_upload_size=largest_mb, **options)
    _show_refusal()
    return file


def upload_many(label: str, largest_mb: int, types: Sequence[str], **options: Any) -> list[UploadedFile]:
    """As ``upload_one``, for any number of files of that size."""
    _allow(largest_mb)
    files: list[UploadedFile] = st.file_uploader(
        label, type=types, max_upload_size=largest_mb, accept_multiple_files=True, **options
    )
    _show_refusal()
    return files


def take_snapshot(key: str, **options: Any) -> UploadedFile | None:
    """Ask for a picture of the visitor's camera; the picture, once it is there.

    Args:
        key: of the widget.
        options: as of ``st.camera_input``.
    """
    _allow(_LARGEST_SNAPSHOT_MB)
    file = st.camera_input("Take a snapshot", resolution="720p", key=key, **options)
    _show_refusal()
    return file


def delete_uploads(file_ids: Iterable[str]) -> None:
    """Have the server delete files of this session that the page does not show any more.

    The browser asks for that only where a file is taken out of a field that is still there.

    Args:
        file_ids: of the files; those that are gone already may be among them.
    """
    context = get_script_run_ctx()
    if context is None:
        return
    manager: Any = context.uploaded_file_mgr
    for file_id in file_ids:
        manager.remove_file(context.session_id, file_id)


def _allow(largest_mb: int) -> None:
    if (session_id := _session_id()) is not None:
        PERMITS.allow(session_id, largest_mb * _MB)


def _show_refusal() -> None:
    session_id = _session_id()
    if session_id is not None and (why := PERMITS.refusal_reason(session_id)) is not None:
        notice("error", "A file was not taken", why)


def _session_id() -> str | None:
    """Of the browser session that the page is drawn for; None where no server runs."""
    context = get_script_run_ctx()
    return None if context is None else context.session_id
