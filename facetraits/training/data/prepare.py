"""Prepare the training data with the detector and the alignment that serve.

Step 1, `detect_*`: find the face of every picture once and keep its landmarks. The sets are pre-cropped, so the
detector sees a padded (FER2013: also enlarged) copy; the landmarks are given in px of the original picture.
Step 2, `crops_*`: cut the crops of one geometry; seconds per set, so it is done afresh for every training run.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from facetraits.faces.alignment import CropSpec, align_faces
from facetraits.faces.detection import FaceDetector
from facetraits.training.data.datasets import (
    AllAgeFacesItem,
    Fer2013,
    UtkFaceItem,
    read_all_age_faces,
    read_raf_db,
    read_utkface,
)
from facetraits.types import FaceDetection

_UTKFACE_PADDING_PX: Final = 50
_FER2013_ENLARGEMENT: Final = 4
_FER2013_PADDING_PX: Final = 64  # px of the enlarged picture
_ALL_AGE_FACES_PADDING_PX: Final = 50
_RAF_DB_ENLARGEMENT: Final = 2
_RAF_DB_PADDING_PX: Final = 50  # px of the enlarged picture


def chip_detector(network: Path) -> FaceDetector:
    """The serving detector, set for pictures that hold one large face."""
    return FaceDetector(network, long_sides_px=(320,), tile_small_faces=False, min_score=0.3, threads=1)


def distance_from_middle(face: FaceDetection, picture: NDArray[np.integer | np.floating]) -> float:
    """Distance in px between the centres of a face's box and of its (H, W, 3) picture."""
    return float(np.linalg.norm(face.box_xyxy.reshape(2, 2).mean(axis=0) - np.array(picture.shape[1::-1]) / 2))


def detect_chip(
    detector: FaceDetector, image: NDArray[np.uint8], padding_px: int, enlargement: int = 1
) -> FaceDetection | None:
    """The face nearest to the middle of a pre-cropped picture, in its own px; None where none is found.

    Args:
        image: (H, W, 3) RGB.
        padding_px: grey border added on each side, in px after enlargement.
        enlargement: whole factor by which the picture is enlarged first.
    """
    if enlargement > 1:
        image = cv2.resize(image, None, fx=enlargement, fy=enlargement, interpolation=cv2.INTER_LINEAR)  # type: ignore[assignment]
    border = (padding_px,) * 4
    padded = cv2.copyMakeBorder(image, *border, cv2.BORDER_CONSTANT, value=(127, 127, 127))
    faces = detector.detect(padded)  # type: ignore[arg-type]
    if not faces:
        return None
    face = min(faces, key=lambda f: distance_from_middle(f, padded))

    def original(points: NDArray[np.float32]) -> NDArray[np.float32]:
        # px centres: x = (X - padding + 0.5) / enlargement - 0.5
        moved: NDArray[np.float32] = (points - padding_px + 0.5) / np.float32(enlargement) - np.float32(0.5)
        return moved

    return FaceDetection(original(face.box_xyxy), original(face.landmarks), face.score)


def _rows(faces: Iterable[FaceDetection | None]) -> NDArray[np.float32]:
    """(N, 15) box, score, landmarks; a row of NaN where no face was found."""
    return np.array(
        [
            np.full(15, np.nan) if f is None else np.concatenate([f.box_xyxy, [f.score], f.landmarks.ravel()])
            for f in faces
        ],
        dtype=np.float32,
    )


def _detection(row: NDArray[np.float32]) -> FaceDetection:
    return FaceDetection(row[:4], row[5:].reshape(5, 2), float(row[4]))


def stored_detections(rows: NDArray[np.float32]) -> list[FaceDetection | None]:
    """N faces from their stored (N, 15) rows; None where none was found."""
    return [None if np.isnan(row[0]) else _detection(row) for row in rows]


def decode_chip(jpeg: bytes) -> NDArray[np.uint8]:
    """(H, W, 3) RGB of a data set's JPEG file; ValueError where it is broken."""
    bgr = cv2.imdecode(np.frombuffer(jpeg, dtype=np.uint8), cv2.IMREAD_COLOR)
    if bgr is None:
        raise ValueError("not a JPEG picture")
    return np.ascontiguousarray(bgr[..., ::-1])


def detect_utkface(tar: Path, network: Path, out: Path) -> None:
    """Write names, labels and (N, 15) detections of UTKFace to ``out`` (.npz), malformed names included."""
    detector = chip_detector(network)
    names, labels, faces, malformed = [], [], [], []
    for item in tqdm(read_utkface(tar), total=24_000, desc="UTKFace: faces", unit=" pictures"):
        if not isinstance(item, UtkFaceItem):
            malformed.append(item)
            continue
        names.append(item.name)
        labels.append((item.age, item.gender, item.ethnicity))
        faces.append(detect_chip(detector, decode_chip(item.jpeg), _UTKFACE_PADDING_PX))
    out.parent.mkdir(parents=True, exist_ok=True)
    np.savez(out, names=names, labels=labels, detections=_rows(faces), malformed=malformed)


def detect_all_age_faces(folder: Path, network: Path, out: Path) -> None:
    """Write names, labels, halves and (N, 15) detections of All-Age-Faces to ``out`` (.npz), malformed names too."""
    detector = chip_detector(network)
    names, labels, held_back, faces, malformed = [], [], [], [], []
    for item in tqdm(read_all_age_faces(folder), total=13_322, desc="All-Age-Faces: faces", unit=" pictures"):
        if not isinstance(item, AllAgeFacesItem):
            malformed.append(item)
            continue
        names.append(item.name)
        labels.append((item.age, item.gender))
        held_back.append(item.held_back)
        faces.append(detect_chip(detector, decode_chip(item.jpeg), _ALL_AGE_FACES_PADDING_PX))
    out.parent.mkdir(parents=True, exist_ok=True)
    np.savez(
        out,
        names=names,
        labels=labels,
        held_back=held_back,
        detections=_rows(faces),
        malformed=np.array(malformed, dtype=np.str_),
    )


def detect_raf_db(folder: Path, network: Path, out: Path) -> None:
    """Write names, labels, the authors' halves and (N, 15) detections of RAF-DB to ``out`` (.npz)."""
    detector = chip_detector(network)
    names, labels, halves, faces = [], [], [], []
    for item in tqdm(read_raf_db(folder), total=15_339, desc="RAF-DB: faces", unit=" pictures"):
        names.append(item.name)
        labels.append(item.expression)
        halves.append(item.split)
        faces.append(detect_chip(detector, decode_chip(item.jpeg), _RAF_DB_PADDING_PX, _RAF_DB_ENLARGEMENT))
    out.parent.mkdir(parents=True, exist_ok=True)
    np.savez(out, names=names, labels=labels, halves=halves, detections=_rows(faces))


def detect_fer2013(data: Fer2013, network: Path, out: Path) -> None:
    """Write (N, 15) detections of FER2013, in the order of its rows, to ``out`` (.npz)."""
    detector = chip_detector(network)
    faces = [
        detect_chip(detector, np.repeat(p[..., None], 3, axis=2), _FER2013_PADDING_PX, _FER2013_ENLARGEMENT)
        for p in tqdm(data.pixels, desc="FER2013: faces", unit=" pictures")
    ]
    out.parent.mkdir(parents=True, exist_ok=True)
    np.savez(out, detections=_rows(faces))


def crops_of(
    pictures: Iterable[NDArray[np.uint8]], detections: NDArray[np.float32], spec: CropSpec
) -> NDArray[np.uint8]:
    """(N, side_px, side_px, 3) crops of N pictures by their stored detections.

    Where no face was found the crop lies where faces of this set usually do (the median detection).
    """
    usual = np.nanmedian(detections, axis=0)
    crops = np.empty((len(detections), spec.side_px, spec.side_px, 3), dtype=np.uint8)
    for i, (picture, row) in enumerate(zip(pictures, detections, strict=True)):
        crops[i] = align_faces(picture, [_detection(usual if np.isnan(row[0]) else row)], spec)[0]
    return crops
