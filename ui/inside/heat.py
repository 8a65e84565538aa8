"""The view "Where it looks": heat-maps over the face, and covering it piece by piece as a check."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from facetraits.faces.alignment import CROPS
from facetraits.inside.heat import HEAT_METHODS, HeatMethod
from facetraits.inside.layers import NetworkLayers
from facetraits.inside.requests import YEARS
from facetraits.inside.worker import InsideError
from ui.inside.cover import show_covering
from ui.inside.lab import ask, served, served_line, show_unavailable
from ui.inside.pictures import Figure, enlarged, figures, heat_by_part, jpeg_address, over_face, scale_html
from ui.inside.question import FER2013_CLASSES, Question
from ui.inside.session import Network, Subject
from ui.inside.words import LIMITS, METHOD_NAMES, METHOD_WORDS, OUTPUT_WORDS, layer_words, shape_words, sure
from ui.kit.components import listed, notice
from ui.kit.figure import explain, sentence

# Positions on a side: fewer show nothing but left, right, top and bottom. Earlier layers are sharper, but there
# Grad-CAM does not agree with covering the face: on the samples the correlation is 0.3 to 0.5 in this layer, and none
# before.
_SHARP: Final = 4
_MUCH: Final = 1.3  # times the heat that would lie there if it lay everywhere
_SOME: Final = 0.1  # of all heat


def default_layer(network: NetworkLayers) -> str:
    """The last layer that is sharp enough; the sharpest of a network that has none."""
    sharp = [layer.name for layer in network.maps if min(layer.shape[:2]) >= _SHARP]
    return sharp[-1] if sharp else network.maps[0].name


def show_heat(subject: Subject, network: Network) -> None:
    """The whole view."""
    question = _choose_question(subject, network)
    method, layer = _choose_method(network)
    crop = subject.crops[network.entry.crop]
    try:
        heats = _heats(subject, network, question, layer, method)
    except InsideError as error:
        show_unavailable(error)
        show_covering(subject, network, question, None, METHOD_NAMES[method])
        return
    _show_heats(crop, network, question, heats)
    explain(METHOD_WORDS[method])
    show_covering(subject, network, question, heats, METHOD_NAMES[method])
    with st.expander("What a heat-map does not say"):
        st.markdown("\n".join(f"- {line}" for line in LIMITS))
    try:
        served_line(subject, network)
    except InsideError as error:
        show_unavailable(error)


# ------------------------------------------------------------------------------------------------------------ questions


def _choose_question(subject: Subject, network: Network) -> Question:
    with st.container(horizontal=True, gap="medium", vertical_alignment="bottom"):
        trait = st.segmented_control(
            "Trait",
            network.outputs,
            default=network.outputs[0],
            required=True,
            format_func=OUTPUT_WORDS.__getitem__,
            key=f"inside_trait_{network.name}",
            persist_state="page",
            wrap=True,
        )
        probabilities = served(subject, network)[trait]
        classes = _classes(subject, trait, len(probabilities))
        order: list[int | str] = [int(i) for i in np.argsort(-probabilities, kind="stable")]
        if trait == "age":
            order = [YEARS, *sorted(order, key=int)]
        target = st.selectbox(
            "Evidence for …",
            order,
            format_func=lambda option: _option(trait, classes, probabilities, option),
            key=f"inside_target_{network.name}_{trait}_{subject.picture}_{subject.number}",
            persist_state="page",
            width=300,
        )
    return Question(trait, classes, probabilities, target)


def _classes(subject: Subject, trait: str, count: int) -> tuple[str, ...]:
    if trait == "age":
        return tuple(map(str, range(count)))
    if trait == "expression_fer2013":
        return FER2013_CLASSES
    prediction = getattr(subject.face.traits, trait)
    return tuple(prediction.classes)


def _option(trait: str, classes: Sequence[str], probabilities: NDArray[np.float32], option: int | str) -> str:
    if option == YEARS:
        return "older, and what for younger"
    name = f"{classes[int(option)]} years" if trait == "age" else classes[int(option)]
    return f"{name} ({sure(float(probabilities[int(option)]))})"


def _choose_method(network: Network) -> tuple[HeatMethod, str]:
    names = [layer.name for layer in network.layers.maps]
    by_name = network.layers.by_name
    method: HeatMethod = st.segmented_control(
        "Method",
        HEAT_METHODS,
        default=HEAT_METHODS[0],
        required=True,
        format_func=METHOD_NAMES.__getitem__,
        key="inside_method",
        persist_state="page",
    )
    layer = st.select_slider(
        "Layer that is asked, from the first to the last",
        names,
        value=default_layer(network.layers),
        format_func=lambda name: f"{layer_words(name)} ({shape_words(by_name[name].shape[:2])})",
        key=f"inside_heat_layer_{network.name}",
        persist_state="page",
        help="Earlier layers are sharper, but explain the answer less well. The last layers hardly know where "
        "anything is. Try LayerCAM in early layers.",
    )
    return method, layer


# ------------------------------------------------------------------------------------------------------------ heat-maps


def _heats(
    subject: Subject, network: Network, question: Question, layer: str, method: HeatMethod
) -> tuple[NDArray[np.float32], ...]:
    """Two maps: of the class and its rival, or of what makes older and what younger."""
    found: tuple[NDArray[np.float32], ...] = subject.cached(
        (network.name, "heat", question.trait, question.targets, layer, method),
        lambda: ask(
            "heat",
            member=network.name,
            crop=subject.crops[network.entry.crop],
            output=question.trait,
            targets=question.targets,
            layer=layer,
            method=method,
        ),
    )
    return found


def _show_heats(
    crop: NDArray[np.uint8], network: Network, question: Question, heats: Sequence[NDArray[np.float32]]
) -> None:
    strongest = max(float(heat.max()) for heat in heats)
    if strongest <= 0:
        notice("hint", "Nothing to see", "This layer has no evidence for either answer. Choose another layer.")
        return
    titles, texts = question.titles(), question.texts()
    items = [Figure(jpeg_address(enlarged(crop)), "The crop", f"as {network.name} gets it.", "The crop of the face.")]
    items += [
        Figure(
            jpeg_address(over_face(crop, heat / strongest)), title, text, f"Heat-map: {title}. {_parts(network, heat)}"
        )
        for heat, title, text in zip(heats, titles, texts, strict=True)
    ]
    st.html(figures(items, "middle") + scale_html("inferno", "none: the face alone", "the most in either picture"))
    sentence(" ".join(f"{title}: {_parts(network, heat)}" for title, heat in zip(titles, heats, strict=True)))


def _parts(network: Network, heat: NDArray[np.float32]) -> str:
    """On which parts of the face there is more heat than their size would give, in words."""
    shares = heat_by_part(heat, CROPS[network.entry.crop])
    if not shares:
        return "there is no evidence for it in this layer."
    dense = [part for part in shares if part[1] >= _SOME and part[1] >= _MUCH * part[2]]
    if not dense:
        return "the heat is spread over the whole crop."
    named = [f"{name} ({share:.0%} of the heat, {of_crop:.0%} of the picture)" for name, share, of_crop in dense[:2]]
    return f"most of all {listed(named)}."
