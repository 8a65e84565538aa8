"""Who may open the visitor log: what counts as this machine, and how the password is read."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from typing import Any

import pytest

from facetraits.settings import PASSWORD
from tests.builders import ROOT
from ui.visitors.access import Protection, on_this_machine, protection


@pytest.mark.parametrize(
    "host", ["localhost:8501", "localhost", "LOCALHOST:80", "127.0.0.1:8501", "[::1]:8501", "[::1]"]
)
def test_a_browser_on_this_machine_is_known(host: str) -> None:
    assert on_this_machine(None, {"Host": host})


@pytest.mark.parametrize(
    ("ip_address", "headers"),
    [
        ("192.168.1.7", {"Host": "localhost:8501"}),  # a published port of a container, or a made-up name
        (None, {"Host": "shop.example.org"}),  # a proxy on this machine
        (None, {"Host": "shop.example.org:8501"}),
        (None, {"Host": "localhost.example.org:8501"}),
        (None, {"Host": "127.0.0.1.example.org"}),
        (None, {"Host": ""}),
        (None, {}),
        (None, {"Host": "localhost:8501", "X-Forwarded-For": "203.0.113.9"}),
        (None, {"Host": "127.0.0.1:8501", "Forwarded": "for=203.0.113.9"}),
        (None, {"Host": "127.0.0.1:8501", "X-Real-IP": "203.0.113.9"}),
        (None, {"Host": "localhost", "Via": "1.1 proxy"}),
    ],
)
def test_everybody_else_is_not(ip_address: str | None, headers: Mapping[str, str]) -> None:
    assert not on_this_machine(ip_address, headers)


def test_the_password_comes_from_the_environment_before_the_file() -> None:
    secrets = {"visitors": {"password": "of the file"}}
    assert protection(secrets, {}) == Protection("of the file")
    assert protection(secrets, {PASSWORD.variable: "of the environment"}) == Protection("of the environment")
    assert protection(secrets, {PASSWORD.variable: ""}) == Protection("of the file")
    assert protection({}, {}) == Protection("")


@pytest.mark.parametrize(
    ("secrets", "said"),
    [
        ({"visitors": {"password": 1234}}, "must be a text in quotation marks"),
        ({"visitors": {"pasword": "typo"}}, "has no setting pasword"),
        ({"visitors": "secret"}, "[visitors] of .streamlit/secrets.toml cannot be read"),
        ({"webrtc": None}, "secrets.toml cannot be read"),  # as load_secrets says of a broken file
    ],
)
def test_a_setting_that_cannot_be_read_opens_no_door(secrets: Mapping[str, Any], said: str) -> None:
    found = protection(secrets, {})
    assert found.password == ""
    assert said in str(found.problem)
    assert "1234" not in str(found.problem)


def test_the_example_of_settings_sets_no_password_and_names_no_other_setting() -> None:
    example = tomllib.loads((ROOT / ".streamlit" / "secrets.toml.example").read_text(encoding="utf-8"))
    assert protection(example, {}) == Protection("")
    assert set(example["visitors"]) == {"password"}
