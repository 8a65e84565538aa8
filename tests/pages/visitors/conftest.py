"""A visitors' log of its own for every test, and what may be in it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pandas as pd
import pytest

from facetraits.settings import PASSWORD
from facetraits.visitors.store import VisitStore
from tests.builders import FakeAnalyzer
from tests.pages.visitors.helpers import in_view
from tests.visitors.made_visits import make_frame, visits_of
from ui.visitors import cached


@pytest.fixture(autouse=True)
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("FACETRAITS_DB", f"sqlite:///{tmp_path / 'visitors.db'}")
    monkeypatch.delenv("FACETRAITS_VISITORS_PASSWORD", raising=False)
    for module in ("ui.visitors.access", "ui.visitors.webcam"):
        monkeypatch.setattr(f"{module}.load_secrets", dict)
    monkeypatch.setattr("ui.kit.analyzers.get_analyzer", lambda profile="accurate": FakeAnalyzer())
    yield
    for recording in cached._recordings():
        recording.stop_all()


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever looks has opened the log."""
    monkeypatch.setattr("ui.visitors.access._is_unlocked", lambda secret, *_: not os.environ.get(PASSWORD.variable))


@pytest.fixture
def store() -> VisitStore:
    return cached.get_store()


@pytest.fixture
def shop(store: VisitStore) -> VisitStore:
    """Three hundred visits of the last month, some of today, and two people in view."""
    frame = make_frame(300, days=28, unknown=0.1)
    newest = frame["started"].max()
    frame["started"] += pd.Timestamp.now("UTC").floor("s") - newest - timedelta(minutes=2)
    store.add(visits_of(frame))
    store.add([in_view("Entrance"), in_view("Till")])
    return store
