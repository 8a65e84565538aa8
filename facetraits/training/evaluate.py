"""Judge the exported files through the code that serves: `python -m facetraits evaluate`."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from facetraits.age import AGE_GROUP_NAMES, central_interval, expected_years, group_probabilities
from facetraits.alignment import CROPS
from facetraits.analyzer import FaceAnalyzer
from facetraits.ensemble import Ensemble
from facetraits.metrics import AgeErrors, ClassCounts, EvaluationReport, age_errors, class_counts
from facetraits.registry import PROFILES, Manifest, ProfileEntry, TraitEntry, load_manifest
from facetraits.training.prepare import crops_of, distance_from_middle
from facetraits.training.provenance import code_commit
from facetraits.training.samples import load_fer2013, load_utkface
from facetraits.training.splits import fer2013_duplicated, ferplus_majority
from facetraits.types import AGE_GROUPS

_FER2013_ENLARGEMENT: Final = 4  # the detector is not made for faces that fill a picture of 48 px


@dataclass(frozen=True, slots=True, eq=False)
class Faces:
    """One split of one data set, ready to be judged.

    Attributes:
        pictures: N RGB arrays as ``analyze`` gets them.
        crops: crop name to (N, S, S, 3).
        labels: output name to (N,) labels and (N,) True where there is one. Ages are years.
        duplicated: (N,) True where the identical picture occurs more than once in the set.
    """

    pictures: list[NDArray[np.uint8]]
    crops: Mapping[str, NDArray[np.uint8]]
    labels: Mapping[str, tuple[NDArray[np.int64], NDArray[np.bool_]]]
    duplicated: NDArray[np.bool_]


def load_faces(data: Path, detector_network: Path, split: str) -> dict[str, Faces]:
    """Both data sets' faces of one split, by the name of the set."""
    utk = load_utkface(data, detector_network)
    rows = np.nonzero(utk.splits == split)[0]
    pictures = [utk.pictures[i] for i in rows]
    known = np.ones(len(rows), dtype=bool)
    age, gender, ethnicity = utk.labels[rows].T
    faces = {
        "utkface": Faces(
            pictures,
            {name: crops_of(pictures, utk.detections[rows], spec) for name, spec in CROPS.items()},
            {"age": (age, known), "gender": (gender, known), "ethnicity": (ethnicity, known)},
            np.zeros(len(rows), dtype=bool),
        )
    }
    fer, detections = load_fer2013(data, detector_network)
    rows = np.nonzero(fer.splits == split)[0]
    grey = [cv2.cvtColor(fer.pixels[i], cv2.COLOR_GRAY2RGB) for i in rows]
    majority = ferplus_majority(fer)[rows]
    large_wh = tuple(_FER2013_ENLARGEMENT * side for side in fer.pixels.shape[:0:-1])
    faces["fer2013"] = Faces(
        [cv2.resize(picture, large_wh, interpolation=cv2.INTER_LINEAR) for picture in grey],
        {name: crops_of(grey, detections[rows], spec) for name, spec in CROPS.items()},
        {
            "expression": (np.maximum(majority, 0), majority >= 0),
            "expression_fer2013": (fer.labels[rows], np.ones(len(rows), dtype=bool)),
        },
        fer2013_duplicated(fer)[rows],
    )
    return faces


def evaluate(data: Path, models_dir: Path, split: str = "test") -> list[Path]:
    """Write a report for every profile and member on one split: `crops` for all; on test, `photos` for the profiles.

    Returns:
        The files written, in ``models_dir/reports``.
    """
    manifest = load_manifest(models_dir)
    faces = load_faces(data, manifest.detector, split)
    commit, date = code_commit(), datetime.datetime.now(datetime.UTC).date().isoformat()
    written = []
    for name, dataset, protocol, counted in _judged(manifest, faces, photos=split == "test"):
        classes, ages, files = counted
        report = EvaluationReport(
            model=name,
            dataset=dataset,
            split=split,
            protocol=protocol,
            weights_sha256=files,
            classes=classes,
            ages=ages,
            commit=commit,
            date=date,
        )
        path = models_dir / "reports" / f"{name}-{dataset}-{split}-{protocol}.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(report.to_json())
        written.append(path)
    return written


_Counted = tuple[dict[str, ClassCounts], dict[str, AgeErrors], dict[str, str]]


def _judged(manifest: Manifest, faces: Mapping[str, Faces], photos: bool) -> Iterator[tuple[str, str, str, _Counted]]:
    for profile in PROFILES:
        entry = manifest.profiles[profile]
        files = _files(manifest, entry)
        analyzer = FaceAnalyzer(manifest, profile)
        for dataset, of in faces.items():
            outputs = [output for output in of.labels if output in entry.traits]
            answers = analyzer.ensemble.predict(of.crops, outputs)
            yield profile, dataset, "crops", (*_count(answers, of, entry.traits), files)
            if photos:
                yield profile, dataset, "photos", (*_count_photos(analyzer, of, entry), files)
    accurate = manifest.profiles["accurate"]
    ensemble = Ensemble(manifest, accurate)
    for dataset, of in faces.items():
        for member, answers in ensemble.member_answers(of.crops).items():
            known = {name: values for name, values in answers.items() if name in of.labels}
            if known:
                file = manifest.members[member]
                counted = _count(known, of, accurate.traits)
                yield member, dataset, "crops", (*counted, {file.path.parent.name + "/" + file.path.name: file.sha256})


def _files(manifest: Manifest, entry: ProfileEntry) -> dict[str, str]:
    members = sorted({member for trait in entry.traits.values() for member in trait.weights})
    files = {f"{member}/network.tflite": manifest.members[member].sha256 for member in members}
    return {"centerface/network.onnx": manifest.detector_sha256, **files}


def _age_group_index(ages: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.searchsorted([upper for _, upper in AGE_GROUPS if upper is not None], ages)


def _count(
    answers: Mapping[str, NDArray[np.float32]], faces: Faces, traits: Mapping[str, TraitEntry]
) -> tuple[dict[str, ClassCounts], dict[str, AgeErrors]]:
    classes: dict[str, ClassCounts] = {}
    ages: dict[str, AgeErrors] = {}
    for output, probabilities in answers.items():
        labels, known = faces.labels[output]
        if output == "age":
            mass = traits["age"].interval_mass
            assert mass is not None
            ages = age_errors(labels, expected_years(probabilities), central_interval(probabilities, mass))
            groups = group_probabilities(probabilities)
            classes["age_group"] = class_counts(_age_group_index(labels), groups, AGE_GROUP_NAMES)
            continue
        names = traits[output].classes
        classes[output] = class_counts(labels[known], probabilities[known], names)
        if faces.duplicated.any():
            alone = known & ~faces.duplicated
            classes[f"{output}_without_duplicates"] = class_counts(labels[alone], probabilities[alone], names)
    return classes, ages


def _count_photos(
    analyzer: FaceAnalyzer, faces: Faces, entry: ProfileEntry
) -> tuple[dict[str, ClassCounts], dict[str, AgeErrors]]:
    """The whole pipeline on every picture; of several faces the one nearest to the middle counts."""
    found: list[Any] = []
    for picture in tqdm(faces.pictures, desc=f"{analyzer.profile}: whole pictures", unit=" pictures"):
        distances = [(distance_from_middle(f.detection, picture), f) for f in analyzer.analyze(picture).faces]
        found.append(min(distances, key=itemgetter(0), default=(0.0, None))[1])
    seen = np.array([face is not None for face in found])
    classes: dict[str, ClassCounts] = {}
    ages: dict[str, AgeErrors] = {}
    for output, (labels, known) in faces.labels.items():
        if output == "expression_fer2013":  # not part of the app's answer
            continue
        chosen = known & seen
        missed = int((known & ~seen).sum())
        traits = [getattr(found[i].traits, output) for i in np.nonzero(chosen)[0]]
        if output == "age":
            years = np.array([t.years for t in traits])
            ages = age_errors(labels[chosen], years, np.array([t.interval for t in traits]))
            groups = np.array([t.groups.probabilities for t in traits])
            classes["age_group"] = class_counts(_age_group_index(labels[chosen]), groups, AGE_GROUP_NAMES, missed)
        else:
            probabilities = np.array([t.probabilities for t in traits])
            classes[output] = class_counts(labels[chosen], probabilities, entry.traits[output].classes, missed)
    return classes, ages
