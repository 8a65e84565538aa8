"""Metrics, and the counts that they are computed from.

A report stores what was counted (confusion matrices, error sums, bin counts); rates are derived when they are
shown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

RELIABILITY_BINS: Final = 15
BOOTSTRAP_REPLICATES: Final = 1000
BOOTSTRAP_SEED: Final = 0
_ERROR_BIN_YEARS: Final = 0.5


@dataclass(frozen=True, slots=True)
class ClassCounts:
    """What is needed to judge a classifier on one test set.

    Attributes:
        classes: names.
        confusion: confusion[i][j] = pictures of true class i answered with j.
        bin_counts, bin_correct, bin_confidence: for each of ``RELIABILITY_BINS`` equal bins of confidence the number of
            answers, of right answers, and the sum of confidences.
        log_loss_sum: sum of -log(probability of the true class), natural logarithm.
        brier_sum: sum of squared distances between the probabilities and the true class's unit vector.
        undetected: pictures in which no face was found; they are in no other count.
    """

    classes: tuple[str, ...]
    confusion: tuple[tuple[int, ...], ...]
    bin_counts: tuple[int, ...]
    bin_correct: tuple[int, ...]
    bin_confidence: tuple[float, ...]
    log_loss_sum: float
    brier_sum: float
    undetected: int = 0

    @property
    def n(self) -> int:
        """Pictures that were answered."""
        return int(np.sum(self.confusion))

    @property
    def total(self) -> int:
        """All pictures, those without a found face too."""
        return self.n + self.undetected

    @property
    def support_by_class(self) -> tuple[int, ...]:
        """Answered pictures of each true class."""
        return tuple(sum(row) for row in self.confusion)

    @property
    def confident(self) -> bool:
        """Whether the model gave probabilities; without them log-loss, Brier score and calibration mean nothing."""
        return sum(self.bin_counts) > 0

    @property
    def accuracy(self) -> float:
        """Top-1 accuracy over all pictures; one without a found face counts as wrong."""
        return float(np.trace(self._matrix())) / max(1, self.total)

    @property
    def precision_by_class(self) -> tuple[float, ...]:
        """Share of each answer that was right; 0 for a class that is never answered."""
        matrix = self._matrix()
        return tuple(float(v) for v in np.diag(matrix) / np.maximum(matrix.sum(axis=0), 1))

    @property
    def recall_by_class(self) -> tuple[float, ...]:
        """Share of each true class that was answered rightly."""
        matrix = self._matrix()
        return tuple(float(v) for v in np.diag(matrix) / np.maximum(matrix.sum(axis=1), 1))

    @property
    def f1_by_class(self) -> tuple[float, ...]:
        """F1 of each class, 0 where a class neither occurs nor is answered."""
        return tuple(float(v) for v in _f1(self._matrix()[None])[0])

    @property
    def macro_f1(self) -> float:
        """Unweighted mean of ``f1_by_class``."""
        return float(np.mean(self.f1_by_class))

    @property
    def mean_recall(self) -> float:
        """Share of right answers, averaged over the classes that occur; faces that were not found are left out."""
        return float(_mean_recall(self._matrix()[None])[0])

    @property
    def mean_recall_interval(self) -> tuple[float, float]:
        """Bootstrap 95% interval of ``mean_recall``."""
        matrix = self._matrix()
        return _middle(_mean_recall(_redrawn(matrix.ravel()).reshape(-1, *matrix.shape)))

    @property
    def log_loss(self) -> float:
        """Mean negative log-likelihood of the true class, in nats."""
        return self.log_loss_sum / max(1, self.n)

    @property
    def brier(self) -> float:
        """Mean squared distance between probabilities and the truth, in [0, 2] (Brier 1950)."""
        return self.brier_sum / max(1, self.n)

    @property
    def ece(self) -> float:
        """Expected calibration error of the top-1 confidence, in [0, 1] (Naeini et al. 2015)."""
        gaps = np.abs(np.array(self.bin_correct) - np.array(self.bin_confidence))
        return float(gaps.sum() / max(1, self.n))

    @property
    def accuracy_interval(self) -> tuple[float, float]:
        """Bootstrap 95% interval of ``accuracy``."""
        right = np.trace(self._matrix())
        drawn = _redrawn(np.array([right, self.total - right]))
        return _middle(drawn[:, 0] / max(1, self.total))

    @property
    def macro_f1_interval(self) -> tuple[float, float]:
        """Bootstrap 95% interval of ``macro_f1``."""
        matrix = self._matrix()
        return _middle(_f1(_redrawn(matrix.ravel()).reshape(-1, *matrix.shape)).mean(axis=1))

    @property
    def ece_interval(self) -> tuple[float, float]:
        """Bootstrap 95% interval of ``ece``; each bin's mean confidence is held.

        Drawing adds chance to each bin's gap, which can only make the sum larger: that shift is taken out again.
        """
        counts, right = np.array(self.bin_counts), np.array(self.bin_correct)
        drawn = _redrawn(np.concatenate([right, counts - right]))
        confidence = np.array(self.bin_confidence) / np.maximum(counts, 1)
        drawn_right, drawn_counts = drawn[:, : len(counts)], drawn[:, : len(counts)] + drawn[:, len(counts) :]
        values = np.abs(drawn_right - drawn_counts * confidence).sum(axis=1) / max(1, self.n)
        low, high = _middle(values - values.mean() + self.ece)
        return max(0.0, low), high

    def _matrix(self) -> NDArray[np.int64]:
        return np.array(self.confusion, dtype=np.int64)


def _f1(matrices: NDArray[np.integer]) -> NDArray[np.float64]:
    """(K, C) F1 of each class, from (K, C, C) confusion matrices."""
    right = np.diagonal(matrices, axis1=1, axis2=2)
    f1: NDArray[np.float64] = 2 * right / np.maximum(matrices.sum(axis=1) + matrices.sum(axis=2), 1)
    return f1


def _mean_recall(matrices: NDArray[np.integer]) -> NDArray[np.float64]:
    """(K,) mean recall of the classes that occur, from (K, C, C) confusion matrices."""
    support = matrices.sum(axis=2)
    recall = np.diagonal(matrices, axis1=1, axis2=2) / np.maximum(support, 1)
    means: NDArray[np.float64] = recall.sum(axis=1) / np.maximum((support > 0).sum(axis=1), 1)
    return means


def _redrawn(counts: NDArray[np.integer]) -> NDArray[np.int64]:
    """(K, N) counts of ``BOOTSTRAP_REPLICATES`` test sets drawn with replacement from the one counted in (N,) kinds.

    Pictures of a kind are alike to every figure made from counts, so that drawing kinds is drawing pictures.
    """
    total = int(counts.sum())
    rng = np.random.default_rng(BOOTSTRAP_SEED)
    if total == 0:
        return np.zeros((BOOTSTRAP_REPLICATES, len(counts)), dtype=np.int64)
    return rng.multinomial(total, counts / total, size=BOOTSTRAP_REPLICATES)


def _middle(values: NDArray[np.floating]) -> tuple[float, float]:
    """The middle 95% of what was drawn."""
    low, high = np.quantile(values, (0.025, 0.975))
    return float(low), float(high)


def class_counts(
    y_true: NDArray[np.integer],
    probabilities: NDArray[np.floating],
    classes: Sequence[str],
    undetected: int = 0,
    confident: bool = True,
) -> ClassCounts:
    """Count one trait on one test set.

    Args:
        y_true: (N,) true class indices.
        probabilities: (N, C); rows sum to 1.
        classes: C names.
        undetected: pictures without a found face, besides these N.
        confident: False where the probabilities are ones and zeros, made from bare answers: what judges probabilities
            is then not counted.
    """
    c = len(classes)
    y_pred = probabilities.argmax(axis=1)
    confusion = np.zeros((c, c), dtype=int)
    np.add.at(confusion, (y_true, y_pred), 1)
    confidence = probabilities.max(axis=1).astype(np.float64)
    bins = np.minimum((confidence * RELIABILITY_BINS).astype(int), RELIABILITY_BINS - 1)

    def by_bin(values: NDArray[Any] | None = None) -> NDArray[np.float64]:
        return np.bincount(bins, weights=values, minlength=RELIABILITY_BINS).astype(np.float64)

    if not confident:
        bins, confidence = bins[:0], confidence[:0]
    right = (y_pred == y_true).astype(float)[: len(bins)]
    of_truth = np.maximum(probabilities[np.arange(len(y_true)), y_true].astype(np.float64), 1e-12)
    return ClassCounts(
        classes=tuple(classes),
        confusion=tuple(tuple(int(v) for v in row) for row in confusion),
        bin_counts=tuple(int(v) for v in by_bin()),
        bin_correct=tuple(int(v) for v in by_bin(right)),
        bin_confidence=tuple(round(float(v), 4) for v in by_bin(confidence)),
        log_loss_sum=round(float(-np.log(of_truth).sum()), 4) if confident else 0.0,
        brier_sum=round(float(((probabilities - np.eye(c)[y_true]) ** 2).sum()), 4) if confident else 0.0,
        undetected=undetected,
    )


@dataclass(frozen=True, slots=True)
class AgeErrors:
    """Sums over the faces of one range of true ages.

    Attributes:
        n: faces; absolute, signed: sums of errors in years (signed: estimate - label).
        within: faces whose interval holds the label; None where the model gives no interval.
        by_error: faces by absolute error, in bins of half a year from 0.
    """

    n: int
    absolute: float
    signed: float
    within: int | None
    by_error: tuple[int, ...] = ()

    @property
    def mae(self) -> float:
        """Mean absolute error in years."""
        return self.absolute / max(1, self.n)

    @property
    def bias(self) -> float:
        """Mean signed error in years; positive: estimated too old."""
        return self.signed / max(1, self.n)

    @property
    def coverage(self) -> float | None:
        """Share of labels inside their interval; None where the model gives no interval."""
        return None if self.within is None else self.within / max(1, self.n)

    @property
    def mae_interval(self) -> tuple[float, float]:
        """Bootstrap 95% interval of ``mae``, each error taken as the middle of its bin."""
        middles = (np.arange(len(self.by_error)) + 0.5) * _ERROR_BIN_YEARS
        counts = np.array(self.by_error, dtype=np.int64)
        means = _redrawn(counts) @ middles / max(1, self.n)
        low, high = _middle(means + self.mae - float(counts @ middles) / max(1, self.n))
        return low, high

    def cumulative_score(self, years: float) -> float:
        """Share of faces whose error is at most ``years``, a multiple of half a year."""
        return sum(self.by_error[: round(years / _ERROR_BIN_YEARS)]) / max(1, self.n)


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
    ages: NDArray[np.integer], years: NDArray[np.floating], intervals: NDArray[np.floating] | None
) -> dict[str, AgeErrors]:
    """Sums for each of ``AGE_RANGES``.

    Args:
        ages: (N,) true ages; years: (N,) estimates; intervals: (N, 2) low and high, or None; all in years.
    """
    out = {}
    for name, (low, high) in AGE_RANGES.items():
        of = (ages >= low) & (ages <= high)
        out[name] = sum_of_errors(ages[of], years[of], None if intervals is None else intervals[of])
    return out


def sum_of_errors(
    ages: NDArray[np.integer], years: NDArray[np.floating], intervals: NDArray[np.floating] | None
) -> AgeErrors:
    """Sums over all the faces given; arguments as of ``age_errors``."""
    errors = (years - ages).astype(np.float64)
    # An error of exactly k years is at most k years and belongs below that edge.
    bins = np.maximum(np.ceil(np.abs(errors) / _ERROR_BIN_YEARS).astype(int) - 1, 0)
    inside = None if intervals is None else (intervals[:, 0] <= ages) & (ages <= intervals[:, 1])
    return AgeErrors(
        n=len(ages),
        absolute=round(float(np.abs(errors).sum()), 3),
        signed=round(float(errors.sum()), 3),
        within=None if inside is None else int(inside.sum()),
        by_error=tuple(int(v) for v in np.bincount(bins)),
    )


@dataclass(frozen=True, slots=True)
class Subgroup:
    """How well a model does on some of the test set's people.

    Attributes:
        of: what they have in common: one or two of "gender", "ethnicity" and "age_group" (the labels) to the class.
        classes: as of ``EvaluationReport``; ages: sums over all of their ages, None for models without years.
    """

    of: Mapping[str, str]
    classes: Mapping[str, ClassCounts]
    ages: AgeErrors | None = None


def merged(groups: Sequence[Subgroup], of: Mapping[str, str]) -> Subgroup:
    """Several groups without a common member as one, which is described by ``of``."""
    classes = {
        name: _added(counts.classes, [group.classes[name] for group in groups])
        for name, counts in groups[0].classes.items()
    }
    ages = [group.ages for group in groups if group.ages is not None]
    if len(ages) < len(groups):
        return Subgroup(of, classes)
    within = [errors.within for errors in ages]
    return Subgroup(
        of,
        classes,
        AgeErrors(
            n=sum(errors.n for errors in ages),
            absolute=sum(errors.absolute for errors in ages),
            signed=sum(errors.signed for errors in ages),
            within=None if None in within else sum(filter(None, within)),
            by_error=tuple(map(sum, zip_longest(*(errors.by_error for errors in ages), fillvalue=0))),
        ),
    )


def _added(classes: tuple[str, ...], parts: Sequence[ClassCounts]) -> ClassCounts:
    def summed(name: str) -> Any:
        return np.sum([getattr(part, name) for part in parts], axis=0).tolist()

    return ClassCounts(
        classes=classes,
        confusion=tuple(map(tuple, summed("confusion"))),
        bin_counts=tuple(summed("bin_counts")),
        bin_correct=tuple(summed("bin_correct")),
        bin_confidence=tuple(summed("bin_confidence")),
        log_loss_sum=summed("log_loss_sum"),
        brier_sum=summed("brier_sum"),
        undetected=summed("undetected"),
    )


ModelKind = Literal["profile", "member", "reference", "peer"]
