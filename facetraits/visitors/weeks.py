"""This week against last week: the same weekdays, up to the same time of the day."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from facetraits.visitors.findings import fisher
from facetraits.visitors.grouping import ENOUGH, UNKNOWN, YES

_DAYS: Final = 7
_UNKNOWN_MAY_DIFFER: Final = 0.05  # share of the visits of a week whose outcome is not known


class WeekdayRow(NamedTuple):
    """Visits, purchases and unknown outcomes of one weekday (0 is Monday) in last week and in this week."""

    weekday: int
    visits_before: int
    visits_now: int
    bought_before: int
    bought_now: int
    unknown_before: int
    unknown_now: int


@dataclass(frozen=True, slots=True)
class WeekComparison:
    """Two weeks, by the weekdays on which both have visits.

    Attributes:
        days: a row per compared weekday; of the last one only the hours that have passed today.
        left_out: weekdays that have passed, or begun, and on which one of the weeks has no visit: closed, not recorded,
            or nobody came yet.
        until: the present, on the clocks of the zone.
        p_visits: probability of a difference between the numbers of visits that is at least this large, if both weeks
            were alike and visitors came independently (exact binomial test, two-sided); None where a week has fewer
            than ``ENOUGH`` visits.
        p_share: the same of the shares that bought (Fisher's exact test). Also None where the outcomes of one week are
            known less well than those of the other, so that the shares cannot be compared.
    """

    days: tuple[WeekdayRow, ...]
    left_out: tuple[int, ...]
    until: datetime
    p_visits: float | None
    p_share: float | None

    @property
    def visits(self) -> tuple[int, int]:
        """Of last week and of this week."""
        return sum(day.visits_before for day in self.days), sum(day.visits_now for day in self.days)

    @property
    def bought(self) -> tuple[int, int]:
        """Purchases of last week and of this week."""
        return sum(day.bought_before for day in self.days), sum(day.bought_now for day in self.days)

    @property
    def unknown(self) -> tuple[int, int]:
        """Visits of unknown outcome of last week and of this week."""
        return sum(day.unknown_before for day in self.days), sum(day.unknown_now for day in self.days)


def week_spans(now: datetime) -> list[tuple[datetime, datetime]]:
    """The seven days of last week, then those of this week, each up to the same time of the week as ``now``.

    Args:
        now: aware; its zone is the one of days and hours.

    Returns:
        Beginning and end of each day on the clocks of that zone, without a zone; a day that has not begun is empty.
    """
    clock = now.replace(tzinfo=None)
    monday = datetime.combine(now.date() - timedelta(days=now.weekday()), time())
    spans = []
    for first, until in ((monday - timedelta(days=_DAYS), clock - timedelta(days=_DAYS)), (monday, clock)):
        days = [first + timedelta(days=day) for day in range(_DAYS)]
        spans += [(min(day, until), min(day + timedelta(days=1), until)) for day in days]
    return spans


def compare_weeks(outcomes: NDArray[np.int64], now: datetime) -> WeekComparison:
    """Compare this week, which is not over, with the same part of last week.

    Args:
        outcomes: (14, 3) visits by outcome in the spans of ``week_spans(now)``, as of ``VisitStore.count_spans``.
        now: aware; its zone is the one of days and hours.
    """
    assert now.tzinfo is not None
    before, after = outcomes[:_DAYS], outcomes[_DAYS:]
    begun = range(now.weekday() + 1)
    both = [day for day in begun if before[day].any() and after[day].any()]
    columns = [week.sum(axis=1) for week in (before, after)]
    columns += [week[:, outcome] for outcome in (YES, UNKNOWN) for week in (before, after)]
    days = tuple(WeekdayRow(day, *(int(column[day]) for column in columns)) for day in both)
    left_out = tuple(day for day in begun if day not in both)
    return WeekComparison(days, left_out, now, *_chances(days))


def _chances(days: tuple[WeekdayRow, ...]) -> tuple[float | None, float | None]:
    before, now, bought_before, bought_now, *unknown = (sum(day[place] for day in days) for place in range(1, 7))
    if min(before, now) < ENOUGH:
        return None, None
    from scipy.stats import binomtest  # a second to import, and few look at this

    alike = abs(unknown[0] / before - unknown[1] / now) <= _UNKNOWN_MAY_DIFFER
    p_share = fisher(bought_now, now, bought_before, before) if alike or _only_buyers(days) else None
    return float(binomtest(now, before + now, 0.5).pvalue), p_share


def _only_buyers(days: tuple[WeekdayRow, ...]) -> bool:
    """Nobody is marked as not having bought in either week: the owner marks buyers only, in both."""
    return all(
        day.visits_before == day.bought_before + day.unknown_before
        and day.visits_now == day.bought_now + day.unknown_now
        for day in days
    )
