"""What all visitors share: the loaded networks, and nothing that comes from a visitor's pictures."""

from __future__ import annotations

import atexit
import hashlib
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Final

import streamlit as st

import facetraits
from facetraits.ensemble import Member
from facetraits.inside.worker import InsideWorker
from facetraits.registry import DEFAULT_MODELS_DIR, Manifest, MemberEntry, check_file
from facetraits.reports.comparison import FIGURE, Axis, GroupRow, Measured, Row, group_rows, leaderboard
from facetraits.visitors.visit import EVERYTHING, Selection
from ui.live.gate import Viewers
from ui.performance.evidence import Evidence, fingerprint, read_evidence

if TYPE_CHECKING:
    import pandas as pd

    from facetraits import FaceAnalyzer
    from facetraits.inside.architecture import Architecture
    from facetraits.inside.layers import NetworkLayers
    from facetraits.registry import ProfileName
    from facetraits.reports.metrics import EvaluationReport
    from facetraits.visitors.recording import Recording, SourceStatus
    from facetraits.visitors.store import VisitStore

# One call is 25% slower on one thread than on two, but takes 20% less of the processors, and live video needs them.
_THREADS: Final[Mapping[ProfileName, int]] = {"accurate": 2, "fast": 1}


@st.cache_resource(show_spinner="Loading the networks …", max_entries=2)
def get_analyzer(profile: ProfileName = "accurate") -> FaceAnalyzer:
    """The analyzer of a profile, loaded once for all sessions; it may be used from several threads at once.

    Raises:
        ModelIntegrityError: a model's file is missing or was changed.
    """
    return facetraits.load_analyzer(profile=profile, threads=_THREADS[profile])


@st.cache_resource(show_spinner=False)
def get_viewers() -> Viewers:
    """Who is streaming at the moment: counts, nothing else."""
    return Viewers()


def get_evidence() -> Evidence:
    """Reports, learning curves and data sets; read anew when one of their files has changed."""
    files = fingerprint(DEFAULT_MODELS_DIR)
    return _evidence(str(DEFAULT_MODELS_DIR), hashlib.sha256(repr(files).encode()).hexdigest())


@st.cache_resource(show_spinner=False, max_entries=2)
def _evidence(models_dir: str, version: str) -> Evidence:
    return read_evidence(Path(models_dir), f"{models_dir} {version}")


@st.cache_resource(show_spinner=False)
def warm_up() -> Thread:
    """Import what draws charts and opens the log while the first visitor reads: each would take half a second."""
    # Not in the thread: Altair asks for the types of a pandas that is loaded, and fails where only half of it is.
    import_module("pandas")
    thread = Thread(target=_draw_a_chart, name="warm up", daemon=True)
    thread.start()
    return thread


def _draw_a_chart() -> None:
    import_module("facetraits.visitors.recording")
    from ui.kit import charts

    charts.epoch_series({"": (0.0,)}, "").to_dict()


# Intervals are found by drawing a thousand times: a leaderboard takes some tenths of a second.


def get_leaderboard(evidence: Evidence, figure: str, protocol: str) -> tuple[Row, ...]:
    """``leaderboard`` of all reports, by the figure's key."""
    return _leaderboard(evidence.version, figure, protocol, evidence)


@st.cache_resource(show_spinner=False, max_entries=64)
def _leaderboard(version: str, figure: str, protocol: str, _evidence: Evidence) -> tuple[Row, ...]:
    return leaderboard(FIGURE[figure], _evidence.reports, _evidence.published, protocol)


def get_measured(evidence: Evidence, report: EvaluationReport, figure: str) -> Measured | None:
    """One figure of a report, by the figure's key."""
    return _measured(evidence.version, _name(report), figure, report)


@st.cache_resource(show_spinner=False, max_entries=256)
def _measured(version: str, name: str, figure: str, _report: EvaluationReport) -> Measured | None:
    return FIGURE[figure].of(_report)


def get_groups(
    evidence: Evidence, report: EvaluationReport, figure: str, axes: Sequence[Axis], adults: bool
) -> tuple[GroupRow, ...]:
    """``group_rows`` of a report, by the figure's key."""
    return _groups(evidence.version, _name(report), figure, tuple(axes), adults, report)


@st.cache_resource(show_spinner=False, max_entries=64)
def _groups(
    version: str, name: str, figure: str, axes: tuple[Axis, ...], adults: bool, _report: EvaluationReport
) -> tuple[GroupRow, ...]:
    return group_rows(_report, FIGURE[figure], axes, adults)


def _name(report: EvaluationReport) -> str:
    return f"{report.model} {report.dataset} {report.split} {report.protocol}"


# ------------------------------------------------------------------------------------------------------------- visitors


def get_store() -> VisitStore:
    """The visitor log, opened once for all sessions; one that could not be opened is tried again at the next call.

    Raises:
        StoreError: it cannot be opened.
    """
    # Databases take half a second to import, which pages without one need not wait for.
    from facetraits.visitors.store import default_url

    return _store(default_url())


@st.cache_resource(show_spinner=False)
def _store(url: str) -> VisitStore:
    from facetraits.visitors.retention import keep_short
    from facetraits.visitors.store import open_store

    store = open_store(url)
    keep_short(store)
    return store


def get_recording() -> Recording:
    """Whatever records into the visitor log; it writes who is in view when the server ends.

    Raises:
        StoreError: the log cannot be opened.
    """
    from facetraits.visitors.store import default_url

    return _recording(default_url())


@st.cache_resource(show_spinner=False)
def _recording(url: str) -> Recording:
    from facetraits.visitors.recording import Recording

    recording = Recording(_store(url), lambda: get_analyzer("fast"))
    _recordings().append(recording)
    return recording


@st.cache_resource(show_spinner=False)
def _recordings() -> list[Recording]:
    """Those that were asked for: to look whether anything records must not open a database on every page."""
    return []


def sources_at_work() -> tuple[SourceStatus, ...]:
    """The sources of this server that record at the moment; costs nothing where nobody has begun to."""
    statuses = [status for recording in _recordings() for status in recording.statuses()]
    return tuple(status for status in statuses if status.at_work)


def get_visits(store: VisitStore, chosen: Selection = EVERYTHING) -> pd.DataFrame:
    """``frame`` of the store, made once for each state of the log; it is shared and must not be changed.

    Raises:
        StoreError: the database fails.
    """
    return _visits(store.name, store.version(), repr(chosen), store, chosen)


def forget_visits() -> None:
    """What was deleted must not stay in memory until something else takes its place."""
    _visits.clear()


@st.cache_resource(show_spinner=False, max_entries=3)
def _visits(name: str, version: int, selection: str, _store: VisitStore, _chosen: Selection) -> pd.DataFrame:
    return _store.frame(_chosen)


# -------------------------------------------------------------------------------------------------- inside the networks


@st.cache_resource(show_spinner=False)
def get_worker() -> InsideWorker:
    """The process with Keras, one for all sessions; it starts at its first request and keeps nothing of a picture."""
    worker = InsideWorker(DEFAULT_MODELS_DIR)
    atexit.register(worker.close)
    return worker


def get_member(entry: MemberEntry) -> Member:
    """One served network by itself.

    Raises:
        ModelIntegrityError: its file is missing or was changed.
    """
    return _member(entry.sha256, entry)


@st.cache_resource(show_spinner=False, max_entries=8)
def _member(sha256: str, _entry: MemberEntry) -> Member:
    return Member(_entry)


def get_layers(entry: MemberEntry) -> NetworkLayers:
    """The layers of a served network.

    Raises:
        ModelIntegrityError: its file is missing, was changed or cannot be read.
    """
    return _layers(entry.sha256, entry)


@st.cache_resource(show_spinner=False, max_entries=8)
def _layers(sha256: str, _entry: MemberEntry) -> NetworkLayers:
    # Reading networks takes a sixth of a second to import, which other pages need not wait for.
    from facetraits.inside.layers import read_network

    check_file(_entry.path, sha256)
    return read_network(_entry.path)


def get_architectures(manifest: Manifest) -> tuple[tuple[Architecture, ...], tuple[Architecture, ...]]:
    """Tables of the served networks, and of the reference models.

    Raises:
        ModelIntegrityError: a served network's file is missing, was changed or cannot be read.
        ValueError: a reference model's table is malformed.
    """
    return _architectures(str(manifest.models_dir), tuple(m.sha256 for m in manifest.originals.values()), manifest)


@st.cache_resource(show_spinner=False, max_entries=2)
def _architectures(
    models_dir: str, checksums: tuple[str, ...], _manifest: Manifest
) -> tuple[tuple[Architecture, ...], tuple[Architecture, ...]]:
    from facetraits.inside.architecture import reference_architectures, served_architectures

    return served_architectures(_manifest), reference_architectures(Path(models_dir))
