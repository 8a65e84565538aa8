"""What all visitors of the page "Model performance" share: reports, and the figures that are derived from them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from facetraits.registry import DEFAULT_MODELS_DIR
from facetraits.reports.comparison import FIGURE, Axis, GroupRow, Measured, Row, group_rows, leaderboard
from ui.performance.evidence import Evidence, fingerprint, read_evidence

if TYPE_CHECKING:
    from facetraits.reports.evaluation_report import EvaluationReport


def get_evidence() -> Evidence:
    """Reports, learning curves and data sets; read anew when one of their files has changed."""
    files = fingerprint(DEFAULT_MODELS_DIR)
    return _evidence(str(DEFAULT_MODELS_DIR), hashlib.sha256(repr(files).encode()).hexdigest())


@st.cache_resource(show_spinner=False, max_entries=2)
def _evidence(models_dir: str, version: str) -> Evidence:
    return read_evidence(Path(models_dir), f"{models_dir} {version}")


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
