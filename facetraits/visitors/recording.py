"""Recording: one worker per source; all of them write into one database."""

from __future__ import annotations

import atexit
import logging
import os
import threading
import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from facetraits.errors import UserError
from facetraits.registry import ModelIntegrityError
from facetraits.types import AnalysisResult
from facetraits.video.live import Analyzer
from facetraits.video.sources import VideoError
from facetraits.video.tracked import TrackedFace
from facetraits.visitors.figures import SourceFigures
from facetraits.visitors.identity import RecordingIds
from facetraits.visitors.inputs import FrameSource
from facetraits.visitors.layout import Layout
from facetraits.visitors.outbox import Outbox, VisitWriter
from facetraits.visitors.retention import start_retention
from facetraits.visitors.source import Source, SourceKind, SourceStatus
from facetraits.visitors.turns import Turns
from facetraits.visitors.visit import LONGEST_SOURCE, Settings
from facetraits.visitors.watching import Watch

if TYPE_CHECKING:
    from facetraits.visitors.store import VisitStore

__all__ = ["Recording", "SourceStatus", "WebcamSource"]

_LOG: Final = logging.getLogger(__name__)

_LEAST_FLUSH_S: Final = 1.0


class Recording:
    """All sources that record into one database; there is one per process. Thread-safe.

    Visits are written when they begin, every two seconds while they last, and when they are over. While the database
    fails, they are kept in memory and retried with growing pauses, also after all sources have ended, and a last time
    when the program ends. The settings are read from the database every few seconds. Old visits are deleted at the
    start and every hour. Cameras and files take turns at the analyzer, as many at once as there are processors.

    Args:
        store: where the visits go; it stays open.
        analyzer: what looks at the frames, or what loads it when the first source starts; used by several threads.
        settings: what to use instead of the settings in the database.
        layouts: what to use instead of the lines and areas in the database, by source.
    """

    def __init__(
        self,
        store: VisitStore,
        analyzer: Callable[[], Analyzer] | Analyzer,
        settings: Callable[[], Settings] | None = None,
        layouts: Callable[[], Mapping[str, Layout]] | None = None,
    ) -> None:
        self._store = store
        self._analyzer = analyzer
        self._loading = threading.Lock()
        self._read_settings = settings or store.settings
        self._read_layouts = layouts or store.layouts
        self._lock = threading.RLock()
        self._sources: dict[str, Source] = {}
        self._webcams: weakref.WeakSet[WebcamSource] = weakref.WeakSet()
        self._outbox = Outbox()
        self._turns = Turns(os.cpu_count() or 1)
        self._writer: VisitWriter | None = None
        atexit.register(_stop_all, weakref.ref(self))
        start_retention(store)

    def start(self, name: str, frames: FrameSource) -> int:
        """Watch a source in a thread of its own until it ends or is stopped.

        Returns:
            How many visits of this recording the log has already; they are not counted again, and keep what was put in
            by hand.

        Raises:
            ValueError: the name is taken or too long, or the source cannot be watched; the message is a sentence for
                the owner.
        """
        frames.check(self._look_after().refresh())
        ids = frames.ids(name)
        with self._lock:
            source = self._new_source(name, frames.kind, frames.began, ids)
            source.start(lambda: self._guarded(source, frames))
        return self._known(ids)

    def webcam(self, name: str) -> WebcamSource:
        """What the ``LiveAnalysis`` of a browser's webcam has to call; it is listed as a source while that runs.

        Raises:
            ValueError: the name is taken or too long.
        """
        self._look_after().refresh()
        with self._lock:
            self._check_name(name)
            webcam = WebcamSource(self, name)
            self._webcams.add(webcam)
        return webcam

    def stop(self, name: str, timeout_s: float = 5.0) -> None:
        """End a source, write its visits as ended, and remove it from the list. An unknown name is ignored.

        This also applies to a webcam of that name that has not sent anything yet.
        """
        with self._lock:
            source = self._sources.pop(name, None)
            for webcam in self._webcams:
                webcam.over |= webcam.name == name if source is None else webcam.source is source
        if source is not None:
            self._end([source], timeout_s)

    def stop_all(self, timeout_s: float = 5.0) -> tuple[SourceStatus, ...]:
        """End all sources, also webcams that have not sent anything yet. New sources may be started afterwards.

        Visits that are still unwritten are retried while the program runs; see ``unwritten``.

        Returns:
            How each of them ended.
        """
        with self._lock:
            sources = list(self._sources.values())
            self._sources.clear()
            for webcam in self._webcams:
                webcam.over = True
        self._end(sources, timeout_s)
        ended = self._statuses_of(sources)
        with self._lock:
            writer = self._writer
            if self._sources or writer is None or len(self._outbox):
                return ended
            self._writer = None
        writer.close(timeout_s)
        return ended

    def statuses(self) -> tuple[SourceStatus, ...]:
        """All sources in the order of their start; files that are over are listed until they are stopped."""
        with self._lock:
            sources = list(self._sources.values())
        return self._statuses_of(sources)

    def _statuses_of(self, sources: Sequence[Source]) -> tuple[SourceStatus, ...]:
        writer = self._writer
        trouble = "" if writer is None else writer.trouble
        return tuple(s.status(trouble, self._outbox.waiting(s.name) if trouble else 0) for s in sources)

    def figures(self) -> tuple[SourceFigures, ...]:
        """What all sources have done so far, in the order of their start."""
        with self._lock:
            sources = list(self._sources.values())
        return tuple(source.figures(self._outbox.waiting(source.name)) for source in sources)

    def refresh(self) -> None:
        """Read settings and lines now instead of a few seconds later."""
        self._look_after().refresh()

    def want_still(self, name: str) -> None:
        """Have the source keep its next frame for ``take_still``; an unknown name is ignored."""
        with self._lock:
            source = self._sources.get(name)
        if source is not None:
            source.want_still()

    def take_still(self, name: str) -> bytes | None:
        """The still picture of the source as of ``still_of``, once; None while there is none."""
        with self._lock:
            source = self._sources.get(name)
        return None if source is None else source.take_still()

    def unwritten(self) -> int:
        """Number of unwritten visits, including those of ended sources."""
        return len(self._outbox)

    def register_webcam(self, webcam: WebcamSource, still_connected: Callable[[], bool]) -> None:
        """List a webcam that starts to send, unless it was stopped. If its name is taken, it gets another one."""
        if webcam.over:
            return
        self._look_after().ensure_settings()
        with self._lock:  # whoever stops it holds the lock too, so that it is listed before that or not at all
            if webcam.over or not still_connected():
                return
            free = webcam.name
            number = 2
            while free in self._sources and self._sources[free].needs_name:
                free = f"{webcam.name[: LONGEST_SOURCE - 5]} {number}"
                number += 1
            webcam.source = self._new_source(free, "webcam", None)
            webcam.name = free

    def close_webcam(self, webcam: WebcamSource) -> None:
        """List a webcam no more, also where it is about to send."""
        with self._lock:
            webcam.over = True

    def unregister(self, source: Source) -> None:
        """A webcam has ended: its visits too."""
        source.finish()
        with self._lock:
            if self._sources.get(source.name) is source:
                del self._sources[source.name]

    # -- sources ------------------------------------------------------------------------------------------------------

    def _check_name(self, name: str) -> None:
        if not name.strip() or len(name) > LONGEST_SOURCE or not name.isprintable():
            raise ValueError(f"The name of a source has 1 to {LONGEST_SOURCE} characters.")
        known = self._sources.get(name)
        if known is not None and known.needs_name:
            raise ValueError(f"There is a source named {name} already; choose another name.")

    def _known(self, ids: RecordingIds | None) -> int:
        if ids is None:
            return 0
        try:
            return self._store.count_of_recording(ids)
        except UserError:  # of the database, which those who write will say
            return 0

    def _new_source(
        self, name: str, kind: SourceKind, began: datetime | None, ids: RecordingIds | None = None
    ) -> Source:
        self._check_name(name)
        writer = self._look_after()
        before = self._sources.pop(name, None)  # one that is over: the new one is listed last
        if before is not None:
            before.finish()  # or a webcam whose page was closed without a word
        source = self._sources[name] = Source(
            name,
            kind,
            lambda: writer.settings,
            self._outbox,
            writer.wake,
            began,
            ids,
            lambda: writer.layout(name),
            self._turns,
        )
        return source

    def _guarded(self, source: Source, frames: FrameSource) -> None:
        try:
            watch = self._watch(source)
            for frame in frames.frames(source):
                rest_s = watch.look(frame)
                if frames.began is None:
                    source.wait(rest_s)
        except (VideoError, ModelIntegrityError) as error:
            source.fail(str(error))
        except Exception:
            _LOG.exception("the source %s has failed", source.name)
            source.fail("A bug in this program stopped the source. See its log for details.")
        finally:
            source.finish()

    def _watch(self, source: Source) -> Watch:
        with self._loading:
            if not hasattr(self._analyzer, "analyze"):
                self._analyzer = self._analyzer()
            return Watch(source, self._analyzer)

    # -- database -----------------------------------------------------------------------------------------------------

    def _look_after(self) -> VisitWriter:
        # A new writer has no settings yet. Read them outside the lock: a slow database must not block other threads.
        with self._lock:
            if self._writer is None:
                self._writer = VisitWriter(
                    self._store, self._outbox, self._read_settings, self._read_layouts, self._tick
                )
            return self._writer

    def _tick(self) -> None:
        with self._lock:
            sources = list(self._sources.values())
        for source in sources:
            source.tick()

    def _end(self, sources: Sequence[Source], timeout_s: float) -> None:
        until = time.monotonic() + timeout_s
        for source in sources:
            source.stop()
        for source in sources:
            source.join(until - time.monotonic())
            source.finish()  # also where the worker hangs
        if len(self._outbox):
            self._look_after().flush(max(until - time.monotonic(), _LEAST_FLUSH_S))


class WebcamSource:
    """One browser's webcam as a source: give its methods to a ``LiveAnalysis``. Never raises.

    Once the owner has stopped it in the ``Recording``, it records no more.

    Attributes:
        name: what it is called; changed where another source has taken the name in the meantime.
        source: what it is listed as, or was last; None before that. Like ``over`` and ``name`` it is the recording's.
        over: it is not listed any more.
    """

    def __init__(self, recording: Recording, name: str) -> None:
        self.name = name
        self.source: Source | None = None
        self.over = False
        self._recording = recording
        self._lock = threading.Lock()

    def on_started(self, still_connected: Callable[[], bool] = lambda: True) -> None:
        """Numbers begin anew.

        Args:
            still_connected: whether the stream still is; it has to be over before ``finish`` is called.
        """
        with self._lock:
            if self.source is not None and not self.source.over:
                self.source.restart()
            else:
                self._recording.register_webcam(self, still_connected)

    def frame_came(self) -> None:
        """The browser has sent a picture; call it for each, also for those that are not analysed."""
        source = self.source
        if source is not None:
            source.frame_came()

    def on_tracked(self, tracked: Sequence[TrackedFace], time_s: float, size_wh: tuple[int, int] | None = None) -> None:
        """A frame of that size in px was analysed; ``time_s`` is on ``time.monotonic``."""
        source = self.source
        if source is not None:
            source.add_faces(tracked, time_s, size_wh)

    def offer_still(self, image: NDArray[np.uint8], result: AnalysisResult) -> None:
        """Keep the frame that was analysed if a still picture is wanted."""
        source = self.source
        if source is not None:
            source.offer_still(image, result)

    def finish(self) -> None:
        """The stream is over, until it starts again."""
        with self._lock:
            if self.source is not None and not self.source.over:
                self._recording.unregister(self.source)

    def close(self) -> None:
        """The stream is not recorded any more, whether it is over or not."""
        self._recording.close_webcam(self)
        self.finish()


def _stop_all(recording: weakref.ref[Recording]) -> None:
    known = recording()
    if known is not None:
        known.stop_all()
