"""The faces of one split with their labels, the same for every evaluated model."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from facetraits.age import AGE_GROUP_NAMES, AGE_GROUPS_7, YOUTH_GROUP_NAMES, YOUTH_GROUPS, group_index
from facetraits.faces.alignment import CROPS
from facetraits.training.data.datasets import ETHNICITIES, FERPLUS_CLASSES, GENDERS, RAF_DB_CLASSES
from facetraits.training.data.prepare import crops_of, stored_detections
from facetraits.training.data.samples import (
    MOOD_MATRIX,
    SMILE_MATRIX,
    load_all_age_faces,
    load_fer2013,
    load_raf_db,
    load_utkface,
)
from facetraits.training.data.splits import fer2013_duplicated, ferplus_majority
from facetraits.types import FaceDetection

_FER2013_ENLARGEMENT: Final = 4  # the detector is not made for faces that fill a picture of 48 px


@dataclass(frozen=True, slots=True, eq=False)
class Faces:
    """One split of one data set, ready for evaluation.

    Attributes:
        pictures: N RGB arrays as ``analyze`` gets them.
        crops: crop name to (N, S, S, 3).
        labels: output name to (N,) labels and (N,) True where there is one. Ages are years.
        duplicated: (N,) True where the identical picture occurs more than once in the set.
        people: axis of fairness to (N,) class indices and their names; empty where the set has no such labels.
        detections: N faces in px of ``pictures``; None where none was found; empty where nobody asks for them.
    """

    pictures: list[NDArray[np.uint8]]
    crops: Mapping[str, NDArray[np.uint8]]
    labels: Mapping[str, tuple[NDArray[np.int64], NDArray[np.bool_]]]
    duplicated: NDArray[np.bool_]
    people: Mapping[str, tuple[NDArray[np.int64], tuple[str, ...]]] = field(default_factory=dict)
    detections: Sequence[FaceDetection | None] = ()

    @property
    def boxes(self) -> NDArray[np.float32]:
        """(N, 4) left, top, right, bottom of the faces in px of ``pictures``; NaN where none was found."""
        nothing = np.full(4, np.nan, dtype=np.float32)
        return np.array([nothing if face is None else face.box_xyxy for face in self.detections])


DATASETS: Final = ("utkface", "all-age-faces", "fer2013", "raf-db")


def load_faces(
    data: Path, detector_network: Path, split: str, datasets: Collection[str] = DATASETS
) -> dict[str, Faces]:
    """The data sets' faces of one split, by the name of the set."""
    load: Mapping[str, Callable[[Path, Path, str], Faces]] = {
        "utkface": _utkface,
        "all-age-faces": _all_age_faces,
        "fer2013": _fer2013,
        "raf-db": _raf_db,
    }
    return {name: load[name](data, detector_network, split) for name in DATASETS if name in datasets}


def output_of(label: str) -> str:
    """The network output for a label; some labels are derived from another output."""
    if label in ("mood", "smile", "expression_raf_db"):
        return "expression"
    return "age" if label.startswith("age_") else label


def _utkface(data: Path, detector_network: Path, split: str) -> Faces:
    utk = load_utkface(data, detector_network)
    rows = np.nonzero(utk.splits == split)[0]
    pictures = [utk.pictures[i] for i in rows]
    known = np.ones(len(rows), dtype=bool)
    age, gender, ethnicity = utk.labels[rows].T
    labels = {
        "age": age,
        "age_group": group_index(age),
        "age_group_7": group_index(age, AGE_GROUPS_7),
        "gender": gender,
        "ethnicity": ethnicity,
    }
    return Faces(
        pictures,
        {name: crops_of(pictures, utk.detections[rows], spec) for name, spec in CROPS.items()},
        {name: (values, known) for name, values in labels.items()},
        np.zeros(len(rows), dtype=bool),
        {
            "gender": (gender, GENDERS),
            "ethnicity": (ethnicity, ETHNICITIES),
            "age_group": (labels["age_group"], AGE_GROUP_NAMES),
        },
        stored_detections(utk.detections[rows]),
    )


def _all_age_faces(data: Path, detector_network: Path, split: str) -> Faces:
    aaf = load_all_age_faces(data, detector_network)
    rows = np.nonzero(aaf.splits == split)[0]
    pictures = [aaf.pictures[i] for i in rows]
    known = np.ones(len(rows), dtype=bool)
    age, gender = aaf.labels[rows].T
    labels = {
        "age": age,
        "age_group": group_index(age),
        "age_group_7": group_index(age, AGE_GROUPS_7),
        "gender": gender,
    }
    young = np.where(age <= YOUTH_GROUPS[-1][1], group_index(age, YOUTH_GROUPS), -1)
    return Faces(
        pictures,
        {name: crops_of(pictures, aaf.detections[rows], spec) for name, spec in CROPS.items()},
        {name: (values, known) for name, values in labels.items()},
        np.zeros(len(rows), dtype=bool),
        {
            "gender": (gender, GENDERS),
            "age_group": (labels["age_group"], AGE_GROUP_NAMES),
            "youth": (young, YOUTH_GROUP_NAMES),
        },
        stored_detections(aaf.detections[rows]),
    )


def _raf_db(data: Path, detector_network: Path, split: str) -> Faces:
    raf = load_raf_db(data, detector_network)
    rows = np.nonzero(raf.splits == split)[0]
    pictures = [raf.pictures[i] for i in rows]
    known = np.ones(len(rows), dtype=bool)
    of_eight = np.array([FERPLUS_CLASSES.index(name) for name in RAF_DB_CLASSES])[raf.labels[rows]]
    return Faces(
        pictures,
        {name: crops_of(pictures, raf.detections[rows], spec) for name, spec in CROPS.items()},
        {
            "expression_raf_db": (raf.labels[rows], known),
            "mood": (MOOD_MATRIX.argmax(axis=1)[of_eight], known),
            "smile": (SMILE_MATRIX.argmax(axis=1)[of_eight], known),
        },
        np.zeros(len(rows), dtype=bool),
        detections=stored_detections(raf.detections[rows]),
    )


def _fer2013(data: Path, detector_network: Path, split: str) -> Faces:
    fer, detections = load_fer2013(data, detector_network)
    rows = np.nonzero(fer.splits == split)[0]
    grey = [cv2.cvtColor(fer.pixels[i], cv2.COLOR_GRAY2RGB) for i in rows]
    majority = ferplus_majority(fer)[rows]
    clear = majority >= 0
    expression = np.maximum(majority, 0)
    large_wh = tuple(_FER2013_ENLARGEMENT * side for side in fer.pixels.shape[:0:-1])
    return Faces(
        [cv2.resize(picture, large_wh, interpolation=cv2.INTER_LINEAR) for picture in grey],
        {name: crops_of(grey, detections[rows], spec) for name, spec in CROPS.items()},
        {
            "expression": (expression, clear),
            "expression_fer2013": (fer.labels[rows], np.ones(len(rows), dtype=bool)),
            "mood": (MOOD_MATRIX.argmax(axis=1)[expression], clear),
            "smile": (SMILE_MATRIX.argmax(axis=1)[expression], clear),
        },
        fer2013_duplicated(fer)[rows],
    )
