"""One person's stay in view: how long it lasts, and one answer for all of it."""

from __future__ import annotations

from dataclasses import replace
from math import inf
from typing import Final

from facetraits.smoothing import TraitSmoother
from facetraits.tracking import TrackedFace
from facetraits.types import FaceTraits

# A face that is missed for a moment, by the detector or behind somebody's hand, was in view all the same. Slow machines
# analyse a frame a second.
FLICKER_S: Final = 1.5


class Stay:
    """Sums up the sightings of one tracked face.

    Args:
        since_s: when the person came into view.

    Attributes:
        first_s, last_s: when the person was seen first and last.
        in_view_s: time in view; absences of more than ``FLICKER_S`` do not count.
    """

    def __init__(self, since_s: float) -> None:
        self.first_s = self.last_s = since_s
        self.in_view_s = 0.0
        self._known: FaceTraits | None = None
        self._whole = TraitSmoother(inf, inf)  # forgets nothing

    def see(self, tracked: TrackedFace) -> bool:
        """Take in a sighting; False where the tracker is in doubt who it shows, so that it teaches nothing."""
        gap_s = tracked.last_seen_s - self.last_s
        if self._known is None:
            self.in_view_s = gap_s
        elif gap_s <= 0:
            return False
        elif gap_s <= FLICKER_S:
            self.in_view_s += gap_s
        self.last_s = tracked.last_seen_s
        self._known = tracked.face.traits
        self._whole.add(tracked.face, tracked.last_seen_s)
        return True

    def traits(self) -> FaceTraits:
        """Age, gender and ethnicity as known when last seen; as expression the mean, in which good views count more."""
        known = self._known or FaceTraits()
        return replace(known, expression=self._whole.traits().expression)
