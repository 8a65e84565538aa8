"""Who crosses a line, and what lies in an area. Points are (x, y) with y downwards, in one unit for both."""

from __future__ import annotations

from collections.abc import Sequence
from math import hypot
from typing import NamedTuple

import cv2
import numpy as np

Point = tuple[float, float]


class Segment(NamedTuple):
    """A line with two ends. Its right side is the one to the right of somebody who looks from ``start`` to ``end``."""

    start: Point
    end: Point


def distance_to_right(segment: Segment, point: Point) -> float:
    """Distance of a point from the endless line through the segment: positive on its right side, negative on its left.

    The segment must have a length.
    """
    (x1, y1), (x2, y2) = segment
    return ((x2 - x1) * (point[1] - y1) - (y2 - y1) * (point[0] - x1)) / hypot(x2 - x1, y2 - y1)


def step_through(segment: Segment, before: Point, after: Point) -> int:
    """Whether the straight way from one point to the other leads through the segment.

    A point on the line counts as one on its left side. The ends of the segment belong to it.

    Returns:
        1 from left to right, -1 from right to left, 0 where it does not lead through the segment.
    """
    first, second = distance_to_right(segment, before), distance_to_right(segment, after)
    if (first > 0) == (second > 0):
        return 0
    part = first / (first - second)
    x, y = (b + part * (a - b) for b, a in zip(before, after, strict=True))
    (x1, y1), (x2, y2) = segment
    along = ((x - x1) * (x2 - x1) + (y - y1) * (y2 - y1)) / ((x2 - x1) ** 2 + (y2 - y1) ** 2)
    return 0 if not 0 <= along <= 1 else 1 if second > 0 else -1


def is_inside(corners: Sequence[Point], point: Point) -> bool:
    """Whether a point lies in the polygon, or on its edge."""
    return cv2.pointPolygonTest(np.array(corners, dtype=np.float32), point, False) >= 0


class Crossings:
    """How often one person has crossed a segment, in both directions.

    The person changes sides once they are farther from the line than a margin. Whoever lingers on the line is therefore
    counted once, and whoever turns back is not counted. Going around an end of the segment does not count either.

    Attributes:
        entries: crossings from left to right.
        exits: crossings from right to left.
    """

    def __init__(self) -> None:
        self.entries = 0
        self.exits = 0
        self._side = 0  # 1: right; -1: left; 0: not known, because the person was always near the line
        self._last: Point | None = None
        self._through = 0  # steps to the right through the segment minus steps to the left, since the side was known
        self._first: tuple[Point, int] | None = None  # where the side was first known

    def move(self, segment: Segment, point: Point, margin: float) -> None:
        """The person is now at ``point``.

        Args:
            segment: the same at every call, or ``forget_place`` was called.
            point: where the person is.
            margin: distance from the line up to which the side is in doubt, >= 0.
        """
        if self._last is not None:
            self._through += step_through(segment, self._last, point)
        self._last = point
        distance = distance_to_right(segment, point)
        if abs(distance) > margin:
            self._arrive(1 if distance > 0 else -1)
            self._first = self._first or (point, self._side)

    def go_on_with(self, segment: Segment | None, later: Crossings) -> None:
        """Take in what was counted of the same person afterwards, under another number.

        Args:
            segment: as of ``move``; None where there is none any more.
            later: what was counted.
        """
        self.entries += later.entries
        self.exits += later.exits
        if segment is None:
            return
        if later._first is not None:
            first, side = later._first
            if self._last is not None:
                self._through += step_through(segment, self._last, first)
            self._arrive(side)
            self._side, self._through = later._side, later._through
            self._first = self._first or later._first
        elif self._last is not None and later._last is not None:
            self._through += step_through(segment, self._last, later._last)
        self._last = later._last or self._last

    def forget_place(self) -> None:
        """The segment has changed: what was counted stays, but on which side the person is must be seen again."""
        self._side = self._through = 0
        self._last = self._first = None

    def _arrive(self, side: int) -> None:
        if self._side == -side and self._through == side:
            self.entries += side > 0
            self.exits += side < 0
        self._side, self._through = side, 0
