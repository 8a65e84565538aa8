"""Confidence of matches between sales and visits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

Certainty = Literal["sure", "likely", "guessed"]

_SURE: Final = 0.8
# The usual time is known only to within a few minutes.
_LEAST_MS: Final = 300_000


def certainties(
    sales: NDArray[np.int64],
    chosen: Sequence[int],
    visits: NDArray[np.int64],
    longest: int,
    typical: int,
) -> tuple[Certainty, ...]:
    """How sure each match is.

    "guessed": the time from coming in to paying differs from the usual one by more than that, or than five minutes
    where it is shorter, so that the sale is far from every visit that could have it. "sure": the visit has at least 80%
    of the weight of all visits that could have the sale, where a visit weighs the less, the more its time differs from
    the usual one. "likely": all others.

    Args:
        sales: (matches,) times in ms.
        chosen: (matches,) place of the visit of each.
        visits: (visits,) times in ms, ascending; those that a sale may be given to.
        longest: a sale comes at most so long after the visit, in ms.
        typical: usual time from coming into view to paying, in ms.
    """
    usual = max(typical, _LEAST_MS)
    low = np.searchsorted(visits, sales - longest, side="left")
    high = np.searchsorted(visits, sales, side="right")
    found: list[Certainty] = []
    for sale, place, first, after in zip(sales.tolist(), chosen, low.tolist(), high.tolist(), strict=True):
        off = np.abs(sale - visits[first:after] - typical)
        if off[place - first] > usual:
            found.append("guessed")
            continue
        weights = np.exp(-off / (usual / 2))
        found.append("sure" if weights[place - first] >= _SURE * weights.sum() else "likely")
    return tuple(found)
