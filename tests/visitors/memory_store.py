"""A store without a database, which fails on demand: for tests of what writes into one."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from datetime import datetime
from uuid import UUID

from facetraits.visitors.identity import RecordingIds
from facetraits.visitors.layout import Layout
from facetraits.visitors.store import StoreError
from facetraits.visitors.visit import Settings, Visit


class MemoryStore:
    """What recording needs of a ``VisitStore``.

    Attributes:
        down: every call raises StoreError.
        forgetful: the next ``add`` is done, but its answer is lost.
        drawn: lines and areas by source.
        calls: names of the methods that were called and did not fail.
    """

    def __init__(self, settings: Settings | None = None) -> None:
        self.down = False
        self.forgetful = False
        self.calls: list[str] = []
        self.expired_at: list[datetime] = []
        self.drawn: dict[str, Layout] = {}
        self._settings = settings or Settings()
        self._visits: dict[UUID, Visit] = {}
        self._lock = threading.Lock()

    def add(self, visits: Iterable[Visit]) -> None:
        with self._lock:
            self._check("add")
            for visit in visits:
                self._visits.setdefault(visit.id, visit)
            if self.forgetful:
                self.forgetful = False
                raise StoreError("The connection to the database was lost.")

    def update(self, visits: Iterable[Visit]) -> None:
        with self._lock:
            self._check("update")
            self._visits.update((visit.id, visit) for visit in visits if visit.id in self._visits)

    def withdraw(self, belonging: Mapping[UUID, UUID]) -> None:
        with self._lock:
            self._check("withdraw")
            for visit in belonging:
                self._visits.pop(visit, None)

    def expire(self, now: datetime) -> int:
        with self._lock:
            self._check("expire")
            self.expired_at.append(now)
            return 0

    def end_abandoned(self, now: datetime) -> int:
        with self._lock:
            self._check("end_abandoned")
            return 0

    def pack_days(self) -> None:
        with self._lock:
            self._check("pack_days")

    def count_of_recording(self, ids: RecordingIds) -> int:
        with self._lock:
            self._check("count_of_recording")
            low, high = ids.bounds
            return sum(low <= visit <= high for visit in self._visits)

    def settings(self) -> Settings:
        with self._lock:
            self._check("settings")
            return self._settings

    def layouts(self) -> Mapping[str, Layout]:
        with self._lock:
            self._check("layouts")
            return dict(self.drawn)

    def save_settings(self, settings: Settings) -> None:
        with self._lock:
            self._check("save_settings")
            self._settings = settings

    def visits(self) -> list[Visit]:
        """All of them, the oldest first."""
        with self._lock:
            return sorted(self._visits.values(), key=lambda visit: visit.started)

    def _check(self, call: str) -> None:
        if self.down:
            raise StoreError("The database does not answer.")
        self.calls.append(call)
