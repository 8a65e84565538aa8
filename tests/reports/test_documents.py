"""README and cards say what the reports say."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from facetraits.reports.documents import END, START, with_generated, write_documents
from facetraits.reports.evaluation_report import load_reports
from facetraits.reports.results import headlines
from tests.builders import MODELS, ROOT


@pytest.fixture
def root(tmp_path: Path) -> Path:
    shutil.copytree(MODELS, tmp_path / "models")
    shutil.copy(ROOT / "README.md", tmp_path)
    return tmp_path


def test_readme_and_cards_are_up_to_date() -> None:
    assert write_documents(ROOT, check=True) == []


def test_a_changed_figure_makes_the_documents_stale(root: Path) -> None:
    assert write_documents(root, check=True) == []
    file = root / "models" / "reports" / "accurate-utkface-test-crops.json"
    raw = json.loads(file.read_text(encoding="utf-8"))
    raw["classes"]["gender"]["confusion"][0][0] += 500
    file.write_text(json.dumps(raw), encoding="utf-8")
    assert write_documents(root, check=True) == [root / "README.md"]
    assert write_documents(root) == [root / "README.md"]
    assert write_documents(root, check=True) == []


def test_every_card_gives_its_figures_and_whom_it_is_worse_for() -> None:
    reports = load_reports(MODELS)
    cards = [*MODELS.glob("*/network.tflite"), *MODELS.glob("references/*/record.json")]
    assert len(cards) > 10
    for file in cards:
        card = (file.parent / "README.md").read_text(encoding="utf-8")
        figures = headlines(reports, file.parent.name)
        assert figures
        for headline in figures:
            assert f"| {headline.value} | {headline.interval} |" in card
        for heading in ("## Intended use", "## Data", "## Limits", "## Who it is worse for"):
            assert card.partition(heading)[2].strip()


def test_generated_text_needs_its_markers() -> None:
    assert with_generated(f"a{START}old{END}b", "new\n") == f"a{START}\nnew\n{END}b"
    with pytest.raises(ValueError, match="markers"):
        with_generated("no markers", "new")
