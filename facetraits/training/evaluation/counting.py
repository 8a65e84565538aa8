"""Counts of a report from a model's answers on labelled faces; the same for our networks, references and peers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations, product

import numpy as np
from numpy.typing import NDArray

from facetraits.age import AGE_GROUPS_7, group_probabilities
from facetraits.reports.metrics import AgeErrors, ClassCounts, Subgroup, age_errors, class_counts, sum_of_errors
from facetraits.training.data.datasets import FERPLUS_CLASSES, RAF_DB_CLASSES
from facetraits.training.data.faces import Faces
from facetraits.training.data.samples import MOOD_MATRIX, SMILE_MATRIX
from facetraits.training.recipe import COUNTED_CLASSES


@dataclass(frozen=True, slots=True, eq=False)
class Answers:
    """A model's answers for the M faces of a ``Faces`` that were given to it or that it found.

    Attributes:
        seen: (N,) True for those M.
        probabilities: output name to (M, C).
        years: (M,) estimated age, or None; intervals: (M, 2), or None.
        confident: False where the probabilities are ones and zeros, made from bare answers.
    """

    seen: NDArray[np.bool_]
    probabilities: Mapping[str, NDArray[np.floating]]
    years: NDArray[np.floating] | None = None
    intervals: NDArray[np.floating] | None = None
    confident: bool = True


@dataclass(frozen=True, slots=True)
class Counted:
    """The counts of a report; see ``EvaluationReport``."""

    classes: dict[str, ClassCounts]
    ages: dict[str, AgeErrors]
    age_pairs: tuple[tuple[int, int, int], ...]
    subgroups: tuple[Subgroup, ...]


def with_derived(probabilities: Mapping[str, NDArray[np.floating]]) -> dict[str, NDArray[np.floating]]:
    """Adds derived outputs: age groups from years; mood, smile and RAF-DB's classes from expressions."""
    out = dict(probabilities)
    if (years := out.pop("age", None)) is not None:
        out["age_group"] = group_probabilities(years)
        out["age_group_7"] = group_probabilities(years, AGE_GROUPS_7)
    if (expressions := out.get("expression")) is not None:
        out["mood"] = expressions @ MOOD_MATRIX
        out["smile"] = expressions @ SMILE_MATRIX
        out["expression_raf_db"] = of_raf_db(expressions)
    return out


def of_raf_db(expressions: NDArray[np.floating]) -> NDArray[np.floating]:
    """(N, 7) probabilities of ``RAF_DB_CLASSES``, from (N, 8) of ``FERPLUS_CLASSES``: given that it is not contempt."""
    chosen = expressions[:, [FERPLUS_CLASSES.index(name) for name in RAF_DB_CLASSES]]
    probabilities: NDArray[np.floating] = chosen / np.maximum(chosen.sum(axis=1, keepdims=True), 1e-9)
    return probabilities


def count(answers: Answers, faces: Faces, axes_at_once: int = 0) -> Counted:
    """Compare answers with labels.

    Args:
        answers: of one model.
        faces: the same faces with their labels.
        axes_at_once: 1 to count the classes of each axis of fairness too, 2 for pairs of axes also; with either, pairs
            of ages.
    """
    probabilities = with_derived(answers.probabilities)
    everybody = np.ones(len(faces.duplicated), dtype=bool)
    classes = _classes(answers, probabilities, faces, everybody)
    if faces.duplicated.any():
        alone = _classes(answers, probabilities, faces, ~faces.duplicated)
        classes |= {f"{name}_without_duplicates": counts for name, counts in alone.items()}
    ages: dict[str, AgeErrors] = {}
    pairs: tuple[tuple[int, int, int], ...] = ()
    if answers.years is not None:
        labels = faces.labels["age"][0][answers.seen]
        ages = age_errors(labels, answers.years, answers.intervals)
        if axes_at_once:
            both = np.stack([labels, np.round(answers.years).astype(int)], axis=1)
            found, counts = np.unique(both, axis=0, return_counts=True)
            pairs = tuple((int(a), int(b), int(n)) for (a, b), n in zip(found, counts, strict=True))
    groups = tuple(_subgroup(answers, probabilities, faces, *part) for part in _parts(faces, axes_at_once))
    return Counted(classes, ages, pairs, groups)


def _classes(
    answers: Answers, probabilities: Mapping[str, NDArray[np.floating]], faces: Faces, of: NDArray[np.bool_]
) -> dict[str, ClassCounts]:
    """Counts over the faces of the mask ``of``."""
    out = {}
    for name, values in probabilities.items():
        if name not in faces.labels:
            continue
        labels, known = faces.labels[name]
        chosen = known & of
        answered = chosen & answers.seen
        out[name] = class_counts(
            labels[answered],
            values[answered[answers.seen]],
            COUNTED_CLASSES[name],
            undetected=int((chosen & ~answers.seen).sum()),
            confident=answers.confident,
        )
    return out


def _parts(faces: Faces, axes_at_once: int) -> Iterator[tuple[dict[str, str], NDArray[np.bool_]]]:
    """Each class of each axis, each pair of classes of two axes and so on, that anybody belongs to."""
    axes = [
        [({axis: name}, indices == i) for i, name in enumerate(names)]
        for axis, (indices, names) in faces.people.items()
    ]
    for size in range(1, axes_at_once + 1):
        for chosen in combinations(axes, size):
            for classes in product(*chosen):
                mask = np.logical_and.reduce([of_class for _, of_class in classes])
                if mask.any():
                    yield {axis: name for of, _ in classes for axis, name in of.items()}, mask


def _subgroup(
    answers: Answers,
    probabilities: Mapping[str, NDArray[np.floating]],
    faces: Faces,
    of: dict[str, str],
    mask: NDArray[np.bool_],
) -> Subgroup:
    ages = None
    if answers.years is not None:
        seen = mask[answers.seen]
        ages = sum_of_errors(
            faces.labels["age"][0][answers.seen][seen],
            answers.years[seen],
            None if answers.intervals is None else answers.intervals[seen],
        )
    return Subgroup(of, _classes(answers, probabilities, faces, mask), ages)
