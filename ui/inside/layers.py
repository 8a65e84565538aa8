"""The view "Layer by layer": what the network gets, its first filters, and its strongest feature maps."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Final

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from facetraits.inside.layers import Layer, NetworkLayers
from facetraits.inside.requests import Forward, StrongestMaps
from facetraits.inside.worker import InsideError
from ui.inside.lab import MOST_MAPS, forward, served_line, show_unavailable
from ui.inside.pictures import (
    Figure,
    blended,
    brightest,
    coloured,
    enlarged,
    figures,
    filter_pictures,
    jpeg_address,
    png_address,
    scale_html,
    stretched,
    with_square,
)
from ui.inside.session import Network, Subject
from ui.inside.words import amount_words, depth_words, kind_words, layer_words, shape_words
from ui.kit.figure import explain, subheading

OVERVIEW: Final = "One layer per stage"
_COUNTS: Final = (4, 8, MOST_MAPS)
_THUMB_PX: Final = 148


def show_layers(subject: Subject, network: Network) -> None:
    """The whole view."""
    crop = subject.crops[network.entry.crop]
    seen: Forward | None = None
    problem: InsideError | None = None
    top = st.empty()
    top.html(figures([_crop_figure(crop)], "middle"))
    try:
        seen = forward(subject, network)
    except InsideError as error:
        problem = error
    if seen is not None:
        top.html(figures([_crop_figure(crop), _seen_figure(network.layers, seen)], "middle"))
    _first_filters(network.layers, seen)
    if seen is None:
        if problem is not None:
            show_unavailable(problem)
        return
    _feature_maps(crop, network, seen)
    served_line(subject, network)


def stages(network: NetworkLayers) -> list[list[Layer]]:
    """Layers with feature maps by the number of their positions, from many to few."""
    found: list[list[Layer]] = []
    for layer in network.maps:
        if not found or found[-1][0].shape[:2] != layer.shape[:2]:
            found.append([])
        found[-1].append(layer)
    return found


def overview(network: NetworkLayers) -> list[Layer]:
    """The first layer, then the last of each stage."""
    last = [stage[-1] for stage in stages(network)]
    return [network.first_filters, *(layer for layer in last if layer is not network.first_filters)]


def as_seen(network: NetworkLayers, values: NDArray[np.float32]) -> NDArray[np.uint8]:
    """What the first filters get, as a picture again: the scaling of the pixels is undone."""
    scale = next((layer for layer in network.layers if layer.kind == "scale"), None)
    if scale is not None:
        values = (values - scale.weights["offset"]) / scale.weights["factor"]
    return np.ascontiguousarray(np.clip(values, 0, 255).round().astype(np.uint8))


def sees_grey(network: NetworkLayers) -> bool:
    """Whether colours are taken away before the first filters."""
    return "grey" in network.by_name


def _crop_figure(crop: NDArray[np.uint8]) -> Figure:
    return Figure(
        jpeg_address(enlarged(crop)),
        "What the network gets",
        f"The face, straightened and cut out, {crop.shape[1]} × {crop.shape[0]} px.",
        "The straightened crop of the face.",
    )


def _seen_figure(network: NetworkLayers, seen: Forward) -> Figure:
    picture = as_seen(network, seen.whole[network.first_filters.inputs[0]])
    side = picture.shape[0]
    grey = ", without its colours" if sees_grey(network) else ""
    return Figure(
        png_address(picture),
        "What its first filters see",
        f"The same at {side} × {side} px{grey}; each px is drawn as a square.",
        f"The crop as the network sees it, {side} px wide{grey}.",
        squares=True,
    )


# -------------------------------------------------------------------------------------------------------- first filters


def _first_filters(network: NetworkLayers, seen: Forward | None) -> None:
    layer = network.first_filters
    pictures = filter_pictures(layer.weights["kernel"], sees_grey(network))
    height, width = layer.kernel_hw
    subheading("The first filters")
    explain(
        f"The first layer slides {len(pictures)} filters of {height} × {width} px over the face. They were learned in "
        "training. Mid-grey is a weight of zero, brighter and coloured parts are positive weights, darker parts "
        "negative ones. "
        + ("This network sees grey only. " if sees_grey(network) else "")
        + (
            "Below each filter is its output for this face: bright where the filter matches, all dark if it matches "
            "nowhere."
            if seen
            else ""
        )
    )
    answers = None if seen is None else seen.whole[layer.name]
    items = []
    for number, picture in enumerate(pictures):
        filter_html = f'<img class="ft-squares" src="{png_address(picture)}" alt="Filter {number}">'
        if answers is None:
            items.append(f"<li>{filter_html}</li>")
            continue
        answer = png_address(coloured(stretched(answers[..., number]), "viridis"))
        items.append(f'<li>{filter_html}<img src="{answer}" alt="What filter {number} answers on this face"></li>')
    st.html(f'<ol class="ft-filters" start="0">{"".join(items)}</ol>')


# --------------------------------------------------------------------------------------------------------- feature maps


def _feature_maps(crop: NDArray[np.uint8], network: Network, seen: Forward) -> None:
    subheading("From layer to layer")
    explain(
        "Every layer computes new maps from the maps of the layer before. The maps with the strongest output for this "
        "face are shown. The white square on the face is what one position of the layer can see. Press a map to "
        "enlarge it."
    )
    by_side = {f"{shape_words(stage[0].shape[:2])}": stage for stage in stages(network.layers)}
    with st.container(horizontal=True, gap="medium", vertical_alignment="bottom"):
        chosen = st.segmented_control(
            "Layers",
            (OVERVIEW, *by_side),
            default=OVERVIEW,
            required=True,
            key=f"inside_stage_{network.name}",
            persist_state="page",
            wrap=True,
        )
        count = st.segmented_control(
            "Maps per layer", _COUNTS, default=8, required=True, key="inside_count", persist_state="page"
        )
    st.html(scale_html("viridis", "weakest answer of the map", "strongest"))
    layers = overview(network.layers) if chosen == OVERVIEW else by_side.get(chosen, [])
    said = ""
    for layer in layers:
        words = depth_words(layer.receptive_px, network.layers.crop_px)
        if words != said:
            st.html(f'<p class="ft-says">{escape(words)}</p>')
            said = words
        _layer_row(crop, network, layer, seen.strongest[layer.name], count)


def _layer_row(crop: NDArray[np.uint8], network: Network, layer: Layer, strongest: StrongestMaps, count: int) -> None:
    st.html(_layer_head(crop, layer, strongest.total))
    shown = range(min(count, len(strongest.channels)))
    addresses = [png_address(coloured(stretched(strongest.maps[i]), "viridis")) for i in shown]
    prefix = f"map_{layer.name}".replace(" ", "_")
    rules = "".join(
        f'.st-key-{prefix}_{i} button {{ background-image: url("{address}") }}' for i, address in enumerate(addresses)
    )
    st.html(f"<style>{rules}</style>")
    with st.container(key=f"maps_{prefix}", horizontal=True, gap="xsmall"):
        for i in shown:
            if st.button(f"Map {strongest.channels[i]}", key=f"{prefix}_{i}"):
                _enlarge(crop, network, layer, strongest, i)


def _layer_head(crop: NDArray[np.uint8], layer: Layer, total: int) -> str:
    share = layer.receptive_px / crop.shape[0]
    thumb = jpeg_address(with_square(enlarged(crop, _THUMB_PX), (0.5, 0.5), share))
    height, width = layer.shape[:2]
    sees = "all of the face" if share >= 1 else f"up to {layer.receptive_px} × {layer.receptive_px} px of the face"
    facts = (
        f"{total} maps of {height} × {width}",
        f"one position sees {sees}",
        f"{amount_words(layer.parameters)} weights",
        f"{amount_words(layer.multiply_adds)} multiply-adds",
    )
    return (
        f'<div class="ft-layer"><img src="{thumb}" alt="One position of this layer sees {escape(sees)}.">'
        f"<div><h4>{escape(layer_words(layer.name))}</h4><p>{escape(kind_words(layer))}</p>"
        f"<p>{escape(' · '.join(facts))}</p></div></div>"
    )


@st.dialog("A feature map over the face", width="medium")
def _enlarge(crop: NDArray[np.uint8], network: Network, layer: Layer, strongest: StrongestMaps, place: int) -> None:
    values = strongest.maps[place]
    opacity = st.slider("How strongly the map covers the face", 0, 100, 60, 5, format="%d%%", key="inside_opacity")
    share = layer.receptive_px / crop.shape[0]
    x_px, y_px = layer.middle_px(*brightest(values))
    where = x_px / crop.shape[1], y_px / crop.shape[0]
    over = with_square(blended(crop, values, opacity / 100), where, share)
    channel, total = strongest.channels[place], strongest.total
    height, width = values.shape
    st.html(
        figures(
            [
                Figure(
                    jpeg_address(over),
                    "Over the face",
                    "The square: what the map's brightest position sees.",
                    f"Map {channel} of {layer_words(layer.name)} over the face.",
                ),
                Figure(
                    png_address(coloured(stretched(values), "viridis")),
                    "The map itself",
                    f"{height} × {width} positions, from {values.min():.2f} to {values.max():.2f}.",
                    f"The same map by itself, {height} × {width} squares.",
                    squares=True,
                ),
            ],
            "middle",
        )
        + scale_html("viridis", "weakest", "strongest")
        + _enlarged_words(network, layer, channel, total, place)
    )


def _enlarged_words(network: Network, layer: Layer, channel: int, total: int, place: int) -> str:
    rank = ("the strongest", "the second strongest", "the third strongest")
    order = rank[place] if place < len(rank) else f"number {place + 1} by strength"
    sentences: Sequence[str] = (
        f"Map {channel} of {layer_words(layer.name)} in {network.name}: {order} of {total} on this face.",
        depth_words(layer.receptive_px, network.layers.crop_px),
    )
    return "".join(f"<p>{escape(sentence)}</p>" for sentence in sentences)
