"""Webcam: live video with a box and a number on every face, a card per person, snapshots where video cannot be had."""

from __future__ import annotations

import os
import time
from functools import partial
from typing import Final

import streamlit as st

from facetraits.traits import TraitName
from ui.kit.components import counted, lead, notice, picture_heading, privacy_line
from ui.kit.controls import choose_traits, loaded_analyzer
from ui.kit.face_card import face_cards
from ui.kit.uploads import take_snapshot
from ui.live.camera_watch import CAMERA_WORDS, CameraProblem, camera_problem
from ui.live.cards import figures, live_cards, show_expressions
from ui.live.connection import ConnectionSettings, connection_settings, load_secrets
from ui.live.gate import get_viewers
from ui.live.stream import RESOLUTIONS, STREAM_KEY, LiveStream, camera
from ui.photo.session import PhotoSession, Picture
from ui.shell import start_page

# Each run of the script costs the browser about one frame of video.
CARDS_EVERY_S: Final = 1.5
CHART_EVERY_S: Final = 5.0
SNAPSHOTS_AFTER_S: Final = 10.0
DEFAULT_RESOLUTION: Final = "640 × 480"
HOPELESS: Final = ("insecure", "unsupported")  # pressing the button once more would not help


def my_stream() -> LiveStream | None:
    """This visitor's stream; None where the networks cannot be loaded, which the page then says."""
    if "webcam_stream" not in st.session_state:
        analyzer = loaded_analyzer("fast")
        if analyzer is None:
            return None
        st.session_state["webcam_stream"] = LiveStream(analyzer, get_viewers().leave)
    stream: LiveStream = st.session_state["webcam_stream"]
    return stream


def is_playing() -> bool:
    return STREAM_KEY in st.session_state and st.session_state[STREAM_KEY].state.playing


def is_connecting() -> bool:
    if STREAM_KEY not in st.session_state or st.session_state.get("webcam_turned_away"):
        return False
    return st.session_state[STREAM_KEY].state.signalling and not is_playing()


def choose(stream: LiveStream) -> tuple[int, int]:
    """The row of settings; gives the resolution."""
    with st.container(horizontal=True, gap="medium", vertical_alignment="bottom"):
        stream.analysis.traits = choose_traits("webcam_traits")
        resolution = st.selectbox(
            "Resolution",
            tuple(RESOLUTIONS),
            index=tuple(RESOLUTIONS).index(DEFAULT_RESOLUTION),
            key="webcam_resolution",
            persist_state="session",
            disabled=is_playing() or is_connecting(),
            width=150,
            help="Stop the camera to change it. A lower resolution needs less computing power.",
        )
        stream.mirrored = st.toggle("Mirror", value=True, key="webcam_mirror", persist_state="session")
    return RESOLUTIONS[resolution]


def stream_changed(viewers: int) -> None:
    """Runs before the script when the stream begins to connect, plays, or has stopped."""
    stream: LiveStream = st.session_state["webcam_stream"]
    since = st.session_state.pop("webcam_connecting_since", None)
    if is_playing():
        st.session_state["webcam_trouble"] = None
    elif is_connecting():
        st.session_state["webcam_connecting_since"] = time.monotonic()
        if not get_viewers().enter(stream.analysis, viewers):
            st.session_state["webcam_turned_away"] = True
    elif since is not None and time.monotonic() - since > SNAPSHOTS_AFTER_S:
        st.session_state["webcam_trouble"] = "failed"


def show_camera(
    stream: LiveStream, size_wh: tuple[int, int], settings: ConnectionSettings, problem: CameraProblem | None
) -> None:
    viewers = settings.viewers
    if st.session_state.get("webcam_turned_away") or get_viewers().full(stream.analysis, viewers):
        others = "Somebody else is" if viewers == 1 else f"{viewers} others are"
        notice(
            "hint",
            "No place is free at the moment",
            f"{others} using the live video. One more would make it stutter for everybody.",
            ("A place becomes free when somebody stops. Try again in a minute.", "The page Photo is always open."),
        )
        st.button("Try again", on_click=st.session_state.pop, args=("webcam_turned_away", None))
        return
    camera(stream, settings, size_wh, partial(stream_changed, viewers))
    if problem is not None:
        notice("error", *CAMERA_WORDS[problem])
    trouble = st.session_state.get("webcam_trouble")
    if trouble is not None:
        show_trouble(trouble)
    else:
        show_freezer(stream)


def show_trouble(trouble: str) -> None:
    so_far = "has not connected for ten seconds" if trouble == "slow" else "could not be connected"
    notice(
        "error",
        "The live video does not get through",
        f"The camera is on, but its video {so_far}: a firewall or network in between may block it.",
        (
            "Snapshots use another way: take one below.",
            "Try another network, for example a phone's instead of an office's.",
            "The person who runs facetraits finds in docs/deploy.md how to add a relay (TURN) for such networks.",
        ),
    )
    show_snapshot()


def show_snapshot() -> None:
    file = take_snapshot("webcam_snapshot")
    analyzer = None if file is None else loaded_analyzer("accurate")
    if file is None or analyzer is None:
        return
    photos: PhotoSession = st.session_state.setdefault("webcam_photos", PhotoSession())
    picture = Picture(file.file_id, "Snapshot", file.getvalue)
    traits: list[TraitName] = st.session_state["webcam_traits"]
    photos.keep_only([picture])
    if photos.pending([picture], traits):
        photos.analyze(picture, traits, analyzer)
    outcome = photos.outcome(picture, traits)
    if outcome.result is None:
        notice("error", "Snapshot", str(outcome.error))
        return
    count = len(outcome.result.faces)
    picture_heading("Snapshot", f"{counted(count, 'face').capitalize()} found")
    st.image(photos.annotated_preview(picture, outcome.result), width="stretch", alt="The snapshot with its faces.")
    if count:
        st.html(face_cards(outcome.result, outcome.crops))


def show_freezer(stream: LiveStream) -> None:
    """Let video and cards stand still at this moment, to look at it and to download it."""
    with st.container(horizontal=True, gap="small"):
        if stream.is_frozen:
            st.button("Continue", on_click=go_on, args=(stream,), type="primary", icon=":material/play_circle:")
        else:
            st.button(
                "Freeze", on_click=freeze, args=(stream,), disabled=not is_playing(), icon=":material/pause_circle:"
            )
        frozen: bytes | None = st.session_state.get("webcam_frozen")
        if frozen is not None:
            st.download_button(
                "Download",
                frozen,
                "facetraits.jpg",
                "image/jpeg",
                on_click="ignore",
                icon=":material/download:",
            )
            if not stream.is_frozen:
                st.button("Discard", on_click=discard, icon=":material/delete:")
    if frozen is not None and not is_playing():
        st.image(frozen, caption="Frozen picture", width="stretch", alt="The frozen picture with its faces.")


def freeze(stream: LiveStream) -> None:
    picture = stream.freeze()
    if picture is not None:
        st.session_state["webcam_frozen"] = picture


def go_on(stream: LiveStream) -> None:
    stream.go_on()
    discard()


def discard() -> None:
    st.session_state.pop("webcam_frozen", None)


def show_people(stream: LiveStream, problem: CameraProblem | None) -> None:
    """Figures and cards; runs by itself while the camera is on."""
    if is_connecting():
        waited = time.monotonic() - st.session_state.get("webcam_connecting_since", time.monotonic())
        if waited > SNAPSHOTS_AFTER_S and st.session_state.get("webcam_trouble") is None:
            st.session_state["webcam_trouble"] = "slow"
            st.rerun(scope="app")
        notice("hint", "Connecting …", "The browser and this machine are setting up the video connection.")
        return
    if not is_playing():
        if problem in HOPELESS:
            return
        notice(
            "hint",
            "The camera is off",
            "Press “Start camera”. The browser then asks for permission.",
            ("Every face in view gets a box, a number and a card here.", "Nothing is recorded."),
        )
        return
    snapshot = stream.shown()
    if stream.failing:
        st.html(figures(snapshot))
        notice(
            "error",
            "The analysis has failed",
            "The video continues without boxes because of a bug in this program. See its log for details.",
            ("Stop the camera and start it again.",),
        )
    elif snapshot.people:
        st.html(figures(snapshot) + live_cards(snapshot.people, stream.crops(snapshot)))
    elif snapshot.analyses:
        st.html(figures(snapshot))
        notice("hint", "No face in view", "Look into the camera, with the light from the front.")
    else:
        notice("hint", "One moment …", "Waiting for the first pictures.")


def show_chart(stream: LiveStream) -> None:
    if is_playing():
        show_expressions(stream.shown().people)


def every(seconds: float) -> float | None:
    """``seconds`` while the camera is on, never while it is off."""
    return seconds if is_playing() or is_connecting() else None


def show_page() -> None:
    start_page("Webcam", "🎥", layout="wide")
    st.title("Webcam", anchor=False)
    lead(
        "Use the camera like a mirror, and see how the networks' answers change while you move and change your "
        "expression."
    )
    settings = connection_settings(load_secrets(), os.environ)
    if settings.problem is not None:
        notice("error", "The settings for live video are not valid", settings.problem)
    stream = my_stream()
    if stream is None:
        return
    size_wh = choose(stream)
    problem = camera_problem("webcam_watch")
    privacy_line()
    # On a phone below each other in this order; otherwise style.css puts the chart under the video.
    video, people, chart = st.columns(3, gap="medium")
    with video, st.container(key="live_video"):
        show_camera(stream, size_wh, settings, problem)
    with people, st.container(key="live_people"):
        st.fragment(run_every=every(CARDS_EVERY_S))(show_people)(stream, problem)
    with chart, st.container(key="live_chart"):
        st.fragment(run_every=every(CHART_EVERY_S))(show_chart)(stream)


show_page()
