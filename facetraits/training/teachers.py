"""Distillation: finished networks answer the training pictures before another network learns from them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from facetraits.training.data.samples import Samples
from facetraits.training.recipes import RECIPES

Answers = Callable[[NDArray[np.uint8]], Mapping[str, NDArray[np.float32]]]  # (N, S, S, 3) to (N, C) of each head
# Name of a crop and data sets to the (M, S, S, 3) crops of their samples, in the samples' order.
FacesOf = Callable[[str, Collection[str]], NDArray[np.uint8]]

_SHARE: Final = np.float32(0.5)  # of the teachers' answers in a target
_PSEUDO_WEIGHT: Final = np.float32(0.5)  # in the loss, of a target that is nobody's label
_BATCH: Final = 64


class _Means:
    """Sums of networks' answers, by head."""

    def __init__(self, samples: Samples) -> None:
        self._sums = {head: np.zeros_like(targets) for head, targets in samples.targets.items()}
        self._count = {head: np.zeros(len(samples), dtype=np.int64) for head in samples.targets}

    def add(
        self,
        name: str,
        answers: Answers,
        faces: NDArray[np.uint8],
        rows: NDArray[np.int64],
        heads: Mapping[str, NDArray[np.bool_]],
    ) -> None:
        """Answers to (M, S, S, 3) faces and their mirror images, which are the samples of the (M,) rows.

        ``heads`` says by head, (N,), for which samples its answer counts.
        """
        asked = np.any([wanted[rows] for wanted in heads.values()], axis=0) if heads else np.zeros(len(rows), bool)
        faces, rows = faces[asked], rows[asked]
        for start in tqdm(range(0, len(rows), _BATCH), desc=f"answers of {name}", unit=" batches", mininterval=10):
            chosen, batch = rows[start : start + _BATCH], faces[start : start + _BATCH]
            both = answers(np.concatenate([batch, batch[:, :, ::-1]]))
            for head, wanted in heads.items():
                counted = wanted[chosen]
                self._sums[head][chosen[counted]] += (both[head][: len(batch)] + both[head][len(batch) :])[counted]
                self._count[head][chosen[counted]] += 2

    def of(self, head: str) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """(N, C) means, and (N,) True where somebody answered."""
        count = self._count[head]
        means = np.divide(self._sums[head], np.maximum(count, 1)[:, None], dtype=np.float32)
        return means, count > 0


def distilled(samples: Samples, teachers: Mapping[str, Answers], faces_of: FacesOf) -> Samples:
    """Distillation: targets become half label, half the teachers' mean answer to the face and its mirror image.

    A teacher answers for the pictures of the data sets that it was trained on, and for the heads that it has and they
    are labelled for.

    Args:
        samples: as labelled.
        teachers: name of a recipe to what its network answers.
        faces_of: gives the crops of the same faces in the geometry that a teacher needs.
    """
    means = _Means(samples)
    for name, answers in teachers.items():
        recipe = RECIPES[name]
        theirs = np.isin(samples.datasets, recipe.datasets)
        heads = {h: (samples.weights[h] > 0) & theirs for h in recipe.heads if h in samples.targets}
        means.add(name, answers, faces_of(recipe.crop, recipe.datasets), np.nonzero(theirs)[0], heads)
    targets = {}
    for head, labelled in samples.targets.items():
        mean, answered = means.of(head)
        targets[head] = np.where(answered[:, None], (1 - _SHARE) * labelled + _SHARE * mean, labelled)
    return replace(samples, targets=targets)


def pseudo_labelled(
    samples: Samples, pairs: Iterable[tuple[str, str]], networks: Mapping[str, Answers], faces_of: FacesOf
) -> Samples:
    """Samples of which some have targets for heads that their data set does not label.

    Args:
        samples: as labelled.
        pairs: a data set, and the name of a recipe whose network answers there.
        networks: those names, and what they answer.
        faces_of: as of ``distilled``.

    Returns:
        The same samples; what had weight 0 in the loss and was answered has the mean of the answers as its target,
        with less weight than a label.
    """
    means = _Means(samples)
    for dataset, name in pairs:
        recipe = RECIPES[name]
        theirs = samples.datasets == dataset
        heads = {h: (samples.weights[h] == 0) & theirs for h in recipe.heads if h in samples.targets}
        means.add(
            f"{name} on {dataset}", networks[name], faces_of(recipe.crop, [dataset]), np.nonzero(theirs)[0], heads
        )
    targets, weights = {}, {}
    for head in samples.targets:
        mean, answered = means.of(head)
        targets[head] = np.where(answered[:, None], mean, samples.targets[head])
        weights[head] = np.where(answered, _PSEUDO_WEIGHT, samples.weights[head])
    return replace(samples, targets=targets, weights=weights)
