"""The view "Patterns": when people come, who comes, in what mood, and who buys."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from html import escape
from typing import TYPE_CHECKING, Final, NamedTuple
from zoneinfo import ZoneInfo

import streamlit as st

from facetraits.visitors import findings, patterns
from facetraits.visitors.patterns import ENOUGH, WEEKDAYS
from facetraits.visitors.store import VisitStore
from facetraits.visitors.visit import Outcome, Selection
from facetraits.visitors.weeks import compare_weeks, week_spans
from ui.kit import charts
from ui.kit.components import notice
from ui.kit.figure import draw, explain, legend, numbers, sentence, subheading, tiles
from ui.visitors import answers, cached, words
from ui.visitors import charts as visit_charts
from ui.visitors.crossings import crossing_rows, crossings_sentence, crossings_table
from ui.visitors.demonstration import offer_demonstration
from ui.visitors.log import choose_visits, show_messages, store_errors_as_notices
from ui.visitors.weeks import show_weeks

if TYPE_CHECKING:
    from facetraits.visitors.counts import Counts

_BY: Final[Mapping[str, tuple[str, ...]]] = {
    "Apparent age": ("age_group",),
    "Apparent gender": ("gender",),
    "Age and gender": ("age_group", "gender"),
    "Mood": ("mood",),
    "Weekday": ("weekday",),
    "Part of the day": ("part_of_day",),
    "Source": ("source",),
}


class _Seen(NamedTuple):
    """The visits that a group of charts shows.

    Attributes:
        store: the log.
        chosen: the filters.
        counts: of the visits that they let through; there is at least one.
        now: the present, on the clocks of the owner.
        zone: of the owner.
    """

    store: VisitStore
    chosen: Selection
    counts: Counts
    now: datetime
    zone: ZoneInfo


def show_patterns(store: VisitStore, zone: ZoneInfo) -> None:
    """Filters, the figures in one glance, and one of five groups of charts."""
    show_messages()
    with store_errors_as_notices():
        now = words.now().astimezone(zone)
        chosen = choose_visits(store, zone, now.date())
        counts = cached.get_counts(store, zone, chosen)
        if not counts.visits:
            _show_no_visits(store)
            return
        found = patterns.summary(counts)
        _show_share(found, chosen)
        tiles(answers.summary_tiles(found, store.settings().currency))
        view = st.segmented_control(
            "Patterns",
            tuple(_VIEWS),
            default="Times",
            required=True,
            key="visitors_patterns",
            persist_state="page",
            label_visibility="collapsed",
        )
        _VIEWS[view](_Seen(store, chosen, counts, now, zone))
        explain(f"{words.zone_words(zone)} A visit counts where it began.")


def _show_no_visits(store: VisitStore) -> None:
    if sum(store.count().values()):
        notice("hint", "No visits", "No visit matches these filters.", ("Choose “All”, or fewer filters.",))
        return
    notice(
        "hint",
        "No visits to find patterns in yet",
        "As soon as visits are recorded, this page shows when people come, who they are, and who buys.",
        (f"Only groups with at least {ENOUGH} visits are compared, because smaller ones differ by chance.",),
    )
    offer_demonstration()


def _show_share(found: patterns.Summary, chosen: Selection) -> None:
    if chosen.outcomes is None:
        counts: dict[Outcome, int] = {"yes": found.bought, "no": found.not_bought, "unknown": found.unknown}
        answers.show_share("In this period", *answers.share_words(counts))
    else:  # whoever filters by what was bought gets the share that they have asked for
        said = f"{words.counted_visitors(found.visits)} with this outcome"
        answers.show_share("In this period", said, "the filter decides the share")


# ---------------------------------------------------------------------------------------------------------------- when


def _when(seen: _Seen) -> None:
    counts = seen.counts
    hours = patterns.by_hour(counts)
    subheading("By hour of the day")
    said = answers.hours_sentence(hours)
    sentence(said)
    parts = {"visits": (visit_charts.SOFT, "block"), "of them bought": (charts.BAR, "block")}
    legend(parts)
    draw(visit_charts.visits_by_hour(answers.hour_rows(hours)), said)
    numbers(answers.hours_table(hours))

    crossings = patterns.crossings_by_hour(counts)
    if crossings:
        subheading("Entered and left, over counting lines")
        said = crossings_sentence(crossings)
        sentence(said)
        legend({name: (colour, "block") for name, colour in visit_charts.CROSSING_COLOURS.items()})
        draw(visit_charts.crossings_by_hour(crossing_rows(crossings, answers.opening_hours(hours))), said)
        explain(
            "A crossing counts in the hour in which the person came into view. Faces turned away from the camera are "
            "not seen: a camera that looks at the door from inside counts fewer people who leave."
        )
        numbers(crossings_table(crossings))

    days = patterns.by_day(counts)
    weekly = len(days) > answers.MOST_DAYS
    subheading("By week" if weekly else "By day")
    said = answers.days_sentence(days)
    sentence(said)
    legend(parts)
    draw(visit_charts.visits_by_day(answers.day_rows(days), "Week that begins on" if weekly else "Day"), said)
    numbers(answers.days_table(days))

    week = patterns.weekday_hour(counts)
    subheading("By weekday and hour")
    said = answers.week_sentence(week)
    sentence(said)
    draw(visit_charts.week(answers.week_rows(week, answers.opening_hours(hours)), WEEKDAYS), said)
    numbers(answers.week_table(week))


# ----------------------------------------------------------------------------------------------------------------- who


def _show_people(seen: _Seen) -> None:
    groups = patterns.by_group(seen.counts)
    rows, ages, genders = answers.group_rows(groups)
    subheading("By apparent age and gender")
    said = answers.groups_sentence(groups)
    sentence(said)
    legend({gender: (visit_charts.GENDER_COLOURS[gender], "block") for gender in genders})
    draw(visit_charts.groups(rows, ages, genders), said)
    explain(
        "Estimated from how faces look to the camera. A single estimate may be off by one group; the totals are more "
        "reliable."
    )
    numbers(answers.groups_table(groups))


def _mood(seen: _Seen) -> None:
    moods = patterns.mood_by_outcome(seen.counts)
    subheading("Mood of everybody, and by outcome")
    if not moods:
        notice("hint", "No moods", "No mood was estimated for these visits.")
        return
    said = answers.mood_sentence(moods)
    sentence(said)
    rows, names = answers.mood_rows(moods)
    legend({mood: (colour, "block") for mood, colour in visit_charts.MOOD_COLOURS.items()})
    draw(visit_charts.shares(rows, names, visit_charts.MOOD_COLOURS), said)
    explain("Mood describes the facial expression over the whole visit, not what a person feels.")
    numbers(answers.mood_table(moods))


# ---------------------------------------------------------------------------------------------------------------- buys


def _buys(seen: _Seen) -> None:
    if seen.chosen.outcomes is not None:
        notice(
            "hint",
            "The filter decides who bought",
            "With a filter by outcome the shares of buyers say nothing.",
            ("Remove the filter “Outcome” to see who buys.",),
        )
        return
    counts = seen.counts
    everybody = patterns.summary(counts).rate
    subheading("What stands out")
    found = findings.findings(counts.cells)
    if found:
        items = "".join(f"<li>{escape(one.sentence)} <span>{escape(_chance(one.p))}</span></li>" for one in found)
        st.html(f'<ul class="ft-findings">{items}</ul>')
    elif everybody is None or everybody.n < 2 * ENOUGH:
        sentence(
            f"There are too few visits to compare yet: a comparison needs {ENOUGH} visits inside a group and "
            f"{ENOUGH} outside it."
        )
    else:
        sentence("Nothing stands out beyond chance.")
    explain(
        f"Each age group, gender, mood, weekday and part of the day with at least {ENOUGH} visits is compared with "
        "all others. The p values are corrected for the number of comparisons. A family "
        "or group of friends counts as several visits, although they decide together. If many visitors come in "
        "groups, the findings are less certain than they look. A difference is not proof of a cause."
    )
    subheading("Share of visitors who bought")
    by = st.selectbox("By", tuple(_BY), key="visitors_by", persist_state="page", width=260)
    rates = patterns.conversion(counts, _BY[by])
    if not rates:
        notice("hint", "Nothing to show", "No visit here belongs to a known group.")
        return
    said = answers.rates_sentence(rates)
    sentence(said)
    dots = answers.rate_dots(rates)
    entries = {"groups, with 95% interval": (charts.KIND_COLOURS["group"], "dot")}
    if any(dot.kind == "few" for dot in dots):
        entries[f"fewer than {ENOUGH} visits: shown, not compared"] = (charts.KIND_COLOURS["few"], "hollow")
    if everybody is not None:
        entries[f"everybody: {everybody.rate:.0%}"] = (charts.INK, "dashed")
    legend(entries)
    mark = None if everybody is None else everybody.rate
    draw(charts.dot_plot(dots, "Share who bought", True, mark, dense=len(dots) > 6), said)
    explain("In brackets: number of visits. The line is the 95% interval of the share.")
    numbers(answers.rates_table(rates, by))


def _chance(p: float) -> str:
    return (
        "By chance alone this happens in fewer than 1 of 1,000 cases."
        if p < 0.001
        else (f"By chance alone this happens in {p:.1%} of cases.")
    )


def _weeks(seen: _Seen) -> None:
    outcomes = seen.store.count_spans(seen.zone, week_spans(seen.now), seen.chosen)
    show_weeks(compare_weeks(outcomes, seen.now), shares=seen.chosen.outcomes is None)


_VIEWS: Final[Mapping[str, Callable[[_Seen], None]]] = {
    "Times": _when,
    "Weeks": _weeks,
    "People": _show_people,
    "Moods": _mood,
    "Buyers": _buys,
}
