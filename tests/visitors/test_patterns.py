from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from scipy import stats

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
    mood_by_outcome,
    summary,
    weekday_hour,
    wilson,
)
from tests.visitors.made_visits import BERLIN, EMPTY, MONDAY_NOON, frame_of, group, make_frame, make_visit
from tests.visitors.slow_counts import counts_of


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


@pytest.mark.parametrize(("bought", "n"), [(0, 1), (1, 1), (2, 3), (0, 40), (13, 40), (40, 40), (999, 100_000)])
def test_interval_is_wilsons(bought: int, n: int) -> None:
    expected = stats.binomtest(bought, n).proportion_ci(0.95, method="wilson")

    assert wilson(bought, n) == pytest.approx((expected.low, expected.high), abs=1e-12)


@pytest.mark.parametrize(("bought", "n"), [(0, 0), (3, 2), (-1, 2)])
def test_interval_needs_visits(bought: int, n: int) -> None:
    with pytest.raises(ValueError, match="bought"):
        wilson(bought, n)


def test_two_of_three_are_not_enough_to_compare() -> None:
    (rate,) = conversion(counts_of(frame_of(group(2, 1))), ("gender",))

    assert rate == Rate(("female",), 3, 2, 2 / 3, *wilson(2, 3), False)
    assert rate.high - rate.low > 0.6


def test_thirty_are_enough() -> None:
    rates = [conversion(counts_of(frame_of(group(10, n - 10))), ("mood",))[0] for n in (ENOUGH - 1, ENOUGH)]

    assert [rate.enough for rate in rates] == [False, True]


def test_all_visits_are_the_denominator_also_those_of_unknown_outcome() -> None:
    (rate,) = conversion(counts_of(frame_of([*group(2, 1), make_visit()])), ("gender",))

    assert (rate.bought, rate.n) == (2, 4)
    assert conversion(counts_of(frame_of([make_visit()])), ("gender",))[0].rate == 0


def test_visits_without_the_trait_belong_to_no_group() -> None:
    unseen = make_visit(bought="yes", gender=None, gender_confidence=None)

    assert conversion(counts_of(frame_of([unseen])), ("age_group", "gender")) == ()
    assert len(conversion(counts_of(frame_of([unseen])), ("age_group",))) == 1


@pytest.mark.parametrize("by", [("age_group",), ("mood", "gender"), ("source",), ("age_group", "gender", "mood")])
def test_conversion_agrees_with_pandas(by: tuple[str, ...]) -> None:
    frame = make_frame(500, seed=1, unknown=0.2)
    expected = (frame["bought"] == "yes").groupby([frame[name] for name in by], observed=True).agg(["size", "sum"])

    rates = conversion(counts_of(frame), by)

    names = [names if isinstance(names, tuple) else (names,) for names in expected.index]
    assert [rate.names for rate in rates] == names
    assert [(rate.n, rate.bought) for rate in rates] == list(expected.itertuples(index=False, name=None))


def test_conversion_by_clock_and_calendar_is_local() -> None:
    frame = frame_of([make_visit(at("2026-05-03T22:30:00+00:00"), bought="yes")])  # Monday, half past midnight

    def names(by: str) -> str:
        return conversion(counts_of(frame, BERLIN), (by,))[0].names[0]

    assert [names(by) for by in ("weekday", "hour", "part_of_day")] == ["Monday", "00", "night"]


@pytest.mark.parametrize(
    ("hour", "part"), [(5, "night"), (6, "morning"), (11, "midday"), (14, "afternoon"), (21, "evening"), (22, "night")]
)
def test_every_hour_has_its_part_of_the_day(hour: int, part: str) -> None:
    frame = frame_of([make_visit(datetime(2026, 5, 4, hour, tzinfo=UTC), bought="no")])

    assert conversion(counts_of(frame), ("part_of_day",))[0].names == (part,)


@pytest.mark.parametrize("by", [(), ("duration_s",)])
def test_conversion_by_what_is_no_trait_is_refused(by: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="grouped"):
        conversion(counts_of(EMPTY), by)


def test_plain_columns_of_text_do_as_well() -> None:
    frame = make_frame(200, seed=2, unknown=0.1)
    plain = frame.astype(dict.fromkeys(("source", "age_group", "gender", "mood", "bought"), "str"))

    assert conversion(counts_of(plain), ("age_group", "gender")) == conversion(
        counts_of(frame), ("age_group", "gender")
    )
    assert summary(counts_of(plain)) == summary(counts_of(frame))


def test_hours_are_of_the_zone_and_all_there() -> None:
    rows = by_hour(counts_of(frame_of([make_visit(bought="yes"), make_visit(bought="no"), make_visit()]), BERLIN))

    assert [row.hour for row in rows] == list(range(24))
    assert rows[14] == HourRow(14, 3, 1, 1, 1)
    assert sum(row.visits for row in rows) == 3


def test_days_without_visits_are_filled() -> None:
    frame = frame_of([make_visit(MONDAY_NOON, bought="yes"), make_visit(MONDAY_NOON + timedelta(days=3))])

    assert by_day(counts_of(frame, UTC)) == (
        DayRow(date(2026, 5, 4), 1, 1, 0, 0),
        DayRow(date(2026, 5, 5), 0, 0, 0, 0),
        DayRow(date(2026, 5, 6), 0, 0, 0, 0),
        DayRow(date(2026, 5, 7), 1, 0, 0, 1),
    )


def test_a_wrong_year_does_not_fill_decades() -> None:
    frame = frame_of([make_visit(datetime(1970, 1, 1, tzinfo=UTC)), make_visit(MONDAY_NOON)])

    assert [row.day for row in by_day(counts_of(frame, UTC))] == [date(1970, 1, 1), date(2026, 5, 4)]
    assert summary(counts_of(frame)).days == 2


def test_midnight_is_the_zones() -> None:
    frame = frame_of([make_visit(at("2026-05-04T21:59:59.999999+00:00")), make_visit(at("2026-05-04T22:00:00+00:00"))])

    assert [row.day.day for row in by_day(counts_of(frame, BERLIN))] == [4, 5]
    assert len(by_day(counts_of(frame, UTC))) == 1


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

    rows = by_hour(counts_of(frame, BERLIN))

    assert len(by_day(counts_of(frame, BERLIN))) == 1
    assert sum(row.visits for row in rows) == length
    assert {hour: rows[hour].visits for hour in hours} == hours
    assert rows[2].visits == length - 23


def test_zone_with_half_hours() -> None:
    frame = frame_of([make_visit(at("2026-05-04T18:29:00+00:00")), make_visit(at("2026-05-04T18:30:00+00:00"))])

    assert [row.day.day for row in by_day(counts_of(frame, ZoneInfo("Asia/Kolkata")))] == [4, 5]


def test_weekdays_and_hours() -> None:
    frame = frame_of([make_visit(MONDAY_NOON + timedelta(days=i), bought="yes") for i in (0, 7, 8)])

    rows = weekday_hour(counts_of(frame, UTC))

    assert len(rows) == 7 * 24
    assert rows[12] == WeekdayHourRow(0, 12, 2, 2, 2)
    assert rows[24 + 12] == WeekdayHourRow(1, 12, 1, 1, 2)
    assert rows[6 * 24] == WeekdayHourRow(6, 0, 0, 0, 1)
    assert sum(row.visits for row in rows) == 3


def test_groups_with_those_not_estimated_last() -> None:
    unseen = make_visit(age=None, age_group=None, age_confidence=None, bought="yes")
    young = make_visit(age_group="0-20", gender="male", bought="no")

    assert by_group(counts_of(frame_of([unseen, young, make_visit(), make_visit()]))) == (
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

    assert mood_by_outcome(counts_of(frame)) == (
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
