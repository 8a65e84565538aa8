"""Figures of merit, and the report that carries them.

A report stores what was counted (confusion matrices, error sums, bin counts); rates are derived when they are
shown.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

RELIABILITY_BINS: Final = 15


@dataclass(frozen=True, slots=True)
class ClassCounts:
    """What is needed to judge a classifier on one test set.

    Attributes:
        classes: names.
        confusion: confusion[i][j] = pictures of true class i answered with j.
        bin_counts, bin_correct, bin_confidence: for each of ``RELIABILITY_BINS`` equal bins of confidence the number of
            answers, of right answers, and the sum of confidences.
        log_loss_sum: sum of -log(probability of the true class), natural logarithm.
        undetected: pictures in which no face was found; they are in no other count.
    """

    classes: tuple[str, ...]
    confusion: tuple[tuple[int, ...], ...]
    bin_counts: tuple[int, ...]
    bin_correct: tuple[int, ...]
    bin_confidence: tuple[float, ...]
    log_loss_sum: float
    undetected: int = 0

    @property
    def n(self) -> int:
        """Pictures that were answered."""
        return int(np.sum(self.confusion))

    @property
    def accuracy(self) -> float:
        """Top-1 accuracy over all pictures; one without a found face counts as wrong."""
        return float(np.trace(np.array(self.confusion))) / max(1, self.n + self.undetected)

    @property
    def f1_by_class(self) -> tuple[float, ...]:
        """F1 of each class, 0 where a class neither occurs nor is answered."""
        matrix = np.array(self.confusion, dtype=float)
        sums = matrix.sum(axis=0) + matrix.sum(axis=1)
        return tuple(float(v) for v in 2 * np.diag(matrix) / np.maximum(sums, 1))

    @property
    def recall_by_class(self) -> tuple[float, ...]:
        """Share of each true class that was answered rightly."""
        matrix = np.array(self.confusion, dtype=float)
        return tuple(float(v) for v in np.diag(matrix) / np.maximum(matrix.sum(axis=1), 1))

    @property
    def macro_f1(self) -> float:
        """Unweighted mean of ``f1_by_class``."""
        return float(np.mean(self.f1_by_class))

    @property
    def log_loss(self) -> float:
        """Mean negative log-likelihood of the true class, in nats."""
        return self.log_loss_sum / max(1, self.n)

    @property
    def ece(self) -> float:
        """Expected calibration error of the top-1 confidence, in [0, 1] (Naeini et al. 2015)."""
        gaps = np.abs(np.array(self.bin_correct) - np.array(self.bin_confidence))
        return float(gaps.sum() / max(1, self.n))


def class_counts(
    y_true: NDArray[np.integer], probabilities: NDArray[np.floating], classes: Sequence[str], undetected: int = 0
) -> ClassCounts:
    """Count one trait on one test set.

    Args:
        y_true: (N,) true class indices.
        probabilities: (N, C); rows sum to 1.
        classes: C names.
        undetected: pictures without a found face, besides these N.
    """
    c = len(classes)
    y_pred = probabilities.argmax(axis=1)
    confusion = np.zeros((c, c), dtype=int)
    np.add.at(confusion, (y_true, y_pred), 1)
    confidence = probabilities.max(axis=1).astype(np.float64)
    bins = np.minimum((confidence * RELIABILITY_BINS).astype(int), RELIABILITY_BINS - 1)

    def by_bin(values: NDArray[Any] | None = None) -> NDArray[np.float64]:
        return np.bincount(bins, weights=values, minlength=RELIABILITY_BINS).astype(np.float64)

    of_truth = np.maximum(probabilities[np.arange(len(y_true)), y_true].astype(np.float64), 1e-12)
    return ClassCounts(
        classes=tuple(classes),
        confusion=tuple(tuple(int(v) for v in row) for row in confusion),
        bin_counts=tuple(int(v) for v in by_bin()),
        bin_correct=tuple(int(v) for v in by_bin((y_pred == y_true).astype(float))),
        bin_confidence=tuple(round(float(v), 4) for v in by_bin(confidence)),
        log_loss_sum=round(float(-np.log(of_truth).sum()), 4),
        undetected=undetected,
    )


@dataclass(frozen=True, slots=True)
class AgeErrors:
    """Sums over the faces of one range of true ages.

    Attributes:
        n: faces; absolute, signed: sums of errors in years (signed: estimate - label).
        within: faces whose interval holds the label.
    """

    n: int
    absolute: float
    signed: float
    within: int

    @property
    def mae(self) -> float:
        """Mean absolute error in years."""
        return self.absolute / max(1, self.n)

    @property
    def bias(self) -> float:
        """Mean signed error in years; positive: estimated too old."""
        return self.signed / max(1, self.n)

    @property
    def coverage(self) -> float:
        """Share of labels inside their interval."""
        return self.within / max(1, self.n)


AGE_RANGES: Final[Mapping[str, tuple[int, int]]] = {
    "all": (0, 200),
    "21-60": (21, 60),
    "0-3": (0, 3),
    "0-20": (0, 20),
    "21-40": (21, 40),
    "41-60": (41, 60),
    "61-80": (61, 80),
    "81+": (81, 200),
}


def age_errors(
    ages: NDArray[np.integer], years: NDArray[np.floating], intervals: NDArray[np.floating]
) -> dict[str, AgeErrors]:
    """Sums for each of ``AGE_RANGES``.

    Args:
        ages: (N,) true ages; years: (N,) estimates; intervals: (N, 2) low and high; all in years.
    """
    errors = years - ages
    inside = (intervals[:, 0] <= ages) & (ages <= intervals[:, 1])
    out = {}
    for name, (low, high) in AGE_RANGES.items():
        of = (ages >= low) & (ages <= high)
        out[name] = AgeErrors(
            n=int(of.sum()),
            absolute=round(float(np.abs(errors[of]).sum()), 3),
            signed=round(float(errors[of].sum()), 3),
            within=int(inside[of].sum()),
        )
    return out


@dataclass(frozen=True, slots=True)
class EvaluationReport:
    """One model on one split: counts, and where they come from.

    Attributes:
        model: a member's name, or "accurate" / "fast" for a profile.
        dataset, split: what was read; protocol: "crops" (networks alone; where no face was found the crop lies where
            faces of the set usually do) or "photos" (whole pipeline; an undetected face counts as wrong).
        weights_sha256: checksum by file, detector included.
        classes: trait (with a suffix for a variant) to counts.
        ages: range of true ages to error sums; empty for sets without ages.
        commit: of the code; date: ISO.
    """

    model: str
    dataset: str
    split: str
    protocol: str
    weights_sha256: Mapping[str, str]
    classes: Mapping[str, ClassCounts]
    ages: Mapping[str, AgeErrors] = field(default_factory=dict)
    commit: str = ""
    date: str = ""

    def to_json(self) -> str:
        """The report as text, the same for the same report."""
        return json.dumps(asdict(self), indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str) -> EvaluationReport:
        """Read what ``to_json`` wrote.

        Raises:
            ValueError: the text is no report.
        """
        try:
            raw = json.loads(text)
            raw["classes"] = {name: _class_counts(counts) for name, counts in raw["classes"].items()}
            raw["ages"] = {name: AgeErrors(**sums) for name, sums in raw["ages"].items()}
            return cls(**raw)
        except (KeyError, TypeError) as error:
            raise ValueError(f"not an evaluation report: {error!r}") from error


def _class_counts(raw: dict[str, Any]) -> ClassCounts:
    raw["confusion"] = tuple(tuple(row) for row in raw["confusion"])
    for name in ("classes", "bin_counts", "bin_correct", "bin_confidence"):
        raw[name] = tuple(raw[name])
    return ClassCounts(**raw)


def load_reports(models_dir: Path) -> tuple[EvaluationReport, ...]:
    """All reports in ``models_dir/reports``, in the order of their file names."""
    files = sorted((models_dir / "reports").glob("*.json"))
    return tuple(EvaluationReport.from_json(file.read_text(encoding="utf-8")) for file in files)
