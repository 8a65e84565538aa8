"""The counts of visits, computed from all of them in memory: slow, and independent of any database."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, tzinfo
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from facetraits.visitors.counts import CELLS, Counts
from facetraits.visitors.visit import OUTCOMES, VISIT_CLASSES


def counts_of(frame: pd.DataFrame, zone: tzinfo = UTC) -> Counts:
    """What ``VisitStore.counts`` gives for these visits.

    Args:
        frame: visits, as of ``VisitStore.frame()`` with or without those who only left.
        zone: of hours and days.
    """
    local = _local_times(frame, zone)
    hours = local.astype("datetime64[h]").astype(np.int64) % 24
    crossings = None
    if frame["entries"].notna().any():
        sums = [
            np.bincount(hours, frame[name].fillna(0).to_numpy(dtype=np.float64), minlength=24)
            for name in ("entries", "exits")
        ]
        crossings = np.stack(sums, axis=1).astype(np.int64)
    frame = _visitors(frame)
    local = _local_times(frame, zone)

    outcomes = _codes(frame["bought"], OUTCOMES)
    days = local.astype("datetime64[D]")
    known_days, of_days = _counted(days, outcomes)
    sources, of_sources = _counted(frame["source"].to_numpy(dtype=object).astype(str), outcomes)
    paid = frame["basket"].to_numpy(dtype=np.float64, na_value=np.nan)[outcomes == OUTCOMES.index("yes")]
    cents = np.rint(paid[~np.isnan(paid)] * 100).astype(np.int64)
    durations = frame["duration_s"].to_numpy(dtype=np.float64)
    return Counts(
        cells=cells_of(frame, zone),
        days=known_days,
        of_days=of_days,
        sources=tuple(map(str, sources)),
        of_sources=of_sources,
        baskets=len(cents),
        cents=int(cents.sum()),
        median_duration_s=float(np.median(durations)) if len(durations) else None,
        crossings=crossings,
    )


def cells_of(frame: pd.DataFrame, zone: tzinfo = UTC) -> NDArray[np.int64]:
    """``Counts.cells`` of these visits."""
    frame = _visitors(frame)
    cells = np.zeros(CELLS, dtype=np.int64)
    outcomes = _codes(frame["bought"], OUTCOMES)
    np.add.at(cells, (*_weekday_and_hour(_local_times(frame, zone)), *_people(frame), outcomes), 1)
    return cells


def outcomes_of(
    frame: pd.DataFrame, zone: tzinfo | None, spans: Sequence[tuple[datetime, datetime]]
) -> NDArray[np.int64]:
    """What ``VisitStore.count_spans`` gives for these visits."""
    assert zone is not None
    local, outcomes = _local_times(frame, zone).astype("datetime64[us]"), _codes(frame["bought"], OUTCOMES)
    inside = [(local >= np.datetime64(since)) & (local < np.datetime64(until)) for since, until in spans]
    return np.array([np.bincount(outcomes[chosen], minlength=len(OUTCOMES)) for chosen in inside])


def _visitors(frame: pd.DataFrame) -> pd.DataFrame:
    return frame[~(frame["entries"] == 0).fillna(False).to_numpy(dtype=bool)]


def _weekday_and_hour(local: NDArray[np.datetime64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    weekdays = (local.astype("datetime64[D]").astype(np.int64) + 3) % 7  # 1970 began on a Thursday
    return weekdays, local.astype("datetime64[h]").astype(np.int64) % 24


def _people(frame: pd.DataFrame) -> list[NDArray[np.int64]]:
    return [_codes(frame[trait], VISIT_CLASSES[trait]) for trait in ("age_group", "gender", "mood")]


def _local_times(frame: pd.DataFrame, zone: tzinfo) -> NDArray[np.datetime64]:
    started = pd.to_datetime(frame["started"], utc=True)
    local: NDArray[np.datetime64] = started.dt.tz_convert(zone).dt.tz_localize(None).to_numpy()
    return local


def _codes(column: Any, classes: Sequence[str]) -> NDArray[np.int64]:
    codes = np.asarray(pd.Categorical(column, categories=list(classes)).codes, dtype=np.int64)
    return np.where(codes < 0, len(classes), codes)


def _counted(column: NDArray[Any], outcomes: NDArray[np.int64]) -> tuple[NDArray[Any], NDArray[np.int64]]:
    values, which = np.unique(column, return_inverse=True)
    counts = np.zeros((len(values), len(OUTCOMES)), dtype=np.int64)
    np.add.at(counts, (which, outcomes), 1)
    return values, counts
