"""What `python -m facetraits watch` says while it counts, and the signals that end it."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack
from types import FrameType
from typing import TYPE_CHECKING, Any, Final, Self

from tqdm import tqdm

if TYPE_CHECKING:
    from facetraits.visitors.recording import SourceStatus

_LINE_EVERY_S: Final = 60.0  # where stderr is no terminal
_STATE_WORDS: Final = {
    "connecting": "connecting",
    "live": "watching",
    "lost": "trying again",
    "ended": "done",
    "failed": "failed",
}


class Progress:
    """A line on stderr for each source.

    There is no progress bar, because a camera has no end. Without a terminal, each source gets one line a minute, and
    one when it fails.
    """

    def __enter__(self) -> Self:
        self._lines: list[Any] = []
        self._due_s = float("-inf")
        self._failed: set[str] = set()
        self._held = ExitStack()
        return self

    def __exit__(self, *of_error: object) -> None:
        self._held.close()

    def show(self, statuses: Sequence[SourceStatus]) -> None:
        """Show how they are doing now."""
        while len(self._lines) < len(statuses):
            line = tqdm(bar_format="{desc}", disable=None, leave=False, dynamic_ncols=True, position=len(self._lines))
            self._lines.append(self._held.enter_context(line))
        if self._lines and not self._lines[0].disable:
            for line, status in zip(self._lines, statuses, strict=True):
                line.set_description_str(words(status))
            return
        due = time.monotonic() >= self._due_s
        if due:
            self._due_s = time.monotonic() + _LINE_EVERY_S
        for status in statuses:
            fails = status.state == "failed" or (status.state in ("connecting", "lost") and bool(status.detail))
            if due or (fails and status.name not in self._failed):
                print(words(status), file=sys.stderr, flush=True)
            (self._failed.add if fails else self._failed.discard)(status.name)


def words(status: SourceStatus) -> str:
    """A source in one line."""
    parts = [_STATE_WORDS[status.state]]
    if status.progress is not None:
        parts = [f"{status.progress:.0%}"]
    parts += [f"{status.in_view} in view", counted(status.visits), f"{status.analyses_per_second:.1f} pictures/s"]
    if status.crossings is not None:
        parts.append("{} entered, {} left".format(*status.crossings))
    if status.unwritten:
        parts.append(f"{status.unwritten} not written yet")
    return f"{status.name}: {', '.join(parts)}" + (f" ({status.detail})" if status.detail else "")


def crossed(ended: Sequence[SourceStatus]) -> str:
    """How often their lines were crossed; empty where they have none."""
    crossings = [status.crossings for status in ended if status.crossings is not None]
    return "".join(f"; {entries} entered, {exits} left" for entries, exits in crossings)


def counted(visits: int) -> str:
    """As in "1 visit"."""
    return "1 visit" if visits == 1 else f"{visits} visits"


class Signals:
    """SIGTERM and Ctrl-C end the program cleanly; a second one ends it at once.

    Attributes:
        stopped: set by either.
        interrupted: it was Ctrl-C.
    """

    def __init__(self) -> None:
        self.stopped = threading.Event()
        self.interrupted = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        for number in (signal.SIGTERM, signal.SIGINT):
            self._before[number] = signal.signal(number, self._stop)
        return self

    def __exit__(self, *of_error: object) -> None:
        self._restore()

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self.interrupted = number == signal.SIGINT
        self.stopped.set()
        self._restore()

    def _restore(self) -> None:
        for number, before in self._before.items():
            signal.signal(number, before)
