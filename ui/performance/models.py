"""What the page "Model performance" says of models: their names, origin, places on a leaderboard, groups of people."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from facetraits.reports.comparison import FIGURES, Figure, Gap, GroupRow, Measured, Row
from facetraits.reports.evaluation_report import EvaluationReport
from facetraits.traits import TraitName
from ui.kit.charts import Dot
from ui.kit.components import ordinal
from ui.kit.tables import Column, Table, code_words, percent, thousands, years
from ui.performance.evidence import DATASET_WORDS

KIND_WORDS: Final[Mapping[str, str]] = {
    "profile": "Ours, as this app uses it",
    "member": "One of our networks alone",
    "reference": "Reference system, trained by us on the same pictures",
    "peer": "Another package, measured here",
    "published": "Published by others, not measured here",
}
PROTOCOL_WORDS: Final[Mapping[str, str]] = {
    "crops": "the networks alone, on faces that were cut out beforehand",
    "photos": "whole pictures with face detection; accuracies count an undetected face as wrong, errors in years and "
    "F1 cover detected faces only",
}
SPLIT_WORDS: Final[Mapping[str, str]] = {"train": "training", "validation": "validation", "test": "test"}
OUTPUTS: Final[Mapping[TraitName, Mapping[str, str]]] = {
    "age": {"age_group": "Five age groups", "age_group_7": "Seven age groups"},
    "gender": {"gender": "Two genders"},
    "ethnicity": {"ethnicity": "Five ethnicities"},
    "expression": {
        "expression": "Eight expressions (FER+)",
        "expression_raf_db": "Seven expressions (RAF-DB)",
        "expression_fer2013": "Seven expressions (FER2013)",
        "mood": "Three moods",
        "smile": "Smile or not",
        "expression_without_duplicates": "Eight expressions, without pictures that occur twice",
        "expression_fer2013_without_duplicates": "Seven expressions, without pictures that occur twice",
        "mood_without_duplicates": "Three moods, without pictures that occur twice",
        "smile_without_duplicates": "Smile or not, without pictures that occur twice",
    },
}
# The first is the one that the headline was measured on.
DATASETS_OF_TRAIT: Final[Mapping[TraitName, tuple[str, ...]]] = {
    "age": ("utkface", "all-age-faces"),
    "gender": ("utkface", "all-age-faces"),
    "ethnicity": ("utkface",),
    "expression": ("fer2013", "raf-db"),
}
AXIS_WORDS: Final[Mapping[str, str]] = {
    "gender": "gender",
    "ethnicity": "ethnicity",
    "age_group": "age group",
    "youth": "age of the young",
}


# ---------------------------------------------------------------------------------------------------- who, on what, how


def model_name(report: EvaluationReport) -> str:
    """As shown: our profiles by the project's name, packages with their version."""
    if report.kind == "profile":
        return f"facetraits ({report.model})"
    return f"{report.model} {report.version}".strip()


def report_key(report: EvaluationReport) -> str:
    """Names a model and its protocol, as in a page's address."""
    return report.model if report.protocol == "crops" else f"{report.model}-{report.protocol}"


def choice_words(report: EvaluationReport) -> str:
    """A model in a list to choose from."""
    suffix = "" if report.protocol == "crops" else ", whole pictures"
    return f"{model_name(report)}{suffix}"


_ORDER: Final = ("profile", "member", "reference", "peer")


def reports_of(reports: Iterable[EvaluationReport], outputs: Iterable[str]) -> list[EvaluationReport]:
    """Reports on test pictures that answer one of the outputs: ours first, faces before whole pictures."""
    wanted = set(outputs)
    found = [r for r in reports if r.split == "test" and wanted.intersection(r.classes)]
    return sorted(found, key=lambda r: (_ORDER.index(r.kind), r.protocol, r.model))


def figures_of(trait: TraitName, reports: Sequence[EvaluationReport]) -> list[Figure]:
    """The figures of a trait that at least one of the reports answers."""

    def counted(figure: Figure, report: EvaluationReport) -> bool:
        return figure.counted in (report.ages if figure.in_years else report.classes)

    return [f for f in FIGURES if f.trait == trait and any(counted(f, r) for r in reports if r.dataset == f.dataset)]


def dataset_words(name: str) -> str:
    """A data set, for people."""
    return DATASET_WORDS.get(name, name)


def interval_words(measured: Measured, figure: Figure) -> str:
    """As in "4.55 to 4.84 years"."""
    if figure.in_years:
        return f"{measured.low:.2f} to {measured.high:.2f} years"
    return f"{measured.low:.1%} to {measured.high:.1%}"


class Provenance(NamedTuple):
    """Where a figure's numbers come from, in one line and in full."""

    line: str
    facts: tuple[tuple[str, str], ...]


def provenance(report: EvaluationReport) -> Provenance:
    """Of one report: data, protocol, weights, date, code."""
    n = max([c.total for c in report.classes.values()] + [e.n for e in report.ages.values()], default=0)
    split = SPLIT_WORDS.get(report.split, report.split)
    weights = {file: sha for file, sha in report.weights_sha256.items() if not file.startswith("centerface/")}
    shas = ", ".join(f"{sha[:12]}…" for sha in weights.values()) or "not known"
    line = (
        f"{model_name(report)} on {dataset_words(report.dataset)}, {split} split, {n:,} pictures · measured "
        f"{report.date} with code {code_words(report.commit)} · weights {shas}"
    )
    facts = (
        ("Model", f"{model_name(report)} ({KIND_WORDS[report.kind].lower()})"),
        ("Data set", f"{dataset_words(report.dataset)}, {split} split, {n:,} pictures"),
        ("How it was measured", f"{PROTOCOL_WORDS.get(report.protocol, report.protocol)} (protocol {report.protocol})"),
        ("Date", report.date),
        ("Version of the code", report.commit),
        *((f"Checksum (SHA-256) of {file}", sha) for file, sha in report.weights_sha256.items()),
    )
    return Provenance(line, facts)


# ---------------------------------------------------------------------------------------------------------- leaderboard


def row_name(row: Row) -> str:
    """Whose line of a leaderboard it is."""
    return row.name if row.report is None else model_name(row.report)


def leaderboard_dots(rows: Iterable[Row], figure: Figure, systems: Mapping[str, str]) -> list[Dot]:
    """The rows as dots, in their order; a reference model names the system that it comes from."""

    def named(row: Row) -> str:
        system = systems.get(row.name, "") if row.kind == "reference" else ""
        return row_name(row) if system in row_name(row) else f"{row_name(row)} (of {system})"

    return [
        Dot(
            name=named(row),
            value=row.measured.value,
            low=row.measured.low,
            high=row.measured.high,
            text=figure.formatted(row.measured.value),
            said=_row_words(row, figure),
            kind=row.kind,
        )
        for row in rows
    ]


def _row_words(row: Row, figure: Figure) -> str:
    value = f"{row_name(row)}: {figure.formatted(row.measured.value)}"
    if row.published is not None:
        return f"{value}, published by others, not measured here ({row.published.note})"
    return f"{value}, 95% interval {interval_words(row.measured, figure)}, {row.measured.n:,} pictures"


def leaderboard_sentence(rows: Sequence[Row], figure: Figure) -> str:
    """Who leads among those who were measured, and where the app's own answer stands."""
    measured = [row for row in rows if row.report is not None]
    if not measured:
        return "No model has been measured on this yet."
    best = measured[0]
    text = f"{figure.label} ({'lower' if figure.in_years else 'higher'} is better): "
    value = figure.formatted(best.measured.value)
    if len(measured) == 1:
        text += f"only {row_name(best)} was measured, with {value}."
    else:
        pictures = (
            "the same pictures" if len({row.measured.n for row in measured}) == 1 else "the faces that each found"
        )
        text += f"of {len(measured)} models measured on {pictures}, {row_name(best)} does best with {value}."
        own = next((place for place, row in enumerate(measured, start=1) if row.name == "accurate"), None)
        if own not in (None, 1):
            text += f" The app's accurate profile comes {ordinal(own)}, with "
            text += f"{figure.formatted(measured[own - 1].measured.value)}."
        else:
            text += f" Next comes {row_name(measured[1])} with {figure.formatted(measured[1].measured.value)}"
            text += "; their intervals overlap, so chance may explain it." if _overlap(best, measured[1]) else "."
    if rows[0].published is not None:
        text += (
            f" {row_name(rows[0])} was published with {figure.formatted(rows[0].measured.value)}, on other pictures."
        )
    return text


def _overlap(one: Row | GroupRow, other: Row | GroupRow) -> bool:
    return one.measured.low <= other.measured.high and other.measured.low <= one.measured.high


def unfinished_sentence(rows: Iterable[Row], unfinished: Mapping[str, str]) -> str:
    """Which of the reference models could have become better; "" where none could."""
    names = [row.name for row in rows if row.name in unfinished]
    if not names:
        return ""
    return (
        f"Training stopped at the limit of two processor cores while these models were still improving: "
        f"{', '.join(names)}. "
        "With more training they would be better than shown."
    )


def leaderboard_table(
    rows: Sequence[Row], figure: Figure, systems: Mapping[str, str], unfinished: Mapping[str, str]
) -> Table:
    """All that is known of each row."""
    unit = "years" if figure.in_years else "share"
    written = years if figure.in_years else percent
    columns = (
        Column("Model"),
        Column("What it is"),
        Column(f"{figure.label} ({unit})", written),
        Column("95% from", written),
        Column("95% to", written),
        Column("Pictures", thousands),
        Column("Note"),
    )
    body: list[tuple[object, ...]] = []
    for row in rows:
        value, low, high, n = row.measured.value, row.measured.low, row.measured.high, row.measured.n
        if row.published is None:
            system = systems.get(row.name)
            note = "; ".join(filter(None, (f"from {system}" if system else "", unfinished.get(row.name, ""))))
            body.append((row_name(row), KIND_WORDS[row.kind], value, low, high, n, note))
        else:
            note = f"{row.published.note} ({row.published.source})"
            body.append((row_name(row), KIND_WORDS[row.kind], value, None, None, None, note))
    return Table(figure.label, columns, tuple(body))


# ------------------------------------------------------------------------------------------------------------- fairness


def group_dots(rows: Iterable[GroupRow], figure: Figure, gap: Gap | None) -> list[Dot]:
    """Groups of people from the best to the worst, the worst marked; those that are too few last."""
    ranked = sorted(rows, key=lambda row: (not row.compared, row.measured.value * (1 if figure.in_years else -1)))
    return [
        Dot(
            name=f"{row.name} ({row.measured.n:,})",
            value=row.measured.value,
            low=row.measured.low,
            high=row.measured.high,
            text=figure.formatted(row.measured.value),
            said=f"{row.name}: {figure.formatted(row.measured.value)}, 95% interval "
            f"{interval_words(row.measured, figure)}, {row.measured.n:,} people{'' if row.compared else ', too few'}",
            kind="few" if not row.compared else "worst" if gap is not None and row is gap.worst else "group",
        )
        for row in ranked
    ]


_FEW_GROUPS: Final = 5  # the ends of more are far apart even where all are alike


def fairness_sentence(gap: Gap | None, figure: Figure, compared: int) -> str:
    """For whom it is worst, and by how much.

    Args:
        gap: between the best and the worst; None where nothing can be compared.
        figure: what was measured.
        compared: number of groups that the two were picked from.
    """
    if gap is None:
        return "A comparison needs two groups with enough people."
    size = f"{gap.size:.2f} years" if figure.in_years else f"{100 * gap.size:.1f} percentage points"
    if _overlap(gap.best, gap.worst):
        chance = " The two 95% intervals overlap, so chance may explain it."
    elif compared > _FEW_GROUPS:
        chance = f" They are the extremes of {compared} groups, and extremes differ even by chance."
    else:
        chance = " The two 95% intervals do not overlap, so chance alone is an unlikely explanation."
    return (
        f"Worst for {gap.worst.name}: {figure.formatted(gap.worst.measured.value)}; best for {gap.best.name}: "
        f"{figure.formatted(gap.best.measured.value)}. The largest gap is {size}.{chance}"
    )


def fairness_table(rows: Sequence[GroupRow], figure: Figure) -> Table:
    """A row per group."""
    written = years if figure.in_years else percent
    columns = (
        Column("Group"),
        Column(f"{figure.label} ({'years' if figure.in_years else 'share'})", written),
        Column("95% from", written),
        Column("95% to", written),
        Column("People", thousands),
        Column("Compared", lambda value: "yes" if value else "no, too few"),
    )
    body = tuple((r.name, r.measured.value, r.measured.low, r.measured.high, r.measured.n, r.compared) for r in rows)
    return Table(f"{figure.label}, by group of people", columns, body)
