"""The views of the page "Model performance" about age errors and fairness."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Final

import streamlit as st

from facetraits.reports.comparison import AXES, FIGURE, FIGURES, MIN_COMPARED, Axis, Figure, largest_gap
from facetraits.reports.evaluation_report import EvaluationReport
from facetraits.traits import TraitName
from ui.kit import charts
from ui.kit.charts import KIND_COLOURS
from ui.kit.components import notice
from ui.kit.figure import draw, explain, legend, numbers, origin_of_reports, sentence, subheading
from ui.performance import answers, cached
from ui.performance import charts as report_charts
from ui.performance.evidence import Evidence
from ui.performance.models import (
    AXIS_WORDS,
    OUTPUTS,
    fairness_sentence,
    fairness_table,
    group_dots,
    model_name,
    report_key,
    reports_of,
)
from ui.performance.report_views import choose_report
from ui.performance.young import show_young

_AGE_BIN_YEARS: Final = 5


def show_age_error(evidence: Evidence, trait: TraitName) -> None:
    """How far off, for whom, in which direction."""
    reports = [report for report in reports_of(evidence.reports, OUTPUTS[trait]) if report.ages]
    if not reports:
        notice("hint", "Not measured yet", "There is no report of a model that answers in years.")
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        report = choose_report(reports)
    reports = [other for other in reports if other.dataset == report.dataset]
    said = answers.age_sentence(report.ages)
    sentence(said)
    table = answers.age_table(report.ages)
    left, right = st.columns(2, gap="large")
    groups = {name: report.ages[name] for name in answers.AGE_GROUP_RANGES if report.ages[name].n}
    with left:
        subheading("Mean error by age")
        draw(
            charts.dot_plot(answers.age_dots(groups), "Mean absolute error (years)", False, dense=True),
            said,
        )
    with right:
        subheading("Too young or too old?")
        draw(report_charts.bias_bars(answers.bias_rows(groups)), said)
    numbers(table)
    show_young(report.age_pairs)
    _heat_map(report)
    _cumulative(reports, report)
    origin_of_reports([report], table, f"age-{report_key(report)}")


def _heat_map(report: EvaluationReport) -> None:
    if not report.age_pairs:
        return
    subheading("Every face, true age against estimate")
    spread, means = answers.age_cells(report.age_pairs, _AGE_BIN_YEARS)
    said = answers.heat_map_sentence(means)
    explain(
        "Each column shows the distribution of estimates for faces with five years of labels. Darker means more "
        "faces. On the dashed line, estimate and label agree."
    )
    legend({"mean estimate": (charts.WARN, "line"), "perfect": (charts.QUIET, "dashed")})
    draw(report_charts.age_heat_map(spread, means, _AGE_BIN_YEARS), said)
    sentence(said)
    numbers(answers.age_cell_table(spread, _AGE_BIN_YEARS), "The columns as a table")


def _cumulative(reports: Sequence[EvaluationReport], report: EvaluationReport) -> None:
    subheading("Share of faces within a maximum error (cumulative score)")
    rivals = [other for other in reports if other.protocol == report.protocol]
    points = answers.score_points(rivals)
    name = model_name(report)
    five = report.ages["all"].cumulative_score(5)
    said = f"{name}: {five:.0%} of the faces are off by five years at most, "
    said += f"{report.ages['all'].cumulative_score(10):.0%} by ten at most."
    sentence(said)
    legend({name: (charts.BAR, "line"), "other models": (charts.QUIET, "line")})
    draw(report_charts.cumulative_scores(points, name), said)
    numbers(answers.score_table(points))


# ------------------------------------------------------------------------------------------------------------ fairness

_SPLITS_OF_PEOPLE: Final[tuple[tuple[Axis, ...], ...]] = (*((axis,) for axis in AXES), *combinations(AXES, 2))


def show_fairness(evidence: Evidence, trait: TraitName) -> None:
    """For whom it is worse."""
    if trait == "expression":
        notice(
            "hint",
            "This cannot be measured",
            "FER2013 and RAF-DB, the sets of pictures for facial expressions, have no labels for gender, ethnicity or "
            "age. So it cannot be measured for whom expressions are recognised worse. Do not assume that they are "
            "recognised equally well for everybody.",
        )
        return
    reports = [report for report in reports_of(evidence.reports, OUTPUTS[trait]) if report.subgroups]
    if not reports:
        notice("hint", "Not measured yet", "There is no report with groups of people for this trait.")
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        report = choose_report(reports)
        figures = [
            f
            for f in FIGURES
            if (f.trait, f.dataset) == (trait, report.dataset) and f.of(report.subgroups[0]) is not None
        ]
        key = st.selectbox(
            "What is compared",
            [figure.key for figure in figures],
            format_func=lambda key: FIGURE[key].label,
            key="fair_figure",
            persist_state="page",
            width=360,
        )
    axes = _choose_axes(report)
    # Children can be left out where groups were counted by age too.
    needed = frozenset({*axes, "age_group"})
    pointless = all(frozenset(group.of) != needed for group in report.subgroups)
    adults = st.toggle(
        "Adults only (older than 20)",
        key="adults",
        persist_state="page",
        disabled=pointless,
        help="Children's gender is hard to tell, also for people. Available only where groups were also counted by "
        "age: for the app's own profiles, and not for pairs of gender and ethnicity.",
    )
    _show_groups(evidence, report, FIGURE[key], axes, adults and not pointless)


def _choose_axes(report: EvaluationReport) -> tuple[Axis, ...]:
    counted = {frozenset(group.of) for group in report.subgroups}
    by_words = {
        " × ".join(AXIS_WORDS[axis] for axis in axes).capitalize(): axes
        for axes in _SPLITS_OF_PEOPLE
        if frozenset(axes) in counted
    }
    choices = list(by_words)
    chosen = st.segmented_control(
        "People by", choices, default=choices[0], required=True, key="axes", persist_state="page"
    )
    return by_words[chosen]


def _show_groups(
    evidence: Evidence, report: EvaluationReport, figure: Figure, axes: tuple[Axis, ...], adults: bool
) -> None:
    rows = cached.get_groups(evidence, report, figure.key, axes, adults)
    gap = largest_gap(rows, figure)
    said = fairness_sentence(gap, figure, sum(row.compared for row in rows))
    sentence(said)
    dots = group_dots(rows, figure, gap)
    overall = cached.get_measured(evidence, report, figure.key)
    entries = {"groups, with 95% interval": (KIND_COLOURS["group"], "dot")}
    if any(dot.kind == "worst" for dot in dots):
        entries["worst"] = (KIND_COLOURS["worst"], "dot")
    if any(dot.kind == "few" for dot in dots):
        entries[f"fewer than {MIN_COMPARED} people: shown, not compared"] = (KIND_COLOURS["few"], "hollow")
    if overall is not None and not adults:
        entries["everybody"] = (charts.INK, "dashed")
    legend(entries)
    title = figure.label + (" (years)" if figure.in_years else "")
    mark = overall.value if overall is not None and not adults else None
    draw(charts.dot_plot(dots, title, not figure.in_years, mark, dense=len(dots) > 6), said)
    explain(
        "In brackets: number of people. The groups follow the data set's labels. UTKFace's labels are impressions of "
        "other people, with two genders and five coarse ethnicities. All-Age-Faces labels age and two genders, of "
        "mostly East Asian people."
    )
    table = fairness_table(rows, figure)
    numbers(table)
    suffix = "-adults" if adults else ""
    origin_of_reports([report], table, f"fairness-{report_key(report)}-{figure.key}-{'-'.join(axes)}{suffix}")
