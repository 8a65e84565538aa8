"""One person in a video, and what speaks for a face being that person's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import exp, hypot, inf, log
from typing import Final

import numpy as np

from facetraits.types import FaceTraits
from facetraits.video.looks import look_likeness, trait_likeness
from facetraits.video.sightings import Sighting
from facetraits.video.smoothing import TraitSmoother
from facetraits.video.tracked import TrackedFace

# Evidence is counted in natural log odds: how much likelier a sighting is if it shows a track's person than if it shows
# somebody else. Evidence of place, looks and traits adds up.

# Place, in face widths. Where a face will be is known to 0.08, and by 0.6 less with every second it was not seen, down
# to "somewhere near". The tail is heavy: a normal distribution would not forgive a sudden start. Nobody outruns the
# reach.
_PLACE: Final = 1.5
_SPREAD: Final = 0.08
_SPREAD_PER_S: Final = 0.6
_LARGEST_SPREAD: Final = 1.2
_TAIL: Final = 1.5
_REACH: Final = 1.0
_REACH_PER_S: Final = 2.5
_WIDTHS_PER_LOG_SIZE: Final = 1.5  # 30% larger counts like 0.4 widths away
_COAST_S: Final = 1.5  # who is out of sight is expected to walk on for so long,
_STOPPED_WIDTHS: Final = 0.5  # and may have stopped, which counts like so many widths more
_VELOCITY_MEMORY_S: Final = 0.25
_SHORTEST_STEP_S: Final = 0.02  # two frames at nearly the same time: the jitter of boxes is no speed
# While one face may hide another, the one that is seen goes on where it was last seen, unless the two have changed
# places meanwhile. In six drawn scenes of look-alikes there were 14 identity switches without it, and at most 2
# with any value from 1 to 3.
_SWAPPED: Final = 1.5

_USUAL_LOOK_MEMORY_S: Final = 3.0


# Looks and traits together. Below 0: under 0.1% of small changes, 1.1% of all but the strongly turned heads; 98.8% of
# different people, 93% of look-alikes.
_POOR_VIEW_FACTOR: Final = 0.3  # how much evidence against counts in a poor view
# Poor views of one face err alike, so many of them are no more certain than a few: never enough against a face that
# stays in its place (6.6), but enough where place leaves doubt.
_MOST_POOR_EVIDENCE: Final = 3.0

# A person is taken for another when the evidence against, summed up since it began, outweighs this: that somebody else
# stands in the very place a tenth of a second later is as unlikely. Replayed with the answers for 200 more validation
# pictures, set in motion, ten a second: not one of 200 faces that nod and turn, some up to 38 degrees, covered by a
# hand, blurred or lit differently for a second or two, got a second number (by traits alone 7); of 393 cuts to another
# face in the same place 95% were found (by looks alone 91%, by traits alone 88%), seven of eight of them at the second
# sighting; of people replaced within a second, 96%. That was before poor views counted for less.
_MOST_BELIEF: Final = 6.0
_LEAST_GAIN: Final = 0.5  # what a sighting without evidence against gives back
_KNOWN_BONUS: Final = 1.0  # a person before a face that was seen once
_RETURNING: Final = -1.0  # evidence that a face in the place of somebody lost must not fall below

RECOGNISED: Final = 2.0  # evidence with which somebody known is known wherever a face appears

BLIP_S: Final = 0.5  # a face that is not confirmed and was missed for longer was none
_HIDDEN_S: Final = 2.5  # a face not seen for less than this may be behind a neighbour
_HIDING_WIDTHS: Final = 0.9  # that is nearer than this to where it is expected


class Track:
    """One person, or what may turn out to be one."""

    def __init__(self, sighting: Sighting) -> None:
        self.number: int | None = None
        self.formerly: tuple[int, ...] = ()
        self.met: set[int] = set()  # numbers that were in view together with this face
        self.in_view = True
        self.first_seen_s = self.last_seen_s = sighting.time_s
        self.sightings = 0
        self.belief = _MOST_BELIEF  # that the face now in this place is still the same person
        self.rival: Track | None = None  # made of the newest sightings where they look like somebody else
        self.last = sighting  # the newest sighting, whoever it shows
        self._place = sighting  # the newest whose place was that of this face alone
        self._velocity: tuple[float, float] | None = None  # per second
        self._trusted = sighting  # the newest that showed this person
        self._usual_look = sighting.look
        self._seen_whole = False
        self._poor_evidence = 0.0  # of poor views against this person, since the doubt began
        self._smoother = TraitSmoother()
        self._traits = FaceTraits()
        self._take_in(sighting)

    def shown(self) -> TrackedFace:
        """The track as the caller sees it."""
        assert self.number is not None
        face = replace(self.last.face, traits=self._traits)
        analyses = self._smoother.analyses
        return TrackedFace(self.number, face, self.first_seen_s, self.last_seen_s, analyses, self.formerly)

    def score(self, sighting: Sighting) -> float:
        """Evidence that ``sighting`` shows this person, against its showing somebody new."""
        place = self._place_evidence(sighting)
        if place == -inf:
            return place
        likeness = self.likeness(sighting)
        if likeness < _RETURNING and sighting.time_s - self.last.time_s > BLIP_S:
            return -inf
        return place + likeness + (_KNOWN_BONUS if self.number is not None else 0.0)

    def _place_evidence(self, sighting: Sighting) -> float:
        x, y = self._expected(sighting.time_s)
        width = (self.last.size * sighting.size) ** 0.5
        walked_on = hypot(sighting.x - x, sighting.y - y) / width
        stayed = hypot(sighting.x - self.last.x, sighting.y - self.last.y) / width
        off_size = _WIDTHS_PER_LOG_SIZE * log(sighting.size / self.last.size)
        gap_s = sighting.time_s - self._place.time_s
        evidence = _near(min(walked_on, stayed + _STOPPED_WIDTHS), off_size, gap_s)
        if self.last is self._place:
            return evidence
        return max(evidence, _near(stayed, off_size, sighting.time_s - self.last.time_s) - _SWAPPED)

    def _expected(self, time_s: float) -> tuple[float, float]:
        walking_s = min(time_s - self._place.time_s, _COAST_S)
        vx, vy = self._velocity or (0.0, 0.0)
        return self._place.x + vx * walking_s, self._place.y + vy * walking_s

    def may_be_behind(self, other: Track, sighting: Sighting) -> bool:
        """Whether this face, not seen now, may be covered by that of ``other``, seen as ``sighting``.

        Who appeared after this one was lost has not covered it, but taken its place.
        """
        if other.first_seen_s >= self.last_seen_s or sighting.time_s - self._place.time_s > _HIDDEN_S:
            return False
        x, y = self._expected(sighting.time_s)
        return hypot(sighting.x - x, sighting.y - y) < _HIDING_WIDTHS * max(self.last.size, sighting.size)

    def likeness(self, sighting: Sighting, clear: bool = False) -> float:
        """Evidence of looks and traits; less against where the view is poor, or none yet was of the whole face.

        Args:
            sighting: the face.
            clear: no such allowance is made.
        """
        evidence = trait_likeness(self._traits, sighting.face.traits)
        known = [look for look in (self._trusted.look, self._usual_look) if look is not None]
        if known and sighting.look is not None:
            evidence += look_likeness(max(float(look @ sighting.look) for look in known))
        if evidence < 0 and not clear and (sighting.poor or not self._seen_whole):
            evidence *= _POOR_VIEW_FACTOR
        return evidence

    def goes_on_as(self, sighting: Sighting) -> bool:
        """Whether this face, seen until now, is that of ``sighting``, whoever it turns out to be."""
        alike = not self._seen_whole or self.likeness(sighting) >= 0
        return alike and self._place_evidence(sighting) > 0

    def recognition(self, other: Track) -> float:
        """Evidence of looks and traits that this person, out of view, is who appeared as ``other``."""
        gap_s = other.last.time_s - self.last_seen_s
        width = (self.last.size * other.last.size) ** 0.5
        off = hypot(other.last.x - self.last.x, other.last.y - self.last.y) / width
        return self.likeness(other.last) if off <= 2 * _REACH + _REACH_PER_S * gap_s else -inf

    def add(self, sighting: Sighting, others: Sequence[Track] = ()) -> None:
        """A face was seen where this one is expected, and no other is.

        Args:
            sighting: the face.
            others: who else is known. A poor view makes a face unlike its person, but not like somebody else.
        """
        likeness = self.likeness(sighting)
        if likeness < 0 and any(other.likeness(sighting) >= RECOGNISED for other in others):
            likeness = self.likeness(sighting, clear=True)
            gain = likeness
        else:
            gain = self._gain(likeness, sighting)
        self.belief = min(_MOST_BELIEF, min(self.belief, self._place_evidence(sighting)) + gain)
        if likeness >= 0 or self.number is None or self._is_first_whole(sighting):
            self._take_in(sighting)
            return
        if self.rival is None or self.rival.likeness(sighting) < 0:
            self.rival = Track(sighting)
        else:
            self.rival.add(sighting)
        if sighting.poor:
            self.last_seen_s = sighting.time_s  # its place says more than its looks
        self._forget_missing(sighting)
        self._follow(sighting)

    def _is_first_whole(self, sighting: Sighting) -> bool:
        """Whether the face was seen in part only until now: what it is like is learned afresh."""
        return not (self._seen_whole or sighting.in_part)

    def _gain(self, likeness: float, sighting: Sighting) -> float:
        """What a sighting adds to the belief that this is still the same person."""
        if likeness >= 0:
            return max(likeness, _LEAST_GAIN)
        if not sighting.poor:
            return likeness
        before = self._poor_evidence
        self._poor_evidence = max(before + likeness, -_MOST_POOR_EVIDENCE)
        return self._poor_evidence - before

    def see_uncertainly(self, sighting: Sighting) -> None:
        """A face was seen that may be this one or one that hides it: it teaches nothing."""
        self._forget_missing(sighting)
        self.last = sighting
        self.last_seen_s = sighting.time_s

    def part(self) -> Track:
        """Somebody else has taken this one's place: go out of view, and hand over the other."""
        assert self.rival is not None
        other, self.rival = self.rival, None
        self.in_view = False
        self.belief = _MOST_BELIEF
        self._poor_evidence = 0.0
        self.last = self._place = self._trusted
        return other

    def resume(self, other: Track) -> None:
        """Come back into view as the face that first passed for ``other``."""
        self._place, self._velocity = other._place, other._velocity
        self.formerly += other.formerly if other.number is None else (*other.formerly, other.number)
        self.in_view = True
        self.belief = _MOST_BELIEF
        self._take_in(other.last)

    def _take_in(self, sighting: Sighting) -> None:
        gap_s = sighting.time_s - self.last_seen_s
        self.rival = None
        self._poor_evidence = 0.0
        self.sightings += 1
        self.last_seen_s = sighting.time_s
        self._trusted = sighting
        if self._is_first_whole(sighting):
            self._seen_whole = True
            self._usual_look = sighting.look
            self._smoother = TraitSmoother()
        self._smoother.add(sighting.face, sighting.time_s)
        self._traits = self._smoother.traits()
        self._follow(sighting)
        if sighting.look is None or sighting.poor:
            return
        if self._usual_look is None:
            self._usual_look = sighting.look
        share = np.float32(max(1 / self.sightings, 1 - exp(-gap_s / _USUAL_LOOK_MEMORY_S)))
        usual = self._usual_look + share * (sighting.look - self._usual_look)
        self._usual_look = usual / np.linalg.norm(usual)

    def _follow(self, sighting: Sighting) -> None:
        passed_s = sighting.time_s - self._place.time_s
        if passed_s > 0:
            passed_s = max(passed_s, _SHORTEST_STEP_S)
            vx, vy = (sighting.x - self._place.x) / passed_s, (sighting.y - self._place.y) / passed_s
            share = 1.0 if self._velocity is None else 1 - exp(-passed_s / _VELOCITY_MEMORY_S)
            old_vx, old_vy = self._velocity or (0.0, 0.0)
            self._velocity = (old_vx + share * (vx - old_vx), old_vy + share * (vy - old_vy))
        self.last = self._place = sighting

    def _forget_missing(self, sighting: Sighting) -> None:
        self._smoother.forget_missing(sighting.face.traits)
        self._traits = self._smoother.traits()


def _near(off: float, off_size: float, gap_s: float) -> float:
    """Evidence of place, so many widths beside where a face that was last seen ``gap_s`` ago is expected."""
    if off > _REACH + _REACH_PER_S * gap_s:
        return -inf
    spread = min(_SPREAD + _SPREAD_PER_S * gap_s, _LARGEST_SPREAD)
    return _PLACE - 2 * log(spread) - _TAIL * log(1 + (off**2 + off_size**2) / spread**2)
