"""Distillation: finished networks answer the training pictures before another network learns from them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from facetraits.training.recipes import RECIPES
from facetraits.training.samples import Samples

Answers = Callable[[NDArray[np.uint8]], Mapping[str, NDArray[np.float32]]]  # (N, S, S, 3) to (N, C) of each head

_SHARE: Final = np.float32(0.5)  # of the teachers' answers in a target
_BATCH: Final = 64


def taught(samples: Samples, teachers: Mapping[str, Answers], crops: Mapping[str, NDArray[np.uint8]]) -> Samples:
    """Samples whose targets are half label, half the mean of the teachers' answers to the face and its mirror image.

    A teacher answers for the pictures of the data sets that it was trained on, and for the heads that it has.

    Args:
        samples: as labelled.
        teachers: name of a recipe to what its network answers.
        crops: crop name to (N, S, S, 3) of the same faces, for every geometry that a teacher needs.
    """
    sums = {head: np.zeros_like(targets) for head, targets in samples.targets.items()}
    views = {head: np.zeros((len(samples), 1), dtype=np.float32) for head in samples.targets}
    for name, answers in teachers.items():
        recipe = RECIPES[name]
        heads = [head for head in recipe.heads if head in samples.targets]
        known = np.isin(samples.datasets, recipe.datasets) & np.any([samples.weights[h] > 0 for h in heads], axis=0)
        rows = np.nonzero(known)[0]
        faces = crops[recipe.crop]
        for start in tqdm(range(0, len(rows), _BATCH), desc=f"answers of {name}", unit=" batches", mininterval=10):
            chosen = rows[start : start + _BATCH]
            batch = faces[chosen]
            both = answers(np.concatenate([batch, batch[:, :, ::-1]]))
            for head in heads:
                sums[head][chosen] += both[head][: len(batch)] + both[head][len(batch) :]
                views[head][chosen] += 2
    targets = {}
    for head, labelled in samples.targets.items():
        means = sums[head] / np.maximum(views[head], 1)
        targets[head] = np.where(views[head] > 0, (1 - _SHARE) * labelled + _SHARE * means, labelled)
    return replace(samples, targets=targets)
