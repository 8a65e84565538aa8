"""The page "Visitors" while the log or the networks fail."""

from __future__ import annotations

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from facetraits.registry import ModelIntegrityError
from facetraits.visitors.store import StoreError, VisitStore
from tests.builders import ROOT
from tests.pages.visitors.helpers import VIEWS, open_page, submit, text
from ui.visitors import cached


@pytest.mark.usefixtures("here")
def test_a_log_that_cannot_be_opened_is_a_sentence_and_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    works = cached.get_store

    def fails() -> VisitStore:
        raise StoreError("The database of the shop does not answer.")

    monkeypatch.setattr("ui.visitors.cached.get_store", fails)
    page = open_page()
    assert "The visitor log cannot be opened The database of the shop does not answer." in text(page)
    monkeypatch.setattr("ui.visitors.cached.get_store", works)
    submit(page, "Try again")
    assert "Recording is off" in text(page)


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("view", VIEWS)
def test_a_log_that_fails_later_is_a_sentence_too(shop: VisitStore, monkeypatch: pytest.MonkeyPatch, view: str) -> None:
    page = open_page(view)

    def fails(*arguments: object) -> None:
        raise StoreError("The disk is full.")

    for name in ("current", "latest", "count", "frame", "version", "settings", "mark"):
        monkeypatch.setattr(shop, name, fails)
    page.run()
    assert [error.value for error in page.exception] == []
    assert "The visitor log does not respond The disk is full." in text(page)


@pytest.mark.usefixtures("here")
def test_faulty_models_are_reported_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(profile: str = "accurate") -> None:
        raise ModelIntegrityError("The model file a.tflite was changed.")

    monkeypatch.setattr("ui.kit.analyzers.get_analyzer", fail)
    page = open_page("Recording")
    submit(page, "Use this webcam")
    assert "The networks cannot be loaded The model file a.tflite was changed." in text(page)


@pytest.mark.usefixtures("here", "shop")
def test_nothing_is_opened_by_pages_that_do_not_need_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = tmp_path / "other.db"
    monkeypatch.setenv("FACETRAITS_DB", f"sqlite:///{other}")
    page = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60).run()
    assert not page.exception
    assert not other.exists()
