"""The patterns among visits: counts over time and groups, conversion rates with intervals, and what stands out.

Everything here is a pure function of ``VisitStore.frame()`` and of the zone in which hours and days are meant. A visit
counts where it began. A conversion rate is the share of all visits that ended with a purchase; a visit of unknown
outcome counts as not bought. 2 of 3 is not called a pattern: rates carry Wilson's 95% interval, and only groups of
``ENOUGH`` visits are compared.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, tzinfo
from decimal import Decimal
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from facetraits.visitors.findings import Finding, findings
from facetraits.visitors.grouping import (
    ENOUGH,
    NO,
    PARTS_OF_DAY,
    UNKNOWN,
    WEEKDAYS,
    YES,
    Grouping,
    Rate,
    calendar_days,
    grouping_of,
    local_times,
    outcome_codes,
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


def summary(frame: pd.DataFrame, zone: tzinfo = UTC) -> Summary:
    """The key figures; see ``Summary``."""
    visits = len(frame)
    outcomes = outcome_codes(frame)
    row = np.bincount(outcomes, minlength=len(OUTCOMES))
    bought = int(row[YES])
    paid = frame["basket"].to_numpy(dtype=np.float64, na_value=np.nan)[outcomes == YES]
    # In whole cents: a sum of floats would be off by some.
    cents = np.rint(paid[~np.isnan(paid)] * 100).astype(np.int64)
    turnover = Decimal(int(cents.sum())) / 100
    days, _ = calendar_days(frame, zone)
    return Summary(
        visits=visits,
        bought=bought,
        not_bought=int(row[NO]),
        unknown=int(row[UNKNOWN]),
        rate=rate_of((), bought, visits) if visits else None,
        median_duration_s=float(np.median(frame["duration_s"].to_numpy(dtype=np.float64))) if visits else None,
        turnover=_to_the_cent(turnover),
        baskets=len(cents),
        mean_basket=_to_the_cent(turnover / len(cents)) if len(cents) else None,
        first_day=days[0].item() if visits else None,
        last_day=days[-1].item() if visits else None,
        days=len(days),
        per_day=visits / len(days) if visits else 0.0,
    )


def conversion(frame: pd.DataFrame, by: Sequence[str], zone: tzinfo = UTC) -> tuple[Rate, ...]:
    """The conversion rate of each group that has visits, in the order of the classes.

    Args:
        frame: visits, as of ``VisitStore.frame()``.
        by: one or more of ``age_group``, ``gender``, ``ethnicity``, ``mood``, ``source``, ``weekday``,
            ``part_of_day``, ``hour``. Visits that lack one of these traits belong to no group.
        zone: time zone of hours and days.

    Raises:
        ValueError: ``by`` is empty or names something else.
    """
    if not by:
        raise ValueError("visits must be grouped by something")
    grouping, counts = _counted(frame, by, zone)
    rates = []
    for place in np.ndindex(*(len(classes) for classes in grouping.classes)):
        n, bought = int(counts[place].sum()), int(counts[place][YES])
        if n:
            names = tuple(classes[i] for classes, i in zip(grouping.classes, place, strict=True))
            rates.append(rate_of(names, bought, n))
    return tuple(rates)


def by_hour(frame: pd.DataFrame, zone: tzinfo) -> tuple[HourRow, ...]:
    """24 rows. An hour that a change of the clocks repeats counts as one."""
    _, counts = _counted(frame, ("hour",), zone)
    return tuple(HourRow(hour, *_numbers(counts[hour])) for hour in range(24))


def crossings_by_hour(frame: pd.DataFrame, zone: tzinfo) -> tuple[CrossingRow, ...]:
    """24 rows, or none where no visit has seen a counting line.

    Args:
        frame: visits, with those who only left, as of ``VisitStore.frame(leavers=True)``.
        zone: of the hours.
    """
    if not frame["entries"].notna().any():
        return ()
    hours = local_times(frame, zone).astype("datetime64[h]").astype(np.int64) % 24
    sums = [
        np.bincount(hours, frame[name].fillna(0).to_numpy(dtype=np.float64), minlength=24).astype(int)
        for name in ("entries", "exits")
    ]
    return tuple(
        CrossingRow(hour, int(entries), int(exits)) for hour, (entries, exits) in enumerate(zip(*sums, strict=True))
    )


def by_day(frame: pd.DataFrame, zone: tzinfo) -> tuple[DayRow, ...]:
    """One row per calendar day from the first to the last visit, also for days without any.

    Gaps of more than a year are not filled: they come from a camera or a file with a wrong date.
    """
    days, which = calendar_days(frame, zone)
    counts = Grouping((tuple(map(str, days)),), (which,)).counts(outcome_codes(frame))
    return tuple(DayRow(day, *_numbers(counts[i])) for i, day in enumerate(days.tolist()))


def weekday_hour(frame: pd.DataFrame, zone: tzinfo) -> tuple[WeekdayHourRow, ...]:
    """7 x 24 rows, Monday's hours first."""
    _, counts = _counted(frame, ("weekday", "hour"), zone)
    days = np.bincount(weekdays_of(calendar_days(frame, zone)[0]), minlength=len(WEEKDAYS))
    return tuple(
        WeekdayHourRow(weekday, hour, int(row.sum()), int(row[YES]), int(days[weekday]))
        for weekday in range(len(WEEKDAYS))
        for hour, row in enumerate(counts[weekday, :24])
    )


def by_group(frame: pd.DataFrame) -> tuple[GroupRow, ...]:
    """One row per age group and gender that has visits; those without an estimate come last."""
    grouping, counts = _counted(frame, ("age_group", "gender"), UTC)
    ages, genders = ((*classes, None) for classes in grouping.classes)
    return tuple(
        GroupRow(age, gender, *_numbers(counts[i, j]))
        for i, age in enumerate(ages)
        for j, gender in enumerate(genders)
        if counts[i, j].any()
    )


def mood_by_outcome(frame: pd.DataFrame) -> tuple[MoodRow, ...]:
    """The moods of all visits, then of each outcome that has visits with a mood: a row per mood each."""
    grouping, counts = _counted(frame, ("mood",), UTC)
    moods = grouping.classes[0]
    known = counts[: len(moods)]
    columns: list[tuple[Outcome | Literal["all"], NDArray[np.int64]]] = [("all", known.sum(axis=1))]
    columns += [(outcome, known[:, i]) for i, outcome in enumerate(OUTCOMES)]
    return tuple(
        MoodRow(mood, outcome, int(n), int(n) / int(column.sum()))
        for outcome, column in columns
        if column.any()
        for mood, n in zip(moods, column, strict=True)
    )


def _counted(frame: pd.DataFrame, by: Sequence[str], zone: tzinfo) -> tuple[Grouping, NDArray[np.int64]]:
    grouping = grouping_of(frame, by, zone)
    return grouping, grouping.counts(outcome_codes(frame))


def _numbers(row: NDArray[np.int64]) -> tuple[int, int, int, int]:
    """All visits, then those that bought, did not, and of which it is unknown."""
    return int(row.sum()), int(row[YES]), int(row[NO]), int(row[UNKNOWN])


def _to_the_cent(amount: Decimal) -> Decimal:
    return amount.quantize(Decimal("0.01"))
