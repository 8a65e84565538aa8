"""Prepared crops with targets, ready for training and evaluation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from facetraits.age import AGE_GROUP_7_NAMES, AGE_GROUP_NAMES, AGE_GROUPS_7, group_index
from facetraits.alignment import CropSpec
from facetraits.registry import sha256_of
from facetraits.training.datasets import (
    ETHNICITIES,
    FER2013_CLASSES,
    FERPLUS_CLASSES,
    GENDERS,
    SMILE_CLASSES,
    DatasetError,
    Fer2013,
    UtkFaceItem,
    read_fer2013,
    read_utkface,
)
from facetraits.training.networks import AGE_BINS
from facetraits.training.prepare import crops_of, decode_chip, detect_fer2013, detect_utkface
from facetraits.training.splits import UTKFACE_SPLIT, fer2013_train_mask, ferplus_targets, read_utkface_split
from facetraits.types import MOOD_OF_EXPRESSION, MOODS

CACHE: Final = Path("build/data")
_ByHead = Mapping[str, NDArray[np.float32]]
# (8, 3) and (8, 2): which mood, and which answer of a smile detector, each of the eight expressions counts for.
MOOD_MATRIX: Final = np.array(
    [[mood == MOOD_OF_EXPRESSION[expression] for mood in MOODS] for expression in FERPLUS_CLASSES], dtype=np.float32
)
SMILE_MATRIX: Final = np.array(
    [[(expression == "happy") == (answer == "smiling") for answer in SMILE_CLASSES] for expression in FERPLUS_CLASSES],
    dtype=np.float32,
)


@dataclass(frozen=True, slots=True, eq=False)
class UtkFace:
    """UTKFace, decoded and with faces found.

    Attributes:
        names: (N,) file names; labels: (N, 3) age in years, gender, ethnicity.
        splits: (N,) "train", "validation", "test".
        detections: (N, 15) as of ``prepare``; NaN where no face was found.
        pictures: N RGB arrays.
        malformed: file names without usable labels.
    """

    names: NDArray[np.str_]
    labels: NDArray[np.int64]
    splits: NDArray[np.str_]
    detections: NDArray[np.float32]
    pictures: list[NDArray[np.uint8]]
    malformed: tuple[str, ...]


def _utkface_source(data: Path) -> Path:
    source = next((p for p in (data / "utkface" / "UTKFace.tar", data / "utkface") if p.exists()), None)
    if source is None:
        raise DatasetError(f"UTKFace is expected as {data / 'utkface' / 'UTKFace.tar'}, or unpacked in that folder")
    return source


def _fer2013_sources(data: Path) -> tuple[Path, Path]:
    folder = data / "fer2013"
    table = next((p for p in (folder / "fer2013.csv.gz", folder / "fer2013.csv") if p.exists()), None)
    if table is None:
        raise DatasetError(f"FER2013 is expected as {folder / 'fer2013.csv'} or {folder / 'fer2013.csv.gz'}")
    return table, folder / "fer2013new.csv"


def data_version(data: Path, datasets: Iterable[str]) -> dict[str, str]:
    """File name to checksum of what was read: the downloads (an unpacked folder is named only) and the split."""
    files: list[Path] = []
    if "utkface" in datasets:
        files += [_utkface_source(data), UTKFACE_SPLIT]
    if "fer2013" in datasets:
        files += _fer2013_sources(data)
    return {file.name: sha256_of(file) if file.is_file() else "unpacked" for file in files}


def load_utkface(data: Path, network: Path) -> UtkFace:
    """Read UTKFace below ``data``; the first time, find its faces (minutes) and keep their landmarks in ``CACHE``."""
    source = _utkface_source(data)
    cache = CACHE / "utkface-faces.npz"
    if not cache.exists():
        detect_utkface(source, network, cache)
    stored = np.load(cache)
    pictures = {item.name: decode_chip(item.jpeg) for item in read_utkface(source) if isinstance(item, UtkFaceItem)}
    names = stored["names"]
    if set(names) != set(pictures):
        raise DatasetError(f"{cache} was made from other pictures than {source}; delete it to find the faces again")
    return UtkFace(
        names=names,
        labels=stored["labels"],
        splits=read_utkface_split(names),
        detections=stored["detections"],
        pictures=[pictures[name] for name in names],
        malformed=tuple(stored["malformed"]),
    )


def load_fer2013(data: Path, network: Path) -> tuple[Fer2013, NDArray[np.float32]]:
    """FER2013 below ``data`` and its (N, 15) detections, found the first time (minutes) and kept in ``CACHE``."""
    table, votes = _fer2013_sources(data)
    fer = read_fer2013(table, votes)
    cache = CACHE / "fer2013-faces.npz"
    if not cache.exists():
        detect_fer2013(fer, network, cache)
    detections = np.load(cache)["detections"]
    if len(detections) != len(fer.labels):
        raise DatasetError(f"{cache} was made from another table than {table}; delete it to find the faces again")
    return fer, detections


@dataclass(frozen=True, slots=True, eq=False)
class Samples:
    """Crops and what a network should answer.

    Attributes:
        crops: (N, S, S, 3) uint8 RGB.
        targets: head to (N, C) probabilities.
        weights: head to (N,) weight in the loss; 0 where a sample has no answer for that head.
    """

    crops: NDArray[np.uint8]
    targets: Mapping[str, NDArray[np.float32]]
    weights: Mapping[str, NDArray[np.float32]]

    def __len__(self) -> int:
        return len(self.crops)

    def joined(self, other: Samples) -> Samples:
        """Both sets, each with weight 0 for the heads that it does not answer."""

        def stack(mine: _ByHead, theirs: _ByHead) -> dict[str, NDArray[np.float32]]:
            both = {}
            for head, like in {**mine, **theirs}.items():
                shape = like.shape[1:]
                first = mine.get(head, np.zeros((len(self), *shape), dtype=np.float32))
                second = theirs.get(head, np.zeros((len(other), *shape), dtype=np.float32))
                both[head] = np.concatenate([first, second])
            return both

        crops = np.concatenate([self.crops, other.crops])
        return Samples(crops, stack(self.targets, other.targets), stack(self.weights, other.weights))


def age_targets(ages: NDArray[np.int64]) -> NDArray[np.float32]:
    """(N, AGE_BINS) age as a bell curve around the label, narrow for infants, wider with age (Gao et al. 2017)."""
    years = np.arange(AGE_BINS)
    centre = np.minimum(ages, AGE_BINS - 1)[:, None]
    sigma = np.minimum(0.6 + 0.06 * centre, 3.0)
    curve = np.exp(-0.5 * ((years - centre) / sigma) ** 2)
    distribution: NDArray[np.float64] = curve / curve.sum(axis=1, keepdims=True)
    return distribution.astype(np.float32)


def _one_hot(labels: NDArray[np.int64], classes: int) -> NDArray[np.float32]:
    identity: NDArray[np.float32] = np.eye(classes, dtype=np.float32)
    return identity[labels]


def utkface_samples(utk: UtkFace, split: str, spec: CropSpec) -> Samples:
    """Crops and targets of one split of UTKFace; for training, without pictures in which no face was found."""
    chosen = utk.splits == split
    if split == "train":
        chosen &= ~np.isnan(utk.detections[:, 0])
    rows = np.nonzero(chosen)[0]
    age, gender, ethnicity = utk.labels[rows].T
    ones = np.ones(len(rows), dtype=np.float32)
    return Samples(
        crops_of((utk.pictures[i] for i in rows), utk.detections[rows], spec),
        {
            "age": age_targets(age),
            "age_group": _one_hot(group_index(age), len(AGE_GROUP_NAMES)),
            "age_group_7": _one_hot(group_index(age, AGE_GROUPS_7), len(AGE_GROUP_7_NAMES)),
            "gender": _one_hot(gender, len(GENDERS)),
            "ethnicity": _one_hot(ethnicity, len(ETHNICITIES)),
        },
        dict.fromkeys(("age", "age_group", "age_group_7", "gender", "ethnicity"), ones),
    )


def fer2013_samples(fer: Fer2013, detections: NDArray[np.float32], split: str, spec: CropSpec) -> Samples:
    """Crops and targets of one split of FER2013; for training, without what is identical to a held-back picture."""
    rows = np.nonzero(fer2013_train_mask(fer) if split == "train" else fer.splits == split)[0]
    targets, usable = ferplus_targets(fer)
    votes, voted = targets[rows], usable[rows].astype(np.float32)
    pictures = (cv2.cvtColor(fer.pixels[i], cv2.COLOR_GRAY2RGB) for i in rows)
    return Samples(
        crops_of(pictures, detections[rows], spec),
        {
            "expression": votes,
            "expression_fer2013": _one_hot(fer.labels[rows], len(FER2013_CLASSES)),
            "mood": votes @ MOOD_MATRIX,
            "smile": votes @ SMILE_MATRIX,
        },
        {
            "expression": voted,
            "expression_fer2013": np.ones(len(rows), dtype=np.float32),
            "mood": voted,
            "smile": voted,
        },
    )
