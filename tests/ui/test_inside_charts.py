"""Charts of the page "Inside the CNN": their numbers, their marks, the theme's colours."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.builders import ROOT
from ui.inside.charts import SpoilingLine, network_costs, spoiled_years, spoiling_curves
from ui.kit import charts

POINTS = [{"amount": a, "value": v, "said": f"{v} at {a}"} for a, v in ((0.0, 0.9), (1.0, 0.7), (2.0, 0.2))]
YEARS = [{**point, "value": 30 + point["amount"]} for point in POINTS]
COSTS = [
    {"name": "a", "weights": 3_500_000, "multiply_adds": 70_000_000, "served": True, "said": "a: many"},
    {"name": "b", "weights": 130_000, "multiply_adds": 830_000, "served": False, "said": "b: few"},
]
EVERY_CHART = {
    "curves": lambda: spoiling_curves(
        [SpoilingLine(charts.INK, "circle", POINTS, 2.0), SpoilingLine(charts.WARN, "square", POINTS, None)],
        "Blur (px)",
        percent=False,
    ),
    "years": lambda: spoiled_years(YEARS, (25.0, 31.5), 2.0, "Light", percent=True),
    "years that hold": lambda: spoiled_years(YEARS, (25.0, 35.0), None, "Light", percent=True),
    "costs": lambda: network_costs(COSTS),
}


def spec(name: str) -> dict[str, Any]:
    return EVERY_CHART[name]().to_dict()


def layers(name: str, mark: str) -> list[dict[str, Any]]:
    return [layer for layer in spec(name)["layer"] if layer["mark"]["type"] == mark]


@pytest.mark.parametrize("name", EVERY_CHART)
def test_data_stay_inside_and_colours_follow_the_theme(name: str) -> None:
    chart = spec(name)
    assert "datasets" not in chart and "data" not in chart
    assert all(layer["data"]["values"] for layer in chart["layer"])
    style = (ROOT / "ui" / "kit" / "style.css").read_text(encoding="utf-8")
    used = {word.split(")")[0] for word in json.dumps(chart).split("var(")[1:]}
    assert used and all(f"{variable}: light-dark(" in style for variable in used)
    assert '"#' not in json.dumps(chart)


def test_only_an_answer_that_breaks_has_a_mark_where_it_does() -> None:
    assert [rule["data"]["values"] for rule in layers("curves", "rule")] == [[{"amount": 2.0}]]
    assert [rule["mark"]["stroke"] for rule in layers("curves", "rule")] == [charts.INK]
    assert len(layers("years", "rule")) == 1
    assert layers("years that hold", "rule") == []


def test_lines_differ_in_more_than_their_colour() -> None:
    shapes = [layer["mark"].get("shape") for layer in layers("curves", "point")[1:]]
    assert shapes == ["circle", "square"]


def test_the_first_interval_is_shaded_over_all_amounts() -> None:
    (band,) = layers("years", "rect")
    assert band["data"]["values"] == [{"amount": 0, "end": 2.0, "value": 25.0, "high": 31.5}]


def test_costs_stand_on_one_scale_with_powers_of_ten() -> None:
    filled, hollow = layers("costs", "point")
    assert filled["encoding"]["x"]["scale"] == hollow["encoding"]["x"]["scale"]
    assert filled["encoding"]["x"]["scale"]["type"] == "log"
    assert filled["encoding"]["x"]["axis"]["values"] == [10**5, 10**6, 10**7, 10**8]
    low, high = filled["encoding"]["x"]["scale"]["domain"]
    assert low < 130_000 and high > 70_000_000
