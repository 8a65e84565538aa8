"""Which networks are at work and how well they do, as their manifest, reports and cards say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from html import escape
from typing import Final, NamedTuple

import streamlit as st

from facetraits.metrics import EvaluationReport, load_reports
from facetraits.registry import DEFAULT_MODELS_DIR, Manifest, ModelIntegrityError, load_manifest
from ui.components import notice
from ui.face_card import TRAIT_LABELS

_OUTPUT_WORDS: Final[Mapping[str, str]] = {**TRAIT_LABELS, "expression_fer2013": "Expression in seven classes"}
_DATASET_WORDS: Final[Mapping[str, str]] = {"utkface": "UTKFace", "fer2013": "FER2013 with FER+ labels"}


class Figure(NamedTuple):
    """One headline: what was judged, how well it went, on what."""

    label: str
    value: str
    basis: str


def headline_figures(manifest: Manifest, reports: tuple[EvaluationReport, ...]) -> list[Figure]:
    """How well the photo profile does on test pictures, from picture to answer.

    A report that was measured with other weights than the installed ones says nothing of these and is left out.
    """
    installed = {manifest.detector_sha256, *(member.sha256 for member in manifest.members.values())}
    return [
        figure
        for report in reports
        if (report.model, report.split, report.protocol) == ("accurate", "test", "photos")
        and installed.issuperset(report.weights_sha256.values())
        for figure in _figures(report)
    ]


def _figures(report: EvaluationReport) -> Iterator[Figure]:
    dataset = _DATASET_WORDS.get(report.dataset, report.dataset)
    if "all" in report.ages:
        errors = report.ages["all"]
        yield Figure(
            TRAIT_LABELS["age"], f"± {errors.mae:.1f} years", f"mean error on {errors.n:,} test faces of {dataset}"
        )
    for trait in ("gender", "ethnicity", "expression"):
        if trait in report.classes:
            counts = report.classes[trait]
            total = counts.n + counts.undetected
            yield Figure(TRAIT_LABELS[trait], f"{counts.accuracy:.1%}", f"right on {total:,} test faces of {dataset}")


def model_overview() -> None:
    """The headline figures and a table of the networks; a hint in their place where none are installed."""
    try:
        manifest = load_manifest()
    except ModelIntegrityError as error:
        notice("hint", "The networks cannot be loaded", str(error))
        return
    figures = headline_figures(manifest, load_reports(manifest.models_dir))
    if figures:
        tiles = "".join(
            f"<li><span>{escape(figure.label)}</span><strong>{escape(figure.value)}</strong>"
            f"<span>{escape(figure.basis)}</span></li>"
            for figure in figures
        )
        st.html(f'<ul class="ft-figures">{tiles}</ul>')
    else:
        st.caption("These networks have not been measured on test pictures yet.")
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
    """The cards of all networks, folded."""
    for card in sorted(DEFAULT_MODELS_DIR.glob("*/README.md")):
        with st.expander(f"Model card: {card.parent.name}"):
            st.markdown(_without_front_matter(card.read_text(encoding="utf-8")))


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
