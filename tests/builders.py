"""Builders for tests: results, pictures, a fast stand-in for the analyzer; so a test states only what matters."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path

import cv2
import numpy as np
import skimage.data
from numpy.typing import NDArray

from facetraits.faces.detection import FaceDetector
from facetraits.registry import load_manifest
from facetraits.traits import TRAITS, TraitName
from facetraits.types import (
    AgePrediction,
    AnalysisResult,
    ClassPrediction,
    FaceDetection,
    FaceResult,
    FaceTraits,
    QualityIssue,
)

ROOT = Path(__file__).parent.parent
MODELS = ROOT / "models"
# The served networks that can be looked into; the first also answers FER2013's expressions, the other sees more.
FIRST_NETWORK, OTHER_NETWORK = load_manifest(MODELS).differentiable
GENDERS = ("male", "female")
ETHNICITIES = ("white", "black", "asian", "indian", "other")
EXPRESSIONS = ("neutral", "happy", "surprise", "sad", "angry", "disgust", "fear", "contempt")
AGE_GROUP_NAMES = ("0-20", "21-40", "41-60", "61-80", "81+")


def make_classes(
    classes: tuple[str, ...], top1: str, confidence: float = 0.9, unsure_below: float = 0.5
) -> ClassPrediction:
    """A prediction with ``confidence`` on ``top1`` and the rest spread evenly."""
    probabilities = np.full(len(classes), (1 - confidence) / (len(classes) - 1), dtype=np.float32)
    probabilities[classes.index(top1)] = confidence
    return ClassPrediction(classes, probabilities, unsure_below)


def make_traits(
    years: float = 34.0,
    gender: str = "female",
    ethnicity: str = "white",
    expression: str = "happy",
    confidence: float = 0.9,
    traits: Collection[TraitName] = TRAITS,
) -> FaceTraits:
    """Traits of one face; those not named in ``traits`` are None."""
    groups = make_classes(AGE_GROUP_NAMES, "21-40", confidence)
    age = AgePrediction(years, (max(0.0, years - 6), years + 6), 0.8, groups)
    return FaceTraits(
        age=age if "age" in traits else None,
        gender=make_classes(GENDERS, gender, confidence) if "gender" in traits else None,
        ethnicity=make_classes(ETHNICITIES, ethnicity, confidence) if "ethnicity" in traits else None,
        expression=make_classes(EXPRESSIONS, expression, confidence) if "expression" in traits else None,
    )


def make_detection(left: float = 100, top: float = 80, side: float = 120, score: float = 0.95) -> FaceDetection:
    """An upright frontal face in a square box."""
    points = np.array([[0.3, 0.4], [0.7, 0.4], [0.5, 0.6], [0.35, 0.8], [0.65, 0.8]])
    return FaceDetection(
        np.array([left, top, left + side, top + side], dtype=np.float32),
        (points * side + (left, top)).astype(np.float32),
        score,
    )


def make_face(quality: tuple[QualityIssue, ...] = (), left: float = 100, **traits: object) -> FaceResult:
    """One face with traits as of ``make_traits``."""
    return FaceResult(make_detection(left), quality, make_traits(**traits))  # type: ignore[arg-type]


def make_result(*faces: FaceResult, size_wh: tuple[int, int] = (640, 480)) -> AnalysisResult:
    """A result with these faces; without arguments, one without a face."""
    return AnalysisResult(size_wh, faces, {"detect": 10.0, "align": 1.0, "predict": 5.0, "total": 16.0})


class FakeAnalyzer:
    """Really detects, but answers every trait the same: for tests of what lies around the networks."""

    def __init__(self) -> None:
        self._detector = FaceDetector(MODELS / "centerface" / "network_int8.onnx", threads=1)
        self.calls: list[tuple[TraitName, ...]] = []

    def analyze(
        self,
        image: NDArray[np.uint8],
        traits: Collection[TraitName] = TRAITS,
        progress: Callable[[float], None] | None = None,
    ) -> AnalysisResult:
        """See ``FaceAnalyzer.analyze``."""
        self.calls.append(tuple(t for t in TRAITS if t in traits))
        faces = tuple(FaceResult(d, (), make_traits(traits=traits)) for d in self._detector.detect(image))
        return make_result(*faces, size_wh=(image.shape[1], image.shape[0]))


def photo_of_one() -> NDArray[np.uint8]:
    """(512, 512, 3) RGB portrait with one face: Eileen Collins, NASA, public domain, from scikit-image."""
    return skimage.data.astronaut()


def photo_of_many(count: int = 5, face_px: int = 90, width: int = 1280) -> NDArray[np.uint8]:
    """A drawn group: ``count`` portraits in rows, mirrored, tilted and lit differently; faces ``face_px`` wide."""
    portrait = skimage.data.astronaut()[0:290, 80:370]  # the face is 91 px wide here
    side = round(290 * face_px / 91)
    columns = max(1, min(count, width // side))
    rows = -(-count // columns)
    canvas = np.full((rows * side + 20, width, 3), (188, 200, 210), dtype=np.uint8)
    for i in range(count):
        tile = portrait[:, ::-1] if i % 2 else portrait
        turn = cv2.getRotationMatrix2D((145, 145), (-12, 0, 9, 4, -6)[i % 5], 1.0)
        tile = cv2.warpAffine(np.ascontiguousarray(tile), turn, (290, 290), borderMode=cv2.BORDER_REPLICATE)
        tile = np.clip(tile * (1.0, 0.8, 1.15, 0.9, 1.05)[i % 5], 0, 255).astype(np.uint8)
        tile = cv2.resize(tile, (side, side), interpolation=cv2.INTER_AREA if side < 290 else cv2.INTER_LINEAR)
        top, left = (i // columns) * side + 10, (i % columns) * (width // columns)
        canvas[top : top + side, left : left + side] = tile
    return canvas


def photo_without_faces() -> NDArray[np.uint8]:
    """(400, 600, 3) RGB picture of a cup of coffee, from scikit-image."""
    return skimage.data.coffee()


def png(image: NDArray[np.uint8]) -> bytes:
    """A PNG file of (H, W, 3) RGB."""
    return cv2.imencode(".png", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))[1].tobytes()
