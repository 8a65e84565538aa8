"""Charts of the visitor log: pure functions from rows to Altair charts, in the manner of ``ui.kit.charts``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import altair as alt

from ui.kit.charts import BAR, HEAT, INK, Rows, base, finished, layer

GENDER_COLOURS: Final[Mapping[str, str]] = {
    "female": "var(--ft-accent)",
    "male": "var(--ft-blue)",
    "not estimated": "var(--ft-quiet)",
}
MOOD_COLOURS: Final[Mapping[str, str]] = {
    "positive": "var(--ft-bar)",
    "neutral": "var(--ft-middle)",
    "negative": "var(--ft-accent)",
}
CROSSING_COLOURS: Final[Mapping[str, str]] = {"entered": "var(--ft-bar)", "left": "var(--ft-accent)"}
SOFT: Final = "var(--ft-soft)"
_DARK: Final = 0.72  # cells darker than this carry white text
_WIDEST_PX: Final = 56  # of a bar where there are few days
_MOST_DATES: Final = 8  # below the days


def visits_by_hour(hours: Rows) -> alt.LayerChart:
    """A bar per hour of the day, the part of those who bought strong.

    Args:
        hours: "hour" (0 to 23), "n", "bought" and "said".
    """
    rows = [{**row, "start": row["hour"] + 0.06, "end": row["hour"] + 0.94} for row in hours]
    first, last = min(row["hour"] for row in rows), max(row["hour"] for row in rows) + 1
    x = alt.X(
        "start:Q",
        scale=alt.Scale(domain=[first, last], nice=False),
        axis=alt.Axis(
            title="Hour of the day",
            values=list(range(first, last + 1)),
            labelExpr="datum.value + ':00'",
            grid=False,
            labelOverlap=True,
        ),
    )
    return _counted_and_bought(rows, x, "end:Q")


def crossings_by_hour(hours: Rows) -> alt.LayerChart:
    """Two bars per hour of the day: who entered, and who left.

    Args:
        hours: "hour" (0 to 23), "way" (of ``CROSSING_COLOURS``), "n" and "said".
    """
    most = max(row["n"] for row in hours)
    x = alt.X(
        "hour:O",
        scale=alt.Scale(paddingInner=0.2, paddingOuter=0.1),
        axis=alt.Axis(
            title="Hour of the day", labelExpr="datum.value + ':00'", labelAngle=0, labelOverlap=True, grid=False
        ),
    )
    y = alt.Y(
        "n:Q",
        scale=alt.Scale(domain=[0, max(most, 1)], nice=True),
        axis=alt.Axis(title="People", tickCount=min(5, max(most, 1)), format=",d", tickMinStep=1, domain=False),
    )
    within = alt.XOffset("way:N", sort=None, scale=alt.Scale(domain=list(CROSSING_COLOURS)))
    bars = (
        layer(hours)
        .mark_bar(cornerRadius=2)
        .encode(
            x=x,
            xOffset=within,
            y=y,
            fill=_colours("way", CROSSING_COLOURS),
            tooltip=alt.Tooltip("said:N", title=" "),
            description="said:N",
        )
    )
    return finished(base(hours), bars, height=230)


def visits_by_day(days: Rows, title: str) -> alt.LayerChart:
    """A bar per day or week, the part of those who bought strong.

    Args:
        days: "day" (ISO date, of a week its Monday), "n", "bought" and "said"; none is left out.
        title: what a bar is.
    """
    step = -(-len(days) // _MOST_DATES)
    x = alt.X(
        "day:O",
        scale=alt.Scale(paddingInner=0.12, paddingOuter=0.06),
        axis=alt.Axis(
            title=title,
            values=[row["day"] for row in days[::step]],
            labelExpr="timeFormat(toDate(datum.value + 'T12:00'), '%-d %b')",
            labelAngle=0,
            labelOverlap=True,
        ),
    )
    return _counted_and_bought(days, x, width={"expr": f"min(bandwidth('x'), {_WIDEST_PX})"})


def _counted_and_bought(rows: Rows, x: alt.X, x2: str | None = None, **shape: Any) -> alt.LayerChart:
    most = max((row["n"] for row in rows), default=0)
    y = alt.Y(
        "n:Q",
        scale=alt.Scale(domain=[0, max(most, 1)], nice=True),
        axis=alt.Axis(title="Visits", tickCount=min(5, max(most, 1)), format=",d", tickMinStep=1, domain=False),
    )
    across = {"x": x} if x2 is None else {"x": x, "x2": x2}
    said = {"tooltip": alt.Tooltip("said:N", title=" "), "description": "said:N"}
    return finished(
        layer(rows).mark_bar(fill=SOFT, cornerRadius=2, **shape).encode(**across, y=y, y2=alt.Y2Datum(0), **said),
        layer(rows)
        .mark_bar(fill=BAR, cornerRadius=2, aria=False, **shape)
        .encode(**across, y="bought:Q", y2=alt.Y2Datum(0), tooltip=said["tooltip"]),
        height=230,
    )


def week(cells: Rows, days: Sequence[str]) -> alt.LayerChart:
    """Weekdays over hours: the stronger the colour, the more visits.

    Args:
        cells: "day" (of ``days``), "hour", "n", "share" (of the fullest cell) and "said".
        days: from top to bottom.
    """
    hours = sorted({row["hour"] for row in cells})
    band = alt.Scale(domain=hours, paddingInner=0.06, paddingOuter=0)
    x = alt.X(
        "hour:O",
        scale=band,
        axis=alt.Axis(
            title="Hour of the day",
            labelExpr="datum.value + ':00'",
            labelAngle=0,
            labelOverlap=True,
            domain=False,
            ticks=False,
        ),
    )
    y = alt.Y(
        "day:N",
        sort=None,
        scale=alt.Scale(domain=list(days), paddingInner=0.06, paddingOuter=0),
        axis=alt.Axis(title=None, domain=False, ticks=False, labelOverlap=False),
    )
    squares = (
        layer(cells)
        .mark_rect(fill=HEAT, cornerRadius=3)
        .encode(
            x=x,
            y=y,
            fillOpacity=alt.FillOpacity("share:Q", legend=None, scale=alt.Scale(domain=[0, 1], range=[0.05, 1])),
            tooltip=alt.Tooltip("said:N", title=" "),
            description="said:N",
        )
    )
    texts = (
        layer([{**cell, "text": f"{cell['n']:,}" if cell["n"] and len(hours) <= 14 else ""} for cell in cells])
        .mark_text(fontSize=11, aria=False, tooltip=None)
        .encode(
            x=x, y=y, text="text:N", fill=alt.condition(f"datum.share > {_DARK}", alt.value("#fff"), alt.value(INK))
        )
    )
    return finished(squares, texts, height=34 * len(days))


def groups(rows: Rows, age_groups: Sequence[str], genders: Sequence[str]) -> alt.LayerChart:
    """Bars for each gender within each age group.

    Args:
        rows: "age_group", "gender", "n", "text" and "said".
        age_groups: from top to bottom.
        genders: those that occur.
    """
    y = alt.Y(
        "age_group:N",
        sort=None,
        scale=alt.Scale(domain=list(age_groups), paddingInner=0.28, paddingOuter=0.1),
        axis=alt.Axis(title=None, domain=False, ticks=False, labelOverlap=False),
    )
    within = alt.YOffset("gender:N", scale=alt.Scale(domain=list(genders), paddingInner=0.12))
    most = max((row["n"] for row in rows), default=1)
    x = alt.X(
        "n:Q",
        scale=alt.Scale(domain=[0, 1.18 * max(most, 1)], nice=False),
        axis=alt.Axis(title="Visits", tickCount=5, format=",d", tickMinStep=1),
    )
    bars = (
        layer(rows)
        .mark_bar(cornerRadius=2)
        .encode(
            x=x,
            y=y,
            yOffset=within,
            fill=_colours("gender", {name: GENDER_COLOURS[name] for name in genders}),
            tooltip=alt.Tooltip("said:N", title=" "),
            description="said:N",
        )
    )
    texts = (
        layer(rows)
        .mark_text(align="left", dx=5, fill=INK, fontSize=12, aria=False)
        .encode(x=x, y=y, yOffset=within, text="text:N")
    )
    return finished(bars, texts, height=(22 * len(genders) + 14) * len(age_groups))


def shares(rows: Rows, names: Sequence[str], colours: Mapping[str, str]) -> alt.LayerChart:
    """One bar of 100% per name, in parts.

    Args:
        rows: "name", "part" (a key of ``colours``), "start", "end" (shares), "text" and "said".
        names: from top to bottom.
        colours: of the parts, in their order.
    """
    y = alt.Y(
        "name:N",
        sort=None,
        scale=alt.Scale(domain=list(names), padding=0.3),
        axis=alt.Axis(title=None, domain=False, ticks=False, labelOverlap=False, labelLimit=150),
    )
    x = alt.X(
        "start:Q",
        scale=alt.Scale(domain=[0, 1], nice=False),
        axis=alt.Axis(title="Share of visits", format=".0%", tickCount=5),
    )
    bars = (
        layer(rows)
        .mark_bar(cornerRadius=2)
        .encode(
            x=x,
            x2="end:Q",
            y=y,
            fill=_colours("part", colours),
            tooltip=alt.Tooltip("said:N", title=" "),
            description="said:N",
        )
    )
    middles = [{**row, "middle": (row["start"] + row["end"]) / 2} for row in rows if row["end"] - row["start"] > 0.09]
    texts = (
        layer(middles or [{"name": names[0], "middle": 0.0, "text": ""}])
        .mark_text(fontSize=12, fontWeight=600, fill="var(--ft-on-bar)", aria=False, tooltip=None)
        .encode(x=alt.X("middle:Q"), y=y, text="text:N")
    )
    return finished(bars, texts, height=46 * len(names))


def _colours(field: str, colours: Mapping[str, str]) -> alt.Fill:
    return alt.Fill(
        f"{field}:N", legend=None, sort=None, scale=alt.Scale(domain=list(colours), range=list(colours.values()))
    )
