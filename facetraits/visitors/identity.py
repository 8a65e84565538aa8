"""Numbers for visits: those of a recorded video come out the same when it is counted again, so that nobody is twice."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple
from uuid import UUID

_PART_BYTES: Final = 8 << 20  # of the beginning and of the end of a file, which may have many gigabytes
_HALF: Final = 8  # bytes of the number


class RecordingIds(NamedTuple):
    """Numbers of the visits in one recording (UUIDs of version 8, RFC 9562).

    Attributes:
        recording: 8 bytes, which all of them begin with.
    """

    recording: bytes

    def of(self, track: int, since_s: float) -> UUID:
        """The number of a visit.

        Args:
            track: number of the person in the recording.
            since_s: when the visit begins in it.
        """
        return _uuid(self.recording + hashlib.sha256(f"{track} {since_s:.2f}".encode()).digest()[:_HALF])

    @property
    def bounds(self) -> tuple[UUID, UUID]:
        """The smallest and the largest number that there can be."""
        return _uuid(self.recording + bytes(_HALF)), _uuid(self.recording + b"\xff" * _HALF)


def recording_ids(file: Path | BinaryIO, source: str, began: datetime | None) -> RecordingIds:
    """The numbers for a recording: the same file, by the same name and from the same time, has the same.

    Args:
        file: where the video is, or the file itself; where it stands in it does not change.
        source: name of the source.
        began: when it was recorded, aware; None where nobody knows, which then does not count.

    Raises:
        OSError: the file cannot be read.
    """
    digest = hashlib.sha256(f"{source}\n{began and began.astimezone(UTC).isoformat()}\n".encode())
    with _read(file) as data:
        size = data.seek(0, os.SEEK_END)
        digest.update(f"{size}\n".encode())
        for start in (0, max(0, size - _PART_BYTES)):
            data.seek(start)
            digest.update(data.read(_PART_BYTES))
    return RecordingIds(digest.digest()[:_HALF])


@contextmanager
def _read(file: Path | BinaryIO) -> Iterator[BinaryIO]:
    if isinstance(file, Path):
        with file.open("rb") as opened:
            yield opened
        return
    place = file.tell()
    try:
        yield file
    finally:
        file.seek(place)


def _uuid(data: bytes) -> UUID:
    whole = bytearray(data)
    whole[6] = whole[6] & 0x0F | 0x80
    whole[8] = whole[8] & 0x3F | 0x80
    return UUID(bytes=bytes(whole))
