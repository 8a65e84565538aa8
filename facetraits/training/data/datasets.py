"""Readers for the public downloads: UTKFace, All-Age-Faces, FER2013 with the FER+ votes, and RAF-DB.

The layouts are those in which the sets are distributed; README.md tells where to get them.
"""

from __future__ import annotations

import csv
import gzip
import re
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from facetraits.errors import TrainingError

GENDERS: Final = ("male", "female")
ETHNICITIES: Final = ("white", "black", "asian", "indian", "other")
FER2013_CLASSES: Final = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
FERPLUS_CLASSES: Final = ("neutral", "happy", "surprise", "sad", "angry", "disgust", "fear", "contempt")
# In the order of RAF-DB's labels 1 to 7 (Li et al. 2017); the words are those of ``FERPLUS_CLASSES``.
RAF_DB_CLASSES: Final = ("surprise", "fear", "disgust", "happy", "sad", "angry", "neutral")
# As webcam-guesser's smile detector answers; "smiling" is what FER+ calls happiness.
SMILE_CLASSES: Final = ("not smiling", "smiling")
FER2013_SPLITS: Final = {"Training": "train", "PublicTest": "validation", "PrivateTest": "test"}
UTKFACE_MAX_AGE: Final = 116

_ALL_AGE_FACES_LAST_FEMALE: Final = 7380  # serial number
_ALL_AGE_FACES_NAME = re.compile(r"^(\d{5})A(\d{2,3})\.jpg$")
_UTKFACE_NAME = re.compile(r"^(\d{1,3})_([01])_([0-4])_(\d+)\.jpg(\.chip)?\.jpg$")


class DatasetError(TrainingError):
    """A data set is missing or not laid out as its public download is."""


@dataclass(frozen=True, slots=True)
class UtkFaceItem:
    """One chip of UTKFace.

    Attributes:
        name: file name, unique in the set.
        jpeg: the encoded picture.
        age: years; gender: index into ``GENDERS``; ethnicity: index into ``ETHNICITIES``.
    """

    name: str
    jpeg: bytes
    age: int
    gender: int
    ethnicity: int


def parse_utkface_name(name: str) -> tuple[int, int, int] | None:
    """Age, gender and ethnicity from a file name, or None where the name is malformed."""
    match = _UTKFACE_NAME.match(name)
    if match is None:
        return None
    age, gender, ethnicity = (int(match.group(i)) for i in (1, 2, 3))
    return (age, gender, ethnicity) if age <= UTKFACE_MAX_AGE else None


def read_utkface(path: Path) -> Iterator[UtkFaceItem | str]:
    """Every picture of the set, from the tar file or from the folder it unpacks to.

    Yields:
        A ``UtkFaceItem``, or the bare file name where that is malformed.

    Raises:
        DatasetError: there is no such file, or it is not a tar file.
    """
    try:
        if path.is_dir():
            for file in sorted(path.rglob("*.jpg")):
                labels = parse_utkface_name(file.name)
                yield UtkFaceItem(file.name, file.read_bytes(), *labels) if labels else file.name
            return
        with tarfile.open(path) as tar:
            for member in tar:
                if not member.isfile():
                    continue
                name = Path(member.name).name
                labels = parse_utkface_name(name)
                stream = tar.extractfile(member) if labels else None
                yield UtkFaceItem(name, stream.read(), *labels) if labels and stream else name
    except (OSError, tarfile.TarError) as error:
        raise DatasetError(f"UTKFace cannot be read from {path}: {error}") from error


@dataclass(frozen=True, slots=True, eq=False)
class Fer2013:
    """FER2013 with the votes of FER+, row by row in the order of the public files.

    Attributes:
        pixels: (N, 48, 48) uint8 grey.
        labels: (N,) index into ``FER2013_CLASSES``.
        splits: (N,) "train", "validation" or "test".
        votes: (N, 8) votes for ``FERPLUS_CLASSES``; without "unknown" and "not a face".
        other_votes: (N,) votes for "unknown" or "not a face".
        restored: (N,) True where FER+ names no picture: such a row may not hold the original one.
    """

    pixels: NDArray[np.uint8]
    labels: NDArray[np.int64]
    splits: NDArray[np.str_]
    votes: NDArray[np.int64]
    other_votes: NDArray[np.int64]
    restored: NDArray[np.bool_]


def read_fer2013(csv_gz: Path, ferplus_csv: Path) -> Fer2013:
    """Read ``fer2013.csv`` (plain or gzipped) and ``fer2013new.csv``.

    Raises:
        DatasetError: a file is missing, malformed, or the two do not have the same rows.
    """
    pixels, labels, splits = [], [], []
    try:
        with gzip.open(csv_gz, "rt") if csv_gz.suffix == ".gz" else csv_gz.open() as file:
            for row in csv.DictReader(file):
                pixels.append(np.array(row["pixels"].split(), dtype=np.uint8).reshape(48, 48))
                labels.append(int(row["emotion"]))
                splits.append(FER2013_SPLITS[row["Usage"].strip()])
        with ferplus_csv.open() as file:
            plus = list(csv.DictReader(file))
        columns = ("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt")
        votes = np.array([[int(row[c]) for c in columns] for row in plus])
        other = np.array([int(row["unknown"]) + int(row["NF"]) for row in plus])
        restored = np.array([not row["Image name"].strip() for row in plus])
    except (OSError, KeyError, ValueError) as error:
        raise DatasetError(f"FER2013 cannot be read from {csv_gz} and {ferplus_csv}: {error!r}") from error
    if len(plus) != len(labels):
        raise DatasetError(f"{csv_gz} has {len(labels)} rows but {ferplus_csv} has {len(plus)}")
    return Fer2013(np.stack(pixels), np.array(labels), np.array(splits), votes, other, restored)


@dataclass(frozen=True, slots=True)
class AllAgeFacesItem:
    """One photo of All-Age-Faces.

    Attributes:
        name: file name, unique in the set.
        jpeg: the encoded picture.
        age: years; gender: index into ``GENDERS``.
        held_back: of the half that its authors call ``val``, from which validation and test are taken.
    """

    name: str
    jpeg: bytes
    age: int
    gender: int
    held_back: bool


def parse_all_age_faces_name(name: str) -> tuple[int, int] | None:
    """Age and gender from a file name such as ``07381A02.jpg``, or None where the name is malformed."""
    match = _ALL_AGE_FACES_NAME.match(name)
    if match is None:
        return None
    serial, age = int(match.group(1)), int(match.group(2))
    return age, GENDERS.index("female" if serial <= _ALL_AGE_FACES_LAST_FEMALE else "male")


def read_all_age_faces(folder: Path) -> Iterator[AllAgeFacesItem | str]:
    """Every picture of the set, from the folder that holds ``original images`` and ``image sets``.

    Yields:
        An ``AllAgeFacesItem``, or the bare file name where that is malformed.

    Raises:
        DatasetError: the folder is not laid out so.
    """
    try:
        held_back = {line.split()[0] for line in (folder / "image sets" / "val.txt").read_text().splitlines() if line}
        files = sorted((folder / "original images").iterdir())
        for file in files:
            labels = parse_all_age_faces_name(file.name)
            if labels is None:
                yield file.name
            else:
                yield AllAgeFacesItem(file.name, file.read_bytes(), *labels, file.name in held_back)
    except OSError as error:
        raise DatasetError(f"All-Age-Faces cannot be read from {folder}: {error}") from error


@dataclass(frozen=True, slots=True)
class RafDbItem:
    """One aligned face of RAF-DB.

    Attributes:
        name: file name, unique in the set.
        jpeg: the encoded picture.
        expression: index into ``RAF_DB_CLASSES``.
        split: "train" or "test", as the authors have it.
    """

    name: str
    jpeg: bytes
    expression: int
    split: str


def read_raf_db(folder: Path) -> Iterator[RafDbItem]:
    """Every aligned picture of the set, training pictures first.

    Args:
        folder: holds ``aligned/train``, ``aligned/test``, ``train_labels.csv`` and ``test_labels.csv``.

    Raises:
        DatasetError: the folder is not laid out so, or a label is none of 1 to 7.
    """
    try:
        for split in ("train", "test"):
            files = {file.name: file for file in (folder / "aligned" / split).rglob("*.jpg")}
            with (folder / f"{split}_labels.csv").open(newline="") as table:
                for row in csv.DictReader(table):
                    label = int(row["label"])
                    if not 1 <= label <= len(RAF_DB_CLASSES):
                        raise ValueError(f"label {label} of {row['image']}")
                    yield RafDbItem(row["image"], files[row["image"]].read_bytes(), label - 1, split)
    except (OSError, KeyError, ValueError) as error:
        raise DatasetError(f"RAF-DB cannot be read from {folder}: {error!r}") from error
