"""This week against last week: which hours are compared, and when a difference is called one."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pandas as pd
import pytest
from scipy import stats

from facetraits.visitors.visit import Visit
from facetraits.visitors.weeks import WeekComparison, WeekdayRow, compare_weeks, week_spans
from tests.visitors.made_visits import BERLIN, frame_of, make_visit
from tests.visitors.slow_counts import outcomes_of

WEDNESDAY = datetime(2026, 5, 6, 14, 0, tzinfo=BERLIN)
DAY, WEEK = timedelta(days=1), timedelta(days=7)


def compare(frame: pd.DataFrame, now: datetime) -> WeekComparison:
    return compare_weeks(outcomes_of(frame, now.tzinfo, week_spans(now)), now)


def visits(moment: datetime, number: int, bought: int = 0) -> list[Visit]:
    return [make_visit(moment, bought="yes" if i < bought else "no") for i in range(number)]


def test_the_same_weekdays_are_compared_and_today_up_to_now() -> None:
    frame = frame_of(
        [
            *visits(WEDNESDAY - DAY, 3, 1),
            *visits(WEDNESDAY - DAY - WEEK, 5, 2),
            *visits(WEDNESDAY - timedelta(minutes=1), 7),
            *visits(WEDNESDAY - WEEK - timedelta(minutes=1), 2, 2),
            *visits(WEDNESDAY - WEEK + timedelta(minutes=1), 50),  # later than it is now
            *visits(WEDNESDAY - WEEK + 2 * DAY, 50),  # Friday, which has not come yet
            *visits(WEDNESDAY - 2 * WEEK, 50),
        ]
    )
    found = compare(frame, WEDNESDAY)
    assert found.days == (WeekdayRow(1, 5, 3, 2, 1, 0, 0), WeekdayRow(2, 2, 7, 2, 0, 0, 0))
    assert found.left_out == (0,), "on Monday nobody came in either week"
    assert (found.visits, found.bought) == ((7, 10), (4, 1))
    assert (found.p_visits, found.p_share) == (None, None), "too few"


def test_a_day_that_only_one_week_has_is_left_out() -> None:
    frame = frame_of([*visits(WEDNESDAY - DAY, 40), *visits(WEDNESDAY - 2 * DAY - WEEK, 40)])
    found = compare(frame, WEDNESDAY)
    assert (found.days, found.left_out) == ((), (0, 1, 2))


def test_differences_are_tested_exactly() -> None:
    frame = frame_of([*visits(WEDNESDAY - DAY, 60, 30), *visits(WEDNESDAY - DAY - WEEK, 40, 8)])
    found = compare(frame, WEDNESDAY)
    assert found.p_visits == pytest.approx(stats.binomtest(60, 100).pvalue)
    assert found.p_share == pytest.approx(stats.fisher_exact([[30, 30], [8, 32]]).pvalue)


def test_shares_of_which_one_is_not_known_yet_are_not_compared() -> None:
    before = visits(WEDNESDAY - DAY - WEEK, 40, 12)
    unknown = [make_visit(WEDNESDAY - DAY, bought="yes" if i < 2 else "unknown") for i in range(40)]
    found = compare(frame_of([*before, *unknown]), WEDNESDAY)
    assert (found.p_share, found.unknown) == (None, (0, 38))
    assert found.p_visits == 1
    only_buyers = [replace(visit, bought="unknown") if visit.bought == "no" else visit for visit in before]
    assert compare(frame_of([*only_buyers, *unknown]), WEDNESDAY).p_share is not None


def test_weeks_begin_at_midnight_of_their_mondays() -> None:
    spans = week_spans(WEDNESDAY)
    assert (spans[0][0], spans[7][0]) == (datetime(2026, 4, 27), datetime(2026, 5, 4))
    assert [until - since for since, until in spans] == [DAY, DAY, timedelta(hours=14), *[timedelta()] * 4] * 2
    assert week_spans(datetime(2026, 5, 4, tzinfo=BERLIN))[0][0] == datetime(2026, 4, 27)


def test_weeks_are_those_of_the_clocks_also_when_they_change() -> None:
    sunday = datetime(2026, 3, 29, 12, 0, tzinfo=BERLIN)
    frame = frame_of([*visits(sunday - timedelta(hours=1), 1), *visits(sunday - WEEK - timedelta(hours=1), 2)])
    assert compare(frame, sunday).days == (WeekdayRow(6, 2, 1, 0, 0, 0, 0),)


def test_without_visits_there_is_nothing_to_compare() -> None:
    assert compare(frame_of([]), WEDNESDAY).days == ()
