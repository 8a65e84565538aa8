"""Distillation: served networks answer the training pictures before another network learns from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from facetraits.ensemble import Member
from facetraits.registry import MemberEntry, sha256_of
from facetraits.training.errors import TrainingError
from facetraits.training.recipes import RECIPES
from facetraits.training.samples import Samples
from facetraits.training.served_weights import served_file

_SHARE: Final = np.float32(0.5)  # of the teachers' answers in a target
_BATCH: Final = 64


def taught(
    samples: Samples, teachers: Sequence[str], crops: Mapping[str, NDArray[np.uint8]], models_dir: Path
) -> Samples:
    """Samples whose targets are half label, half the mean of the teachers' answers to the face and its mirror image.

    Args:
        samples: as labelled.
        teachers: recipes that are served from ``models_dir``, each with all heads of the samples.
        crops: crop name to (N, S, S, 3) of the same faces, for every geometry that a teacher needs.

    Raises:
        TrainingError: a teacher is not there.
    """
    sums = {head: np.zeros_like(targets) for head, targets in samples.targets.items()}
    for name in teachers:
        file = served_file(name, models_dir)
        if not file.exists():
            raise TrainingError(f"the teacher {name} is not in {models_dir}: train and release it first")
        recipe = RECIPES[name]
        member = Member(MemberEntry(name, file, sha256_of(file), recipe.crop, recipe.heads, "", ()), threads=1)
        faces = crops[recipe.crop]
        for start in tqdm(range(0, len(faces), _BATCH), desc=f"answers of {name}", unit=" batches", mininterval=10):
            batch = faces[start : start + _BATCH]
            both = member.predict(np.concatenate([batch, batch[:, :, ::-1]]))
            for head, total in sums.items():
                total[start : start + _BATCH] += both[head][: len(batch)] + both[head][len(batch) :]
    views = np.float32(2 * len(teachers))
    targets = {head: (1 - _SHARE) * values + _SHARE * sums[head] / views for head, values in samples.targets.items()}
    return replace(samples, targets=targets)
