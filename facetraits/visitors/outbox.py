"""Visits on their way to the database: nothing is lost while it does not answer."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Final, TypeVar
from uuid import UUID

from facetraits.video.pace import BackOff
from facetraits.visitors.store import StoreError
from facetraits.visitors.visit import Settings, Visit

if TYPE_CHECKING:
    from facetraits.visitors.store import VisitStore

_LOG: Final = logging.getLogger(__name__)

_EVERY_S: Final = 1.0
_SETTINGS_EVERY_S: Final = 5.0


_Kept = TypeVar("_Kept")


class Outbox:
    """What is still to be written. Thread-safe; one thread at a time writes.

    Of each visit only its first and its newest state are kept.
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
        """Whether there is a visit of which the database knows nothing."""
        return bool(self._new)

    def add(self, visits: Iterable[Visit]) -> None:
        """Take visits that have begun."""
        with self._lock:
            self._new.update((visit.id, visit) for visit in visits)

    def update(self, visits: Iterable[Visit]) -> None:
        """Take what is known now of visits that were added before."""
        with self._lock:
            self._changed.update((visit.id, visit) for visit in visits)

    def withdraw(self, pairs: Iterable[tuple[UUID, UUID]]) -> None:
        """Take visits that were counted by mistake, each with the one that it belongs to."""
        with self._lock:
            for visit, owner in pairs:
                self._new.pop(visit, None)
                self._changed.pop(visit, None)
                self._withdrawn[visit] = owner  # it may be in the database, or on its way there

    def waiting(self, source: str) -> int:
        """How many visits of a source are still to be written."""
        with self._lock:
            return len({v.id for box in (self._new, self._changed) for v in box.values() if v.source == source})

    def write(self, store: VisitStore) -> None:
        """Write everything.

        Raises:
            StoreError: the database did not take it; what it did not take is kept.
        """
        with self._lock:
            new, changed, withdrawn = dict(self._new), dict(self._changed), dict(self._withdrawn)
        if new:
            # What was learned of them since comes after: where an earlier answer was lost, they are there already.
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
        tick: called about once a second.

    Attributes:
        settings: as last read; those of the program before.
        trouble: what is wrong with the database, in one sentence; empty where nothing is.
    """

    def __init__(
        self, store: VisitStore, outbox: Outbox, read_settings: Callable[[], Settings], tick: Callable[[], None]
    ) -> None:
        self.settings = Settings()
        self.trouble = ""
        self._store = store
        self._outbox = outbox
        self._read_settings = read_settings
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
        """There is something new."""
        with self._changed:
            self._changed.notify_all()

    def refresh(self) -> Settings:
        """Read the settings now: what the owner has just saved counts for what is started next."""
        self._settings_at = time.monotonic() + _SETTINGS_EVERY_S
        self._try("settings", self._read)
        return self.settings

    def know_settings(self) -> None:
        """Read the settings where nobody has tried to so far."""
        if self._settings_at == 0.0:
            self.refresh()

    def flush(self, timeout_s: float) -> bool:
        """Write everything now; False where that has failed or takes too long, and is tried again later."""
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
        self.settings = self._read_settings()

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
                self.trouble = "Visits cannot be written, because of a fault in this program; its log tells more."
            if what not in self._failing:
                _LOG.exception("the thread that writes visits has failed")
        else:
            self._failing.discard(what)
            return True
        self._failing.add(what)
        return False
