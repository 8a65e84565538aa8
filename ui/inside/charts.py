"""Charts about networks: what an answer withstands, and what a network costs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import altair as alt

from ui.kit.charts import BAR, INK, LINE, WARN, Rows, base, finished, layer


class SpoilingLine(NamedTuple):
    """How probable an answer stays while a face gets worse.

    Attributes:
        colour: of the line; shape: of its marks; points: "amount", "value" and "said", in order.
        broke: amount at which the answer is no longer given; None where it holds.
    """

    colour: str
    shape: str
    points: Rows
    broke: float | None


def spoiling_curves(lines: Sequence[SpoilingLine], axis: str, percent: bool) -> alt.LayerChart:
    """Probabilities over how much worse the face is; a dashed line marks where an answer breaks."""
    x = _amount_axis(axis, percent)
    y = alt.Y("value:Q", scale=alt.Scale(domain=[0, 1]), axis=alt.Axis(format=".0%", title=None, tickCount=5))
    layers = [base([{"amount": 0, "value": 0}]).encode(x=x, y=y)]
    for line in lines:
        if line.broke is not None:
            layers.append(
                layer([{"amount": line.broke}])
                .mark_rule(stroke=line.colour, strokeDash=[5, 4], strokeWidth=1.8, aria=False)
                .encode(x=x)
            )
        layers.append(layer(line.points).mark_line(stroke=line.colour, strokeWidth=2.4, aria=False).encode(x=x, y=y))
        layers.append(
            layer(line.points)
            .mark_point(fill=line.colour, stroke=line.colour, filled=True, shape=line.shape, size=42, opacity=1)
            .encode(x=x, y=y, tooltip=alt.Tooltip("said:N", title=" "), description="said:N")
        )
    return finished(*layers, height=260)


def spoiled_years(
    points: Rows, interval: tuple[float, float], broke: float | None, axis: str, percent: bool
) -> alt.LayerChart:
    """Estimated years over how much worse the face is.

    Args:
        points: "amount", "value" and "said", in order.
        interval: that was given at first, shaded.
        broke: amount at which the estimate leaves it, if it does.
        axis: what the amount is; percent: it is a share.
    """
    x = _amount_axis(axis, percent)
    y = alt.Y("value:Q", scale=alt.Scale(zero=False, nice=True), axis=alt.Axis(title="Years", tickCount=5))
    last = max(point["amount"] for point in points)
    low, high = interval
    band = [{"amount": 0, "end": last, "value": low, "high": high}]
    layers = [
        layer(band).mark_rect(fill=BAR, opacity=0.16, aria=False).encode(x=x, x2="end:Q", y=y, y2="high:Q"),
        layer(points).mark_line(stroke=BAR, strokeWidth=2.4, aria=False).encode(x=x, y=y),
        layer(points)
        .mark_point(fill=BAR, stroke=BAR, filled=True, size=28, opacity=1)
        .encode(x=x, y=y, tooltip=alt.Tooltip("said:N", title=" "), description="said:N"),
    ]
    if broke is not None:
        rule = layer([{"amount": broke}])
        layers.append(rule.mark_rule(stroke=BAR, strokeDash=[5, 4], strokeWidth=1.8, aria=False).encode(x=x))
    return finished(*layers, height=260)


def _amount_axis(title: str, percent: bool) -> alt.X:
    axis = alt.Axis(title=title, tickCount=5, grid=False, format=".0%" if percent else "~f")
    return alt.X("amount:Q", scale=alt.Scale(nice=False, zero=True), axis=axis)


def network_costs(rows: Rows) -> alt.LayerChart:
    """Weights and multiply-adds of networks, two dots on one scale that grows tenfold from line to line.

    Args:
        rows: "name", "weights", "multiply_adds", "served" (bool), "text" and "said", from top to bottom.
    """
    given = [{**row, "row": str(i)} for i, row in enumerate(rows)]
    ends = [value for row in rows for value in (row["weights"], row["multiply_adds"])]
    scale = alt.Scale(type="log", domain=[0.6 * min(ends), 1.7 * max(ends)], nice=False)
    powers = [10**n for n in range(3, 13) if 0.6 * min(ends) <= 10**n <= 1.7 * max(ends)]
    axis = alt.Axis(title=None, values=powers, domain=False, labelExpr=_COUNT_LABELS)
    x = alt.X("weights:Q", scale=scale, axis=axis)
    y = alt.Y(
        "row:N", axis=None, sort=None, scale=alt.Scale(domain=[row["row"] for row in given], type="point", padding=0.62)
    )
    colour = alt.condition("datum.served", alt.value(BAR), alt.value(WARN))
    tooltip = alt.Tooltip("said:N", title=" ")
    words: dict[str, Any] = {"dy": -9, "baseline": "bottom", "fontSize": 13, "fill": INK, "aria": False}
    return finished(
        layer(given).mark_rule(stroke=LINE, strokeWidth=2, aria=False).encode(x=x, x2="multiply_adds:Q", y=y),
        layer(given)
        .mark_point(filled=True, size=100, opacity=1)
        .encode(x=x, y=y, fill=colour, tooltip=tooltip, description="said:N"),
        layer(given)
        .mark_point(filled=False, shape="diamond", size=100, strokeWidth=2, opacity=1)
        .encode(
            x=alt.X("multiply_adds:Q", scale=scale, axis=axis),
            y=y,
            stroke=colour,
            tooltip=tooltip,
            description="said:N",
        ),
        layer(given).mark_text(align="left", **words).encode(x=alt.value(0), y=y, text="name:N"),
        height=38 * len(given),
    )


_COUNT_LABELS: Final = (
    "datum.value >= 1e9 ? datum.value / 1e9 + ' billion' : datum.value >= 1e6 ? datum.value / 1e6 + ' million' : "
    "format(datum.value, ',')"
)
