"""Pace of work: rests between analyses, event rates, and growing pauses while something fails."""

from __future__ import annotations

from collections import deque
from typing import Final

RATE_OVER_S: Final = 3.0  # a rate is the mean over the last seconds

_REST: Final = 0.5
_REST_AFTER_FAILURE_S: Final = 0.5
_FAILURES_TO_LOG: Final = 2  # in a row: a single bad frame is not reported
_FIRST_PAUSE_S: Final = 1.0
_LONGEST_PAUSE_S: Final = 30.0


class Pace:
    """Controls how often a worker analyses frames, and notes failures.

    Decoding, drawing and encoding have priority, so the worker rests for at least half of an analysis's duration. It
    also limits the rate of analyses, because faces are followed between them.

    Args:
        shortest_period_s: from the beginning of one analysis to that of the next, in seconds.

    Attributes:
        failures: so far; in_a_row: of the last analyses.
    """

    def __init__(self, shortest_period_s: float) -> None:
        self._shortest_period_s = shortest_period_s
        self.failures = 0
        self.in_a_row = 0

    def rest_after(self, took_s: float) -> float:
        """Rest after an analysis of the given duration, in seconds."""
        return max(_REST * took_s, self._shortest_period_s - took_s)

    def succeeded(self) -> None:
        """Note an analysis that went well."""
        self.in_a_row = 0

    def failed(self) -> float:
        """Note an analysis that failed; returns how long to rest, in seconds."""
        self.failures += 1
        self.in_a_row += 1
        return _REST_AFTER_FAILURE_S

    @property
    def failing(self) -> bool:
        """Whether the last analyses have all failed."""
        return self.in_a_row >= _FAILURES_TO_LOG

    @property
    def begins_to_fail(self) -> bool:
        """Whether to log a failure now: a source that keeps failing must not fill the log."""
        return self.in_a_row == _FAILURES_TO_LOG


class RateCounter:
    """Counts events, and how many there were per second lately.

    Args:
        started_s: when counting begins, on the clock that ``count`` is told.
    """

    def __init__(self, started_s: float) -> None:
        self._started_s = started_s
        self._times: deque[float] = deque()
        self.last_s = started_s
        self.total = 0

    def count(self, time_s: float) -> None:
        """Note an event."""
        self.total += 1
        self.last_s = time_s
        self._times.append(time_s)
        while time_s - self._times[0] > RATE_OVER_S:
            self._times.popleft()

    def per_second(self, now_s: float) -> float:
        """The mean over the last seconds, or over those since the beginning."""
        recent = sum(now_s - t <= RATE_OVER_S for t in self._times)
        return recent / max(min(RATE_OVER_S, now_s - self._started_s), 1.0)


class BackOff:
    """Pauses before something is tried again: 1 s, doubled each time, up to 30 s."""

    def __init__(self) -> None:
        self._pause_s = _FIRST_PAUSE_S

    def reset(self) -> None:
        """After a success: the next pause is the shortest again."""
        self._pause_s = _FIRST_PAUSE_S

    def next_pause_s(self) -> float:
        """The pause before the next try, in seconds."""
        pause_s, self._pause_s = self._pause_s, min(2 * self._pause_s, _LONGEST_PAUSE_S)
        return pause_s
