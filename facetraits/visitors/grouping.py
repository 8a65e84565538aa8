"""Visits sorted into groups and counted, and the rate of a group with its interval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import tzinfo
from math import sqrt
from typing import Any, Final, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from facetraits.visitors.visit import OUTCOMES, VISIT_CLASSES

Codes = NDArray[np.int64]

# Groups of fewer visits are shown but not compared.
ENOUGH: Final = 30
WEEKDAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
# Name and first hour of each part of the day; a part lasts until the next one begins.
PARTS_OF_DAY: Final = (("morning", 6), ("midday", 11), ("afternoon", 14), ("evening", 18), ("night", 22))

YES: Final = OUTCOMES.index("yes")
NO: Final = OUTCOMES.index("no")
UNKNOWN: Final = OUTCOMES.index("unknown")

_Z95: Final = 1.959963984540054
_LONGEST_GAP_DAYS: Final = 366


class Rate(NamedTuple):
    """How many visits of one group ended with a purchase.

    Attributes:
        names: the group's class of each trait that was asked for.
        n: visits of the group, >= 1; those of unknown outcome count as not bought.
        bought: those of them with a purchase.
        rate: their share, in [0, 1].
        low, high: Wilson's 95% interval of the share.
        enough: there are at least ``ENOUGH`` visits, so that the group may be compared.
    """

    names: tuple[str, ...]
    n: int
    bought: int
    rate: float
    low: float
    high: float
    enough: bool


def wilson(bought: int, n: int) -> tuple[float, float]:
    """Wilson's score interval of a share at 95%, in [0, 1].

    Source: E. B. Wilson, "Probable inference, the law of succession, and statistical inference", 1927.

    Raises:
        ValueError: ``n`` is not positive or ``bought`` does not lie in 0 to ``n``.
    """
    if n <= 0 or not 0 <= bought <= n:
        raise ValueError(f"needs 0 <= bought <= n and n >= 1, got {bought} of {n}")
    share, z2 = bought / n, _Z95 * _Z95
    middle = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = _Z95 / (1 + z2 / n) * sqrt(share * (1 - share) / n + z2 / (4 * n * n))
    # At both ends the interval reaches 0 and 1 exactly, which rounding would miss.
    return (0.0 if bought == 0 else middle - half), (1.0 if bought == n else middle + half)


def rate_of(names: tuple[str, ...], bought: int, n: int) -> Rate:
    """The rate of a group from its counts.

    Raises:
        ValueError: as ``wilson``.
    """
    low, high = wilson(bought, n)
    return Rate(names, n, bought, bought / n, low, high, n >= ENOUGH)


@dataclass(frozen=True, slots=True, eq=False)
class Grouping:
    """The classes of some traits, and which of them every visit has.

    Attributes:
        classes: of each trait, in order.
        codes: per trait (visits,) the place of the visit's class; ``len(classes)`` where it has none.
    """

    classes: tuple[tuple[str, ...], ...]
    codes: tuple[Codes, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of classes of each trait, "none" included."""
        return tuple(len(classes) + 1 for classes in self.classes)

    def counts(self, outcomes: Codes) -> NDArray[np.int64]:
        """(*shape, 3) visits by class and outcome, in the order of ``OUTCOMES``.

        Args:
            outcomes: (visits,) as of ``outcome_codes``.
        """
        shape = (*self.shape, len(OUTCOMES))
        cells = np.ravel_multi_index((*self.codes, outcomes), shape)
        return np.bincount(cells, minlength=int(np.prod(shape))).reshape(shape)


def grouping_of(frame: pd.DataFrame, by: Sequence[str], zone: tzinfo) -> Grouping:
    """Every visit's class of the traits ``by``.

    Args:
        frame: visits, as of ``VisitStore.frame()``.
        by: ``age_group``, ``gender``, ``ethnicity``, ``mood``, ``source``, ``weekday``, ``part_of_day`` or ``hour``.
        zone: time zone of hours and days.

    Raises:
        ValueError: a trait is none of those.
    """
    found = [_classes_and_codes(frame, name, zone) for name in by]
    return Grouping(tuple(classes for classes, _ in found), tuple(codes for _, codes in found))


def outcome_codes(frame: pd.DataFrame) -> Codes:
    """(visits,) the place of each visit's outcome in ``OUTCOMES``."""
    # What is none of the outcomes says nothing.
    return np.minimum(_class_codes(frame["bought"], OUTCOMES), UNKNOWN)


def calendar_days(frame: pd.DataFrame, zone: tzinfo) -> tuple[NDArray[np.datetime64], Codes]:
    """All days from the first to the last visit, and (visits,) the place of each visit's day among them.

    Gaps of more than a year are left out: they come from a camera or a file with a wrong date.
    """
    days = local_times(frame, zone).astype("datetime64[D]").astype(np.int64)
    seen = np.unique(days)
    if not len(seen):
        return seen.astype("datetime64[D]"), days
    runs = np.split(seen, np.flatnonzero(np.diff(seen) > _LONGEST_GAP_DAYS) + 1)
    filled = np.concatenate([np.arange(run[0], run[-1] + 1) for run in runs])
    return filled.astype("datetime64[D]"), np.searchsorted(filled, days)


def local_times(frame: pd.DataFrame, zone: tzinfo) -> NDArray[np.datetime64]:
    """(visits,) what the clocks of ``zone`` showed when each began."""
    started = pd.to_datetime(frame["started"], utc=True)
    local: NDArray[np.datetime64] = started.dt.tz_convert(zone).dt.tz_localize(None).to_numpy()
    return local


def weekdays_of(days: NDArray[np.datetime64]) -> Codes:
    """Their places in ``WEEKDAYS``; ``days`` has the unit of a day."""
    # 1970 began on a Thursday.
    return (days.astype(np.int64) + 3) % 7


def _classes_and_codes(frame: pd.DataFrame, name: str, zone: tzinfo) -> tuple[tuple[str, ...], Codes]:
    for trait, classes in VISIT_CLASSES.items():
        if trait == name:
            return classes, _class_codes(frame[name], classes)
    if name == "source":
        sources = tuple(sorted(frame[name].unique()))
        return sources, _class_codes(frame[name], sources)
    if name == "weekday":
        return WEEKDAYS, weekdays_of(local_times(frame, zone).astype("datetime64[D]"))
    if name in ("hour", "part_of_day"):
        hours = local_times(frame, zone).astype("datetime64[h]").astype(np.int64) % 24
        if name == "hour":
            return tuple(f"{hour:02}" for hour in range(24)), hours
        # Hours before the first part belong to the last one, the night.
        parts = np.searchsorted([first for _, first in PARTS_OF_DAY], hours, side="right") - 1
        return tuple(part for part, _ in PARTS_OF_DAY), parts % len(PARTS_OF_DAY)
    raise ValueError(f"visits cannot be grouped by {name!r}")


def _class_codes(column: Any, classes: Sequence[str]) -> Codes:
    codes = np.asarray(pd.Categorical(column, categories=list(classes)).codes, dtype=np.int64)
    return np.where(codes < 0, len(classes), codes)
