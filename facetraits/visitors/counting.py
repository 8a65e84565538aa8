"""From faces that a tracker numbers to visits: who stays long enough is counted, once."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple
from uuid import UUID, uuid4

from facetraits.stay import FLICKER_S, Stay
from facetraits.tracking import TrackedFace
from facetraits.types import ClassPrediction
from facetraits.visitors.visit import Settings, Visit

_FORGOTTEN_S: Final = 600.0  # no tracker knows anybody for longer


class Step(NamedTuple):
    """What one analysed frame changed: visits that began, as far as they are known, and visits that are over."""

    entered: tuple[Visit, ...]
    left: tuple[Visit, ...]


class VisitCounter:
    """Counts the visits before one source. Not thread-safe.

    A tracked face is a visitor after ``settings.enter_s`` in view. Being out of view for up to ``settings.away_s`` is
    part of the visit; whoever comes back later is a new visitor. The tracker should keep numbers for ``away_s``.

    Age, gender and ethnicity of a visit are those of its track when last seen. The mood is the mean over the whole
    visit, in which good views count more.

    Args:
        source: name of the source, as in ``Visit``.
        settings: what counts as a visit.
        began: the moment at which the source's clock showed 0; aware.

    Attributes:
        settings, began: may be set anew at any time; visits that have begun keep their start.
        in_view: visitors in the newest frame.
        visits: counted so far.
    """

    def __init__(self, source: str, settings: Settings, began: datetime) -> None:
        self.settings = settings
        self.began = began
        self.in_view = 0
        self.visits = 0
        self._source = source
        self._stays: dict[int, Stay] = {}
        self._entered: dict[int, tuple[UUID, datetime]] = {}  # visit and start of those who are visitors
        self._gone: dict[int, float] = {}  # when numbers that may come back were last seen
        self._first_s: float | None = None

    def see(self, tracked: Sequence[TrackedFace], time_s: float) -> Step:
        """Take in the faces of an analysed frame; an empty one lets time pass.

        Args:
            tracked: the faces in view, as ``FaceTracker`` gives them.
            time_s: when the frame was taken, on the clock of the tracker; not earlier than the last one's.
        """
        if self._first_s is None:
            self._first_s = time_s
        left = self._leave(time_s)
        entered = [face.track_id for face in tracked if self._see(face)]
        self.visits += len(entered)
        self.in_view = sum(time_s - self._stays[number].last_s <= FLICKER_S for number in self._entered)
        return Step(tuple(self._visit(number) for number in entered), left)

    def current(self) -> tuple[Visit, ...]:
        """The visits that are not over, as they are known now."""
        return tuple(self._visit(number) for number in self._entered)

    def finish(self) -> tuple[Visit, ...]:
        """End all visits: the source is switched off, or its tracker gives numbers anew."""
        ended = tuple(self._visit(number, ended=True) for number in self._entered)
        self._stays.clear()
        self._entered.clear()
        self._gone.clear()
        self._first_s = None
        self.in_view = 0
        return ended

    def _see(self, face: TrackedFace) -> bool:
        """Whether the face has just become a visitor."""
        number = face.track_id
        if number not in self._stays:
            self._stays[number] = Stay(self._since(face))
        stay = self._stays[number]
        stay.see(face)
        if number in self._entered or stay.in_view_s < self.settings.enter_s:
            return False
        self._entered[number] = uuid4(), self.began + timedelta(seconds=stay.first_s)
        return True

    def _since(self, face: TrackedFace) -> float:
        """When the stay of a number begins that is not in view so far: not before the last one was over."""
        known_from_s = self._gone.pop(face.track_id, self._first_s)
        return face.first_seen_s if known_from_s is None or face.first_seen_s >= known_from_s else face.last_seen_s

    def _leave(self, time_s: float) -> tuple[Visit, ...]:
        away_s = self.settings.away_s
        over = [number for number, stay in self._stays.items() if time_s - stay.last_s > away_s]
        left = tuple(self._visit(number, ended=True) for number in over if number in self._entered)
        for number in over:
            self._gone[number] = self._stays.pop(number).last_s
            self._entered.pop(number, None)
        if over:
            self._gone = {n: last_s for n, last_s in self._gone.items() if time_s - last_s <= _FORGOTTEN_S}
        return left

    def _visit(self, number: int, ended: bool = False) -> Visit:
        stay, (visit_id, started) = self._stays[number], self._entered[number]
        traits = stay.traits()
        mood = traits.mood
        ethnicity = traits.ethnicity if self.settings.ethnicity else None
        return Visit(
            started=started,
            source=self._source,
            duration_s=stay.last_s - stay.first_s,
            age=None if traits.age is None else traits.age.years,
            age_group=None if traits.age is None else traits.age.group,
            age_confidence=_confidence(None if traits.age is None else traits.age.groups),
            gender=_top1(traits.gender),
            gender_confidence=_confidence(traits.gender),
            ethnicity=_top1(ethnicity),
            ethnicity_confidence=_confidence(ethnicity),
            mood=_top1(mood),
            mood_confidence=_confidence(mood),
            ended=ended,
            id=visit_id,
        )


def _top1(prediction: ClassPrediction | None) -> str | None:
    return None if prediction is None else prediction.top1


def _confidence(prediction: ClassPrediction | None) -> float | None:
    return None if prediction is None else prediction.confidence
