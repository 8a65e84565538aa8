"""Turns at the analyzer that several sources share: who has waited longest comes next."""

from __future__ import annotations

import threading
from collections import deque


class Turns:
    """Lets a few sources at a time analyse a picture, in the order in which they ask.

    A source asks again only after its turn, so that with n sources none waits for more than n - 1 others. One that has
    no picture does not ask, and holds up nobody.

    Args:
        at_once: how many may have a turn at the same time, >= 1.
    """

    def __init__(self, at_once: int) -> None:
        self._free = at_once
        self._changed = threading.Condition()
        self._waiting: deque[Turn] = deque()

    def enter(self, turn: Turn) -> bool:
        """Wait until it is this one's turn; False where it was cancelled."""
        with self._changed:
            self._waiting.append(turn)
            self._changed.wait_for(lambda: turn.cancelled or (self._free > 0 and self._waiting[0] is turn))
            self._waiting.remove(turn)
            if not turn.cancelled:
                self._free -= 1
            self._changed.notify_all()  # more than one may be free
            return not turn.cancelled

    def leave(self) -> None:
        """Let the next one in."""
        with self._changed:
            self._free += 1
            self._changed.notify_all()

    def cancel(self, turn: Turn) -> None:
        """Let this one wait no longer, now or ever."""
        with self._changed:
            turn.cancelled = True
            self._changed.notify_all()


class Turn:
    """The turns of one source; only its worker takes them.

    Attributes:
        cancelled: the source was stopped.
    """

    def __init__(self, turns: Turns) -> None:
        self.cancelled = False
        self._turns = turns
        self._held = False

    def take(self) -> bool:
        """Wait for a turn, unless it is held already; False where the source was stopped."""
        if not self._held:
            self._held = self._turns.enter(self)
        return self._held

    def give(self) -> None:
        """End the turn, if it is held."""
        if self._held:
            self._held = False
            self._turns.leave()

    def cancel(self) -> None:
        """The source was stopped; from any thread. A turn that is held goes on."""
        self._turns.cancel(self)
