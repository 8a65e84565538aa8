"""Files by their address: on this machine, in S3 or Google Cloud Storage (pyarrow), or on a web server (fsspec)."""

from __future__ import annotations

import io
import os
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final
from urllib.parse import urlsplit

from facetraits.batch.records import LARGEST_FILE, check_file_size, read_local
from facetraits.errors import UserError

_OBJECT_STORES: Final = ("s3", "gs")
_WEB: Final = ("https", "http")
_ATTEMPTS: Final = 3  # on a web server; pyarrow's file systems repeat what failed by themselves
_PAUSE_S: Final = 0.5
# One request from begin to end: fsspec asks for the size first where it is not given, and takes every failure of that
# for a missing file.
_AS_STREAM: Final[Mapping[str, Any]] = {"block_size": 0, "size": 1, "cache_type": "none"}
_AT_ONCE: Final = 16  # questions for sizes or first bytes


def is_remote(address: str) -> bool:
    """Whether reading it needs the network: ``s3://``, ``gs://``, ``https://`` or ``http://``."""
    return address.partition("://")[0].lower() in (*_OBJECT_STORES, *_WEB)


def check_address(address: str) -> None:
    """Refuse an address that no file system reads, or that holds a password: results and messages would show it.

    Raises:
        UserError: it is such an address.
    """
    scheme, separator, rest = address.partition("://")
    if separator and not is_remote(address):
        raise UserError(f"{scheme}:// is not read; name a path, s3://, gs:// or https://")
    user = rest.partition("/")[0].rpartition("@")[0]
    if separator and user not in ("", "anonymous"):
        raise UserError(
            f"an address of {scheme}:// must not hold a password; put it where {scheme} clients look for it"
        )


class Storage:
    """Reads files by address. File systems are made when they are first needed, and kept.

    Credentials, regions and end points of S3 and Google Cloud Storage come from the environment, as for their own
    clients. Threads may share one.
    """

    def __init__(self) -> None:
        self._systems: dict[str, Any] = {}
        self._lock = threading.Lock()

    def read(self, address: str) -> bytes:
        """What a file holds.

        Raises:
            ImageDecodeError: it is larger than any picture that is read.
            OSError: it cannot be read.
        """
        if not is_remote(address):
            return read_local(address)
        data = self._read(address, LARGEST_FILE + 1)
        check_file_size(len(data))
        return data

    def head(self, address: str, count: int) -> bytes:
        """The first ``count`` bytes of a file.

        Raises:
            OSError: it cannot be read.
        """
        if is_remote(address):
            return self._read(address, count)
        with open(address, "rb", buffering=0) as stream:
            return stream.read(count)

    def heads(self, addresses: Sequence[str], count: int) -> list[bytes]:
        """The first ``count`` bytes of each file; none of one that cannot be read."""

        def head(address: str) -> bytes:
            try:
                return self.head(address, count)
            except OSError:
                return b""

        with ThreadPoolExecutor(_AT_ONCE) as pool:
            return list(pool.map(head, addresses))

    def sizes(self, addresses: Sequence[str]) -> list[int | None]:
        """The size of each file in bytes; None of one that is not there or does not say."""
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            return list(pool.map(self._size, addresses))

    def lines(self, address: str) -> Iterator[str]:
        """The lines of a text file that are not blank, without spaces around them, one at a time.

        Raises:
            OSError: it cannot be read.
            UnicodeDecodeError: it is not UTF-8.
        """
        if not is_remote(address):
            with open(address, encoding="utf-8-sig") as stream:
                yield from filter(None, map(str.strip, stream))
            return
        scheme = address.partition("://")[0].lower()
        if scheme in _WEB:
            with self._system(address).open(address, "r", encoding="utf-8-sig", **_AS_STREAM) as stream:
                yield from filter(None, map(str.strip, stream))
            return
        with self._system(address).open_input_stream(_key(address)) as source:
            yield from filter(None, map(str.strip, io.TextIOWrapper(source, encoding="utf-8-sig")))

    def files(self, folder: str) -> Iterator[tuple[str, int]]:
        """Address and size of every file in a folder of an object store, with all folders in it that are not hidden.

        Files of a folder come in order of their names, before those of the folders in it. One folder's names are held
        in memory at a time.

        Raises:
            OSError: the folder cannot be listed.
        """
        from pyarrow.fs import FileSelector, FileType

        start = folder[: len(folder) - len(_key(folder))]  # the scheme, and "anonymous@"
        waiting = [_key(folder).rstrip("/")]
        while waiting:
            found = self._system(folder).get_file_info(FileSelector(waiting.pop(), allow_not_found=False))
            shown = sorted((info for info in found if not info.base_name.startswith(".")), key=lambda info: info.path)
            waiting += [info.path for info in shown if info.type == FileType.Directory][::-1]
            for info in shown:
                if info.type == FileType.File:
                    yield start + info.path, info.size

    def is_folder(self, address: str) -> bool:
        """Whether an address of an object store names a folder and no file.

        Raises:
            OSError: the object store does not answer.
        """
        from pyarrow.fs import FileType

        if address.partition("://")[0].lower() in _WEB:
            return False
        return bool(self._system(address).get_file_info(_key(address).rstrip("/")).type == FileType.Directory)

    def _size(self, address: str) -> int | None:
        try:
            if not is_remote(address):
                return os.path.getsize(address)
            if address.partition("://")[0].lower() in _WEB:
                size = self._system(address).info(address).get("size")
            else:
                size = self._system(address).get_file_info(_key(address)).size
        except OSError:
            return None
        return size if isinstance(size, int) and size >= 0 else None

    def _read(self, address: str, count: int) -> bytes:
        if address.partition("://")[0].lower() not in _WEB:
            with self._system(address).open_input_stream(_key(address)) as source:
                return _all_of(source, count)
        for attempt in range(_ATTEMPTS):
            try:
                with self._system(address).open(address, "rb", **_AS_STREAM) as source:
                    return _all_of(source, count)
            except FileNotFoundError:
                raise
            except Exception as error:  # whatever the client makes of a broken connection
                if attempt + 1 == _ATTEMPTS:
                    raise OSError(f"{type(error).__name__}: {error}") from error
                time.sleep(_PAUSE_S * 2**attempt)
        raise AssertionError

    def _system(self, address: str) -> Any:
        """The file system of an address: fsspec's of a web server, else pyarrow's of a bucket."""
        parts = urlsplit(address)
        key = parts.scheme if parts.scheme in _WEB else f"{parts.scheme}://{parts.netloc}"
        with self._lock:
            if key not in self._systems:
                self._systems[key] = _web() if parts.scheme in _WEB else _object_store(key)
            return self._systems[key]


def _web() -> Any:
    import fsspec

    return fsspec.filesystem("https", client_kwargs={"trust_env": True}, skip_instance_cache=True)


def _object_store(bucket: str) -> Any:
    import pyarrow
    from pyarrow.fs import FileSystem

    try:
        return FileSystem.from_uri(bucket)[0]
    except (pyarrow.ArrowInvalid, pyarrow.ArrowNotImplementedError) as error:
        raise UserError(f"{bucket} is no address of a bucket that can be read") from error


def _key(address: str) -> str:
    """Bucket and name, as pyarrow's file systems call a file."""
    rest = address.partition("://")[2]
    netloc, _, name = rest.partition("/")
    return f"{netloc.rpartition('@')[2]}/{name}"


def _all_of(source: Any, count: int) -> bytes:
    """Up to ``count`` bytes, in pieces: pyarrow takes memory for all that it is asked for."""
    pieces: list[bytes] = []
    while count > 0 and (piece := source.read(min(count, 1 << 20))):
        pieces.append(piece)
        count -= len(piece)
    return b"".join(pieces)
