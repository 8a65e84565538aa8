"""Visitors whose session the server no longer has are told so, and nobody else is."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest


def page() -> None:
    from ui.kit.lost_session import tell_of_lost_session

    tell_of_lost_session()


@pytest.mark.parametrize(
    ("protocols", "told"),
    [
        ("", False),
        ("streamlit", False),
        ("streamlit, token", False),
        ("streamlit, token, ", False),
        ("streamlit, token, of-another-server", True),
    ],
)
def test_who_names_a_session_that_is_gone_is_told(monkeypatch: pytest.MonkeyPatch, protocols: str, told: bool) -> None:
    monkeypatch.setattr("streamlit.runtime.context.ContextProxy.headers", {"Sec-WebSocket-Protocol": protocols})
    app = AppTest.from_function(page).run()
    assert not app.exception
    assert any("The connection was interrupted" in piece.body for piece in app.html) is told


def test_the_word_goes_after_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "streamlit.runtime.context.ContextProxy.headers", {"Sec-WebSocket-Protocol": "streamlit, token, lost"}
    )
    app = AppTest.from_function(page).run()
    assert len(app.html) == 1
    monkeypatch.setattr("ui.kit.lost_session._SHOWN_S", 0.0)
    assert len(app.run().html) == 0
