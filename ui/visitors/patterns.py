"""The view "Patterns": when people come, who comes, in what mood, and who buys."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from html import escape
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

import streamlit as st

from facetraits.visitors import findings, patterns
from facetraits.visitors.patterns import ENOUGH, WEEKDAYS, Unknown
from facetraits.visitors.store import VisitStore
from facetraits.visitors.visit import OUTCOMES
from ui.kit import charts
from ui.kit.components import notice
from ui.kit.figure import draw, explain, legend, numbers, sentence, subheading, tiles
from ui.visitors import answers, cached, words
from ui.visitors import charts as visit_charts
from ui.visitors.log import choose_visits, show_messages, store_errors_as_notices

if TYPE_CHECKING:
    import pandas as pd

_UNKNOWN: Final = "visitors_unknown"
_BY: Final[Mapping[str, tuple[str, ...]]] = {
    "Apparent age": ("age_group",),
    "Apparent gender": ("gender",),
    "Age and gender": ("age_group", "gender"),
    "Mood": ("mood",),
    "Weekday": ("weekday",),
    "Part of the day": ("part_of_day",),
    "Source": ("source",),
}


def show_patterns(store: VisitStore, zone: ZoneInfo) -> None:
    """Filters, the figures in one glance, and one of four groups of charts."""
    show_messages()
    with store_errors_as_notices():
        today = words.now().astimezone(zone).date()
        frame = cached.get_visits(store, choose_visits(store, zone, today))
        if not len(frame):
            _show_no_visits(store)
            return
        unknown = _choose_unknown(frame)
        tiles(answers.summary_tiles(patterns.summary(frame, unknown, zone)))
        view = st.segmented_control(
            "Patterns",
            tuple(_VIEWS),
            default="Times",
            required=True,
            key="visitors_patterns",
            persist_state="page",
            label_visibility="collapsed",
        )
        _VIEWS[view](frame, unknown, zone, today)
        explain(f"{words.zone_words(zone)} A visit counts where it began.")


def _show_no_visits(store: VisitStore) -> None:
    if sum(store.count().values()):
        notice("hint", "No visits", "No visit matches these filters.", ("Choose “All”, or fewer filters.",))
    else:
        notice(
            "hint",
            "No visits to find patterns in yet",
            "As soon as visits are recorded, this page shows when people come, who they are, and who buys.",
            (f"Only groups with at least {ENOUGH} visits are compared, because smaller ones differ by chance.",),
        )


def _choose_unknown(frame: pd.DataFrame) -> Unknown:
    """How visits count of which nobody said whether something was bought."""
    outcomes = frame["bought"].value_counts()
    counts = {name: int(outcomes.get(name, 0)) for name in OUTCOMES}
    unknown = counts["unknown"]
    if not unknown:
        return "leave out"
    usual = answers.default_unknown(counts)
    only_buyers = usual == "not bought"
    with st.container(horizontal=True, gap="small", vertical_alignment="bottom"):
        chosen: Unknown = st.segmented_control(
            f"{words.counted_visits(unknown).capitalize()} with unknown outcome",
            tuple(answers.UNKNOWN_WORDS),
            default=usual,
            required=True,
            format_func=answers.UNKNOWN_WORDS.__getitem__,
            key=f"{_UNKNOWN}_{only_buyers}",
            persist_state="page",
        )
    if only_buyers and chosen == "leave out":
        notice(
            "hint",
            "Only buyers are marked",
            "Nobody is marked as not having bought. Without the unknown outcomes the share would always be 100%.",
            ("Choose “Count as not bought” if you mark every buyer.",),
        )
    return chosen


# ---------------------------------------------------------------------------------------------------------------- when


def _when(frame: pd.DataFrame, unknown: Unknown, zone: ZoneInfo, today: date) -> None:
    hours = patterns.by_hour(frame, zone)
    subheading("By hour of the day")
    said = answers.hours_sentence(hours)
    sentence(said)
    parts = {"visits": (visit_charts.SOFT, "block"), "of them bought": (charts.BAR, "block")}
    legend(parts)
    draw(visit_charts.visits_by_hour(answers.hour_rows(hours)), said)
    numbers(answers.hours_table(hours))

    days = patterns.by_day(frame, zone)
    weekly = len(days) > answers.MOST_DAYS
    subheading("By week" if weekly else "By day")
    said = answers.days_sentence(days)
    sentence(said)
    legend(parts)
    draw(visit_charts.visits_by_day(answers.day_rows(days), "Week that begins on" if weekly else "Day"), said)
    numbers(answers.days_table(days))

    week = patterns.weekday_hour(frame, zone)
    subheading("By weekday and hour")
    said = answers.week_sentence(week)
    sentence(said)
    draw(visit_charts.week(answers.week_rows(week, answers.opening_hours(hours)), WEEKDAYS), said)
    numbers(answers.week_table(week))


# ----------------------------------------------------------------------------------------------------------------- who


def _show_people(frame: pd.DataFrame, unknown: Unknown, zone: ZoneInfo, today: date) -> None:
    groups = patterns.by_group(frame)
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


def _mood(frame: pd.DataFrame, unknown: Unknown, zone: ZoneInfo, today: date) -> None:
    moods = patterns.mood_by_outcome(frame)
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


def _buys(frame: pd.DataFrame, unknown: Unknown, zone: ZoneInfo, today: date) -> None:
    everybody = patterns.summary(frame, unknown, zone).rate
    subheading("What stands out")
    found = findings.findings(frame, unknown, zone)
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
    rates = patterns.conversion(frame, _BY[by], unknown, zone)
    if not rates:
        notice("hint", "Nothing to show", "No visit here has both a known group and a known outcome.")
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


_VIEWS: Final[Mapping[str, Callable[[pd.DataFrame, Unknown, ZoneInfo, date], None]]] = {
    "Times": _when,
    "People": _show_people,
    "Moods": _mood,
    "Buyers": _buys,
}
