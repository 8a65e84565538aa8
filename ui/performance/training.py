"""Texts and tables of the page "Model performance" about training: learning curves and data."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final

from facetraits.reports.data_summary import DataSummary, Distribution
from facetraits.reports.history import TrainingRun
from facetraits.traits import TraitName
from ui.kit.tables import Column, Table, share, thousands
from ui.performance.charts import Curve
from ui.performance.models import OUTPUTS, SPLIT_WORDS

_HEAD_WORDS: Final[Mapping[str, str]] = {
    "age": "apparent age",
    **{output: words[0].lower() + words[1:] for outputs in OUTPUTS.values() for output, words in outputs.items()},
}
# Parts of a column's name in history.csv, and what they measure.
_KINDS: Final[Mapping[str, str]] = {
    "age_error": "Error in years",
    "categorical_accuracy": "Right answers",
    "binary_accuracy": "Right answers",
    "accuracy": "Right answers",
    "loss": "Loss",
}


def runs_of(trait: TraitName, runs: Iterable[TrainingRun]) -> list[TrainingRun]:
    """The trainings whose networks answer a trait, in their order."""
    outputs = {trait, *OUTPUTS[trait]}
    return [run for run in runs if outputs.intersection(heads(run))]


def heads(run: TrainingRun) -> tuple[str, ...]:
    """What the network answers."""
    return tuple(run.record.get("recipe", {}).get("heads", ()))


def metric_words(metric: str, run: TrainingRun) -> str:
    """A column of ``history.csv``, for people."""
    if metric == "loss":
        return "Loss (what training minimises)"
    for head in sorted(heads(run), key=len, reverse=True):
        if metric.startswith(f"{head}_") and metric.removeprefix(f"{head}_") in _KINDS:
            return f"{_KINDS[metric.removeprefix(f'{head}_')]}, {_HEAD_WORDS.get(head, head)}"
    if metric in _KINDS:
        return _KINDS[metric]
    return metric.replace("_", " ")


def is_share(metric: str) -> bool:
    """Whether the metric is a share of right answers."""
    return metric.endswith("accuracy")


def metrics_of(run: TrainingRun, trait: TraitName) -> list[str]:
    """The run's metrics: the loss, then those of the trait."""
    others = {head for head in heads(run) if head not in {trait, *OUTPUTS[trait]}}

    def elsewhere(metric: str) -> bool:
        owner = max((h for h in heads(run) if metric.startswith(f"{h}_")), key=len, default="")
        return owner in others

    return [metric for metric in run.metrics if not elsewhere(metric)]


def counterpart(metric: str, run: TrainingRun) -> str | None:
    """The same metric in another run; None if it has none."""
    if metric in run.metrics:
        return metric
    kind = next((kind for kind in _KINDS if metric.endswith(kind)), None)
    return next((name for name in run.metrics if kind is not None and name == kind), None)


def curve(run: TrainingRun, metric: str) -> Curve:
    """One metric of a run, ready to be drawn."""
    return Curve(run.name, run.columns[metric], run.columns[f"val_{metric}"], run.kept_epoch, run.over_training_from)


def curve_sentence(run: TrainingRun) -> str:
    """Describes the best epoch, and over-fitting after it."""
    losses, validation = run.columns["loss"], run.columns["val_loss"]
    best, last = run.best_epoch, run.epochs
    lowest = f"{validation[best - 1]:.3f}"
    kept = f"The weights of {run.step} {run.kept_epoch} were kept"
    if run.kept_epoch == best:
        kept += "."
    else:
        kept += (
            ": when the learning rate falls to zero, more answers are right but overconfident. The loss penalises "
            "that, and calibration corrects it afterwards."
        )
    text = f"{run.name}: the loss on validation pictures was lowest ({lowest}) at {run.step} {best} of {last}"
    if run.still_improving:
        return f"{text}, the last one: the curve does not reach the point of over-fitting."
    if run.over_training_from is None:
        return f"{text}; after that it did not get better, nor clearly worse. {kept}"
    end = (
        f"by {run.step} {last} it rose to {validation[-1]:.3f} while the loss on training pictures fell on, from "
        f"{losses[best - 1]:.3f} to {losses[-1]:.3f}"
    )
    return f"{text}. From {run.step} {run.over_training_from} on it over-fits: {end}. {kept}"


def curve_table(runs: Iterable[TrainingRun], metric: str) -> Table:
    """Every epoch of the runs that have the metric or its like."""
    columns = (
        Column("Run"),
        Column("Epoch or fit"),
        Column("Training", _four),
        Column("Validation", _four),
        Column("Learning rate", "{:.2e}".format),
        Column("Seconds", "{:.0f}".format),
    )
    rows = []
    for run in runs:
        name = counterpart(metric, run)
        if name is not None:
            rates, seconds = (run.columns.get(key, (None,) * run.epochs) for key in ("learning_rate", "seconds"))
            values = zip(run.columns[name], run.columns[f"val_{name}"], rates, seconds, strict=True)
            rows += [(run.name, epoch, *numbers) for epoch, numbers in enumerate(values, start=1)]
    return Table("Learning curves", columns, tuple(rows))


def _four(value: float) -> str:
    return f"{value:.4f}"


def run_facts(run: TrainingRun) -> tuple[tuple[str, str], ...]:
    """Where a curve comes from, as far as the run's record says."""
    record, recipe = run.record, run.record.get("recipe", {})
    samples = record.get("samples", {})
    environment = record.get("environment", {})
    facts = {
        "Reference system": recipe.get("source"),
        "Data": ", ".join(f"{part}: {n:,} pictures" for part, n in samples.items()),
        "Optimiser": ", ".join(
            f"{name.replace('_', ' ')} {recipe[name]}"
            for name in ("optimizer", "learning_rate", "batch_size")
            if name in recipe
        ),
        "Seed": recipe.get("seed"),
        "Parameters of the network": f"{record['parameters']:,}" if "parameters" in record else None,
        "Time": f"{record['training_seconds'] / 60:.0f} minutes" if "training_seconds" in record else None,
        "Version of the code": record.get("commit"),
        "Environment": ", ".join(f"{name} {value}" for name, value in environment.items() if isinstance(value, str)),
    }
    facts |= {f"Checksum (SHA-256) of {file}": sha256 for file, sha256 in record.get("data", {}).items()}
    return tuple((label, str(value)) for label, value in facts.items() if value not in (None, ""))


def record_json(runs: Iterable[TrainingRun]) -> str:
    """Record and history of the runs, as data."""
    content = [{"name": run.name, "record": run.record, "history": run.columns} for run in runs]
    return json.dumps(content, ensure_ascii=False, indent=1, default=list) + "\n"


# ----------------------------------------------------------------------------------------------------------------- data

_LABELS_OF_TRAIT: Final[Mapping[TraitName, tuple[str, ...]]] = {
    "age": ("age", "age_group"),
    "gender": ("gender",),
    "ethnicity": ("ethnicity",),
    "expression": ("expression", "expression_raf_db", "expression_fer2013"),
}
LABEL_WORDS: Final[Mapping[str, str]] = {
    "age": "Age, in steps of five years",
    **{k: v for o in OUTPUTS.values() for k, v in o.items()},
}


def labels_of(trait: TraitName, summary: DataSummary) -> list[str]:
    """The distributions of a data set that tell of a trait."""
    return [label for label in _LABELS_OF_TRAIT[trait] if label in summary.distributions]


def stacked(distribution: Distribution) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Bars of what is used, split by split, and how much the download held."""
    used, raw = [], []
    for index, name in enumerate(distribution.classes):
        start = 0
        for split, counts in distribution.splits.items():
            n = counts[index]
            said = f"{name}: {n:,} pictures for {SPLIT_WORDS.get(split, split)}"
            used.append({"name": name, "split": split, "start": start, "end": start + n, "said": said})
            start += n
        raw.append(
            {"name": name, "n": distribution.raw[index], "said": f"{name}: {distribution.raw[index]:,} in the download"}
        )
    return used, raw


def distribution_table(distribution: Distribution, label: str) -> Table:
    """Pictures of each class before and after cleaning."""
    splits = tuple(distribution.splits)
    columns = (
        Column(LABEL_WORDS.get(label, label)),
        Column("In the download", thousands),
        *(Column(SPLIT_WORDS.get(split, split).capitalize(), thousands) for split in splits),
        Column("Share of what is used", "{:.1%}".format),
    )
    used = [sum(counts) for counts in zip(*distribution.splits.values(), strict=True)]
    rows = tuple(
        (name, distribution.raw[i], *(distribution.splits[split][i] for split in splits), share(used[i], sum(used)))
        for i, name in enumerate(distribution.classes)
    )
    return Table("Pictures by class", columns, rows)


def distribution_sentence(distribution: Distribution) -> str:
    """How uneven the classes are."""
    used = [sum(counts) for counts in zip(*distribution.splits.values(), strict=True)]
    pairs = list(zip(used, distribution.classes, strict=True))
    most, least = max(pairs), min(pairs)
    text = (
        f"{sum(used):,} of {sum(distribution.raw):,} labelled pictures are used. Most often: {most[1]} "
        f"({share(most[0], sum(used)):.0%}); least often: {least[1]} ({least[0]:,} pictures)."
    )
    return f"{text} Rare classes are learned less well."


def removed_table(summary: DataSummary) -> Table:
    """What cleaning took out."""
    columns = (Column("Why"), Column("Pictures", thousands), Column("Taken out of"))
    return Table(
        "What cleaning took out", columns, tuple((entry.reason, entry.n, entry.where) for entry in summary.removed)
    )
