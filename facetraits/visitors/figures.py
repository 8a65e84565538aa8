"""What a source has done so far, in numbers, for whoever supervises it."""

from __future__ import annotations

import threading
from bisect import bisect_left
from dataclasses import dataclass
from typing import Final

# Upper ends of the classes of delays, in seconds; longer ones are in a class of their own.
DELAYS_S: Final = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


@dataclass(frozen=True, slots=True)
class SourceFigures:
    """Numbers of one source since its start.

    Attributes:
        name: of the source.
        live: it shows what happens now, and is neither over nor lost.
        analysed: pictures.
        per_second: pictures analysed over the last seconds.
        dropped: pictures of a camera that came while another one was looked at, and were never analysed.
        failed: pictures that could not be analysed.
        losses: failed connections and lost ones.
        reconnections: connections that gave pictures again after a loss.
        delays: numbers of pictures by the time from their arrival to the answer, in the classes of ``DELAYS_S`` and a
            last one; only of cameras.
        delay_s: sum of these times, in seconds.
        visits: counted.
        unwritten: visits that are not in the database yet, or not in their newest state.
    """

    name: str
    live: bool
    analysed: int
    per_second: float
    dropped: int
    failed: int
    losses: int
    reconnections: int
    delays: tuple[int, ...]
    delay_s: float
    visits: int
    unwritten: int


class Tally:
    """Counts what a source does. Thread-safe.

    Attributes:
        dropped, losses, reconnections, delay_s: as ``SourceFigures``.
    """

    def __init__(self) -> None:
        self.dropped = self.losses = self.reconnections = 0
        self.delay_s = 0.0
        self._delays = [0] * (len(DELAYS_S) + 1)
        self._lost = False
        self._lock = threading.Lock()

    @property
    def delays(self) -> tuple[int, ...]:
        """As ``SourceFigures``."""
        with self._lock:
            return tuple(self._delays)

    def drop(self, pictures: int) -> None:
        """So many pictures were never looked at."""
        with self._lock:
            self.dropped += pictures

    def lose(self) -> None:
        """There is no connection."""
        with self._lock:
            self.losses += 1
            self._lost = True

    def connected(self) -> None:
        """A picture has come."""
        with self._lock:
            self.reconnections += self._lost
            self._lost = False

    def answered(self, delay_s: float) -> None:
        """A picture was analysed so long after it had come."""
        with self._lock:
            self._delays[bisect_left(DELAYS_S, delay_s)] += 1
            self.delay_s += delay_s
