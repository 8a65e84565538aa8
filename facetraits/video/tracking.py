"""Who is who from one analysed frame to the next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import exp, hypot, isfinite, log
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from facetraits.faces.alignment import align_faces
from facetraits.types import AnalysisResult, FaceResult, FaceTraits
from facetraits.video.looks import LOOK_CROP, look_likeness, look_of, trait_likeness
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

_USUAL_LOOK_MEMORY_S: Final = 3.0


# Looks and traits together. Below 0: under 0.1% of small changes, 1.1% of all but the strongly turned heads; 98.8% of
# different people, 93% of look-alikes.
_BAD_VIEW_FACTOR: Final = 0.3  # how much evidence against counts in a view with a warning

# A person is taken for another when the evidence against, summed up since it began, outweighs this: that somebody else
# stands in the very place a tenth of a second later is as unlikely. Replayed with the answers for 200 more validation
# pictures, set in motion, ten a second: not one of 200 faces that nod and turn, some up to 38 degrees, covered by a
# hand, blurred or lit differently for a second or two, got a second number (by traits alone 7); of 393 cuts to another
# face in the same place 95% were found (by looks alone 91%, by traits alone 88%), seven of eight of them at the second
# sighting; of people replaced within a second, 96%.
_MOST_BELIEF: Final = 6.0
_LEAST_GAIN: Final = 0.5  # what a sighting without evidence against gives back
_KNOWN_BONUS: Final = 1.0  # a person before a face that was seen once
_RETURNING: Final = -1.0  # evidence that a face in the place of somebody lost must not fall below
_RECOGNISED: Final = 2.0  # and with which somebody lost is known wherever a face appears
# Who comes out from behind somebody is half covered at first: a new number is taken back so long if its face turns out
# to be somebody's who was lost.
_YOUNG_S: Final = 2.0

_BLIP_S: Final = 0.5  # a face that is not confirmed and was missed for longer was none
_HIDDEN_S: Final = 2.5  # a face not seen for less than this may be behind a neighbour
_HIDING_WIDTHS: Final = 0.9  # that is nearer than this to where it is expected


class FaceTracker:
    """Gives every face the number of its person, and the person's traits combined over time.

    A face is recognised by where it is expected and, where pictures are given, by what it looks like, and by its
    traits. What the faces look like is kept in memory only, and no longer than their tracks. Not thread-safe: one
    thread owns a tracker.

    Args:
        keep_s: how long a person who is not seen keeps the number, in seconds, > 0.
        confirm_after: a face is a person once it was seen this often, >= 1.

    Raises:
        ValueError: an argument is out of its range.
    """

    def __init__(self, keep_s: float = 2.5, confirm_after: int = 2) -> None:
        if confirm_after < 1:
            raise ValueError(f"confirm_after must be at least 1, got {confirm_after}")
        self.keep_s = keep_s
        self._confirm_after = confirm_after
        self._tracks: list[_Track] = []
        self._last_number = 0
        self._time_s: float | None = None

    @property
    def keep_s(self) -> float:
        """How long a person who is not seen keeps the number, in seconds; may be changed at any time."""
        return self._keep_s

    @keep_s.setter
    def keep_s(self, keep_s: float) -> None:
        if not keep_s > 0:
            raise ValueError(f"keep_s must be longer than 0 s, got {keep_s}")
        self._keep_s = keep_s

    def update(
        self, result: AnalysisResult, time_s: float, image: NDArray[np.uint8] | None = None
    ) -> tuple[TrackedFace, ...]:
        """Take in the next analysed frame.

        Args:
            result: what was found in it.
            time_s: when it was taken, in seconds on any clock; not earlier than the last one's.
            image: (H, W, 3) RGB, the frame itself; without it faces are told apart by place and traits only.

        Returns:
            The confirmed faces in view in this frame, in the order of their numbers.

        Raises:
            ValueError: time runs backwards, or ``image`` is not the analysed one.
        """
        if not isfinite(time_s) or (self._time_s is not None and time_s < self._time_s):
            raise ValueError(f"times must be finite and not run backwards, got {time_s} after {self._time_s}")
        if image is not None and image.shape != (result.size_wh[1], result.size_wh[0], 3):
            raise ValueError(f"image of shape {image.shape} is not the analysed one of {result.size_wh} px")
        self._time_s = time_s
        self._tracks = [track for track in self._tracks if not self._is_over(track, time_s)]
        sightings = _sightings(result, time_s, image)
        self._match(sightings)
        self._settle()
        shown = [track.shown() for track in self._tracks if track.in_view and track.number is not None]
        return tuple(sorted(shown, key=lambda face: face.track_id))

    def _is_over(self, track: _Track, time_s: float) -> bool:
        unseen_s = time_s - track.last_seen_s
        # Where analyses are slow, a new face has to be missed once before it is over.
        return unseen_s > self._keep_s if track.number is not None else unseen_s > _BLIP_S and not track.in_view

    def _match(self, sightings: Sequence[_Sighting]) -> None:
        """Give every sighting to the track that explains it best, or start one."""
        scores = np.array([[track.score(s) for s in sightings] for track in self._tracks])
        pairs = best_pairs(scores.reshape(len(self._tracks), len(sightings)))
        for track in self._tracks:
            track.in_view = False
        for i, _ in pairs:
            self._tracks[i].in_view = True
        missing = [track for track in self._tracks if track.number is not None and not track.in_view]
        for i, j in pairs:
            track = self._tracks[i]
            if any(other.may_be_behind(track, sightings[j]) for other in missing):
                track.see_uncertainly(sightings[j])
            else:
                track.add(sightings[j])
        taken = {j for _, j in pairs}
        self._tracks += [_Track(s) for j, s in enumerate(sightings) if j not in taken]

    def _settle(self) -> None:
        """Part tracks from those who took their place; number the new."""
        parted = [t for t in self._tracks if t.belief <= 0 and t.rival and t.rival.sightings >= self._confirm_after]
        self._tracks += [track.part() for track in parted]
        shown = [t for t in self._tracks if t.number is not None and t.in_view]
        for track in self._tracks:
            track.met |= {other.number for other in shown if other is not track and other.number is not None}
        for track in sorted(filter(self._is_young, self._tracks), key=lambda t: t.first_seen_s):
            known = [t for t in self._tracks if t.number is not None and not t.in_view and t.number not in track.met]
            best = max(known, key=lambda t: t.recognition(track), default=None)
            if best is not None and best.recognition(track) >= _RECOGNISED:
                best.resume(track)
                self._tracks.remove(track)
            elif track.number is None:
                self._last_number += 1
                track.number = self._last_number

    def _is_young(self, track: _Track) -> bool:
        """Whether a face in view is to be numbered, or its number may still be taken back."""
        confirmed = track.in_view and track.sightings >= self._confirm_after
        return confirmed and (track.number is None or track.last_seen_s - track.first_seen_s <= _YOUNG_S)


@dataclass(frozen=True, slots=True, eq=False)
class _Sighting:
    """One face of one frame: its centre, its size, and what it looks like (None without a picture).

    Lengths are in widths of the picture: a connection may change the size of its frames at any time.
    """

    face: FaceResult
    time_s: float
    x: float
    y: float
    size: float
    look: NDArray[np.float32] | None


def _sightings(result: AnalysisResult, time_s: float, image: NDArray[np.uint8] | None) -> list[_Sighting]:
    looks: Sequence[NDArray[np.float32] | None] = [None] * len(result.faces)
    if image is not None:
        crops = align_faces(image, [face.detection for face in result.faces], LOOK_CROP)
        looks = [look_of(crop) for crop in crops]
    sightings = []
    for face, look in zip(result.faces, looks, strict=True):
        left, top, right, bottom = (float(v) for v in face.detection.box_xyxy)
        width = result.size_wh[0]
        centre = (left + right) / 2 / width, (top + bottom) / 2 / width
        sightings.append(_Sighting(face, time_s, *centre, face.detection.size_px / width, look))
    return sightings


class _Track:
    """One person, or what may turn out to be one."""

    def __init__(self, sighting: _Sighting) -> None:
        self.number: int | None = None
        self.formerly: tuple[int, ...] = ()
        self.met: set[int] = set()  # numbers that were in view together with this face
        self.in_view = True
        self.first_seen_s = self.last_seen_s = sighting.time_s
        self.sightings = 0
        self.belief = _MOST_BELIEF  # that the face now in this place is still the same person
        self.rival: _Track | None = None  # made of the newest sightings where they look like somebody else
        self.last = sighting  # the newest sighting, whoever it shows
        self._place = sighting  # the newest whose place was that of this face alone
        self._velocity: tuple[float, float] | None = None  # per second
        self._trusted = sighting  # the newest that showed this person
        self._usual_look = sighting.look
        self._smoother = TraitSmoother()
        self._traits = FaceTraits()
        self._take_in(sighting)

    def shown(self) -> TrackedFace:
        """The track as the caller sees it."""
        assert self.number is not None
        face = replace(self.last.face, traits=self._traits)
        analyses = self._smoother.analyses
        return TrackedFace(self.number, face, self.first_seen_s, self.last_seen_s, analyses, self.formerly)

    def score(self, sighting: _Sighting) -> float:
        """Evidence that ``sighting`` shows this person, against its showing somebody new."""
        place = self._place_evidence(sighting)
        if place == -np.inf:
            return place
        likeness = self.likeness(sighting)
        if likeness < _RETURNING and sighting.time_s - self.last.time_s > _BLIP_S:
            return -np.inf
        return place + likeness + (_KNOWN_BONUS if self.number is not None else 0.0)

    def _place_evidence(self, sighting: _Sighting) -> float:
        gap_s = sighting.time_s - self._place.time_s
        width = (self.last.size * sighting.size) ** 0.5
        x, y = self._expected(sighting.time_s)
        walked_on = hypot(sighting.x - x, sighting.y - y) / width
        stopped = hypot(sighting.x - self.last.x, sighting.y - self.last.y) / width + _STOPPED_WIDTHS
        off = min(walked_on, stopped)
        if off > _REACH + _REACH_PER_S * gap_s:
            return -np.inf
        off_size = _WIDTHS_PER_LOG_SIZE * log(sighting.size / self.last.size)
        spread = min(_SPREAD + _SPREAD_PER_S * gap_s, _LARGEST_SPREAD)
        return _PLACE - 2 * log(spread) - _TAIL * log(1 + (off**2 + off_size**2) / spread**2)

    def _expected(self, time_s: float) -> tuple[float, float]:
        walking_s = min(time_s - self._place.time_s, _COAST_S)
        vx, vy = self._velocity or (0.0, 0.0)
        return self._place.x + vx * walking_s, self._place.y + vy * walking_s

    def may_be_behind(self, other: _Track, sighting: _Sighting) -> bool:
        """Whether this face, not seen now, may be covered by that of ``other``, seen as ``sighting``.

        Who appeared after this one was lost has not covered it, but taken its place.
        """
        if other.first_seen_s >= self.last_seen_s or sighting.time_s - self._place.time_s > _HIDDEN_S:
            return False
        x, y = self._expected(sighting.time_s)
        return hypot(sighting.x - x, sighting.y - y) < _HIDING_WIDTHS * max(self.last.size, sighting.size)

    def likeness(self, sighting: _Sighting) -> float:
        """Evidence of looks and traits."""
        evidence = trait_likeness(self._traits, sighting.face.traits)
        known = [look for look in (self._trusted.look, self._usual_look) if look is not None]
        if known and sighting.look is not None:
            evidence += look_likeness(max(float(look @ sighting.look) for look in known))
        return evidence * _BAD_VIEW_FACTOR if evidence < 0 and sighting.face.quality else evidence

    def recognition(self, other: _Track) -> float:
        """Evidence of looks and traits that this person, out of view, is who appeared as ``other``."""
        gap_s = other.last.time_s - self.last_seen_s
        width = (self.last.size * other.last.size) ** 0.5
        off = hypot(other.last.x - self.last.x, other.last.y - self.last.y) / width
        return self.likeness(other.last) if off <= 2 * _REACH + _REACH_PER_S * gap_s else -np.inf

    def add(self, sighting: _Sighting) -> None:
        """A face was seen where this one is expected, and no other is."""
        likeness = self.likeness(sighting)
        gain = likeness if likeness < 0 else max(likeness, _LEAST_GAIN)
        self.belief = min(_MOST_BELIEF, min(self.belief, self._place_evidence(sighting)) + gain)
        if likeness >= 0 or self.number is None:
            self._take_in(sighting)
            return
        if self.rival is None or self.rival.likeness(sighting) < 0:
            self.rival = _Track(sighting)
        else:
            self.rival.add(sighting)
        self._forget_missing(sighting)
        self._follow(sighting)

    def see_uncertainly(self, sighting: _Sighting) -> None:
        """A face was seen that may be this one or one that hides it: it teaches nothing."""
        self._forget_missing(sighting)
        self.last = sighting
        self.last_seen_s = sighting.time_s

    def part(self) -> _Track:
        """Somebody else has taken this one's place: go out of view, and hand over the other."""
        assert self.rival is not None
        other, self.rival = self.rival, None
        self.in_view = False
        self.belief = _MOST_BELIEF
        self.last = self._place = self._trusted
        return other

    def resume(self, other: _Track) -> None:
        """Come back into view as the face that first passed for ``other``."""
        self._place, self._velocity = other._place, other._velocity
        self.formerly += other.formerly if other.number is None else (*other.formerly, other.number)
        self.in_view = True
        self.belief = _MOST_BELIEF
        self._take_in(other.last)

    def _take_in(self, sighting: _Sighting) -> None:
        gap_s = sighting.time_s - self.last_seen_s
        self.rival = None
        self.sightings += 1
        self.last_seen_s = sighting.time_s
        self._trusted = sighting
        self._smoother.add(sighting.face, sighting.time_s)
        self._traits = self._smoother.traits()
        self._follow(sighting)
        if sighting.look is None or sighting.face.quality:
            return
        if self._usual_look is None:
            self._usual_look = sighting.look
        share = np.float32(max(1 / self.sightings, 1 - exp(-gap_s / _USUAL_LOOK_MEMORY_S)))
        usual = self._usual_look + share * (sighting.look - self._usual_look)
        self._usual_look = usual / np.linalg.norm(usual)

    def _follow(self, sighting: _Sighting) -> None:
        passed_s = sighting.time_s - self._place.time_s
        if passed_s > 0:
            passed_s = max(passed_s, _SHORTEST_STEP_S)
            vx, vy = (sighting.x - self._place.x) / passed_s, (sighting.y - self._place.y) / passed_s
            share = 1.0 if self._velocity is None else 1 - exp(-passed_s / _VELOCITY_MEMORY_S)
            old_vx, old_vy = self._velocity or (0.0, 0.0)
            self._velocity = (old_vx + share * (vx - old_vx), old_vy + share * (vy - old_vy))
        self.last = self._place = sighting

    def _forget_missing(self, sighting: _Sighting) -> None:
        self._smoother.forget_missing(sighting.face.traits)
        self._traits = self._smoother.traits()


def best_pairs(scores: NDArray[np.floating]) -> list[tuple[int, int]]:
    """The pairs of a row and a column, no row or column twice, with the largest sum of scores; only scores > 0 count.

    Args:
        scores: (R, C); R or C may be 0; -inf where a pair is impossible.

    Returns:
        (row, column) pairs, by row.
    """
    rows, columns = linear_sum_assignment(np.maximum(scores, 0), maximize=True)
    return [(int(row), int(column)) for row, column in zip(rows, columns, strict=True) if scores[row, column] > 0]
