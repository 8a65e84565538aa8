"""Charts hold the numbers that they were given, need no data frame, and take their colours from the theme."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from tests.builders import GENDERS, ROOT
from tests.evidence import drawn_counts, summary, utkface_report
from ui.kit import charts
from ui.kit.charts import Dot
from ui.performance import charts as report_charts
from ui.performance.answers import age_cells, age_dots, bias_rows, cells, reliability_bins, score_points
from ui.performance.charts import Curve
from ui.performance.training import stacked

REPORT = utkface_report()
AGES = {name: REPORT.ages[name] for name in ("0-20", "21-40", "41-60", "61-80", "81+")}
BINS = reliability_bins(REPORT.classes["gender"])
CURVES = [
    Curve("one", (3.0, 2.0, 1.0), (3.0, 2.0, 2.5), kept=2, over=3),
    Curve("two", (2.0,), (1.0,), kept=1, over=None),
]
DOTS = [Dot("a", 0.9, 0.8, 0.95, "90.0%", "a: 90%", "profile"), Dot("b", 0.7, 0.7, 0.7, "70.0%", "b: 70%", "published")]

EVERY_CHART = {
    "dot plot": lambda: charts.dot_plot(DOTS, "Right", percent=True, mark_at=0.85),
    "confusion matrix": lambda: report_charts.confusion_matrix(
        GENDERS, cells(REPORT.classes["gender"], "rows"), "rows"
    ),
    "reliability": lambda: report_charts.reliability(BINS),
    "bins": lambda: report_charts.bin_counts(BINS),
    "ages": lambda: report_charts.age_heat_map(*age_cells(REPORT.age_pairs, 5), 5),
    "age groups": lambda: charts.dot_plot(age_dots(AGES), "Error", percent=False, dense=True),
    "bias": lambda: report_charts.bias_bars(bias_rows(AGES)),
    "scores": lambda: report_charts.cumulative_scores(score_points([REPORT]), "facetraits (accurate)"),
    "curves": lambda: report_charts.learning_curves(CURVES, "Loss", percent=False),
    "series": lambda: report_charts.epoch_series({"one": (1.0, 2.0)}, "Seconds"),
    "classes": lambda: report_charts.distribution(GENDERS, *stacked(summary().distributions["gender"])),
}


def spec(name: str) -> dict[str, Any]:
    return EVERY_CHART[name]().to_dict()


def layers(chart: dict[str, Any], mark: str) -> list[dict[str, Any]]:
    return [layer for layer in chart["layer"] if layer["mark"]["type"] == mark]


@pytest.mark.parametrize("name", EVERY_CHART)
def test_data_stay_inside_the_chart(name: str) -> None:
    """Otherwise Streamlit sends them by Arrow, and importing pandas for that takes longer than everything else."""
    chart = spec(name)
    assert "datasets" not in chart
    assert "data" not in chart
    assert all(layer["data"]["values"] is not None for layer in chart["layer"])


@pytest.mark.parametrize("name", EVERY_CHART)
def test_the_same_numbers_make_the_same_chart(name: str) -> None:
    """A chart that changes is drawn anew, and forgets which cell was chosen."""
    first, second = (json.dumps(spec(name)["layer"], sort_keys=True) for _ in range(2))
    assert first == second


@pytest.mark.parametrize("name", EVERY_CHART)
def test_colours_follow_the_theme(name: str) -> None:
    """White is for the letters on the darkest cells, which are dark in both themes."""
    text = json.dumps(spec(name)).replace('"#ffffff"', "")
    assert "var(--ft-" in text
    assert '"#' not in text


def test_every_style_variable_is_defined() -> None:
    style = (ROOT / "ui" / "kit" / "style.css").read_text(encoding="utf-8")
    used = {word.split(")")[0] for name in EVERY_CHART for word in json.dumps(spec(name)).split("var(")[1:]}
    assert used
    assert all(f"{variable}: light-dark(" in style for variable in used)


def test_dots_keep_their_order_and_published_ones_are_hollow() -> None:
    chart = spec("dot plot")
    filled, hollow = layers(chart, "point")
    assert [row["name"] for row in filled["data"]["values"]] == ["a"]
    assert [row["name"] for row in hollow["data"]["values"]] == ["b"]
    assert hollow["mark"]["filled"] is False
    assert chart["layer"][1]["encoding"]["y"]["scale"]["domain"] == ["0", "1"]


def test_a_dot_plot_of_equal_values_has_room() -> None:
    chart = charts.dot_plot([DOTS[1]], "Right", percent=True).to_dict()
    low, high = layers(chart, "point")[0]["encoding"]["x"]["scale"]["domain"]
    assert low < 0.7 < high <= 1


def test_a_dot_plot_of_changes_shows_those_below_zero() -> None:
    dots = [DOTS[0]._replace(value=value, low=value, high=value) for value in (-0.6, 0.5)]
    chart = charts.dot_plot(dots, "Change", percent=False, mark_at=0.0).to_dict()
    low, high = layers(chart, "point")[0]["encoding"]["x"]["scale"]["domain"]
    assert low < -0.6 and high > 0.5


@pytest.mark.parametrize(("norm", "text"), [("counts", "{n:,}"), ("rows", "{share:.0%}"), ("columns", "{share:.0%}")])
def test_cells_of_the_matrix_say_what_was_asked_for(norm: charts.Norm, text: str) -> None:
    given = cells(drawn_counts(GENDERS), norm)
    chart = report_charts.confusion_matrix(GENDERS, given, norm).to_dict()
    shown = layers(chart, "text")[0]["data"]["values"]
    assert [row["text"] for row in shown] == [text.format(**cell) for cell in given]
    assert [param["name"] for param in chart["params"]] == [charts.CELL]
    assert chart["params"][0]["select"]["fields"] == ["truth", "answer"]


def test_over_training_is_shaded_only_where_the_curve_shows_it() -> None:
    shaded = layers(spec("curves"), "rect")
    assert [layer["data"]["values"] for layer in shaded] == [[{"epoch": 2, "end": 3.3}]]
    best = [layer["data"]["values"][0]["epoch"] for layer in layers(spec("curves"), "rule")]
    assert best == [2, 1]


def test_bins_with_few_answers_are_no_part_of_the_line() -> None:
    bins = [{**BINS[0], "n": 3}, {**BINS[-1], "n": 100}]
    chart = report_charts.reliability(bins).to_dict()
    assert [row["n"] for row in layers(chart, "line")[1]["data"]["values"]] == [100]
    assert len(layers(chart, "point")[0]["data"]["values"]) == 2


def test_charts_do_without_pandas() -> None:
    code = (
        "import sys; from ui.kit import charts; from ui.kit.charts import Dot;"
        "charts.dot_plot([Dot('a', 1.0, 0.5, 1.5, '1', 'a: 1', 'peer')], 'x', False).to_dict();"
        "print('pandas' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.stdout.strip() == "False", done.stderr
