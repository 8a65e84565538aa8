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
from facetraits.faces.alignment import CropSpec
from facetraits.registry import sha256_of
from facetraits.training.data.datasets import (
    ETHNICITIES,
    FER2013_CLASSES,
    FERPLUS_CLASSES,
    GENDERS,
    RAF_DB_CLASSES,
    SMILE_CLASSES,
    AllAgeFacesItem,
    DatasetError,
    Fer2013,
    UtkFaceItem,
    read_all_age_faces,
    read_fer2013,
    read_raf_db,
    read_utkface,
)
from facetraits.training.data.prepare import (
    crops_of,
    decode_chip,
    detect_all_age_faces,
    detect_fer2013,
    detect_raf_db,
    detect_utkface,
)
from facetraits.training.data.splits import (
    ALL_AGE_FACES_SPLIT,
    RAF_DB_SPLIT,
    UTKFACE_SPLIT,
    fer2013_train_mask,
    ferplus_targets,
    read_split,
)
from facetraits.training.networks.architectures import AGE_BINS
from facetraits.traits import MOOD

CACHE: Final = Path("build/data")
_ByHead = Mapping[str, NDArray[np.float32]]
# (8, 3) and (8, 2): which mood, and which answer of a smile detector, each of the eight expressions counts for.
MOOD_MATRIX: Final = np.array(
    [[mood == MOOD.class_of[expression] for mood in MOOD.classes] for expression in FERPLUS_CLASSES], dtype=np.float32
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


@dataclass(frozen=True, slots=True, eq=False)
class AllAgeFaces:
    """All-Age-Faces, decoded and with faces found.

    Attributes:
        names: (N,) file names; labels: (N, 2) age in years, gender.
        held_back: (N,) True in the half that the authors hold back.
        splits, detections, pictures, malformed: as of ``UtkFace``; a split may also be ``splits.LEFT_OUT``.
    """

    names: NDArray[np.str_]
    labels: NDArray[np.int64]
    held_back: NDArray[np.bool_]
    splits: NDArray[np.str_]
    detections: NDArray[np.float32]
    pictures: list[NDArray[np.uint8]]
    malformed: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class RafDb:
    """RAF-DB's aligned faces, decoded and with faces found.

    Attributes:
        names: (N,) file names; labels: (N,) index into ``RAF_DB_CLASSES``.
        halves: (N,) "train" or "test", as the authors have it.
        splits, detections, pictures: as of ``AllAgeFaces``.
    """

    names: NDArray[np.str_]
    labels: NDArray[np.int64]
    halves: NDArray[np.str_]
    splits: NDArray[np.str_]
    detections: NDArray[np.float32]
    pictures: list[NDArray[np.uint8]]


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


def _folder_with(title: str, data: Path, folder: str, holds: str) -> Path:
    """Of a set that is unpacked into ``data / folder``, the folder that ``holds`` what the download starts with."""
    found = next(iter(sorted((data / folder).rglob(holds))), None)
    if found is None:
        raise DatasetError(f"{title} is expected unpacked in {data / folder}, with {holds!r} in it")
    return found.parent


def _all_age_faces_source(data: Path) -> Path:
    return _folder_with("All-Age-Faces", data, "all-age-faces", "original images")


def _raf_db_source(data: Path) -> Path:
    return _folder_with("RAF-DB", data, "raf-db", "train_labels.csv")


def data_version(data: Path, datasets: Iterable[str]) -> dict[str, str]:
    """File name to checksum of what was read: the downloads (an unpacked folder is named only) and the split."""
    files: list[Path] = []
    if "utkface" in datasets:
        files += [_utkface_source(data), UTKFACE_SPLIT]
    if "fer2013" in datasets:
        files += _fer2013_sources(data)
    if "all-age-faces" in datasets:
        files += [_all_age_faces_source(data) / "image sets" / "val.txt", ALL_AGE_FACES_SPLIT]
    if "raf-db" in datasets:
        files += [*(_raf_db_source(data) / f"{half}_labels.csv" for half in ("train", "test")), RAF_DB_SPLIT]
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
    _check_names(cache, names, pictures, source)
    return UtkFace(
        names=names,
        labels=stored["labels"],
        splits=read_split(names, UTKFACE_SPLIT),
        detections=stored["detections"],
        pictures=[pictures[name] for name in names],
        malformed=tuple(stored["malformed"]),
    )


def load_all_age_faces(data: Path, network: Path) -> AllAgeFaces:
    """Read All-Age-Faces below ``data``; faces are found the first time (minutes) and kept in ``CACHE``."""
    source = _all_age_faces_source(data)
    cache = CACHE / "all-age-faces-faces.npz"
    if not cache.exists():
        detect_all_age_faces(source, network, cache)
    stored = np.load(cache)
    items = (item for item in read_all_age_faces(source) if isinstance(item, AllAgeFacesItem))
    pictures = {item.name: decode_chip(item.jpeg) for item in items}
    names = stored["names"]
    _check_names(cache, names, pictures, source)
    return AllAgeFaces(
        names=names,
        labels=stored["labels"],
        held_back=stored["held_back"],
        splits=read_split(names, ALL_AGE_FACES_SPLIT),
        detections=stored["detections"],
        pictures=[pictures[name] for name in names],
        malformed=tuple(stored["malformed"]),
    )


def load_raf_db(data: Path, network: Path) -> RafDb:
    """Read RAF-DB below ``data``; faces are found the first time (minutes) and kept in ``CACHE``."""
    source = _raf_db_source(data)
    cache = CACHE / "raf-db-faces.npz"
    if not cache.exists():
        detect_raf_db(source, network, cache)
    stored = np.load(cache)
    pictures = {item.name: decode_chip(item.jpeg) for item in read_raf_db(source)}
    names = stored["names"]
    _check_names(cache, names, pictures, source)
    return RafDb(
        names=names,
        labels=stored["labels"],
        halves=stored["halves"],
        splits=read_split(names, RAF_DB_SPLIT),
        detections=stored["detections"],
        pictures=[pictures[name] for name in names],
    )


def _check_names(cache: Path, names: Iterable[str], pictures: Iterable[str], source: Path) -> None:
    if set(names) != set(pictures):
        raise DatasetError(f"{cache} was made from other pictures than {source}; delete it to find the faces again")


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
        targets: head to (N, C) probabilities; ``UNASKED`` for a class that the sample's data set does not know.
        weights: head to (N,) weight in the loss; 0 where a sample has no answer for that head.
        groups: (N,) what a sample counts as when training shows groups more evenly than they occur: its age in steps of
            five years, or its expression, after the name of its data set.
    """

    crops: NDArray[np.uint8]
    targets: Mapping[str, NDArray[np.float32]]
    weights: Mapping[str, NDArray[np.float32]]
    groups: NDArray[np.str_]

    def __len__(self) -> int:
        return len(self.crops)

    @property
    def datasets(self) -> NDArray[np.str_]:
        """(N,) name of the data set that a sample comes from."""
        return np.array([group.split(" ")[0] for group in self.groups])

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

        return Samples(
            np.concatenate([self.crops, other.crops]),
            stack(self.targets, other.targets),
            stack(self.weights, other.weights),
            np.concatenate([self.groups, other.groups]),
        )


# In a target: no answer of this data set could have been that class.
UNASKED: Final = -1.0
_AGE_STEP: Final = 5


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


def _rows_of(splits: NDArray[np.str_], split: str, detections: NDArray[np.float32]) -> NDArray[np.int64]:
    """Rows of one split; for training, without pictures in which no face was found."""
    chosen = splits == split
    if split == "train":
        chosen &= ~np.isnan(detections[:, 0])
    return np.nonzero(chosen)[0]


def _age_groups(dataset: str, ages: NDArray[np.int64]) -> NDArray[np.str_]:
    return np.array([f"{dataset} {age // _AGE_STEP}" for age in ages])


def utkface_samples(utk: UtkFace, split: str, spec: CropSpec) -> Samples:
    """Crops and targets of one split of UTKFace."""
    rows = _rows_of(utk.splits, split, utk.detections)
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
        _age_groups("utkface", age),
    )


def all_age_faces_samples(aaf: AllAgeFaces, split: str, spec: CropSpec) -> Samples:
    """Crops and targets of one split of All-Age-Faces; ethnicity is not labelled there."""
    rows = _rows_of(aaf.splits, split, aaf.detections)
    age, gender = aaf.labels[rows].T
    ones = np.ones(len(rows), dtype=np.float32)
    return Samples(
        crops_of((aaf.pictures[i] for i in rows), aaf.detections[rows], spec),
        {"age": age_targets(age), "gender": _one_hot(gender, len(GENDERS))},
        {"age": ones, "gender": ones},
        _age_groups("all-age-faces", age),
    )


def raf_db_samples(raf: RafDb, split: str, spec: CropSpec) -> Samples:
    """Crops and targets of one split of RAF-DB; nobody was asked for contempt there."""
    rows = _rows_of(raf.splits, split, raf.detections)
    order = [FERPLUS_CLASSES.index(name) for name in RAF_DB_CLASSES]
    targets = np.full((len(rows), len(FERPLUS_CLASSES)), UNASKED, dtype=np.float32)
    targets[:, order] = _one_hot(raf.labels[rows], len(RAF_DB_CLASSES))
    return Samples(
        crops_of((raf.pictures[i] for i in rows), raf.detections[rows], spec),
        {"expression": targets},
        {"expression": np.ones(len(rows), dtype=np.float32)},
        np.array([f"raf-db {RAF_DB_CLASSES[label]}" for label in raf.labels[rows]]),
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
        np.array([f"fer2013 {FER2013_CLASSES[label]}" for label in fer.labels[rows]]),
    )
