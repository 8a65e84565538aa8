"""The faces of a picture with many: charts of all, sorted and filtered cards, drawn a few at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from html import escape
from typing import Final

import streamlit as st

from facetraits.traits import TRAITS, TraitName
from facetraits.types import ClassPrediction, FaceResult
from ui.kit.components import counted
from ui.kit.face_card import FEW_FACES, NumberedFace, bars, cards_of, numbered, summary_line

_CARDS_AT_ONCE: Final = 12
_DECADES: Final = (*(f"{low} to {low + 9}" for low in range(0, 80, 10)), "80 and over")
_UNSURE, _WARNED = "unsure", "with warnings"
_SHOWN_KEY: Final = "photo_cards_shown"


def _years(face: FaceResult) -> float:
    return face.traits.age.years if face.traits.age is not None else 0.0


def _doubt(face: FaceResult) -> float:
    """The least probability among the answers that name a class; 1 without any."""
    answers = [answer for _, answer in face.traits.answers() if isinstance(answer, ClassPrediction)]
    return min((float(answer.probabilities.max()) for answer in answers), default=1.0)


ORDERS: Final[Mapping[str, Callable[[FaceResult], float]]] = {
    "as in the picture": lambda face: 0.0,
    "youngest first": _years,
    "oldest first": lambda face: -_years(face),
    "largest first": lambda face: -face.detection.size_px,
    "least sure first": _doubt,
}


def show_cards(faces: Sequence[FaceResult], crops: Sequence[bytes], picture: str, wanted: int) -> None:
    """The cards of a picture's faces; of many, charts and the means to find some of them stand above.

    Args:
        faces: of the picture; their numbers count from 1.
        crops: one JPEG per face.
        picture: an id; with another one the choices begin anew.
        wanted: number of a face whose card must be among those shown; 0 for none.
    """
    all_faces = numbered(faces, crops)
    if len(faces) <= FEW_FACES:
        st.html(cards_of(all_faces, folded=False))
        return
    st.html(summary_line(faces))
    with st.expander("Charts of all faces"):
        st.html(crowd_charts(faces))
    with st.container(horizontal=True, gap="small"):
        order = st.selectbox("Order", tuple(ORDERS), key=f"photo_order_{picture}", width=180)
        only = st.multiselect(
            "Show only", _kinds(faces), key=f"photo_only_{picture}", placeholder="all faces", width="stretch"
        )
    chosen = sorted((one for one in all_faces if is_shown(one.face, only)), key=lambda one: ORDERS[order](one.face))
    _show_some(chosen, picture, next((one for one in all_faces if one.number == wanted), None))


def _show_some(chosen: Sequence[NumberedFace], picture: str, wanted: NumberedFace | None) -> None:
    shown_of: dict[str, int] = st.session_state.setdefault(_SHOWN_KEY, {})
    shown = chosen[: shown_of.get(picture, _CARDS_AT_ONCE)]
    st.caption(f"{counted(len(chosen), 'face').capitalize()}{f', {len(shown)} shown' if shown != chosen else ''}")
    first = [wanted] if wanted is not None and wanted not in shown else []
    st.html(cards_of([*first, *shown], folded=True))
    rest = len(chosen) - len(shown)
    if rest:
        st.button(
            f"Show {min(rest, _CARDS_AT_ONCE)} more",
            on_click=shown_of.update,
            args=({picture: len(shown) + _CARDS_AT_ONCE},),
        )


def _kinds(faces: Iterable[FaceResult]) -> list[str]:
    """What faces can be chosen by, as far as some have it and some do not."""
    faces = list(faces)
    found = [kind for trait in _class_traits(faces) for kind in _counts(faces, trait)]
    return [kind for kind in (*found, _UNSURE, _WARNED) if 0 < sum(_is(face, kind) for face in faces) < len(faces)]


def is_shown(face: FaceResult, only: Sequence[str]) -> bool:
    """Whether a face is of the kinds in ``only``: of one of those of each trait, and of all others."""
    by_trait = [[kind for kind in only if kind in TRAITS[trait].classes] for trait in TRAITS]
    groups = [*by_trait, *([kind] for kind in (_UNSURE, _WARNED) if kind in only)]
    return all(any(_is(face, kind) for kind in group) for group in groups if group)


def _is(face: FaceResult, kind: str) -> bool:
    if kind == _WARNED:
        return bool(face.quality)
    answers = [answer for _, answer in face.traits.answers()]
    if kind == _UNSURE:
        return any(answer.unsure for answer in answers)
    return any(isinstance(answer, ClassPrediction) and answer.top1 == kind for answer in answers)


def _class_traits(faces: Sequence[FaceResult]) -> list[TraitName]:
    return [trait.key for trait, answer in faces[0].traits.answers() if isinstance(answer, ClassPrediction)]


def _counts(faces: Iterable[FaceResult], trait: TraitName) -> Counter[str]:
    answers = (face.traits.classes(trait) for face in faces)
    return Counter(answer.top1 for answer in answers if answer is not None)


def crowd_charts(faces: Sequence[FaceResult]) -> str:
    """How many faces have which answer, a list with bars for each trait, as HTML; unsure answers count like others."""
    charts = []
    ages = [face.traits.age.years for face in faces if face.traits.age is not None]
    if ages:
        decades = Counter(_DECADES[min(int(years) // 10, len(_DECADES) - 1)] for years in ages)
        charts.append(("Apparent age, years", [(name, decades[name]) for name in _DECADES if decades[name]]))
    charts += [(TRAITS[trait].label, _counts(faces, trait).most_common()) for trait in _class_traits(faces)]
    return f'<div class="ft-crowd-charts">{"".join(_chart(label, counts) for label, counts in charts)}</div>'


def _chart(label: str, counts: Sequence[tuple[str, int]]) -> str:
    most = max(count for _, count in counts)
    rows = bars((name, count / most, str(count)) for name, count in counts)
    return f'<section><p class="ft-label">{escape(label)}</p>{rows}</section>'
