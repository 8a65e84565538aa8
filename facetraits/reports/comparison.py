"""Comparison of reports: headline figures, leaderboards, groups of people."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from facetraits.reports.evaluation_report import EvaluationReport
from facetraits.reports.metrics import AgeErrors, ClassCounts, Subgroup, merged
from facetraits.traits import TraitName


@dataclass(frozen=True, slots=True)
class Measured:
    """One figure of one report.

    Attributes:
        value: years, or a share in [0, 1].
        low, high: bootstrap 95% interval.
        n: pictures it was measured on.
    """

    value: float
    low: float
    high: float
    n: int


@dataclass(frozen=True, slots=True)
class Figure:
    """Something that can be measured on a report.

    Attributes:
        key: its name in code and data files.
        trait: what it tells of.
        label: for people.
        dataset: the set that it is measured on.
        counted: key of ``EvaluationReport.classes``, or of ``EvaluationReport.ages`` for years.
        measure: which property of the counts; "mae" is in years and better when lower, the others are shares.
    """

    key: str
    trait: TraitName
    label: str
    dataset: str
    counted: str
    measure: Literal["mae", "accuracy", "macro_f1", "mean_recall"]

    @property
    def in_years(self) -> bool:
        """Years, and better when lower; otherwise a share, and better when higher."""
        return self.measure == "mae"

    def of(self, report: EvaluationReport | Subgroup) -> Measured | None:
        """The figure of a report or subgroup; None if it is not available or there is nobody to measure it on.

        Means over classes are None of a subgroup: they would run over classes that cannot occur there.
        """
        counts: ClassCounts | AgeErrors | None
        if isinstance(report, Subgroup) and self.measure in ("macro_f1", "mean_recall"):
            return None
        if not self.in_years:
            counts = report.classes.get(self.counted)
        elif isinstance(report, Subgroup):
            counts = report.ages if self.counted == "all" else None
        else:
            counts = report.ages.get(self.counted)
        if counts is None:
            return None
        # Only accuracy counts an undetected face, as wrong.
        n = counts.total if isinstance(counts, ClassCounts) and self.measure == "accuracy" else counts.n
        if not n:
            return None
        low, high = getattr(counts, f"{self.measure}_interval")
        return Measured(getattr(counts, self.measure), low, high, n)

    def formatted(self, value: float) -> str:
        """With its unit."""
        return f"{value:.2f} years" if self.in_years else f"{value:.1%}"


FIGURES: Final = (
    Figure("age_mae", "age", "Mean absolute error, all ages", "utkface", "all", "mae"),
    Figure("age_mae_21_60", "age", "Mean absolute error, ages 21-60", "utkface", "21-60", "mae"),
    Figure("age_mae_0_3", "age", "Mean absolute error, ages 0-3", "utkface", "0-3", "mae"),
    Figure("age_group", "age", "Accuracy, five age groups", "utkface", "age_group", "accuracy"),
    Figure("age_group_7", "age", "Accuracy, seven age groups", "utkface", "age_group_7", "accuracy"),
    Figure("age_mae_aaf", "age", "Mean absolute error, All-Age-Faces", "all-age-faces", "all", "mae"),
    Figure(
        "age_group_aaf", "age", "Accuracy, five age groups, All-Age-Faces", "all-age-faces", "age_group", "accuracy"
    ),
    Figure("gender", "gender", "Accuracy, two classes", "utkface", "gender", "accuracy"),
    Figure("gender_f1", "gender", "Macro-F1", "utkface", "gender", "macro_f1"),
    Figure("gender_aaf", "gender", "Accuracy, All-Age-Faces", "all-age-faces", "gender", "accuracy"),
    Figure("ethnicity", "ethnicity", "Accuracy, five classes", "utkface", "ethnicity", "accuracy"),
    Figure("ethnicity_f1", "ethnicity", "Macro-F1", "utkface", "ethnicity", "macro_f1"),
    Figure("expression", "expression", "Accuracy, FER+, eight expressions", "fer2013", "expression", "accuracy"),
    Figure("expression_f1", "expression", "Macro-F1, FER+, eight expressions", "fer2013", "expression", "macro_f1"),
    Figure(
        "expression_raf_db",
        "expression",
        "Accuracy, RAF-DB, seven expressions",
        "raf-db",
        "expression_raf_db",
        "accuracy",
    ),
    Figure(
        "expression_raf_db_mean",
        "expression",
        "Mean of the classes, RAF-DB, seven expressions",
        "raf-db",
        "expression_raf_db",
        "mean_recall",
    ),
    Figure(
        "expression_fer2013",
        "expression",
        "Accuracy, FER2013, seven expressions",
        "fer2013",
        "expression_fer2013",
        "accuracy",
    ),
    Figure(
        "expression_fer2013_alone",
        "expression",
        "Accuracy, FER2013 without its duplicated pictures",
        "fer2013",
        "expression_fer2013_without_duplicates",
        "accuracy",
    ),
    Figure("mood", "expression", "Accuracy, mood (positive, neutral, negative)", "fer2013", "mood", "accuracy"),
    Figure("smile", "expression", "Accuracy, smiling or not", "fer2013", "smile", "accuracy"),
    Figure("smile_raf_db", "expression", "Accuracy, smiling or not, RAF-DB", "raf-db", "smile", "accuracy"),
)
FIGURE: Final[Mapping[str, Figure]] = {figure.key: figure for figure in FIGURES}
# One per trait, the first to be shown.
HEADLINE_KEYS: Final[Mapping[TraitName, str]] = {
    "age": "age_mae",
    "gender": "gender",
    "ethnicity": "ethnicity",
    "expression": "expression",
}


@dataclass(frozen=True, slots=True)
class Published:
    """A figure that others published; we did not measure it, and their test pictures are not ours.

    Attributes:
        figure: key of ``FIGURES``.
        name: whose; value: years, or a share in [0, 1].
        note: what it was measured on, as far as known; source: where it was published.
    """

    figure: str
    name: str
    value: float
    note: str
    source: str


def load_published(models_dir: Path) -> tuple[Published, ...]:
    """The figures in ``models_dir/published.json``.

    Raises:
        ValueError: an entry has other keys, or names a figure that is not known.
    """
    raw: list[dict[str, Any]] = json.loads((models_dir / "published.json").read_text(encoding="utf-8"))
    try:
        published = tuple(Published(**entry) for entry in raw)
    except TypeError as error:
        raise ValueError(f"published.json is malformed: {error}") from error
    if unknown := {p.figure for p in published} - set(FIGURE):
        raise ValueError(f"published.json names unknown figures: {', '.join(sorted(unknown))}")
    return published


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a leaderboard.

    Attributes:
        name: of the model.
        kind: "profile" (ours as served), "member", "reference", "peer", or "published".
        measured: the figure; a published one has no interval and no n.
        report: where it comes from; None for a published figure.
        published: the same the other way round.
    """

    name: str
    kind: Literal["profile", "member", "reference", "peer", "published"]
    measured: Measured
    report: EvaluationReport | None = None
    published: Published | None = None


def leaderboard(
    figure: Figure, reports: Iterable[EvaluationReport], published: Iterable[Published] = (), protocol: str = "crops"
) -> tuple[Row, ...]:
    """Everybody who answers ``figure`` on the test split, best first."""
    rows = [
        Row(r.model, r.kind, measured, r)
        for r in reports
        if (r.dataset, r.split, r.protocol) == (figure.dataset, "test", protocol) and (measured := figure.of(r))
    ]
    rows += [
        Row(p.name, "published", Measured(p.value, p.value, p.value, 0), None, p)
        for p in published
        if p.figure == figure.key
    ]
    return tuple(sorted(rows, key=lambda row: row.measured.value, reverse=not figure.in_years))


def find_report(
    reports: Iterable[EvaluationReport], model: str, dataset: str, split: str = "test", protocol: str = "crops"
) -> EvaluationReport | None:
    """The report with these four names, if there is one."""
    wanted = (model, dataset, split, protocol)
    return next((r for r in reports if (r.model, r.dataset, r.split, r.protocol) == wanted), None)


# --------------------------------------------------------------------------------------------------- groups of people

Axis = Literal["gender", "ethnicity", "age_group", "youth"]
AXES: Final[tuple[Axis, ...]] = ("gender", "ethnicity", "age_group", "youth")
# Groups with fewer people are shown but not compared: their figures move by ten points with a few pictures.
MIN_COMPARED: Final = 30


@dataclass(frozen=True, slots=True)
class GroupRow:
    """A figure for some of the people.

    Attributes:
        of: axis to class.
        measured: for them.
        compared: whether they are enough to be compared.
    """

    of: Mapping[str, str]
    measured: Measured
    compared: bool

    @property
    def name(self) -> str:
        """As in "female, black"."""
        return ", ".join(self.of.values())


@dataclass(frozen=True, slots=True)
class Gap:
    """The distance between the groups for whom a model works best and worst."""

    best: GroupRow
    worst: GroupRow

    @property
    def size(self) -> float:
        """Years, or a share."""
        return abs(self.best.measured.value - self.worst.measured.value)


def group_rows(
    report: EvaluationReport, figure: Figure, axes: Sequence[Axis], adults: bool = False
) -> tuple[GroupRow, ...]:
    """The figure for every class of one axis, or every pair of classes of two, in the order of the classes.

    Args:
        report: of the test split.
        figure: what to compare.
        axes: one or two.
        adults: leave the age group 0-20 out, in which gender is hard to tell for people too. One axis only.
    """
    if adults and "age_group" not in axes:
        groups = _merged_adults(report, axes)
    else:
        groups = [g for g in report.subgroups if set(g.of) == set(axes) and not (adults and _is_young(g))]
    return tuple(
        GroupRow(group.of, measured, measured.n >= MIN_COMPARED) for group in groups if (measured := figure.of(group))
    )


def _is_young(group: Subgroup) -> bool:
    return group.of.get("age_group") == "0-20"


def _merged_adults(report: EvaluationReport, axes: Sequence[Axis]) -> list[Subgroup]:
    parts: dict[tuple[str, ...], list[Subgroup]] = {}
    for group in report.subgroups:
        if set(group.of) == {*axes, "age_group"} and not _is_young(group):
            parts.setdefault(tuple(group.of[axis] for axis in axes), []).append(group)
    return [merged(groups, dict(zip(axes, names, strict=True))) for names, groups in parts.items()]


def largest_gap(rows: Iterable[GroupRow], figure: Figure) -> Gap | None:
    """Between the best and the worst of the groups that are large enough; None without two of them."""
    ranked = sorted((row for row in rows if row.compared), key=lambda row: row.measured.value)
    if len(ranked) < 2:
        return None
    low, high = ranked[0], ranked[-1]
    return Gap(best=low, worst=high) if figure.in_years else Gap(best=high, worst=low)
