"""The view "Try to fool it": variants as in training, and a face that gets worse step by step."""

from __future__ import annotations

from typing import Final

import numpy as np
import streamlit as st

from facetraits.faces.augmentation import VARIATIONS
from facetraits.inside.probing import SPOILINGS, Spoiling
from facetraits.traits import TRAITS
from ui.inside.charts import SpoilingLine, spoiled_years, spoiling_curves
from ui.inside.fool import (
    CLASS_TRAITS,
    Spoiled,
    answers_held_at,
    spoil,
    spoiled_words,
    steadiness,
    variant_words,
    variants,
)
from ui.inside.pictures import Figure, figures, jpeg_address
from ui.inside.session import Subject
from ui.inside.words import SPOILING_WORDS, VARIATION_WORDS
from ui.kit import charts
from ui.kit.figure import draw, explain, legend, sentence, subheading, tiles

_VARIANTS: Final = 15  # with the face as it is a whole batch of the ensemble
_SHOWN: Final = "face-v1"  # shows more of the head than the other one
_STRIP: Final = 8
_SHAPES: Final = {"gender": "circle", "ethnicity": "square", "expression": "triangle-up"}
_COLOURS: Final = {"gender": charts.TRAINING, "ethnicity": charts.WARN, "expression": charts.INK}


def show_fooling(subject: Subject) -> None:
    """The whole view."""
    subheading("As in training")
    explain(
        "During training, the networks never saw a picture twice in the same way. Each time it was mirrored, turned, "
        "shifted, lit differently or partly covered at random (augmentation), so that they learn to ignore such "
        "changes. Here the same code varies this face, and the ensemble answers for each variant. Did they learn it?"
    )
    _show_variants(subject)
    subheading("Where does it break?")
    explain(
        "Here the picture gets worse step by step, far beyond the augmentation of training. The curves show the "
        "probability of the answer for the original face. An answer counts as broken if it changes or becomes unsure "
        "for at least three steps in a row, or for all remaining steps; an age, if the estimate is outside its "
        "first interval for as long."
    )
    _show_spoiling(subject)


def _show_variants(subject: Subject) -> None:
    kinds = st.pills(
        "What varies",
        VARIATIONS,
        selection_mode="multi",
        default=VARIATIONS,
        format_func=VARIATION_WORDS.__getitem__,
        key="inside_kinds",
        persist_state="page",
        wrap=True,
    )
    with st.container(horizontal=True, gap="medium", vertical_alignment="bottom"):
        strength = st.slider(
            "Strength (training used 1 to 1.25)",
            0.0,
            2.0,
            1.0,
            0.25,
            key="inside_strength",
            persist_state="page",
            width=360,
        )
        if st.button("Draw new variants", icon=":material/casino:", key="inside_again"):
            st.session_state["inside_seed"] = st.session_state.get("inside_seed", 0) + 1
    seed = st.session_state.get("inside_seed", 0)
    chosen = tuple(kinds)
    with st.spinner("Asking the ensemble …"):
        found = subject.cached(
            ("variants", chosen, strength, seed), lambda: variants(subject, chosen, strength, _VARIANTS, seed, _SHOWN)
        )
    tiles(steadiness(subject.face.traits, found.answers))
    items = []
    for place, picture in enumerate(found.crops):
        words, changed = variant_words(subject.face.traits, found.answers, place)
        title = "As it is" if place == 0 else f"{place}"
        if changed:
            title += " · another answer"
        items.append(Figure(jpeg_address(picture), title, words, f"Variant {place}: {words}.", marked=changed))
    st.html(figures(items, "small"))
    explain("A question mark means that the ensemble is unsure. A frame marks variants whose class changed.")


def _show_spoiling(subject: Subject) -> None:
    kind: Spoiling = st.segmented_control(
        "What gets worse",
        SPOILINGS,
        default=SPOILINGS[0],
        required=True,
        format_func=lambda k: SPOILING_WORDS[k].name,
        key="inside_spoiling",
        persist_state="page",
        wrap=True,
    )
    words = SPOILING_WORDS[kind]
    with st.spinner("Asking the ensemble …"):
        found = subject.cached(("spoiled", kind), lambda: spoil(subject, kind, _SHOWN))
    explain(words.does)
    _strip(found)
    said = spoiled_words(found)
    sentence(said, live=True)
    left, right = st.columns([3, 2], gap="medium")
    with left, st.container(key="inside_curves"):
        st.html('<h4 class="ft-chart-title">How probable the first answer stays</h4>')
        legend(
            {f"{TRAITS[t].label}: {found.courses[t].answer}": (_COLOURS[t], "line") for t in CLASS_TRAITS}
            | {"here it breaks": (charts.QUIET, "dashed")}
        )
        draw(spoiling_curves(_lines(found), words.axis, words.percent), f"{words.name}: {said}")
    with right, st.container(key="inside_years"):
        age = subject.face.traits.age
        assert age is not None
        course = found.courses["age"]
        st.html('<h4 class="ft-chart-title">Apparent age</h4>')
        legend({"years": (charts.BAR, "line"), f"{age.coverage:.0%} interval at first": (charts.BAR, "shade")})
        draw(
            spoiled_years(
                _points(found, course.values), age.interval, _broken(found, course.broke), words.axis, words.percent
            ),
            f"Apparent age over {words.name.lower()}: {course.values[0]:.0f} years at first, {course.values[-1]:.0f} "
            "at last.",
        )


def _strip(found: Spoiled) -> None:
    words = SPOILING_WORDS[found.kind]
    places = np.linspace(0, len(found.amounts) - 1, _STRIP).round().astype(int)
    items = []
    for place in places:
        amount = words.written(float(found.amounts[place])) if place else "As it is"
        held, judged = answers_held_at(found, int(place))
        text = f"{held} of {judged} hold"
        items.append(Figure(jpeg_address(found.crops[place]), amount, text, f"{words.name}, {amount}: {text}."))
    st.html(figures(items, "small"))


def _lines(found: Spoiled) -> list[SpoilingLine]:
    lines = []
    for trait in CLASS_TRAITS:
        course = found.courses[trait]
        said = f"{TRAITS[trait].label}, {course.answer}"
        points = [
            {**point, "said": f"{said}: {point['value']:.0%} at {point['at']}"}
            for point in _points(found, course.values)
        ]
        lines.append(SpoilingLine(_COLOURS[trait], _SHAPES[trait], points, _broken(found, course.broke)))
    return lines


def _points(found: Spoiled, values: np.ndarray) -> list[dict[str, object]]:
    words = SPOILING_WORDS[found.kind]
    return [
        {
            "amount": float(amount),
            "value": float(value),
            "at": words.written(float(amount)),
            "said": f"{value:.1f} years at {words.written(float(amount))}",
        }
        for amount, value in zip(found.amounts, values, strict=True)
    ]


def _broken(found: Spoiled, place: int | None) -> float | None:
    return None if place is None else float(found.amounts[place])
