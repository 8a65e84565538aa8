"""From a distribution over years to a number, an interval and a group."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from facetraits.types import AGE_GROUPS, AgePrediction, ClassPrediction

AGE_GROUP_NAMES: Final = tuple(name for name, _ in AGE_GROUPS)
# The seven groups of the reference systems feature-interpretor and age-gender-mood, with upper bounds as above.
AGE_GROUPS_7: Final = (
    ("0-2", 2),
    ("3-9", 9),
    ("10-20", 20),
    ("21-27", 27),
    ("28-45", 45),
    ("46-65", 65),
    ("66+", None),
)
AGE_GROUP_7_NAMES: Final = tuple(name for name, _ in AGE_GROUPS_7)
# Children and the young, finer than the five groups: where a year counts most.
YOUTH_GROUPS: Final = (("0-2", 2), ("3-6", 6), ("7-12", 12), ("13-17", 17), ("18-20", 20))
YOUTH_GROUP_NAMES: Final = tuple(name for name, _ in YOUTH_GROUPS)
_Groups = Sequence[tuple[str, int | None]]


def median_years(probabilities: NDArray[np.floating]) -> NDArray[np.float64]:
    """(N,) median of each (N, C) distribution over whole years 0 to C - 1.

    Of all single numbers the median has the smallest mean absolute error, if the distribution is true; it lies within
    every central interval, and a few per cent for a far-off age hardly move it.
    """
    return _quantiles(probabilities, (0.5,))[:, 0]


def group_index(ages: NDArray[np.integer], groups: _Groups = AGE_GROUPS) -> NDArray[np.int64]:
    """(N,) index of the group that each age in whole years belongs to."""
    return np.searchsorted([upper for _, upper in groups if upper is not None], ages)


def group_probabilities(probabilities: NDArray[np.floating], groups: _Groups = AGE_GROUPS) -> NDArray[np.float32]:
    """(N, G) probability of each age group, from (N, C) over whole years."""
    starts = [0, *(upper + 1 for _, upper in groups if upper is not None)]
    return np.add.reduceat(probabilities, starts, axis=1).astype(np.float32)


def central_interval(probabilities: NDArray[np.floating], mass: float) -> NDArray[np.float64]:
    """(N, 2) years between which the middle ``mass`` of each distribution lies.

    Year k stands for [k - 0.5, k + 0.5), evenly filled; the lower end is at least 0.

    Args:
        probabilities: (N, C) over whole years.
        mass: in (0, 1).
    """
    tail = (1 - mass) / 2
    return _quantiles(probabilities, (tail, 1 - tail))


def _quantiles(probabilities: NDArray[np.floating], shares: Sequence[float]) -> NDArray[np.float64]:
    """(N, len(shares)) years below which these shares of each distribution lie, as ``central_interval`` counts them."""
    edges = np.arange(probabilities.shape[1] + 1) - 0.5
    cumulated = np.concatenate([np.zeros((len(probabilities), 1)), np.cumsum(probabilities, axis=1)], axis=1)
    cumulated /= cumulated[:, -1:]
    found = [np.interp(shares, row, edges) for row in cumulated]
    return np.maximum(np.array(found).reshape(-1, len(shares)), 0.0)


def age_predictions(
    probabilities: NDArray[np.floating],
    interval_mass: float,
    coverage: float,
    unsure_below: float,
    unsure_wider_than: float | None = None,
    clear: Sequence[bool] | None = None,
) -> tuple[AgePrediction, ...]:
    """One ``AgePrediction`` per row.

    Args:
        probabilities: (N, C) over whole years.
        interval_mass: probability mass between the interval's ends, in (0, 1).
        coverage: nominal coverage of the interval, in (0, 1).
        unsure_below: for the age groups, as of ``ClassPrediction``.
        unsure_wider_than: as of ``AgePrediction``.
        clear: N times whether the face can be seen clearly; None where all can.
    """
    clear = [True] * len(probabilities) if clear is None else clear
    groups = group_probabilities(probabilities)
    intervals = central_interval(probabilities, interval_mass)
    return tuple(
        AgePrediction(
            years=float(years),
            interval=(float(low), float(high)),
            coverage=coverage,
            groups=ClassPrediction(AGE_GROUP_NAMES, group, unsure_below),
            unsure_wider_than=unsure_wider_than,
            clear=is_clear,
        )
        for years, (low, high), group, is_clear in zip(
            median_years(probabilities), intervals, groups, clear, strict=True
        )
    )
