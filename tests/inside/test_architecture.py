from __future__ import annotations

import json

import pytest

from facetraits.inside.architecture import (
    FILE,
    reference_architectures,
    served_architectures,
    write_architecture,
)
from facetraits.registry import load_manifest
from facetraits.reports.history import load_runs
from tests.builders import MODELS


def test_every_member_and_every_reference_network_has_a_table_of_its_own_weights() -> None:
    manifest = load_manifest(MODELS)
    assert {table.name: table.sha256 for table in served_architectures(manifest)} == {
        name: entry.sha256 for name, entry in manifest.originals.items()
    }
    records = {
        path.parent.name: json.loads(path.read_text())["export"]["sha256"]
        for path in (MODELS / "references").glob("*/record.json")
        if path.parent.name != "smile-svc"  # no network
    }
    assert {table.name: table.sha256 for table in reference_architectures(MODELS)} == records


@pytest.mark.parametrize("table", reference_architectures(MODELS), ids=lambda table: table.name)
def test_the_references_have_the_weights_that_training_counted(table) -> None:
    parameters = json.loads((MODELS / "references" / table.name / "record.json").read_text())["parameters"]
    # Folding batch normalisation away leaves fewer.
    assert table.parameters <= parameters <= 1.02 * table.parameters
    assert table.multiply_adds > 0


def test_names_are_those_of_the_runs() -> None:
    assert {table.name for table in reference_architectures(MODELS)} <= {run.name for run in load_runs(MODELS)}


def test_a_table_is_read_as_it_was_written(tmp_path) -> None:
    manifest = load_manifest(MODELS)
    member = sorted(manifest.originals)[0]
    folder = tmp_path / "references" / member
    folder.mkdir(parents=True)

    write_architecture(member, manifest.members[member].path, folder)

    assert reference_architectures(tmp_path) == (served_architectures(manifest)[0],)


@pytest.mark.parametrize("text", ["", "{}", '{"name": "x", "sha256": "", "outputs": {}, "rows": [{"name": "a"}]}'])
def test_a_malformed_table_is_an_error(tmp_path, text: str) -> None:
    folder = tmp_path / "references" / "x"
    folder.mkdir(parents=True)
    (folder / FILE).write_text(text)
    with pytest.raises(ValueError, match=FILE):
        reference_architectures(tmp_path)
