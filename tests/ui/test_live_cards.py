"""Cards, figures and the chart of the people before the camera."""

from __future__ import annotations

import re

import numpy as np
import pytest

from facetraits.traits import TRAITS, TraitName
from facetraits.video.live import LiveSnapshot, Person
from facetraits.video.tracked import TrackedFace
from tests.builders import EXPRESSIONS, make_face
from ui.live.cards import expression_spec, expression_table, figures, live_cards


def make_person(
    number: int = 1, in_view: bool = True, history: int = 3, traits: tuple[TraitName, ...] = TRAITS
) -> Person:
    rows = np.zeros((history, 1 + len(EXPRESSIONS)), dtype=np.float32)
    rows[:, 0] = np.arange(history)[::-1]
    rows[:, 1] = 0.25
    rows[:, 2] = 0.75
    return Person(TrackedFace(number, make_face(traits=traits), 0.0, 5.0, 9), in_view, rows)


def text(markup: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", markup).split())


def make_snapshot(delay_ms: float | None) -> LiveSnapshot:
    return LiveSnapshot((), None, None, 24.6, 12.34, delay_ms, 100, 50, 0, False)


def test_figures_begin_with_their_numbers() -> None:
    markup = figures(make_snapshot(41.7))

    assert re.findall(r'data-figure="(\w+)">([^<]*)<', markup) == [("fps", "25"), ("analyses", "12.3"), ("delay", "42")]
    assert 'data-figure="delay">-<' in figures(make_snapshot(None))


def test_card_has_number_picture_and_answers() -> None:
    markup = live_cards([make_person(7)], {7: b"jpeg"})

    assert 'data-track="7"' in markup
    assert "data:image/jpeg;base64,anBlZw==" in markup
    assert "Face 7" in text(markup) and "34 years, female, white, happy" in text(markup)
    assert "25 to 40" not in text(markup) and "28 to 40 (80% interval)" in text(markup)


def test_who_has_left_is_marked_and_who_has_no_picture_gets_none() -> None:
    markup = live_cards([make_person(1), make_person(2, in_view=False)], {1: b"x"})

    assert text(markup).count("out of view") == 1
    assert markup.index("out of view") > markup.index('data-track="2"')
    assert markup.count("<img") == 1


def test_crowd_gets_one_line_each() -> None:
    few, crowd = (live_cards([make_person(n + 1) for n in range(count)], {}) for count in (3, 4))

    assert few.count("ft-body") == 3
    assert "ft-body" not in crowd and crowd.count("34 years") == 4


def test_switched_off_traits_are_absent() -> None:
    read = text(live_cards([make_person(traits=("age",))], {}))

    assert "Apparent age" in read
    assert not any(word in read for word in ("female", "Ethnicity", "happy"))


def test_lanes_stack_to_one_and_do_not_meet() -> None:
    table = expression_table([make_person(1), make_person(4)])

    assert len(table) == 2 * 3 * len(EXPRESSIONS)
    assert table["seconds"].min() == -2 and table["seconds"].max() == 0
    upper, lower = table[table["face"] == "Face 1"], table[table["face"] == "Face 4"]
    assert (upper["low"].min(), lower["low"].min()) == (1, 0)
    assert upper["high"].max() == pytest.approx(1.9) and lower["high"].max() == pytest.approx(0.9)
    happy = upper[upper["expression"] == "happy"]
    assert happy["probability"].tolist() == [0.75] * 3
    np.testing.assert_allclose(happy["high"] - happy["low"], 0.9 * 0.75)


def test_people_without_an_expression_have_no_lane() -> None:
    assert expression_table([make_person(traits=("age",))]).empty
    assert expression_table([make_person(history=0)]).empty
    assert expression_table([]).empty


def test_chart_names_every_lane_and_keeps_all_colours() -> None:
    table = expression_table([make_person(1), make_person(4)])

    spec = expression_spec(table, EXPRESSIONS)

    axis = spec["encoding"]["y"]["axis"]
    assert axis["values"] == [1.45, 0.45]
    assert "datum.value == 1.45 ? 'Face 1'" in axis["labelExpr"] and "0.45 ? 'Face 4'" in axis["labelExpr"]
    assert spec["encoding"]["color"]["scale"]["domain"] == list(EXPRESSIONS)
