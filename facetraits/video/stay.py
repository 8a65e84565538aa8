"""One person's stay in view: how long it lasts, and one answer for all of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from facetraits.traits import TRAITS, TraitName
from facetraits.types import ClassPrediction, FaceResult, FaceTraits
from facetraits.video.smoothing import view_weight
from facetraits.video.tracked import TrackedFace

# A face that is missed for a moment, by the detector or behind somebody's hand, was in view all the same. Slow machines
# analyse a frame a second.
FLICKER_S: Final = 1.5


class Stay:
    """Sums up the sightings of one tracked face.

    Args:
        since_s: when the person came into view.

    Attributes:
        first_s, last_s: when the person was seen first and last.
        in_view_s: time in view; longer absences do not count.
    """

    def __init__(self, since_s: float) -> None:
        self.first_s = self.last_s = since_s
        self.in_view_s = 0.0
        self._known: FaceTraits | None = None
        self._changing = {trait.key: _MeanAnswer(trait.key) for trait in TRAITS.values() if not trait.lasting}

    def add_sighting(self, tracked: TrackedFace, flicker_s: float = FLICKER_S) -> bool:
        """Take in a sighting; False where the tracker is in doubt who it shows, so that it teaches nothing.

        Args:
            tracked: the face.
            flicker_s: who was not seen for up to so long was in view all the same.
        """
        gap_s = tracked.last_seen_s - self.last_s
        if self._known is None:
            self.in_view_s = gap_s
        elif gap_s <= 0:
            return False
        elif gap_s <= flicker_s:
            self.in_view_s += gap_s
        self.last_s = tracked.last_seen_s
        self._known = tracked.face.traits
        for mean in self._changing.values():
            mean.add(tracked.face)
        return True

    def go_on_with(self, later: Stay, flicker_s: float = FLICKER_S) -> None:
        """Take in a stay that began after this one, and was the same person's."""
        gap_s = later.first_s - self.last_s
        self.in_view_s += later.in_view_s + (gap_s if 0 < gap_s <= flicker_s else 0.0)
        self.last_s = max(self.last_s, later.last_s)
        self._known = later._known or self._known
        for key, mean in self._changing.items():
            mean.add_all(later._changing[key])

    def traits(self) -> FaceTraits:
        """What lasts as known when last seen; of what changes the mean, in which good views count more."""
        known = self._known or FaceTraits()
        return known.with_answers({key: mean.prediction() for key, mean in self._changing.items()})


class _MeanAnswer:
    """The mean of answers, weighted by ``view_weight``; a face without one ends it: the trait was switched off."""

    def __init__(self, trait: TraitName) -> None:
        self._trait = trait
        self._newest: ClassPrediction | None = None
        self._sum: NDArray[np.float64] | float = 0.0

    def add(self, face: FaceResult) -> None:
        answer = face.traits.classes(self._trait)
        if answer is None or self._newest is None or answer.classes != self._newest.classes:
            self._sum = 0.0
        if answer is not None:
            self._sum = self._sum + view_weight(face) * answer.probabilities.astype(np.float64)
        self._newest = answer

    def add_all(self, later: _MeanAnswer) -> None:
        known = self._newest is not None and later._newest is not None and self._newest.classes == later._newest.classes
        self._sum = self._sum + later._sum if known else later._sum
        self._newest = later._newest

    def prediction(self) -> ClassPrediction | None:
        if self._newest is None:
            return None
        probabilities = np.asarray(self._sum)
        return replace(self._newest, probabilities=(probabilities / probabilities.sum()).astype(np.float32))
