"""Crossing a line and lying in an area, to the point."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facetraits.visitors.geometry import Crossings, Point, Segment, distance_to_right, is_inside, step_through

# From the bottom up, so that its right side is the picture's right.
UP = Segment((0.5, 1.0), (0.5, 0.0))
MARGIN = 0.05


def walked(points: Iterable[Point], line: Segment = UP, margin: float = MARGIN) -> tuple[int, int]:
    crossings = Crossings()
    for point in points:
        crossings.move(line, point, margin)
    return crossings.entries, crossings.exits


def along(*xs: float, y: float = 0.5) -> list[Point]:
    return [(x, y) for x in xs]


@pytest.mark.parametrize(
    ("segment", "point", "distance"),
    [
        (UP, (0.7, 0.3), 0.2),
        (UP, (0.4, 5.0), -0.1),
        (UP, (0.5, 0.2), 0.0),
        (Segment((0.0, 0.0), (1.0, 0.0)), (0.3, 0.25), 0.25),  # who looks to the right has what is below on the right
        (Segment((1.0, 0.0), (0.0, 0.0)), (0.3, 0.25), -0.25),
        (Segment((0.0, 0.0), (3.0, 4.0)), (0.0, 5.0), 3.0),
    ],
)
def test_distances_have_the_sign_of_the_side(segment: Segment, point: Point, distance: float) -> None:
    assert distance_to_right(segment, point) == pytest.approx(distance)


@pytest.mark.parametrize(
    ("before", "after", "through"),
    [
        ((0.4, 0.5), (0.6, 0.5), 1),
        ((0.6, 0.5), (0.4, 0.5), -1),
        ((0.4, 0.5), (0.5, 0.5), 0),  # onto the line from its left
        ((0.5, 0.5), (0.6, 0.5), 1),  # and on to its right
        ((0.6, 0.5), (0.5, 0.5), -1),
        ((0.4, 1.0), (0.6, 1.0), 1),  # through its end
        ((0.4, 1.01), (0.6, 1.01), 0),  # past its end
        ((0.4, -0.2), (0.6, 0.2), 1),  # through the other end
        ((0.4, -0.3), (0.6, 0.2), 0),
        ((0.1, 0.2), (0.4, 0.9), 0),
    ],
)
def test_a_step_leads_through_the_segment_or_not(before: Point, after: Point, through: int) -> None:
    assert step_through(UP, before, after) == through


def test_directions_are_counted_apart() -> None:
    assert walked(along(0.2, 0.4, 0.6, 0.8)) == (1, 0)
    assert walked(along(0.8, 0.6, 0.4, 0.2)) == (0, 1)
    assert walked(along(0.2, 0.8, 0.2, 0.8)) == (2, 1)
    turned = Segment(UP.end, UP.start)
    assert walked(along(0.2, 0.4, 0.6, 0.8), turned) == (0, 1)


def test_whoever_lingers_on_the_line_is_counted_once() -> None:
    trembling = [0.48, 0.52, 0.46, 0.54, 0.49, 0.51] * 20
    assert walked(along(0.2, *trembling, 0.8)) == (1, 0)
    assert walked(along(0.2, *trembling, 0.2)) == (0, 0), "who turns back has not crossed"
    assert walked(along(*trembling)) == (0, 0)


def test_the_margin_decides_how_far_is_across() -> None:
    assert walked(along(0.2, 0.55), margin=0.051) == (0, 0)
    assert walked(along(0.2, 0.56), margin=0.05) == (1, 0)


def test_going_around_an_end_does_not_count() -> None:
    line = Segment((0.5, 0.6), (0.5, 0.4))
    around = [(0.2, 0.5), (0.3, 0.9), (0.7, 0.9), (0.8, 0.5)]
    assert walked(around, line) == (0, 0)
    assert walked([*around, (0.2, 0.5)], line) == (0, 1), "but the way back through it does"


def test_who_appears_on_the_line_comes_from_nowhere() -> None:
    assert walked(along(0.51, 0.7)) == (0, 0)
    assert walked(along(0.49, 0.7)) == (0, 0)
    assert walked(along(0.51, 0.7, 0.2)) == (0, 1)


def test_what_was_counted_under_another_number_is_added() -> None:
    first, later = Crossings(), Crossings()
    for point in along(0.2, 0.3):
        first.move(UP, point, MARGIN)
    for point in along(0.7, 0.8, 0.2):
        later.move(UP, point, MARGIN)
    first.go_on_with(UP, later)
    assert (first.entries, first.exits) == (1, 1), "the way between the two was through the line"
    first.move(UP, (0.8, 0.5), MARGIN)
    assert (first.entries, first.exits) == (2, 1)


def test_a_number_that_was_only_seen_on_the_line_changes_nothing_but_the_place() -> None:
    first, later = Crossings(), Crossings()
    first.move(UP, (0.2, 0.5), MARGIN)
    later.move(UP, (0.52, 0.5), MARGIN)
    first.go_on_with(UP, later)
    first.move(UP, (0.8, 0.5), MARGIN)
    assert (first.entries, first.exits) == (1, 0)


def test_without_a_line_only_the_counts_are_added() -> None:
    first, later = Crossings(), Crossings()
    for point in along(0.2, 0.8):
        later.move(UP, point, MARGIN)
    first.go_on_with(None, later)
    assert (first.entries, first.exits) == (1, 0)


def test_a_new_line_is_not_crossed_by_being_drawn() -> None:
    crossings = Crossings()
    crossings.move(UP, (0.3, 0.5), MARGIN)
    crossings.forget_place()
    crossings.move(Segment((0.2, 1.0), (0.2, 0.0)), (0.35, 0.5), MARGIN)
    assert (crossings.entries, crossings.exits) == (0, 0)


@given(st.lists(st.floats(0, 1, width=32), min_size=1, max_size=60))
def test_entries_and_exits_alternate(xs: list[float]) -> None:
    entries, exits = walked(along(*xs))
    assert abs(entries - exits) <= 1
    sides = [x > 0.5 for x in xs if abs(x - 0.5) > MARGIN + 1e-6]
    changes = sum(a != b for a, b in pairwise(sides))
    assert entries + exits == pytest.approx(changes, abs=sum(abs(abs(x - 0.5) - MARGIN) <= 1e-6 for x in xs))


L_SHAPE = ((0.0, 0.0), (0.6, 0.0), (0.6, 0.3), (0.3, 0.3), (0.3, 0.9), (0.0, 0.9))


@pytest.mark.parametrize(
    ("point", "inside"),
    [
        ((0.1, 0.8), True),
        ((0.5, 0.2), True),
        ((0.5, 0.5), False),  # in the notch
        ((0.45, 0.3), True),  # on an edge
        ((0.0, 0.0), True),  # on a corner
        ((-0.01, 0.1), False),
        ((0.7, 0.1), False),
    ],
)
def test_polygons_may_have_notches(point: Point, inside: bool) -> None:
    assert is_inside(L_SHAPE, point) is inside
    assert is_inside(L_SHAPE[::-1], point) is inside
