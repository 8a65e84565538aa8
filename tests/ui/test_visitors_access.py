"""Who may open the visitor log: what counts as this machine, and how the password is read."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from typing import Any

import pytest

from facetraits.settings import PASSWORD
from tests.builders import ROOT
from ui.visitors.access import Guesses, Protection, protection


def test_guesses_are_few_for_all_browsers_together(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("ui.visitors.access.time.monotonic", lambda: now[0])
    guesses = Guesses()
    assert [guesses.wait_s() for _ in range(6)] == [0, 0, 0, 0, 0, pytest.approx(10)]
    now[0] = 9.0
    assert guesses.wait_s() == pytest.approx(1)
    now[0] = 10.5
    assert guesses.wait_s() == 0
    guesses.right()
    assert guesses.wait_s() == 0, "who knows it does not use guesses up"
    now[0] = 1000.0
    assert [guesses.wait_s() for _ in range(5)] == [0] * 5
    assert guesses.wait_s() > 0


@pytest.mark.parametrize("short", ["1", "1234567"])
def test_a_short_password_opens_no_door(short: str) -> None:
    for found in (protection({}, {PASSWORD.variable: short}), protection({"visitors": {"password": short}}, {})):
        assert found.password == ""
        assert "must have at least 8 characters" in str(found.problem) and short not in str(found.problem)


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
