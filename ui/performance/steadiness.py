"""The view of the page "Model performance" that asks whether the same face always gets the same answer."""

from __future__ import annotations

import streamlit as st

from facetraits.reports.steadiness import SteadinessReport
from facetraits.traits import TRAITS, TraitName
from ui.kit import charts
from ui.kit.charts import KIND_COLOURS, Dot
from ui.kit.components import notice
from ui.kit.figure import draw, explain, legend, numbers, origin_of_facts, sentence, tiles
from ui.kit.tables import Column, Table, code_words, percent, years
from ui.performance.evidence import Evidence
from ui.performance.models import SPLIT_WORDS, dataset_words


def show_steadiness(evidence: Evidence, trait: TraitName) -> None:
    """The same faces in other sizes, qualities, light and positions."""
    reports = {(r.model, r.dataset): r for r in evidence.steadiness if r.split == "test"}
    if not reports:
        notice("hint", "Not measured yet", "There is no report of how steady the app's own networks are.")
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        chosen = st.selectbox(
            "Faces and model",
            list(reports),
            format_func=lambda key: f"{dataset_words(key[1])}, {key[0]}",
            key="steady_report",
            persist_state="page",
            width=360,
        )
    report = reports[chosen]
    sentence(steadiness_sentence(report, trait))
    if trait == "age":
        tiles([(dataset_words(r.dataset), f"{r.median_age_deviation:.1f} years", r.model) for r in reports.values()])
    else:
        tiles([(dataset_words(r.dataset), percent(r.share_changing(trait)), r.model) for r in reports.values()])
    explain(
        f"Each of {report.faces:,} test faces was tested in {len(report.versions)} versions. "
        + (
            "The figure is the median over faces of the standard deviation of a face's estimates."
            if trait == "age"
            else "The figure is the share of faces for which more than one version gets a different answer than the "
            "majority of versions."
        )
    )
    dots = version_dots(report, trait)
    legend({"the same faces, changed so": (KIND_COLOURS["profile"], "dot"), "as they are": (charts.INK, "dashed")})
    title = "Mean change of the estimate (years)" if trait == "age" else "Share of faces with another answer"
    draw(charts.dot_plot(dots, title, trait != "age", 0.0, dense=True), steadiness_sentence(report, trait))
    table = steadiness_table(report, trait)
    numbers(table)
    split = SPLIT_WORDS.get(report.split, report.split)
    origin_of_facts(
        f"facetraits ({report.model}) on {dataset_words(report.dataset)}, {split} split, {report.faces:,} faces · "
        f"measured {report.date} with code {code_words(report.commit)}",
        [
            (
                f"facetraits ({report.model})",
                (
                    ("Data set", f"{dataset_words(report.dataset)}, {split} split, {report.faces:,} faces"),
                    ("Date", report.date),
                    ("Version of the code", report.commit),
                    *((f"Checksum (SHA-256) of {file}", sha) for file, sha in report.weights_sha256.items()),
                ),
            )
        ],
        table,
        report.to_json,
        f"steadiness-{report.model}-{report.dataset}-{trait}",
    )


def steadiness_sentence(report: SteadinessReport, trait: TraitName) -> str:
    """The headline, without statistical terms."""
    if trait == "age":
        worst = max(report.versions, key=lambda version: abs(report.mean_shift(version)))
        return (
            f"With other sizes, qualities and light, the estimate for the same face varies by about "
            f"{report.median_age_deviation:.1f} years. Largest effect: {worst} ({report.mean_shift(worst):+.1f} years)."
        )
    worst = max(report.versions, key=lambda version: report.share_changed(trait, version))
    return (
        f"{TRAITS[trait].label}: for {report.share_changing(trait):.1%} of the faces the answer changes in more than "
        f"one of {len(report.versions)} versions. Largest effect: {worst} "
        f"({report.share_changed(trait, worst):.1%})."
    )


def version_dots(report: SteadinessReport, trait: TraitName) -> list[Dot]:
    """A dot for each version, what changes most first."""
    dots = []
    for version in report.versions[1:]:
        if trait == "age":
            value = report.mean_shift(version)
            text, said = f"{value:+.1f} years", f"{version}: the estimate moves by {value:+.1f} years in the mean"
        else:
            value = report.share_changed(trait, version)
            text, said = percent(value), f"{version}: {percent(value)} of the faces get another answer"
        dots.append(Dot(version, value, value, value, text, said, "profile"))
    return sorted(dots, key=lambda dot: -abs(dot.value))


def steadiness_table(report: SteadinessReport, trait: TraitName) -> Table:
    """The numbers of every version."""
    if trait == "age":
        rows = tuple((version, report.mean_shift(version)) for version in report.versions)
        return Table("Change of the estimate by version", (Column("Version"), Column("Years", years)), rows)
    shares = tuple((version, report.share_changed(trait, version)) for version in report.versions)
    return Table("Changed answers by version", (Column("Version"), Column("Share of faces", percent)), shares)
