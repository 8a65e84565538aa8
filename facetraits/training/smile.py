"""webcam-guesser's smile detector: a support vector classifier on histograms of oriented gradients.

`python -m facetraits train smile-svc`. It is a reference: it is judged like the networks, and not served.
"""

from __future__ import annotations

import csv
import json
import platform
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import cv2
import joblib
import numpy as np
import sklearn
from numpy.typing import NDArray
from skimage.feature import hog
from sklearn.calibration import CalibratedClassifierCV
from sklearn.decomposition import PCA
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import accuracy_score, log_loss
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from tqdm import tqdm

from facetraits.faces.alignment import CROPS
from facetraits.training.data.samples import data_version, fer2013_samples, load_fer2013
from facetraits.training.provenance import code_commit
from facetraits.training.reference_recipes import SMILE_SVC

CROP: Final = "face-tight-v1"
FILE: Final = "svc.joblib"
_SIDE_PX: Final = 48
_SEED: Final = 1
# A support vector classifier has no epochs: its curve goes over the number of training pictures.
_SIZES: Final = (1000, 2000, 4000, 8000, 16000)
_PENALTIES: Final = (0.5, 1.0, 2.0, 4.0)
_SIZE_OF_CHOICE: Final = 4000
_COMPONENTS: Final = 100  # of 900 features, so that a fit on all pictures takes minutes, not hours


def features(crops: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(N, 900) histograms of oriented gradients (Dalal & Triggs 2005) of (N, S, S, 3) crops, in grey at 48 px."""
    rows = []
    for crop in crops:
        grey = cv2.resize(cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY), (_SIDE_PX, _SIDE_PX), interpolation=cv2.INTER_AREA)
        rows.append(hog(grey, orientations=9, pixels_per_cell=(8, 8), cells_per_block=(2, 2)))
    return np.array(rows, dtype=np.float32)


def train_smile(data: Path, detector_network: Path, runs: Path) -> Path:
    """Fit the classifier on growing parts of the training split, then on all of it; the best on validation is kept.

    C is chosen on validation too. Writes ``history.csv`` (a row per fit), ``svc.joblib`` and ``record.json`` below
    ``runs/smile-svc``.

    Returns:
        That folder.
    """
    run = runs / SMILE_SVC
    run.mkdir(parents=True, exist_ok=True)
    origin = {"data": data_version(data, ["fer2013"]), "commit": code_commit()}  # as they are now
    fer, detections = load_fer2013(data, detector_network)
    x, y = _smiles(fer2013_samples(fer, detections, "train", CROPS[CROP]))
    x_validation, y_validation = _smiles(fer2013_samples(fer, detections, "validation", CROPS[CROP]))
    order = np.random.default_rng(_SEED).permutation(len(x))

    def fit(size: int, penalty: float) -> CalibratedClassifierCV:
        svc = _pipeline(penalty, size).fit(x[order[:size]], y[order[:size]])
        return calibrated(svc, x_validation, y_validation)

    def loss(classifier: CalibratedClassifierCV) -> float:
        return float(log_loss(y_validation, classifier.predict_proba(x_validation), labels=(0, 1)))

    penalty = min(_PENALTIES, key=lambda c: loss(fit(min(_SIZE_OF_CHOICE, len(x)), c)))
    rows: list[dict[str, float]] = []
    sizes = [size for size in _SIZES if size < len(x)] + [len(x)]
    for size in tqdm(sizes, desc=SMILE_SVC, unit=" fits"):
        started = time.perf_counter()
        classifier = fit(size, penalty)
        seconds = time.perf_counter() - started
        judged = {"": (x[order[: min(size, 2000)]], y[order[: min(size, 2000)]]), "val_": (x_validation, y_validation)}
        row: dict[str, float] = {"epoch": len(rows), "pictures": size, "seconds": round(seconds, 1)}
        for prefix, (seen, labels) in judged.items():
            probabilities = classifier.predict_proba(seen)
            row[f"{prefix}categorical_accuracy"] = float(accuracy_score(labels, probabilities.argmax(axis=1)))
            row[f"{prefix}loss"] = float(log_loss(labels, probabilities, labels=(0, 1)))
        rows.append(row)
        if row["val_loss"] == min(row["val_loss"] for row in rows):
            joblib.dump(classifier, run / FILE, compress=3)
    counts = {"train": len(x), "validation": len(x_validation)}
    _write(run, rows, penalty, counts, origin)
    return run


def _pipeline(penalty: float, pictures: int) -> Pipeline:
    components = PCA(min(_COMPONENTS, pictures // 2), whiten=True, random_state=_SEED)
    return make_pipeline(StandardScaler(), components, SVC(C=penalty, cache_size=1000))


def calibrated(svc: Pipeline, x: NDArray[np.float32], y: NDArray[np.integer]) -> CalibratedClassifierCV:
    """The classifier with its decision values turned into probabilities on validation (Platt 1999)."""
    return CalibratedClassifierCV(FrozenEstimator(svc), method="sigmoid").fit(x, y)


def load_smile(path: Path) -> CalibratedClassifierCV:
    """What ``train_smile`` wrote. Load only files of your own making: such a file can run code."""
    return joblib.load(path)


def predict_smile(classifier: CalibratedClassifierCV, crops: NDArray[np.uint8]) -> NDArray[np.float64]:
    """(N, 2) probabilities in the order of ``SMILE_CLASSES``, for (N, S, S, 3) crops."""
    probabilities: NDArray[np.float64] = classifier.predict_proba(features(crops))
    return probabilities


def _smiles(samples: Any) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Features and labels of the rows on which FER+ has an opinion."""
    voted = samples.weights["smile"] > 0
    return features(samples.crops[voted]), samples.targets["smile"][voted].argmax(axis=1)


def _write(
    run: Path, rows: list[dict[str, float]], penalty: float, samples: Mapping[str, int], origin: Mapping[str, Any]
) -> None:
    with (run / "history.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    record = {
        "recipe": {
            "name": SMILE_SVC,
            "heads": ["smile"],
            "network": "support vector classifier (radial basis functions) on the principal components of HOG features",
            "input_px": _SIDE_PX,
            "crop": CROP,
            "source": "webcam-guesser",
            "augmentation": "none",
            "penalty": penalty,
            "step": "fit",
            "seed": _SEED,
        },
        "samples": samples,
        "epochs_run": len(rows),
        "best_epoch": 1 + min(range(len(rows)), key=lambda i: rows[i]["val_loss"]),
        "training_seconds": round(sum(row["seconds"] for row in rows)),
        **origin,
        "environment": {
            "python": platform.python_version(),
            "machine": platform.machine(),
            "scikit-learn": sklearn.__version__,
            "numpy": np.__version__,
        },
    }
    (run / "record.json").write_text(json.dumps(record, indent=2) + "\n")
