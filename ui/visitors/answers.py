"""What the view "Patterns" says and draws: sentences, rows of charts and tables from counted visits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from html import escape
from typing import Any, Final

import streamlit as st

from facetraits.traits import MOOD
from facetraits.visitors.grouping import rate_of
from facetraits.visitors.patterns import (
    ENOUGH,
    WEEKDAYS,
    DayRow,
    GroupRow,
    HourRow,
    MoodRow,
    Rate,
    Summary,
    WeekdayHourRow,
)
from facetraits.visitors.visit import VISIT_CLASSES, Outcome
from ui.kit.charts import Dot
from ui.kit.components import listed
from ui.kit.local import long_date, short_date, written_amount
from ui.kit.tables import Column, Table, percent, share, thousands
from ui.visitors.charts import MOOD_COLOURS
from ui.visitors.words import OUTCOME_WORDS, counted_visitors, counted_visits, duration_words

MOST_DAYS: Final = 100  # more are shown by week
NOT_ESTIMATED: Final = "not estimated"
_COUNTS: Final = (
    Column("Visits", thousands),
    Column("Bought", thousands),
    Column("Did not buy", thousands),
    Column("Not known", thousands),
)


# ------------------------------------------------------------------------------------------------------------- glance


def summary_tiles(found: Summary, currency: str | None) -> list[tuple[str, str, str]]:
    """Large figures: label, value, basis."""
    return [
        (
            "Visits",
            f"{found.visits:,}",
            "on one day" if found.days == 1 else f"{found.per_day:,.1f} a day, over {found.days:,} days",
        ),
        (
            "Turnover",
            written_amount(found.turnover, currency) if found.baskets else "–",
            _baskets(found),
        ),
        (
            "Mean basket",
            "–" if found.mean_basket is None else written_amount(found.mean_basket, currency),
            "no basket has an amount" if found.mean_basket is None else "of those with an amount",
        ),
        (
            "Median stay",
            "–" if found.median_duration_s is None else duration_words(found.median_duration_s),
            "in view; half stayed longer",
        ),
    ]


def share_words(counts: Mapping[Outcome, int]) -> tuple[str, str]:
    """The share of visitors who bought, of all visitors: headline and basis.

    The denominator is the same on every view: a visitor of whom nothing is known counts as not having bought.
    """
    visits, bought, unknown = sum(counts.values()), counts["yes"], counts["unknown"]
    if not visits:
        return "No visitors", "the share who bought appears with the first visitor"
    if unknown == visits:
        return f"{counted_visitors(visits)}, no outcome known", "mark who bought, or import the sales of your till"
    rate = rate_of((), bought, visits)
    basis = f"95% interval {interval_words(rate)}"
    if unknown:
        basis += f"; of {unknown:,} the outcome is not known, and they count as not bought"
    return f"{bought:,} of {counted_visitors(visits)} bought ({rate.rate:.0%})", basis


def show_share(whose: str, headline: str, basis: str) -> None:
    """The headline of ``share_words``, large."""
    st.html(
        f'<p class="ft-share"><span>{escape(whose)}</span><strong>{escape(headline)}</strong>'
        f"<span>{escape(basis)}</span></p>"
    )


def _baskets(found: Summary) -> str:
    if not found.baskets:
        return "no baskets yet"
    counted = f"from {found.baskets:,} basket{'s' if found.baskets != 1 else ''}"
    return counted if found.baskets == found.bought else f"{counted} of {found.bought:,} who bought"


def _of(rate: Rate) -> str:
    return f"{rate.bought:,} of {rate.n:,}"


def interval_words(rate: Rate) -> str:
    """As in "12% to 19%"."""
    return f"{rate.low:.0%} to {rate.high:.0%}"


# --------------------------------------------------------------------------------------------------------------- times


def opening_hours(hours: Sequence[HourRow]) -> tuple[int, int]:
    """First and last hour with a visit, and at least eight hours around them."""
    busy = [row.hour for row in hours if row.visits]
    first, last = (min(busy), max(busy)) if busy else (9, 17)
    while last - first < 7:
        first, last = max(0, first - 1), min(23, last + 1)
    return first, last


def hour_rows(hours: Sequence[HourRow]) -> list[dict[str, Any]]:
    """For ``visitor_charts.visits_by_hour``: the hours in which somebody comes."""
    first, last = opening_hours(hours)
    return [
        {
            "hour": row.hour,
            "n": row.visits,
            "bought": row.bought,
            "said": f"{hour_words(row.hour)}: {counted_visits(row.visits)}, {row.bought:,} bought",
        }
        for row in hours[first : last + 1]
    ]


def hour_words(hour: int) -> str:
    """As in "14:00 to 15:00"."""
    return f"{hour}:00 to {hour + 1}:00"


def hours_sentence(hours: Sequence[HourRow]) -> str:
    """When most come."""
    total = sum(row.visits for row in hours)
    most = max(hours, key=lambda row: row.visits)
    return (
        f"Most come from {hour_words(most.hour)}: {most.visits:,} of {counted_visits(total)} "
        f"({share(most.visits, total):.0%})."
    )


def hours_table(hours: Sequence[HourRow]) -> Table:
    """A row per hour with a visit."""
    return Table(
        "Visits by hour of the day",
        (Column("Hour"), *_COUNTS),
        tuple((hour_words(row.hour), *_numbers(row)) for row in hours if row.visits),
    )


def _numbers(row: HourRow | DayRow | GroupRow) -> tuple[int, int, int, int]:
    return row.visits, row.bought, row.not_bought, row.unknown


def day_rows(days: Sequence[DayRow]) -> list[dict[str, Any]]:
    """For ``visitor_charts.visits_by_day``: a row per day, or per week where there are many days."""
    weekly = len(days) > MOST_DAYS
    rows: dict[date, list[int]] = {}
    for row in days:
        first = row.day - timedelta(days=row.day.weekday()) if weekly else row.day
        counts = rows.setdefault(first, [0, 0])
        counts[0] += row.visits
        counts[1] += row.bought
    return [
        {
            "day": first.isoformat(),
            "n": n,
            "bought": bought,
            "said": f"{'Week of ' if weekly else ''}{short_date(first, with_year=True)}: {counted_visits(n)}, "
            f"{bought:,} bought",
        }
        for first, (n, bought) in rows.items()
    ]


def days_sentence(days: Sequence[DayRow]) -> str:
    """The mean, and the day that most came on."""
    total = sum(row.visits for row in days)
    most = max(days, key=lambda row: row.visits)
    if len(days) == 1:
        return f"{total:,} visits, all on {_date(most)}." if total > 1 else f"One visit, on {_date(most)}."
    return f"{total / len(days):,.1f} visits a day; most on {_date(most)}: {most.visits:,}."


def _date(row: DayRow) -> str:
    return long_date(row.day)


def days_table(days: Sequence[DayRow]) -> Table:
    """A row per day, the newest first."""
    body = tuple((row.day.isoformat(), *_numbers(row)) for row in reversed(days))
    return Table("Visits by day", (Column("Day"), *_COUNTS), body)


def week_rows(cells: Sequence[WeekdayHourRow], hours: tuple[int, int]) -> list[dict[str, Any]]:
    """For ``visitor_charts.week``."""
    shown = [cell for cell in cells if hours[0] <= cell.hour <= hours[1]]
    fullest = max((cell.visits for cell in shown), default=0)
    return [
        {
            "day": WEEKDAYS[cell.weekday],
            "hour": cell.hour,
            "n": cell.visits,
            "share": share(cell.visits, fullest),
            "said": f"{WEEKDAYS[cell.weekday]} {hour_words(cell.hour)}: {counted_visits(cell.visits)}, "
            f"{cell.bought:,} bought; {share(cell.visits, cell.days):.1f} on each of {cell.days:,} such days",
        }
        for cell in shown
    ]


def week_sentence(cells: Sequence[WeekdayHourRow]) -> str:
    """The fullest hour of the week."""
    fullest = max(cells, key=lambda cell: cell.visits)
    return (
        f"The fullest hour of the week is {WEEKDAYS[fullest.weekday]}, {hour_words(fullest.hour)}: "
        f"{counted_visits(fullest.visits)} on {fullest.days:,} such day{'s' if fullest.days != 1 else ''}."
    )


def week_table(cells: Sequence[WeekdayHourRow]) -> Table:
    """A row per hour of the week with a visit."""
    columns = (Column("Weekday"), Column("Hour"), Column("Visits", thousands), Column("Bought", thousands))
    body = tuple(
        (WEEKDAYS[cell.weekday], hour_words(cell.hour), cell.visits, cell.bought) for cell in cells if cell.visits
    )
    return Table("Visits by weekday and hour", columns, body)


# -------------------------------------------------------------------------------------------------------------- people


def group_rows(groups: Sequence[GroupRow]) -> tuple[list[dict[str, Any]], list[str], list[str]]:
    """For ``visitor_charts.groups``: rows, age groups and genders."""
    ages = [age for age in VISIT_CLASSES["age_group"] if any(row.age_group == age for row in groups)]
    genders = [gender for gender in ("female", "male") if any(row.gender == gender for row in groups)]
    ages += [NOT_ESTIMATED] * any(row.age_group is None for row in groups)
    genders += [NOT_ESTIMATED] * any(row.gender is None for row in groups)
    total = sum(row.visits for row in groups)
    rows = [
        {
            "age_group": row.age_group or NOT_ESTIMATED,
            "gender": row.gender or NOT_ESTIMATED,
            "n": row.visits,
            "text": f"{row.visits:,}",
            "said": f"{_group_name(row)}: {counted_visits(row.visits)} ({share(row.visits, total):.0%}), "
            f"{row.bought:,} bought",
        }
        for row in groups
    ]
    return rows, ages, genders


def _group_name(row: GroupRow) -> str:
    return f"{row.age_group or 'age not estimated'}, {row.gender or 'gender not estimated'}"


def groups_sentence(groups: Sequence[GroupRow]) -> str:
    """Who comes most."""
    total = sum(row.visits for row in groups)
    most = max(groups, key=lambda row: row.visits)
    return (
        f"The largest group is {_group_name(most)}: {most.visits:,} of {counted_visits(total)} "
        f"({share(most.visits, total):.0%})."
    )


def groups_table(groups: Sequence[GroupRow]) -> Table:
    """A row per group."""
    columns = (Column("Apparent age"), Column("Apparent gender"), *_COUNTS)
    body = tuple((row.age_group or NOT_ESTIMATED, row.gender or NOT_ESTIMATED, *_numbers(row)) for row in groups)
    return Table("Visits by apparent age and gender", columns, body)


# ---------------------------------------------------------------------------------------------------------------- mood

_OUTCOME_TITLES: Final[Mapping[str, str]] = {
    "all": "everybody",
    **{str(k): words for k, words in OUTCOME_WORDS.items()},
}


def mood_rows(moods: Sequence[MoodRow]) -> tuple[list[dict[str, Any]], list[str]]:
    """For ``visitor_charts.shares``: rows and names, everybody first."""
    rows: list[dict[str, Any]] = []
    names: list[str] = []
    for outcome, title in _OUTCOME_TITLES.items():
        parts = {row.mood: row for row in moods if row.outcome == outcome}
        if not parts:
            continue
        name = f"{title} ({sum(row.visits for row in parts.values()):,})"
        names.append(name)
        start = 0.0
        for mood in MOOD_COLOURS:
            row = parts[mood]
            rows.append(
                {
                    "name": name,
                    "part": mood,
                    "start": start,
                    "end": min(1.0, start + row.share),
                    "text": f"{row.share:.0%}",
                    "said": f"{title}: {mood} mood in {row.share:.0%} ({counted_visits(row.visits)})",
                }
            )
            start += row.share
    return rows, names


def mood_sentence(moods: Sequence[MoodRow]) -> str:
    """Shares of moods, for everybody and, if known, for buyers compared with others."""
    everybody = {row.mood: row for row in moods if row.outcome == "all"}
    total = sum(row.visits for row in everybody.values())
    parts = [f"{everybody[mood].share:.0%} {mood}" for mood in MOOD.classes]
    said = f"Of {counted_visits(total)} with a mood: {listed(parts)}."
    positive = {row.outcome: row for row in moods if row.mood == "positive"}
    if {"yes", "no"} <= positive.keys():
        said += (
            f" The mood was positive for {positive['yes'].share:.0%} of those who bought and "
            f"{positive['no'].share:.0%} of those who did not. See “Buyers” for whether this is more than chance."
        )
    return said


def mood_table(moods: Sequence[MoodRow]) -> Table:
    """A row per outcome and mood."""
    columns = (Column("Visits that"), Column("Mood"), Column("Visits", thousands), Column("Share", percent))
    body = tuple((_OUTCOME_TITLES[row.outcome], row.mood, row.visits, row.share) for row in moods)
    return Table("Mood by outcome", columns, body)


# ----------------------------------------------------------------------------------------------------------- who buys


def rate_dots(rates: Sequence[Rate]) -> list[Dot]:
    """Groups with their share of buyers, the highest first; groups that are too small come last, in grey."""
    ranked = sorted(rates, key=lambda rate: (not rate.enough, -rate.rate))
    return [
        Dot(
            name=f"{rate_name(rate)} ({rate.n:,})",
            value=rate.rate,
            low=rate.low,
            high=rate.high,
            text=f"{rate.rate:.0%}",
            said=f"{rate_name(rate)}: {rate.rate:.0%} bought, {_of(rate)}, 95% interval {interval_words(rate)}"
            + ("" if rate.enough else f", too few to compare (under {ENOUGH})"),
            kind="group" if rate.enough else "few",
        )
        for rate in ranked
    ]


def rate_name(rate: Rate) -> str:
    """Name of a group, as in "21-40, female"."""
    name = ", ".join(rate.names)
    return name[:1].upper() + name[1:]


def rates_sentence(rates: Sequence[Rate]) -> str:
    """The lowest and highest rate among the groups that are compared."""
    enough = sorted((rate for rate in rates if rate.enough), key=lambda rate: rate.rate)
    if len(enough) < 2:
        return f"A comparison needs two groups with at least {ENOUGH} visits each."
    low, high = enough[0], enough[-1]
    said = f"From {low.rate:.0%} ({rate_name(low)}, {_of(low)}) to {high.rate:.0%} ({rate_name(high)}, {_of(high)})."
    if low.high >= high.low:
        return said + " Their 95% intervals overlap: chance may explain the difference."
    return said + " See “What stands out” for whether this is more than chance."


def rates_table(rates: Sequence[Rate], by: str) -> Table:
    """A row per group."""
    columns = (
        Column(by),
        Column("Visits", thousands),
        Column("Bought", thousands),
        Column("Share", percent),
        Column("95% from", percent),
        Column("95% to", percent),
        Column("Compared", lambda value: "yes" if value else "no, too few"),
    )
    body = tuple((rate_name(r), r.n, r.bought, r.rate, r.low, r.high, r.enough) for r in rates)
    return Table(f"Who buys, by {by.lower()}", columns, body)
