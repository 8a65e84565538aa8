"""What was found in the pictures: a row of them, the chosen one with its faces, a table of all, and downloads."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import streamlit as st

from facetraits.faces.detection import MOST_FACES
from facetraits.traits import TraitName
from facetraits.types import AnalysisResult
from ui.kit.components import counted, distinct_names, incomplete_notice, notice, picture_heading
from ui.kit.face_card import cards_of, headline, numbered, summary_line
from ui.kit.picture_row import choose_picture
from ui.photo.all_faces import show_all_faces
from ui.photo.crowd import show_cards
from ui.photo.export import to_csv, to_json
from ui.photo.report import to_html
from ui.photo.session import Outcome, PhotoSession, Picture, annotated_download
from ui.photo.viewer import show_boxes

if TYPE_CHECKING:
    from facetraits import FaceAnalyzer

MOST_FACES_IN_ALT_TEXT: Final = 12
_CHOSEN_KEY: Final = "photo_chosen"
_COMPARED_KEY: Final = "photo_compare"
_WANTED_KEY: Final = "photo_wanted"
_MOST_OPEN_WHEN_COMPARED: Final = 2
_MOST_CARDS_WHEN_COMPARED: Final = 12

_Readable = tuple[Picture, Outcome, AnalysisResult]


def show_results(
    session: PhotoSession, pictures: Sequence[Picture], traits: Sequence[TraitName], analyzer: FaceAnalyzer
) -> None:
    """Analyse what was not analysed yet, and show everything.

    Args:
        session: this visitor's.
        pictures: that the visitor chose.
        traits: to estimate.
        analyzer: who answers.
    """
    _analyze_missing(session, pictures, traits, analyzer)
    outcomes = [(picture, session.outcome(picture, traits)) for picture in pictures]
    for picture, outcome in outcomes:
        if outcome.error is not None:
            notice("error", picture.name, outcome.error)
    readable = [(picture, outcome, outcome.result) for picture, outcome in outcomes if outcome.result is not None]
    if not readable:
        return
    chosen = _choose_one(readable)
    other = _choose_other(readable, chosen)
    if other is not None:
        for column, one in zip(st.columns(2, gap="medium"), (chosen, other), strict=True):
            with column:
                _show_beside(session, one)
    else:
        left, right = st.columns([16, 9], gap="medium")
        with left, st.container(key="picture"):
            _show_picture(session, chosen[0], chosen[2])
            _show_downloads(session, outcomes, chosen)
        with right, st.container(key="faces"):
            _show_faces(chosen)
    if len(outcomes) > 1:
        show_all_faces(outcomes, _CHOSEN_KEY)


def _analyze_missing(
    session: PhotoSession, pictures: Sequence[Picture], traits: Sequence[TraitName], analyzer: FaceAnalyzer
) -> None:
    pending = session.pending(pictures, traits)
    if not pending:
        return
    bar = st.progress(0.0)
    for done, picture in enumerate(pending):
        words = f"Looking at picture {done + 1} of {len(pending)} …" if len(pending) > 1 else "Looking at the picture …"

        def show(share: float, done: int = done, words: str = words) -> None:
            bar.progress((done + share) / len(pending), words)

        show(0.0)
        session.analyze(picture, traits, analyzer, progress=show)
    bar.empty()


def _choose_one(readable: Sequence[_Readable]) -> _Readable:
    if len(readable) == 1:
        return readable[0]
    faces = sum(len(result.faces) for _, _, result in readable)
    names = {picture.key: f"{picture.name}, {counted(len(result.faces), 'face')}" for picture, _, result in readable}
    label = f"{counted(len(readable), 'picture')}, {counted(faces, 'face')}: choose one to look at"
    key = choose_picture(label, names, [outcome.thumbnail for _, outcome, _ in readable], _CHOSEN_KEY)
    return next((one for one in readable if one[0].key == key), readable[0])


def _choose_other(readable: Sequence[_Readable], chosen: _Readable) -> _Readable | None:
    """A second picture to look at beside the chosen one; None where none is asked for."""
    if len(readable) < 2:
        return None
    names = distinct_names([picture.name for picture, _, _ in readable])
    others = {one[0].key: (one, name) for one, name in zip(readable, names, strict=True) if one is not chosen}
    if st.session_state.get(_COMPARED_KEY) not in others:  # removed, or the chosen one now
        st.session_state[_COMPARED_KEY] = None
    key = st.selectbox(
        "Compare with",
        tuple(others),
        index=None,
        format_func=lambda one: others[one][1],
        placeholder="another picture, side by side",
        key=_COMPARED_KEY,
        width=320,
    )
    return others[key][0] if key is not None else None


def _facts(result: AnalysisResult) -> str:
    width, height = result.size_wh
    seconds = result.timings_ms["total"] / 1000
    found = counted(len(result.faces), "face").capitalize()
    if len(result.faces) == MOST_FACES:
        found = f"The {MOST_FACES} largest faces, as many as are looked at,"
    return f"{found} in {width} × {height} px, in {seconds:.1f} s"


def _show_picture(session: PhotoSession, picture: Picture, result: AnalysisResult) -> None:
    width, height = result.size_wh
    picture_heading(picture.name, _facts(result))
    if result.incomplete:
        incomplete_notice()
    st.html(f"<style>.st-key-picture_frame {{ aspect-ratio: {width} / {height}; }}</style>")
    with st.container(key="picture_frame"):
        st.image(session.preview(picture), width="stretch", alt=_alt_text(picture, result))
        wanted = show_boxes(result)
    if wanted is not None:
        st.session_state[_WANTED_KEY] = picture.key, wanted


def _show_beside(session: PhotoSession, one: _Readable) -> None:
    """A picture beside another, with boxes and folded cards."""
    picture, outcome, result = one
    picture_heading(picture.name, _facts(result))
    if result.incomplete:
        incomplete_notice()
    st.image(session.annotated_preview(picture, result), width="stretch", alt=_alt_text(picture, result))
    if len(result.faces) > 1:
        st.html(summary_line(result.faces))
    shown = numbered(result.faces, outcome.crops)[:_MOST_CARDS_WHEN_COMPARED]
    st.html(cards_of(shown, folded=len(result.faces) > _MOST_OPEN_WHEN_COMPARED))
    if len(shown) < len(result.faces):
        st.caption(f"The first {len(shown)} of {len(result.faces)} faces.")


def _show_faces(chosen: _Readable) -> None:
    picture, outcome, result = chosen
    if result.faces:
        of_picture, wanted = st.session_state.get(_WANTED_KEY, ("", 0))
        show_cards(result.faces, outcome.crops, picture.key, wanted if of_picture == picture.key else 0)
        return
    notice(
        "hint",
        "No face found",
        "There seems to be no face in this picture, or none that can be seen well enough.",
        (
            "Faces should be large enough: 24 px wide at the least, and more in pictures of over 12 megapixels.",
            "Both eyes should be visible, and the picture upright.",
            "Very dark or blurred pictures hide faces.",
        ),
    )


def _alt_text(picture: Picture, result: AnalysisResult) -> str:
    text = f"{picture.name} with {counted(len(result.faces), 'numbered face')}."
    if len(result.faces) > MOST_FACES_IN_ALT_TEXT:
        return text
    return " ".join([text, *(f"{n}: {headline(face)}." for n, face in enumerate(result.faces, start=1))])


def _show_downloads(session: PhotoSession, outcomes: Sequence[tuple[Picture, Outcome]], chosen: _Readable) -> None:
    picture, _, result = chosen
    named = [(p.name, o) for p, o in outcomes]
    icon = ":material/download:"
    with st.container(horizontal=True, gap="xsmall"):
        st.download_button(
            "Picture with boxes",
            partial(annotated_download, picture, result),
            f"{Path(picture.name).stem}-faces.jpg",
            "image/jpeg",
            on_click="ignore",
            icon=icon,
        )
        st.download_button(
            "Report",
            partial(to_html, session, outcomes),
            "facetraits.html",
            "text/html",
            on_click="ignore",
            icon=icon,
            help="One page to print or to send: pictures, faces and all answers. It opens in any browser.",
        )
        st.download_button("CSV", to_csv(named), "facetraits.csv", "text/csv", on_click="ignore", icon=icon)
        st.download_button("JSON", to_json(named), "facetraits.json", "application/json", on_click="ignore", icon=icon)
    if len(outcomes) > 1:
        st.caption(f"Report, CSV and JSON hold all {len(outcomes)} pictures.")
