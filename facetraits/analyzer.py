"""The one path from a picture to its result: detect, align, ask the ensemble."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, get_args

import numpy as np
from numpy.typing import NDArray

from facetraits.age import age_predictions
from facetraits.ensemble import Ensemble
from facetraits.faces.alignment import CROPS, align_faces
from facetraits.faces.detection import FaceDetector, unreported
from facetraits.faces.second_look import Look, look_again, look_at_turned_picture, look_turned, roll_deg
from facetraits.quality import CROP as QUALITY_CROP
from facetraits.quality import assess, is_clear, is_seen
from facetraits.registry import (
    Manifest,
    ModelIntegrityError,
    ProfileName,
    TraitEntry,
    checked_bytes,
    load_manifest,
)
from facetraits.traits import TRAITS, TraitName
from facetraits.types import VIEW, VIEWS, AnalysisResult, ClassPrediction, FaceResult, FaceTraits

_DETECTED_SHARE: Final = 0.7  # of the time for a crowded picture, about


class FaceAnalyzer:
    """Finds every face of a picture and estimates its traits.

    A face that does not seem upright, to the detector or to networks that answer ``VIEW``, is looked at again, turned;
    where that settles nothing the face is called upside down.

    Immutable after construction; ``analyze`` may be called from several threads at once.

    Args:
        manifest: the models.
        profile: which of its profiles to serve.
        threads: processor threads for one call of a network.
        callers: how many threads may use a network at once; with more of them, and 1 in ``threads``, many pictures are
            analysed in less time than one after the other, and in more memory.

    Raises:
        ModelIntegrityError: a model file is missing or was changed.
        ValueError: there is no such profile.
    """

    def __init__(
        self, manifest: Manifest, profile: ProfileName = "accurate", threads: int = 2, callers: int = 1
    ) -> None:
        if profile not in get_args(ProfileName):
            raise ValueError(f"profile must be one of {list(get_args(ProfileName))}, got {profile!r}")
        if profile not in manifest.profiles:
            raise ModelIntegrityError(f"The models in {manifest.models_dir} have no profile {profile!r}.")
        entry = manifest.profiles[profile]
        missing = set(TRAITS) - set(entry.traits)
        if missing:
            raise ModelIntegrityError(f"The profile {profile!r} has no model for {', '.join(sorted(missing))}.")
        if VIEW in entry.traits and entry.traits[VIEW].classes != VIEWS:
            raise ModelIntegrityError(f"The profile {profile!r} must answer {VIEW!r} with the classes {list(VIEWS)}.")
        network = checked_bytes(manifest.serving_detector, manifest.serving_detector_sha256)
        self.profile: ProfileName = profile
        self.detector = FaceDetector(network, entry.long_sides_px, entry.tile_small_faces, threads=threads)
        self.ensemble = Ensemble(manifest, entry, threads, callers)
        self._crop_names = sorted({QUALITY_CROP, *self.ensemble.crop_names})
        self._entries: Mapping[str, TraitEntry] = entry.traits
        # Where the time for a picture may depend on what it shows.
        self._turns_pictures = entry.tile_small_faces

    def analyze(
        self,
        image: NDArray[np.uint8],
        traits: Collection[TraitName] = TRAITS,
        progress: Callable[[float], None] | None = None,
    ) -> AnalysisResult:
        """Everything about the faces of one picture.

        Args:
            image: (H, W, 3) RGB, upright, as ``decode_image`` gives it.
            traits: what to estimate; the others are None in the result, and networks that only they need are not run.
            progress: is called now and then with the share that is done, in (0, 1], never falling.

        Returns:
            The faces, largest first, of more than ``detection.MOST_FACES`` these; none is a normal result.

        Raises:
            ValueError: ``image`` is not (H, W, 3) uint8, or a trait is unknown.
        """
        unknown = set(traits) - set(TRAITS)
        if unknown:
            raise ValueError(f"unknown traits {sorted(unknown)}; there are {list(TRAITS)}")
        started = time.perf_counter()
        report = progress if progress is not None else unreported
        found = self.detector.detect(image, lambda share: report(_DETECTED_SHARE * share))
        looks = look_again(self.detector, image, found)
        if not looks and self._turns_pictures:
            looks = look_at_turned_picture(self.detector, image)
        detected = time.perf_counter()
        crops = self._crops(image, looks)
        aligned = time.perf_counter()
        wanted = [t for t in TRAITS if t in traits]
        outputs = [*wanted, VIEW] if wanted and VIEW in self._entries else wanted
        answers = self.ensemble.predict(
            crops, outputs, lambda share: report(_DETECTED_SHARE + (1 - _DETECTED_SHARE) * share)
        )
        seen = _Seen(looks, crops, answers)
        if VIEW in outputs:
            seen = self._turned_where_upside_down(image, seen)
        faces = self._faces(image, seen, wanted)
        report(1.0)
        finished = time.perf_counter()
        timings = {
            "detect": (detected - started) * 1e3,
            "align": (aligned - detected) * 1e3,
            "predict": (finished - aligned) * 1e3,
            "total": (finished - started) * 1e3,
        }
        return AnalysisResult((image.shape[1], image.shape[0]), faces, timings)

    def _crops(self, image: NDArray[np.uint8], looks: Sequence[Look]) -> dict[str, NDArray[np.uint8]]:
        return {name: align_faces(image, [look.detection for look in looks], CROPS[name]) for name in self._crop_names}

    def _turned_where_upside_down(self, image: NDArray[np.uint8], seen: _Seen) -> _Seen:
        """What is seen, where the networks call a face upside down with the answers to a look at it the other way up.

        The second look counts where the networks see the face upright in it, or the detector is surer of it.
        """
        turned: dict[int, Look] = {}
        for i, (look, view) in enumerate(zip(seen.looks, self._views(seen), strict=True)):
            if is_seen(view, "upside down"):
                other = look_turned(self.detector, image, look.detection, roll_deg(look.detection) + 180)
                if other is not None:
                    turned[i] = Look(other)
        if not turned:
            return seen
        crops = self._crops(image, list(turned.values()))
        second = _Seen(list(turned.values()), crops, self.ensemble.predict(crops, list(seen.answers)))
        looks = list(seen.looks)
        for j, (i, view) in enumerate(zip(turned, self._views(second), strict=True)):
            if is_seen(view, "upside down") and second.looks[j].detection.score <= looks[i].detection.score:
                continue
            looks[i] = second.looks[j]
            for before, after in ((seen.crops, second.crops), (seen.answers, second.answers)):
                for name, rows in after.items():
                    before[name][i] = rows[j]
        return _Seen(looks, seen.crops, seen.answers)

    def _views(self, seen: _Seen) -> list[ClassPrediction | None]:
        """What the networks say of how each face shows itself; None where they do not."""
        if VIEW not in seen.answers:
            return [None] * len(seen.looks)
        return [ClassPrediction(VIEWS, row) for row in seen.answers[VIEW]]

    def _faces(self, image: NDArray[np.uint8], seen: _Seen, wanted: Collection[TraitName]) -> tuple[FaceResult, ...]:
        """The faces with their traits, largest first."""
        qualities = [
            assess(image, look.detection, crop, view, look.upside_down)
            for look, crop, view in zip(seen.looks, seen.crops[QUALITY_CROP], self._views(seen), strict=True)
        ]
        clear = [is_clear(quality) for quality in qualities]
        answers: list[dict[str, Any]] = [{} for _ in seen.looks]
        for name in wanted:
            entry, rows = self._entries[name], seen.answers[name]
            if name == "age":
                assert entry.interval_mass is not None and entry.interval_coverage is not None
                predictions: Collection[Any] = age_predictions(
                    rows,
                    entry.interval_mass,
                    entry.interval_coverage,
                    entry.unsure_below,
                    entry.unsure_wider_than,
                    clear,
                )
            else:
                predictions = [ClassPrediction(entry.classes, row, entry.unsure_below) for row in rows]
            for answer, prediction in zip(answers, predictions, strict=True):
                answer[name] = prediction
        faces = [
            FaceResult(look.detection, quality, FaceTraits(**answer))
            for look, quality, answer in zip(seen.looks, qualities, answers, strict=True)
        ]
        return tuple(sorted(faces, key=lambda face: -face.detection.size_px))


@dataclass(frozen=True, slots=True, eq=False)
class _Seen:
    """What is known of the N faces of a picture.

    Attributes:
        looks: where they are.
        crops: crop name to (N, S, S, 3).
        answers: output name to (N, C) probabilities.
    """

    looks: Sequence[Look]
    crops: dict[str, NDArray[np.uint8]]
    answers: dict[str, NDArray[np.float32]]


def load_analyzer(
    models_dir: Path | None = None, profile: ProfileName = "accurate", threads: int = 2, callers: int = 1
) -> FaceAnalyzer:
    """The analyzer on the models of a folder.

    Args:
        models_dir: holds ``manifest.json``; by default the models that come with facetraits.
        profile: "accurate" for photos, "fast" for live video.
        threads: processor threads for one call of a network.
        callers: how many threads may use a network at once.

    Raises:
        ModelIntegrityError: a model file is missing, changed or does not fit this version.
        ValueError: there is no such profile.
    """
    return FaceAnalyzer(load_manifest(models_dir), profile, threads, callers)
