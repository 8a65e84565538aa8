"""Occlusion: covering the face patch by patch, as a check of the heat-maps."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from facetraits.inside.probing import occlusion
from ui.inside import cached
from ui.inside.pictures import Figure, enlarged, figures, jpeg_address, over_face
from ui.inside.question import Question
from ui.inside.session import Network, Subject
from ui.inside.words import agreement_words, sure
from ui.kit.figure import explain, sentence, subheading

if TYPE_CHECKING:
    from streamlit.delta_generator import DeltaGenerator

_PATCHES_PX: Final = {"Small": 16, "Middle": 28, "Large": 40}
_FEWEST_STEP_PX: Final = 4
_SURE: Final = 1e-6  # log-odds of 0 and 1 would be endless


class Covered(NamedTuple):
    """Result of covering a face patch by patch.

    Attributes:
        drop: (S, S) what covering a place costs on average: log-odds of a class, or years.
        lowest, highest: of the class's probability, or of the years, over all places of the patch.
    """

    drop: NDArray[np.float32]
    lowest: float
    highest: float


def show_covering(
    subject: Subject, network: Network, question: Question, heats: Sequence[NDArray[np.float32]] | None, method: str
) -> None:
    """The part of the view that covers the face.

    Args:
        subject: the face.
        network: that is asked.
        question: what is watched.
        heats: the two heat-maps that are to be checked; None where there can be none.
        method: their name.
    """
    subheading("The check: cover the face piece by piece")
    explain(
        "A grey patch moves over the face, and the served network answers at every position. Where the answer gets "
        "worse, the network needs what the patch hides. This is slow, but it uses no gradients and relies on no "
        "formula."
    )
    with st.container(horizontal=True, gap="medium", vertical_alignment="bottom"):
        size = st.segmented_control(
            "Size of the patch",
            tuple(_PATCHES_PX),
            default="Middle",
            required=True,
            key="inside_patch",
            persist_state="page",
        )
        patch = _PATCHES_PX[size]
        key = (network.name, "covered", question.trait, question.target, patch)
        pressed = st.button(
            "Cover the face piece by piece",
            icon=":material/grid_on:",
            type="primary",
            key="inside_cover",
            disabled=subject.is_cached(key),
        )
    if not pressed and not subject.is_cached(key):
        return
    frame = st.empty()
    found = subject.cached(key, lambda: _cover(subject, network, question, patch, frame))
    crop = subject.crops[network.entry.crop]
    again = [] if heats is None else [_heat_again(crop, question, heats, method)]
    frame.html(figures([*again, *_drop_figures(crop, question, found)], "middle"))
    said = verdict(question, found, heats, method)
    if said:
        sentence(said, live=True)


def cover(
    crop: NDArray[np.uint8],
    question: Question,
    predict: Callable[[NDArray[np.uint8]], dict[str, NDArray[np.float32]]],
    patch: int,
) -> Iterator[tuple[float, Covered]]:
    """Cover a crop with patches of so many px: what share is done, and what is known so far."""
    seen: list[float] = []

    def score(crops: NDArray[np.uint8]) -> NDArray[np.floating]:
        values = question.value(predict(crops))
        seen.extend(values.tolist())
        return values if question.is_years else log_odds(values)

    for step in occlusion(crop, score, patch, max(_FEWEST_STEP_PX, patch // 3)):
        covered = seen[1:]  # the first is of the face as it is
        yield step.done, Covered(step.drop, min(covered), max(covered))


def _cover(subject: Subject, network: Network, question: Question, patch: int, frame: DeltaGenerator) -> Covered:
    crop = subject.crops[network.entry.crop]
    progress = st.progress(0.0, "Covering the face …")
    found: Covered | None = None
    for done, found in cover(crop, question, cached.get_member(network.entry).predict, patch):
        progress.progress(done, f"Covering the face: {done:.0%}")
        frame.html(figures(_drop_figures(crop, question, found), "middle"))
    progress.empty()
    assert found is not None  # there is at least one place for the patch
    return found


def log_odds(probabilities: NDArray[np.floating]) -> NDArray[np.float64]:
    """Log-odds, the quantity that heat-maps explain too. Probabilities near 1 hide differences in confidence."""
    held = np.clip(probabilities.astype(np.float64), _SURE, 1 - _SURE)
    return np.log(held / (1 - held))


def _drop_figures(crop: NDArray[np.uint8], question: Question, found: Covered) -> list[Figure]:
    if question.is_years:
        signed = [
            ("Covered, it seems younger", found.drop, f"{found.lowest:.1f} years at the least."),
            ("Covered, it seems older", -found.drop, f"{found.highest:.1f} years at the most."),
        ]
        strongest = float(np.abs(found.drop).max())
    else:
        title = f"Covered, less {question.name(int(question.target))}"
        strongest = float(found.drop.max())
        worst = f"{sure(found.lowest)} at the patch's worst position."
        signed = [(title, found.drop, worst if strongest > 0 else "Covering lowers it nowhere.")]
    return [
        Figure(
            jpeg_address(over_face(crop, np.maximum(values, 0) / max(strongest, 1e-9))),
            title,
            text,
            f"Map of what covering costs. {title}: {text}",
        )
        for title, values, text in signed
    ]


def _heat_again(
    crop: NDArray[np.uint8], question: Question, heats: Sequence[NDArray[np.float32]], method: str
) -> Figure:
    strongest = max(*(float(heat.max()) for heat in heats), 1e-9)
    title = question.titles()[0]
    return Figure(
        jpeg_address(over_face(crop, heats[0] / strongest)),
        f"{method}: {title[0].lower()}{title[1:]}",
        "from above.",
        f"The heat-map of {method} again.",
    )


def correlation(drop: NDArray[np.floating], heat: NDArray[np.floating]) -> float | None:
    """Correlation between the occlusion map and a heat-map, in [-1, 1]; None if one of them is constant."""
    if min(np.ptp(heat), np.ptp(drop)) < 1e-9:
        return None
    large = enlarged(np.asarray(heat, dtype=np.float32), drop.shape[0])
    return float(np.corrcoef(large.ravel(), drop.ravel())[0, 1])


def verdict(question: Question, found: Covered, heats: Sequence[NDArray[np.float32]] | None, method: str) -> str:
    """Whether occlusion and the heat-maps agree, in words; "" if they cannot be compared."""
    lines = []
    if heats is not None:
        heat = heats[0] - heats[1] if question.is_years else heats[0]
        agreement = correlation(found.drop, heat)
        lines.append(
            f"{method} and covering cannot be compared: one of the two maps is the same everywhere."
            if agreement is None
            else f"{method} and covering {agreement_words(agreement)} (correlation {agreement:.2f})."
        )
    if not question.is_years and found.lowest > 0.99:
        lines.append(
            "No patch of this size changes the answer. The picture shows where the network becomes a little less sure."
        )
    return " ".join(lines)
