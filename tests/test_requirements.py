"""The lock files hold what pyproject.toml asks for, with the checksums of everything."""

import re
import tomllib

import pytest

from tests.builders import ROOT

EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
LOCKED = {
    "requirements.txt": ("serve", "gradients"),
    "requirements-serving.txt": ("serve",),
    "requirements-distributed.txt": ("serve", "distributed"),
    "requirements-dev.txt": ("serve", "gradients", "distributed", "dev"),
}


def pins(lines) -> dict[str, str]:
    """Package to version; how a package's name is spelled does not matter."""
    found = (re.match(r"([\w.-]+)(?:\[\w+\])?==([\w.]+)", line) for line in lines)
    return {re.sub(r"[-_.]+", "-", match[1]).lower(): match[2] for match in found if match}


@pytest.mark.parametrize("file", LOCKED)
def test_a_lock_file_has_what_is_asked_for(file):
    locked = pins((ROOT / file).read_text().splitlines())
    wanted = pins(line for extra in LOCKED[file] for line in EXTRAS[extra])
    assert {name: locked.get(name) for name in wanted} == wanted
    assert len(wanted) == sum(len(EXTRAS[extra]) for extra in LOCKED[file]), "everything is pinned"


@pytest.mark.parametrize("file", LOCKED)
def test_every_package_has_checksums(file):
    text = (ROOT / file).read_text()
    entries = re.split(r"^(?=[\w.-]+(?:\[\w+\])?==)", text, flags=re.MULTILINE)[1:]
    assert len(entries) > 40
    assert [entry.split("==")[0] for entry in entries if "--hash=sha256:" not in entry] == []
    assert "://" not in text


def test_all_files_name_the_same_versions():
    every = pins((ROOT / "requirements-dev.txt").read_text().splitlines())
    for file in LOCKED:
        assert pins((ROOT / file).read_text().splitlines()).items() <= every.items()


def test_training_adds_its_packages():
    assert pins((ROOT / "requirements-train.txt").read_text().splitlines()) == pins(EXTRAS["train"])
