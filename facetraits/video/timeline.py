"""A video as a time line per person: records, JSON lines and CSV, as docs/conventions.md describes them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from facetraits.tables import NO_FACE, csv_head, csv_piece, trait_cells, trait_columns
from facetraits.traits import TRAITS, TraitName
from facetraits.types import FaceTraits
from facetraits.video.live import Analyzer
from facetraits.video.sources import Frame
from facetraits.video.stay import Stay
from facetraits.video.tracked import TrackedFace, give_back
from facetraits.video.tracking import FaceTracker

SAME_PERSON_S: Final = 6.0  # a person out of view for longer gets a new number

_STAY_KEYS: Final = ("first_s", "last_s", "seen_s")


def timeline_columns() -> tuple[str, ...]:
    """The columns of the table of people and seconds."""
    return ("path", "error", "person", *_STAY_KEYS, "time_s", *trait_columns())


def error_record(path: str, error: str) -> dict[str, Any]:
    """The record of a video without people, with the reason."""
    return {"path": path, "error": error, "person": None, **dict.fromkeys(_STAY_KEYS), "timeline": []}


def person_records(
    path: str, frames: Iterator[Frame], analyzer: Analyzer, traits: Collection[TraitName] = TRAITS
) -> Iterator[dict[str, Any]]:
    """One record per person, ready for JSON: as soon as the person has left, those of the end in order of appearance.

    A record has ``path``, ``error`` (None), ``person`` (from 1, in order of appearance; a number is missing if its
    track turned out to belong to an earlier person), ``first_s``, ``last_s`` and ``seen_s`` (seconds of the video), the
    traits as for pictures, and ``timeline``: for each second in which the person was seen ``time_s`` and the traits as
    they were known then. Of the whole stay, age, gender and ethnicity are those known at its end; expression and mood
    are the mean over it, in which good views count more. A video without a face has one ``error_record``.

    Args:
        path: as the user gave it.
        frames: of the video.
        analyzer: what looks at them.
        traits: what to estimate.
    """
    tracker = FaceTracker(SAME_PERSON_S)
    people: dict[int, _Person] = {}
    anybody = False
    for frame in frames:
        result = analyzer.analyze(frame.image, traits)
        for tracked in tracker.update(result, frame.time_s, frame.image):
            for number in tracked.merged_numbers:
                give_back(people, tracked.track_id, number, _Person.go_on_with)
            people.setdefault(tracked.track_id, _Person(tracked)).add_sighting(tracked)
            anybody = True
        for number in [n for n, person in people.items() if frame.time_s - person.stay.last_s > SAME_PERSON_S]:
            yield {"path": path, **people.pop(number).record()}
    for _, person in sorted(people.items()):
        yield {"path": path, **person.record()}
    if not anybody:
        yield error_record(path, NO_FACE)


class _Person:
    """Somebody's stay in the video so far."""

    def __init__(self, tracked: TrackedFace) -> None:
        self.number = tracked.track_id
        self.stay = Stay(tracked.first_seen_s)
        self._seconds: dict[int, FaceTraits] = {}

    def add_sighting(self, tracked: TrackedFace) -> None:
        if self.stay.add_sighting(tracked):
            self._seconds[int(tracked.last_seen_s)] = tracked.face.traits

    def go_on_with(self, later: _Person) -> None:
        self.stay.go_on_with(later.stay)
        self._seconds |= later._seconds

    def record(self) -> dict[str, Any]:
        return {
            "error": None,
            "person": self.number,
            "first_s": round(self.stay.first_s, 2),
            "last_s": round(self.stay.last_s, 2),
            "seen_s": round(self.stay.in_view_s, 2),
            **self.stay.traits().to_dict(),
            "timeline": [{"time_s": second, **traits.to_dict()} for second, traits in self._seconds.items()],
        }


def timeline_csv_lines(records: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """The line of column names, then for each person the lines in one piece: one per second, or one with the error."""
    columns = timeline_columns()
    yield csv_head(columns)
    for record in records:
        yield csv_piece(timeline_rows(record), columns)


def timeline_rows(record: Mapping[str, Any]) -> Sequence[dict[str, Any]]:
    """A person as rows by the names of ``timeline_columns``: one per second, or one with the error."""
    stay = {name: record[name] for name in ("path", "error", "person", *_STAY_KEYS)}
    if record["error"] is not None:
        return [stay]
    return [{**stay, "time_s": entry["time_s"], **trait_cells(entry)} for entry in record["timeline"]]
