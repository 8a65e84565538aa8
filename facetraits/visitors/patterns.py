"""The patterns among visits: counts over time and groups, conversion rates with intervals, and what stands out.

Everything here is a pure function of ``VisitStore.counts()``.
A visit counts where it began. A conversion rate is the share of all visits that ended with a purchase; a visit of
unknown outcome counts as not bought. 2 of 3 is not called a pattern: rates carry Wilson's 95% interval, and only groups
of ``ENOUGH`` visits are compared.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from facetraits.visitors.counts import Counts
from facetraits.visitors.findings import Finding, findings
from facetraits.visitors.grouping import (
    ENOUGH,
    NO,
    PARTS_OF_DAY,
    UNKNOWN,
    WEEKDAYS,
    YES,
    Rate,
    rate_of,
    weekdays_of,
    wilson,
)
from facetraits.visitors.visit import OUTCOMES, Outcome

__all__ = [
    "ENOUGH",
    "PARTS_OF_DAY",
    "WEEKDAYS",
    "CrossingRow",
    "DayRow",
    "Finding",
    "GroupRow",
    "HourRow",
    "MoodRow",
    "Rate",
    "Summary",
    "WeekdayHourRow",
    "by_day",
    "by_group",
    "by_hour",
    "conversion",
    "crossings_by_hour",
    "findings",
    "mood_by_outcome",
    "summary",
    "weekday_hour",
    "wilson",
]


class HourRow(NamedTuple):
    """Visits that began in one hour of the day, 0 to 23, on all days together."""

    hour: int
    visits: int
    bought: int
    not_bought: int
    unknown: int


class CrossingRow(NamedTuple):
    """Crossings of counting lines, to come in and to go out, by people who came into view in one hour of the day."""

    hour: int
    entries: int
    exits: int


class DayRow(NamedTuple):
    """Visits of one calendar day."""

    day: date
    visits: int
    bought: int
    not_bought: int
    unknown: int


class WeekdayHourRow(NamedTuple):
    """Visits in one hour (0 to 23) of one weekday (0 is Monday).

    ``days`` says how often that weekday lies between the first and the last visit, so that ``visits / days`` is an
    average; it may be 0.
    """

    weekday: int
    hour: int
    visits: int
    bought: int
    days: int


class GroupRow(NamedTuple):
    """Visits of one age group and gender; None where it was not estimated."""

    age_group: str | None
    gender: str | None
    visits: int
    bought: int
    not_bought: int
    unknown: int


class MoodRow(NamedTuple):
    """Visits with one mood among those with one outcome, or among ``"all"``; ``share`` of those with any mood."""

    mood: str
    outcome: Outcome | Literal["all"]
    visits: int
    share: float


@dataclass(frozen=True, slots=True)
class Summary:
    """Key figures of the visits.

    Attributes:
        visits, bought, not_bought, unknown: numbers of visits.
        rate: share that bought, with its interval; None without visits.
        median_duration_s: in seconds; None without visits.
        turnover: sum of the baskets of those who bought.
        baskets: how many of those who bought have a basket.
        mean_basket: ``turnover / baskets`` to the cent; None without any.
        first_day, last_day: days of the first and the last visit; None without visits.
        days: number of rows of ``by_day``.
        per_day: ``visits / days``; 0 without visits.
    """

    visits: int
    bought: int
    not_bought: int
    unknown: int
    rate: Rate | None
    median_duration_s: float | None
    turnover: Decimal
    baskets: int
    mean_basket: Decimal | None
    first_day: date | None
    last_day: date | None
    days: int
    per_day: float


def summary(counts: Counts) -> Summary:
    """The key figures; see ``Summary``."""
    outcomes, visits = counts.outcomes, counts.visits
    turnover = Decimal(counts.cents) / 100
    days, _ = counts.calendar()
    return Summary(
        visits=visits,
        bought=int(outcomes[YES]),
        not_bought=int(outcomes[NO]),
        unknown=int(outcomes[UNKNOWN]),
        rate=rate_of((), int(outcomes[YES]), visits) if visits else None,
        median_duration_s=counts.median_duration_s,
        turnover=_to_the_cent(turnover),
        baskets=counts.baskets,
        mean_basket=_to_the_cent(turnover / counts.baskets) if counts.baskets else None,
        first_day=days[0].item() if visits else None,
        last_day=days[-1].item() if visits else None,
        days=len(days),
        per_day=visits / len(days) if visits else 0.0,
    )


def conversion(counts: Counts, by: Sequence[str]) -> tuple[Rate, ...]:
    """The conversion rate of each group that has visits, in the order of the classes.

    Args:
        counts: of the visits.
        by: as ``Counts.by``. Visits that lack one of these traits belong to no group.

    Raises:
        ValueError: ``by`` is empty or names something else.
    """
    classes, numbers = counts.by(by)
    rates = []
    for place in np.ndindex(*(len(names) for names in classes)):
        n, bought = int(numbers[place].sum()), int(numbers[place][YES])
        if n:
            group = tuple(names[i] for names, i in zip(classes, place, strict=True))
            rates.append(rate_of(group, bought, n))
    return tuple(rates)


def by_hour(counts: Counts) -> tuple[HourRow, ...]:
    """24 rows. An hour that a change of the clocks repeats counts as one."""
    _, numbers = counts.by(("hour",))
    return tuple(HourRow(hour, *_numbers(numbers[hour])) for hour in range(24))


def crossings_by_hour(counts: Counts) -> tuple[CrossingRow, ...]:
    """24 rows, or none where no visit has seen a counting line. People who only left count too."""
    if counts.crossings is None:
        return ()
    return tuple(CrossingRow(hour, int(entries), int(exits)) for hour, (entries, exits) in enumerate(counts.crossings))


def by_day(counts: Counts) -> tuple[DayRow, ...]:
    """One row per calendar day from the first to the last visit, also for days without any.

    Gaps of more than a year are not filled: they come from a camera or a file with a wrong date.
    """
    days, numbers = counts.calendar()
    return tuple(DayRow(day, *_numbers(row)) for day, row in zip(days.tolist(), numbers, strict=True))


def weekday_hour(counts: Counts) -> tuple[WeekdayHourRow, ...]:
    """7 x 24 rows, Monday's hours first."""
    _, numbers = counts.by(("weekday", "hour"))
    days = np.bincount(weekdays_of(counts.calendar()[0]), minlength=len(WEEKDAYS))
    return tuple(
        WeekdayHourRow(weekday, hour, int(row.sum()), int(row[YES]), int(days[weekday]))
        for weekday in range(len(WEEKDAYS))
        for hour, row in enumerate(numbers[weekday])
    )


def by_group(counts: Counts) -> tuple[GroupRow, ...]:
    """One row per age group and gender that has visits; those without an estimate come last."""
    classes, numbers = counts.by(("age_group", "gender"))
    ages, genders = ((*names, None) for names in classes)
    return tuple(
        GroupRow(age, gender, *_numbers(numbers[i, j]))
        for i, age in enumerate(ages)
        for j, gender in enumerate(genders)
        if numbers[i, j].any()
    )


def mood_by_outcome(counts: Counts) -> tuple[MoodRow, ...]:
    """The moods of all visits, then of each outcome that has visits with a mood: a row per mood each."""
    (moods,), numbers = counts.by(("mood",))
    known = numbers[: len(moods)]
    columns: list[tuple[Outcome | Literal["all"], NDArray[np.int64]]] = [("all", known.sum(axis=1))]
    columns += [(outcome, known[:, i]) for i, outcome in enumerate(OUTCOMES)]
    return tuple(
        MoodRow(mood, outcome, int(n), int(n) / int(column.sum()))
        for outcome, column in columns
        if column.any()
        for mood, n in zip(moods, column, strict=True)
    )


def _numbers(row: NDArray[np.int64]) -> tuple[int, int, int, int]:
    """All visits, then those that bought, did not, and of which it is unknown."""
    return int(row.sum()), int(row[YES]), int(row[NO]), int(row[UNKNOWN])


def _to_the_cent(amount: Decimal) -> Decimal:
    return amount.quantize(Decimal("0.01"))
