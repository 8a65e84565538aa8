"""Count the data sets before and after cleaning: `python -m facetraits datasets`."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facetraits.age import AGE_GROUP_NAMES, group_index
from facetraits.reports.data_summary import DataSummary, Distribution, Removed, write_data_summaries
from facetraits.training.data.datasets import (
    ETHNICITIES,
    FER2013_CLASSES,
    FERPLUS_CLASSES,
    GENDERS,
    RAF_DB_CLASSES,
    UTKFACE_MAX_AGE,
)
from facetraits.training.data.samples import data_version, load_all_age_faces, load_fer2013, load_raf_db, load_utkface
from facetraits.training.data.splits import (
    LEFT_OUT,
    fer2013_like_held_back,
    fer2013_train_mask,
    ferplus_majority,
    ferplus_targets,
)
from facetraits.training.provenance import code_commit

_SPLITS = ("train", "validation", "test")
_AGE_STEP = 5
_LIKE_HELD_BACK = "Nearly the same picture is in a validation or test split, of this set or of another"


def summarize(data: Path, models_dir: Path) -> Path:
    """Count all sets and write ``models_dir/datasets.json``."""
    code_commit()  # as it is now
    detector = models_dir / "centerface" / "network.onnx"
    count = (_utkface, _all_age_faces, _fer2013, _raf_db)
    return write_data_summaries(tuple(of(data, detector) for of in count), models_dir)


def _utkface(data: Path, detector: Path) -> DataSummary:
    utk = load_utkface(data, detector)
    age, gender, ethnicity = utk.labels.T
    found = ~np.isnan(utk.detections[:, 0])
    used = found | (utk.splits != "train")
    edges = range(0, UTKFACE_MAX_AGE + 1, _AGE_STEP)
    labels: dict[str, tuple[NDArray[np.int64], Sequence[str]]] = {
        "age": (age // _AGE_STEP, [f"{low}-{low + _AGE_STEP - 1}" for low in edges]),
        "age_group": (group_index(age), AGE_GROUP_NAMES),
        "gender": (gender, GENDERS),
        "ethnicity": (ethnicity, ETHNICITIES),
    }
    everybody = np.ones(len(age), dtype=bool)
    return DataSummary(
        name="utkface",
        title="UTKFace",
        licence="For non-commercial research only.",
        files=data_version(data, ["utkface"]),
        pictures=len(age) + len(utk.malformed),
        removed=(
            Removed("The file name does not give age, gender and ethnicity", len(utk.malformed), "all splits"),
            Removed("No face was found in the picture", int((~used).sum()), "training"),
        ),
        distributions={
            name: _distribution(values, names, everybody, used, utk.splits) for name, (values, names) in labels.items()
        },
        **_origin(),
    )


def _all_age_faces(data: Path, detector: Path) -> DataSummary:
    aaf = load_all_age_faces(data, detector)
    age, gender = aaf.labels.T
    used = ~np.isnan(aaf.detections[:, 0]) | (aaf.splits != "train")
    kept = used & (aaf.splits != LEFT_OUT)
    edges = range(0, int(age.max()) + 1, _AGE_STEP)
    labels: dict[str, tuple[NDArray[np.int64], Sequence[str]]] = {
        "age": (age // _AGE_STEP, [f"{low}-{low + _AGE_STEP - 1}" for low in edges]),
        "age_group": (group_index(age), AGE_GROUP_NAMES),
        "gender": (gender, GENDERS),
    }
    everybody = np.ones(len(age), dtype=bool)
    return DataSummary(
        name="all-age-faces",
        title="All-Age-Faces",
        licence="No licence is stated; its authors ask to be cited (Cheng et al. 2019).",
        files=data_version(data, ["all-age-faces"]),
        pictures=len(age) + len(aaf.malformed),
        removed=(
            Removed("The file name does not give age and gender", len(aaf.malformed), "all splits"),
            Removed(_LIKE_HELD_BACK, int((aaf.splits == LEFT_OUT).sum()), "training"),
            Removed("No face was found in the picture", int((~used).sum()), "training"),
        ),
        distributions={
            name: _distribution(values, names, everybody, kept, aaf.splits) for name, (values, names) in labels.items()
        },
        **_origin(),
    )


def _raf_db(data: Path, detector: Path) -> DataSummary:
    raf = load_raf_db(data, detector)
    used = ~np.isnan(raf.detections[:, 0]) | (raf.splits != "train")
    kept = used & (raf.splits != LEFT_OUT)
    everybody = np.ones(len(raf.labels), dtype=bool)
    return DataSummary(
        name="raf-db",
        title="RAF-DB",
        licence="For non-commercial research only (Li et al. 2017).",
        files=data_version(data, ["raf-db"]),
        pictures=len(raf.labels),
        removed=(
            Removed(_LIKE_HELD_BACK, int((raf.splits == LEFT_OUT).sum()), "training"),
            Removed("No face was found in the picture", int((~used).sum()), "training"),
        ),
        distributions={"expression_raf_db": _distribution(raf.labels, RAF_DB_CLASSES, everybody, kept, raf.splits)},
        **_origin(),
    )


def _fer2013(data: Path, detector: Path) -> DataSummary:
    fer, _ = load_fer2013(data, detector)
    trained = fer2013_train_mask(fer)
    train = fer.splits == "train"
    used = trained | ~train
    majority = ferplus_majority(fer)
    _, voted = ferplus_targets(fer)
    clear = majority >= 0
    everybody = np.ones(len(fer.labels), dtype=bool)
    repeated = train & fer2013_like_held_back(fer)
    return DataSummary(
        name="fer2013",
        title="FER2013 with the votes of FER+",
        licence="Kaggle's terms for FER2013; the FER+ labels are MIT.",
        files=data_version(data, ["fer2013"]),
        pictures=len(fer.labels),
        removed=(
            Removed(
                "FER+ names no picture for the row, so it may not be the original one",
                int((train & fer.restored).sum()),
                "training",
            ),
            Removed(
                "The identical picture is in the validation or test split",
                int((repeated & ~fer.restored).sum()),
                "training",
            ),
            Removed(
                "FER+: more people could not tell than agreed on any expression; only FER2013's label is used",
                int((trained & ~voted).sum()),
                "training on FER+ votes",
            ),
            Removed(
                "FER+: no expression has more votes than every other; only FER2013's label is used",
                int((~train & ~clear).sum()),
                "validation and test on FER+",
            ),
        ),
        distributions={
            "expression_fer2013": _distribution(fer.labels, FER2013_CLASSES, everybody, used, fer.splits),
            "expression": _distribution(majority, FERPLUS_CLASSES, clear, used & clear, fer.splits),
        },
        **_origin(),
    )


def _distribution(
    labels: NDArray[np.integer],
    names: Sequence[str],
    labelled: NDArray[np.bool_],
    used: NDArray[np.bool_],
    splits: NDArray[np.str_],
) -> Distribution:
    """Counts of every class among the labelled rows, and among the used ones of each split."""

    def counts(of: NDArray[np.bool_]) -> tuple[int, ...]:
        return tuple(int(n) for n in np.bincount(labels[of], minlength=len(names)))

    return Distribution(tuple(names), counts(labelled), {s: counts(used & (splits == s)) for s in _SPLITS})


def _origin() -> Mapping[str, str]:
    return {"date": datetime.datetime.now(datetime.UTC).date().isoformat(), "commit": code_commit()}
