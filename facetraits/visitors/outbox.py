"""Visits waiting to be written, so that nothing is lost while the database does not respond."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Final, TypeVar
from uuid import UUID

from facetraits.video.pace import BackOff
from facetraits.visitors.layout import NO_LAYOUT, Layout
from facetraits.visitors.store import StoreError
from facetraits.visitors.visit import Settings, Visit

if TYPE_CHECKING:
    from facetraits.visitors.store import VisitStore

_LOG: Final = logging.getLogger(__name__)

_EVERY_S: Final = 1.0
_SETTINGS_EVERY_S: Final = 5.0


_Kept = TypeVar("_Kept")


class Outbox:
    """Unwritten visits. Thread-safe; one thread at a time writes.

    Only the first and the newest state of each visit are kept.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._new: dict[UUID, Visit] = {}
        self._changed: dict[UUID, Visit] = {}
        self._withdrawn: dict[UUID, UUID] = {}

    def __len__(self) -> int:
        with self._lock:
            return len(self._new.keys() | self._changed.keys() | self._withdrawn.keys())

    @property
    def has_new(self) -> bool:
        """Whether a visit has not been written at all yet."""
        return bool(self._new)

    def add(self, visits: Iterable[Visit]) -> None:
        """Add visits that have begun."""
        with self._lock:
            self._new.update((visit.id, visit) for visit in visits)

    def update(self, visits: Iterable[Visit]) -> None:
        """Add the newest state of visits that were added before."""
        with self._lock:
            self._changed.update((visit.id, visit) for visit in visits)

    def withdraw(self, pairs: Iterable[tuple[UUID, UUID]]) -> None:
        """Add visits counted by mistake, each with the visit that it belongs to."""
        with self._lock:
            for visit, owner in pairs:
                self._new.pop(visit, None)
                self._changed.pop(visit, None)
                self._withdrawn[visit] = owner  # it may be written already, or be written right now

    def waiting(self, source: str) -> int:
        """How many visits of a source are still to be written."""
        with self._lock:
            return len({v.id for box in (self._new, self._changed) for v in box.values() if v.source == source})

    def write(self, store: VisitStore) -> None:
        """Write everything.

        Raises:
            StoreError: the database failed; unwritten visits are kept.
        """
        with self._lock:
            new, changed, withdrawn = dict(self._new), dict(self._changed), dict(self._withdrawn)
        if new:
            # Later changes are written next. If an earlier reply was lost, the rows exist already.
            store.add(new.values())
            self._drop(self._new, new)
        if changed:
            store.update(changed.values())
            self._drop(self._changed, changed)
        if withdrawn:
            store.withdraw(withdrawn)
            self._drop(self._withdrawn, withdrawn)

    def _drop(self, box: dict[UUID, _Kept], written: dict[UUID, _Kept]) -> None:
        with self._lock:
            for number, kept in written.items():
                if box.get(number) is kept:
                    del box[number]


class VisitWriter:
    """The thread that writes visits and reads the settings.

    Args:
        store: where the visits go.
        outbox: where they come from.
        read_settings: gives the settings; may raise StoreError.
        read_layouts: gives what was drawn, by source; may raise StoreError.
        tick: called about once a second.

    Attributes:
        settings: as last read; the defaults before the first reading.
        layouts: as last read, by source.
        trouble: what is wrong with the database, in one sentence; empty where nothing is.
    """

    def __init__(
        self,
        store: VisitStore,
        outbox: Outbox,
        read_settings: Callable[[], Settings],
        read_layouts: Callable[[], Mapping[str, Layout]],
        tick: Callable[[], None],
    ) -> None:
        self.settings = Settings()
        self.layouts: Mapping[str, Layout] = {}
        self.trouble = ""
        self._store = store
        self._outbox = outbox
        self._read_settings = read_settings
        self._read_layouts = read_layouts
        self._tick = tick
        self._changed = threading.Condition()
        self._closed = False
        self._hurry = False
        self._writes = 0  # attempts so far
        self._back_off = BackOff()
        self._write_at = self._settings_at = 0.0
        self._failing: set[str] = set()
        self._thread = threading.Thread(target=self._work, name="visit-writer", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """Wake the writer: there is something new."""
        with self._changed:
            self._changed.notify_all()

    def layout(self, source: str) -> Layout:
        """What was drawn for a source."""
        return self.layouts.get(source, NO_LAYOUT)

    def refresh(self) -> Settings:
        """Read settings and lines now, so that a source started next uses the newest ones."""
        self._settings_at = time.monotonic() + _SETTINGS_EVERY_S
        self._try("settings", self._read)
        return self.settings

    def ensure_settings(self) -> None:
        """Read the settings if they were never read."""
        if self._settings_at == 0.0:
            self.refresh()

    def flush(self, timeout_s: float) -> bool:
        """Write everything now; False if that failed or takes too long. It is then retried later."""
        with self._changed:
            begun = self._writes
            self._hurry = True
            self._changed.notify_all()
            self._changed.wait_for(lambda: not len(self._outbox) or self._writes > begun + 1, timeout_s)
        return not len(self._outbox)

    def close(self, timeout_s: float) -> None:
        """End the thread; what is unwritten then stays so."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        if self._thread is not threading.current_thread():
            self._thread.join(timeout_s)

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(self._is_urgent, timeout=_EVERY_S)
                if self._closed:
                    return
                hurry, self._hurry = self._hurry, False
            self._try("tick", self._tick)
            now = time.monotonic()
            if hurry or now >= self._write_at:
                self._write(now)
            self._look_after_settings(now)

    def _is_urgent(self) -> bool:
        return self._closed or self._hurry or (self._outbox.has_new and time.monotonic() >= self._write_at)

    def _write(self, now: float) -> None:
        done = self._try("write", lambda: self._outbox.write(self._store)) if len(self._outbox) else not self.trouble
        if done:
            self._back_off.reset()
            self.trouble = ""
        self._write_at = now if done else now + self._back_off.next_pause_s()
        with self._changed:
            self._writes += 1
            self._changed.notify_all()

    def _look_after_settings(self, now: float) -> None:
        if now >= self._settings_at:
            self.refresh()

    def _read(self) -> None:
        self.settings, self.layouts = self._read_settings(), self._read_layouts()

    def _try(self, what: str, work: Callable[[], object]) -> bool:
        """Whether it succeeded; a failure that goes on is logged once."""
        try:
            work()
        except StoreError as error:
            if what == "write":
                self.trouble = str(error)
            if what not in self._failing:
                _LOG.warning("the database of visits has failed: %s", error)
        except Exception:
            if what == "write":
                self.trouble = "Visits cannot be written because of a bug in this program. See its log for details."
            if what not in self._failing:
                _LOG.exception("the thread that writes visits has failed")
        else:
            self._failing.discard(what)
            return True
        self._failing.add(what)
        return False
