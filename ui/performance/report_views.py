"""The views of the page "Model performance" that are made from reports: one function each, which draws it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import log
from typing import Final, get_args

import streamlit as st

from facetraits.reports.comparison import FIGURE, FIGURES, HEADLINE_KEYS, Figure, find_report
from facetraits.reports.evaluation_report import EvaluationReport
from facetraits.reports.metrics import ClassCounts
from facetraits.traits import TraitName
from ui.kit import charts
from ui.kit.charts import KIND_COLOURS, Norm
from ui.kit.components import notice
from ui.kit.figure import draw, explain, legend, numbers, origin_of_reports, sentence, subheading, tiles
from ui.performance import answers, cached
from ui.performance import charts as report_charts
from ui.performance.evidence import DATASET_WORDS, Evidence
from ui.performance.models import (
    DATASETS_OF_TRAIT,
    KIND_WORDS,
    OUTPUTS,
    choice_words,
    dataset_words,
    figures_of,
    interval_words,
    leaderboard_dots,
    leaderboard_sentence,
    leaderboard_table,
    report_key,
    reports_of,
    unfinished_sentence,
)

_NORM_WORDS: Final[Mapping[Norm, str]] = {
    "counts": "Number of faces",
    "rows": "Share of each label (recall)",
    "columns": "Share of each answer (precision)",
}


def headlines(evidence: Evidence, trait: TraitName) -> None:
    """How good the profile of the Photo page is."""
    reports = {
        dataset: report
        for dataset in DATASETS_OF_TRAIT[trait]
        if (report := find_report(evidence.reports, "accurate", dataset)) is not None
    }
    entries = []
    for figure in (figure for figure in FIGURES if figure.trait == trait and figure.dataset in reports):
        measured = cached.get_measured(evidence, reports[figure.dataset], figure.key)
        if measured is not None:
            basis = f"95% interval {interval_words(measured, figure)}, {measured.n:,} pictures"
            entries.append((figure.label, figure.formatted(measured.value), basis))
    if not entries:
        notice("hint", "Not measured yet", "There is no report of the app's own networks for this trait.")
        return
    said = [f"{dataset_words(dataset)}: {answers.plain_words(report, trait)}" for dataset, report in reports.items()]
    sentence(" ".join(said))
    tiles(entries)
    explain(
        "The app's accurate profile on held-out test pictures. A figure that names no data set was measured on "
        f"{dataset_words(DATASETS_OF_TRAIT[trait][0])}. The 95% interval shows how much the figure may vary by "
        "chance; it gets narrower with more pictures. Results on other kinds of photos may be worse."
    )


# --------------------------------------------------------------------------------------------------------- leaderboard


def show_leaderboard(evidence: Evidence, trait: TraitName) -> None:
    """Everybody who answers one figure of the trait."""
    figures = figures_of(trait, [report for report in evidence.reports if report.split == "test"])
    if not figures:
        notice("hint", "Nothing to compare", "There are no reports for this trait.")
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        key = _choose_figure(figures, HEADLINE_KEYS[trait])
        protocol = st.segmented_control(
            "Given",
            ("crops", "photos"),
            default="crops",
            required=True,
            format_func={"crops": "Faces", "photos": "Whole pictures"}.__getitem__,
            key="board_protocol",
            persist_state="page",
            help="“Faces” measures the networks alone, on faces cut out beforehand. “Whole pictures” includes face "
            "detection, and an undetected face counts as wrong (errors in years and F1 cover detected faces only).",
        )
    figure = FIGURE[key]
    rows = cached.get_leaderboard(evidence, key, protocol)
    if not rows:
        notice(
            "hint", "No model was measured this way", "Choose “Faces” to see the comparison on faces that were cut out."
        )
        return
    said = leaderboard_sentence(rows, figure)
    sentence(said)
    kinds = [kind for kind in KIND_WORDS if any(row.kind == kind for row in rows)]
    legend({KIND_WORDS[k]: (KIND_COLOURS[k], "hollow" if k == "published" else "dot") for k in kinds})
    dots = leaderboard_dots(rows, figure, evidence.systems)
    draw(charts.dot_plot(dots, figure.label + (" (years)" if figure.in_years else ""), not figure.in_years), said)
    if any(row.kind == "published" for row in rows):
        explain(
            "Hollow diamonds are figures published by others on other test pictures, so small differences mean nothing."
        )
    if more := unfinished_sentence(rows, evidence.unfinished):
        explain(more)
    table = leaderboard_table(rows, figure, evidence.systems, evidence.unfinished)
    numbers(table)
    origin_of_reports([row.report for row in rows if row.report is not None], table, f"leaderboard-{key}-{protocol}")


def _choose_figure(figures: Sequence[Figure], default: str) -> str:
    keys = [figure.key for figure in figures]
    return st.selectbox(
        "What is compared",
        keys,
        index=keys.index(default) if default in keys else 0,
        format_func=lambda key: FIGURE[key].label,
        key="board_figure",
        persist_state="page",
        width=360,
    )


# ------------------------------------------------------------------------------------------- one model, and its answers


def choose_report(reports: Sequence[EvaluationReport]) -> EvaluationReport:
    """One of several, by the address or from two lists: data set and model."""
    found = {report.dataset for report in reports}
    datasets = [dataset for dataset in DATASET_WORDS if dataset in found]
    dataset = datasets[0]
    if len(datasets) > 1:
        dataset = st.selectbox(
            "Data set", datasets, format_func=dataset_words, key="data", bind="query-params", width=240
        )
    reports = [report for report in reports if report.dataset == dataset]
    by_key = {report_key(report): report for report in reports}
    key = st.selectbox(
        "Model",
        list(by_key),
        format_func=lambda key: choice_words(by_key[key]),
        key="model",
        bind="query-params",
        width=360,
    )
    return by_key[key]


def _choose_counts(evidence: Evidence, trait: TraitName) -> tuple[EvaluationReport, str, ClassCounts] | None:
    """A model and one of its outputs; None where nothing was measured, which is then said."""
    reports = reports_of(evidence.reports, OUTPUTS[trait])
    if not reports:
        notice("hint", "Not measured yet", "There are no reports for this trait.")
        return None
    with st.container(horizontal=True, vertical_alignment="bottom"):
        report = choose_report(reports)
        outputs = [output for output in OUTPUTS[trait] if output in report.classes]
        output = outputs[0]
        if len(outputs) > 1:
            output = st.selectbox(
                "Classes",
                outputs,
                format_func=OUTPUTS[trait].__getitem__,
                key="output",
                persist_state="page",
                width=360,
            )
    return report, output, report.classes[output]


def show_confusion(evidence: Evidence, trait: TraitName) -> None:
    """Which classes are taken for which."""
    chosen = _choose_counts(evidence, trait)
    if chosen is None:
        return
    report, output, counts = chosen
    norm = st.segmented_control(
        "Shown in the cells",
        get_args(Norm),
        default="rows",
        required=True,
        format_func=_NORM_WORDS.__getitem__,
        key="norm",
        persist_state="page",
    )
    said = answers.confusion_sentence(counts)
    sentence(said)
    left, right = st.columns([3, 2], gap="large")
    with left:
        explain("Rows are labels and columns are answers. On the diagonal they agree.")
        event = st.altair_chart(
            report_charts.confusion_matrix(counts.classes, answers.cells(counts, norm), norm),
            width="stretch",
            key=f"matrix_{report_key(report)}_{output}_{norm}",
            on_select="rerun",
            alt=said,
        )
        _read_cell(counts, norm, event.selection.get(charts.CELL, []))
    with right:
        table = answers.class_table(counts)
        st.html(table.to_html())
        explain(
            "Recall: how many faces with this label are found. Precision: how often the answer is right when it is "
            "given. F1 is high only if both are."
        )
    matrix = answers.confusion_table(counts)
    numbers(matrix, "All cells as a table")
    origin_of_reports([report], matrix, f"confusion-{report_key(report)}-{output}")


def _read_cell(counts: ClassCounts, norm: Norm, selected: Sequence[Mapping[str, str]]) -> None:
    """The meaning of the chosen cell; of the most frequent mistake until one is chosen."""
    cell = selected[0] if selected else {}
    if {"truth", "answer"} <= cell.keys():
        text = answers.cell_sentence(counts, cell["truth"], cell["answer"], norm)
    else:
        worst = answers.most_confused(counts)
        text = "Click a cell to read what it means."
        if worst is not None:
            text += f" The most frequent mistake: {answers.cell_sentence(counts, *worst)}"
    sentence(text, live=True)


def show_confidence(evidence: Evidence, trait: TraitName) -> None:
    """The view on calibration: whether "90% sure" means right in nine of ten cases."""
    chosen = _choose_counts(evidence, trait)
    if chosen is None:
        return
    report, output, counts = chosen
    if not counts.confident:
        notice("hint", "No confidence", "This model gives no probabilities, so its confidence cannot be evaluated.")
    else:
        low, high = counts.ece_interval
        tiles(
            (
                (
                    "Expected calibration error (ECE): gap between confidence and accuracy",
                    f"{counts.ece:.3f}",
                    f"95% interval {low:.3f} to {high:.3f}, 0 is best",
                ),
                (
                    "Log-loss",
                    f"{counts.log_loss:.3f}",
                    f"in nats, 0 is best; blind guessing: {log(len(counts.classes)):.3f}",
                ),
                ("Brier score", f"{counts.brier:.3f}", "0 is best, 2 is worst"),
            )
        )
        said = answers.confidence_sentence(counts)
        sentence(said)
        bins = answers.reliability_bins(counts)
        left, right = st.columns([3, 2], gap="large")
        with left:
            legend(
                {
                    "answers, larger for more of them": (charts.BAR, "dot"),
                    "confidence equals accuracy": (charts.QUIET, "dashed"),
                    "gap": (charts.WARN, "line"),
                }
            )
            draw(report_charts.reliability(bins), said)
        with right:
            explain(
                "Above the dashed line the network is underconfident, below it overconfident. Answers are grouped by "
                "confidence; the chart below shows how many are in each group."
            )
            draw(report_charts.bin_counts(bins), "How many answers fell into each bin of confidence")
        table = answers.reliability_table(bins)
        numbers(table)
        origin_of_reports([report], table, f"confidence-{report_key(report)}-{output}")
    if trait == "age":
        _coverage(evidence, report)


def _coverage(evidence: Evidence, report: EvaluationReport) -> None:
    dots = answers.coverage_dots(report.ages)
    if not dots:
        return
    promised = evidence.coverage.get(report.model)
    subheading("Is the age interval reliable?")
    said = f"The interval around each age contains {dots[0].text} of the labels"
    said += f"; its target is {promised:.0%}." if promised is not None else "."
    sentence(said)
    if promised is not None:
        legend({f"target: {promised:.0%}": (charts.INK, "dashed")})
    draw(charts.dot_plot(dots, "Share of labels inside the interval", True, promised, dense=True), said)
    table = answers.age_table(report.ages)
    numbers(table)
    origin_of_reports([report], table, f"coverage-{report_key(report)}")
