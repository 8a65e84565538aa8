"""Blocks, tables and costs of every network."""

from __future__ import annotations

import pytest

from facetraits.inside.architecture import reference_architectures, served_architectures
from tests.builders import (
    MODELS,
    OTHER_NETWORK,
)
from tests.ui.inside_networks import MANIFEST
from ui.inside.architecture import blocks, comparison_table, cost_rows, diagram, layer_table, seen_px, summary

SERVED, REFERENCES = served_architectures(MANIFEST), reference_architectures(MODELS)
EVERY = pytest.mark.parametrize("network", (*SERVED, *REFERENCES), ids=lambda network: network.name)


@EVERY
def test_blocks_hold_all_weights_and_all_work(network) -> None:
    shown = blocks(network)
    assert sum(block.parameters for block in shown) == network.parameters
    assert sum(block.multiply_adds for block in shown) == network.multiply_adds
    assert shown[0].words == "Input"
    drawn = diagram(network)
    assert drawn.count("<li>") == len(shown)
    assert drawn.count("ft-net-head") == 1


@EVERY
def test_the_table_has_every_layer(network) -> None:
    table = layer_table(network)
    assert [row[1] for row in table.rows] == [row.name for row in network.rows]
    assert sum(row[5] for row in table.rows) == network.parameters
    csv = table.to_csv().decode("utf-8-sig").splitlines()
    assert len(csv) == len(network.rows) + 1
    assert csv[0].startswith("Layer,Name in the file,What it does")


def test_the_networks_see_what_they_are_called_after() -> None:
    assert [seen_px(network) for network in SERVED if network.name == OTHER_NETWORK] == [112]
    assert {seen_px(network) for network in REFERENCES if network.name.endswith("upload-predictor")} == {48}


def test_shortcuts_are_found() -> None:
    traits = next(network for network in SERVED if network.name == "traits-wide-lite0-160")
    assert [b.words for b in blocks(traits) if b.shortcut] == [f"Block {i}" for i in (2, 4, 6, 7, 9, 10, 12, 13, 14)]
    assert summary(traits)[0] == ("Input", "160 × 160 px", "what its first filters get")


def test_unfolded_batch_normalisation_is_called_so() -> None:
    deep = next(network for network in REFERENCES if network.name == "emotion-deep-cnn")
    words = {row[1]: (row[0], row[2]) for row in layer_table(deep).rows}
    assert words["scale 1"] == (
        "Batch normalisation 1",
        "batch normalisation: a learned factor and offset for each map",
    )


def test_fixed_arithmetic_counts_neither_as_weights_nor_as_work() -> None:
    every = [row for network in (*SERVED, *REFERENCES) for row in network.rows]
    fixed = [row for row in every if row.name in ("scale", "grey", "other")]
    assert len(fixed) > 10
    assert {(row.parameters, row.multiply_adds) for row in fixed} == {(0, 0)}
    assert all(row.multiply_adds for row in every if row.parameters)


def test_all_networks_are_compared() -> None:
    table, rows = comparison_table(SERVED, REFERENCES), cost_rows(SERVED, REFERENCES)
    assert [row[0] for row in table.rows] == [row["name"] for row in rows]
    assert {row[0] for row in table.rows if row[1] == "served"} == set(MANIFEST.originals)
    work = [row["multiply_adds"] for row in rows]
    assert work == sorted(work, reverse=True)
