"""The people before the camera: a card for each, the stream's figures, and their expressions over the last minute.

The cards are drawn anew every other second, so nothing in them folds: a browser would lose what was unfolded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, Final

import numpy as np
import pandas as pd
import streamlit as st

from facetraits.video.live import LiveSnapshot, Person
from ui.kit.face_card import crop_picture, headline, trait_sections, warnings

HISTORY_S: Final = 60
_MOST_FULL_CARDS: Final = 3
_MOST_CHARTS: Final = 4
_LANE_PX: Final = 90
_LANE: Final = 0.9  # share of a lane that is drawn on; the rest keeps faces apart
_LEGEND_PX: Final = 110


def figures(snapshot: LiveSnapshot) -> str:
    """Frame rate, analyses per second and delay of the answers, as HTML."""
    delay = "-" if snapshot.delay_ms is None else f"{snapshot.delay_ms:.0f}"
    items = (
        ("fps", f"{snapshot.frames_per_second:.0f}", "frames a second"),
        ("analyses", f"{snapshot.analyses_per_second:.1f}", "analyses a second"),
        ("delay", delay, "ms from picture to answer"),
    )
    rows = "".join(
        f'<li><strong data-figure="{name}">{value}</strong> <span>{label}</span></li>' for name, value, label in items
    )
    return f'<ul class="ft-live-figures" aria-label="Speed">{rows}</ul>'


def live_cards(people: Sequence[Person], crops: Mapping[int, bytes]) -> str:
    """A card per person, as HTML; in a crowd each has its answers in one line.

    Args:
        people: in the order of their numbers.
        crops: a small JPEG by number; a person without one gets none.
    """
    crowd = len(people) > _MOST_FULL_CARDS
    items = "".join(_card(person, crops.get(person.tracked.track_id), not crowd) for person in people)
    return f'<ol class="ft-cards{" ft-crowd" if crowd else ""}" aria-label="People in view">{items}</ol>'


def _card(person: Person, crop: bytes | None, full: bool) -> str:
    number, face = person.tracked.track_id, person.tracked.face
    picture = crop_picture(crop, f"Crop of face {number}") if crop else ""
    gone = "" if person.in_view else '<span class="ft-flag">out of view</span>'
    state = "" if person.in_view else " ft-gone"
    body = f'<div class="ft-body">{warnings(face.quality)}{trait_sections(face)}</div>' if full else ""
    return (
        f'<li class="ft-card{state}" data-track="{number}"><div class="ft-live-head">{picture}'
        f'<span class="ft-head"><span class="ft-number">Face {number}</span>{gone}'
        f'<span class="ft-headline">{escape(headline(face)) or "Choose above what to estimate."}</span></span></div>'
        f"{body}</li>"
    )


def expression_table(people: Sequence[Person]) -> pd.DataFrame:
    """The last minute's expressions of the first few people, stacked in a lane per face, the first on top.

    Returns:
        A row per face, time and expression: ``face``, ``seconds`` (<= 0), ``expression``, ``probability``, and
        ``low`` and ``high``, between which it is drawn; lane i of n reaches from n - 1 - i to n - i.
    """
    shown = [p for p in people if len(p.expressions) and p.tracked.face.traits.expression is not None][:_MOST_CHARTS]
    columns = ("face", "seconds", "expression", "probability", "low", "high")
    parts = []
    for i, person in enumerate(shown):
        expression = person.tracked.face.traits.expression
        assert expression is not None
        count, classes = len(person.expressions), len(expression.classes)
        probabilities = person.expressions[:, 1:]
        high = np.cumsum(probabilities, axis=1)
        floor = len(shown) - 1 - i
        values = (
            np.full(count * classes, f"Face {person.tracked.track_id}", dtype=object),
            np.repeat(-person.expressions[:, 0], classes).round(1),
            np.tile(np.array(expression.classes, dtype=object), count),
            probabilities.ravel().round(3),
            (floor + _LANE * (high - probabilities)).ravel().round(3),
            (floor + _LANE * high).ravel().round(3),
        )
        parts.append(pd.DataFrame(dict(zip(columns, values, strict=True))))
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)


def expression_spec(table: pd.DataFrame, classes: Sequence[str]) -> dict[str, Any]:
    """Stacked probabilities over the last minute, a lane per face, in Vega-Lite.

    Not built with Altair, which takes 30 ms to check a chart: every second, the video would feel it.

    Args:
        table: as ``expression_table`` gives it, not empty.
        classes: all expressions, so that each keeps its colour.
    """
    lanes = list(dict.fromkeys(table["face"]))
    middles = [len(lanes) - 1 - i + _LANE / 2 for i in range(len(lanes))]
    names = " : ".join(f"datum.value == {at} ? '{name}'" for at, name in zip(middles, lanes, strict=True))
    return {
        "mark": {"type": "area"},
        "height": _LEGEND_PX + _LANE_PX * len(lanes),
        "encoding": {
            "x": {
                "field": "seconds",
                "type": "quantitative",
                "scale": {"domain": [-HISTORY_S, 0]},
                "axis": {"title": "seconds ago", "values": [-60, -45, -30, -15, 0], "labelExpr": "-datum.value"},
            },
            "y": {
                "field": "low",
                "type": "quantitative",
                "scale": {"domain": [0, len(lanes)]},
                "axis": {"title": None, "values": middles, "labelExpr": f"{names} : ''", "grid": False, "ticks": False},
            },
            "y2": {"field": "high"},
            "color": {
                "field": "expression",
                "type": "nominal",
                "scale": {"domain": list(classes)},
                "legend": {"title": None, "orient": "bottom", "columns": 4},
            },
            "detail": {"field": "face"},
            "tooltip": [
                {"field": "face", "type": "nominal"},
                {"field": "expression", "type": "nominal"},
                {"field": "probability", "type": "quantitative", "format": ".0%"},
            ],
        },
    }


def show_expressions(people: Sequence[Person]) -> None:
    """Draw the chart; nothing where no expression is known."""
    table = expression_table(people)
    known = next((e for p in people if (e := p.tracked.face.traits.expression) is not None), None)
    if known is None or table.empty:
        return
    st.html('<h2 class="ft-picture">Facial expression, last minute</h2>')
    st.vega_lite_chart(
        table,
        expression_spec(table, known.classes),
        width="stretch",
        key="webcam_expressions",
        alt="Probability of each facial expression over the last minute, one band per face.",
    )
