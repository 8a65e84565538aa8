"""A model file that is changed while it is in use changes no answer, and ends no process."""

import shutil
import subprocess
import sys

import pytest

from tests.builders import FIRST_NETWORK, MODELS, ROOT

ASK = """
import sys
from pathlib import Path
import numpy as np
from facetraits import load_analyzer
from tests.builders import photo_of_one

models, damage = Path(sys.argv[1]), sys.argv[2]
analyzer, photo = load_analyzer(models), photo_of_one()
before = analyzer.analyze(photo).to_dict()
for file in [*models.glob("*/network.tflite"), *models.glob("*/*.onnx")]:
    with file.open("r+b") as stream:
        if damage == "truncate":
            stream.truncate(1000)
        else:
            stream.write(bytes(file.stat().st_size))
assert analyzer.analyze(photo).to_dict() == before
print("the same")
"""


@pytest.mark.parametrize("damage", ["truncate", "overwrite"])
def test_damage_to_files_in_use_changes_nothing(tmp_path, damage):
    models = tmp_path / "models"
    models.mkdir()
    shutil.copyfile(MODELS / "manifest.json", models / "manifest.json")
    for file in [*MODELS.glob("*/network.tflite"), *MODELS.glob("*/*.onnx")]:
        (models / file.parent.name).mkdir(exist_ok=True)
        shutil.copyfile(file, models / file.parent.name / file.name)
    command = [sys.executable, "-c", ASK, str(models), damage]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout) == (0, "the same\n"), done.stderr


def test_a_network_that_was_changed_is_not_looked_into(tmp_path):
    from facetraits.inside.reading import read_network
    from facetraits.registry import ModelIntegrityError, load_manifest

    entry = load_manifest().members[FIRST_NETWORK]
    copy = tmp_path / "network.tflite"
    shutil.copyfile(entry.path, copy)
    assert read_network(copy, entry.sha256).layers
    copy.write_bytes(copy.read_bytes()[:-1])
    with pytest.raises(ModelIntegrityError, match="was changed"):
        read_network(copy, entry.sha256)
