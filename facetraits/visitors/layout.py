"""What is drawn over the picture of a source: the line that people cross to come in, and areas to ignore."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import hypot, isfinite
from typing import Final

from facetraits.visitors.geometry import Point, Segment, is_inside

MOST_AREAS: Final = 20
MOST_CORNERS: Final = 40
_SHORTEST_LINE: Final = 0.02


@dataclass(frozen=True, slots=True)
class Layout:
    """The counting line and the ignored areas of one source.

    All numbers are relative to the picture's width (x) and height (y), in [0, 1]; y grows downwards.

    Attributes:
        line: whoever crosses it from its left to its right side has entered, as seen from ``start`` to ``end``; None:
            everybody who stays long enough has.
        ignored: polygons of at least three corners; a face whose centre lies in one of them is not counted.
    """

    line: Segment | None = None
    ignored: tuple[tuple[Point, ...], ...] = ()

    def __post_init__(self) -> None:
        points = [*(self.line or ()), *(corner for area in self.ignored for corner in area)]
        if not all(isfinite(value) and 0 <= value <= 1 for point in points for value in point):
            raise ValueError("Lines and areas must lie inside the picture: all numbers must be from 0 to 1.")
        if self.line is not None and hypot(*(b - a for a, b in zip(*self.line, strict=True))) < _SHORTEST_LINE:
            raise ValueError("The counting line is too short.")
        if len(self.ignored) > MOST_AREAS or any(not 3 <= len(area) <= MOST_CORNERS for area in self.ignored):
            raise ValueError(f"There may be up to {MOST_AREAS} areas, of 3 to {MOST_CORNERS} corners each.")

    def ignores(self, point: Point) -> bool:
        """Whether a point, relative to the picture, lies in an ignored area."""
        return any(is_inside(area, point) for area in self.ignored)

    def line_in(self, size_wh: tuple[int, int]) -> Segment | None:
        """The line in units of the picture's height, in which both directions are equally long."""
        if self.line is None:
            return None
        start, end = (scaled(point, size_wh) for point in self.line)
        return Segment(start, end)


NO_LAYOUT: Final = Layout()


def scaled(point: Point, size_wh: tuple[int, int]) -> Point:
    """A relative point in units of the picture's height."""
    return point[0] * size_wh[0] / size_wh[1], point[1]


def layout_of(line: Sequence[float] | None, ignored: Sequence[Sequence[float]]) -> Layout:
    """A layout from plain numbers: x1, y1, x2, y2 of the line, and x, y of every corner of each area.

    Raises:
        ValueError: they make no layout; the message is one sentence for the owner.
    """
    if line is not None and len(line) != 4:
        raise ValueError("A counting line has four numbers: x1,y1,x2,y2.")
    if any(len(area) % 2 for area in ignored):
        raise ValueError("An area has an even number of values: x1,y1,x2,y2,x3,y3 and so on.")
    segment = None if line is None else Segment((line[0], line[1]), (line[2], line[3]))
    return Layout(segment, tuple(tuple(zip(area[::2], area[1::2], strict=True)) for area in ignored))
