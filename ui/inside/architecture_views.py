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
        "Blocks from input (top) to output (bottom). A bar's width is the width of the block's maps, its height their "
        "number: positions become fewer, features more numerous. “Shortcut” means that the block's input is added to "
        "its output, which makes deep networks trainable. The thin bars compare the blocks' costs."
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
        "The scale is logarithmic. The further apart the two marks, the more often a network uses each weight: "
        "convolutions use theirs at every position, dense layers only once."
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
        "One reference model, smile-svc, is not listed: it is a support vector classifier on histograms of oriented "
        "gradients and has no layers."
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
