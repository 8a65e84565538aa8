"""Live video: every frame gets boxes at once, while a worker analyses the newest frame as often as possible."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from facetraits.traits import TRAITS, TraitName
from facetraits.types import AnalysisResult, FaceDetection, FaceResult
from facetraits.video.following import FaceFollower
from facetraits.video.pace import Pace, RateCounter
from facetraits.video.tracked import TrackedFace, give_back
from facetraits.video.tracking import FaceTracker

_LOG: Final = logging.getLogger(__name__)

_GREY_WIDTH_PX: Final = 320  # enough to follow faces in

_SHORTEST_PERIOD_S: Final = 1 / 12

IDLE_S: Final = 3.0  # after this long without a frame the worker ends and deletes its state
_LOST_AFTER_S: Final = 0.4  # a face that can no longer be followed keeps its place for this long ...
_STALE_AFTER_S: Final = 3.0  # ... and a followed face is kept this long after its last analysis

_HISTORY_S: Final = 60.0
_HISTORY_STEP_S: Final = 1.0
_REMEMBERED_S: Final = 6.0  # a person is still listed for this long after leaving


class Analyzer(Protocol):
    """What ``FaceAnalyzer`` does, and what stands in for it in tests."""

    def analyze(self, image: NDArray[np.uint8], traits: Collection[TraitName] = TRAITS) -> AnalysisResult:
        """See ``FaceAnalyzer.analyze``."""


@dataclass(frozen=True, slots=True, eq=False)
class NumberedFaces:
    """Faces of one frame with the numbers of their tracks, as ``annotate`` takes them."""

    result: AnalysisResult
    numbers: tuple[int, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Person:
    """A person in view, or who left a moment ago.

    Attributes:
        tracked: the face as it was seen last.
        in_view: whether it was found in the newest analysed frame.
        expressions: (T, 1 + C) of the last minute, the oldest first: seconds ago, then the probability of each class;
            T may be 0.
    """

    tracked: TrackedFace
    in_view: bool
    expressions: NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class LiveSnapshot:
    """The state of a live analysis at one moment.

    Attributes:
        people: in the order of their numbers.
        image: (H, W, 3) RGB, the newest analysed frame; None before the first.
        faces: what was found in ``image``.
        frames_per_second, analyses_per_second: over the last seconds.
        delay_ms: from a frame's arrival to its answer, median of the last ones; None before the first.
        frames, analyses, failures: since the stream began.
        failing: the last analyses have all failed.
    """

    people: tuple[Person, ...]
    image: NDArray[np.uint8] | None
    faces: NumberedFaces | None
    frames_per_second: float
    analyses_per_second: float
    delay_ms: float | None
    frames: int
    analyses: int
    failures: int
    failing: bool


class LiveAnalysis:
    """Analyses one stream of frames in a worker thread of its own.

    ``add_frame`` belongs to the thread that brings the frames and never waits for an analysis; everything else may be
    called from any thread. The worker starts with the first frame. It ends with ``end``, or when no frame comes for
    some seconds, and leaves no picture behind; the next frame starts it afresh.

    Args:
        analyzer: may be shared by many streams.
        clock: seconds that only grow.
        keep_s: how long a person out of view keeps the number, in seconds, > 0.
        idle_s: after this long without a frame the worker ends and deletes its state, in seconds, > 0.
        on_started: called in the worker before its first analysis: numbers begin anew.
        on_tracked: called in the worker after each analysis with the faces in view and the time of their frame on
            ``clock``. After ``end`` neither is called for older frames. An error in a callback is
            logged once and does not stop the analysis.

    Attributes:
        keep_s: may be changed at any time.
    """

    def __init__(
        self,
        analyzer: Analyzer,
        clock: Callable[[], float] = time.monotonic,
        keep_s: float = 2.5,
        idle_s: float = IDLE_S,
        on_started: Callable[[], None] | None = None,
        on_tracked: Callable[[tuple[TrackedFace, ...], float], None] | None = None,
    ) -> None:
        self._analyzer = analyzer
        self._clock = clock
        self.keep_s = keep_s
        self._idle_s = idle_s
        self._on_started = on_started
        self._on_tracked = on_tracked
        self._notifying = threading.Lock()  # so that listeners get no events of an old run after a new one has started
        self._listener_failed = False
        self._changed = threading.Condition()
        self._run: _Run | None = None
        self._traits: tuple[TraitName, ...] = tuple(TRAITS)

    @property
    def traits(self) -> tuple[TraitName, ...]:
        """What is estimated; may be changed at any time."""
        return self._traits

    @traits.setter
    def traits(self, traits: Collection[TraitName]) -> None:
        self._traits = tuple(t for t in TRAITS if t in traits)

    @property
    def active(self) -> bool:
        """Whether frames are coming in."""
        run = self._run
        return run is not None and self._clock() - run.frames.last_s < self._idle_s

    @property
    def running(self) -> bool:
        """Whether a worker is at work or about to be; not any more once ``end`` has been called."""
        return self._run is not None

    def add_frame(self, image: NDArray[np.uint8], still_connected: Callable[[], bool] = lambda: True) -> NumberedFaces:
        """Take the newest frame, and return at once the positions of known faces in it.

        Args:
            image: (H, W, 3) RGB; it is kept until the next one comes and must not be changed any more.
            still_connected: whether the frame's connection is still open. A frame of a closed connection starts no new
                run, if ``end`` is called after this has become False.
        """
        frame = _Frame(image, _small_grey(image), self._clock())
        with self._changed:
            if not still_connected():
                return _faces_now(None, frame)
            run = self._run
            if run is None:
                run = self._run = _Run(self._clock())
                threading.Thread(target=self._work, args=(run,), name="live-analysis", daemon=True).start()
            run.waiting = frame
            run.frames.count(frame.time_s)
            answer = run.answer
            self._changed.notify_all()
        return _faces_now(answer, frame)

    def snapshot(self) -> LiveSnapshot:
        """The state now."""
        now = self._clock()
        with self._changed:
            run = self._run
            if run is None:
                return LiveSnapshot((), None, None, 0.0, 0.0, None, 0, 0, 0, False)
            answer = run.answer
            return LiveSnapshot(
                people=run.people_at(now),
                image=answer.frame.image if answer else None,
                faces=answer.numbered if answer else None,
                frames_per_second=run.frames.per_second(now),
                analyses_per_second=run.analyses.per_second(now),
                delay_ms=float(np.median(run.delays_s)) * 1e3 if run.delays_s else None,
                frames=run.frames.total,
                analyses=run.analyses.total,
                failures=run.pace.failures,
                failing=run.pace.failing,
            )

    def end(self) -> None:
        """End the worker, without waiting for it, and forget everything."""
        with self._changed:
            self._run = None
            self._changed.notify_all()

    def _work(self, run: _Run) -> None:
        tracker = FaceTracker(self.keep_s)
        if self._on_started is not None:
            self._notify(run, self._on_started)
        while (frame := self._next_frame(run)) is not None:
            started = self._clock()
            try:
                result = self._analyzer.analyze(frame.image, self._traits)
                tracker.keep_s = self.keep_s
                tracked = tracker.update(result, frame.time_s, frame.image)
                answer = _Answer(frame, tracked, result.timings_ms)
            except Exception:
                rest = self._note_failure(run)
            else:
                ended = self._clock()
                with self._changed:
                    run.publish(answer, ended)
                if self._on_tracked is not None:
                    self._notify(run, partial(self._on_tracked, answer.tracked, frame.time_s))
                rest = run.pace.rest_after(ended - started)
            del frame
            with self._changed:
                self._changed.wait_for(lambda: self._run is not run, timeout=rest)

    def _next_frame(self, run: _Run) -> _Frame | None:
        """The newest frame that was not analysed; None where the run has ended."""
        with self._changed:
            self._changed.wait_for(lambda: self._run is not run or run.waiting is not None, timeout=self._idle_s)
            if self._run is not run:
                return None
            if run.waiting is None:
                self._run = None
                return None
            frame, run.waiting = run.waiting, None
            return frame

    def _notify(self, run: _Run, listener: Callable[[], None]) -> None:
        with self._notifying:
            if self._run is not run:
                return
            try:
                listener()
            except Exception:
                if not self._listener_failed:
                    _LOG.exception("a listener of a live analysis has failed")
                self._listener_failed = True

    def _note_failure(self, run: _Run) -> float:
        with self._changed:
            rest = run.pace.failed()
            first = run.pace.in_a_row == 1
        if first:  # a stream that keeps failing must not fill the log
            _LOG.exception("a frame could not be analysed")
        return rest


@dataclass(frozen=True, slots=True, eq=False)
class _Frame:
    image: NDArray[np.uint8]
    grey: NDArray[np.uint8]
    time_s: float


class _Answer:
    """One analysed frame and the way to carry its faces into later frames."""

    def __init__(self, frame: _Frame, tracked: Sequence[TrackedFace], timings_ms: Mapping[str, float]) -> None:
        self.frame = frame
        self.tracked = tuple(tracked)
        height, width = frame.image.shape[:2]
        self.numbered = NumberedFaces(
            AnalysisResult((width, height), tuple(t.face for t in self.tracked), timings_ms),
            tuple(t.track_id for t in self.tracked),
        )
        boxes = np.array([t.face.detection.box_xyxy for t in self.tracked], dtype=np.float32).reshape(-1, 4)
        self.follower = FaceFollower(frame.grey, boxes * (frame.grey.shape[1] / width))


class _Run:
    """What belongs to one stream from its first frame to its last; guarded by the lock of its ``LiveAnalysis``."""

    def __init__(self, now_s: float) -> None:
        self.waiting: _Frame | None = None
        self.answer: _Answer | None = None
        self.frames, self.analyses = RateCounter(now_s), RateCounter(now_s)
        self.delays_s: deque[float] = deque(maxlen=30)
        self.pace = Pace(_SHORTEST_PERIOD_S)
        self._seen: dict[int, TrackedFace] = {}
        self._expressions: dict[int, deque[tuple[float, NDArray[np.float32]]]] = {}

    def publish(self, answer: _Answer, now_s: float) -> None:
        self.answer = answer
        self.pace.succeeded()
        self.analyses.count(now_s)
        self.delays_s.append(now_s - answer.frame.time_s)
        for tracked in answer.tracked:
            for number in tracked.merged_numbers:
                self._merge_person(number, tracked.track_id)
            self._seen[tracked.track_id] = tracked
            self._remember_expression(tracked, answer.frame.time_s)
        for gone in [n for n, t in self._seen.items() if answer.frame.time_s - t.last_seen_s > _REMEMBERED_S]:
            del self._seen[gone]
            self._expressions.pop(gone, None)

    def _merge_person(self, number: int, owner: int) -> None:
        """Merge the listed person of a withdrawn number into the person with the other number."""
        self._seen.pop(number, None)
        give_back(self._expressions, owner, number, deque.extend)

    def _remember_expression(self, tracked: TrackedFace, time_s: float) -> None:
        expression = tracked.face.traits.expression
        if expression is None:
            self._expressions.pop(tracked.track_id, None)
            return
        history = self._expressions.setdefault(tracked.track_id, deque())
        if not history or time_s - history[-1][0] >= _HISTORY_STEP_S:
            history.append((time_s, expression.probabilities))
        while time_s - history[0][0] > _HISTORY_S:
            history.popleft()

    def people_at(self, now_s: float) -> tuple[Person, ...]:
        in_view = set(self.answer.numbered.numbers) if self.answer else set()
        people = []
        for number, tracked in sorted(self._seen.items()):
            rows = [np.concatenate([[now_s - t], p]) for t, p in self._expressions.get(number, ())]
            people.append(Person(tracked, number in in_view, np.array(rows, dtype=np.float32)))
        return tuple(people)


def _small_grey(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    height, width = image.shape[:2]
    small_wh = (_GREY_WIDTH_PX, max(1, round(height * _GREY_WIDTH_PX / width)))
    small = cv2.resize(image, small_wh, interpolation=cv2.INTER_AREA)
    return cv2.cvtColor(small, cv2.COLOR_RGB2GRAY)  # type: ignore[return-value]


def _faces_now(answer: _Answer | None, frame: _Frame) -> NumberedFaces:
    """The faces of the newest answer, moved to where they are in ``frame``."""
    height, width = frame.image.shape[:2]
    nobody = NumberedFaces(AnalysisResult((width, height), (), {}), ())
    if answer is None or answer.frame.grey.shape != frame.grey.shape:
        return nobody
    age_s = frame.time_s - answer.frame.time_s
    if not answer.tracked or age_s > _STALE_AFTER_S:
        return nobody
    boxes, followed = answer.follower.locate(frame.grey)
    to_grey = frame.grey.shape[1] / width  # a connection may change the size of its frames at any time
    shown = [i for i in range(len(boxes)) if followed[i] or age_s < _LOST_AFTER_S]
    faces = tuple(_moved(answer.tracked[i].face, boxes[i] / to_grey) for i in shown)
    return NumberedFaces(AnalysisResult((width, height), faces, {}), tuple(answer.tracked[i].track_id for i in shown))


def _moved(face: FaceResult, box_xyxy: NDArray[np.float32]) -> FaceResult:
    """The face with its box moved and zoomed to ``box_xyxy``, and its landmarks with it."""
    old = face.detection.box_xyxy
    zoom = (box_xyxy[2:] - box_xyxy[:2]) / (old[2:] - old[:2])
    landmarks = (face.detection.landmarks - old[:2]) * zoom + box_xyxy[:2]
    return replace(face, detection=FaceDetection(box_xyxy, landmarks, face.detection.score))
