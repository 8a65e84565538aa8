"""Visits counted by hour of the week, traits, day and source: what the patterns need, however long the log."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from facetraits.visitors.grouping import PARTS_OF_DAY, WEEKDAYS
from facetraits.visitors.visit import OUTCOMES, VISIT_CLASSES

HOURS: Final = tuple(f"{hour:02}" for hour in range(24))
# The axes of ``Counts.cells`` but the last one, which is of outcomes.
PEOPLE_AXES: Final = ("age_group", "gender", "mood")
AXES: Final = ("weekday", "hour", *PEOPLE_AXES)
CELLS: Final = (7, 24, *(len(VISIT_CLASSES[trait]) + 1 for trait in PEOPLE_AXES), len(OUTCOMES))

_LONGEST_GAP_DAYS: Final = 366


@dataclass(frozen=True, slots=True, eq=False)
class Counts:
    """Numbers of visits; each visit counts where it began, on the clocks of one zone.

    Attributes:
        cells: (7, 24, 6, 3, 4, 3) visits by weekday (0 is Monday), hour, age group, gender, mood and outcome (in the
            order of ``OUTCOMES``). The last place of age group, gender and mood is for those not estimated.
        days: (days,) datetime64[D] with visits, ascending.
        of_days: (days, 3) their visits by outcome.
        sources: with visits, in alphabetical order.
        of_sources: (sources, 3) their visits by outcome.
        baskets: how many of those who bought have a basket.
        cents: sum of these baskets, in hundredths of the currency.
        median_duration_s: of all visits; None without visits.
        crossings: (24, 2) crossings of counting lines by hour, to come in and to go out; None where no visit has seen
            a line. People who only left count here, and nowhere else.
    """

    cells: NDArray[np.int64]
    days: NDArray[np.datetime64]
    of_days: NDArray[np.int64]
    sources: tuple[str, ...]
    of_sources: NDArray[np.int64]
    baskets: int
    cents: int
    median_duration_s: float | None
    crossings: NDArray[np.int64] | None

    @property
    def outcomes(self) -> NDArray[np.int64]:
        """(3,) visits by outcome."""
        outcomes: NDArray[np.int64] = self.of_days.sum(axis=0)
        return outcomes

    @property
    def visits(self) -> int:
        """All of them."""
        return int(self.of_days.sum())

    def calendar(self) -> tuple[NDArray[np.datetime64], NDArray[np.int64]]:
        """All days from the first to the last visit, also those without any, and (days, 3) their visits by outcome.

        Gaps of more than a year are left out: they come from a camera or a file with a wrong date.
        """
        if not len(self.days):
            return self.days, self.of_days
        numbers = self.days.astype(np.int64)
        runs = np.split(numbers, np.flatnonzero(np.diff(numbers) > _LONGEST_GAP_DAYS) + 1)
        filled = np.concatenate([np.arange(run[0], run[-1] + 1) for run in runs])
        counts = np.zeros((len(filled), len(OUTCOMES)), dtype=np.int64)
        counts[np.searchsorted(filled, numbers)] = self.of_days
        return filled.astype("datetime64[D]"), counts

    def by(self, traits: Sequence[str]) -> tuple[tuple[tuple[str, ...], ...], NDArray[np.int64]]:
        """The classes of the traits, and the visits of every combination of them by outcome.

        Args:
            traits: ``source`` alone; or some of ``age_group``, ``gender``, ``mood``, ``weekday``, and ``hour`` or
                ``part_of_day``.

        Returns:
            As ``grouped``.

        Raises:
            ValueError: visits are not counted by these traits together.
        """
        if tuple(traits) == ("source",):
            return (self.sources,), self.of_sources
        return grouped(self.cells, traits)


def grouped(cells: NDArray[np.int64], traits: Sequence[str]) -> tuple[tuple[tuple[str, ...], ...], NDArray[np.int64]]:
    """Visits by some of the axes.

    Args:
        cells: as ``Counts.cells``.
        traits: those wanted, in the wanted order; ``part_of_day`` instead of ``hour``.

    Returns:
        The names of the classes of each trait, and numbers with one axis for each trait and a last one of outcomes. The
        axes of age group, gender and mood have one place more than names, for those not estimated.

    Raises:
        ValueError: there is no such axis, or none is wanted.
    """
    wanted = ["hour" if trait == "part_of_day" else trait for trait in traits]
    if not wanted or len(set(wanted)) < len(wanted) or not set(wanted) <= set(AXES):
        raise ValueError(f"visits cannot be grouped by {', '.join(traits) or 'nothing'}")
    places = [AXES.index(axis) for axis in wanted]
    summed = cells.sum(axis=tuple(i for i in range(len(AXES)) if i not in places))
    summed = summed.transpose([sorted(places).index(place) for place in places] + [len(places)])
    if "part_of_day" in traits:
        summed = _by_part_of_day(summed, list(traits).index("part_of_day"))
    return tuple(_CLASSES[trait] for trait in traits), summed


_CLASSES: Final = {
    **{trait: VISIT_CLASSES[trait] for trait in PEOPLE_AXES},
    "weekday": WEEKDAYS,
    "hour": HOURS,
    "part_of_day": tuple(name for name, _ in PARTS_OF_DAY),
}


def _by_part_of_day(counts: NDArray[np.int64], axis: int) -> NDArray[np.int64]:
    """The axis of 24 hours as one of parts of the day."""
    # Hours before the first part belong to the last one, the night.
    parts = np.searchsorted([first for _, first in PARTS_OF_DAY], np.arange(24), side="right") - 1
    by_part = np.zeros((len(PARTS_OF_DAY), *np.delete(counts.shape, axis)), dtype=np.int64)
    np.add.at(by_part, parts % len(PARTS_OF_DAY), np.moveaxis(counts, axis, 0))
    return np.moveaxis(by_part, 0, axis)
