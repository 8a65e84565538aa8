"""Every setting is declared in one module, and documented."""

import re

import pytest

from facetraits.settings import SETTINGS, Setting, SettingsReader, text
from tests.builders import ROOT

DOCUMENTS = "".join((ROOT / name).read_text() for name in ("README.md", "docs/deploy.md"))


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.variable)
def test_a_setting_is_documented(setting):
    assert f"`{setting.variable}`" in DOCUMENTS
    assert not setting.section or f"`{setting.name}`" in DOCUMENTS


def test_no_other_module_names_a_variable():
    folders = (*(ROOT / "facetraits").rglob("*.py"), *(ROOT / "ui").rglob("*.py"), *(ROOT / "pages").glob("*.py"))
    named = {
        path.name: re.findall(r"FACETRAITS_[A-Z_]+", path.read_text()) for path in folders if path.name != "settings.py"
    }
    documented = {name: found for name, found in named.items() if found}
    assert set(documented) <= {"connection.py", "access.py"}, "where docstrings give an example"


def test_the_environment_wins_over_the_file_and_what_is_wrong_is_no_secret():
    number = Setting("FACETRAITS_X", "a number", "x", "number")
    secrets = {"x": {"number": 7}}
    assert SettingsReader(secrets, {"FACETRAITS_X": "8"}).read(number, int, 1) == 8
    assert SettingsReader(secrets, {"FACETRAITS_X": " "}).read(number, int, 1) == 7
    assert SettingsReader({}, {}).read(number, int, 1) == 1
    reader = SettingsReader(secrets, {})
    assert reader.read(number, text, "") == ""
    assert reader.problems == [
        "The setting number in [x] of .streamlit/secrets.toml must be a text in quotation marks."
    ]
