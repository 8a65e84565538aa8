"""What is said of two weeks."""

from __future__ import annotations

from datetime import datetime

from facetraits.visitors.weeks import WeekComparison, WeekdayRow
from tests.visitors.made_visits import BERLIN
from ui.visitors import weeks

THURSDAY = datetime(2026, 5, 7, 14, 5, tzinfo=BERLIN)


def comparison(
    *days: WeekdayRow, left_out: tuple[int, ...] = (), p_visits: float | None = 0.4, p_share: float | None = 0.004
) -> WeekComparison:
    return WeekComparison(days, left_out, THURSDAY, p_visits, p_share)


def test_a_difference_is_said_with_its_chance() -> None:
    found = comparison(WeekdayRow(0, 50, 60, 10, 25, 0, 0), WeekdayRow(1, 50, 40, 10, 25, 0, 0))
    assert weeks.week_sentences(found) == [
        "100 visits so far, as many as last week (100). Chance may explain the difference.",
        "50% bought (50 of 100), against 20% last week (20 of 100). By chance alone so large a difference is rare "
        "(0.4%).",
    ]


def test_few_visits_are_not_compared() -> None:
    (said,) = weeks.week_sentences(comparison(WeekdayRow(0, 3, 9, 1, 1, 0, 0), p_visits=None, p_share=None))
    assert said.startswith("9 visits so far against 3 visits last week: too few to compare.")


def test_shares_that_cannot_be_compared_are_not() -> None:
    found = comparison(WeekdayRow(0, 40, 51, 12, 1, 0, 50), p_share=None)
    assert weeks.week_sentences(found)[1] == (
        "The shares that bought are not compared: the outcome is not known of 50 of 51 visits this week, and of 0 of "
        "40 last week."
    )
    assert weeks.week_tiles(found)[2] == ("Bought this week", "1 of 51", "50 outcomes not known")


def test_what_is_compared_is_said() -> None:
    rows = [WeekdayRow(day, 40, 50, 5, 5, 0, 30) for day in (0, 1, 2, 3)]
    assert weeks.week_tiles(comparison(*rows))[0] == ("Visits this week", "200", "Monday to Thursday until 14:05")
    some = comparison(rows[0], rows[2], left_out=(1, 3))
    assert weeks.week_tiles(some)[0][2] == "Monday and Wednesday"
    assert "Left out: Tuesday and Thursday" in weeks._basis(some)
    assert weeks.weeks_table(some).rows == (("Monday", 40, 50, 5, 5, 0, 30), ("Wednesday", 40, 50, 5, 5, 0, 30))
