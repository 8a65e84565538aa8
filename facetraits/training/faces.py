"""The faces of one split with their labels, as every judged model gets them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from facetraits.age import AGE_GROUP_NAMES, AGE_GROUPS_7, group_index
from facetraits.alignment import CROPS
from facetraits.training.datasets import ETHNICITIES, GENDERS
from facetraits.training.prepare import crops_of
from facetraits.training.samples import MOOD_MATRIX, SMILE_MATRIX, load_fer2013, load_utkface
from facetraits.training.splits import fer2013_duplicated, ferplus_majority

_FER2013_ENLARGEMENT: Final = 4  # the detector is not made for faces that fill a picture of 48 px


@dataclass(frozen=True, slots=True, eq=False)
class Faces:
    """One split of one data set, ready to be judged.

    Attributes:
        pictures: N RGB arrays as ``analyze`` gets them.
        crops: crop name to (N, S, S, 3).
        labels: output name to (N,) labels and (N,) True where there is one. Ages are years.
        duplicated: (N,) True where the identical picture occurs more than once in the set.
        people: axis of fairness to (N,) class indices and their names; empty where the set has no such labels.
        boxes: (N, 4) left, top, right, bottom of the face in px of ``pictures``; NaN where none was found.
    """

    pictures: list[NDArray[np.uint8]]
    crops: Mapping[str, NDArray[np.uint8]]
    labels: Mapping[str, tuple[NDArray[np.int64], NDArray[np.bool_]]]
    duplicated: NDArray[np.bool_]
    people: Mapping[str, tuple[NDArray[np.int64], tuple[str, ...]]] = field(default_factory=dict)
    boxes: NDArray[np.float32] | None = None


def load_faces(data: Path, detector_network: Path, split: str) -> dict[str, Faces]:
    """Both data sets' faces of one split, by the name of the set."""
    return {
        "utkface": _utkface(data, detector_network, split),
        "fer2013": _fer2013(data, detector_network, split),
    }


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
        utk.detections[rows, :4],
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
