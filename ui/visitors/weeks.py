"""The part "Weeks" of the view "Patterns": this week against last week."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from facetraits.visitors.grouping import ENOUGH, WEEKDAYS
from facetraits.visitors.weeks import WeekComparison
from ui.kit.components import listed, notice
from ui.kit.figure import explain, numbers, sentence, subheading, tiles
from ui.kit.local import clock
from ui.kit.tables import Column, Table, share, thousands
from ui.visitors.words import counted_visits

_CHANCE: Final = 0.05


def show_weeks(found: WeekComparison, shares: bool) -> None:
    """The figures of both weeks, what they say, and what they do not say.

    Args:
        found: both weeks.
        shares: whether the shares that bought mean something; not where the visits are filtered by outcome.
    """
    subheading("This week against last week")
    if not found.days:
        notice(
            "hint",
            "Nothing to compare yet",
            "There is no weekday of this week so far on which both weeks have visits.",
            ("The period above does not matter here, but the other filters do.",),
        )
        return
    for line in week_sentences(found)[: 2 if shares else 1]:
        sentence(line)
    tiles(week_tiles(found)[: 4 if shares else 2])
    explain(
        f"{_basis(found)} The log does not know when nothing was recorded: a camera that was off for some hours looks "
        "like fewer visitors. Families and groups of friends make the weeks differ more than by chance alone. The "
        "period above does not matter here, but the other filters do."
    )
    numbers(weeks_table(found))


def week_sentences(found: WeekComparison) -> list[str]:
    """What the two weeks say: visits first, then the share that bought."""
    before, now = found.visits
    if found.p_visits is None:
        return [
            f"{counted_visits(now).capitalize()} so far against {counted_visits(before)} last week: too few to "
            f"compare. A comparison needs {ENOUGH} visits in each week."
        ]
    change = share(now, before) - 1
    more = f"{abs(change):.0%} {'more' if change > 0 else 'fewer'} than" if round(abs(change), 2) else "as many as"
    return [
        f"{counted_visits(now).capitalize()} so far, {more} last week ({before:,}). {_chance(found.p_visits)}",
        _share_sentence(found),
    ]


def _share_sentence(found: WeekComparison) -> str:
    (before, now), (bought_before, bought_now) = found.visits, found.bought
    if found.p_share is None:
        unknown_before, unknown_now = found.unknown
        return (
            f"The shares that bought are not compared: the outcome is not known of {unknown_now:,} of "
            f"{counted_visits(now)} this week, and of {unknown_before:,} of {before:,} last week."
        )
    return (
        f"{share(bought_now, now):.0%} bought ({bought_now:,} of {now:,}), against "
        f"{share(bought_before, before):.0%} last week ({bought_before:,} of {before:,}). {_chance(found.p_share)}"
    )


def _chance(p: float) -> str:
    if p > _CHANCE:
        return "Chance may explain the difference."
    return "By chance alone so large a difference is rare (" + ("under 0.1%" if p < 0.001 else f"{p:.1%}") + ")."


def week_tiles(found: WeekComparison) -> list[tuple[str, str, str]]:
    """Large figures: label, value, basis."""
    (before, now), (bought_before, bought_now) = found.visits, found.bought
    return [
        ("Visits this week", f"{now:,}", _days(found)),
        ("Visits last week", f"{before:,}", "same weekdays, same hours"),
        ("Bought this week", f"{bought_now:,} of {now:,}", _known(found.unknown[1], now)),
        ("Bought last week", f"{bought_before:,} of {before:,}", _known(found.unknown[0], before)),
    ]


def _known(unknown: int, visits: int) -> str:
    return f"{unknown:,} outcomes not known" if unknown else f"all {visits:,} outcomes known"


def _days(found: WeekComparison) -> str:
    days = [day.weekday for day in found.days]
    until = f" until {clock(found.until)}" if days[-1] == found.until.weekday() else ""
    return _weekdays(days) + until


def _weekdays(days: Sequence[int]) -> str:
    """As in "Monday", "Monday and Tuesday" and "Monday to Thursday"."""
    if len(days) > 2 and days[-1] - days[0] == len(days) - 1:
        return f"{WEEKDAYS[days[0]]} to {WEEKDAYS[days[-1]]}"
    return listed([WEEKDAYS[day] for day in days])


def _basis(found: WeekComparison) -> str:
    said = f"Compared: {_days(found)}, in both weeks."
    if found.left_out:
        said += f" Left out: {_weekdays(found.left_out)}, with visits in one of the weeks at most."
    return said


def weeks_table(found: WeekComparison) -> Table:
    """A row per compared weekday."""
    columns = (
        Column("Weekday"),
        Column("Visits last week", thousands),
        Column("Visits this week", thousands),
        Column("Bought last week", thousands),
        Column("Bought this week", thousands),
        Column("Not known last week", thousands),
        Column("Not known this week", thousands),
    )
    return Table("This week against last week", columns, tuple((WEEKDAYS[day.weekday], *day[1:]) for day in found.days))
