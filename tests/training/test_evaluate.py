"""References are trained, exported, judged and reported by the code that does it for real, on drawn faces."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import keras
import numpy as np
import pytest

from facetraits.registry import ModelIntegrityError
from facetraits.reports.evaluation_report import load_reports
from facetraits.training import release
from facetraits.training.data.datasets import SMILE_CLASSES
from facetraits.training.data.faces import Faces
from facetraits.training.evaluation import evaluate as evaluation
from facetraits.training.reference_recipes import REFERENCES, SMILE_SVC
from facetraits.training.train import build

RECIPE = dataclasses.replace(REFERENCES["gender-upload-predictor"], name="small")
KNOWN = np.ones(40, dtype=bool)


@pytest.fixture(scope="module")
def faces() -> dict[str, Faces]:
    rng = np.random.default_rng(3)
    crops = rng.integers(0, 256, (40, 112, 112, 3), dtype=np.uint8)
    labels = rng.integers(0, 2, 40)
    nobody = np.zeros(40, dtype=bool)
    people = {"gender": (labels, ("male", "female"))}
    return {
        "utkface": Faces([], {"face-v1": crops}, {"gender": (labels, KNOWN)}, nobody, people),
        "fer2013": Faces([], {"face-tight-v1": crops}, {"smile": (labels, KNOWN)}, nobody),
    }


@pytest.fixture(scope="module")
def released_once(tmp_path_factory: pytest.TempPathFactory, faces: dict[str, Faces]) -> tuple[keras.Model, Path]:
    """A finished run of an untrained network, and the folder that it was released to."""
    folder, model = tmp_path_factory.mktemp("released"), build(RECIPE)
    run = folder / "runs" / RECIPE.name
    run.mkdir(parents=True)
    model.save(run / "best.keras")
    (run / "history.csv").write_text("epoch,loss,val_loss\n0,1,1\n")
    (run / "record.json").write_text(json.dumps({"recipe": dataclasses.asdict(RECIPE), "epochs_run": 1}))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(release, "REFERENCES", {RECIPE.name: RECIPE})
        patch.setattr(release, "load_faces", lambda data, detector, split: faces)
        release.release_references(folder, folder / "models", folder / "runs", folder / "networks")
    return model, folder


@pytest.fixture
def released(released_once: tuple[keras.Model, Path], tmp_path: Path) -> keras.Model:
    """The network of ``released_once``, with a copy of its folder in ``tmp_path``."""
    model, folder = released_once
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    return model


def test_a_reference_is_judged_by_its_exported_file(
    released: keras.Model, tmp_path: Path, faces: dict[str, Faces]
) -> None:
    (path,) = evaluation._references(tmp_path / "models", tmp_path / "networks", ["small"], faces, "test")
    assert path.name == "small-utkface-test-crops.json"
    (report,) = load_reports(tmp_path / "models")
    answers = released.predict(faces["utkface"].crops["face-v1"], verbose=0)["gender"].argmax(axis=1)
    labels = faces["utkface"].labels["gender"][0]
    assert report.kind == "reference"
    assert report.classes["gender"].accuracy == pytest.approx(np.mean(answers == labels))
    assert [group.of for group in report.subgroups] == [{"gender": "male"}, {"gender": "female"}]
    record = json.loads((tmp_path / "models" / "references" / "small" / "record.json").read_text())
    assert report.weights_sha256 == {"network.tflite": record["export"]["sha256"]}
    assert record["parameters"] == released.count_params() - 3


def test_a_changed_file_of_a_reference_is_not_judged(
    released: keras.Model, tmp_path: Path, faces: dict[str, Faces]
) -> None:
    with (tmp_path / "networks" / "small" / "network.tflite").open("ab") as file:
        file.write(b"x")
    with pytest.raises(ModelIntegrityError, match="was changed"):
        list(evaluation._references(tmp_path / "models", tmp_path / "networks", ["small"], faces, "test"))


def test_without_its_file_a_reference_keeps_its_report(
    released: keras.Model, tmp_path: Path, faces: dict[str, Faces]
) -> None:
    list(evaluation._references(tmp_path / "models", tmp_path / "networks", ["small"], faces, "test"))
    before = load_reports(tmp_path / "models")
    assert list(evaluation._references(tmp_path / "models", tmp_path / "elsewhere", ["small"], faces, "test")) == []
    assert load_reports(tmp_path / "models") == before


def test_the_smile_detector_learns_smiles_and_is_judged(
    tmp_path: Path, faces: dict[str, Faces], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Drawn faces: an arc that bends up or down."""
    import cv2

    from facetraits.training import smile
    from facetraits.training.data.samples import Samples

    def drawn(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
        rng = np.random.default_rng(seed)
        labels = rng.integers(0, 2, n)
        crops = rng.integers(90, 130, (n, 112, 112, 3), dtype=np.uint8)
        for crop, label in zip(crops, labels, strict=True):
            x, y = (int(v) for v in rng.integers(46, 66, 2))
            cv2.ellipse(crop, (x, y), (30, 18), 0, *((20, 160) if label else (200, 340)), (255, 255, 255), 5)
        return crops, labels

    def samples(fer: object, detections: object, split: str, spec: object) -> Samples:
        crops, labels = drawn(160 if split == "train" else 60, len(split))
        ones = np.ones(len(labels), dtype=np.float32)
        return Samples(
            crops,
            {"smile": np.eye(2, dtype=np.float32)[labels]},
            {"smile": ones},
            np.full(len(labels), "fer2013 happy"),
        )

    monkeypatch.setattr(smile, "load_fer2013", lambda data, detector: (None, None))
    monkeypatch.setattr(smile, "fer2013_samples", samples)
    monkeypatch.setattr(smile, "data_version", lambda data, datasets: {})
    monkeypatch.setattr(smile, "_SIZES", (40, 80))
    monkeypatch.setattr(smile, "_SIZE_OF_CHOICE", 80)
    monkeypatch.setattr(release, "REFERENCES", {})
    monkeypatch.setattr(release, "load_faces", lambda data, detector, split: faces)
    run = smile.train_smile(tmp_path, tmp_path, tmp_path / "runs")
    rows = (run / "history.csv").read_text().splitlines()
    assert len(rows) == 1 + 3, "two parts of the pictures, then all of them"
    release.release_references(tmp_path, tmp_path / "models", tmp_path / "runs", tmp_path / "networks")

    crops, labels = drawn(60, 99)
    unseen = Faces([], {smile.CROP: crops}, {"smile": (labels, np.ones(60, dtype=bool))}, np.zeros(60, dtype=bool))
    list(evaluation._references(tmp_path / "models", tmp_path / "networks", [SMILE_SVC], {"fer2013": unseen}, "test"))
    (report,) = load_reports(tmp_path / "models")
    assert (report.model, report.kind) == (SMILE_SVC, "reference")
    assert report.classes["smile"].classes == SMILE_CLASSES
    assert report.classes["smile"].accuracy > 0.9
