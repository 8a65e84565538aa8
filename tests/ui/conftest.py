"""What tests of several parts of a page use."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.evidence import evidence_folder


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """A folder with drawn reports, learning curves and the rest of the evidence."""
    return evidence_folder(tmp_path)
