"""The track of one person in a video, and the score of a face for that track."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import exp, hypot, inf, log
from typing import Final

import numpy as np

from facetraits.types import FaceTraits
from facetraits.video.looks import appearance_evidence, trait_evidence
from facetraits.video.sightings import Sighting
from facetraits.video.smoothing import TraitSmoother
from facetraits.video.tracked import TrackedFace

# Evidence is measured in natural log odds: how much more likely a sighting is if it shows the track's person than if it
# shows somebody else. Evidence from position, appearance and traits adds up.

# Position, in face widths. The expected position is uncertain by 0.08, plus 0.6 per second without a sighting, up to a
# maximum. The distribution has heavy tails, because a normal one would reject a sudden start. A face farther away than
# the reach is never matched.
_PLACE: Final = 1.5
_SPREAD: Final = 0.08
_SPREAD_PER_S: Final = 0.6
_LARGEST_SPREAD: Final = 1.2
_TAIL: Final = 1.5
_REACH: Final = 1.0
_REACH_PER_S: Final = 2.5
_WIDTHS_PER_LOG_SIZE: Final = 1.5  # 30% larger counts like 0.4 widths away
_COAST_S: Final = 1.5  # a person out of view is expected to keep walking for this long,
_STOPPED_WIDTHS: Final = 0.5  # or may have stopped, which counts like this many extra widths
_VELOCITY_MEMORY_S: Final = 0.25
_SHORTEST_STEP_S: Final = 0.02  # with frames at nearly the same time, the jitter of boxes must not count as speed
# While one face may hide another, the visible one is assumed to continue where it was last seen, unless the two have
# swapped places. In six synthetic scenes of look-alikes there were 14 identity switches without this penalty, and at
# most 2 with any value from 1 to 3.
_SWAPPED: Final = 1.5

_USUAL_LOOK_MEMORY_S: Final = 3.0


# Appearance and traits together. Share of evidence below 0: under 0.1% for small changes, 1.1% for all changes except
# strongly turned heads; 98.8% for different people, 93% for look-alikes.
_POOR_VIEW_FACTOR: Final = 0.3  # factor for negative evidence in a poor view
# Poor views of one face have similar errors, so their evidence is capped. The cap is too low to outweigh a face that
# stays in its place (6.6), but enough where the position is uncertain.
_MOST_POOR_EVIDENCE: Final = 3.0

# A track switches to another person when the negative evidence since the doubt began exceeds this. It matches how
# unlikely it is that somebody else stands in the same place a tenth of a second later. Replayed with the answers for
# 200 more validation pictures, set in motion, ten a second: not one of 200 faces that nod and turn, some up to 38
# degrees, covered by a hand, blurred or lit differently for a second or two, got a second number (by traits alone 7);
# of 393 cuts to another face in the same place 95% were found (by looks alone 91%, by traits alone 88%), seven of eight
# of them at the second sighting; of people replaced within a second, 96%. That was before poor views counted for less.
_MOST_BELIEF: Final = 6.0
_LEAST_GAIN: Final = 0.5  # belief regained by a sighting without negative evidence
_KNOWN_BONUS: Final = 1.0  # prefers a confirmed person to a face seen only once
_RETURNING: Final = -1.0  # least evidence for a face that appears where a person was lost

RECOGNISED: Final = 2.0  # evidence that identifies a known person at any position

UNCONFIRMED_GAP_S: Final = 0.5  # an unconfirmed face that is missing for longer is dropped as a false detection
_HIDDEN_S: Final = 2.5  # a face missing for less than this may be hidden by a neighbour
_HIDING_WIDTHS: Final = 0.9  # that is closer than this to the expected position


class Track:
    """The track of a person, or of a face that is not confirmed yet."""

    def __init__(self, sighting: Sighting) -> None:
        self.number: int | None = None
        self.merged_numbers: tuple[int, ...] = ()
        self.seen_with: set[int] = set()  # numbers that were in view together with this face
        self.in_view = True
        self.first_seen_s = self.last_seen_s = sighting.time_s
        self.sightings = 0
        self.belief = _MOST_BELIEF  # belief that the face in this place is still the same person
        self.rival: Track | None = None  # built from recent sightings that look like somebody else
        self.last = sighting  # the newest sighting, whoever it shows
        self._place = sighting  # the newest one with an unambiguous position
        self._velocity: tuple[float, float] | None = None  # per second
        self._trusted = sighting  # the newest that showed this person
        self._usual_look = sighting.look
        self._seen_whole = False
        self._poor_evidence = 0.0  # negative evidence from poor views since the doubt began
        self._smoother = TraitSmoother()
        self._traits = FaceTraits()
        self._take_in(sighting)

    def shown(self) -> TrackedFace:
        """The track as the caller sees it."""
        assert self.number is not None
        face = replace(self.last.face, traits=self._traits)
        analyses = self._smoother.analyses
        return TrackedFace(self.number, face, self.first_seen_s, self.last_seen_s, analyses, self.merged_numbers)

    def score(self, sighting: Sighting) -> float:
        """Evidence that ``sighting`` shows this person rather than somebody new."""
        place = self._position_evidence(sighting)
        if place == -inf:
            return place
        likeness = self.likeness(sighting)
        if likeness < _RETURNING and sighting.time_s - self.last.time_s > UNCONFIRMED_GAP_S:
            return -inf
        return place + likeness + (_KNOWN_BONUS if self.number is not None else 0.0)

    def _position_evidence(self, sighting: Sighting) -> float:
        x, y = self._expected(sighting.time_s)
        width = (self.last.size * sighting.size) ** 0.5
        walked_on = hypot(sighting.x - x, sighting.y - y) / width
        stayed = hypot(sighting.x - self.last.x, sighting.y - self.last.y) / width
        off_size = _WIDTHS_PER_LOG_SIZE * log(sighting.size / self.last.size)
        gap_s = sighting.time_s - self._place.time_s
        evidence = _position_score(min(walked_on, stayed + _STOPPED_WIDTHS), off_size, gap_s)
        if self.last is self._place:
            return evidence
        return max(evidence, _position_score(stayed, off_size, sighting.time_s - self.last.time_s) - _SWAPPED)

    def _expected(self, time_s: float) -> tuple[float, float]:
        walking_s = min(time_s - self._place.time_s, _COAST_S)
        vx, vy = self._velocity or (0.0, 0.0)
        return self._place.x + vx * walking_s, self._place.y + vy * walking_s

    def may_be_behind(self, other: Track, sighting: Sighting) -> bool:
        """Whether this face, now missing, may be hidden behind the face of ``other``, seen as ``sighting``.

        A face that appeared after this one was lost cannot have hidden it.
        """
        if other.first_seen_s >= self.last_seen_s or sighting.time_s - self._place.time_s > _HIDDEN_S:
            return False
        x, y = self._expected(sighting.time_s)
        return hypot(sighting.x - x, sighting.y - y) < _HIDING_WIDTHS * max(self.last.size, sighting.size)

    def likeness(self, sighting: Sighting, clear: bool = False) -> float:
        """Evidence from appearance and traits. Negative evidence counts less in a poor view, or before any full view.

        Args:
            sighting: the face.
            clear: negative evidence counts in full.
        """
        evidence = trait_evidence(self._traits, sighting.face.traits)
        known = [look for look in (self._trusted.look, self._usual_look) if look is not None]
        if known and sighting.look is not None:
            evidence += appearance_evidence(max(float(look @ sighting.look) for look in known))
        if evidence < 0 and not clear and (sighting.poor or not self._seen_whole):
            evidence *= _POOR_VIEW_FACTOR
        return evidence

    def is_continued_by(self, sighting: Sighting) -> bool:
        """Whether ``sighting`` continues this visible face, whoever the person turns out to be."""
        alike = not self._seen_whole or self.likeness(sighting) >= 0
        return alike and self._position_evidence(sighting) > 0

    def recognition(self, other: Track) -> float:
        """Evidence from appearance and traits that ``other`` is this person, who is out of view."""
        gap_s = other.last.time_s - self.last_seen_s
        width = (self.last.size * other.last.size) ** 0.5
        off = hypot(other.last.x - self.last.x, other.last.y - self.last.y) / width
        return self.likeness(other.last) if off <= 2 * _REACH + _REACH_PER_S * gap_s else -inf

    def add(self, sighting: Sighting, others: Sequence[Track] = ()) -> None:
        """Add a sighting at this face's expected position, where no other face is expected.

        Args:
            sighting: the face.
            others: other known people. A poor view makes a face look unlike its person, but not like another one.
        """
        likeness = self.likeness(sighting)
        if likeness < 0 and any(other.likeness(sighting) >= RECOGNISED for other in others):
            likeness = self.likeness(sighting, clear=True)
            gain = likeness
        else:
            gain = self._belief_gain(likeness, sighting)
        self.belief = min(_MOST_BELIEF, min(self.belief, self._position_evidence(sighting)) + gain)
        if likeness >= 0 or self.number is None or self._is_first_whole(sighting):
            self._take_in(sighting)
            return
        if self.rival is None or self.rival.likeness(sighting) < 0:
            self.rival = Track(sighting)
        else:
            self.rival.add(sighting)
        if sighting.poor:
            self.last_seen_s = sighting.time_s  # here the position is more reliable than the appearance
        self._forget_missing(sighting)
        self._follow(sighting)

    def _is_first_whole(self, sighting: Sighting) -> bool:
        """Whether this is the first full view of the face; its appearance is then learned from scratch."""
        return not (self._seen_whole or sighting.in_part)

    def _belief_gain(self, likeness: float, sighting: Sighting) -> float:
        """Change of the belief that this is still the same person."""
        if likeness >= 0:
            return max(likeness, _LEAST_GAIN)
        if not sighting.poor:
            return likeness
        before = self._poor_evidence
        self._poor_evidence = max(before + likeness, -_MOST_POOR_EVIDENCE)
        return self._poor_evidence - before

    def add_uncertain(self, sighting: Sighting) -> None:
        """Add a sighting that may show this face or one in front of it. Nothing is learned from it."""
        self._forget_missing(sighting)
        self.last = sighting
        self.last_seen_s = sighting.time_s

    def split_off_rival(self) -> Track:
        """Mark this person as out of view and return the track of the person who replaced them."""
        assert self.rival is not None
        other, self.rival = self.rival, None
        self.in_view = False
        self.belief = _MOST_BELIEF
        self._poor_evidence = 0.0
        self.last = self._place = self._trusted
        return other

    def resume(self, other: Track) -> None:
        """Bring this person back into view: ``other`` turned out to be the same person."""
        self._place, self._velocity = other._place, other._velocity
        self.merged_numbers += other.merged_numbers if other.number is None else (*other.merged_numbers, other.number)
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


def _position_score(off: float, off_size: float, gap_s: float) -> float:
    """Evidence from position: ``off`` widths from the expected place of a face last seen ``gap_s`` ago."""
    if off > _REACH + _REACH_PER_S * gap_s:
        return -inf
    spread = min(_SPREAD + _SPREAD_PER_S * gap_s, _LARGEST_SPREAD)
    return _PLACE - 2 * log(spread) - _TAIL * log(1 + (off**2 + off_size**2) / spread**2)
