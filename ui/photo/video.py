"""A video among the pictures, analysed in memory: who is in it and when, as a time line."""

from __future__ import annotations

import io
import json
import logging
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import streamlit as st

from facetraits.errors import UserError
from facetraits.traits import TRAITS, TraitName
from facetraits.types import whole_years
from facetraits.video.sources import EVERY_S, Frame, VideoError, read_file
from facetraits.video.timeline import error_record, person_records, timeline_csv_lines
from ui.kit.components import counted, notice, picture_heading, plain_label
from ui.photo.session import Picture

if TYPE_CHECKING:
    from facetraits import FaceAnalyzer

_LOG: Final = logging.getLogger(__name__)
_MOST_PICTURES: Final = 600  # of one video: about half a minute of work
_LARGEST_FRAME: Final = 10_000_000  # pixels: 4K
_HD: Final = 1920 * 1080
_MOST_DECODED: Final = 3600 * 30 * _HD  # pixels of all pictures together: an hour of HD
_LEAST_FRAME: Final = 1280 * 720  # as how many pixels the picture of a smaller video counts
_LANE_PX: Final = 34
_AXES_PX: Final = 120
_LOOK_EVERY_S: Final = 0.5
_TOO_LONG: Final = (
    "The video is too long: this page watches at most as much as an hour of HD (1920 × 1080) or a quarter of an hour "
    "of 4K. Cut it into parts."
)
_FAULT: Final = "This video could not be analysed because of a bug in this program. See its log for details."

# A decoder keeps up to twenty pictures in memory: for all visitors together one video is watched at a time.
_TURN: Final = threading.Lock()

Records = Sequence[Mapping[str, Any]]
Progress = Callable[[float | None], None]


@dataclass(slots=True, repr=False)
class VideoSession:
    """What was found in the videos of one visitor; lives in ``st.session_state`` and holds no picture."""

    _records: dict[tuple[str, tuple[TraitName, ...]], Records] = field(default_factory=dict)

    def keep_only(self, videos: Sequence[Picture]) -> None:
        """Forget all other videos."""
        keys = {video.key for video in videos}
        for gone in [known for known in self._records if known[0] not in keys]:
            del self._records[gone]

    def records(
        self,
        video: Picture,
        traits: Sequence[TraitName],
        analyzer: Callable[[], FaceAnalyzer | None],
        progress: Progress,
    ) -> Records | None:
        """One record per person as ``facetraits.video.timeline`` makes them; None where the networks cannot be loaded.

        Args:
            video: which; it is analysed once for the same traits.
            traits: what to estimate.
            analyzer: gives the one who answers.
            progress: is called with the share that is done, in [0, 1], and with None while another video has its turn.
        """
        known = video.key, tuple(traits)
        if known not in self._records:
            loaded = analyzer()
            if loaded is None:
                return None
            self._records[known] = _analyzed(video, traits, loaded, progress)
        return self._records[known]


def _analyzed(video: Picture, traits: Sequence[TraitName], analyzer: FaceAnalyzer, progress: Progress) -> Records:
    try:
        with _in_turn(progress):
            data = video.read()
            duration_s = _measured_s(data)
            every_s = max(EVERY_S, duration_s / _MOST_PICTURES)
            with read_file(io.BytesIO(data), every_s, _LARGEST_FRAME) as opened:
                frames = _reported(iter(opened), duration_s, progress)
                return list(person_records(video.name, frames, analyzer, traits))
    except UserError as error:
        return [error_record(video.name, str(error))]
    except Exception:
        _LOG.exception("a video could not be analysed")  # its name is private
        return [error_record(video.name, _FAULT)]


@contextmanager
def _in_turn(progress: Progress) -> Iterator[None]:
    """Wait until no other video is watched; who waits can still leave the page, which ends ``progress``."""
    while not _TURN.acquire(timeout=_LOOK_EVERY_S):
        progress(None)
    try:
        yield
    finally:
        _TURN.release()


def _measured_s(data: bytes) -> float:
    """How long a video is, in seconds.

    Raises:
        VideoError: it cannot be read, or would take too long to watch.
    """
    with read_file(io.BytesIO(data), max_pixels=_LARGEST_FRAME) as opened:
        width, height = opened.size_wh
        measured_s = opened.measured_s(_MOST_DECODED // max(width * height, _LEAST_FRAME))
    if measured_s is None:
        raise VideoError(_TOO_LONG)
    return measured_s


def _reported(frames: Iterator[Frame], duration_s: float, progress: Progress) -> Iterator[Frame]:
    for frame in frames:
        progress(min(1.0, frame.time_s / duration_s) if duration_s else 0.0)
        yield frame


def show_videos(
    session: VideoSession,
    videos: Sequence[Picture],
    traits: Sequence[TraitName],
    analyzer: Callable[[], FaceAnalyzer | None],
) -> None:
    """Every video with its people and their time line.

    Args:
        session: this visitor's.
        videos: that the visitor chose.
        traits: what to estimate.
        analyzer: gives the one who answers.
    """
    for number, video in enumerate(videos):
        bar = st.progress(0.0)

        def show(share: float | None, bar: Any = bar, name: str = plain_label(video.name)) -> None:
            if share is None:
                bar.progress(0.0, f"{name} has to wait: another video is being watched …")
            else:
                bar.progress(share, f"Watching {name} …")

        records = session.records(video, traits, analyzer, show)
        bar.empty()
        if records is not None:
            _show(video, records, number)


def _show(video: Picture, records: Records, number: int) -> None:
    if records[0]["error"] is not None:
        found_nobody = records[0]["error"] == "no face found"
        words = "No face was found in this video." if found_nobody else records[0]["error"]
        notice("hint" if found_nobody else "error", video.name, words)
        return
    picture_heading(video.name, f"{_people(len(records))}, numbered in order of appearance")
    st.vega_lite_chart(
        timeline_rows(records),
        _timeline_spec(len(records)),
        width="stretch",
        key=f"photo_video_chart_{number}",
        alt=f"When each of {_people(len(records))} was in view, second by second.",
    )
    st.dataframe(people_columns(records), hide_index=True, key=f"photo_video_table_{number}")
    icon = ":material/download:"
    with st.container(horizontal=True, gap="xsmall"):
        csv = "".join(timeline_csv_lines(records)).encode("utf-8-sig")
        st.download_button(
            "Time line as CSV", csv, "timeline.csv", "text/csv", on_click="ignore", icon=icon, key=f"video_csv_{number}"
        )
        st.download_button(
            "JSON",
            json.dumps(list(records), ensure_ascii=False, allow_nan=False, indent=2) + "\n",
            "timeline.json",
            "application/json",
            on_click="ignore",
            icon=icon,
            key=f"video_json_{number}",
        )
        st.page_link("pages/3_Visitors.py", label="Count visitors in videos and cameras", icon=":material/storefront:")


def _people(count: int) -> str:
    return "1 person" if count == 1 else counted(count, "people").removesuffix("s")


def timeline_rows(records: Records) -> list[dict[str, Any]]:
    """One row per person and second: ``person``, ``from_s``, ``to_s`` and ``expression`` (or "seen")."""
    return [
        {
            "person": f"Person {record['person']}",
            "from_s": entry["time_s"],
            "to_s": entry["time_s"] + 1,
            "expression": entry["expression"]["top1"] if "expression" in entry else "seen",
        }
        for record in records
        for entry in record["timeline"]
    ]


def people_columns(records: Records) -> dict[str, list[Any]]:
    """The table of people: who, when, and what the networks say of the whole stay."""
    columns: dict[str, list[Any]] = {
        "Person": [record["person"] for record in records],
        "First seen, s": [record["first_s"] for record in records],
        "Last seen, s": [record["last_s"] for record in records],
    }
    for trait in TRAITS.values():
        if any(trait.key in record for record in records):
            columns[trait.label] = [_answer(record.get(trait.key)) for record in records]
    return columns


def _answer(answer: Mapping[str, Any] | None) -> str:
    if answer is None:
        return ""
    if "years" not in answer:
        return f"{answer['top1']}{' ?' if answer['unsure'] else ''}"
    low, high = (whole_years(years) for years in answer["interval"])
    return f"{low} to {high} ?" if answer["unsure"] else f"{whole_years(answer['years'])} ({low} to {high})"


def _timeline_spec(people: int) -> dict[str, Any]:
    return {
        "mark": {"type": "bar", "height": {"band": 0.7}},
        "height": _AXES_PX + _LANE_PX * people,
        "encoding": {
            "y": {"field": "person", "type": "nominal", "sort": None, "axis": {"title": None, "labelOverlap": False}},
            "x": {"field": "from_s", "type": "quantitative", "axis": {"title": "seconds of the video"}},
            "x2": {"field": "to_s"},
            "color": {
                "field": "expression",
                "type": "nominal",
                "scale": {"domain": list(TRAITS["expression"].classes)},
                "legend": {"title": None, "orient": "bottom", "columns": 4},
            },
            "tooltip": [
                {"field": "person", "type": "nominal"},
                {"field": "from_s", "type": "quantitative", "title": "second"},
                {"field": "expression", "type": "nominal"},
            ],
        },
    }
