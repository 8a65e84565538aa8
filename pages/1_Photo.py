"""Photo: upload, snapshot or sample; every face with its four traits; results to take home."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import streamlit as st

from facetraits.faces.detection import MOST_FACES
from facetraits.faces.images import SUPPORTED_SUFFIXES
from facetraits.traits import TraitName
from facetraits.types import AnalysisResult
from ui.kit.components import counted, incomplete_notice, lead, notice, picture_heading, privacy_line
from ui.kit.controls import choose_traits, loaded_analyzer
from ui.kit.face_card import face_cards, headline
from ui.kit.uploads import take_snapshot, upload_many
from ui.photo.export import to_csv, to_json
from ui.photo.sample_row import choose_sample
from ui.photo.session import Outcome, PhotoSession, Picture, annotated_download
from ui.photo.viewer import show_boxes
from ui.shell import start_page

if TYPE_CHECKING:
    from streamlit.runtime.uploaded_file_manager import UploadedFile

    from facetraits import FaceAnalyzer

UPLOAD, CAMERA, SAMPLE = "Upload", "Camera", "Sample"
LARGEST_FILE_MB: Final = 50
MOST_FACES_IN_ALT_TEXT: Final = 12


def choose_source() -> str:
    return st.segmented_control(
        "Where is the picture?",
        (UPLOAD, CAMERA, SAMPLE),
        default=UPLOAD,
        required=True,
        key="photo_source",
        persist_state="session",
    )


def uploads() -> list[Picture]:
    upload_many(
        "Pictures",
        LARGEST_FILE_MB,
        SUPPORTED_SUFFIXES,
        key="photo_files",
        on_change=remember_uploads,
        help="Photos as phones and cameras make them: JPEG, PNG, WebP, HEIC, AVIF, GIF, BMP or TIFF.",
    )
    # The uploader forgets its files when the visitor looks at another page; the session does not.
    kept: list[Picture] = st.session_state.setdefault("photo_uploads", [])
    if kept and not st.session_state["photo_files"]:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.caption(f"Still here from before: {counted(len(kept), 'picture')}.", width="content")
            st.button("Remove", on_click=kept.clear)
    return list(kept)


def remember_uploads() -> None:
    st.session_state["photo_uploads"] = [as_picture(file, file.name) for file in st.session_state["photo_files"]]


def snapshot() -> list[Picture]:
    st.caption("Browsers lend their camera only to pages of this machine (localhost) and to secure ones (https).")
    file = take_snapshot("photo_camera", width=480)
    return [] if file is None else [as_picture(file, "snapshot.jpg")]


def as_picture(file: UploadedFile, name: str) -> Picture:
    return Picture(file.file_id, name, file.getvalue)


def sample() -> list[Picture]:
    return [choose_sample("photo_sample")]


def analyze_missing(
    session: PhotoSession, pictures: Sequence[Picture], traits: Sequence[TraitName], analyzer: FaceAnalyzer
) -> None:
    pending = session.pending(pictures, traits)
    if not pending:
        return
    progress = st.progress(0.0)
    for done, picture in enumerate(pending):
        progress.progress(done / len(pending), f"Looking at picture {done + 1} of {len(pending)} …")
        session.analyze(picture, traits, analyzer)
    progress.empty()


def show_results(
    session: PhotoSession, pictures: Sequence[Picture], traits: Sequence[TraitName], analyzer: FaceAnalyzer
) -> None:
    # Uploads stay known while the visitor tries the camera or a sample.
    session.keep_only([*pictures, *st.session_state.get("photo_uploads", [])])
    if not pictures:
        return
    analyze_missing(session, pictures, traits, analyzer)
    outcomes = [(picture, session.outcome(picture, traits)) for picture in pictures]
    for picture, outcome in outcomes:
        if outcome.error is not None:
            notice("error", picture.name, outcome.error)
    readable = [(picture, outcome) for picture, outcome in outcomes if outcome.result is not None]
    if readable:
        picture, outcome = choose_one(readable)
        assert outcome.result is not None
        left, right = st.columns([16, 9], gap="medium")
        with left, st.container(key="picture"):
            show_picture(session, picture, outcome.result)
            show_downloads(outcomes, picture, outcome.result)
        with right, st.container(key="faces"):
            show_faces(outcome.result, outcome.crops)


def choose_one(readable: Sequence[tuple[Picture, Outcome]]) -> tuple[Picture, Outcome]:
    if len(readable) == 1:
        return readable[0]
    faces = sum(len(outcome.result.faces) for _, outcome in readable if outcome.result)
    labels = [
        f"{number}. {picture.name} ({counted(len(outcome.result.faces) if outcome.result else 0, 'face')})"
        for number, (picture, outcome) in enumerate(readable, start=1)
    ]
    index = st.selectbox(
        f"{counted(len(readable), 'picture')}, {counted(faces, 'face')}: choose one to look at",
        range(len(readable)),
        format_func=labels.__getitem__,
    )
    return readable[index]


def show_picture(session: PhotoSession, picture: Picture, result: AnalysisResult) -> None:
    width, height = result.size_wh
    seconds = result.timings_ms["total"] / 1000
    found = counted(len(result.faces), "face").capitalize()
    if len(result.faces) == MOST_FACES:
        found = f"The {MOST_FACES} largest faces, as many as are looked at,"
    picture_heading(picture.name, f"{found} in {width} × {height} px, in {seconds:.1f} s")
    if result.incomplete:
        incomplete_notice()
    st.html(f"<style>.st-key-picture_frame {{ aspect-ratio: {width} / {height}; }}</style>")
    with st.container(key="picture_frame"):
        st.image(session.preview(picture), width="stretch", alt=alt_text(picture, result))
        show_boxes(result)


def show_faces(result: AnalysisResult, crops: Sequence[bytes]) -> None:
    if result.faces:
        st.html(face_cards(result, crops))
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


def alt_text(picture: Picture, result: AnalysisResult) -> str:
    text = f"{picture.name} with {counted(len(result.faces), 'numbered face')}."
    if len(result.faces) > MOST_FACES_IN_ALT_TEXT:
        return text
    return " ".join([text, *(f"{n}: {headline(face)}." for n, face in enumerate(result.faces, start=1))])


def show_downloads(outcomes: Sequence[tuple[Picture, Outcome]], picture: Picture, result: AnalysisResult) -> None:
    named = [(p.name, o) for p, o in outcomes]
    with st.container(horizontal=True, gap="xsmall"):
        st.download_button(
            "Picture with boxes",
            partial(annotated_download, picture, result),
            f"{Path(picture.name).stem}-faces.jpg",
            "image/jpeg",
            on_click="ignore",
            icon=":material/download:",
        )
        st.download_button(
            "CSV", to_csv(named), "facetraits.csv", "text/csv", on_click="ignore", icon=":material/download:"
        )
        st.download_button(
            "JSON", to_json(named), "facetraits.json", "application/json", on_click="ignore", icon=":material/download:"
        )
    if len(outcomes) > 1:
        st.caption(f"CSV and JSON hold all {len(outcomes)} pictures.")


def show_page() -> None:
    start_page("Photo", "📷", layout="wide")
    st.title("Photo", anchor=False)
    lead("Choose pictures, and see what the networks make of every face in them.")
    with st.container(horizontal=True, gap="small"):
        source = choose_source()
        traits = choose_traits("photo_traits")
    pictures = {UPLOAD: uploads, CAMERA: snapshot, SAMPLE: sample}[source]()
    privacy_line()
    analyzer = loaded_analyzer("accurate")
    if analyzer is not None:
        session: PhotoSession = st.session_state.setdefault("photo_session", PhotoSession())
        show_results(session, pictures, traits, analyzer)


show_page()
