"""Charts of how good models are: pure functions from numbers to Altair charts, in the manner of ``ui.kit.charts``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import altair as alt

from ui.kit.charts import (
    BAR,
    CELL,
    DARK,
    ENOUGH_ANSWERS,
    HEAT,
    INK,
    QUIET,
    TRAINING,
    WARN,
    X_AXIS_PX,
    Norm,
    Rows,
    base,
    finished,
    layer,
)

CURVE_COLOURS: Final = ("var(--ft-bar)", "var(--ft-accent)")
SPLIT_COLOURS: Final[Mapping[str, str]] = {
    "train": "var(--ft-bar)",
    "validation": "var(--ft-accent)",
    "test": "var(--ft-blue)",
}


def confusion_matrix(classes: Sequence[str], cells: Rows, norm: Norm) -> alt.LayerChart:
    """A square of cells with a selection named ``CELL`` on "truth" and "answer".

    Args:
        classes: in order.
        cells: "truth", "answer", "n", "share" (of the row, the column or the largest cell: how strongly the cell is
            coloured) and "said".
        norm: what the text in the cells is.
    """
    selected = alt.selection_point(name=CELL, fields=["truth", "answer"], on="click", empty=False)
    rows = [{**cell, "text": f"{cell['n']:,}" if norm == "counts" else f"{cell['share']:.0%}"} for cell in cells]
    small = len(classes) > 5
    band = alt.Scale(domain=list(classes), paddingInner=0.04, paddingOuter=0)
    x = alt.X(
        "answer:N",
        sort=None,
        scale=band,
        axis=alt.Axis(
            title="Answer of the network", labelAngle=-40 if small else 0, labelOverlap=False, domain=False, ticks=False
        ),
    )
    y = alt.Y(
        "truth:N", sort=None, scale=band, axis=alt.Axis(title="Label", labelOverlap=False, domain=False, ticks=False)
    )
    squares = (
        layer(rows)
        .mark_rect(fill=HEAT, cornerRadius=3, stroke=WARN, cursor="pointer")
        .encode(
            x=x,
            y=y,
            fillOpacity=alt.FillOpacity("share:Q", legend=None, scale=alt.Scale(domain=[0, 1], range=[0.06, 1])),
            strokeWidth=alt.condition(selected, alt.value(3), alt.value(0)),
            tooltip=alt.Tooltip("said:N", title=" "),
            description="said:N",
        )
        .add_params(selected)
    )
    texts = (
        layer(rows)
        .mark_text(fontSize=11 if small else 15, aria=False, tooltip=None)
        .encode(
            x=x,
            y=y,
            text="text:N",
            fill=alt.condition(f"datum.share > {DARK}", alt.value("#ffffff"), alt.value(INK)),
            opacity=alt.condition("datum.n > 0", alt.value(1), alt.value(0.45)),
        )
    )
    return finished(squares, texts, height=(44 if small else 58) * len(classes), axes=96 if small else X_AXIS_PX)


def reliability(bins: Rows) -> alt.LayerChart:
    """How often the answers are right, over how sure the network was; on the diagonal both are the same.

    Args:
        bins: "confidence", "accuracy" and "n" of each bin that is not empty, and "said". Those with a
            handful of answers are dots alone: the line would jump.
    """
    enough = [row for row in bins if row["n"] >= ENOUGH_ANSWERS]
    whole = alt.Scale(domain=[0, 1], nice=False)
    x = alt.X("confidence:Q", scale=whole, axis=alt.Axis(format=".0%", title="How sure it was", tickCount=5))
    y = alt.Y("accuracy:Q", scale=whole, axis=alt.Axis(format=".0%", title="How often it was right", tickCount=5))
    ends = [{"confidence": 0, "accuracy": 0}, {"confidence": 1, "accuracy": 1}]
    diagonal = layer(ends).mark_line(stroke=QUIET, strokeDash=[5, 5], strokeWidth=1.5, aria=False).encode(x=x, y=y)
    gaps = (
        layer(enough)
        .mark_rule(stroke=WARN, strokeWidth=3, opacity=0.6, aria=False)
        .encode(x=x, y=alt.Y("confidence:Q", scale=whole), y2="accuracy:Q")
    )
    line = layer(enough).mark_line(stroke=BAR, strokeWidth=2, aria=False).encode(x=x, y=y)
    points = (
        layer(bins)
        .mark_point(fill=BAR, stroke=BAR, filled=True, opacity=1)
        .encode(
            x=x,
            y=y,
            size=alt.Size("n:Q", legend=None, scale=alt.Scale(type="sqrt", range=[25, 260])),
            tooltip=alt.Tooltip("said:N", title=" "),
            description="said:N",
        )
    )
    return finished(diagonal, gaps, line, points, height=360)


def bin_counts(bins: Rows) -> alt.LayerChart:
    """How many answers fell into each bin of confidence.

    Args:
        bins: "low", "high" (of confidence), "n" and "said".
    """
    bars = (
        layer(bins)
        .mark_rect(fill=BAR, opacity=0.75)
        .encode(
            x=alt.X("low:Q", scale=alt.Scale(domain=[0, 1]), axis=alt.Axis(format=".0%", title="How sure it was")),
            x2="high:Q",
            y=alt.Y("n:Q", axis=alt.Axis(title="Answers", tickCount=4)),
            y2=alt.Y2Datum(0),
            tooltip=alt.Tooltip("said:N", title=" "),
            description="said:N",
        )
    )
    return finished(bars, base([{"low": 0, "n": 0}]), height=140)


def age_heat_map(cells: Rows, means: Rows, years: int) -> alt.LayerChart:
    """Estimated over true age; each column is the spread of the estimates for one bin of true ages.

    Args:
        cells: "truth" and "estimate" (lower ends of the bins), "share" of the column, "n", "said".
        means: "truth" (middle of the bin) and "estimate" (mean).
        years: width of a bin.
    """
    rows = [{**c, "truth_end": c["truth"] + years, "estimate_end": c["estimate"] + years} for c in cells]
    scale = alt.Scale(domain=[0, 100], nice=False, clamp=True)
    x = alt.X("truth:Q", scale=scale, axis=alt.Axis(title="Age by the label (years)", grid=False))
    y = alt.Y("estimate:Q", scale=scale, axis=alt.Axis(title="Estimated age (years)", grid=False))
    squares = (
        layer(rows)
        .mark_rect(fill=HEAT)
        .encode(
            x=x,
            x2="truth_end:Q",
            y=y,
            y2="estimate_end:Q",
            fillOpacity=alt.FillOpacity(
                "share:Q", legend=None, scale=alt.Scale(type="sqrt", domain=[0, 1], range=[0.04, 1])
            ),
            tooltip=alt.Tooltip("said:N", title=" "),
            description="said:N",
        )
    )
    ends = [{"truth": 0, "estimate": 0}, {"truth": 100, "estimate": 100}]
    diagonal = layer(ends).mark_line(stroke=QUIET, strokeDash=[5, 5], strokeWidth=1.5, aria=False).encode(x=x, y=y)
    mean = layer(means).mark_line(stroke=WARN, strokeWidth=2.5, aria=False).encode(x=x, y=y)
    return finished(squares, diagonal, mean, height=420)


def bias_bars(groups: Rows) -> alt.LayerChart:
    """Bars to the left where a group is estimated too young and to the right where too old.

    Args:
        groups: "name", "bias" in years, "text", "said".
    """
    names = [group["name"] for group in groups]
    y = alt.Y("name:N", sort=None, scale=alt.Scale(domain=names, padding=0.3), axis=alt.Axis(title=None, domain=False))
    edge = 1.35 * max(1.0, *(abs(group["bias"]) for group in groups))
    x = alt.X(
        "bias:Q",
        scale=alt.Scale(domain=[-edge, edge], nice=False),
        axis=alt.Axis(
            title="Years: too young ← 0 → too old",
            tickCount=6,
            labelExpr="datum.value ? format(datum.value, '+d') : '0'",
        ),
    )
    bars = (
        layer(groups)
        .mark_bar(cornerRadius=2)
        .encode(
            x=x,
            y=y,
            fill=alt.condition("datum.bias < 0", alt.value(TRAINING), alt.value(WARN)),
            tooltip=alt.Tooltip("said:N", title=" "),
            description="said:N",
        )
    )
    zero = layer([{"bias": 0}]).mark_rule(stroke=INK, strokeWidth=1, aria=False).encode(x=x)
    texts = [
        layer([group for group in groups if (group["bias"] < 0) == left])
        .mark_text(align="right" if left else "left", dx=-6 if left else 6, fill=INK, fontSize=13, aria=False)
        .encode(x=x, y=y, text="text:N")
        for left in (True, False)
    ]
    return finished(bars, zero, *texts, height=38 * len(groups))


def cumulative_scores(points: Rows, chosen: str) -> alt.LayerChart:
    """Share of faces over the largest error allowed; one line per model, the chosen one strong.

    Args:
        points: "model", "years", "share", "said".
        chosen: the model that the page is about.
    """
    x = alt.X("years:Q", axis=alt.Axis(title="Off by at most … years", tickCount=8, grid=False))
    y = alt.Y(
        "share:Q", scale=alt.Scale(domain=[0, 1]), axis=alt.Axis(format=".0%", title="Share of faces", tickCount=5)
    )
    others = [point for point in points if point["model"] != chosen]
    own = [point for point in points if point["model"] == chosen]
    tooltip = alt.Tooltip("said:N", title=" ")
    return finished(
        layer(others)
        .mark_line(stroke=QUIET, strokeWidth=1.3, opacity=0.7, aria=False)
        .encode(x=x, y=y, detail="model:N", tooltip="model:N"),
        layer(own).mark_line(stroke=BAR, strokeWidth=3.5, aria=False).encode(x=x, y=y),
        layer([point for point in own if point["years"] % 5 == 0 and point["years"]])
        .mark_point(fill=BAR, filled=True, size=70, opacity=1)
        .encode(x=x, y=y, tooltip=tooltip, description="said:N"),
        height=320,
    )


class Curve(NamedTuple):
    """One metric of one training.

    Attributes:
        run: name of the training.
        training, validation: values, one per epoch from 1.
        kept: epoch whose weights are used; over: first epoch of over-training, if the curve shows one.
    """

    run: str
    training: tuple[float, ...]
    validation: tuple[float, ...]
    kept: int
    over: int | None


def learning_curves(
    curves: Sequence[Curve], metric: str, percent: bool, colours: Sequence[str] = CURVE_COLOURS
) -> alt.LayerChart:
    """Training (dashed) and validation (solid) over the epochs of one run or two.

    A vertical line marks the epoch whose weights are used; the region of over-training is shaded.
    """
    last = max(len(curve.training) for curve in curves)
    x = alt.X(
        "epoch:Q",
        scale=alt.Scale(domain=[0.7, last + 0.3], nice=False),
        axis=alt.Axis(title="Epoch (times that every picture was seen)", values=_ticks(last), format="d", grid=False),
    )
    y = alt.Y("value:Q", scale=alt.Scale(zero=False), axis=alt.Axis(title=metric, format=".0%" if percent else ""))
    layers = []
    for curve, colour in zip(curves, colours, strict=False):
        if curve.over is not None:
            region = [{"epoch": curve.over - 1, "end": len(curve.training) + 0.3}]
            layers.append(
                layer(region).mark_rect(fill=colour, opacity=0.12, aria=False).encode(x=x, x2=alt.X2("end:Q"))
            )
        kept = layer([{"epoch": curve.kept}])
        layers.append(kept.mark_rule(stroke=colour, strokeWidth=1.5, aria=False).encode(x=x))
        for part, values in (("training", curve.training), ("validation", curve.validation)):
            rows = [
                {
                    "epoch": epoch,
                    "value": value,
                    "said": f"{curve.run}, {part}, epoch {epoch}: {f'{value:.1%}' if percent else f'{value:.3f}'}",
                }
                for epoch, value in enumerate(values, start=1)
            ]
            dash = [1, 0] if part == "validation" else [3, 4]
            line = layer(rows).mark_line(stroke=colour, strokeDash=dash, strokeWidth=2.2, aria=False)
            points = layer(rows).mark_point(
                fill=colour if part == "validation" else "transparent", stroke=colour, size=36, opacity=1
            )
            layers.append(line.encode(x=x, y=y))
            layers.append(points.encode(x=x, y=y, tooltip=alt.Tooltip("said:N", title=" "), description="said:N"))
    return finished(*layers, height=380)


def epoch_series(runs: Mapping[str, Sequence[float]], title: str) -> alt.LayerChart:
    """One quantity over the epochs of one run or two, small."""
    last = max(map(len, runs.values()))
    x = alt.X(
        "epoch:Q",
        scale=alt.Scale(domain=[0.7, last + 0.3], nice=False),
        axis=alt.Axis(title="Epoch", values=_ticks(last), format="d", grid=False),
    )
    y = alt.Y("value:Q", axis=alt.Axis(title=title, tickCount=4))
    layers = [base([{"epoch": 1, "value": 0}]).encode(x=x, y=y)]
    for (run, values), colour in zip(runs.items(), CURVE_COLOURS, strict=False):
        rows = [
            {"epoch": epoch, "value": value, "said": f"{run}, epoch {epoch}: {value:.4g}"}
            for epoch, value in enumerate(values, start=1)
        ]
        layers.append(
            layer(rows)
            .mark_line(stroke=colour, point={"fill": colour, "size": 30}, aria=False)
            .encode(x=x, y=y, tooltip=alt.Tooltip("said:N", title=" "))
        )
    return finished(*layers, height=170)


def _ticks(last: int) -> list[int]:
    step = max(1, -(-last // 12))
    return list(range(1, last + 1, step))


def distribution(classes: Sequence[str], used: Rows, raw: Rows) -> alt.LayerChart:
    """Pictures of each class: bars for what is used, by split; a tick for what the download held.

    Args:
        classes: from top to bottom.
        used: "name", "split", "start", "end" (pictures, stacked), "said".
        raw: "name", "n", "said".
    """
    y = alt.Y(
        "name:N",
        sort=None,
        scale=alt.Scale(domain=list(classes), padding=0.25),
        axis=alt.Axis(title=None, domain=False),
    )
    bars = (
        layer(used)
        .mark_bar(opacity=0.9)
        .encode(
            x=alt.X("start:Q", axis=alt.Axis(title="Pictures", tickCount=5, format=",d")),
            x2="end:Q",
            y=y,
            fill=alt.Fill(
                "split:N",
                legend=None,
                scale=alt.Scale(domain=list(SPLIT_COLOURS), range=list(SPLIT_COLOURS.values())),
            ),
            tooltip=alt.Tooltip("said:N", title=" "),
            description="said:N",
        )
    )
    ticks = (
        layer(raw)
        .mark_tick(fill=INK, stroke=INK, thickness=3)
        .encode(x="n:Q", y=y, tooltip=alt.Tooltip("said:N", title=" "), description="said:N")
    )
    return finished(bars, ticks, height=max(120, (24 if len(classes) > 10 else 36) * len(classes)))
