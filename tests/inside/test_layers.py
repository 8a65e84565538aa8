from __future__ import annotations

import json

import numpy as np
import pytest

from facetraits.faces.alignment import CROPS
from facetraits.inside.layers import FIXED
from facetraits.inside.reading import read_network
from facetraits.registry import ModelIntegrityError, load_manifest
from tests.builders import FIRST_NETWORK, MODELS, OTHER_NETWORK

MANIFEST = load_manifest(MODELS)


@pytest.fixture(scope="module", params=sorted(MANIFEST.originals))
def member(request: pytest.FixtureRequest):
    entry = MANIFEST.members[request.param]
    return entry, read_network(entry.path), json.loads((entry.path.parent / "record.json").read_text())


def test_it_has_the_outputs_and_the_input_that_the_manifest_and_the_recipe_name(member) -> None:
    entry, network, record = member
    assert set(network.outputs) == set(entry.outputs)
    assert network.crop_px == CROPS[entry.crop].side_px
    assert network.by_name["stem"].shape[0] == record["recipe"]["input_px"] // 2


def test_every_layer_takes_layers_before_it(member) -> None:
    _, network, _ = member
    seen: set[str] = set()
    for layer in network.layers:
        assert set(layer.inputs) <= seen
        assert layer.name not in seen
        seen.add(layer.name)


def test_its_weights_are_those_of_training_with_batch_normalisation_folded_in(member) -> None:
    """Each normalised channel had four numbers; folded into the convolution, one is left, its bias.

    Where training went without, each filter of a convolution had a factor beside the bias.
    """
    _, network, record = member
    plain = sum(layer.shape[2] for layer in network.maps if layer.kind == "convolution")
    depthwise = sum(layer.shape[2] for layer in network.maps if layer.kind == "depthwise convolution")
    folded = 3 * (plain + depthwise) if record["recipe"].get("batch_norm", True) else plain
    grey = 9 if record["recipe"]["grey"] else 0  # fixed arithmetic, which older records count
    parameters = sum(layer.parameters for layer in network.layers)
    assert record["parameters"] - folded - parameters in (0, grey)


def test_shapes_and_work_follow_from_the_kernels(member) -> None:
    _, network, _ = member
    for layer in network.layers:
        if layer.name in FIXED:
            assert layer.multiply_adds == layer.parameters == 0
        elif layer.kind == "convolution":
            before = network.by_name[layer.inputs[0]]
            assert layer.weights["kernel"].shape == (*layer.kernel_hw, before.shape[2], layer.shape[2])
            assert layer.shape[0] == -(-before.shape[0] // layer.stride_hw[0])
            assert layer.multiply_adds == np.prod(layer.shape) * np.prod(layer.kernel_hw) * before.shape[2]
        if layer.kind == "depthwise convolution":
            assert layer.multiply_adds == np.prod(layer.shape) * np.prod(layer.kernel_hw)


def test_layers_are_called_what_the_recipe_calls_them(member) -> None:
    _, network, record = member
    names = {layer.name for layer in network.layers}
    inner, last = {"block2_add", "block15_project"}, "top"
    if record["recipe"]["network"] == "face":
        inner, last = {"block1_depthwise", "block11_pointwise"}, "block12_pointwise"
    assert {"stem", "block0_depthwise", *inner, last, "pool"} <= names
    assert network.first_filters.name == "stem"
    assert network.maps[-1].name == last


def test_receptive_fields_grow_up_to_the_crop(member) -> None:
    _, network, _ = member
    fields = [layer.receptive_px for layer in network.maps]
    assert fields == sorted(fields)
    assert fields[-1] == network.crop_px


def test_the_stems_receptive_field_is_three_of_the_networks_pixels() -> None:
    network = read_network(MANIFEST.members[FIRST_NETWORK].path)
    resized = 1 + 112 / 96 * 2 + 1  # three pixels, each a mixture of two that lie 112 / 96 apart
    assert resized == pytest.approx(4.33, abs=0.01)
    assert network.by_name["stem"].receptive_px == 5, "some of its positions touch a fifth pixel"


def test_with_a_stride_of_two_the_first_position_does_not_look_at_the_corner() -> None:
    """TensorFlow adds its one row of padding at the end: the first 3 x 3 window begins at the first pixel."""
    network = read_network(MANIFEST.members["expression-lite0-112-forehead"].path)
    stem = network.by_name["stem"]
    # The network takes the crop as it is; the middle of its first three pixels is 1.5 px from the corner.
    assert stem.middle_px(0, 0) == (1.5, 1.5)
    assert stem.middle_px(2, 1) == (3.5, 5.5)
    resized = read_network(MANIFEST.members[FIRST_NETWORK].path).by_name["resize"]
    assert resized.middle_px(0, 95) == pytest.approx((112 - 112 / 96 / 2, 112 / 96 / 2))


def test_a_network_in_integers_is_read_as_what_its_integers_stand_for() -> None:
    (copy,) = [entry for entry in MANIFEST.members.values() if entry.copy_of == OTHER_NETWORK]
    rounded, original = (read_network(MANIFEST.members[name].path) for name in (copy.name, copy.copy_of))
    assert rounded.outputs == original.outputs
    assert [(layer.name, layer.activation) for layer in rounded.layers] == [
        (layer.name, layer.activation) for layer in original.layers
    ]
    for mine, theirs in zip(rounded.layers, original.layers, strict=True):
        for part, weights in theirs.weights.items():
            # Half a step of 127 up to a filter's largest weight; biases are finer.
            assert np.abs(mine.weights[part] - weights).max() <= 0.55 / 127 * np.abs(weights).max()


@pytest.mark.parametrize("content", [b"", b"not a network", b"\x00" * 64])
def test_a_file_that_is_no_network_is_refused(tmp_path, content: bytes) -> None:
    path = tmp_path / "network.tflite"
    path.write_bytes(content)
    with pytest.raises(ModelIntegrityError, match=r"network\.tflite"):
        read_network(path)


def test_a_missing_file_is_named(tmp_path) -> None:
    with pytest.raises(ModelIntegrityError, match="cannot be read"):
        read_network(tmp_path / "none.tflite")
