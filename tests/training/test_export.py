"""Networks as served files: exported, compared, rounded to integers."""

import dataclasses
import json

import keras
import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from facetraits.training import build as building
from facetraits.training import release
from facetraits.training.data.faces import Faces
from facetraits.training.data.samples import Samples
from facetraits.training.networks.architectures import build_network
from facetraits.training.networks.export import ParityError, differences, export
from facetraits.training.recipes import RECIPES


def test_export_answers_like_the_network(crops, tmp_path):
    model = build_network(112, 56, {"gender": 2, "age": 101}, name="tiny")
    assert export(model, crops, tmp_path / "n.tflite") < 5e-3
    less = keras.Model(model.input, {"gender": model.output["gender"]})
    with pytest.raises(ParityError, match="answers"):
        differences(less, crops, tmp_path / "n.tflite")
    kernel, bias = model.get_layer("gender").get_weights()
    model.get_layer("gender").set_weights([kernel, bias + np.array([1, 0])])
    assert differences(model, crops, tmp_path / "n.tflite").max() > 5e-3


def test_an_export_that_differs_leaves_what_is_served(crops, four_blocks, tmp_path, monkeypatch):
    out = tmp_path / "network.tflite"
    out.write_bytes(b"served")
    monkeypatch.setattr("facetraits.training.networks.export.differences", lambda *_: np.array([np.nan]))
    with pytest.raises(ParityError, match="differs from the trained network"):
        export(build_network(112, 32, {"gender": 2}), crops, out)
    assert [path.name for path in tmp_path.iterdir()] == ["network.tflite"]
    assert out.read_bytes() == b"served"


def test_a_served_network_is_rounded_to_integers_once(crops, four_blocks, tmp_path, monkeypatch):
    name = "traits-wide-lite0-160"
    recipe = dataclasses.replace(RECIPES[name], heads=("gender",), input_px=32, crop="face-v1")
    faces = Faces([], {recipe.crop: crops}, {}, np.zeros(16, bool))
    monkeypatch.setattr(release, "load_samples", lambda *_: Samples(crops, {}, {}, np.empty(0, np.str_)))
    served = tmp_path / name / "network.tflite"
    network = building.build(recipe)
    network.set_weights([weights + 0.1 * (weights.ndim == 1) for weights in network.get_weights()])
    export(network, crops, served)
    (served.parent / "record.json").write_text(json.dumps({"recipe": {}, "export": {"weights": "float16"}}))
    places = release._Places(tmp_path, tmp_path, tmp_path / "runs", tmp_path / "staging")
    places.detector.parent.mkdir()
    places.detector.write_bytes(b"detector")
    places.serving_detector.write_bytes(b"detector that serves")
    before = served.read_bytes()

    entry = release._export(recipe, name, {"utkface": faces}, places)

    assert entry.in_integers
    assert served.read_bytes() == before, "what is served stays until all is ready"
    release._install(release._uniform_manifest([entry], places), places)
    record = json.loads((served.parent / "record.json").read_text())
    assert record["export"]["weights"] == "int8"
    assert record["export"]["calibration_crops"] == 16
    assert differences(network, crops, served).max() < 0.05
    types = {tensor["name"]: tensor["dtype"] for tensor in Interpreter(str(served)).get_tensor_details()}
    assert {kind for text, kind in types.items() if "/scale_1/" in text} == {np.float32}, "the picture is not rounded"
    assert np.int8 in {kind for text, kind in types.items() if "/block3_expand" in text}
    before = served.read_bytes()
    assert release._export(recipe, name, {"utkface": faces}, places) == dataclasses.replace(entry, path=served)
    assert served.read_bytes() == before
