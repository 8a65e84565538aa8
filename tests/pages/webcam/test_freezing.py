"""Pictures that are frozen and taken home, and nothing else that is written."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from facetraits.faces.images import decode_image
from tests.drawn_boxes import best_overlap, drawn_boxes
from tests.pages.webcam.helpers import (
    OFF,
    PLAYING,
    button,
    buttons,
    portrait,
    show_people,
    turn,
)


def test_a_picture_can_be_frozen_and_taken_home(open_page: Callable[[], AppTest]) -> None:
    page = turn(open_page(), PLAYING)
    page.toggle("webcam_mirror").set_value(False).run()
    face = drawn_boxes(show_people(page, portrait()))[0]
    assert "Download" not in buttons(page)
    button(page, "Freeze").click().run()
    assert not page.exception
    assert {"Download", "Continue"} <= set(buttons(page))
    assert "Freeze" not in buttons(page)
    frozen = decode_image(page.session_state["webcam_frozen"])
    assert best_overlap(face, drawn_boxes(frozen)) > 0.9
    turn(page, OFF)
    assert "Download" in buttons(page), "it is still there when the camera is off"
    button(page, "Discard").click().run()
    assert "Download" not in buttons(page)


def test_a_frozen_picture_is_what_the_mirror_showed(open_page: Callable[[], AppTest]) -> None:
    page = turn(open_page(), PLAYING)
    left, top, right, bottom = drawn_boxes(show_people(page, portrait()))[0]
    button(page, "Freeze").click().run()
    frozen = decode_image(page.session_state["webcam_frozen"])
    assert best_overlap(np.array([480 - right, top, 480 - left, bottom]), drawn_boxes(frozen)) > 0.9


def test_freezing_before_the_first_answer_does_nothing(open_page: Callable[[], AppTest]) -> None:
    page = turn(open_page(), PLAYING)
    button(page, "Freeze").click().run()
    assert not page.exception
    assert "Download" not in buttons(page)


def test_nothing_is_written_to_disk(
    open_page: Callable[[], AppTest],
    tmp_path: Path,  # before the watch begins: pytest makes it
    written_files: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    page = turn(open_page(), PLAYING)
    show_people(page, portrait())
    button(page, "Freeze").click().run()
    turn(page, OFF)
    assert [path for path in written_files if not path.startswith("/dev/")] == []
    assert list(tmp_path.iterdir()) == []
