"""The bytes of a file become its record; whatever goes wrong becomes a sentence in it."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from facetraits.faces.budget import PixelBudget
from facetraits.faces.images import MAX_PIXELS, ImageDecodeError, decode
from facetraits.tables import picture_record
from facetraits.traits import TraitName
from facetraits.video.live import Analyzer

LARGEST_FILE: Final = 1_000_000_000  # 120 megapixels of 16 bits, not compressed
_PIXELS_PER_THREAD: Final = 16_000_000
_NO_MEMORY: Final = "the picture needs more memory than this machine has free"


def read_local(path: str) -> bytes:
    """What a file on this machine holds.

    Raises:
        ImageDecodeError: it is larger than any picture that is read.
        OSError: it cannot be read.
    """
    check_file_size(os.path.getsize(path))
    return Path(path).read_bytes()


def check_file_size(size: int) -> None:
    """Refuse a file before it is read.

    Args:
        size: in bytes.

    Raises:
        ImageDecodeError: no picture is so large.
    """
    if size > LARGEST_FILE:
        raise ImageDecodeError(f"the file is larger than {LARGEST_FILE // 10**6} MB, which no picture should be")


def unreadable(error: Exception) -> str:
    """The sentence for a picture whose file could not be read or decoded.

    Args:
        error: what reading or decoding raised.

    Raises:
        Exception: ``error`` itself, where it is none of these.
    """
    if isinstance(error, ImageDecodeError):
        return str(error)
    if isinstance(error, MemoryError):
        return _NO_MEMORY
    if isinstance(error, OSError):
        return f"the file could not be read: {error.strerror or _first_line(error)}"
    raise error


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:200] if lines else type(error).__name__


def record_of(
    path: str,
    read: Callable[[], bytes],
    analyzer: Analyzer,
    traits: Collection[TraitName],
    room: PixelBudget,
) -> tuple[dict[str, Any], int | None]:
    """The record of one picture, as ``tables.picture_record`` gives it, and the size of its file in bytes.

    The size is None where the file could not be read.

    Args:
        path: as the user gave it.
        read: gives what the file holds, or raises what ``unreadable`` turns into a sentence.
        analyzer: what looks at the picture.
        traits: what to estimate.
        room: bounds the memory of the pictures that several threads decode and analyse at once.
    """
    size: int | None = None
    try:
        data = read()
        size = len(data)
        with room.room_for(data):
            decoded = decode(data)
            result = replace(analyzer.analyze(decoded.pixels, traits), incomplete=decoded.incomplete)
    except (ImageDecodeError, MemoryError, OSError) as error:
        return picture_record(path, None, unreadable(error)), size
    return picture_record(path, result, None), size


def room_for(threads: int) -> PixelBudget:
    """Room for so many photos of 16 megapixels at once, and at least for the largest picture that is read.

    Args:
        threads: that analyse pictures.
    """
    return PixelBudget(max(MAX_PIXELS, threads * _PIXELS_PER_THREAD), least=1)
