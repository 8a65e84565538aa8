"""Small faces in large pictures: which are found, how long the search takes, and what is taken for a face that is none.

``python -m benchmarks.small_faces [--quick] [--out FILE]``. Faces of the page's portraits are pasted onto textures; the
pictures without people are parts of those that come with scikit-image. The search as it is for photos is compared with
the one for live video, which has the same passes and neither tiles nor closer looks.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import Any, Final, NamedTuple

import cv2
import numpy as np
import skimage.data
from numpy.typing import NDArray

from benchmarks.reporting import table, this_machine, write_results
from facetraits import decode_image
from facetraits.faces.detection import FaceDetector
from facetraits.registry import load_manifest
from facetraits.types import FaceDetection
from tests.builders import ROOT
from ui.photo.sample_row import PORTRAITS

RESULTS: Final = ROOT / "benchmarks" / "results" / "small_faces.json"
_SIZES: Final = (
    *((4032, 3024, px) for px in (20, 24, 30)),
    *((8064, 6048, px) for px in (30, 40)),
    (12000, 9000, 60),
    *((33000, 2000, px) for px in (40, 250)),
)
_IN_PICTURE: Final = 10  # faces of one picture
_NO_PEOPLE: Final = (
    *("chelsea", "coffee", "rocket", "brick", "grass", "gravel", "coins", "hubble_deep_field", "moon"),
    *("retina", "immunohistochemistry", "page", "text", "clock", "horse"),
)
_SAME_FACE: Final = 0.35  # overlap of a found box with a pasted one


class Portrait(NamedTuple):
    """A face cut out of a portrait, with hair and neck, and where its box lies in the cut."""

    image: NDArray[np.uint8]
    box_xyxy: NDArray[np.float32]


def portraits(detector: FaceDetector) -> list[Portrait]:
    made = []
    for image in (skimage.data.astronaut(), *(decode_image(path.read_bytes()) for path in PORTRAITS)):
        face = detector.detect(image)[0]
        left, top = np.maximum(face.box_xyxy[:2] - 0.4 * face.size_px, 0).astype(int)
        right, bottom = (face.box_xyxy[2:] + 0.4 * face.size_px).astype(int)
        made.append(Portrait(image[top:bottom, left:right], face.box_xyxy - np.float32([left, top, left, top])))
    return made


def ground(rng: np.random.Generator, width: int, height: int, kind: int) -> NDArray[np.uint8]:
    """A texture without faces: coarse colours, noise of all sizes, or a material as a camera sees it."""
    if kind == 0:
        coarse = rng.integers(60, 190, (max(2, height // 200), max(2, width // 200), 3), dtype=np.uint8)
        return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    if kind == 1:
        whole = np.full((height, width, 3), 120, dtype=np.float32)
        for step in (1, 4, 16, 64, 256):
            noise = rng.normal(0, 14, (-(-height // step), -(-width // step), 3)).astype(np.float32)
            whole += cv2.resize(noise, (width, height), interpolation=cv2.INTER_LINEAR)
        return np.clip(whole, 0, 255).astype(np.uint8)
    name = ("grass", "gravel", "brick", "coffee", "rocket")[int(rng.integers(5))]
    piece = rgb(name)
    piece = np.concatenate([piece, piece[:, ::-1]], axis=1)
    piece = np.concatenate([piece, piece[::-1]])
    return np.ascontiguousarray(
        np.tile(piece, (-(-height // piece.shape[0]), -(-width // piece.shape[1]), 1))[:height, :width]
    )


def rgb(name: str) -> NDArray[np.uint8]:
    image: NDArray[np.uint8] = np.asarray(getattr(skimage.data, name)())
    if image.dtype == bool:
        image = image.astype(np.uint8) * 255
    return np.repeat(image[..., None], 3, axis=2) if image.ndim == 2 else image


def scene(
    rng: np.random.Generator, width: int, height: int, face_px: int, kind: int, faces: Sequence[Portrait]
) -> tuple[NDArray[np.uint8], list[NDArray[np.float32]]]:
    """A picture with ``_IN_PICTURE`` faces, ``face_px`` wide, and their boxes."""
    picture, boxes = ground(rng, width, height, kind), []
    for i in range(_IN_PICTURE):
        portrait = faces[int(rng.integers(len(faces)))]
        scale = face_px / (portrait.box_xyxy[2] - portrait.box_xyxy[0])
        small = cv2.resize(portrait.image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        left = int((i + rng.random() * 0.7) * width / _IN_PICTURE)
        left, top = min(left, width - small.shape[1]), int(rng.random() * (height - small.shape[0]))
        picture[top : top + small.shape[0], left : left + small.shape[1]] = small
        boxes.append(portrait.box_xyxy * scale + np.float32([left, top, left, top]))
    return picture, boxes


def is_at(face: FaceDetection, box: NDArray[np.float32]) -> bool:
    shared = np.minimum(face.box_xyxy[2:], box[2:]) - np.maximum(face.box_xyxy[:2], box[:2])
    area = float(np.clip(shared, 0, None).prod())
    return area / (face.size_px**2 + float((box[2:] - box[:2]).prod()) - area) > _SAME_FACE


def measure_recall(photos: FaceDetector, live: FaceDetector, trials: int) -> Iterator[dict[str, Any]]:
    """One row per size of picture and face: shares of the faces found, and seconds per picture."""
    faces = portraits(photos)
    for width, height, face_px in _SIZES:
        rng = np.random.default_rng(face_px)
        found, false, seconds = {"photos": 0, "live": 0}, 0, []
        for number in range(-(-trials // _IN_PICTURE)):
            picture, boxes = scene(rng, width, height, face_px, number % 3, faces)
            for name, detector in (("photos", photos), ("live", live)):
                started = time.perf_counter()
                seen = detector.detect(picture)
                if name == "photos":
                    seconds.append(time.perf_counter() - started)
                    false += sum(not any(is_at(face, box) for box in boxes) for face in seen)
                found[name] += sum(any(is_at(face, box) for face in seen) for box in boxes)
        faces_in_all = len(seconds) * _IN_PICTURE
        yield {
            "picture": f"{width} x {height}",
            "face_px": face_px,
            "faces": faces_in_all,
            "found": round(found["photos"] / faces_in_all, 3),
            "found_without_tiles": round(found["live"] / faces_in_all, 3),
            "false_faces": false,
            "seconds": round(median(seconds), 2),
        }


def measure_time(photos: FaceDetector, live: FaceDetector, rounds: int) -> Iterator[dict[str, Any]]:
    """One row per size of a picture without faces: medians of rounds in turns."""
    rng = np.random.default_rng(0)
    for width, height in ((1600, 1200), (4032, 3024), (8064, 6048), (12000, 9000)):
        picture = ground(rng, width, height, 1)
        seconds: dict[str, list[float]] = {"photos": [], "live": []}
        for _ in range(rounds):
            for name, detector in (("photos", photos), ("live", live)):
                started = time.perf_counter()
                detector.detect(picture)
                seconds[name].append(time.perf_counter() - started)
        ours, others = (median(seconds[name]) for name in ("photos", "live"))
        yield {
            "picture": f"{width} x {height}",
            "seconds": round(ours, 2),
            "seconds_without_tiles": round(others, 2),
            "ratio": round(ours / others, 1),
        }


def parts_without_people(count: int) -> Iterator[NDArray[np.uint8]]:
    """Seeded parts of pictures without people, enlarged, turned, mirrored and of other light."""
    rng = np.random.default_rng(7)
    whole = [rgb(name) for name in _NO_PEOPLE] + list(skimage.data.stereo_motorcycle()[:2])
    for _ in range(count):
        image = whole[int(rng.integers(len(whole)))]
        height = max(24, int(image.shape[0] * np.exp(rng.uniform(np.log(0.12), 0))))
        width = max(24, min(image.shape[1], int(height * rng.uniform(0.8, 1.6))))
        top, left = (int(rng.integers(0, image.shape[i] - side + 1)) for i, side in enumerate((height, width)))
        part = image[top : top + height, left : left + width]
        scale = float(rng.choice([300, 500, 700, 1000])) / max(height, width)
        part = cv2.resize(
            part, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
        )
        part = np.rot90(part, int(rng.choice([0, 0, 0, 1, 2])))[:, :: int(rng.choice([1, -1]))]
        light = (part.astype(np.float32) - 128) * rng.uniform(0.7, 1.5) + 128 + rng.uniform(-30, 30)
        yield np.ascontiguousarray(np.clip(light, 0, 255).astype(np.uint8))


def measure_false(photos: FaceDetector, live: FaceDetector, count: int) -> dict[str, int]:
    """Faces found in pictures without any."""
    false = {"pictures": count, "false_faces": 0, "false_faces_without_looks": 0}
    for part in parts_without_people(count):
        false["false_faces"] += len(photos.detect(part))
        false["false_faces_without_looks"] += len(live.detect(part))
    return false


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, help="where the results go as JSON (default: beside this script)")
    parser.add_argument("--quick", action="store_true", help="few trials; written only with --out")
    asked = parser.parse_args()
    machine, manifest = this_machine(), load_manifest()
    sides = manifest.profiles["accurate"].long_sides_px
    photos, live = (FaceDetector(manifest.serving_detector, sides, tiled, threads=2) for tiled in (True, False))
    results = {
        "machine": machine,
        "time": list(measure_time(photos, live, 1 if asked.quick else 5)),
        "recall": list(measure_recall(photos, live, 10 if asked.quick else 100)),
        "false_faces": measure_false(photos, live, 50 if asked.quick else 300),
    }
    write_results(results, asked.out or (None if asked.quick else RESULTS))
    print("\n\n".join(table(rows) for rows in (results["time"], results["recall"], [results["false_faces"]])))


if __name__ == "__main__":
    main()
