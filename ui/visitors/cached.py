"""What all visitors of the page "Visitors" share: the log, what records into it, and tables of its visits."""

from __future__ import annotations

from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import streamlit as st

from facetraits.settings import database_url
from facetraits.visitors.visit import EVERYTHING, Selection
from ui.kit.analyzers import get_analyzer

if TYPE_CHECKING:
    import pandas as pd

    from facetraits.visitors.counts import Counts
    from facetraits.visitors.recording import Recording, SourceStatus
    from facetraits.visitors.store import VisitStore


def get_store() -> VisitStore:
    """The visitor log, opened once for all sessions; one that could not be opened is tried again at the next call.

    Raises:
        StoreError: it cannot be opened.
    """
    return _store(database_url())


@st.cache_resource(show_spinner=False)
def _store(url: str) -> VisitStore:
    from facetraits.visitors.retention import start_retention
    from facetraits.visitors.store import open_store

    store = open_store(url)
    start_retention(store)
    return store


def get_recording() -> Recording:
    """The recording that writes to the visitor log; when the server ends, it writes the visitors in view.

    Raises:
        StoreError: the log cannot be opened.
    """
    return _recording(database_url())


@st.cache_resource(show_spinner=False)
def _recording(url: str) -> Recording:

    from facetraits.visitors.recording import Recording

    recording = Recording(_store(url), lambda: get_analyzer("fast"))
    _recordings().append(recording)
    return recording


@st.cache_resource(show_spinner=False)
def _recordings() -> list[Recording]:
    """Recordings opened so far: checking whether anything records must not open a database on every page."""
    return []


def may_record() -> bool:
    """Whether the log was opened since the server started, so that something may record."""
    return bool(_recordings())


def source_names() -> frozenset[str]:
    """Names of the sources of this server, whether they record now or not."""
    return frozenset(status.name for recording in _recordings() for status in recording.statuses())


def recording_sources() -> tuple[SourceStatus, ...]:
    """The sources of this server that record now; cheap if there are none."""
    statuses = [status for recording in _recordings() for status in recording.statuses()]
    return tuple(status for status in statuses if status.recording)


def get_visits(store: VisitStore, chosen: Selection = EVERYTHING, leavers: bool = False) -> pd.DataFrame:
    """``frame`` of the store, made once for each state of the log; it is shared and must not be changed.

    Raises:
        StoreError: the database fails.
    """
    return _visits(store.identity, store.version(), repr(chosen), leavers, store, chosen)


def get_counts(store: VisitStore, zone: ZoneInfo, chosen: Selection) -> Counts:
    """``counts`` of the store, made once for each state of the log; they are shared and must not be changed.

    Raises:
        StoreError: the database fails.
    """
    return _counts(store.identity, store.version(), zone.key, repr(chosen), store, zone, chosen)


@st.cache_resource(show_spinner=False, max_entries=8)
def _counts(
    identity: str, version: int, zone: str, selection: str, _store: VisitStore, _zone: ZoneInfo, _chosen: Selection
) -> Counts:
    return _store.counts(_zone, _chosen)


def forget_visits() -> None:
    """Clear the cache, so that deleted visits do not stay in memory."""
    _visits.clear()
    _counts.clear()


@st.cache_resource(show_spinner=False, max_entries=3)
def _visits(
    identity: str, version: int, selection: str, leavers: bool, _store: VisitStore, _chosen: Selection
) -> pd.DataFrame:
    return _store.frame(_chosen, leavers)
