"""From a distribution over years to a number, an interval and a group."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from facetraits.types import AGE_GROUPS, AgePrediction, ClassPrediction

AGE_GROUP_NAMES: Final = tuple(name for name, _ in AGE_GROUPS)


def expected_years(probabilities: NDArray[np.floating]) -> NDArray[np.float64]:
    """(N,) mean of each (N, C) distribution over whole years 0 to C - 1."""
    return probabilities.astype(np.float64) @ np.arange(probabilities.shape[1])


def group_probabilities(probabilities: NDArray[np.floating]) -> NDArray[np.float32]:
    """(N, 5) probability of each age group, from (N, C) over whole years."""
    starts = [0, *(upper + 1 for _, upper in AGE_GROUPS if upper is not None)]
    return np.add.reduceat(probabilities, starts, axis=1).astype(np.float32)


def central_interval(probabilities: NDArray[np.floating], mass: float) -> NDArray[np.float64]:
    """(N, 2) years between which the middle ``mass`` of each distribution lies.

    Year k stands for [k - 0.5, k + 0.5), evenly filled; the lower end is at least 0.

    Args:
        probabilities: (N, C) over whole years.
        mass: in (0, 1).
    """
    edges = np.arange(probabilities.shape[1] + 1) - 0.5
    cumulated = np.concatenate([np.zeros((len(probabilities), 1)), np.cumsum(probabilities, axis=1)], axis=1)
    cumulated /= cumulated[:, -1:]
    tail = (1 - mass) / 2
    ends = [np.interp((tail, 1 - tail), row, edges) for row in cumulated]
    return np.maximum(np.array(ends).reshape(-1, 2), 0.0)


def age_predictions(
    probabilities: NDArray[np.floating], interval_mass: float, coverage: float, unsure_below: float
) -> tuple[AgePrediction, ...]:
    """One ``AgePrediction`` per row of (N, C) probabilities over whole years."""
    groups = group_probabilities(probabilities)
    intervals = central_interval(probabilities, interval_mass)
    return tuple(
        AgePrediction(
            years=float(years),
            interval=(float(low), float(high)),
            coverage=coverage,
            groups=ClassPrediction(AGE_GROUP_NAMES, group, unsure_below),
        )
        for years, (low, high), group in zip(expected_years(probabilities), intervals, groups, strict=True)
    )
