"""Tracking: which person each face belongs to, from one analysed frame to the next."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from facetraits.types import AnalysisResult
from facetraits.video.sightings import Sighting, sightings_of
from facetraits.video.track import RECOGNISED, UNCONFIRMED_GAP_S, Track
from facetraits.video.tracked import TrackedFace

# A person who reappears from behind somebody is half covered at first. During this time a new number is withdrawn if
# the face turns out to be a lost person.
_YOUNG_S: Final = 2.0


class FaceTracker:
    """Gives every face the number of its person, and the person's traits combined over time.

    A face is recognised by its expected position, its traits and, if pictures are given, its appearance. Appearance
    vectors are kept in memory only, and no longer than their tracks. Not thread-safe: one thread owns a tracker.

    Args:
        keep_s: how long a person out of view keeps the number, in seconds, > 0.
        confirm_after: number of sightings that confirm a face as a person, >= 1.

    Raises:
        ValueError: an argument is out of its range.
    """

    def __init__(self, keep_s: float = 2.5, confirm_after: int = 2) -> None:
        if confirm_after < 1:
            raise ValueError(f"confirm_after must be at least 1, got {confirm_after}")
        self.keep_s = keep_s
        self._confirm_after = confirm_after
        self._tracks: list[Track] = []
        self._last_number = 0
        self._time_s: float | None = None

    @property
    def keep_s(self) -> float:
        """How long a person out of view keeps the number, in seconds; may be changed at any time."""
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
            image: (H, W, 3) RGB, the frame itself; without it only position and traits are compared.

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
        sightings = sightings_of(result, time_s, image)
        self._match(sightings)
        self._split_and_number()
        shown = [track.shown() for track in self._tracks if track.in_view and track.number is not None]
        return tuple(sorted(shown, key=lambda face: face.track_id))

    def _is_over(self, track: Track, time_s: float) -> bool:
        unseen_s = time_s - track.last.time_s  # a person in doubt still counts as present
        if track.number is not None:
            return unseen_s > self._keep_s
        # With slow analyses, a new face must be missed once before it is dropped.
        return unseen_s > UNCONFIRMED_GAP_S and not track.in_view

    def _match(self, sightings: Sequence[Sighting]) -> None:
        """Give every sighting to the track that explains it best, or start one."""
        scores = np.array([[track.score(s) for s in sightings] for track in self._tracks])
        pairs = best_pairs(scores.reshape(len(self._tracks), len(sightings)))
        matched = [(self._tracks[i], sightings[j]) for i, j in pairs]
        self._merge_returned_people(matched)
        for track in self._tracks:
            track.in_view = False
        for track, _ in matched:
            track.in_view = True
        known = [track for track in self._tracks if track.number is not None]
        missing = [track for track in known if not track.in_view]
        for track, sighting in matched:
            if any(other.may_be_behind(track, sighting) for other in missing):
                track.add_uncertain(sighting)
            else:
                track.add(
                    sighting, [other for other in self._tracks if other is not track and other.number is not None]
                )
        taken = {j for _, j in pairs}
        self._tracks += [Track(s) for j, s in enumerate(sightings) if j not in taken]

    def _merge_returned_people(self, matched: Sequence[tuple[Track, Sighting]]) -> None:
        """Merge a recent track into a lost person's track if it shows the same person."""
        kept = {id(track) for track, _ in matched}
        for track, sighting in matched:
            if track.in_view or track.number is None:
                continue
            for young in [t for t in self._tracks if id(t) not in kept and self._is_young(t)]:
                if track.number not in young.seen_with and young.is_continued_by(sighting):
                    track.resume(young)
                    self._tracks.remove(young)
                    break

    def _split_and_number(self) -> None:
        """Split off the tracks of people who replaced others, and number new people."""
        parted = [t for t in self._tracks if t.belief <= 0 and t.rival and t.rival.sightings >= self._confirm_after]
        self._tracks += [track.split_off_rival() for track in parted]
        shown = [t for t in self._tracks if t.number is not None and t.in_view]
        for track in self._tracks:
            track.seen_with |= {other.number for other in shown if other is not track and other.number is not None}
        for track in sorted(filter(self._is_young, self._tracks), key=lambda t: t.first_seen_s):
            known = [
                t for t in self._tracks if t.number is not None and not t.in_view and t.number not in track.seen_with
            ]
            best = max(known, key=lambda t: t.recognition(track), default=None)
            if best is not None and best.recognition(track) >= RECOGNISED:
                best.resume(track)
                self._tracks.remove(track)
            elif track.number is None:
                self._last_number += 1
                track.number = self._last_number

    def _is_young(self, track: Track) -> bool:
        """Whether a face in view has no number yet, or its number may still be withdrawn."""
        confirmed = track.in_view and track.sightings >= self._confirm_after
        return confirmed and (track.number is None or track.last_seen_s - track.first_seen_s <= _YOUNG_S)


def best_pairs(scores: NDArray[np.floating]) -> list[tuple[int, int]]:
    """The one-to-one assignment of rows to columns with the largest sum of scores; only scores > 0 count.

    Args:
        scores: (R, C); R or C may be 0; -inf where a pair is impossible.

    Returns:
        (row, column) pairs, by row.
    """
    rows, columns = linear_sum_assignment(np.maximum(scores, 0), maximize=True)
    return [(int(row), int(column)) for row, column in zip(rows, columns, strict=True) if scores[row, column] > 0]
