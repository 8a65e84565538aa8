"""How many pixels may be in work at once in this process: memory is bounded for all visitors together."""

from __future__ import annotations

import contextlib
import ctypes
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from facetraits.faces.images import Decoded, decode, picture_pixels

# Of one picture that a page takes: more shows no more of a face, and 50 megapixels are what the largest cameras make.
PAGE_MAX_PIXELS: Final = 50_000_000
_AT_ONCE: Final = 64_000_000
# To search a picture for faces takes up to 300 MB, whatever its size: no more than two at once, one for each core of a
# small server.
_LEAST: Final = _AT_ONCE // 2

_MMAP_THRESHOLD: Final = -3  # M_MMAP_THRESHOLD of malloc.h
_LARGE_BLOCK: Final = 4 << 20


def _give_large_blocks_back() -> None:
    """Have glibc give large blocks back to the system when they are freed.

    By itself it comes to keep blocks of up to 32 MB, for each thread apart: with a thread for each visitor the pictures
    of all who ever came stay in memory.
    """
    with contextlib.suppress(OSError, AttributeError):  # no glibc
        ctypes.CDLL("libc.so.6").mallopt(_MMAP_THRESHOLD, _LARGE_BLOCK)


_give_large_blocks_back()


class PixelBudget:
    """A weighted semaphore: whoever has come first gets room first, however large the picture is.

    Args:
        pixels: how many may be in work at once; a picture that is larger waits until it has all of them.
        least: as how many a smaller picture counts.
    """

    def __init__(self, pixels: int = _AT_ONCE, least: int = _LEAST) -> None:
        self._all = self._free = pixels
        self._least = least
        self._changed = threading.Condition()
        self._queue: deque[object] = deque()

    @contextmanager
    def room_for(self, data: bytes) -> Iterator[None]:
        """Wait for room for the picture that a file holds, and keep it.

        Args:
            data: the whole file; one that holds no picture takes no room.
        """
        pixels = picture_pixels(data)
        wanted = min(max(pixels, self._least), self._all) if pixels else 0
        place = object()
        with self._changed:
            self._queue.append(place)
            try:
                self._changed.wait_for(lambda: self._queue[0] is place and self._free >= wanted)
                self._free -= wanted
            finally:
                self._queue.remove(place)
                self._changed.notify_all()
        try:
            yield
        finally:
            with self._changed:
                self._free += wanted
                self._changed.notify_all()


_IN_WORK: Final = PixelBudget()


@contextmanager
def decoded_in_turn(data: bytes) -> Iterator[Decoded]:
    """The picture of a file that a page was given; its room is kept until the block ends.

    Raises:
        ImageDecodeError: as of ``decode``; also for more than ``PAGE_MAX_PIXELS``.
    """
    with _IN_WORK.room_for(data):
        yield decode(data, PAGE_MAX_PIXELS)
