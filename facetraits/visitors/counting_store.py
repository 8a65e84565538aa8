"""Counting the visits in the database, and packing those of days that are over, so that counting is quick."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, tzinfo
from typing import Final

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, func, select

from facetraits.visitors.aggregates import count_crossings, count_outcomes, count_spans, count_visits
from facetraits.visitors.counts import Counts
from facetraits.visitors.day_columns import open_days, pack_days
from facetraits.visitors.engine import StoreError, row_errors_as_sentences
from facetraits.visitors.settings_store import SettingsStore
from facetraits.visitors.visit import EVERYTHING, Outcome, Selection

_LOG: Final = logging.getLogger(__name__)
_TELL_EVERY_S: Final = 10.0


class CountingStore(SettingsStore):
    """Numbers of visits; ``VisitStore`` is one.

    Attributes:
        name, identity: as of ``SettingsStore``.
    """

    def crossings(self, chosen: Selection = EVERYTHING) -> tuple[int, int] | None:
        """How often counting lines were crossed to come in and to go out; None where no visit has seen a line."""
        with self._counting() as connection:
            return count_crossings(connection, chosen)

    def count(self, chosen: Selection = EVERYTHING) -> Mapping[Outcome, int]:
        """How many visits there are with each outcome."""
        with self._counting() as connection:
            return count_outcomes(connection, chosen)

    def counts(self, zone: tzinfo, chosen: Selection = EVERYTHING) -> Counts:
        """The visits counted by everything that the patterns need, in the time zone of hours and days."""
        with self._counting() as connection:
            return count_visits(connection, chosen, zone)

    def count_spans(
        self, zone: tzinfo, spans: Sequence[tuple[datetime, datetime]], chosen: Selection = EVERYTHING
    ) -> NDArray[np.int64]:
        """(spans, 3) visits by outcome in spans of time, as of ``aggregates.count_spans``."""
        with self._counting() as connection:
            return count_spans(connection, chosen, zone, spans)

    def pack_days(self) -> None:
        """Pack the visits of days that are over, so that they are counted quickly; logs how far it is every 10 s."""
        today = datetime.now(UTC).date()
        with self._reading() as connection:
            number = left = int(connection.execute(select(func.count()).where(*open_days(today))).scalar_one())
        told = time.monotonic()
        while left:
            with self._writing() as writer, row_errors_as_sentences(self.name):
                left = pack_days(writer.connection, today)
            if time.monotonic() - told > _TELL_EVERY_S:
                _LOG.warning("%s: visits of %d of %d days are packed", self.name, number - left, number)
                told = time.monotonic()

    @contextmanager
    def _counting(self) -> Iterator[Connection]:
        self._pack_if_possible()
        with self._reading() as connection:
            yield connection

    def _pack_if_possible(self) -> None:
        """Pack the days; where nothing can be written, counting takes longer, and no more."""
        with suppress(StoreError):
            self.pack_days()
