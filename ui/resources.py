"""What all visitors share: the loaded networks, and nothing that comes from a visitor's pictures."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Final

import streamlit as st

import facetraits
from facetraits.comparison import FIGURE, Axis, GroupRow, Measured, Row, group_rows, leaderboard
from facetraits.registry import DEFAULT_MODELS_DIR
from ui.performance_data import Evidence, fingerprint, read_evidence
from ui.viewers import Viewers

if TYPE_CHECKING:
    from facetraits import FaceAnalyzer
    from facetraits.metrics import EvaluationReport
    from facetraits.registry import ProfileName

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
    """Import what draws charts while the first visitor reads: at their first chart it would take half a second."""
    thread = Thread(target=_draw_a_chart, name="warm up", daemon=True)
    thread.start()
    return thread


def _draw_a_chart() -> None:
    # Altair asks for pandas where that is loaded, and fails where another thread has loaded half of it.
    import_module("pandas")
    from ui import charts

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
