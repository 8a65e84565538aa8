"""Pictures for the command ``analyze``, and a stand-in for the networks."""

import json
import shutil

import cv2
import pytest
from PIL import Image

from facetraits.cli import main
from tests.builders import FakeAnalyzer, photo_of_many, photo_of_one, photo_without_faces


@pytest.fixture(scope="module")
def fake():
    return FakeAnalyzer()


@pytest.fixture(autouse=True)
def loaded(monkeypatch, fake):
    """The stand-in is what the command loads; the list holds the profiles that were asked for."""
    profiles = []

    def load(models_dir=None, profile="accurate", threads=2, callers=1):
        profiles.append(profile)
        return fake

    fake.calls.clear()
    monkeypatch.setattr("facetraits.cli.analyze.load_analyzer", load)
    return profiles


@pytest.fixture
def one_thread(monkeypatch):
    """Pictures are analysed one after the other, in their order."""
    monkeypatch.setattr("facetraits.cli.analyze._threads", lambda: 1)


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """One small file of each kind, to be copied where a test wants it."""
    folder = tmp_path_factory.mktemp("photos")
    Image.fromarray(photo_of_one()[:290, 80:370]).save(folder / "face.jpg", quality=95)
    Image.fromarray(photo_of_many(2, width=640)).save(folder / "group.png")
    Image.fromarray(cv2.resize(photo_without_faces(), (150, 100))).save(folder / "coffee.png")
    (folder / "broken.jpg").write_bytes((folder / "face.jpg").read_bytes()[:600])
    return folder


@pytest.fixture
def put(photos, tmp_path):
    """Put one of ``photos`` at a path below ``tmp_path``."""

    def copy(name, path=None):
        target = tmp_path / (path or name)
        target.parent.mkdir(parents=True, exist_ok=True)
        return shutil.copy(photos / name, target)

    return copy


@pytest.fixture
def analyze(capsys):
    """Run the command; exit code, the objects of its lines and what it says on stderr."""

    def run(*arguments):
        code = main(["analyze", *map(str, arguments)])
        out, err = capsys.readouterr()
        return code, [json.loads(line) for line in out.splitlines()], err

    return run
