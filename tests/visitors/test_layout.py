"""Lines and areas as they are checked, stored, and counted with."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import cv2
import numpy as np
import pytest

from facetraits.types import FaceDetection, FaceResult
from facetraits.video.tracked import TrackedFace
from facetraits.visitors.counting import VisitCounter
from facetraits.visitors.geometry import Segment
from facetraits.visitors.layout import NO_LAYOUT, Layout, layout_of
from facetraits.visitors.still import still_of
from facetraits.visitors.store import VisitStore
from facetraits.visitors.visit import Selection, Settings
from tests.builders import make_face, make_result, make_traits
from tests.visitors.conftest import NOON, visit

SIZE = (640, 480)
DOOR = Layout(Segment((0.5, 1.0), (0.5, 0.0)))
AREA = ((0.0, 0.0), (0.3, 0.0), (0.3, 1.0), (0.0, 1.0))


# -------------------------------------------------------------------------------------------------------------- numbers


@pytest.mark.parametrize(
    ("line", "ignored", "said"),
    [
        ((0.1, 0.2, 0.3), (), "four numbers"),
        ((0.1, 0.2, 0.3, 1.1), (), "from 0 to 1"),
        ((0.1, 0.2, 0.3, float("nan")), (), "from 0 to 1"),
        ((0.1, 0.2, 0.11, 0.2), (), "too short"),
        (None, [(0, 0, 1, 1)], "3 to 40 corners"),
        (None, [(0, 0, 1, 1, 0)], "even number"),
        (None, [(0, 0, 1, 1, 0, -0.1)], "from 0 to 1"),
        (None, [(0, 0, 1, 1, 0, 1)] * 21, "up to 20 areas"),
    ],
)
def test_what_is_no_layout_is_said_in_a_sentence(
    line: tuple[float, ...] | None, ignored: list[tuple[float, ...]], said: str
) -> None:
    with pytest.raises(ValueError, match=said) as caught:
        layout_of(line, ignored)
    assert str(caught.value).endswith(".")


def test_plain_numbers_become_a_layout() -> None:
    layout = layout_of((0.1, 0.2, 0.9, 0.2), [(0, 0, 1, 0, 1, 0.5)])
    assert layout == Layout(Segment((0.1, 0.2), (0.9, 0.2)), (((0, 0), (1, 0), (1, 0.5)),))
    assert layout.ignores((0.9, 0.1)) and not layout.ignores((0.1, 0.4))


# --------------------------------------------------------------------------------------------------------------- stored


def test_each_source_keeps_its_own(store: VisitStore) -> None:
    assert store.layouts() == {}
    both = Layout(DOOR.line, (AREA, ((0.5, 0.5), (0.6, 0.5), (0.123456789, 0.987654321))))
    store.save_layout("door", both)
    store.save_layout("Tür 3 🚪", Layout(ignored=(AREA,)))
    assert store.layout("door") == both
    assert store.layout("Tür 3 🚪") == Layout(ignored=(AREA,))
    assert store.layout("cellar") == NO_LAYOUT
    store.save_layout("door", DOOR)
    assert store.layouts() == {"door": DOOR, "Tür 3 🚪": Layout(ignored=(AREA,))}
    store.save_layout("door", NO_LAYOUT)
    assert list(store.layouts()) == ["Tür 3 🚪"]


def test_who_only_left_is_no_visitor_but_is_counted_as_leaving(store: VisitStore) -> None:
    came, left, both = (visit(i, entries=e, exits=x, ended=False) for i, (e, x) in enumerate([(1, 0), (0, 1), (2, 2)]))
    without_line = visit(3, ended=False)
    store.add([came, left, both, without_line])
    assert {v.id for v in store.latest()} == {came.id, both.id, without_line.id}
    assert sum(store.count().values()) == len(store.frame()) == 3
    assert len(store.frame(leavers=True)) == 4
    assert left.id not in {v.id for v in store.current(NOON, 3600)}
    assert store.crossings() == (3, 3)
    assert store.crossings(Selection(since=without_line.started)) is None
    store.update([replace(left, entries=1)])
    assert left.id in {v.id for v in store.latest()}, "who comes in after all is a visitor"
    assert store.delete_all() == 4


# -------------------------------------------------------------------------------------------------------------- counted


def counter(layout: Layout = DOOR) -> VisitCounter:
    counting = VisitCounter("door", Settings(enter_s=1.0, away_s=3.0), datetime(2026, 5, 4, 9, tzinfo=UTC))
    counting.layout = layout
    return counting


def at(x: float, time_s: float, number: int = 1, merged: tuple[int, ...] = (), y: float = 0.5) -> TrackedFace:
    """A face 60 px wide whose centre is there, as shares of the picture."""
    centre = np.array([x * SIZE[0], y * SIZE[1]])
    box = np.concatenate([centre - 30, centre + 30])
    detection = FaceDetection(box, np.tile(centre, (5, 1)), 0.9)
    return TrackedFace(number, FaceResult(detection, (), make_traits()), 0.0, time_s, 1, merged)


def walk(counting: VisitCounter, *xs: float, number: int = 1, start_s: float = 0.0) -> None:
    for i, x in enumerate(xs):
        time_s = start_s + i / 5
        counting.add_faces([at(x, time_s, number)], time_s, SIZE)


def counts(counting: VisitCounter) -> tuple[int, int, int, int]:
    return counting.visits, counting.entries, counting.exits, counting.in_view


def test_only_who_crosses_the_line_to_come_in_is_a_visitor() -> None:
    counting = counter()
    walk(counting, *[0.2] * 20)
    assert counts(counting) == (0, 0, 0, 0), "however long somebody stands before it"
    walk(counting, 0.7, 0.8, start_s=4.0)
    assert counts(counting) == (1, 1, 0, 1)
    (now,) = counting.current()
    assert (now.entries, now.exits, now.started) == (1, 0, counting.began)


def test_who_goes_out_is_counted_apart() -> None:
    counting = counter()
    walk(counting, 0.8, 0.6, 0.2)
    assert counts(counting) == (0, 0, 1, 0)
    (left,) = counting.finish()
    assert (left.entries, left.exits) == (0, 1)
    walk(counting, 0.8, 0.2, 0.8, 0.2)
    assert counts(counting) == (1, 1, 3, 1)


def test_the_margin_grows_with_the_face() -> None:
    counting = counter()
    # 60 of 480 px is an eighth of the height: 0.15 of it, in units of the width, is 0.014.
    walk(counting, 0.3, *[0.49, 0.51] * 30)
    assert counts(counting) == (0, 0, 0, 0)
    walk(counting, 0.52, start_s=13.0)
    assert counts(counting) == (1, 1, 0, 1)


def test_a_withdrawn_number_is_counted_once() -> None:
    counting = counter()
    walk(counting, 0.2, 0.3)
    for i, x in enumerate((0.6, 0.2, 0.8)):
        counting.add_faces([at(x, 0.5 + i / 5, number=2)], 0.5 + i / 5, SIZE)
    assert counts(counting)[:3] == (1, 1, 1)
    step = counting.add_faces([at(0.8, 1.2, merged=(2,))], 1.2, SIZE)
    assert len(step.withdrawn) == 1
    assert counts(counting) == (1, 2, 1, 1), "the way from the one number's place to the other's led in, too"


def test_faces_in_ignored_areas_are_not_counted() -> None:
    counting = counter(Layout(ignored=(AREA,)))
    walk(counting, *[0.2] * 30)
    assert counts(counting) == (0, 0, 0, 0)
    walk(counting, *[0.4] * 8, start_s=6.0)
    assert counts(counting) == (1, 0, 0, 1)
    (now,) = counting.current()
    assert (now.entries, now.exits) == (None, None)


def test_a_line_that_is_drawn_or_moved_leaves_who_is_there_as_they_are() -> None:
    counting = counter(NO_LAYOUT)
    walk(counting, *[0.3] * 8)
    counting.layout = DOOR
    walk(counting, 0.3, 0.8, start_s=1.6)
    assert counts(counting) == (1, 0, 0, 1), "a visitor already"
    walk(counting, 0.3, number=2, start_s=2.0)
    counting.layout = Layout(Segment((0.2, 1.0), (0.2, 0.0)))
    walk(counting, 0.3, number=2, start_s=2.2)
    assert counts(counting)[:3] == (1, 0, 0)
    walk(counting, 0.1, 0.3, number=2, start_s=2.4)
    assert counts(counting)[:3] == (2, 1, 1)


def test_a_short_recording_counts_nobody_who_has_not_crossed() -> None:
    counting = counter()
    walk(counting, 0.2, 0.3)
    assert counting.complete().entered == ()


# ---------------------------------------------------------------------------------------------------------------- still


def test_nobody_can_be_recognised_in_a_still() -> None:
    noise = np.random.default_rng(0).integers(0, 255, (480, 640, 3), dtype=np.uint8)
    before = noise.copy()
    face = make_face()
    left, top, right, bottom = face.detection.box_xyxy.astype(int)
    still = cv2.imdecode(np.frombuffer(still_of(noise, make_result(face)), dtype=np.uint8), cv2.IMREAD_GRAYSCALE)
    assert (noise == before).all()
    assert still.shape == (480, 640)
    covered, rest = still[top:bottom, left:right], still[: top // 2]
    # Coarse blocks have no detail: neighbours differ at the edges of blocks only.
    assert np.abs(np.diff(covered.astype(int), axis=1)).mean() < 0.2 * np.abs(np.diff(rest.astype(int), axis=1)).mean()


def test_a_still_is_small() -> None:
    large = np.zeros((2160, 3840, 3), dtype=np.uint8)
    still = cv2.imdecode(np.frombuffer(still_of(large, make_result()), dtype=np.uint8), cv2.IMREAD_COLOR)
    assert still.shape == (540, 960, 3)
