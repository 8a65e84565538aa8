"""Charts: pure functions from numbers to Altair charts.

Colours are the style sheet's variables, so that a chart follows the light or dark theme without being drawn anew; they
work because Streamlit draws charts as SVG. Every mark is described for screen readers.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Literal, NamedTuple

import altair as alt

Rows = Sequence[Mapping[str, Any]]
Norm = Literal["counts", "rows", "columns"]

INK: Final = "var(--ft-ink)"
QUIET: Final = "var(--ft-quiet)"
LINE: Final = "var(--ft-line)"
BAR: Final = "var(--ft-bar)"
HEAT: Final = "var(--ft-heat)"
WARN: Final = "var(--ft-accent)"
TRAINING: Final = "var(--ft-blue)"
# Name of the confusion matrix's selection, and the two fields of a selected cell.
CELL: Final = "cell"
# Cells darker than this carry white text.
DARK: Final = 0.72
ENOUGH_ANSWERS: Final = 10
_NARROW: Final = 0.06
_ROW_PX: Final = 46
X_AXIS_PX: Final = 62


def _data(rows: Iterable[Mapping[str, Any]]) -> alt.InlineData:
    """Data that stay in the chart's description.

    Altair would move nameless data out of the layer, and Streamlit would then need pandas and Arrow to send some twenty
    numbers: a second at the first chart. The name follows from the content, so that the same chart stays the same.
    """
    values = [dict(row) for row in rows]
    return alt.InlineData(values=values, name=f"data{zlib.crc32(json.dumps(values).encode()):08x}")


def layer(rows: Rows) -> alt.Chart:
    """A layer to encode."""
    return alt.Chart(_data(rows))


def finished(*layers: alt.Chart, height: float, axes: float = X_AXIS_PX) -> alt.LayerChart:
    """One chart of them.

    Args:
        layers: from back to front.
        height: of the plot; axes: of what stands above and below it (Streamlit makes both fit into their sum).
    """
    chart: alt.LayerChart = (
        alt.layer(*layers)
        .properties(height=height + axes)
        .configure_view(strokeWidth=0)
        .configure_axis(
            titleFontWeight=500, titleColor=QUIET, titleFontSize=13, labelColor=INK, labelFontSize=12, gridColor=LINE
        )
    )
    return chart


# ------------------------------------------------------------------------------------------------------------ dot plots


class Dot(NamedTuple):
    """One row of a dot plot.

    Attributes:
        name: whose; value: where the dot lies; low, high: ends of the interval, both the value where there is none.
        text: the value with its unit; said: the whole row in words.
        kind: a key of ``KIND_COLOURS``.
    """

    name: str
    value: float
    low: float
    high: float
    text: str
    said: str
    kind: str


KIND_COLOURS: Final[Mapping[str, str]] = {
    "profile": "var(--ft-bar)",
    "member": "var(--ft-green)",
    "reference": "var(--ft-accent)",
    "peer": "var(--ft-blue)",
    "published": "var(--ft-quiet)",
    "group": "var(--ft-bar)",
    "worst": "var(--ft-accent)",
    "few": "var(--ft-quiet)",
}
_HOLLOW: Final = ("published", "few")
_FILLED_LOOK: Final[Mapping[str, Any]] = {"size": 110, "filled": True}
_HOLLOW_LOOK: Final[Mapping[str, Any]] = {"size": 90, "filled": False, "shape": "diamond", "strokeWidth": 2}


def dot_plot(
    dots: Sequence[Dot], title: str, percent: bool, mark_at: float | None = None, dense: bool = False
) -> alt.LayerChart:
    """A row per dot: its name and value in words, below them the dot with its interval.

    Args:
        dots: from top to bottom.
        title: what the axis measures.
        percent: the values are shares.
        mark_at: draw a vertical line at this value.
        dense: less space between rows.
    """
    rows = [dot._asdict() | {"row": str(i)} for i, dot in enumerate(dots)]
    filled = [row for row in rows if row["kind"] not in _HOLLOW]
    hollow = [row for row in rows if row["kind"] in _HOLLOW]
    low = min(min(dot.low for dot in dots), *([] if mark_at is None else [mark_at]), *[dot.value for dot in dots])
    high = max(max(dot.high for dot in dots), *([] if mark_at is None else [mark_at]), *[dot.value for dot in dots])
    room = 0.06 * (high - low) or 0.05 * abs(high) or 1.0
    # An axis of what cannot be negative begins at 0; changes may be.
    domain = [max(0.0, low - room) if low >= 0 else low - room, min(1.0, high + room) if percent else high + room]
    y = alt.Y(
        "row:N", axis=None, sort=None, scale=alt.Scale(domain=[row["row"] for row in rows], type="point", padding=0.62)
    )
    shares = ".1%" if domain[1] - domain[0] < _NARROW else ".0%"  # else neighbouring ticks would read the same
    x_axis = alt.Axis(format=shares if percent else "~f", title=title, tickCount=6, domain=False, gridOpacity=0.6)
    x = alt.X("value:Q", scale=alt.Scale(domain=domain, nice=False, zero=False), axis=x_axis)
    colour = alt.Color(
        "kind:N", legend=None, scale=alt.Scale(domain=list(KIND_COLOURS), range=list(KIND_COLOURS.values()))
    )
    said = alt.Description("said:N")
    tooltip = alt.Tooltip("said:N", title=" ")
    words: dict[str, Any] = {"dy": -11, "baseline": "bottom", "fontSize": 13, "fill": INK, "aria": False}
    layers = []
    if mark_at is not None:
        rule = layer([{"value": mark_at}])
        layers.append(rule.mark_rule(strokeDash=[4, 4], stroke=INK, strokeWidth=1.5, aria=False).encode(x=x))
    layers += [
        layer(rows)
        .mark_rule(strokeWidth=3, opacity=0.55, aria=False)
        .encode(x="low:Q", x2="high:Q", y=y, color=colour),
        *(
            layer(kind).mark_point(opacity=1, **look).encode(x=x, y=y, color=colour, tooltip=tooltip, description=said)
            for kind, look in ((filled, _FILLED_LOOK), (hollow, _HOLLOW_LOOK))
            if kind  # to screen readers a layer without marks is a picture without words
        ),
        layer(rows)
        .mark_text(align="left", limit=alt.expr("width - 90"), **words)
        .encode(x=alt.value(0), y=y, text="name:N"),
        layer(rows).mark_text(align="right", fontWeight=700, **words).encode(x=alt.value("width"), y=y, text="text:N"),
    ]
    return finished(*layers, height=(38 if dense else _ROW_PX) * len(rows))


def base(rows: Rows) -> alt.Chart:
    """An invisible layer: charts of one layer would hand their data to Arrow, see ``_data``."""
    chart: alt.Chart = layer(rows).mark_point(opacity=0, aria=False)
    return chart
