"""What the tests of recording wait for and look at."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from facetraits.visitors.recording import Recording, SourceStatus
from facetraits.visitors.visit import Visit

BEGAN = datetime.now(UTC) - timedelta(days=1)

Start = Callable[..., Recording]


def wait_for(condition: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.02)


def status(recording: Recording, name: str = "door") -> SourceStatus:
    return next(s for s in recording.statuses() if s.name == name)


def is_over(recording: Recording, name: str = "door") -> Callable[[], bool]:
    return lambda: status(recording, name).state in ("ended", "failed")


def spans(visits: list[Visit], began: datetime = BEGAN) -> list[tuple[float, float]]:
    """Start and end of each visit in seconds after ``began``."""
    return [((v.started - began).total_seconds(), (v.started - began).total_seconds() + v.duration_s) for v in visits]
