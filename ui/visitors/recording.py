"""The view "Recording": sources to start and stop, and how visits are counted."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from html import escape
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

import streamlit as st

from facetraits.video.sources import VIDEO_SUFFIXES, VideoError, read_file
from facetraits.visitors.inputs import CameraInput, FileInput
from facetraits.visitors.recording import SourceStatus
from facetraits.visitors.store import VisitStore
from facetraits.visitors.visit import LONGEST_SOURCE
from ui.kit.components import counted, notice
from ui.kit.controls import loaded_analyzer
from ui.kit.figure import explain, subheading
from ui.kit.uploads import upload_one
from ui.visitors import cached, webcam, words
from ui.visitors.lines import choose_layout, show_drawing, start_drawing
from ui.visitors.log import show_later, show_messages, store_errors_as_later_notices, store_errors_as_notices
from ui.visitors.page_sign import EVERY_S
from ui.visitors.sign import STATES

LARGEST_VIDEO_MB: Final = 500
_ASPECTS: Final[Mapping[str, float | None]] = {"As the camera says": None, "16:9": 16 / 9, "4:3": 4 / 3}
_EXAMPLE: Final = Path(__file__).parent / "example" / "walk-and-pause.mp4"
_EXAMPLE_S: Final = 5.0
_EXAMPLE_WORDS: Final = (
    "Three people walk up to a camera. They are counted as visits of the source “Example”, which the view Visits can "
    "delete. Video: Intel IoT Developer Kit, [CC BY 4.0](https://creativecommons.org/licenses/by/4.0/), made smaller."
)
WEBCAM, CAMERA, FILE = "This webcam", "Network camera", "Video file"
_KINDS: Final = {"webcam": "webcam", "file": "video file", "camera": "camera"}


# ----------------------------------------------------------------------------------------------------------------- view


def show_recording(store: VisitStore, zone: ZoneInfo) -> None:
    """Sources and settings."""
    show_messages()
    with store_errors_as_notices():
        with st.container(key="visitors_sources"):
            _sources()
        with st.container(key="visitors_drawing"):
            show_drawing(store)
        subheading("Add a source")
        explain(
            "Inform your visitors: most countries require a sign at the entrance. The networks that come with the app "
            "learned from data that are free for research only, not for business: a shop may try them out, and needs "
            "networks of its own to run them for business. About, under Fair use, says how."
        )
        kind = st.segmented_control(
            "Kind of source", (WEBCAM, CAMERA, FILE), default=WEBCAM, required=True, key="visitors_kind",
            persist_state="page", label_visibility="collapsed",
        )  # fmt: skip
        {WEBCAM: _add_webcam, CAMERA: _add_camera, FILE: _add_file}[kind](store, zone)
        subheading("How visits are counted")
        _settings(store)


def _sources() -> None:
    statuses = cached.get_recording().statuses()
    if not statuses:
        return
    subheading("Sources")
    may_change = any(status.at_work or status.unwritten for status in statuses)
    st.fragment(run_every=EVERY_S if may_change else None)(_source_list)()


def _source_list() -> None:
    statuses = cached.get_recording().statuses()
    for place, status in enumerate(statuses):
        with st.container(border=True, key=f"visitors_source_{place}", gap="xsmall"):
            with st.container(horizontal=True, vertical_alignment="center", gap="small"):
                st.html(source_words(status))
                if status.at_work and st.button(
                    "Line",
                    key=f"visitors_line_of_{status.name}",
                    icon=":material/timeline:",
                    help="Draw a counting line, or areas to ignore.",
                    on_click=start_drawing,
                    args=(status.name,),
                ):
                    st.rerun()
                st.button(
                    "Stop" if status.at_work else "Remove",
                    key=f"visitors_stop_{status.name}",
                    on_click=_stop,
                    args=(status,),
                )
            if status.progress is not None and status.at_work:
                st.progress(min(max(status.progress, 0.0), 1.0))
            if status.detail:
                _detail(status)


def _detail(status: SourceStatus) -> None:
    if status.state == "failed":
        notice("error", "What happened", status.detail)
    else:
        notice("hint", "What is wrong", status.detail)


def source_words(status: SourceStatus) -> str:
    """One source in HTML: its name, what it does, what it has counted."""
    progress = "" if status.progress is None else f"{status.progress:.0%} of the video"
    view = f"{status.in_view:,} in view" if status.at_work else ""
    speed = f"{status.analyses_per_second:.0f} analyses a second" if status.state == "live" else ""
    crossed = "" if status.crossings is None else "{:,} entered, {:,} left".format(*status.crossings)
    facts = [words.counted_visits(status.visits) + " so far", crossed, view, progress, speed]
    if not status.at_work:
        facts[0] = words.counted_visits(status.visits)
    return (
        f'<p class="ft-source ft-source-{status.state}"><i></i><strong>{escape(status.name)}</strong>'
        f"<span>{_KINDS[status.kind]}, {STATES[status.state]}</span>"
        f"<span>{escape(' · '.join(filter(None, facts)))}</span></p>"
    )


def _stop(status: SourceStatus) -> None:
    with store_errors_as_later_notices():
        mine = webcam.my_source()
        if mine is not None and mine.name == status.name:
            webcam.remove_webcam()
        else:
            cached.get_recording().stop(status.name)


# -------------------------------------------------------------------------------------------------------------- sources


def _add_webcam(store: VisitStore, zone: ZoneInfo) -> None:
    mine = webcam.my_source()
    if mine is not None:
        explain(f"The webcam is ready as “{mine.name}”: see the top of this page.")
        return
    explain(
        "The camera of the computer or phone that you are looking at. It records while this page is open in that "
        "browser."
    )
    with st.form("visitors_add_webcam", border=False):
        name = _name_input("Webcam")
        pressed = st.form_submit_button("Use this webcam", type="primary", icon=":material/videocam:")
    if pressed and _named(name):
        try:
            webcam.add_webcam(store, cached.get_recording(), name.strip())
        except ValueError as error:
            notice("error", "The webcam was not added", str(error))
        if webcam.my_source() is not None:
            st.rerun()


def _add_camera(store: VisitStore, zone: ZoneInfo) -> None:
    explain(
        "A surveillance camera, by its address. It keeps recording after this page is closed, until you stop it here "
        "or facetraits ends. The address is kept in memory only, so enter it again after a restart. A counting line "
        "can be drawn once it has started."
    )
    with st.form("visitors_add_camera", border=False):
        left, right = st.columns([1, 2])
        with left:
            name = _name_input("Entrance")
        address = right.text_input(
            "Address",
            key="visitors_address",
            placeholder="rtsp://user:password@192.168.1.20:554/stream1",
            help="See RTSP, stream or MJPEG address in the camera's manual. It begins with rtsp:// or http://.",
        )
        shape = st.selectbox(
            "Shape of the picture",
            tuple(_ASPECTS),
            width=260,
            key="visitors_aspect",
            help="Choose one where people look too wide or too narrow, because the camera does not say what is meant.",
        )
        pressed = st.form_submit_button("Start this camera", type="primary", icon=":material/videocam:")
    if pressed and _named(name) and loaded_analyzer("fast") is not None:
        try:
            cached.get_recording().start(name.strip(), CameraInput(address.strip(), _ASPECTS[shape]))
        except ValueError as error:
            notice("error", "The camera was not started", str(error))
        else:
            st.rerun()


def _add_file(store: VisitStore, zone: ZoneInfo) -> None:
    explain(
        "Counts the people in a recorded video, faster than real time if the machine allows. The video is kept in "
        "memory while it is counted, and never stored. For longer videos use the command “python -m facetraits watch”."
    )
    video = upload_one(
        "Video file",
        min(LARGEST_VIDEO_MB, st.get_option("server.maxUploadSize")),  # the server refuses more
        [suffix.removeprefix(".") for suffix in VIDEO_SUFFIXES],
        key=f"visitors_video_{st.session_state.get('visitors_videos', 0)}",
    )
    if video is None:
        _offer_example()
        return
    data = io.BytesIO(video.getvalue())
    try:
        with read_file(data) as opened:
            recorded_at, duration_s = opened.recorded_at, opened.duration_s
    except VideoError as error:
        notice("error", video.name, str(error))
        return
    layout = choose_layout(store, data, Path(video.name).stem[:LONGEST_SOURCE], video.file_id)
    began = began_at(recorded_at, duration_s, words.now()).astimezone(zone)
    began = began.replace(second=0, microsecond=0, tzinfo=None)
    with st.form(f"visitors_add_{video.file_id}", border=False):
        left, right = st.columns(2)
        with left:
            name = _name_input(Path(video.name).stem)
        local = right.datetime_input(
            "Recorded at",
            began,
            key=f"visitors_began_{video.file_id}",
            format="DD.MM.YYYY",
            step=60,
            help="The time at which the video begins. It sets the times of its visits. "
            + (
                "This is the time stored in the file."
                if recorded_at
                else "The file does not store it. The value shown is the latest possible time, so please check it."
            ),
        )
        pressed = st.form_submit_button("Count the visitors", type="primary", icon=":material/play_arrow:")
    if not pressed or not _named(name) or local is None:
        return
    kept = store.settings().retention_days
    moment = local.replace(tzinfo=zone)
    if kept is not None and moment < words.now() - timedelta(days=kept):
        notice(
            "error",
            "The video is too old",
            f"It is older than the {kept} days that visits are kept, so its visits would be deleted at once.",
            ("Keep visits longer (view Data), or correct the time above.",),
        )
    elif loaded_analyzer("fast") is not None:
        data.seek(0)
        if layout is not None:
            store.save_layout(name.strip(), layout)
        _start_file(name.strip(), FileInput(data, moment, began_is_known=recorded_at is not None or local != began))


def _offer_example() -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        pressed = st.button("Try an example video", icon=":material/movie:")
        st.caption(_EXAMPLE_WORDS)
    if pressed and loaded_analyzer("fast") is not None:
        moment = words.now() - timedelta(seconds=_EXAMPLE_S)
        _start_file("Example", FileInput(_EXAMPLE, moment, began_is_known=False))


def began_at(recorded_at: datetime | None, duration_s: float | None, now: datetime) -> datetime:
    """Start of a video, from the file if it has one, else as if it had ended just now. Never later than ``now``."""
    if recorded_at is not None:
        return min(recorded_at, now)
    try:
        return now - timedelta(seconds=duration_s or 0.0)
    except OverflowError:  # a broken file may hold any value
        return now


def _start_file(name: str, video: FileInput) -> None:
    try:
        known = cached.get_recording().start(name, video)
    except ValueError as error:
        notice("error", "The video was not started", str(error))
    else:
        if known:
            st.toast(
                f"{counted(known, 'visit')} of this video stand in the log already: nobody is counted twice. If you "
                "have drawn another line, delete them first, in the view Visits."
            )
        st.session_state["visitors_videos"] = st.session_state.get("visitors_videos", 0) + 1  # an empty uploader
        st.rerun()


def _name_input(default: str) -> str:
    return st.text_input(
        "Name", default[:LONGEST_SOURCE], max_chars=LONGEST_SOURCE, key=f"visitors_name_{default}", width=420
    )


def _named(name: str) -> bool:
    if not name.strip():
        notice("error", "The source needs a name", "Enter a name that you will recognise in the log, such as Entrance.")
    return bool(name.strip())


# ------------------------------------------------------------------------------------------------------------- settings


def _settings(store: VisitStore) -> None:
    known = store.settings()
    with st.form("visitors_settings", border=False):
        left, right = st.columns(2)
        enter = left.number_input(
            "Seconds in view that make a visit",
            0.0,
            60.0,
            float(known.enter_s),
            0.5,
            format="%.1f",
            key="visitors_enter",
            help="A higher value leaves out people who only walk past the door.",
        )
        away = right.number_input(
            "Seconds out of view that end it",
            1.0,
            120.0,
            float(known.away_s),
            1.0,
            format="%.0f",
            key="visitors_away",
            help="A person who is hidden for a shorter time, behind a shelf or another person, continues the same "
            "visit.",
        )
        ethnicity = st.toggle(
            "Estimate and store ethnicity",
            known.ethnicity,
            key="visitors_ethnicity",
            help="Keep this off unless you have a lawful reason: many countries give ethnicity special protection.",
        )
        if st.form_submit_button("Save"):
            store.save_settings(replace(known, enter_s=enter, away_s=away, ethnicity=ethnicity))
            show_later("hint", "Saved", "Active sources use the new settings within a few seconds.")
            st.rerun()
