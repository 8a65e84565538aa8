"""What a browser sends as a line, and what is said and drawn of crossings."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import altair as alt
import pytest

from facetraits.visitors.geometry import Segment
from facetraits.visitors.layout import Layout
from facetraits.visitors.patterns import CrossingRow, crossings_by_hour
from tests.visitors.made_visits import BERLIN, MONDAY_NOON, frame_of, make_visit
from tests.visitors.slow_counts import counts_of
from ui.visitors import charts
from ui.visitors.crossings import crossing_rows, crossings_sentence, crossings_table
from ui.visitors.line_editor import drawn_layout


def test_a_drawing_becomes_a_layout() -> None:
    drawn = {"line": [0.1, 0.5, 0.9, 0.5], "ignored": [[0, 0, 0.2, 0, 0.2, 1]]}
    assert drawn_layout(drawn) == Layout(Segment((0.1, 0.5), (0.9, 0.5)), (((0, 0), (0.2, 0), (0.2, 1)),))
    assert drawn_layout({"line": None, "ignored": []}) == Layout()


@pytest.mark.parametrize(
    "sent",
    [
        None,
        [],
        "line",
        {},
        {"line": None},
        {"line": None, "ignored": 3},
        {"line": "0,0,1,1", "ignored": []},
        {"line": {"x": 1}, "ignored": []},
        {"line": [0, 0, 1], "ignored": []},
        {"line": [0, 0, 1, True], "ignored": []},
        {"line": [0, 0, 1, None], "ignored": []},
        {"line": [0, 0, 1, 2], "ignored": []},
        {"line": None, "ignored": [None]},
        {"line": None, "ignored": [[0, 0, 1, 1]]},
        {"line": None, "ignored": [[float("nan")] * 6]},
    ],
    ids=str,
)
def test_anything_else_is_refused_in_a_sentence(sent: Any) -> None:
    with pytest.raises(ValueError, match=r"\.$"):
        drawn_layout(sent)


def test_crossings_are_summed_by_the_hour_in_which_somebody_came_into_view() -> None:
    frame = frame_of(
        [
            make_visit(MONDAY_NOON, entries=1, exits=0),
            make_visit(MONDAY_NOON, entries=2, exits=1),
            make_visit(MONDAY_NOON + timedelta(hours=1), entries=0, exits=1),
            make_visit(MONDAY_NOON),
        ]
    )
    hours = crossings_by_hour(counts_of(frame, BERLIN))
    assert (hours[14], hours[15]) == (CrossingRow(14, 3, 1), CrossingRow(15, 0, 1))
    assert sum(row.entries + row.exits for row in hours) == 5
    assert crossings_sentence(hours) == "3 entered and 2 left. Most enter from 14:00 to 15:00: 3."
    assert crossings_table(hours).rows == (("14:00 to 15:00", 3, 1), ("15:00 to 16:00", 0, 1))


def test_without_a_line_there_are_no_crossings() -> None:
    assert crossings_by_hour(counts_of(frame_of([make_visit()]), BERLIN)) == ()
    assert crossings_by_hour(counts_of(frame_of([]), BERLIN)) == ()


def test_hours_in_which_somebody_leaves_late_are_shown_too() -> None:
    hours = [CrossingRow(hour, int(hour == 9), int(hour == 22)) for hour in range(24)]
    rows = crossing_rows(hours, (9, 16))
    assert (rows[0]["hour"], rows[-1]["hour"]) == (9, 22)
    assert sum(row["n"] for row in rows) == 2
    chart = charts.crossings_by_hour(rows)
    assert isinstance(chart, alt.LayerChart)
    assert all("values" in layer["data"] for layer in chart.to_dict()["layer"])
