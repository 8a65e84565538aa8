"""A face with its number, as the tracker shows it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from facetraits.types import FaceResult

_Kept = TypeVar("_Kept")


@dataclass(frozen=True, slots=True, eq=False)
class TrackedFace:
    """A person in view.

    Attributes:
        track_id: from 1, in order of appearance; never given twice by one tracker.
        face: where the face is and how well it can be seen now; its traits are combined over the track.
        first_seen_s: when the person was first seen.
        last_seen_s: when the person was last seen; earlier than now while it is in doubt who this is.
        analyses: number of single-frame answers in the traits.
        merged_numbers: earlier numbers of the person, given before they were recognised; no longer in use.
    """

    track_id: int
    face: FaceResult
    first_seen_s: float
    last_seen_s: float
    analyses: int
    merged_numbers: tuple[int, ...] = ()


def give_back(kept: dict[int, _Kept], number: int, taken_back: int, go_on_with: Callable[[_Kept, _Kept], None]) -> bool:
    """Merge what is kept under a withdrawn number (``TrackedFace.merged_numbers``) into its owner's.

    Args:
        kept: number to what is kept of the person.
        number: of the person.
        taken_back: under which the person was known for a while.
        go_on_with: takes what the person has and, as the second, what was kept under the other number.

    Returns:
        True where both had something, so that ``go_on_with`` was called.
    """
    later = kept.pop(taken_back, None)
    if later is None:
        return False
    if number not in kept:
        kept[number] = later
        return False
    go_on_with(kept[number], later)
    return True
