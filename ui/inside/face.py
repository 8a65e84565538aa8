"""The top of the page "Inside the CNN": which picture, which face, which network, and what the ensemble says."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Final

import streamlit as st

from facetraits.faces.images import SUPPORTED_SUFFIXES
from facetraits.registry import Manifest, MemberEntry
from facetraits.traits import TRAITS
from facetraits.types import FaceResult
from ui.inside.session import InsideSession, Looked, Subject
from ui.kit.components import address_of_jpeg, counted, incomplete_notice, listed, notice
from ui.kit.face_card import trait_sections, warnings
from ui.kit.uploads import take_snapshot, upload_one
from ui.photo.session import Picture

if TYPE_CHECKING:
    from facetraits import FaceAnalyzer

SAMPLE, UPLOAD, CAMERA = "Sample", "Upload", "Camera"
_SAMPLE_FILE: Final = Path(__file__).parent.parent / "photo" / "samples" / "portrait.jpg"
_LARGEST_FILE_MB: Final = 50
_NUMBER, _NUMBER_OF = "inside_face", "inside_face_of"  # which face was pressed, of which picture


def choose_picture() -> Picture | None:
    """The picture that the visitor chose; None while there is none."""
    source = st.segmented_control(
        "Where is the picture?",
        (SAMPLE, UPLOAD, CAMERA),
        default=SAMPLE,
        required=True,
        key="inside_source",
        persist_state="session",
    )
    return {SAMPLE: _sample, UPLOAD: _upload, CAMERA: _snapshot}[source]()


def forget() -> None:
    """Forget the picture that was looked into, and all that was computed of it."""
    for key in ("inside_session", _NUMBER, _NUMBER_OF):
        st.session_state.pop(key, None)


def choose_face(session: InsideSession, picture: Picture, analyzer: FaceAnalyzer) -> Subject | None:
    """The face that the visitor chose; where there is none, the page says so."""
    looked = session.look(picture, analyzer)
    outcome = looked.outcome
    if outcome.error is not None or outcome.result is None:
        notice("error", picture.name, outcome.error or "")
        return None
    if outcome.result.incomplete:
        incomplete_notice()
    faces = outcome.result.faces
    if not faces:
        notice(
            "hint",
            "No face found",
            "This picture seems to show no face, or none that is clear enough.",
            (
                "Choose a picture in which a face is large, upright and well lit, with both eyes visible.",
                "Or take the sample. “Architecture” works without a face.",
            ),
        )
        return None
    number = _choose_number(looked, len(faces))
    crops = {name: stack[number] for name, stack in looked.crops.items()}
    return Subject(session, analyzer, picture.key, number, faces[number], crops)


def show_answer(subject: Subject, jpeg: bytes) -> None:
    """The face and what the whole ensemble says of it."""
    face: FaceResult = subject.face
    st.html(
        f'<div class="ft-inside-face"><img src="{address_of_jpeg(jpeg)}" alt="The face in its picture">'
        f'<div class="ft-inside-answer"><p class="ft-label">Answers of the whole ensemble</p>'
        f"{warnings(face.quality)}<div class='ft-inside-traits'>{trait_sections(face)}</div></div></div>"
    )


def choose_network(manifest: Manifest) -> MemberEntry:
    """The network that is looked into, and what part it has in the ensemble.

    Those in 8-bit integers are left out: they have no gradients.
    """
    names = list(manifest.differentiable)
    name = st.selectbox(
        "Network that is looked into",
        names,
        format_func=lambda n: f"{n}: {_answers(manifest.members[n]).lower()}",
        key="inside_network",
        persist_state="session",
        width=460,
    )
    entry = manifest.members[name]
    st.html(f'<p class="ft-explain">{escape(_part(manifest, entry))}</p>')
    return entry


def _sample() -> Picture:
    st.caption("Astronaut Eileen Collins, photographed by NASA (public domain).")
    return Picture(f"sample {_SAMPLE_FILE.name}", "Portrait", _SAMPLE_FILE.read_bytes)


def _upload() -> Picture | None:
    upload_one(
        "Picture",
        _LARGEST_FILE_MB,
        SUPPORTED_SUFFIXES,
        key="inside_file",
        on_change=_remember_upload,
        help="A photo as phones and cameras make it: JPEG, PNG, WebP, HEIC, AVIF, GIF, BMP or TIFF.",
    )
    # The uploader forgets its file when the visitor looks at another page; the session does not.
    kept: Picture | None = st.session_state.get("inside_upload")
    if kept is not None and st.session_state["inside_file"] is None:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.caption(f"Still here from before: {counted(1, 'picture')}.", width="content")
            if st.button("Remove", key="inside_remove"):
                del st.session_state["inside_upload"]
                st.rerun()
    return kept


def _remember_upload() -> None:
    file = st.session_state["inside_file"]
    if file is None:
        st.session_state.pop("inside_upload", None)
    else:
        st.session_state["inside_upload"] = Picture(file.file_id, file.name, file.getvalue)


def _snapshot() -> Picture | None:
    st.caption("Browsers lend their camera only to pages of this machine (localhost) and to secure ones (https).")
    file = take_snapshot("inside_camera", width=480)
    return None if file is None else Picture(file.file_id, "Snapshot", file.getvalue)


def _choose_number(looked: Looked, count: int) -> int:
    if count == 1:
        return 0
    number: int = st.session_state.get(_NUMBER, 0)
    if st.session_state.get(_NUMBER_OF) != looked.picture.key or number >= count:
        number = 0
    st.html(
        "<style>"
        + "".join(
            f'.st-key-inside_face_{i} button {{ background-image: url("{address_of_jpeg(jpeg)}") }}'
            for i, jpeg in enumerate(looked.outcome.crops)
        )
        + "</style>"
    )
    st.caption(f"{counted(count, 'face')}: press the one to look into.")
    with st.container(key="inside_faces", horizontal=True, gap="xsmall"):
        for i in range(count):
            if st.button(f"Face {i + 1}", key=f"inside_face_{i}", type="primary" if i == number else "secondary"):
                st.session_state[_NUMBER], st.session_state[_NUMBER_OF] = i, looked.picture.key
                st.rerun()
    return number


def _answers(entry: MemberEntry) -> str:
    return ", ".join(TRAITS[trait].label for trait in TRAITS if trait in entry.outputs)


def _part(manifest: Manifest, entry: MemberEntry) -> str:
    """How much the ensemble listens to a network."""
    weights = {
        trait: manifest.profiles["accurate"].traits[trait].weights.get(entry.name, 0.0)
        for trait in TRAITS
        if trait in entry.outputs
    }
    parts = [f"{weight:.0%} of {TRAITS[trait].label.lower()}" for trait, weight in weights.items() if weight]
    if not parts:
        return "The ensemble for photos does not use this network."
    text = f"The ensemble averages several networks. This one contributes {listed(parts)}."
    if set(manifest.originals) - set(manifest.differentiable):
        text += " Networks served only in 8-bit integers have no gradients and are not in this list."
    copies = {member.name for member in manifest.members.values() if member.copy_of == entry.name}
    live = copies & {name for trait in manifest.profiles["fast"].traits.values() for name in trait.weights}
    return f"{text} Live video uses a copy of it, rounded to 8-bit numbers." if live else text
