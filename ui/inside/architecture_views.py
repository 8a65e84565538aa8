"""The view "Architecture": every network as a diagram and a table, and all of them beside each other."""

from __future__ import annotations

import streamlit as st

from facetraits.inside.architecture import Architecture
from facetraits.registry import Manifest, ModelIntegrityError
from ui.inside import cached
from ui.inside.architecture import (
    answers,
    comparison_table,
    cost_rows,
    diagram,
    layer_table,
    summary,
)
from ui.inside.charts import network_costs
from ui.kit import charts
from ui.kit.components import notice
from ui.kit.figure import draw, explain, legend, numbers, subheading, tiles


def show_architecture(manifest: Manifest) -> None:
    """The whole view; ``manifest`` names the served networks."""
    try:
        served, references = cached.get_architectures(manifest)
    except (ModelIntegrityError, ValueError) as error:
        notice("error", "The networks' tables cannot be read", str(error), ("Get a fresh copy of the models folder.",))
        return
    everything = {network.name: network for network in (*served, *references)}
    ours = {network.name for network in served}
    name = st.selectbox(
        "Network to take apart",
        list(everything),
        format_func=lambda n: f"{n} ({'served' if n in ours else 'a reference'}: {answers(everything[n]).lower()})",
        key="inside_architecture",
        persist_state="session",
    )
    _show_one(everything[name])
    _show_all(served, references)


def _show_one(network: Architecture) -> None:
    tiles(summary(network))
    explain(
        "From top to bottom, as a face goes through it. The bar is as wide as the block's maps and taller the more "
        "maps there are: fewer and fewer positions, more and more kinds of answer. “Shortcut”: what goes into the "
        "block is added to what comes out, so that a deep network can be trained. The thin bars compare what "
        "the blocks cost."
    )
    st.html(diagram(network))
    table = layer_table(network)
    numbers(table, "Layer by layer, as a table")
    with st.container(horizontal=True, vertical_alignment="center"):
        st.download_button(
            "Layers as CSV",
            table.to_csv,
            f"{network.name}-layers.csv",
            "text/csv",
            on_click="ignore",
            icon=":material/download:",
            key="inside_layers_csv",
        )
        st.html(f'<p class="ft-origin">Generated from the network’s file, sha256 {network.sha256[:12]}…</p>')


def _show_all(served: tuple[Architecture, ...], references: tuple[Architecture, ...]) -> None:
    subheading("All networks beside each other")
    explain(
        "From one line to the next the numbers grow tenfold. The further its two marks are apart, the more often a "
        "network uses each of its weights: convolutions use theirs at every position, dense layers only once."
    )
    legend(
        {
            "served": (charts.BAR, "block"),
            "reference model": (charts.WARN, "block"),
            "weights": (charts.INK, "dot"),
            "multiply-adds for one face": (charts.INK, "hollow"),
        }
    )
    rows = cost_rows(served, references)
    draw(network_costs(rows), "Weights and multiply-adds. " + ". ".join(row["said"] for row in rows) + ".")
    table = comparison_table(served, references)
    numbers(table)
    explain(
        "One reference model, smile-svc, is missing here because it is no network: a support vector classifier on the "
        "directions of edges, which has no layers."
    )
    st.download_button(
        "Comparison as CSV",
        table.to_csv,
        "networks.csv",
        "text/csv",
        on_click="ignore",
        icon=":material/download:",
        key="inside_networks_csv",
    )
