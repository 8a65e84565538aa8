"""The one path from a picture to its result: detect, align, ask the ensemble."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from facetraits.age import age_predictions
from facetraits.alignment import CROPS, align_faces
from facetraits.detection import FaceDetector
from facetraits.ensemble import Ensemble
from facetraits.quality import CROP as QUALITY_CROP
from facetraits.quality import assess
from facetraits.registry import (
    Manifest,
    ModelIntegrityError,
    ProfileName,
    TraitEntry,
    check_file,
    load_manifest,
)
from facetraits.types import TRAITS, AnalysisResult, ClassPrediction, FaceResult, FaceTraits, TraitName


class FaceAnalyzer:
    """Finds every face of a picture and estimates its traits.

    Immutable after construction; ``analyze`` may be called from several threads at once.

    Args:
        manifest: the models.
        profile: which of its profiles to serve.
        threads: processor threads for one call of a network.

    Raises:
        ModelIntegrityError: a model file is missing or was changed.
        ValueError: there is no such profile.
    """

    def __init__(self, manifest: Manifest, profile: ProfileName = "accurate", threads: int = 2) -> None:
        if profile not in get_args(ProfileName):
            raise ValueError(f"profile must be one of {list(get_args(ProfileName))}, got {profile!r}")
        if profile not in manifest.profiles:
            raise ModelIntegrityError(f"The models in {manifest.models_dir} have no profile {profile!r}.")
        entry = manifest.profiles[profile]
        missing = set(TRAITS) - set(entry.traits)
        if missing:
            raise ModelIntegrityError(f"The profile {profile!r} has no model for {', '.join(sorted(missing))}.")
        check_file(manifest.detector, manifest.detector_sha256)
        self.profile: ProfileName = profile
        self.detector = FaceDetector(manifest.detector, entry.long_sides_px, entry.tile_small_faces, threads=threads)
        self.ensemble = Ensemble(manifest, entry, threads)
        self._crop_names = sorted({QUALITY_CROP, *self.ensemble.crop_names})
        self._traits: Mapping[str, TraitEntry] = entry.traits

    def analyze(self, image: NDArray[np.uint8], traits: Collection[TraitName] = TRAITS) -> AnalysisResult:
        """Everything about the faces of one picture.

        Args:
            image: (H, W, 3) RGB, upright, as ``decode_image`` gives it.
            traits: what to estimate; the others are None in the result, and networks that only they need are not run.

        Returns:
            The faces, largest first; none is a normal result.

        Raises:
            ValueError: ``image`` is not (H, W, 3) uint8, or a trait is unknown.
        """
        unknown = set(traits) - set(TRAITS)
        if unknown:
            raise ValueError(f"unknown traits {sorted(unknown)}; there are {list(TRAITS)}")
        started = time.perf_counter()
        detections = self.detector.detect(image)
        detected = time.perf_counter()
        crops = {name: align_faces(image, detections, CROPS[name]) for name in self._crop_names}
        aligned = time.perf_counter()
        probabilities = self.ensemble.predict(crops, [t for t in TRAITS if t in traits])
        answers = self._answers(probabilities, len(detections))
        faces = tuple(
            FaceResult(detection, assess(image, detection, crop), FaceTraits(**answer))
            for detection, crop, answer in zip(detections, crops[QUALITY_CROP], answers, strict=True)
        )
        finished = time.perf_counter()
        timings = {
            "detect": (detected - started) * 1e3,
            "align": (aligned - detected) * 1e3,
            "predict": (finished - aligned) * 1e3,
            "total": (finished - started) * 1e3,
        }
        return AnalysisResult((image.shape[1], image.shape[0]), faces, timings)

    def _answers(self, probabilities: Mapping[str, NDArray[np.float32]], count: int) -> list[dict[str, Any]]:
        answers: list[dict[str, Any]] = [{} for _ in range(count)]
        for name, rows in probabilities.items():
            entry = self._traits[name]
            if name == "age":
                assert entry.interval_mass is not None and entry.interval_coverage is not None
                predictions: Collection[Any] = age_predictions(
                    rows, entry.interval_mass, entry.interval_coverage, entry.unsure_below
                )
            else:
                predictions = [ClassPrediction(entry.classes, row, entry.unsure_below) for row in rows]
            for answer, prediction in zip(answers, predictions, strict=True):
                answer[name] = prediction
        return answers


def load_analyzer(models_dir: Path | None = None, profile: ProfileName = "accurate", threads: int = 2) -> FaceAnalyzer:
    """The analyzer on the models of a folder.

    Args:
        models_dir: holds ``manifest.json``; by default the models that come with facetraits.
        profile: "accurate" for photos, "fast" for live video.
        threads: processor threads for one call of a network.

    Raises:
        ModelIntegrityError: a model file is missing, changed or does not fit this version.
        ValueError: there is no such profile.
    """
    return FaceAnalyzer(load_manifest(models_dir), profile, threads)
