"""One smoothed answer per person from many single-frame answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from math import exp
from typing import Final

import numpy as np
from numpy.typing import NDArray

from facetraits.traits import TRAITS, TraitName
from facetraits.types import AgePrediction, Answer, ClassPrediction, FaceResult, FaceTraits

# How much a single answer counts: the inverse of its variance, from 1,500 UTKFace validation pictures, each shown to
# the fast profile 10 times spoiled. Years by which the answer strays from that for the clean picture (root mean
# square): 1.7 for two frames of one camera, 5.2 where the face is turned away, 6.3 blurred, 7.8 too bright: weights of
# 0.1, 0.07 and 0.05. The lowest is taken for all: such an error stays from frame to frame, and no averaging helps.
_BAD_VIEW: Final = 0.05
# Without a warning: 4.1 years from a score of 0.86 up, 5.0 at 0.78, 6.1 at 0.65, 8.2 at 0.55. A cube fits that.
_GOOD_SCORE: Final = 0.86
# 3.3 years for faces of 80 to 100 px, 3.6 at 76 px, 3.9 at 68 px, 5.1 at 60 px. A square fits that.
_GOOD_SIZE_PX: Final = 80.0
_SMALLEST_WEIGHT: Final = 1e-4  # a face without any good view still gets an answer


def view_weight(face: FaceResult) -> float:
    """Weight of a single-frame answer, in (0, 1]; 1 for a large, confidently detected face without a warning."""
    weight = min(1.0, face.detection.score / _GOOD_SCORE) ** 3
    weight *= min(1.0, face.detection.size_px / _GOOD_SIZE_PX) ** 2
    if face.quality:
        weight *= _BAD_VIEW
    return max(weight, _SMALLEST_WEIGHT)


class TraitSmoother:
    """Running combination of the single-frame answers about one person, weighted by ``view_weight``.

    Probabilities, years and both ends of the age's interval are averaged as they are. The age is that of a clear view
    unless poor views outweigh the clear ones. Older answers decay with the trait's time constant ``memory_s``. Not
    thread-safe.

    Args:
        memory_s: time constants in seconds, > 0, that replace those of the traits.

    Attributes:
        analyses: number of faces added.

    Raises:
        ValueError: a memory is not positive.
    """

    def __init__(self, memory_s: Mapping[TraitName, float] | None = None) -> None:
        seconds = {trait.key: trait.memory_s for trait in TRAITS.values()} | dict(memory_s or {})
        if not all(s > 0 for s in seconds.values()):
            raise ValueError(f"memories must be longer than 0 s, got {seconds}")
        self.analyses = 0
        self._averages = {key: _Average(s) for key, s in seconds.items()}
        self._age: AgePrediction | None = None  # the newest answer, for fields that never change

    def add(self, face: FaceResult, time_s: float) -> None:
        """Add the answers at ``time_s``; a trait that is None there is forgotten."""
        self.forget_missing(face.traits)
        self.analyses += 1
        weight = view_weight(face)
        for trait, answer in face.traits.answers():
            average = self._averages[trait.key]
            if isinstance(answer, AgePrediction):
                self._age = answer
                average.add(answer.groups, weight, time_s, (answer.years, *answer.interval, float(answer.clear)))
            else:
                average.add(answer, weight, time_s)

    def forget_missing(self, traits: FaceTraits) -> None:
        """Forget the traits that are None in ``traits``: they were switched off, and restart when switched on again."""
        present = {trait.key for trait, _ in traits.answers()}
        for key, average in self._averages.items():
            if key not in present:
                average.forget()

    def traits(self) -> FaceTraits:
        """The combined answer; a trait that was never given, or forgotten, is None."""
        answers: dict[TraitName, Answer | None] = {key: a.prediction() for key, a in self._averages.items()}
        groups = self._averages["age"].prediction()
        if groups is not None and self._age is not None:
            years, low, high, clear = (float(v) for v in self._averages["age"].numbers())
            answers["age"] = replace(self._age, years=years, interval=(low, high), groups=groups, clear=clear >= 0.5)
        return FaceTraits().with_answers(answers)


class _Average:
    """Exponential average of one trait: numbers beside class probabilities."""

    __slots__ = ("_classes", "_fade_per_s", "_time_s", "_unsure_below", "_values", "_weight")

    def __init__(self, memory_s: float) -> None:
        # A mean over n answers has 1/n of their variance; an exponential average of time constant T, at r answers
        # per second, 1/(2 T r): as n = memory_s * r.
        self._fade_per_s = 2 / memory_s
        self.forget()

    def forget(self) -> None:
        self._classes: tuple[str, ...] = ()
        self._values: NDArray[np.float64] = np.empty(0)
        self._weight = 0.0
        self._time_s = 0.0
        self._unsure_below = 0.0

    def add(self, prediction: ClassPrediction, weight: float, time_s: float, numbers: tuple[float, ...] = ()) -> None:
        values = np.concatenate([numbers, prediction.probabilities])
        if prediction.classes != self._classes:
            self._classes, self._values, self._weight = prediction.classes, values, weight
        else:
            self._weight = self._weight * exp(-self._fade_per_s * max(0.0, time_s - self._time_s)) + weight
            self._values = self._values + (values - self._values) * (weight / self._weight)
        self._unsure_below = prediction.unsure_below
        self._time_s = time_s

    def numbers(self) -> NDArray[np.float64]:
        return self._values[: len(self._values) - len(self._classes)]

    def prediction(self) -> ClassPrediction | None:
        if not self._classes:
            return None
        probabilities = self._values[len(self._values) - len(self._classes) :]
        return ClassPrediction(
            self._classes, (probabilities / probabilities.sum()).astype(np.float32), self._unsure_below
        )
