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

    Args:
        samples: as labelled.
        teachers: name of a recipe to what its network answers, with all heads of the samples.
        crops: crop name to (N, S, S, 3) of the same faces, for every geometry that a teacher needs.
    """
    sums = {head: np.zeros_like(targets) for head, targets in samples.targets.items()}
    for name, answers in teachers.items():
        faces = crops[RECIPES[name].crop]
        for start in tqdm(range(0, len(faces), _BATCH), desc=f"answers of {name}", unit=" batches", mininterval=10):
            batch = faces[start : start + _BATCH]
            both = answers(np.concatenate([batch, batch[:, :, ::-1]]))
            for head, total in sums.items():
                total[start : start + _BATCH] += both[head][: len(batch)] + both[head][len(batch) :]
    views = np.float32(2 * len(teachers))
    targets = {head: (1 - _SHARE) * values + _SHARE * sums[head] / views for head, values in samples.targets.items()}
    return replace(samples, targets=targets)
