"""Texts and tables of the page "Model performance" about one model: confusions, confidence, errors in years."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final

from facetraits.reports.evaluation_report import EvaluationReport
from facetraits.reports.metrics import AgeErrors, ClassCounts
from facetraits.traits import TraitName
from ui.kit.charts import Dot, Norm
from ui.kit.tables import Column, Table, percent, share, thousands, years
from ui.performance.models import model_name

_LABEL_OF: Final[Mapping[TraitName, str]] = {
    "gender": "the gender of their label",
    "ethnicity": "the ethnicity of their label",
    "expression": "the expression that got the most votes of ten people",
}
# Rows with fewer faces are not named as an example of confusion: a few pictures would decide.
_MIN_NAMED: Final = 30


def plain_words(report: EvaluationReport, trait: TraitName) -> str:
    """The headline of a trait, without statistical terms."""
    if trait != "age":
        right = report.classes[trait].accuracy
        return f"About {100 * right:.0f} of 100 faces get {_LABEL_OF[trait]}."
    errors = report.ages["all"]
    return (
        f"The estimated age is off by {errors.mae:.1f} years on average; for about "
        f"{100 * errors.cumulative_score(5):.0f} of 100 faces it is off by five years at most."
    )


# ----------------------------------------------------------------------------------------------------- confusion matrix


def cells(counts: ClassCounts, norm: Norm) -> list[dict[str, Any]]:
    """Every cell of the confusion matrix, with the share that colours it and what it means."""
    rows, columns = counts.support_by_class, [sum(column) for column in zip(*counts.confusion, strict=True)]
    largest = max(max(row) for row in counts.confusion)
    return [
        {
            "truth": truth,
            "answer": answer,
            "n": n,
            "share": share(n, {"counts": largest, "rows": rows[i], "columns": columns[j]}[norm]),
            "said": cell_sentence(counts, truth, answer, norm),
        }
        for i, truth in enumerate(counts.classes)
        for j, answer in enumerate(counts.classes)
        for n in (counts.confusion[i][j],)
    ]


def cell_sentence(counts: ClassCounts, truth: str, answer: str, norm: Norm = "rows") -> str:
    """What one cell means, as in "Of 412 faces labelled sad, 71 (17%) were taken for neutral."."""
    i, j = counts.classes.index(truth), counts.classes.index(answer)
    n = counts.confusion[i][j]
    if norm == "columns":
        answered = sum(row[j] for row in counts.confusion)
        of = f"{n:,} ({share(n, answered):.0%})"
        were = "had this label" if i == j else f"were actually labelled {truth}"
        return f"Of {answered:,} faces answered with {answer}, {of} {were}."
    labelled = counts.support_by_class[i]
    were = "were recognised" if i == j else f"were taken for {answer}"
    return f"Of {labelled:,} faces labelled {truth}, {n:,} ({share(n, labelled):.0%}) {were}."


def most_confused(counts: ClassCounts) -> tuple[str, str] | None:
    """True class and wrong answer of the most frequent mistake, relative to its class; None without a mistake."""
    best, found = 0.0, None
    for i, (truth, row) in enumerate(zip(counts.classes, counts.confusion, strict=True)):
        for j, n in enumerate(row):
            if i != j and sum(row) >= _MIN_NAMED and share(n, sum(row)) > best:
                best, found = share(n, sum(row)), (truth, counts.classes[j])
    return found


def confusion_sentence(counts: ClassCounts) -> str:
    """The matrix in words."""
    recalls = list(zip(counts.recall_by_class, counts.classes, strict=True))
    best, worst = max(recalls), min(recalls)
    text = (
        f"{counts.accuracy:.1%} of {counts.total:,} faces got the right answer. Best recognised: {best[1]} "
        f"({best[0]:.0%}), least: {worst[1]} ({worst[0]:.0%})."
    )
    if counts.undetected:
        text += f" In {counts.undetected:,} pictures no face was found. They count as wrong but are in no cell."
    return text


def confusion_table(counts: ClassCounts) -> Table:
    """The bare counts, a row per true class."""
    columns = (Column("Labelled ↓ answered →"), *(Column(name, thousands) for name in counts.classes))
    rows = zip(counts.classes, counts.confusion, strict=True)
    return Table("Faces by label and answer", columns, tuple((name, *row) for name, row in rows))


def class_table(counts: ClassCounts) -> Table:
    """Precision, recall and F1 of each class."""
    columns = (
        Column("Class"),
        Column("Found (recall)", percent),
        Column("Right when said (precision)", percent),
        Column("Both (F1)", percent),
        Column("Faces", thousands),
    )
    figures = (counts.recall_by_class, counts.precision_by_class, counts.f1_by_class, counts.support_by_class)
    return Table("How well each class is recognised", columns, tuple(zip(counts.classes, *figures, strict=True)))


# ----------------------------------------------------------------------------------------------------------- confidence


def reliability_bins(counts: ClassCounts) -> list[dict[str, Any]]:
    """Bins of confidence that hold answers: claimed and true share of right answers."""
    bins = []
    width = 1 / len(counts.bin_counts)
    sums = zip(counts.bin_counts, counts.bin_correct, counts.bin_confidence, strict=True)
    for index, (n, right, confidence) in enumerate(sums):
        if n:
            low, high = index * width, (index + 1) * width
            bins.append(
                {
                    "low": round(low, 4),
                    "high": round(high, 4),
                    "n": n,
                    "confidence": confidence / n,
                    "accuracy": right / n,
                    "said": f"{low:.0%} to {high:.0%} sure: {n:,} answers, {right / n:.0%} of them right "
                    f"({confidence / n:.0%} mean confidence)",
                }
            )
    return bins


def confidence_sentence(counts: ClassCounts) -> str:
    """Whether the confidence is calibrated."""
    claimed = sum(counts.bin_confidence) / max(1, counts.n)
    right = sum(counts.bin_correct) / max(1, counts.n)
    if abs(claimed - right) < 0.01:
        verdict = "Overall its confidence is about right"
    elif claimed > right:
        verdict = "Overall it is overconfident"
    else:
        verdict = "Overall it is underconfident"
    return (
        f"{verdict}: it is {claimed:.1%} sure on average and {right:.1%} of its answers are right. Within the bins, "
        f"confidence and accuracy differ by {100 * counts.ece:.1f} percentage points on average (expected calibration "
        "error)."
    )


def reliability_table(bins: Iterable[Mapping[str, Any]]) -> Table:
    """The bins as rows."""
    columns = (
        Column("Sure from", lambda value: f"{value:.0%}"),
        Column("to", lambda value: f"{value:.0%}"),
        Column("Answers", thousands),
        Column("Mean confidence", percent),
        Column("Right", percent),
    )
    rows = tuple((b["low"], b["high"], b["n"], b["confidence"], b["accuracy"]) for b in bins)
    return Table("How sure it was and how often it was right", columns, rows)


def coverage_dots(ages: Mapping[str, AgeErrors]) -> list[Dot]:
    """By age group, the share of labels that lie in the given interval."""
    dots = []
    for name, errors in ages.items():
        if errors.coverage is not None and errors.n:
            text = percent(errors.coverage)
            said = f"{age_words(name)}: the interval held {text} of {errors.n:,} labels"
            dots.append(Dot(age_words(name), errors.coverage, errors.coverage, errors.coverage, text, said, "group"))
    return dots


# ------------------------------------------------------------------------------------------------------------------ age


def age_words(name: str) -> str:
    """A range of ages, for people."""
    return "All ages" if name == "all" else f"Ages {name}"


# Those that overlap with no other.
AGE_GROUP_RANGES: Final = ("0-20", "21-40", "41-60", "61-80", "81+")


def age_cells(pairs: Iterable[tuple[int, int, int]], width: int) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Bins of true and estimated age with the share of each true bin, and the mean estimate of each true bin.

    Args:
        pairs: (true age, estimate, faces).
        width: of a bin, in years; what lies beyond 100 years belongs to the last one.
    """
    last = 100 // width - 1
    counted: dict[tuple[int, int], int] = {}
    sums: dict[int, int] = {}
    totals: dict[int, int] = {}
    for truth, estimate, n in pairs:
        column, row = min(truth // width, last), min(estimate // width, last)
        counted[column, row] = counted.get((column, row), 0) + n
        sums[column] = sums.get(column, 0) + n * estimate
        totals[column] = totals.get(column, 0) + n

    def ages(index: int) -> str:
        return f"{index * width} or older" if index == last else f"{index * width} to {(index + 1) * width - 1}"

    found = [
        {
            "truth": column * width,
            "estimate": row * width,
            "n": n,
            "share": n / totals[column],
            "said": f"Of {totals[column]:,} faces labelled {ages(column)}, {n:,} ({n / totals[column]:.0%}) were "
            f"estimated {ages(row)}",
        }
        for (column, row), n in sorted(counted.items())
    ]
    # A mean of a handful of faces jumps about.
    means = [
        {"truth": (column + 0.5) * width, "estimate": sums[column] / totals[column]}
        for column in sorted(totals)
        if totals[column] >= 10
    ]
    return found, means


def age_sentence(ages: Mapping[str, AgeErrors], ranges: Collection[str] = AGE_GROUP_RANGES) -> str:
    """How far off, for which of the ranges of ages least and most, and in which direction."""
    groups = {name: ages[name] for name in ranges if name in ages and ages[name].n}
    best = min(groups, key=lambda name: groups[name].mae)
    worst = max(groups, key=lambda name: groups[name].mae)
    text = f"It is off by {ages['all'].mae:.1f} years on average. " if "all" in ages else ""
    text += f"Least at ages {best} ({groups[best].mae:.1f} years), most at {worst} ({groups[worst].mae:.1f} years, "
    bias = groups[worst].bias
    return text + f"where people are estimated {abs(bias):.1f} years too {'young' if bias < 0 else 'old'} on average)."


def age_dots(groups: Mapping[str, AgeErrors]) -> list[Dot]:
    """Mean error of each range of ages."""
    dots = []
    for name, errors in groups.items():
        low, high = errors.mae_interval
        text = f"{errors.mae:.1f} years"
        said = f"{age_words(name)}: {text}, 95% interval {low:.1f} to {high:.1f} years, {errors.n:,} faces"
        dots.append(Dot(f"{age_words(name)} ({errors.n:,})", errors.mae, low, high, text, said, "group"))
    return dots


def bias_rows(groups: Mapping[str, AgeErrors]) -> list[dict[str, Any]]:
    """Mean signed error of each range of ages."""
    return [
        {
            "name": name,
            "bias": errors.bias,
            "text": f"{errors.bias:+.1f}",
            "said": f"{age_words(name)}: estimated {abs(errors.bias):.1f} years too "
            f"{'young' if errors.bias < 0 else 'old'} on average",
        }
        for name, errors in groups.items()
    ]


def heat_map_sentence(means: Iterable[Mapping[str, Any]]) -> str:
    """Where the mean estimate lies beside the label, at some ages."""
    at = {int(mean["truth"]): mean["estimate"] for mean in means}
    told = [f"{at[age]:.0f} for labels around {age}" for age in (7, 27, 52, 77) if age in at]
    return f"The mean estimate is {', '.join(told)}." if told else ""


def age_cell_table(spread: Iterable[Mapping[str, Any]], width: int) -> Table:
    """The cells of the heat map as rows."""
    columns = (
        Column("Labelled from"),
        Column("to"),
        Column("Estimated from"),
        Column("to"),
        Column("Faces", thousands),
        Column("Share", percent),
    )
    rows = tuple(
        (c["truth"], c["truth"] + width - 1, c["estimate"], c["estimate"] + width - 1, c["n"], c["share"])
        for c in spread
    )
    return Table("Faces by true and estimated age; the last bins hold everybody older too", columns, rows)


def score_table(points: Iterable[Mapping[str, Any]]) -> Table:
    """The cumulative scores, a row per model."""
    limits = (1, 3, 5, 10, 15, 20)
    scores: dict[str, dict[int, float]] = {}
    for point in points:
        scores.setdefault(point["model"], {})[point["years"]] = point["share"]
    columns = (Column("Model"), *(Column(f"Off by {limit} at most", percent) for limit in limits))
    rows = tuple((model, *(by_years[limit] for limit in limits)) for model, by_years in scores.items())
    return Table("Share of faces by largest error in years", columns, rows)


def age_table(ages: Mapping[str, AgeErrors]) -> Table:
    """Error, bias and shares within some years, by range of ages."""
    columns = (
        Column("Ages"),
        Column("Mean error (years)", years),
        Column("Too old (+) or too young (−)", lambda value: f"{value:+.2f}"),
        Column("Off by 5 years at most", percent),
        Column("By 10 at most", percent),
        Column("In its interval", percent),
        Column("Faces", thousands),
    )
    rows = tuple(
        (age_words(name), e.mae, e.bias, e.cumulative_score(5), e.cumulative_score(10), e.coverage, e.n)
        for name, e in ages.items()
        if e.n
    )
    return Table("Error of the estimated age, by true age", columns, rows)


def score_points(reports: Iterable[EvaluationReport]) -> list[dict[str, Any]]:
    """Share of faces within each number of years from 1 to 20, for every model that answers in years."""
    points = []
    for report in reports:
        if "all" in report.ages:
            for limit in range(1, 21):
                value = report.ages["all"].cumulative_score(limit)
                said = f"{model_name(report)}: {value:.0%} of faces are off by {limit} years at most"
                points.append({"model": model_name(report), "years": limit, "share": value, "said": said})
    return points
