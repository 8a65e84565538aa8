"""A request from another site makes the server ask nobody on the network, and is refused."""

import socket

import pytest
from streamlit.web.server import server_util

import ui.shell  # noqa: F401 - every page imports it


def test_a_foreign_origin_asks_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*address: object, **_: object) -> None:
        raise AssertionError(f"the network was asked: {address}")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", lambda self, address: None)  # for the local address; sends nothing
    assert not server_util.is_url_from_allowed_origins("http://evil.example")
    assert server_util.is_url_from_allowed_origins("http://localhost:8501")
