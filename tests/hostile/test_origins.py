"""A request from another site makes the server ask nobody on the network, and is refused."""

import socket

import pytest
from streamlit.web.server import server_util

import ui.shell  # noqa: F401 - every page imports it


def test_a_foreign_origin_asks_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def refuse(*address: object, **_: object) -> None:
        asked.append(address)
        raise OSError("there is no network")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    assert not server_util.is_url_from_allowed_origins("http://evil.example")
    assert server_util.is_url_from_allowed_origins("http://localhost:8501")
    assert asked == []
