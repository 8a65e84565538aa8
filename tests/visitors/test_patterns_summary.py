from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal

import pandas as pd
import pytest

from facetraits.visitors.patterns import (
    Rate,
    by_day,
    by_group,
    by_hour,
    conversion,
    findings,
    mood_by_outcome,
    summary,
    weekday_hour,
    wilson,
)
from tests.visitors.made_visits import BERLIN, EMPTY, MONDAY_NOON, frame_of, make_visit
from tests.visitors.slow_counts import cells_of, counts_of


def test_summary_of_some_visits() -> None:
    frame = frame_of(
        [
            make_visit(bought="yes", basket=Decimal("0.10"), duration_s=10.0),
            make_visit(bought="yes", basket=Decimal("0.20"), duration_s=20.0),
            make_visit(bought="yes", duration_s=30.0),
            make_visit(bought="no", basket=Decimal("99.00"), duration_s=40.0),
            make_visit(MONDAY_NOON + timedelta(days=1), duration_s=500.0),
        ]
    )

    found = summary(counts_of(frame, BERLIN))

    assert (found.visits, found.bought, found.not_bought, found.unknown) == (5, 3, 1, 1)
    assert found.rate == Rate((), 5, 3, 0.6, *wilson(3, 5), False)
    assert found.median_duration_s == 30
    assert (found.turnover, found.baskets, found.mean_basket) == (Decimal("0.30"), 2, Decimal("0.15"))
    assert (found.first_day, found.last_day, found.days, found.per_day) == (date(2026, 5, 4), date(2026, 5, 5), 2, 2.5)


def test_turnover_is_exact() -> None:
    frame = frame_of([make_visit(bought="yes", basket=Decimal("99999999.99")) for _ in range(1000)])

    assert summary(counts_of(frame)).turnover == Decimal("99999999990.00")


def test_summary_of_one_visit_without_outcome() -> None:
    found = summary(counts_of(frame_of([make_visit()])))

    assert found.rate == Rate((), 1, 0, 0.0, *wilson(0, 1), False)
    assert (found.visits, found.unknown, found.mean_basket, found.days) == (1, 1, None, 1)


@pytest.mark.parametrize(
    "pattern",
    [
        lambda frame: by_day(counts_of(frame, BERLIN)),
        lambda frame: by_group(counts_of(frame)),
        lambda frame: mood_by_outcome(counts_of(frame)),
        lambda frame: conversion(counts_of(frame, BERLIN), ("weekday", "hour")),
        lambda frame: conversion(counts_of(frame, BERLIN), ("source",)),
        lambda frame: findings(cells_of(frame, BERLIN)),
    ],
)
def test_without_visits_there_are_no_rows(pattern: Callable[[pd.DataFrame], tuple[object, ...]]) -> None:
    assert pattern(EMPTY) == ()
    assert pattern(EMPTY.astype(object)) == ()


def test_summary_without_visits() -> None:
    found = summary(counts_of(EMPTY, BERLIN))

    assert (found.visits, found.rate, found.median_duration_s, found.turnover) == (0, None, None, Decimal("0.00"))
    assert (found.first_day, found.days, found.per_day) == (None, 0, 0.0)
    assert sum(row.visits for row in by_hour(counts_of(EMPTY, BERLIN))) == 0
    assert {row.days for row in weekday_hour(counts_of(EMPTY, BERLIN))} == {0}
