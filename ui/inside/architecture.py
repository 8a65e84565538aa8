"""A network as blocks and as a table, and all networks beside each other."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from html import escape
from itertools import groupby
from typing import Any, Final, NamedTuple

from facetraits.inside.architecture import Architecture, LayerRow
from ui.inside.words import OUTPUT_WORDS, amount_words, block_of, block_words, kind_words, layer_words, shape_words
from ui.kit.tables import Column, Table, thousands

_PREPARATION: Final = ("crops", "scale", "grey", "shrink", "resize")


class Block(NamedTuple):
    """Layers that belong together.

    Attributes:
        words: its name; does: what its layers do, in order.
        shape: of what it hands on.
        shortcut: it adds what it got to what it made.
        parameters, multiply_adds: sums over its layers.
        receptive_px: of what it hands on.
    """

    words: str
    does: str
    shape: tuple[int, ...]
    shortcut: bool
    parameters: int
    multiply_adds: int
    receptive_px: int


def blocks(network: Architecture) -> list[Block]:
    """The blocks of a network in the order of computation; what prepares the pixels is one of them."""
    found = []
    for name, group in groupby(
        network.rows, key=lambda row: "input" if row.name in _PREPARATION else block_of(row.name)
    ):
        rows = list(group)
        found.append(
            Block(
                "Input" if name == "input" else block_words(name),
                _does(rows),
                rows[-1].shape,
                any(row.kind == "addition" for row in rows),
                sum(row.parameters for row in rows),
                sum(row.multiply_adds for row in rows),
                rows[-1].receptive_px,
            )
        )
    return found


def diagram(network: Architecture) -> str:
    """The blocks below each other as HTML.

    A bar is as wide as its maps and grows taller with their number; thin bars beside it compare the blocks'
    multiply-adds and weights with those of the largest.
    """
    shown = blocks(network)
    crop_px = network.rows[0].shape[0]
    widest = max(block.shape[0] for block in shown if len(block.shape) == 3)
    parameters = max(1, *(block.parameters for block in shown))
    work = max(1, *(block.multiply_adds for block in shown))
    rows = "".join(_block_html(block, crop_px, widest, parameters, work) for block in shown)
    head = (
        '<li class="ft-net-head"><span>Block</span><span>Output</span>'
        "<span>Multiply-adds</span><span>Weights</span></li>"
    )
    return f'<ol class="ft-net" aria-label="Blocks of {escape(network.name)}">{head}{rows}</ol>'


def layer_table(network: Architecture) -> Table:
    """Layer by layer."""
    columns = (
        Column("Layer"),
        Column("Name in the file"),
        Column("What it does"),
        Column("Takes"),
        Column("Output", lambda shape: shape.replace("x", " × ")),
        Column("Weights", thousands),
        Column("Multiply-adds", thousands),
        Column("Sees (px)", thousands),
    )
    rows = tuple(
        (
            layer_words(row.name),
            row.name,
            kind_words(row),
            ", ".join(row.inputs) or None,
            "x".join(map(str, row.shape)),
            row.parameters,
            row.multiply_adds,
            row.receptive_px,
        )
        for row in network.rows
    )
    return Table(f"{network.name}, layer by layer; “sees” is the receptive field of one position", columns, rows)


def comparison_table(served: Iterable[Architecture], references: Iterable[Architecture]) -> Table:
    """All networks, the ones with the most work first."""
    columns = (
        Column("Network"),
        Column("Is"),
        Column("Answers"),
        Column("Input (px)", thousands),
        Column("Layers", thousands),
        Column("Weights", thousands),
        Column("Multiply-adds", thousands),
    )
    marked = [(network, "served") for network in served] + [(network, "a reference") for network in references]
    rows = [
        (
            network.name,
            role,
            answers(network),
            seen_px(network),
            len(network.rows),
            network.parameters,
            network.multiply_adds,
        )
        for network, role in marked
    ]
    return Table("All networks", columns, tuple(sorted(rows, key=lambda row: -row[-1])))


def cost_rows(served: Iterable[Architecture], references: Iterable[Architecture]) -> list[dict[str, Any]]:
    """The same for ``inside_charts.network_costs``."""
    marked = [(network, True) for network in served] + [(network, False) for network in references]
    return [
        {
            "name": network.name,
            "weights": network.parameters,
            "multiply_adds": network.multiply_adds,
            "served": is_served,
            "said": f"{network.name}: {amount_words(network.parameters)} weights, "
            f"{amount_words(network.multiply_adds)} multiply-adds",
        }
        for network, is_served in sorted(marked, key=lambda pair: -pair[0].multiply_adds)
    ]


def answers(network: Architecture) -> str:
    """What a network answers, in words."""
    words = ", ".join(OUTPUT_WORDS.get(name, name) for name in network.outputs)
    return words[0].upper() + words[1:].lower() if words else words


def seen_px(network: Architecture) -> int:
    """Side of the picture that the first learned layer gets."""
    side = network.rows[0].shape[0]
    for row in network.rows:
        if row.name not in _PREPARATION:
            break
        side = row.shape[0]
    return side


def summary(network: Architecture) -> list[tuple[str, str, str]]:
    """Headlines for tiles."""
    learned = sum(row.parameters > 0 for row in network.rows)
    side = seen_px(network)
    per_weight = network.multiply_adds / max(network.parameters, 1)
    return [
        ("Input", f"{side} × {side} px", "what its first filters get"),
        ("Layers", f"{len(network.rows)}", f"{learned} of them with weights"),
        ("Weights", amount_words(network.parameters), "learned numbers"),
        (
            "Multiply-adds",
            amount_words(network.multiply_adds),
            f"for one face; each weight is used {per_weight:.0f} times",
        ),
    ]


def _does(rows: Sequence[LayerRow]) -> str:
    words = [kind_words(row) for row in rows if row.kind not in ("input", "addition")]
    return " → ".join(words)


def _block_html(block: Block, crop_px: int, widest: int, parameters: int, work: int) -> str:
    is_map = len(block.shape) == 3
    width = 100 * block.shape[0] / widest if is_map else 4
    height = 0.5 + 0.16 * math.log2(block.shape[-1] + 1)
    shape = shape_words(block.shape) if is_map else f"{block.shape[0]:,} number{'s' if block.shape[0] != 1 else ''}"
    sees = f"each position sees {block.receptive_px} px" if block.receptive_px < crop_px else "sees all of the crop"
    if not is_map or block.words == "Input":
        sees = ""
    shortcut = '<em title="What goes in is added to what comes out">shortcut</em>' if block.shortcut else ""
    bar = f"<i style='width: {width:.1f}%; height: {height:.2f}rem'></i>"
    return (
        f"<li><span class='ft-net-name'><strong>{escape(block.words)}</strong>{shortcut}"
        f"<small>{escape(block.does)}</small></span>"
        f"<span class='ft-net-shape'>{bar}<b>{shape}</b><small>{sees}</small></span>"
        f"{_share('multiply-adds', block.multiply_adds, work)}{_share('weights', block.parameters, parameters)}</li>"
    )


def _share(what: str, amount: int, largest: int) -> str:
    share = amount / largest
    return (
        f"<span class='ft-net-share ft-net-{what}'><small>{what}</small>"
        f"<i><u style='width: {100 * share:.1f}%'></u></i><b>{amount_words(amount) if amount else '–'}</b></span>"
    )
