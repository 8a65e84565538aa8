"""Overview of the served networks, from manifest, reports and cards."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from html import escape
from pathlib import Path
from typing import Final, NamedTuple

import streamlit as st

from facetraits.registry import DEFAULT_MODELS_DIR, Manifest, ModelIntegrityError, load_manifest
from facetraits.reports.comparison import FIGURE, HEADLINE_KEYS, find_report
from facetraits.reports.evaluation_report import EvaluationReport
from facetraits.traits import TRAITS
from ui.kit.components import counted, notice
from ui.performance import cached
from ui.performance.evidence import DATASET_WORDS

_OUTPUT_WORDS: Final[Mapping[str, str]] = {
    **{key: trait.label for key, trait in TRAITS.items()},
    "expression_fer2013": "Expression in seven classes",
}
REFERENCES: Final = "references"  # folder of the models that others designed


class Tile(NamedTuple):
    """One headline: what was judged, how well it went, on what."""

    label: str
    value: str
    basis: str


def headline_tiles(reports: Iterable[EvaluationReport]) -> list[Tile]:
    """How well the photo profile does on test pictures: the figure that every page and the README name.

    Args:
        reports: those that belong to the installed networks.
    """
    reports = tuple(reports)
    tiles = []
    for trait, key in HEADLINE_KEYS.items():
        figure = FIGURE[key]
        report = find_report(reports, "accurate", figure.dataset)
        measured = figure.of(report) if report is not None else None
        if measured is not None:
            dataset = DATASET_WORDS.get(figure.dataset, figure.dataset)
            how = "mean error on" if figure.in_years else "right on"
            basis = f"{how} {measured.n:,} test faces of {dataset}"
            tiles.append(Tile(TRAITS[trait].label, figure.formatted(measured.value), basis))
    return tiles


def headline_figures() -> None:
    """One honest figure per trait; a sentence where none was measured, and where no networks are installed."""
    try:
        load_manifest()
    except ModelIntegrityError as error:
        notice("hint", "The networks cannot be loaded", str(error))
        return
    tiles = headline_tiles(cached.get_evidence().reports)
    if tiles:
        items = "".join(
            f"<li><span>{escape(tile.label)}</span><strong>{escape(tile.value)}</strong>"
            f"<span>{escape(tile.basis)}</span></li>"
            for tile in tiles
        )
        st.html(f'<ul class="ft-figures ft-many" style="--ft-columns: 2">{items}</ul>')
    else:
        st.caption("These networks have not been measured on test pictures yet.")


def network_table() -> None:
    """The networks with what they answer, learned from, and may be used for; nothing where none are installed."""
    try:
        manifest = load_manifest()
    except ModelIntegrityError:
        return
    st.html(_table(manifest))


def _table(manifest: Manifest) -> str:
    rows = "".join(
        f"<tr><th scope='row'>{escape(member.name)}</th>"
        f"<td>{escape(', '.join(_OUTPUT_WORDS.get(name, name) for name in member.outputs).capitalize())}</td>"
        f"<td>{escape(', '.join(member.training_data))}</td><td>{escape(member.licence)}</td></tr>"
        for member in manifest.members.values()
    )
    head = "".join(f"<th scope='col'>{name}</th>" for name in ("Network", "Answers", "Learned from", "Licence"))
    return (
        "<div class='ft-table' tabindex='0' role='region' aria-label='Networks'>"
        f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def model_cards() -> None:
    """The cards of the networks at work, folded, then those of the reference systems' models under one heading."""
    for card in sorted(DEFAULT_MODELS_DIR.glob("*/README.md")):
        if card.parent.name != REFERENCES:
            with st.expander(f"Model card: {card.parent.name}"):
                st.markdown(_card_text(card))
    references = {card.parent.name: card for card in sorted(DEFAULT_MODELS_DIR.glob(f"{REFERENCES}/*/README.md"))}
    if references:
        with st.expander(f"Cards of what ours are compared with: {counted(len(references), 'reference model')}"):
            st.markdown("We trained them with the architectures of other systems. The app does not use them.")
            name = st.selectbox("Reference model", list(references))
            st.markdown(_card_text(references[name]))


def _card_text(card: Path) -> str:
    """A card without its metadata, its headings below those of the page."""
    text = _without_front_matter(card.read_text(encoding="utf-8"))
    return re.sub(r"^(#+ )", r"##\1", text, flags=re.MULTILINE)


def licences() -> None:
    """The project's own licence and those of the vendored files, folded."""
    root = DEFAULT_MODELS_DIR.parent
    for path in [root / "LICENSE", *sorted(DEFAULT_MODELS_DIR.glob("*/LICENSE*"))]:
        if path.is_file():
            with st.expander(f"{path.relative_to(root)}"):
                st.code(path.read_text(encoding="utf-8"), language=None, wrap_lines=True)


def _without_front_matter(card: str) -> str:
    """The text that follows the block of metadata between two lines of dashes, if there is such a block."""
    if not card.startswith("---\n"):
        return card
    return card.partition("\n---\n")[2]
