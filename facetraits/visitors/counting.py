"""Counting visits from tracked faces: a person who stays long enough is counted once."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from statistics import median_low
from typing import Final, NamedTuple
from uuid import UUID, uuid4

from facetraits.types import ClassPrediction
from facetraits.video.stay import FLICKER_S, Stay
from facetraits.video.tracked import TrackedFace, give_back
from facetraits.visitors.geometry import Crossings, Point, Segment
from facetraits.visitors.layout import NO_LAYOUT, Layout, scaled
from facetraits.visitors.visit import Settings, Visit

_FORGOTTEN_S: Final = 600.0  # no tracker remembers anybody for longer
# On an overloaded machine the time between analyses exceeds ``FLICKER_S``. A person seen in two consecutive analyses is
# then assumed to have stayed in view. The median of the last intervals is used, because a single long pause is not
# typical.
_LOOKS: Final = 6
_USUAL_GAPS: Final = 1.5
# How close to the line a face counts as being on it: a share of its size, and at least so much of the picture's height.
_MARGIN_OF_FACE: Final = 0.15
_LEAST_MARGIN: Final = 0.01


class Step(NamedTuple):
    """What one analysed frame changed.

    Attributes:
        entered: visits that began, as far as they are known.
        left: visits that are over.
        withdrawn: visits counted by mistake, each with the visit that it belongs to: the tracker gave a known person a
            new number and later withdrew it.
    """

    entered: tuple[Visit, ...] = ()
    left: tuple[Visit, ...] = ()
    withdrawn: tuple[tuple[UUID, UUID], ...] = ()


class VisitCounter:
    """Counts the visits before one source. Not thread-safe.

    A tracked face is a visitor after ``settings.enter_s`` in view, or, where a counting line is drawn, once its centre
    has crossed the line. Whoever has only left over the line has a visit with no entry, and is no visitor. Faces whose
    centre lies in an ignored area are as good as out of view. Being out of view for up to ``settings.away_s`` is
    part of the visit; a person who comes back later is a new visitor. The tracker should keep numbers for ``away_s``.
    If it withdraws a number, that visit is withdrawn too, and its time is added to the other visit.

    Age, gender and ethnicity of a visit are those of its track when last seen. The mood is the mean over the whole
    visit, in which good views count more.

    Args:
        source: name of the source, as in ``Visit``.
        settings: what counts as a visit.
        began: the moment at which the source's clock showed 0; aware.

    Attributes:
        settings, began: may be set anew at any time; visits that have begun keep their start.
        layout: line and ignored areas; may be set anew at any time.
        in_view: visitors in the newest frame.
        visits: visitors counted so far, without withdrawn ones.
        entries, exits: crossings of the line so far, in each direction.
    """

    def __init__(
        self, source: str, settings: Settings, began: datetime, visit_id: Callable[[int, float], UUID] | None = None
    ) -> None:
        self.settings = settings
        self.began = began
        self.in_view = 0
        self.visits = 0
        self.entries = 0
        self.exits = 0
        self._layout = NO_LAYOUT
        self._crossings: dict[int, Crossings] = {}  # of those who came into view while a line was drawn
        self._source = source
        self._visit_id = visit_id or (lambda track, since_s: uuid4())
        self._stays: dict[int, Stay] = {}
        self._entered: dict[int, tuple[UUID, datetime]] = {}  # visit and start of those who are visitors
        self._gone: dict[int, float] = {}  # last-seen times of numbers that may return
        self._first_s: float | None = None
        self._looks: deque[float] = deque(maxlen=_LOOKS)
        self._flicker_s = FLICKER_S

    @property
    def layout(self) -> Layout:
        """Line and ignored areas."""
        return self._layout

    @layout.setter
    def layout(self, layout: Layout) -> None:
        if layout.line != self._layout.line:
            for crossings in self._crossings.values():
                crossings.forget_place()
        self._layout = layout

    def add_faces(self, tracked: Sequence[TrackedFace], time_s: float, size_wh: tuple[int, int] | None = None) -> Step:
        """Take in the faces of an analysed frame.

        Args:
            tracked: the faces in view, as ``FaceTracker`` gives them.
            time_s: when the frame was taken, on the clock of the tracker; not earlier than the last one's.
            size_wh: of the frame, in px; without it the layout does not count.
        """
        if self._first_s is None:
            self._first_s = time_s
        self._look(time_s)
        left = self._leave(time_s)
        known = {visit for visit, _ in self._entered.values()}
        before = self._totals()
        line = None if size_wh is None else self._layout.line_in(size_wh)
        withdrawn = [
            pair
            for face in tracked
            for number in face.merged_numbers
            if (pair := self._merge_visits(face.track_id, number, line))
        ]
        for face in tracked:
            if size_wh is None or not self._layout.ignores(_centre(face, size_wh)):
                self._add_face(face, line, size_wh)
        entered = [number for number, (visit, _) in self._entered.items() if visit not in known]
        visits, entries, exits = (now - then for now, then in zip(self._totals(), before, strict=True))
        self.visits += visits
        self.entries += entries
        self.exits += exits
        self._count_in_view(time_s)
        return Step(tuple(self._visit(number) for number in entered), left, tuple(withdrawn))

    def wait(self, time_s: float) -> Step:
        """Let time pass without a frame."""
        left = self._leave(time_s)
        self._count_in_view(time_s)
        return Step(left=left)

    def current(self) -> tuple[Visit, ...]:
        """The visits that are not over, as they are known now."""
        return tuple(self._visit(number) for number in self._entered)

    def complete(self) -> Step:
        """A recording is over: where all of it was shorter than a visitor stays, who was in view was a visitor."""
        shown_s = 0.0 if self._first_s is None or not self._looks else self._looks[-1] - self._first_s
        if shown_s >= self.settings.enter_s:
            return Step()
        entered = [n for n in self._stays if n not in self._entered and n not in self._crossings]
        for number in entered:
            self._enter(number)
        self.visits += len(entered)
        return Step(tuple(self._visit(number) for number in entered))

    def finish(self) -> tuple[Visit, ...]:
        """End all visits: the source is switched off, or its tracker restarts its numbers."""
        ended = tuple(self._visit(number, ended=True) for number in self._entered)
        self._stays.clear()
        self._entered.clear()
        self._crossings.clear()
        self._gone.clear()
        self._looks.clear()
        self._flicker_s = FLICKER_S
        self._first_s = None
        self.in_view = 0
        return ended

    def _totals(self) -> tuple[int, int, int]:
        """Visitors among those who are here or may come back, and how often these have crossed the line."""
        return (
            sum(map(self._is_visitor, self._entered)),
            sum(crossings.entries for crossings in self._crossings.values()),
            sum(crossings.exits for crossings in self._crossings.values()),
        )

    def _is_visitor(self, number: int) -> bool:
        return number in self._entered and (number not in self._crossings or self._crossings[number].entries > 0)

    def _look(self, time_s: float) -> None:
        gaps = [later - earlier for earlier, later in pairwise(self._looks)]
        self._flicker_s = max(FLICKER_S, _USUAL_GAPS * median_low(gaps)) if len(gaps) > 1 else FLICKER_S
        self._looks.append(time_s)

    def _count_in_view(self, time_s: float) -> None:
        self.in_view = sum(
            time_s - self._stays[number].last_s <= self._flicker_s and self._is_visitor(number)
            for number in self._entered
        )

    def _add_face(self, face: TrackedFace, line: Segment | None, size_wh: tuple[int, int] | None) -> None:
        number = face.track_id
        if number not in self._stays:
            self._stays[number] = Stay(self._stay_start(face))
            if line is not None:
                self._crossings[number] = Crossings()
        stay, crossings = self._stays[number], self._crossings.get(number)
        seen = stay.add_sighting(face, self._flicker_s)
        if crossings is not None and line is not None and size_wh is not None and seen:
            crossings.move(line, scaled(_centre(face, size_wh), size_wh), _margin(face, size_wh))
        come = stay.in_view_s >= self.settings.enter_s if crossings is None else crossings.entries + crossings.exits > 0
        if number not in self._entered and come:
            self._enter(number)

    def _enter(self, number: int) -> UUID:
        visit = self._visit_id(number, self._stays[number].first_s)
        self._entered[number] = visit, self.began + timedelta(seconds=self._stays[number].first_s)
        return visit

    def _merge_visits(self, number: int, taken_back: int, line: Segment | None) -> tuple[UUID, UUID] | None:
        """Merge the visit of a withdrawn number into its owner's visit.

        Returns:
            The visit that was counted by mistake, and the one that it belongs to; None where nobody was counted twice.
        """
        if taken_back not in self._stays:
            return None
        counted = self._entered.pop(taken_back, None)
        give_back(self._crossings, number, taken_back, lambda known, later: known.go_on_with(line, later))
        if not give_back(self._stays, number, taken_back, lambda stay, later: stay.go_on_with(later, self._flicker_s)):
            self._gone.pop(number, None)  # the owner's last visit is over, if there was one: this is another
            if counted is not None:
                self._entered[number] = counted
            return None
        if counted is None:
            return None
        # A counted visit keeps its start. If the owner was in view too briefly to count, the start is reset.
        owner = self._entered[number][0] if number in self._entered else self._enter(number)
        return counted[0], owner

    def _stay_start(self, face: TrackedFace) -> float:
        """Start of the stay of a number that is not in view yet: never before the end of its last stay."""
        known_from_s = self._gone.pop(face.track_id, self._first_s)
        return face.first_seen_s if known_from_s is None or face.first_seen_s >= known_from_s else face.last_seen_s

    def _leave(self, time_s: float) -> tuple[Visit, ...]:
        away_s = self.settings.away_s
        over = [number for number, stay in self._stays.items() if time_s - stay.last_s > away_s]
        left = tuple(self._visit(number, ended=True) for number in over if number in self._entered)
        for number in over:
            self._gone[number] = self._stays.pop(number).last_s
            self._entered.pop(number, None)
            self._crossings.pop(number, None)
        if over:
            self._gone = {n: last_s for n, last_s in self._gone.items() if time_s - last_s <= _FORGOTTEN_S}
        return left

    def _visit(self, number: int, ended: bool = False) -> Visit:
        stay, (visit_id, started) = self._stays[number], self._entered[number]
        traits = stay.traits()
        mood = traits.mood
        ethnicity = traits.ethnicity if self.settings.ethnicity else None
        crossings = self._crossings.get(number)
        return Visit(
            started=started,
            source=self._source,
            duration_s=stay.last_s - stay.first_s,
            age=None if traits.age is None else traits.age.years,
            age_group=None if traits.age is None else traits.age.group,
            age_confidence=None if traits.age is None else traits.age.group_confidence,
            gender=_top1(traits.gender),
            gender_confidence=_confidence(traits.gender),
            ethnicity=_top1(ethnicity),
            ethnicity_confidence=_confidence(ethnicity),
            mood=_top1(mood),
            mood_confidence=_confidence(mood),
            ended=ended,
            entries=None if crossings is None else crossings.entries,
            exits=None if crossings is None else crossings.exits,
            id=visit_id,
        )


def _centre(face: TrackedFace, size_wh: tuple[int, int]) -> Point:
    """The centre of the face's box, relative to the picture."""
    left, top, right, bottom = map(float, face.face.detection.box_xyxy)
    return (left + right) / 2 / size_wh[0], (top + bottom) / 2 / size_wh[1]


def _margin(face: TrackedFace, size_wh: tuple[int, int]) -> float:
    """How close to the line a face is in doubt, in units of the picture's height: boxes tremble with their size."""
    left, top, right, bottom = map(float, face.face.detection.box_xyxy)
    return max(_LEAST_MARGIN, _MARGIN_OF_FACE * max(right - left, bottom - top) / size_wh[1])


def _top1(prediction: ClassPrediction | None) -> str | None:
    return None if prediction is None else prediction.top1


def _confidence(prediction: ClassPrediction | None) -> float | None:
    return None if prediction is None else prediction.confidence
