"""One source of visits: its counter and its state."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from facetraits.types import AnalysisResult
from facetraits.video.pace import RATE_OVER_S, Pace, RateCounter
from facetraits.video.stay import FLICKER_S
from facetraits.video.tracked import TrackedFace
from facetraits.visitors.counting import Step, VisitCounter
from facetraits.visitors.figures import SourceFigures, Tally
from facetraits.visitors.identity import RecordingIds
from facetraits.visitors.layout import NO_LAYOUT, Layout
from facetraits.visitors.outbox import Outbox
from facetraits.visitors.still import still_of
from facetraits.visitors.turns import Turn, Turns
from facetraits.visitors.visit import Settings, Visit

_LOG: Final = logging.getLogger(__name__)

SourceKind = Literal["webcam", "file", "camera"]
SourceState = Literal["connecting", "live", "lost", "ended", "failed"]

_UPDATE_EVERY_S: Final = 2.0
_ANALYSIS_FAILS: Final = "The analysis of the pictures fails because of a bug in this program. See its log for details."
_FRAMELESS_S: Final = 0.9  # browsers send at least five pictures a second
_SILENT_S: Final = 3.0  # after this long without an analysis, a webcam counts as disconnected

_SHORTEST_PERIOD_S: Final = 1 / 10  # more often does not help tracking


@dataclass(frozen=True, slots=True)
class SourceStatus:
    """How a source is doing.

    Attributes:
        name: as given.
        kind: what it is.
        state: "connecting" until the first picture, "lost" while it is tried again, "ended" and "failed" for good.
        detail: one sentence for the owner about what is wrong; empty where nothing is.
        in_view: visitors now.
        visits: counted since the start; it decreases if a person turns out to have been counted twice.
        progress: share of a file that is done, in [0, 1]; None where that is unknown.
        analyses_per_second: over the last seconds.
        unwritten: visits not written yet; they are kept in memory and retried.
        crossings: of its counting line, to come in and to go out; None where it has none.
        silent: a webcam has sent no picture for a second.
    """

    name: str
    kind: SourceKind
    state: SourceState
    detail: str
    in_view: int
    visits: int
    progress: float | None
    analyses_per_second: float
    unwritten: int
    crossings: tuple[int, int] | None = None
    silent: bool = False

    @property
    def recording(self) -> bool:
        """Whether it counts now, or is a camera or file that goes on by itself."""
        return self.at_work and not (self.kind == "webcam" and (self.silent or self.state != "live"))

    @property
    def at_work(self) -> bool:
        """Whether it is counting, or will count once pictures arrive."""
        return self.state in ("connecting", "live", "lost")


class Source:
    """Counter and state of one source. Thread-safe.

    Args:
        name: as in ``Visit``.
        kind: what it is.
        settings: what counts as a visit.
        outbox: where visits go.
        on_entered: called when there are new ones.
        began: when the clock of its frames showed 0; None for the clock ``time.monotonic``.
        ids: of the visits of a recorded video.
        layout: its counting line and ignored areas now.
        turns: at the analyzer; None where it shares it with nobody.

    Attributes:
        tally: what it has done.
        turn: its turns at the analyzer.
    """

    def __init__(
        self,
        name: str,
        kind: SourceKind,
        settings: Callable[[], Settings],
        outbox: Outbox,
        on_entered: Callable[[], None],
        began: datetime | None = None,
        ids: RecordingIds | None = None,
        layout: Callable[[], Layout] = lambda: NO_LAYOUT,
        turns: Turns | None = None,
    ) -> None:
        self.name = name
        self.kind = kind
        self.tally = Tally()
        self.turn = Turn(turns or Turns(1))
        self._settings = settings
        self._outbox = outbox
        self._on_entered = on_entered
        self._lives_now = began is None
        self._lock = threading.RLock()
        self._counter = VisitCounter(name, settings(), began or _began_now(), None if ids is None else ids.of)
        self._state: SourceState = "connecting"
        self._detail = ""
        self._progress: float | None = None
        self._analyses = RateCounter(time.monotonic())
        self.pace = Pace(_SHORTEST_PERIOD_S)
        self._updated_s = float("-inf")
        self._finished = False
        self._stopping = threading.Event()
        self._on_stop: Callable[[], None] | None = None
        self._layout = layout
        self._frame_s = float("-inf")
        self._still: bytes | None = None
        self._still_wanted = False
        self._thread: threading.Thread | None = None

    # -- its worker ---------------------------------------------------------------------------------------------------

    def start(self, work: Callable[[], None]) -> None:
        """Run the worker in a thread of its own, named after the source."""
        self._thread = threading.Thread(target=work, name=f"source {self.name}", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ask the worker to end."""
        self._stopping.set()
        self.turn.cancel()
        with self._lock:
            on_stop = self._on_stop
        if on_stop is not None:
            on_stop()

    def when_stopped(self, call: Callable[[], None]) -> None:
        """Add a callback for ``stop``; it is called at once if the source is already stopped."""
        with self._lock:
            self._on_stop = call
        if self.stopped:
            call()

    def join(self, timeout_s: float) -> None:
        """Wait for the worker to end."""
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(max(0.0, timeout_s))

    def wait(self, seconds: float) -> None:
        """Sleep, but no longer than until ``stop``."""
        self._stopping.wait(seconds)

    @property
    def stopped(self) -> bool:
        """Whether ``stop`` was called."""
        return self._stopping.is_set()

    @property
    def settings(self) -> Settings:
        """What counts as a visit now."""
        return self._settings()

    # -- what it sees -------------------------------------------------------------------------------------------------

    def add_faces(self, tracked: Sequence[TrackedFace], time_s: float, size_wh: tuple[int, int] | None = None) -> None:
        """Take in the faces of an analysed frame; the arguments are those of ``VisitCounter.add_faces``."""
        with self._lock:
            if self._finished:
                return
            self._state, self._detail = "live", ""
            self.pace.succeeded()
            self._analyses.count(time.monotonic())
            self._set_counter()
            step = self._counter.add_faces(tracked, time_s, size_wh)
            self._hand_over(step, time_s)
        if step.entered:
            self._on_entered()

    def _set_counter(self) -> None:
        self._counter.settings = self._settings()
        self._counter.layout = self._layout()
        if self._lives_now:  # anew each time: the clock of the day may be set, or the machine sleep
            self._counter.began = _began_now()

    def _hand_over(self, step: Step, time_s: float) -> None:
        self._outbox.add(self._as_stored(step.entered))
        self._outbox.withdraw(step.withdrawn)
        self._outbox.update(self._as_stored(step.left))
        if time_s - self._updated_s >= _UPDATE_EVERY_S:
            self._updated_s = time_s
            self._outbox.update(self._as_stored(self._counter.current()))

    def _as_stored(self, visits: Sequence[Visit]) -> Sequence[Visit]:
        """Visits in a recorded video are stored as ended, even while the video is still being read."""
        return visits if self._lives_now else [replace(visit, ended=True) for visit in visits]

    def tick(self) -> None:
        """Let time pass without frames: visitors of a lost camera leave after a while."""
        with self._lock:
            now = time.monotonic()
            if not self._lives_now or self._finished or not self._analyses.total:
                return
            silent_s = now - self._analyses.last_s
            if silent_s > max(FLICKER_S, RATE_OVER_S):
                self._set_counter()
                self._hand_over(self._counter.wait(now), now)
            if self.kind == "webcam" and silent_s > _SILENT_S and self._state == "live":
                self._state, self._detail = "lost", "The webcam sends no pictures."

    def analysis_failed(self) -> float:
        """A frame could not be analysed; returns how long to rest, in seconds."""
        with self._lock:
            rest_s = self.pace.failed()
            if self.pace.begins_to_fail:
                _LOG.exception("pictures of the source %s could not be analysed", self.name)
            if self.pace.failing:
                self._detail = _ANALYSIS_FAILS
            return rest_s

    def frame_came(self) -> None:
        """A webcam has sent a picture, which may or may not be analysed."""
        self._frame_s = time.monotonic()

    # -- a still picture ----------------------------------------------------------------------------------------------

    def want_still(self) -> None:
        """Have the next frame kept as a still picture, once."""
        with self._lock:
            self._still, self._still_wanted = None, True

    def offer_still(self, image: NDArray[np.uint8], result: AnalysisResult) -> None:
        """Keep the frame as a still picture if one is wanted."""
        if self._still_wanted:
            still = still_of(image, result)
            with self._lock:
                self._still, self._still_wanted = still, False

    def take_still(self) -> bytes | None:
        """The still picture, as of ``still_of``, which is then forgotten; None while there is none."""
        with self._lock:
            still, self._still = self._still, None
            return still

    # -- how it is doing ----------------------------------------------------------------------------------------------

    def lost(self, why: str) -> None:
        """The connection was lost; a camera that never responded stays in state "connecting"."""
        self.tally.lose()
        with self._lock:
            self._detail = why
            if self._state == "live":
                self._state = "lost"

    def progressed(self, share: float | None) -> None:
        """So much of a file is done."""
        with self._lock:
            self._progress = share

    def fail(self, why: str) -> None:
        """It is over, and why."""
        with self._lock:
            self._state, self._detail = "failed", why

    def complete(self) -> None:
        """It is over as it should be."""
        with self._lock:
            self._outbox.add(self._as_stored(self._counter.complete().entered))
            self._state, self._progress = "ended", 1.0

    def restart(self) -> None:
        """Track numbers restart: everybody in view has left."""
        with self._lock:
            self._outbox.update(self._counter.finish())

    def finish(self) -> None:
        """Everybody in view has left, and counting ends."""
        with self._lock:
            self._finished = True
            self._still, self._still_wanted = None, False
            self._outbox.update(self._counter.finish())
            if self._state not in ("failed", "ended"):
                self._state = "ended"

    @property
    def needs_name(self) -> bool:
        """Whether nobody else may have its name: it is not over, and is no webcam that has fallen silent."""
        gone = self._state in ("ended", "failed") or (self.kind == "webcam" and self._state == "lost")
        return not self._finished and not gone

    @property
    def over(self) -> bool:
        """Whether nothing is counted any more."""
        return self._finished

    def status(self, trouble: str, unwritten: int) -> SourceStatus:
        """How it is doing.

        Args:
            trouble: what is wrong with the database; empty where nothing is.
            unwritten: number of visits not written yet.
        """
        with self._lock:
            return SourceStatus(
                name=self.name,
                kind=self.kind,
                state=self._state,
                detail=self._detail or (trouble if unwritten else ""),
                in_view=self._counter.in_view,
                visits=self._counter.visits,
                progress=self._progress,
                analyses_per_second=0.0 if self._finished else self._analyses.per_second(time.monotonic()),
                unwritten=unwritten,
                crossings=self._crossings(),
                silent=self.kind == "webcam" and time.monotonic() - self._frame_s > _FRAMELESS_S,
            )

    def figures(self, unwritten: int) -> SourceFigures:
        """What it has done so far.

        Args:
            unwritten: number of visits not written yet.
        """
        with self._lock:
            return SourceFigures(
                name=self.name,
                live=self._state == "live" and not self._finished,
                analysed=self._analyses.total,
                per_second=0.0 if self._finished else self._analyses.per_second(time.monotonic()),
                dropped=self.tally.dropped,
                failed=self.pace.failures,
                losses=self.tally.losses,
                reconnections=self.tally.reconnections,
                delays=self.tally.delays,
                delay_s=self.tally.delay_s,
                visits=self._counter.visits,
                unwritten=unwritten,
            )

    def _crossings(self) -> tuple[int, int] | None:
        found = self._counter.entries, self._counter.exits
        return found if any(found) or self._layout().line is not None else None


def _began_now() -> datetime:
    """When ``time.monotonic`` showed 0, by today's calendar."""
    return datetime.now(UTC) - timedelta(seconds=time.monotonic())
