"""Go on training a network of which only the served file is left: its weights in a Keras model that learns."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import keras
import numpy as np
from numpy.typing import NDArray

from facetraits.errors import TrainingError
from facetraits.inside.reading import read_network
from facetraits.training.networks.architectures import ScaledConv2D, scaled_kernel

_CALIBRATION_CROPS: Final = 256
_BATCH: Final = 64


def served_file(name: str, models_dir: Path) -> Path:
    """Where a network is, or would be, served from."""
    return models_dir / name / "network.tflite"


def load_served_weights(model: keras.Model, file: Path, crops: NDArray[np.uint8]) -> None:
    """Copy a served network's weights into a ``build_network`` model, layer by layer, by name.

    The file holds batch normalisation folded into the convolution before it. In a model that has it, it is unfolded
    again: the running mean and variance are measured on ``crops``, and scale and shift are set so that the answers stay
    the same.

    Args:
        model: has every convolution of the file; heads that only one of both has are left as they are.
        file: what it holds in integers is rounded.
        crops: (N, S, S, 3) crops of the training split; the first ``_CALIBRATION_CROPS`` are used.

    Raises:
        TrainingError: the file is not there, a convolution of it is not in the model, or a layer has another shape.
    """
    if not file.exists():
        raise TrainingError(
            f"the network {file.parent.name} is needed and is not served yet: train and release it first"
        )
    names = {layer.name for layer in model.layers}
    convolutions = {}
    for layer in read_network(file).layers:
        kernel = layer.weights.get("kernel")
        if kernel is None:
            continue
        bias = layer.weights.get("bias", np.zeros(layer.shape[-1], kernel.dtype))  # the converter drops zeros
        if layer.kind == "dense" and layer.name in names:
            _set(model, layer.name, [kernel, bias], file)
        elif layer.kind in ("convolution", "depthwise convolution") and layer.name != "grey":
            if layer.name not in names:
                raise TrainingError(f"{file} has the layer {layer.name}, which the network to train has not")
            convolutions[layer.name] = kernel, bias
    set_convolutions(model, convolutions, crops, file)


def set_convolutions(
    model: keras.Model,
    convolutions: Mapping[str, tuple[NDArray[np.float32], NDArray[np.float32]]],
    crops: NDArray[np.uint8],
    file: Path | str = "the file",
) -> None:
    """Give layers kernels and biases that have batch normalisation folded in; unfold it where the model has it.

    Args:
        convolutions: name of a layer to its kernel and (out,) bias.
        crops, file: as of ``load_served_weights``.

    Raises:
        TrainingError: a layer has another shape.
    """
    names = {layer.name for layer in model.layers}
    folded = []
    for name, (kernel, bias) in convolutions.items():
        if f"{name}_bn" not in names:
            _set(model, name, _scaled(model.get_layer(name), kernel, bias), file)
            continue
        _set(model, name, [kernel], file)
        norm = model.get_layer(f"{name}_bn")
        ones, zeros = np.ones_like(bias), np.zeros_like(bias)
        norm.set_weights([ones, bias, zeros, ones - norm.epsilon])
        folded.append(name)
    if folded:
        _set_statistics(model, folded, crops[:_CALIBRATION_CROPS])


def _scaled(layer: keras.Layer, kernel: NDArray[np.float32], bias: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    return scaled_kernel(kernel, bias) if isinstance(layer, ScaledConv2D) else [kernel, bias]


def _set(model: keras.Model, name: str, weights: list[NDArray[np.float32]], file: Path | str) -> None:
    try:
        model.get_layer(name).set_weights(weights)
    except ValueError as error:
        raise TrainingError(f"{file}: the layer {name} has another shape ({error})") from error


def _set_statistics(model: keras.Model, convolutions: list[str], crops: NDArray[np.uint8]) -> None:
    """Give every batch normalisation the mean and variance of what comes in, and undo both in its scale and shift."""
    seen = keras.Model(model.input, {name: model.get_layer(name).output for name in convolutions})
    batches = [seen.predict(crops[i : i + _BATCH], verbose=0) for i in range(0, len(crops), _BATCH)]
    for name in convolutions:
        axis = model.get_layer(f"{name}_bn").axis  # of the channels: first or last
        values = np.concatenate(
            [np.moveaxis(batch[name], axis, -1).reshape(-1, batch[name].shape[axis]) for batch in batches]
        )
        mean, variance = values.mean(axis=0, dtype=np.float64), values.var(axis=0, dtype=np.float64)
        norm = model.get_layer(f"{name}_bn")
        _, shift, _, _ = norm.get_weights()
        norm.set_weights([np.sqrt(variance + norm.epsilon), shift + mean, mean, variance])
