"""Home and About show what they should, with and without installed networks."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

import ui.performance.overview
from facetraits.registry import load_manifest
from tests.builders import ROOT, FakeAnalyzer, photo_of_one, png
from ui import shell
from ui.shell import PAGES


def open_app() -> AppTest:
    return AppTest.from_file(str(ROOT / "app.py"), default_timeout=60).run()


def raw(page: AppTest) -> str:
    return " ".join(piece.body for piece in page.html)


def test_home_says_what_it_does_and_what_it_cannot_do() -> None:
    page = open_app()
    assert not page.exception
    assert [header.value for header in page.header] == [
        "How good is it?",
        "How it works",
        "What it cannot do",
        "Who it is for",
    ]
    assert "Your pictures stay on the machine" in raw(page)


def test_home_prepares_the_drawing_of_charts() -> None:
    page = open_app()
    assert not page.exception
    shell.warm_up().join(timeout=60)
    assert {"altair", "ui.kit.charts"} <= sys.modules.keys()


@pytest.mark.parametrize(
    ("button", "title"),
    [
        ("Try a sample", "Photo"),
        ("Use the webcam", "Webcam"),
        ("Count visitors", "Visitors"),
    ],
)
def test_home_leads_to_the_other_pages(button: str, title: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ui.kit.analyzers.get_analyzer", lambda profile="accurate": None)
    page = open_app()
    next(b for b in page.button if b.label == button).click().run()
    assert not page.exception
    assert page.title[0].value == title


def test_home_says_how_good_it_is_and_leads_to_the_measurements() -> None:
    page = open_app()
    assert raw(page).count("test faces of") == 4
    assert [link.label for link in page.main.get("page_link")][-3:] == [
        "All measurements",
        "Look inside a network",
        "The networks and their licences",
    ]


def test_photos_chosen_on_home_are_shown_on_photo(monkeypatch: pytest.MonkeyPatch) -> None:
    analyzer = FakeAnalyzer()
    monkeypatch.setattr("ui.kit.analyzers.get_analyzer", lambda profile="accurate": analyzer)
    page = open_app()
    page.file_uploader[0].set_value([("portrait.png", png(photo_of_one()), "image/png")]).run()
    assert not page.exception
    assert page.title[0].value == "Photo"
    assert "portrait.png" in raw(page)
    assert len(analyzer.calls) == 1


def test_home_leads_to_a_sample_that_is_shown_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ui.kit.analyzers.get_analyzer", lambda profile="accurate": FakeAnalyzer())
    page = open_app()
    next(b for b in page.button if b.label == "Try a sample").click().run()
    assert "Sample 1" in raw(page)


def test_shops_are_told_what_the_terms_of_the_data_mean_for_them() -> None:
    home = open_app()
    about = open_app().switch_page("pages/6_About.py").run()
    for page in (home, about):
        words = " ".join(markdown.value for markdown in page.markdown)
        assert "for research only, not for business" in words
        assert "make train" in words


def test_the_sidebar_links_every_page_and_no_other() -> None:
    files = {"app.py", *(f"pages/{path.name}" for path in (ROOT / "pages").glob("*.py"))}
    assert {page.path for page in PAGES} == files
    links = open_app().sidebar.get("page_link")
    assert [link.label for link in links] == [page.label for page in PAGES]


def test_about_shows_licences() -> None:
    page = open_app().switch_page("pages/6_About.py").run()
    assert not page.exception
    labels = [expander.label for expander in page.expander]
    assert "LICENSE" in labels
    assert any(label.startswith("models/centerface/LICENSE") for label in labels)


def test_about_shows_the_cards_of_networks_and_references(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for folder, text in (("small", "# small\n\nA small one."), ("references/old", "# old\n\nAn old one.")):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "README.md").write_text(text, encoding="utf-8")
    monkeypatch.setattr(ui.performance.overview, "DEFAULT_MODELS_DIR", tmp_path)
    page = open_app().switch_page("pages/6_About.py").run()
    assert not page.exception
    assert [expander.label for expander in page.expander if "card" in expander.label.lower()] == [
        "Model card: small",
        "Cards of what ours are compared with: 1 reference model",
    ]
    texts = [piece.value for piece in page.markdown]
    assert "### small\n\nA small one." in texts
    assert "### old\n\nAn old one." in texts


def test_missing_networks_are_a_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(ui.performance.overview, "load_manifest", lambda: load_manifest(tmp_path))
    page = open_app()
    assert not page.exception
    assert "The networks cannot be loaded" in raw(page)


@pytest.mark.parametrize("path", sorted((ROOT / "pages").glob("*.py")), ids=lambda path: path.stem)
def test_a_page_keeps_nothing_in_its_module(path: Path):
    """Streamlit holds the module of the page that ran last until another page runs, also when everybody has left."""
    names = {
        node.id
        for statement in ast.parse(path.read_text(encoding="utf-8")).body
        if not isinstance(statement, ast.FunctionDef | ast.ClassDef)
        for node in ast.walk(statement)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    }
    assert all(name.isupper() for name in names), names


def test_files_are_asked_for_in_one_way():
    """Which tells the server what the page takes."""
    asking = [
        path.relative_to(ROOT).as_posix()
        for folder in ("pages", "ui")
        for path in (ROOT / folder).rglob("*.py")
        if {"file_uploader", "camera_input", "chat_input", "audio_input"}
        & {node.attr for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.Attribute)}
    ]
    assert asking == ["ui/kit/uploads.py"]
