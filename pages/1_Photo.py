"""Photo: upload, snapshot or sample; every face with its four traits; results to take home."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import streamlit as st

from facetraits.faces.images import SNIFFED_BYTES, SUPPORTED_SUFFIXES, is_picture
from facetraits.video.sources import VIDEO_SUFFIXES
from ui.kit.components import counted, lead, notice, privacy_line
from ui.kit.controls import choose_networks, choose_traits, loaded_analyzer
from ui.kit.drop import files_wait
from ui.kit.uploads import delete_uploads, take_snapshot, upload_many
from ui.live.camera_watch import CameraProblem, camera_problem, snapshot_words
from ui.photo.results import show_results
from ui.photo.sample_row import choose_sample
from ui.photo.session import PhotoSession, Picture
from ui.photo.video import VideoSession, show_videos
from ui.shell import start_page

if TYPE_CHECKING:
    from streamlit.runtime.uploaded_file_manager import UploadedFile

UPLOAD, CAMERA, SAMPLE = "Upload", "Camera", "Sample"
LARGEST_FILE_MB: Final = 200  # of a video; photos are held to less when they are read
_OF_PICTURES: Final = (".mjpg", ".mjpeg")


def choose_source() -> str:
    """Where pictures come from; a link to the page may name it, as in ``Photo?source=sample``."""
    if st.query_params.pop("source", None) == SAMPLE.lower():
        st.session_state["photo_source"] = SAMPLE
    source: str = st.segmented_control(
        "Where is the picture?",
        (UPLOAD, CAMERA, SAMPLE),
        default=UPLOAD,
        required=True,
        key="photo_source",
        persist_state="session",
    )
    return source


def uploads() -> list[Picture]:
    upload_many(
        "Drop pictures anywhere on this page, paste one, or choose them",
        LARGEST_FILE_MB,
        (*SUPPORTED_SUFFIXES, *VIDEO_SUFFIXES),
        key="photo_files",
        on_change=remember_uploads,
        help="Photos as phones and cameras make them: JPEG, PNG, WebP, HEIC, AVIF, GIF, BMP or TIFF. Short videos too.",
    )
    # The uploader forgets its files when the visitor looks at another page; the session does not.
    kept: list[Picture] = st.session_state.setdefault("photo_uploads", [])
    if kept and not st.session_state["photo_files"]:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.caption(f"Chosen before: {counted(len(kept), 'file')}.", width="content")
            st.button("Remove", on_click=remove_uploads)
    if not kept:
        st.button("No photo at hand? Try a sample", on_click=try_sample, type="tertiary", icon=":material/face:")
    return list(kept)


def try_sample() -> None:
    st.session_state["photo_source"] = SAMPLE


def remember_uploads() -> None:
    replace_uploads([as_picture(file, file.name) for file in st.session_state["photo_files"]])


def remove_uploads() -> None:
    replace_uploads([])


def replace_uploads(pictures: list[Picture]) -> None:
    before: list[Picture] = st.session_state.get("photo_uploads", [])
    st.session_state["photo_uploads"] = pictures
    delete_uploads({one.key for one in before} - {one.key for one in pictures})


def snapshot(problem: CameraProblem | None) -> list[Picture]:
    st.caption("Browsers lend their camera only to pages of this machine (localhost) and to secure ones (https).")
    file = take_snapshot("photo_camera", width=480)
    if problem is not None and file is None:
        notice("error", *snapshot_words(problem))
    return [] if file is None else [as_picture(file, "snapshot.jpg")]


def as_picture(file: UploadedFile, name: str) -> Picture:
    return Picture(file.file_id, name, file.getvalue)


def sample() -> list[Picture]:
    return [choose_sample("photo_sample")]


def is_video(file: Picture) -> bool:
    suffix = Path(file.name).suffix.lower()
    # Files of single pictures behind each other begin as a picture does.
    return suffix in VIDEO_SUFFIXES and (suffix in _OF_PICTURES or not is_picture(file.read()[:SNIFFED_BYTES]))


def show_page() -> None:
    start_page("Photo", "📷", layout="wide")
    st.title("Photo", anchor=False)
    lead("Choose pictures, and see what the networks make of every face in them.")
    camera = camera_problem("photo_camera_watch", of_page=True)  # listens before the camera is asked for
    if files_wait():
        st.session_state["photo_source"] = UPLOAD
    with st.container(horizontal=True, gap="small"):
        source = choose_source()
        traits = choose_traits("photo_traits")
        profile = choose_networks("photo_networks")
    chosen = uploads() if source == UPLOAD else snapshot(camera) if source == CAMERA else sample()
    privacy_line()
    pictures = [one for one in chosen if not is_video(one)]
    # Uploads stay known while the visitor tries the camera or a sample.
    kept = [*chosen, *st.session_state.get("photo_uploads", [])]
    videos: VideoSession = st.session_state.setdefault("photo_videos", VideoSession())
    videos.keep_only(kept)
    show_videos(videos, [one for one in chosen if is_video(one)], traits, partial(loaded_analyzer, "fast"))
    analyzer = loaded_analyzer(profile)
    if analyzer is None:
        return
    sessions: dict[str, PhotoSession] = st.session_state.setdefault("photo_sessions", {})
    session = sessions.setdefault(profile, PhotoSession())
    for one in sessions.values():
        one.keep_only(kept)
    show_results(session, pictures, traits, analyzer)


show_page()
