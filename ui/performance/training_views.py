"""The views of the page "Model performance" that tell of training: learning curves, and the data."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Final

import streamlit as st

from facetraits.reports.data_summary import DataSummary
from facetraits.reports.history import TrainingRun
from facetraits.traits import TraitName
from ui.kit import charts
from ui.kit.components import notice
from ui.kit.figure import draw, explain, legend, numbers, origin_of_facts, sentence, subheading
from ui.kit.tables import code_words
from ui.performance import charts as report_charts
from ui.performance.evidence import Evidence
from ui.performance.models import DATASETS_OF_TRAIT, dataset_words
from ui.performance.training import (
    LABEL_WORDS,
    counterpart,
    curve,
    curve_sentence,
    curve_table,
    distribution_sentence,
    distribution_table,
    is_share,
    labels_of,
    metric_words,
    metrics_of,
    record_json,
    removed_table,
    run_facts,
    runs_of,
    stacked,
)

# Where the download is smaller than the number in the set's publication.
_PUBLISHED_SIZES: Final[Mapping[str, str]] = {
    "utkface": (
        "Researchers know UTKFace as a set of 23,708 cropped and aligned faces. The copy that these networks learned "
        "from holds fewer of them, so figures differ a little from those of the whole set. The training uses every "
        "picture that the folder holds."
    ),
}


def show_curves(evidence: Evidence, trait: TraitName) -> None:
    """When training was at its best, and where it began to do harm."""
    runs = {run.name: run for run in runs_of(trait, evidence.runs)}
    if not runs:
        notice("hint", "No learning curves", "There is no training record for this trait.")
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        name = st.selectbox("Training of", list(runs), key="run", bind="query-params", width=280)
        others = [other for other in runs if other != name]
        second = st.selectbox(
            "Compared with", others, index=None, placeholder="no other", key="second", persist_state="page", width=280
        )
        metrics = metrics_of(runs[name], trait)
        metric = st.selectbox(
            "What is drawn",
            metrics,
            format_func=lambda metric: metric_words(metric, runs[name]),
            key="metric",
            persist_state="page",
            width=280,
        )
    _draw_curves([runs[name], *([runs[second]] if second is not None else [])], metric)


def _draw_curves(runs: Sequence[TrainingRun], metric: str) -> None:
    said = " ".join(curve_sentence(run) for run in runs)
    for run in runs:
        sentence(curve_sentence(run))
    drawn = [(run, name) for run in runs if (name := counterpart(metric, run)) is not None]
    if len(drawn) < len(runs):
        explain(f"{runs[1].name} has no record of this; choose the loss to compare the two.")
    words = metric_words(metric, runs[0])
    # Losses of two networks have no common scale; what is counted in years or answers has.
    if metric.endswith("loss") and len(drawn) > 1:
        for column, run_and_metric, colour in zip(
            st.columns(2, gap="large"), drawn, report_charts.CURVE_COLOURS, strict=True
        ):
            with column:
                _draw_chart([run_and_metric], words, curve_sentence(run_and_metric[0]), [colour])
    else:
        _draw_chart(drawn, words, said, report_charts.CURVE_COLOURS)
    explain(
        "The vertical line is the epoch whose weights were kept. Over-fitting means that the network keeps improving "
        "on its training pictures but gets worse on others. Compare the shapes of two networks' losses, not their "
        "values."
    )
    table = curve_table(runs, metric)
    left, right = st.columns(2, gap="large")
    for column, key, title in ((left, "learning_rate", "Learning rate"), (right, "seconds", "Seconds per epoch")):
        series = {run.name: run.columns[key] for run in runs if key in run.columns}
        if series:
            with column:
                subheading(title)
                draw(report_charts.epoch_series(series, title), f"{title} over the epochs of {' and '.join(series)}")
    numbers(table, "Every epoch as a table")
    names = " and ".join(run.name for run in runs)
    commit = code_words(str(runs[0].record.get("commit", "")))
    origin_of_facts(
        f"Training of {names} · code {commit} · seed {runs[0].record.get('recipe', {}).get('seed', 'not known')}",
        [(run.name, run_facts(run)) for run in runs],
        table,
        lambda: record_json(runs),
        "training-" + "-".join(run.name for run in runs),
    )


def _draw_chart(drawn: Sequence[tuple[TrainingRun, str]], words: str, said: str, colours: Sequence[str]) -> None:
    entries = {}
    for (run, _), colour in zip(drawn, colours, strict=False):
        entries[f"{run.name}: validation pictures"] = (colour, "line")
        entries["training pictures" if len(drawn) == 1 else f"{run.name}: training pictures"] = (colour, "dashed")
    if any(run.over_training_from is not None for run, _ in drawn):
        entries["shaded: over-fitting"] = (colours[0], "shade")
    legend(entries)
    curves = [curve(run, name) for run, name in drawn]
    draw(report_charts.learning_curves(curves, words, is_share(drawn[0][1]), colours), said)


def show_data(evidence: Evidence, trait: TraitName) -> None:
    """What the networks learned from and were tested on."""
    summaries = {s.name: s for s in evidence.summaries if s.name in DATASETS_OF_TRAIT[trait] and labels_of(trait, s)}
    if not summaries:
        notice("hint", "No description of the data", "The data for this trait have not been summarised yet.")
        return
    chosen = next(iter(summaries))
    if len(summaries) > 1:
        chosen = st.selectbox(
            "Data set", list(summaries), format_func=dataset_words, key="data", bind="query-params", width=360
        )
    summary = summaries[chosen]
    labels = labels_of(trait, summary)
    label = labels[0]
    if len(labels) > 1:
        label = st.selectbox(
            "Classes", labels, format_func=LABEL_WORDS.__getitem__, key="label", persist_state="page", width=360
        )
    distribution = summary.distributions[label]
    said = distribution_sentence(distribution)
    sentence(f"{summary.title}: {summary.pictures:,} pictures in the download. {said}")
    if summary.name in _PUBLISHED_SIZES:
        explain(_PUBLISHED_SIZES[summary.name])
    legend(
        {
            "used for training": (report_charts.SPLIT_COLOURS["train"], "block"),
            "for validation": (report_charts.SPLIT_COLOURS["validation"], "block"),
            "for the test": (report_charts.SPLIT_COLOURS["test"], "block"),
            "in the download, before cleaning": (charts.INK, "tick"),
        }
    )
    draw(report_charts.distribution(distribution.classes, *stacked(distribution)), said)
    table = distribution_table(distribution, label)
    numbers(table)
    _removed(summary)
    origin_of_facts(
        f"{summary.title} · counted {summary.date} with code {code_words(summary.commit)} · {summary.licence}",
        [
            (
                summary.title,
                (
                    ("Licence", summary.licence),
                    ("Date", summary.date),
                    ("Version of the code", summary.commit),
                    *((f"Checksum (SHA-256) of {name}", sha) for name, sha in summary.files.items()),
                ),
            )
        ],
        table,
        lambda: json.dumps(asdict(summary), ensure_ascii=False, indent=1) + "\n",
        f"data-{summary.name}-{label}",
    )


def _removed(summary: DataSummary) -> None:
    subheading("What cleaning took out, and why")
    st.html(removed_table(summary).to_html())
