"""Batches of training pictures: sampling, augmentation and targets."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import reduce
from pathlib import Path
from typing import Any, Final

import keras
import numpy as np
from numpy.typing import NDArray

from facetraits.faces.alignment import CROPS, CropSpec
from facetraits.faces.augmentation import augment
from facetraits.training.data.covers import cover
from facetraits.training.data.samples import (
    Samples,
    all_age_faces_samples,
    fer2013_samples,
    load_all_age_faces,
    load_fer2013,
    load_raf_db,
    load_utkface,
    raf_db_samples,
    utkface_samples,
)
from facetraits.training.recipe import Recipe
from facetraits.types import VIEW, VIEWS

_ByHead = dict[str, NDArray[np.float32]]
_TENFOLD: Final = 10  # age-gender-mood enlarged its training pictures to that many times their number
_MIXUP_BETA: Final = 0.4  # both parameters of the distribution of shares: mostly near 0 or 1
_COVERED: Final = 0.12  # share of the faces that training covers
_UPSIDE_DOWN: Final = 0.03


def load_samples(recipe: Recipe, split: str, data: Path, network: Path) -> Samples:
    """Crops and targets of one split for all data sets that the recipe needs, without the head "view"."""
    samples = samples_of(recipe.datasets, split, data, network, CROPS[recipe.crop])
    heads = [head for head in recipe.heads if head != VIEW]
    return replace(
        samples,
        targets={head: samples.targets[head] for head in heads},
        weights={head: samples.weights[head] for head in heads},
    )


def samples_of(datasets: Iterable[str], split: str, data: Path, network: Path, spec: CropSpec) -> Samples:
    """Crops and targets of one split of data sets, in the geometry of ``spec``, one set after the other."""
    load: Mapping[str, Callable[[], Samples]] = {
        "utkface": lambda: utkface_samples(load_utkface(data, network), split, spec),
        "all-age-faces": lambda: all_age_faces_samples(load_all_age_faces(data, network), split, spec),
        "fer2013": lambda: fer2013_samples(*load_fer2013(data, network), split, spec),
        "raf-db": lambda: raf_db_samples(load_raf_db(data, network), split, spec),
    }
    return reduce(Samples.joined, [load[name]() for name in datasets])


class Batches(keras.utils.PyDataset):
    """Shuffled, augmented batches; the order and the variations follow from the seed and the epoch."""

    def __init__(self, samples: Samples, recipe: Recipe, first_epoch: int = 0) -> None:
        super().__init__(workers=1, max_queue_size=8)
        self._samples, self._recipe, self._epoch = samples, recipe, first_epoch
        self._spec = CROPS[recipe.crop]
        self._copies = _TENFOLD if recipe.augmentation == "tenfold" else 1
        self._often = times_shown(samples, recipe)
        self._order = self._shuffled()

    def _shuffled(self) -> NDArray[np.int64]:
        rng = np.random.default_rng((self._recipe.seed, self._epoch))
        if self._often is None:
            return rng.permutation(len(self._samples) * self._copies)
        whole = np.floor(self._often)
        times = whole + (rng.random(len(whole)) < self._often - whole)
        return rng.permutation(np.repeat(np.arange(len(whole)), times.astype(np.int64)))

    def __len__(self) -> int:
        # The same for every epoch, although single pictures are drawn at random.
        shown = len(self._samples) * self._copies if self._often is None else int(0.99 * self._often.sum())
        return shown // self._recipe.batch_size

    def __getitem__(self, index: int) -> tuple[Any, Any, Any]:
        recipe = self._recipe
        chosen = self._order[index * recipe.batch_size : (index + 1) * recipe.batch_size]
        rows = chosen % len(self._samples)
        crops = self._samples.crops[rows]
        rng = np.random.default_rng((recipe.seed, self._epoch, index))
        targets = {head: values[rows] for head, values in self._samples.targets.items()}
        weights = {head: values[rows] for head, values in self._samples.weights.items()}
        if VIEW in recipe.heads:
            crops, targets, weights = with_view_targets(crops, targets, weights, rng, self._spec)
        if recipe.augmentation == "online":
            crops = augment(crops, rng, recipe.strength, recipe.variations, self._spec)
        elif recipe.augmentation == "tenfold":  # created on demand, always the same: 150,000 crops are 5.6 GB
            for i in np.nonzero(chosen >= len(self._samples))[0]:
                own = np.random.default_rng((recipe.seed, int(chosen[i])))
                crops[i] = augment(crops[i : i + 1], own, variations=recipe.variations)[0]
        if rng.random() < recipe.mixup:
            return _mixed(crops, targets, weights, rng)
        return crops, targets, weights

    def on_epoch_end(self) -> None:
        """Shuffle anew."""
        self._epoch += 1
        self._order = self._shuffled()


def times_shown(samples: Samples, recipe: Recipe) -> NDArray[np.float64] | None:
    """(N,) mean number of times that an epoch shows each sample; None if each is shown once."""
    if not recipe.shares:
        return None
    often = np.zeros(len(samples))
    datasets = samples.datasets
    for name, share in recipe.shares:
        rows = np.nonzero(datasets == name)[0]
        _, group, counts = np.unique(samples.groups[rows], return_inverse=True, return_counts=True)
        rarity = counts[group] ** -recipe.evenness
        often[rows] = share * len(rows) * rarity / rarity.sum()
    return often


def with_view_targets(
    crops: NDArray[np.uint8], targets: _ByHead, weights: _ByHead, rng: np.random.Generator, spec: CropSpec
) -> tuple[NDArray[np.uint8], _ByHead, _ByHead]:
    """Some of the faces covered, some upside down, with a target for the head "view".

    Covered faces get lower weights, and none for the expression if the mouth is hidden. Upside-down faces have weight
    only for "view".
    """
    crops = crops.copy()
    views = np.zeros(len(crops), dtype=np.int64)
    scale = np.ones(len(crops), dtype=np.float32)
    silent = np.ones(len(crops), dtype=np.float32)
    for i, chance in enumerate(rng.random(len(crops))):
        if chance < _COVERED:
            crops[i], hidden = cover(crops[i], rng, spec)
            views[i], scale[i], silent[i] = 1, 0.5, 0.0 if hidden else 1.0
        elif chance < _COVERED + _UPSIDE_DOWN:
            crops[i] = crops[i, ::-1, ::-1]
            views[i], scale[i] = 2, 0.0
    identity: NDArray[np.float32] = np.eye(len(VIEWS), dtype=np.float32)
    scaled = {
        head: values * scale * (silent if head.startswith("expression") else 1) for head, values in weights.items()
    }
    return (
        crops,
        {**targets, VIEW: identity[views]},
        {**scaled, VIEW: np.ones(len(crops), dtype=np.float32)},
    )


def _mixed(
    crops: NDArray[np.uint8], targets: _ByHead, weights: _ByHead, rng: np.random.Generator
) -> tuple[NDArray[np.uint8], _ByHead, _ByHead]:
    """Mixup: every sample is blended with another of its batch; a head that either sample lacks gets no weight."""
    partner = rng.permutation(len(crops))
    share = rng.beta(_MIXUP_BETA, _MIXUP_BETA, size=len(crops)).astype(np.float32)

    def blend(values: NDArray[Any]) -> NDArray[np.float32]:
        own = share.reshape(-1, *(1,) * (values.ndim - 1))
        blended: NDArray[np.float32] = own * values + (1 - own) * values[partner]
        return blended

    return (
        np.round(blend(crops)).astype(np.uint8),
        {head: blend(values) for head, values in targets.items()},
        {head: values * values[partner] for head, values in weights.items()},
    )


def validation_data(samples: Samples, recipe: Recipe) -> tuple[NDArray[np.uint8], _ByHead, _ByHead]:
    """Validation samples; with the head "view", some faces are covered or upside down, the same ones every epoch."""
    crops, targets, weights = samples.crops, dict(samples.targets), dict(samples.weights)
    if VIEW not in recipe.heads:
        return crops, targets, weights
    return with_view_targets(crops, targets, weights, np.random.default_rng(recipe.seed), CROPS[recipe.crop])
