"""Measures steadiness on many versions of the same faces: part of `python -m facetraits evaluate`."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from facetraits.age import median_years
from facetraits.ensemble import Ensemble
from facetraits.faces.alignment import CROPS, align_faces
from facetraits.registry import Manifest, ProfileName, profile_files
from facetraits.reports.steadiness import CLASS_TRAITS, FOLDER, SteadinessReport, counted
from facetraits.training.data.faces import Faces
from facetraits.training.provenance import code_commit
from facetraits.types import FaceDetection

SAMPLE: Final = 300  # faces of a data set
_Picture = NDArray[np.uint8]
_Version = Callable[[_Picture, FaceDetection], tuple[_Picture, FaceDetection]]


def measure_steadiness(
    manifest: Manifest, profile: ProfileName, faces: Mapping[str, Faces], split: str
) -> Iterator[Path]:
    """Write a report for each data set that knows where the faces are; yields the files."""
    ensemble = Ensemble(manifest, manifest.profiles[profile])
    for dataset, of in faces.items():
        if not of.detections:
            continue
        found = sample(of)
        years, classes = _answers(ensemble, found, f"{profile}, {dataset}: versions")
        deviation, shift, changes, changed = counted(years, classes)
        report = SteadinessReport(
            model=profile,
            dataset=dataset,
            split=split,
            weights_sha256=profile_files(manifest, profile),
            versions=tuple(VERSIONS),
            faces=len(found),
            age_deviation=deviation,
            age_shift=shift,
            changes=changes,
            changed=changed,
            commit=code_commit(),
            date=datetime.datetime.now(datetime.UTC).date().isoformat(),
        )
        path = manifest.models_dir / FOLDER / f"{profile}-{dataset}-{split}.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(report.to_json())
        yield path


def sample(faces: Faces) -> list[tuple[_Picture, FaceDetection]]:
    """``SAMPLE`` of the pictures in which a face was found, with the face; the same every time."""
    pairs = zip(faces.pictures, faces.detections, strict=True)
    found = [(picture, detection) for picture, detection in pairs if detection is not None]
    order = np.random.default_rng(0).permutation(len(found))
    return [found[i] for i in sorted(order[:SAMPLE])]


def _answers(
    ensemble: Ensemble, found: list[tuple[_Picture, FaceDetection]], words: str
) -> tuple[NDArray[np.float64], dict[str, NDArray[np.int64]]]:
    """(V, N) years, and trait to (V, N) classes."""
    years, classes = [], {trait: [] for trait in CLASS_TRAITS}  # type: ignore[var-annotated]
    for version in tqdm(VERSIONS.values(), desc=words, unit=" versions"):
        seen = [version(picture, detection) for picture, detection in found]
        crops = {
            name: np.concatenate([align_faces(picture, [detection], CROPS[name]) for picture, detection in seen])
            for name in ensemble.crop_names
        }
        probabilities = ensemble.predict(crops, ("age", *CLASS_TRAITS))
        years.append(median_years(probabilities["age"]))
        for trait in CLASS_TRAITS:
            classes[trait].append(probabilities[trait].argmax(axis=1))
    return np.stack(years), {trait: np.stack(rows) for trait, rows in classes.items()}


# ------------------------------------------------------------------------------------------------------------ versions


def _moved(detection: FaceDetection, matrix: NDArray[np.float64]) -> FaceDetection:
    """A face where (2, 3) ``matrix`` takes it; its box is that of the moved corners."""
    x1, y1, x2, y2 = (float(v) for v in detection.box_xyxy)
    corners = np.array([[x1, y1], [x2, y1], [x2, y2], [x1, y2]]) @ matrix[:, :2].T + matrix[:, 2]
    box = np.concatenate([corners.min(axis=0), corners.max(axis=0)]).astype(np.float32)
    landmarks = (detection.landmarks @ matrix[:, :2].T + matrix[:, 2]).astype(np.float32)
    return FaceDetection(box, landmarks, detection.score)


def _sized(factor: float) -> _Version:
    def version(picture: _Picture, detection: FaceDetection) -> tuple[_Picture, FaceDetection]:
        size_wh = (max(8, round(picture.shape[1] * factor)), max(8, round(picture.shape[0] * factor)))
        how = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
        ratio = np.array(size_wh) / picture.shape[1::-1]
        matrix = np.column_stack([np.diag(ratio), 0.5 * ratio - 0.5])
        return cv2.resize(picture, size_wh, interpolation=how), _moved(detection, matrix)  # type: ignore[return-value]

    return version


def _turned(degrees: float) -> _Version:
    def version(picture: _Picture, detection: FaceDetection) -> tuple[_Picture, FaceDetection]:
        height, width = picture.shape[:2]
        size_wh, border = (width, height), cv2.BORDER_REPLICATE
        matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), degrees, 1.0)
        turned = cv2.warpAffine(picture, matrix, size_wh, flags=cv2.INTER_CUBIC, borderMode=border)
        # The detector sees a turned face a little differently: here its points turn exactly.
        return turned, _moved(detection, np.asarray(matrix))  # type: ignore[return-value]

    return version


def _shifted(right: float, down: float, larger: float = 1.0) -> _Version:
    """The crop lies beside where it should, by shares of the face's size: as if the detector had erred."""

    def version(picture: _Picture, detection: FaceDetection) -> tuple[_Picture, FaceDetection]:
        middle = detection.landmarks.mean(axis=0)
        step = np.array([right, down]) * detection.size_px
        matrix = np.column_stack([np.eye(2) * larger, middle * (1 - larger) + step])
        return picture, _moved(detection, matrix)

    return version


def _pixels(change: Callable[[_Picture, float], _Picture]) -> _Version:
    """A change of the picture alone; it is told the face's size in px."""
    return lambda picture, detection: (change(picture, detection.size_px), detection)


def _jpeg(quality: int) -> _Version:
    def change(picture: _Picture, _: float) -> _Picture:
        options = [cv2.IMWRITE_JPEG_QUALITY, quality]
        _, encoded = cv2.imencode(".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), options)
        return cv2.imdecode(encoded, cv2.IMREAD_COLOR_RGB)  # type: ignore[return-value]

    return _pixels(change)


def _blurred(share: float) -> _Version:
    return _pixels(lambda picture, size: cv2.GaussianBlur(picture, (0, 0), share * size))  # type: ignore[return-value,arg-type]


def _sharpened(amount: float) -> _Version:
    def change(picture: _Picture, size: float) -> _Picture:
        soft = cv2.GaussianBlur(picture, (0, 0), 0.01 * size)
        return cv2.addWeighted(picture, 1 + amount, soft, -amount, 0)  # type: ignore[return-value]

    return _pixels(change)


def _lit(red: float, green: float, blue: float) -> _Version:
    factors = np.array([red, green, blue], dtype=np.float32)
    return _pixels(lambda picture, _: np.clip(np.round(picture * factors), 0, 255).astype(np.uint8))


def _grey(picture: _Picture, _: float) -> _Picture:
    return cv2.cvtColor(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)  # type: ignore[return-value]


VERSIONS: Final[Mapping[str, _Version]] = {
    "as it is": lambda picture, detection: (picture, detection),
    "a quarter of the size": _sized(0.25),
    "a third of the size": _sized(0.35),
    "half the size": _sized(0.5),
    "three quarters of the size": _sized(0.75),
    "one and a half times the size": _sized(1.5),
    "twice the size": _sized(2.0),
    "three times the size": _sized(3.0),
    "JPEG 30": _jpeg(30),
    "JPEG 50": _jpeg(50),
    "JPEG 75": _jpeg(75),
    "JPEG 95": _jpeg(95),
    "blurred a little": _blurred(0.01),
    "blurred": _blurred(0.02),
    "sharpened": _sharpened(1.0),
    "sharpened much": _sharpened(2.0),
    "dark": _lit(0.55, 0.55, 0.55),
    "bright": _lit(1.4, 1.4, 1.4),
    "warm": _lit(1.15, 1.0, 0.85),
    "cool": _lit(0.85, 1.0, 1.15),
    "grey": _pixels(_grey),
    "turned left": _turned(10),
    "turned right": _turned(-10),
    "crop beside the face": _shifted(0.04, 0.03),
    "crop too large": _shifted(0.0, -0.02, 1.08),
}
