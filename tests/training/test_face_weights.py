"""The network that was trained on faces gives the same features here as its own graph does."""

from __future__ import annotations

import json
from pathlib import Path

import keras
import numpy as np
import pytest
from skimage.data import astronaut

from facetraits.settings import data_folder
from facetraits.training.data.datasets import DatasetError
from facetraits.training.networks.architectures import build_face_network
from facetraits.training.networks.face_weights import FILES, load_face_weights, read_face_weights

FOLDER = data_folder() / "faceres"
needs_network = pytest.mark.skipif(
    not all((FOLDER / name).exists() for name in FILES), reason=f"the face network is not in {FOLDER}"
)


def features_of_the_graph(folder: Path, pixels_bgr: np.ndarray) -> np.ndarray:
    """(1, 1024) what the nodes of the graph compute, one after the other, from (1, S, S, 3) values."""
    import tensorflow as tf

    graph = json.loads((folder / FILES[0]).read_text())["modelTopology"]["node"]
    values = {name: tf.constant(array) for name, array in read_face_weights(folder).items()}
    strided = {1: [1, 1, 1, 1], 2: [1, 2, 2, 1]}
    values["input_1"] = tf.constant(pixels_bgr, tf.float32)
    for node in graph:
        name, inputs = node["name"], [values.get(one) for one in node.get("input", [])]
        stride = int(node["attr"]["strides"]["list"]["i"][1]) if "strides" in node.get("attr", {}) else 1
        match node["op"]:
            case "Conv2D":
                values[name] = tf.nn.conv2d(inputs[0], inputs[1], strided[stride], "SAME")
            case "DepthwiseConv2dNative":
                values[name] = tf.nn.depthwise_conv2d(inputs[0], inputs[1], strided[stride], "SAME")
            case "Add":
                values[name] = inputs[0] + inputs[1]
            case "Mul":
                values[name] = inputs[0] * inputs[1]
            case "Relu":
                values[name] = tf.nn.relu(inputs[0])
            case "Minimum":
                values[name] = tf.minimum(inputs[0], inputs[1])
            case "Maximum":
                values[name] = tf.maximum(inputs[0], inputs[1])
            case "Mean":
                return np.asarray(tf.reduce_mean(inputs[0], axis=(1, 2)))
    raise AssertionError("the graph has no mean of its last maps")


@pytest.mark.data
@needs_network
@pytest.mark.parametrize("side", [224, 112])
def test_features_are_those_of_the_original(side):
    face = np.ascontiguousarray(astronaut()[0:224, 112:336])
    model = build_face_network(224, side, {"gender": 2}, dropout=0.0)
    load_face_weights(model, FOLDER, face[None])
    pixels = np.asarray(keras.Model(model.input, model.get_layer("scale").output)(face[None]))
    shown = np.asarray(keras.Model(model.input, model.get_layer("stem").input)(face[None]))
    means = np.array([103.939, 116.779, 123.68], np.float32)
    assert pixels[..., ::-1] * 128 == pytest.approx(face[None, ..., ::-1] - means, abs=1e-3)
    ours = np.asarray(keras.Model(model.input, model.get_layer("pool").output)(face[None]))
    theirs = features_of_the_graph(FOLDER, shown[..., ::-1] * 128)
    assert ours.shape == theirs.shape == (1, 1024)
    assert ours == pytest.approx(theirs, abs=1e-3)
    assert ours.max() > 1


def test_what_is_no_such_network_is_told(tmp_path):
    with pytest.raises(DatasetError, match="the face network cannot be read"):
        read_face_weights(tmp_path)
    (tmp_path / FILES[0]).write_text(
        json.dumps({"weightsManifest": [{"weights": [{"name": "a", "shape": [2], "dtype": "float32"}]}]})
    )
    (tmp_path / FILES[1]).write_bytes(b"\0" * 12)
    with pytest.raises(DatasetError, match="4 bytes are left over"):
        read_face_weights(tmp_path)
    (tmp_path / FILES[1]).write_bytes(b"\0" * 8)
    assert read_face_weights(tmp_path)["a"].tolist() == [0, 0]
