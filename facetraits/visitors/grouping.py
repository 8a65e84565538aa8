"""The groups of visits, and the rate of a group with its interval."""

from __future__ import annotations

from math import sqrt
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from facetraits.visitors.visit import OUTCOMES

# Groups of fewer visits are shown but not compared.
ENOUGH: Final = 30
WEEKDAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
# Name and first hour of each part of the day; a part lasts until the next one begins.
PARTS_OF_DAY: Final = (("morning", 6), ("midday", 11), ("afternoon", 14), ("evening", 18), ("night", 22))

YES: Final = OUTCOMES.index("yes")
NO: Final = OUTCOMES.index("no")
UNKNOWN: Final = OUTCOMES.index("unknown")

_Z95: Final = 1.959963984540054


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


def weekdays_of(days: NDArray[np.datetime64]) -> NDArray[np.int64]:
    """Their places in ``WEEKDAYS``; ``days`` has the unit of a day."""
    # 1970 began on a Thursday.
    weekdays: NDArray[np.int64] = (days.astype(np.int64) + 3) % 7
    return weekdays
