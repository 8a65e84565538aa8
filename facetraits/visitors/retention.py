"""Deletes visits after the retention period and ends abandoned visits, whether anything records or not."""

from __future__ import annotations

import logging
import threading
import weakref
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from facetraits.visitors.store import StoreError

if TYPE_CHECKING:
    from facetraits.visitors.store import VisitStore

_LOG: Final = logging.getLogger(__name__)

_EVERY_S: Final = 3600.0
_AGAIN_S: Final = 60.0  # where the database has failed

_lock: Final = threading.Lock()
_with_retention: Final[weakref.WeakSet[VisitStore]] = weakref.WeakSet()


def start_retention(store: VisitStore) -> None:
    """Delete expired visits and end abandoned ones, now and every hour.

    This continues until the store is no longer used or the program ends.
    A database that fails is logged once and tried again. Another call with the same store does nothing.

    Args:
        store: an open store; only a weak reference is kept.
    """
    with _lock:
        if store in _with_retention:
            return
        _with_retention.add(store)
    over = threading.Event()
    weakref.finalize(store, over.set)  # at the program's end too
    keeper = _Keeper(weakref.ref(store), over)
    keeper.look()
    threading.Thread(target=keeper.work, name="visit-retention", daemon=True).start()


class _Keeper:
    def __init__(self, store: weakref.ref[VisitStore], over: threading.Event) -> None:
        self._store = store
        self._over = over
        self._failing = False

    def work(self) -> None:
        while not self._over.wait(_AGAIN_S if self._failing else _EVERY_S):
            self.look()

    def look(self) -> None:
        store = self._store()
        if store is None:
            return
        try:
            now = datetime.now(UTC)
            store.expire(now)
            store.end_abandoned(now)
            store.pack_days()
        except StoreError as error:
            self._note("old visits could not be deleted: %s", str(error))
        except Exception:
            self._note("old visits could not be deleted", exc_info=True)
        else:
            self._failing = False

    def _note(self, message: str, *values: object, exc_info: bool = False) -> None:
        if not self._failing:
            _LOG.warning(message, *values, exc_info=exc_info)
        self._failing = True
