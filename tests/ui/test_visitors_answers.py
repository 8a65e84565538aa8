"""What the view "Patterns" says and draws: sentences that agree with the counts, charts that hold all of them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import altair as alt
import pytest

from facetraits.visitors import patterns
from facetraits.visitors.patterns import WEEKDAYS, DayRow, HourRow
from facetraits.visitors.visit import EVERYTHING, Visit
from tests.visitors.made_visits import BERLIN, MONDAY_NOON, frame_of, make_frame, make_visit
from tests.visitors.slow_counts import counts_of
from ui.kit import charts
from ui.kit.components import listed
from ui.visitors import answers, words
from ui.visitors import charts as visit_charts
from ui.visitors.log import selection_of_days

NOBODY = make_visit(age=None, age_group=None, age_confidence=None, gender=None, gender_confidence=None)


def spread(count: int, bought: int = 0, **changes: Any) -> list[Visit]:
    """Visits a minute apart, the first of them with a purchase."""
    outcome = ["yes"] * bought + ["no"] * (count - bought)
    return [make_visit(MONDAY_NOON + timedelta(minutes=i), bought=o, **changes) for i, o in enumerate(outcome)]


def drawn(chart: alt.LayerChart) -> dict[str, Any]:
    """The chart's description, checked against Vega-Lite's schema; data and width come with it."""
    description = chart.to_dict()
    assert len(description["layer"]) >= 2, "one layer alone would be sent another way"
    assert all("values" in layer["data"] for layer in description["layer"])
    return description


def rows_of(description: dict[str, Any], layer: int = 0) -> Sequence[dict[str, Any]]:
    return description["layer"][layer]["data"]["values"]


# ------------------------------------------------------------------------------------------------------------- glance


def test_tiles_show_the_summary_with_its_interval() -> None:
    visits = [*spread(38, 0), make_visit(bought="yes", basket=Decimal("9.90")), make_visit(bought="yes")]
    tiles = answers.summary_tiles(patterns.summary(counts_of(frame_of(visits), BERLIN)), "EUR")
    said = {label: (value, basis) for label, value, basis in tiles}
    assert said["Visits"] == ("40", "on one day")
    assert said["Turnover"] == ("€9.90", "from 1 basket of 2 who bought")
    assert said["Median stay"][0] == "4 min"


def test_tiles_of_visits_without_outcome_promise_nothing() -> None:
    tiles = answers.summary_tiles(patterns.summary(counts_of(frame_of([make_visit()]), BERLIN)), None)
    said = {label: (value, basis) for label, value, basis in tiles}
    assert said["Turnover"][0] == said["Mean basket"][0] == "–"


@pytest.mark.parametrize(
    ("yes", "no", "unknown", "headline", "basis"),
    [
        (0, 0, 0, "No visitors", "the share who bought appears with the first visitor"),
        (0, 0, 1, "1 visitor, no outcome known", "mark who bought, or import the sales of your till"),
        (12, 68, 0, "12 of 80 visitors bought (15%)", "95% interval 9% to 24%"),
        (
            *(2, 6, 12, "2 of 20 visitors bought (10%)"),
            "95% interval 3% to 30%; of 12 the outcome is not known, and they count as not bought",
        ),
        (
            *(2, 0, 6, "2 of 8 visitors bought (25%)"),
            "95% interval 7% to 59%; of 6 the outcome is not known, and they count as not bought",
        ),
    ],
)
def test_the_share_is_of_all_visitors(yes: int, no: int, unknown: int, headline: str, basis: str) -> None:
    assert answers.share_words({"yes": yes, "no": no, "unknown": unknown}) == (headline, basis)


# --------------------------------------------------------------------------------------------------------------- times


def test_hours_are_those_in_which_somebody_comes_and_a_few_around() -> None:
    frame = make_frame(500)
    hours = patterns.by_hour(counts_of(frame, BERLIN))
    rows = answers.hour_rows(hours)
    assert sum(row["n"] for row in rows) == 500
    assert (rows[0]["hour"], rows[-1]["hour"]) == (9, 19)
    assert answers.hours_sentence(hours).startswith("Most come from ")
    assert len(answers.hour_rows(patterns.by_hour(counts_of(frame_of([make_visit()]), BERLIN)))) == 9
    nights = [make_visit(datetime(2026, 5, 4, hour, tzinfo=UTC)) for hour in (0, 23)]
    assert len(answers.hour_rows(patterns.by_hour(counts_of(frame_of(nights), ZoneInfo("UTC"))))) == 24


def test_the_chart_of_hours_stacks_nothing_above_the_visits() -> None:
    description = drawn(
        visit_charts.visits_by_hour(answers.hour_rows(patterns.by_hour(counts_of(make_frame(300), BERLIN))))
    )
    assert all(0 <= row["bought"] <= row["n"] for row in rows_of(description))
    assert all("bought" in row["said"] for row in rows_of(description))


def day(number: int, visits: int) -> DayRow:
    return DayRow(date(2026, 1, 5) + timedelta(days=number), visits, 1, visits - 1, 0)


def test_every_day_has_a_bar_and_many_days_become_weeks() -> None:
    few = answers.day_rows([day(i, 10) for i in range(30)])
    assert [row["n"] for row in few] == [10] * 30
    many = answers.day_rows([day(i, 10) for i in range(140)])
    assert [row["n"] for row in many] == [70] * 20
    assert many[1]["day"] == "2026-01-12"
    assert many[0]["said"] == "Week of Mon, 5 Jan 2026: 70 visits, 7 bought"
    for rows in (few, many, few[:1]):
        axis = drawn(visit_charts.visits_by_day(rows, "Day"))["layer"][0]["encoding"]["x"]["axis"]
        assert 1 <= len(axis["values"]) <= 8


def test_sentences_about_days() -> None:
    assert answers.days_sentence([day(0, 1)]) == "One visit, on Monday, 5 January 2026."
    assert answers.days_sentence([day(0, 7)]) == "7 visits, all on Monday, 5 January 2026."
    said = answers.days_sentence([day(0, 3), day(1, 6)])
    assert said == "4.5 visits a day; most on Tuesday, 6 January 2026: 6."


def test_the_week_shows_weekdays_over_opening_hours() -> None:
    frame = make_frame(400)
    cells = patterns.weekday_hour(counts_of(frame, BERLIN))
    rows = answers.week_rows(cells, answers.opening_hours(patterns.by_hour(counts_of(frame, BERLIN))))
    assert sum(row["n"] for row in rows) == 400
    assert max(row["share"] for row in rows) == 1
    assert {row["day"] for row in rows} == set(WEEKDAYS)
    assert "on each of" in rows[0]["said"]
    assert len(rows_of(drawn(visit_charts.week(rows, WEEKDAYS)))) == len(rows) == 7 * 11
    assert answers.week_sentence(cells).startswith("The fullest hour of the week is ")


def test_opening_hours_of_nobody_are_those_of_a_day() -> None:
    first, last = answers.opening_hours([HourRow(hour, 0, 0, 0, 0) for hour in range(24)])
    assert (first, last) == (9, 17)


# -------------------------------------------------------------------------------------------------------------- people


def test_groups_include_those_who_were_not_estimated() -> None:
    groups = patterns.by_group(counts_of(frame_of([*spread(3), make_visit(gender="male"), NOBODY])))
    rows, ages, genders = answers.group_rows(groups)
    assert sum(row["n"] for row in rows) == 5
    assert (ages, genders) == (["21-40", "not estimated"], ["female", "male", "not estimated"])
    assert answers.groups_sentence(groups) == "The largest group is 21-40, female: 3 of 5 visits (60%)."
    assert len(rows_of(drawn(visit_charts.groups(rows, ages, genders)))) == 3


def test_moods_add_up_to_everybody_in_each_bar() -> None:
    moods = patterns.mood_by_outcome(counts_of(make_frame(400, unknown=0.2)))
    rows, names = answers.mood_rows(moods)
    assert [name.partition(" (")[0] for name in names] == ["everybody", "bought", "did not buy", "not known"]
    for name in names:
        parts = [row for row in rows if row["name"] == name]
        assert [part["start"] for part in parts][1:] == [part["end"] for part in parts][:-1]
        assert parts[-1]["end"] == pytest.approx(1)
    drawn(visit_charts.shares(rows, names, visit_charts.MOOD_COLOURS))
    assert "See “Buyers” for whether this is more than chance" in answers.mood_sentence(moods)


def test_the_mood_of_one_visit_is_no_comparison() -> None:
    moods = patterns.mood_by_outcome(counts_of(frame_of([make_visit()])))
    assert answers.mood_sentence(moods) == "Of 1 visit with a mood: 0% positive, 100% neutral and 0% negative."


# ----------------------------------------------------------------------------------------------------------- who buys


def test_too_few_are_grey_last_and_said() -> None:
    visits = [*spread(40, 10), *spread(40, 30, gender="male"), *spread(3, 2, age_group="81+", gender=None,
              gender_confidence=None)]  # fmt: skip
    rates = patterns.conversion(counts_of(frame_of(visits), BERLIN), ("age_group",))
    dots = answers.rate_dots(rates)
    assert [(dot.name, dot.kind) for dot in dots] == [("21-40 (80)", "group"), ("81+ (3)", "few")]
    assert dots[1].said == "81+: 67% bought, 2 of 3, 95% interval 21% to 94%, too few to compare (under 30)"
    assert answers.rates_sentence(rates).startswith("A comparison needs two groups with at least 30 visits")
    drawn(charts.dot_plot(dots, "Share who bought", True, 0.5))


def test_the_ends_are_compared_with_their_intervals() -> None:
    visits = [*spread(60, 6), *spread(60, 50, gender="male")]
    rates = patterns.conversion(counts_of(frame_of(visits), BERLIN), ("gender",))
    assert answers.rates_sentence(rates).startswith("From 10% (Female, 6 of 60) to 83% (Male, 50 of 60). See “What")
    alike = patterns.conversion(counts_of(frame_of([*spread(40, 10), *spread(40, 12, gender="male")])), ("gender",))
    assert "intervals overlap: chance may explain" in answers.rates_sentence(alike)


@pytest.mark.parametrize("number", [1, 200])
def test_every_table_holds_what_its_chart_shows(number: int) -> None:
    frame = make_frame(number, unknown=0.2)
    tables = (
        answers.hours_table(patterns.by_hour(counts_of(frame, BERLIN))),
        answers.days_table(patterns.by_day(counts_of(frame, BERLIN))),
        answers.week_table(patterns.weekday_hour(counts_of(frame, BERLIN))),
        answers.groups_table(patterns.by_group(counts_of(frame))),
    )
    for table in tables:
        column = [column.title for column in table.columns].index("Visits")
        assert sum(row[column] for row in table.rows) == number, table.caption
        assert table.to_html().count("<tr>") == len(table.rows) + 1
    rates = patterns.conversion(counts_of(frame, BERLIN), ("gender",))
    assert "no, too few" in answers.rates_table(rates, "Apparent gender").to_html() or number == 200


# --------------------------------------------------------------------------------------------------------------- words


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0, "0 s"), (59.4, "59 s"), (59.7, "1 min"), (90, "2 min"), (3540, "59 min"), (3599, "1 h 00 min"),
     (7500, "2 h 05 min")],
)  # fmt: skip
def test_durations(seconds: float, said: str) -> None:
    assert words.duration_words(seconds) == said


def test_moments_are_on_the_owners_clock() -> None:
    today = date(2026, 5, 4)
    assert words.moment_words(MONDAY_NOON, BERLIN, today) == "14:00"
    assert words.moment_words(MONDAY_NOON - timedelta(days=1), BERLIN, today) == "yesterday, 14:00"
    assert words.moment_words(MONDAY_NOON - timedelta(days=9), BERLIN, today) == "Sat 25 Apr, 14:00"
    assert words.moment_words(MONDAY_NOON - timedelta(days=365), BERLIN, today) == "Sun, 4 May 2025, 14:00"
    assert words.moment_words(datetime(2026, 5, 3, 23, tzinfo=UTC), BERLIN, today) == "01:00"


def test_days_begin_and_end_at_midnight_also_when_the_clocks_change() -> None:
    march = selection_of_days(date(2026, 3, 29), date(2026, 3, 29), BERLIN)
    assert march.since is not None and march.until is not None
    assert march.until.astimezone(UTC) - march.since.astimezone(UTC) == timedelta(hours=23)
    assert selection_of_days(None, None, BERLIN) == EVERYTHING


def test_people_are_described_by_what_is_known() -> None:
    assert words.person_words(make_visit()) == "Female, 21-40, neutral mood"
    assert words.person_words(NOBODY) == "Neutral mood"
    assert words.person_words(make_visit(mood=None, mood_confidence=None)) == "Female, 21-40"
    assert words.person_words(Visit(MONDAY_NOON, "door", 1)) == "Not estimated"


def test_lists_and_counts() -> None:
    assert [listed(names) for names in ([], ["a"], ["a", "b"], ["a", "b", "c"])] == [
        "",
        "a",
        "a and b",
        "a, b and c",
    ]
    assert [words.counted_visits(n) for n in (0, 1, 1234)] == ["no visit", "1 visit", "1,234 visits"]
