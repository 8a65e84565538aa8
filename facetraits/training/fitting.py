"""Fits weights, temperature and age interval of an ensemble on its members' answers for validation faces."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from facetraits.age import central_interval, median_years
from facetraits.ensemble import apply_temperature
from facetraits.registry import TraitEntry
from facetraits.training.data.datasets import RAF_DB_CLASSES
from facetraits.training.data.faces import Faces
from facetraits.training.networks.architectures import AGE_BINS
from facetraits.training.recipe import CLASS_NAMES

INTERVAL_COVERAGE: Final = 0.8
# Confidence is calibrated, so below these values an answer is more likely wrong than right. With two classes one always
# has at least 0.5, so the threshold is 0.75.
_UNSURE_BELOW: Final = {"gender": 0.75}
_UNSURE_BELOW_DEFAULT: Final = 0.5
_UNSURE_ERROR_YEARS: Final = 10.0
_MOST_UNSURE: Final = 0.1  # of the faces
_FITS: Final = 6  # of weights and temperature in turn, at the most


def uniform_trait(trait: str, members: Sequence[str]) -> TraitEntry:
    """The entry of a trait before fitting, with equal weights."""
    mass = INTERVAL_COVERAGE if trait == "age" else None
    return TraitEntry(
        CLASS_NAMES[trait],
        dict.fromkeys(members, 1 / len(members)),
        temperature=1.0,
        unsure_below=_UNSURE_BELOW.get(trait, _UNSURE_BELOW_DEFAULT),
        interval_mass=mass,
        interval_coverage=mass,
    )


@dataclass(frozen=True, slots=True, eq=False)
class LabelledAnswers:
    """Answers of the members for the labelled validation faces of one data set.

    Attributes:
        by_member: member to (N, C) probabilities.
        truth: (N,) class indices, or years.
        asked: (C,) False for classes that the data set does not label.
    """

    by_member: Mapping[str, NDArray[np.float32]]
    truth: NDArray[np.int64]
    asked: NDArray[np.bool_]

    def mixed(self, weights: Mapping[str, float], temperature: float) -> NDArray[np.floating]:
        """(N, C) the ensemble's probabilities, over the classes that were asked for."""
        mean = np.sum([share * self.by_member[name] for name, share in weights.items()], axis=0)
        calibrated = apply_temperature(mean, temperature) * self.asked
        probabilities: NDArray[np.floating] = calibrated / np.maximum(calibrated.sum(axis=1, keepdims=True), 1e-9)
        return probabilities


def labelled_answers(
    trait: str,
    members: Sequence[str],
    answers: Mapping[str, Mapping[str, Mapping[str, NDArray[np.float32]]]],
    faces: Mapping[str, Faces],
) -> list[LabelledAnswers]:
    """The data sets that label a trait, with the members' answers for it.

    Args:
        answers: data set to member to output to (N, C).
    """
    parts = []
    classes = len(CLASS_NAMES[trait])
    for dataset, of in faces.items():
        label = trait if trait in of.labels else "expression_raf_db" if trait == "expression" else ""
        if label not in of.labels:
            continue
        truth, known = of.labels[label]
        asked = np.ones(classes, dtype=bool)
        if label == "expression_raf_db":
            order = np.array([CLASS_NAMES[trait].index(name) for name in RAF_DB_CLASSES])
            truth, asked = order[truth], np.isin(np.arange(classes), order)
        by_member = {member: answers[dataset][member][trait][known] for member in members}
        parts.append(LabelledAnswers(by_member, truth[known], asked))
    return parts


def fit_trait(trait: str, parts: Sequence[LabelledAnswers], varied: Sequence[LabelledAnswers] = ()) -> TraitEntry:
    """Weights, temperature and (age) interval of one trait, from its members' answers on validation.

    Args:
        trait: name of the output.
        parts: the data sets that label it; all have equal weight, whatever their size.
        varied: the same faces in other qualities, light and surroundings. They are used for the weights, so that less
            robust members get less weight. Temperature and interval are fitted on unchanged pictures.

    Returns:
        The manifest's entry.
    """
    weights: dict[str, float] = {}
    temperature = 1.0
    for _ in range(_FITS):  # the optimum of one depends on the other
        before, weights = weights, _best_weights([*parts, *varied], temperature)
        if weights == before:
            break
        temperature = _best_temperature(parts, weights)
    fitted = replace(uniform_trait(trait, list(weights)), weights=weights, temperature=temperature)
    if trait != "age":
        return fitted
    mass = _interval_mass(parts, weights, temperature)
    return replace(fitted, interval_mass=mass, unsure_wider_than=_unsure_width(parts, weights, temperature, mass))


def mean_loss(parts: Sequence[LabelledAnswers], weights: Mapping[str, float], temperature: float) -> float:
    """Mean over data sets of the mean absolute error for years, or of the log-loss for classes."""

    def loss(part: LabelledAnswers) -> float:
        probabilities = part.mixed(weights, temperature)
        if probabilities.shape[1] == AGE_BINS:
            return float(np.abs(median_years(probabilities) - part.truth).mean())
        return _log_loss(probabilities, part.truth)

    return float(np.mean([loss(part) for part in parts]))


def _log_loss(probabilities: NDArray[np.floating], truth: NDArray[np.integer]) -> float:
    of_truth = probabilities[np.arange(len(truth)), np.minimum(truth, probabilities.shape[1] - 1)]
    return float(-np.log(np.maximum(of_truth, 1e-12)).mean())


def _best_weights(parts: Sequence[LabelledAnswers], temperature: float) -> dict[str, float]:
    """Shares in steps of 0.05 with the lowest loss, found by moving one step at a time between two members."""
    names = list(parts[0].by_member)
    steps = dict.fromkeys(names, 20 // len(names))
    steps[names[0]] += 20 - sum(steps.values())

    def loss(trial: Mapping[str, int]) -> float:
        return mean_loss(parts, {name: n / 20 for name, n in trial.items() if n}, temperature)

    best = loss(steps)
    improved = True
    while improved:
        improved = False
        for giver in names:
            for taker in names:
                trial = {**steps, giver: steps[giver] - 1, taker: steps[taker] + 1}
                if giver != taker and trial[giver] >= 0 and (value := loss(trial)) < best - 1e-9:
                    steps, best, improved = trial, value, True
    return {name: n / 20 for name, n in steps.items() if n}


def _best_temperature(parts: Sequence[LabelledAnswers], weights: Mapping[str, float]) -> float:
    """The temperature with the lowest log-loss, in steps of 1%."""
    grid = np.exp(np.arange(-110, 110) / 100)
    losses = [np.mean([_log_loss(part.mixed(weights, t), part.truth) for part in parts]) for t in grid]
    return round(float(grid[int(np.argmin(losses))]), 4)


def _interval_mass(parts: Sequence[LabelledAnswers], weights: Mapping[str, float], temperature: float) -> float:
    """Smallest central mass, in steps of 0.005, whose interval covers ``INTERVAL_COVERAGE`` of the labels."""
    answers = [(part.mixed(weights, temperature), part.truth) for part in parts]
    for mass in np.arange(0.4, 0.996, 0.005):
        shares = []
        for probabilities, truth in answers:
            low, high = central_interval(probabilities, float(mass)).T
            shares.append(((low <= truth) & (truth <= high)).mean())
        if np.mean(shares) >= INTERVAL_COVERAGE:
            return round(float(mass), 3)
    return 0.995


def _unsure_width(
    parts: Sequence[LabelledAnswers], weights: Mapping[str, float], temperature: float, mass: float
) -> float | None:
    """Width of the interval from which the mean error is at least ``_UNSURE_ERROR_YEARS``; None if there is none.

    In whole years; never more than ``_MOST_UNSURE`` of the faces have wider ones.
    """
    widths, errors = [], []
    for part in parts:
        probabilities = part.mixed(weights, temperature)
        low, high = central_interval(probabilities, mass).T
        widths.append(high - low)
        errors.append(np.abs(median_years(probabilities) - part.truth))
    width, error = np.concatenate(widths), np.concatenate(errors)
    for limit in range(1, 101):
        wider = width > limit
        if not wider.any():
            return None
        if wider.mean() <= _MOST_UNSURE and error[wider].mean() >= _UNSURE_ERROR_YEARS:
            return float(limit)
    return None
