"""All faces of all pictures in one table; a row leads to its picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import streamlit as st

from facetraits.traits import TRAITS
from facetraits.types import AgePrediction, FaceResult, whole_years
from ui.kit.components import counted
from ui.kit.face_card import age_ends
from ui.photo.session import Outcome, Picture

KEY: Final = "photo_all_faces"


def face_rows(pictures: Sequence[tuple[Picture, Outcome]]) -> list[dict[str, Any]]:
    """One row per face, and one per picture without any; unsure answers end with a question mark."""
    rows = []
    for picture, outcome in pictures:
        faces = outcome.result.faces if outcome.result is not None else ()
        rows += [{"Picture": picture.name, "Face": n, **_cells(face)} for n, face in enumerate(faces, start=1)]
        if not faces:
            rows.append({"Picture": picture.name, "Warnings": outcome.error or "no face found"})
    return rows


def _cells(face: FaceResult) -> Mapping[str, Any]:
    cells: dict[str, Any] = {}
    for trait, answer in face.traits.answers():
        if isinstance(answer, AgePrediction):
            cells |= {trait.label: whole_years(answer.years), "Age range": age_ends(answer)}
        else:
            cells[trait.label] = f"{answer.top1}{' ?' if answer.unsure else ''}"
    return cells | {"Warnings": ", ".join(face.quality)}


def show_all_faces(pictures: Sequence[tuple[Picture, Outcome]], chosen_key: str) -> None:
    """The table; a chosen row makes its picture the chosen one.

    Args:
        pictures: those that could be read and those that could not.
        chosen_key: of the session state, where the id of the chosen picture is kept.
    """
    rows = face_rows(pictures)
    ids = [
        picture.key if outcome.result is not None else ""
        for picture, outcome in pictures
        for _ in range(max(1, _count(outcome)))
    ]

    def follow() -> None:
        selected = st.session_state[KEY]["selection"]["rows"]
        if selected and selected[0] < len(ids) and ids[selected[0]]:
            st.session_state[chosen_key] = ids[selected[0]]

    with st.expander(f"All results in one table ({counted(sum(_count(outcome) for _, outcome in pictures), 'face')})"):
        columns = ["Picture", "Face", *(TRAITS[name].label for name in TRAITS), "Age range", "Warnings"]
        st.dataframe(
            {name: [row.get(name) for row in rows] for name in columns if any(name in row for row in rows)},
            hide_index=True,
            on_select=follow,
            selection_mode="single-row",
            key=KEY,
        )
        st.caption("Choose a row to look at its picture. A question mark stands behind answers that are unsure.")


def _count(outcome: Outcome) -> int:
    return len(outcome.result.faces) if outcome.result is not None else 0
