from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import combinations
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from facetraits.visitors.findings import fisher, holm
from facetraits.visitors.patterns import (
    ENOUGH,
    DayRow,
    GroupRow,
    HourRow,
    MoodRow,
    Rate,
    WeekdayHourRow,
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
from tests.visitors.made_visits import BERLIN, MONDAY_NOON, frame_of, make_frame, make_visit

EMPTY = frame_of([])


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def group(bought: int, others: int, **changes: Any) -> list[Any]:
    """Visits of which so many bought and so many did not."""
    outcomes = ["yes"] * bought + ["no"] * others
    return [make_visit(bought=outcome, **changes) for outcome in outcomes]  # type: ignore[arg-type]


# -------------------------------------------------------------------------------------------------------------- rates


@pytest.mark.parametrize(("bought", "n"), [(0, 1), (1, 1), (2, 3), (0, 40), (13, 40), (40, 40), (999, 100_000)])
def test_interval_is_wilsons(bought: int, n: int) -> None:
    expected = stats.binomtest(bought, n).proportion_ci(0.95, method="wilson")

    assert wilson(bought, n) == pytest.approx((expected.low, expected.high), abs=1e-12)


@pytest.mark.parametrize(("bought", "n"), [(0, 0), (3, 2), (-1, 2)])
def test_interval_needs_visits(bought: int, n: int) -> None:
    with pytest.raises(ValueError, match="bought"):
        wilson(bought, n)


def test_two_of_three_are_not_enough_to_compare() -> None:
    (rate,) = conversion(frame_of(group(2, 1)), ("gender",), "leave out")

    assert rate == Rate(("female",), 3, 2, 2 / 3, *wilson(2, 3), False)
    assert rate.high - rate.low > 0.6


def test_thirty_are_enough() -> None:
    rates = [conversion(frame_of(group(10, n - 10)), ("mood",), "leave out")[0] for n in (ENOUGH - 1, ENOUGH)]

    assert [rate.enough for rate in rates] == [False, True]


def test_unknown_outcomes_are_left_out_or_count_as_not_bought() -> None:
    frame = frame_of([*group(2, 1), make_visit()])

    rates = [conversion(frame, ("gender",), unknown)[0] for unknown in ("leave out", "not bought")]  # type: ignore[arg-type]

    assert [(rate.bought, rate.n) for rate in rates] == [(2, 3), (2, 4)]


def test_group_of_unknown_outcomes_alone_has_no_rate() -> None:
    frame = frame_of([make_visit()])

    assert conversion(frame, ("gender",), "leave out") == ()
    assert conversion(frame, ("gender",), "not bought")[0].rate == 0


def test_visits_without_the_trait_belong_to_no_group() -> None:
    unseen = make_visit(bought="yes", gender=None, gender_confidence=None)

    assert conversion(frame_of([unseen]), ("age_group", "gender"), "leave out") == ()
    assert len(conversion(frame_of([unseen]), ("age_group",), "leave out")) == 1


@pytest.mark.parametrize("by", [("age_group",), ("mood", "gender"), ("source",), ("age_group", "gender", "source")])
@pytest.mark.parametrize("unknown", ["leave out", "not bought"])
def test_conversion_agrees_with_pandas(by: tuple[str, ...], unknown: Any) -> None:
    frame = make_frame(500, seed=1, unknown=0.2)
    counted = frame if unknown == "not bought" else frame[frame["bought"] != "unknown"]
    expected = (counted["bought"] == "yes").groupby([counted[name] for name in by], observed=True).agg(["size", "sum"])

    rates = conversion(frame, by, unknown)

    names = [names if isinstance(names, tuple) else (names,) for names in expected.index]
    assert [rate.names for rate in rates] == names
    assert [(rate.n, rate.bought) for rate in rates] == list(expected.itertuples(index=False, name=None))


def test_conversion_by_clock_and_calendar_is_local() -> None:
    frame = frame_of([make_visit(at("2026-05-03T22:30:00+00:00"), bought="yes")])  # Monday, half past midnight

    def names(by: str) -> str:
        return conversion(frame, (by,), "leave out", BERLIN)[0].names[0]

    assert [names(by) for by in ("weekday", "hour", "part_of_day")] == ["Monday", "00", "night"]


@pytest.mark.parametrize(
    ("hour", "part"), [(5, "night"), (6, "morning"), (11, "midday"), (14, "afternoon"), (21, "evening"), (22, "night")]
)
def test_every_hour_has_its_part_of_the_day(hour: int, part: str) -> None:
    frame = frame_of([make_visit(datetime(2026, 5, 4, hour, tzinfo=UTC), bought="no")])

    assert conversion(frame, ("part_of_day",), "leave out")[0].names == (part,)


@pytest.mark.parametrize("by", [(), ("duration_s",)])
def test_conversion_by_what_is_no_trait_is_refused(by: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="grouped"):
        conversion(EMPTY, by, "leave out")


def test_plain_columns_of_text_do_as_well() -> None:
    frame = make_frame(200, seed=2, unknown=0.1)
    plain = frame.astype(dict.fromkeys(("source", "age_group", "gender", "mood", "bought"), "str"))

    assert conversion(plain, ("source", "gender"), "leave out") == conversion(frame, ("source", "gender"), "leave out")
    assert summary(plain, "leave out") == summary(frame, "leave out")


# ------------------------------------------------------------------------------------------------------ time and groups


def test_hours_are_of_the_zone_and_all_there() -> None:
    rows = by_hour(frame_of([make_visit(bought="yes"), make_visit(bought="no"), make_visit()]), BERLIN)

    assert [row.hour for row in rows] == list(range(24))
    assert rows[14] == HourRow(14, 3, 1, 1, 1)
    assert sum(row.visits for row in rows) == 3


def test_days_without_visits_are_filled() -> None:
    frame = frame_of([make_visit(MONDAY_NOON, bought="yes"), make_visit(MONDAY_NOON + timedelta(days=3))])

    assert by_day(frame, UTC) == (
        DayRow(date(2026, 5, 4), 1, 1, 0, 0),
        DayRow(date(2026, 5, 5), 0, 0, 0, 0),
        DayRow(date(2026, 5, 6), 0, 0, 0, 0),
        DayRow(date(2026, 5, 7), 1, 0, 0, 1),
    )


def test_a_wrong_year_does_not_fill_decades() -> None:
    frame = frame_of([make_visit(datetime(1970, 1, 1, tzinfo=UTC)), make_visit(MONDAY_NOON)])

    assert [row.day for row in by_day(frame, UTC)] == [date(1970, 1, 1), date(2026, 5, 4)]
    assert summary(frame, "leave out").days == 2


def test_midnight_is_the_zones() -> None:
    frame = frame_of([make_visit(at("2026-05-04T21:59:59.999999+00:00")), make_visit(at("2026-05-04T22:00:00+00:00"))])

    assert [row.day.day for row in by_day(frame, BERLIN)] == [4, 5]
    assert len(by_day(frame, UTC)) == 1


@pytest.mark.parametrize(
    ("day", "hours", "length"),
    [
        (date(2026, 3, 29), {1: 1, 3: 1}, 23),  # clocks go from 2 to 3
        (date(2026, 10, 25), {1: 1, 2: 2}, 25),  # from 3 back to 2
    ],
)
def test_days_on_which_clocks_change(day: date, hours: dict[int, int], length: int) -> None:
    midnight = datetime(day.year, day.month, day.day, tzinfo=BERLIN).astimezone(UTC)
    frame = frame_of([make_visit(midnight + timedelta(minutes=30 + 60 * i)) for i in range(length)])

    rows = by_hour(frame, BERLIN)

    assert len(by_day(frame, BERLIN)) == 1
    assert sum(row.visits for row in rows) == length
    assert {hour: rows[hour].visits for hour in hours} == hours
    assert rows[2].visits == length - 23


def test_zone_with_half_hours() -> None:
    frame = frame_of([make_visit(at("2026-05-04T18:29:00+00:00")), make_visit(at("2026-05-04T18:30:00+00:00"))])

    assert [row.day.day for row in by_day(frame, ZoneInfo("Asia/Kolkata"))] == [4, 5]


def test_weekdays_and_hours() -> None:
    frame = frame_of([make_visit(MONDAY_NOON + timedelta(days=i), bought="yes") for i in (0, 7, 8)])

    rows = weekday_hour(frame, UTC)

    assert len(rows) == 7 * 24
    assert rows[12] == WeekdayHourRow(0, 12, 2, 2, 2)
    assert rows[24 + 12] == WeekdayHourRow(1, 12, 1, 1, 2)
    assert rows[6 * 24] == WeekdayHourRow(6, 0, 0, 0, 1)
    assert sum(row.visits for row in rows) == 3


def test_groups_with_those_not_estimated_last() -> None:
    unseen = make_visit(age=None, age_group=None, age_confidence=None, bought="yes")
    young = make_visit(age_group="0-20", gender="male", bought="no")

    assert by_group(frame_of([unseen, young, make_visit(), make_visit()])) == (
        GroupRow("0-20", "male", 1, 0, 1, 0),
        GroupRow("21-40", "female", 2, 0, 0, 2),
        GroupRow(None, "female", 1, 1, 0, 0),
    )


def test_moods_of_all_and_by_outcome() -> None:
    frame = frame_of(
        [
            *group(3, 1, mood="positive"),
            *group(1, 0, mood="negative"),
            make_visit(mood=None, mood_confidence=None, bought="no"),
        ]
    )

    assert mood_by_outcome(frame) == (
        MoodRow("positive", "all", 4, 0.8),
        MoodRow("neutral", "all", 0, 0.0),
        MoodRow("negative", "all", 1, 0.2),
        MoodRow("positive", "yes", 3, 0.75),
        MoodRow("neutral", "yes", 0, 0.0),
        MoodRow("negative", "yes", 1, 0.25),
        MoodRow("positive", "no", 1, 1.0),
        MoodRow("neutral", "no", 0, 0.0),
        MoodRow("negative", "no", 0, 0.0),
    )


# ------------------------------------------------------------------------------------------------------------ summary


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

    found = summary(frame, "leave out", BERLIN)

    assert (found.visits, found.bought, found.not_bought, found.unknown) == (5, 3, 1, 1)
    assert found.rate == Rate((), 4, 3, 0.75, *wilson(3, 4), False)
    assert found.median_duration_s == 30
    assert (found.turnover, found.baskets, found.mean_basket) == (Decimal("0.30"), 2, Decimal("0.15"))
    assert (found.first_day, found.last_day, found.days, found.per_day) == (date(2026, 5, 4), date(2026, 5, 5), 2, 2.5)
    assert not found.only_buyers_marked


def test_turnover_is_exact() -> None:
    frame = frame_of([make_visit(bought="yes", basket=Decimal("99999999.99")) for _ in range(1000)])

    assert summary(frame, "leave out").turnover == Decimal("99999999990.00")


def test_summary_says_where_only_buyers_were_marked() -> None:
    frame = frame_of([make_visit(bought="yes"), make_visit()])

    assert summary(frame, "leave out").only_buyers_marked
    assert summary(frame, "not bought").rate == Rate((), 2, 1, 0.5, *wilson(1, 2), False)


def test_summary_of_one_visit_without_outcome() -> None:
    found = summary(frame_of([make_visit()]), "leave out")

    assert (found.visits, found.rate, found.mean_basket, found.days) == (1, None, None, 1)


@pytest.mark.parametrize(
    "pattern",
    [
        lambda frame: by_day(frame, BERLIN),
        lambda frame: by_group(frame),
        lambda frame: mood_by_outcome(frame),
        lambda frame: conversion(frame, ("age_group", "weekday"), "not bought", BERLIN),
        lambda frame: conversion(frame, ("source",), "leave out", BERLIN),
        lambda frame: findings(frame, "leave out", BERLIN),
    ],
)
def test_without_visits_there_are_no_rows(pattern: Callable[[pd.DataFrame], tuple[object, ...]]) -> None:
    assert pattern(EMPTY) == ()
    assert pattern(EMPTY.astype(object)) == ()


def test_summary_without_visits() -> None:
    found = summary(EMPTY, "leave out", BERLIN)

    assert (found.visits, found.rate, found.median_duration_s, found.turnover) == (0, None, None, Decimal("0.00"))
    assert (found.first_day, found.days, found.per_day) == (None, 0, 0.0)
    assert sum(row.visits for row in by_hour(EMPTY, BERLIN)) == 0
    assert {row.days for row in weekday_hour(EMPTY, BERLIN)} == {0}


# ----------------------------------------------------------------------------------------------------------- findings


def test_fishers_test_agrees_with_scipy() -> None:
    draw = np.random.default_rng(0)
    for _ in range(300):
        n, other_n = (int(size) for size in draw.integers(1, 400, 2))
        bought, other = int(draw.integers(0, n + 1)), int(draw.integers(0, other_n + 1))
        expected = stats.fisher_exact([[bought, n - bought], [other, other_n - other]]).pvalue
        assert fisher(bought, n, other, other_n) == pytest.approx(expected, rel=1e-6, abs=1e-300)


def test_fishers_test_of_many_visits() -> None:
    expected = stats.fisher_exact([[6200, 13_800], [24_000, 56_000]]).pvalue

    assert fisher(6200, 20_000, 24_000, 80_000) == pytest.approx(expected, rel=1e-6)


def test_holms_correction_is_the_closure_of_bonferronis() -> None:
    draw = np.random.default_rng(0)
    for _ in range(50):
        p_values = draw.uniform(0, 0.5, 5).tolist()
        sets = [chosen for size in range(1, 6) for chosen in combinations(range(5), size)]
        for i, corrected in enumerate(holm(p_values)):
            worst = max(min(1, len(chosen) * min(p_values[j] for j in chosen)) for chosen in sets if i in chosen)
            assert corrected == pytest.approx(worst)


@pytest.mark.parametrize(
    ("planted", "beginning"),
    [
        ({"gender": "female"}, "Visitors of apparent gender female bought more often"),
        ({"age_group": "61-80"}, "Visitors of apparent age 61-80 bought more often"),
        ({"age_group": "21-40", "gender": "male"}, "Visitors of apparent age 21-40 and apparent gender male bought"),
        ({"mood": "positive"}, "Visitors whose mood looked positive bought more often"),
        ({"weekday": "Saturday"}, "Visitors who came on a Saturday bought more often"),
    ],
)
def test_planted_pattern_is_found_and_nothing_else(planted: dict[str, str], beginning: str) -> None:
    found = findings(make_frame(3000, seed=3, planted=planted), "leave out", BERLIN)

    assert [finding.sentence.startswith(beginning) for finding in found] == [True]
    assert found[0].p < 0.001
    assert found[0].group.rate > found[0].others.rate
    assert found[0].group.n + found[0].others.n == 3000
    assert found[0].group.names == tuple(planted.values())


def test_group_that_buys_less_is_found() -> None:
    frame = make_frame(3000, seed=1, rate=0.5, planted={"mood": "negative"}, planted_rate=0.2)

    (found,) = findings(frame, "leave out", BERLIN)

    assert "mood looked negative bought less often than the others" in found.sentence


def test_two_patterns_are_both_found() -> None:
    frame = make_frame(4000, seed=1, planted={"gender": "female"})
    saturday = (frame["started"].dt.tz_convert(BERLIN).dt.day_of_week == 5).to_numpy()
    frame.loc[saturday & (np.arange(len(frame)) % 2 == 0), "bought"] = "yes"

    assert {finding.traits for finding in findings(frame, "leave out", BERLIN)} == {("gender",), ("weekday",)}


def test_a_sentence_has_its_numbers() -> None:
    frame = frame_of([*group(900, 600, gender="male"), *group(120, 280)])

    (found,) = findings(frame, "leave out")

    assert found.sentence == (
        "Visitors of apparent gender male bought more often than the others: 60% of 1,500 against 30% of 400."
    )


def test_part_of_the_day_is_named_with_its_hours() -> None:
    night = [make_visit(visit.started.replace(hour=2), bought=visit.bought) for visit in group(60, 10)]

    (found,) = findings(frame_of([*night, *group(20, 80)]), "leave out")

    assert found.sentence.startswith("Visitors who came at night (22:00 to 6:00) bought more often")


def test_a_pair_counts_once() -> None:
    # All visitors are of one age, so that men, and men of that age, are the same visits; and not women the same others.
    found = findings(frame_of([*group(80, 20, gender="male"), *group(30, 70)]), "leave out")

    assert [finding.traits for finding in found] == [("gender",)]
    # One comparison, no correction.
    assert found[0].p == pytest.approx(stats.fisher_exact([[80, 20], [30, 70]]).pvalue)


def test_overlap_with_a_clearer_group_is_not_told() -> None:
    # Women buy more often; that all of them look happy and most men do not makes no second pattern.
    women = group(150, 150, mood="positive")
    men = [*group(20, 80, gender="male", mood="positive"), *group(60, 240, gender="male", mood="neutral")]

    assert [finding.traits for finding in findings(frame_of([*women, *men]), "leave out")] == [("gender",)]


def test_too_few_visits_are_not_compared() -> None:
    few = group(ENOUGH - 1, 0, gender="male")

    assert findings(frame_of([*few, *group(10, 200)]), "leave out") == ()
    assert len(findings(frame_of([*few, *group(1, 0, gender="male"), *group(10, 200)]), "leave out")) == 1


def test_nothing_stands_out_where_only_buyers_are_marked() -> None:
    frame = make_frame(2000, seed=1, planted={"gender": "female"})
    frame.loc[frame["bought"] == "no", "bought"] = "unknown"

    assert findings(frame, "leave out", BERLIN) == ()
    assert [finding.traits for finding in findings(frame, "not bought", BERLIN)] == [("gender",)]


def test_chance_is_seldom_taken_for_a_pattern() -> None:
    frame, draw, shops = make_frame(800, seed=1), np.random.default_rng(1), 200
    bought = frame["bought"].to_numpy()

    false = sum(
        bool(findings(frame.assign(bought=draw.permutation(bought)), "leave out", BERLIN)) for _ in range(shops)
    )

    assert false <= 0.05 * shops
