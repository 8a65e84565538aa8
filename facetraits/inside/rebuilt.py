"""A served network as a Keras model, so that gradients can be had: built from the served file, weights and all.

Runs in a process of its own (``worker.py``): Keras must never be imported where Streamlit runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from facetraits.inside.layers import Layer, NetworkLayers

if TYPE_CHECKING:
    import keras


def keras_model(network: NetworkLayers) -> keras.Model:
    """A model from (N, S, S, 3) values in [0, 255] to a dict with the output of every layer, by its name.

    Raises:
        ImportError: TensorFlow is not installed.
    """
    import keras

    first, *others = network.layers
    tensors: dict[str, Any] = {first.name: keras.Input(first.shape, dtype="float32", name=first.name)}
    for layer in others:
        inputs = [tensors[name] for name in layer.inputs]
        x = _made(layer, network.by_name)(inputs if layer.kind in ("addition", "joining") else inputs[0])
        tensors[layer.name] = _activated(layer, x)
    return keras.Model(tensors[first.name], {name: x for name, x in tensors.items() if name != first.name})


def _made(layer: Layer, by_name: Mapping[str, Layer]) -> Any:
    from keras import layers

    weights = layer.weights
    options: dict[str, Any] = {"strides": layer.stride_hw, "padding": layer.padding}
    made: Any
    match layer.kind:
        case "scale":
            return layers.Rescaling(weights["factor"], offset=weights["offset"])
        case "resize":
            return layers.Resizing(*layer.shape[:2], interpolation="bilinear")
        case "average pooling":
            return layers.AveragePooling2D(layer.kernel_hw, **options)
        case "maximum pooling":
            return layers.MaxPooling2D(layer.kernel_hw, **options)
        case "addition":
            return layers.Add()
        case "joining":
            return layers.Concatenate()
        case "global average":
            return layers.GlobalAveragePooling2D()
        case "reshape":
            return layers.Reshape(layer.shape)
        case "softmax":
            return layers.Softmax()
        case "activation":
            return layers.Activation("linear")
        case "dense":
            made = layers.Dense(layer.shape[0], use_bias="bias" in weights)
        case "convolution":
            made = layers.Conv2D(layer.shape[2], layer.kernel_hw, use_bias="bias" in weights, **options)
        case "depthwise convolution":
            made = layers.DepthwiseConv2D(layer.kernel_hw, use_bias="bias" in weights, **options)
        case _:
            raise ValueError(f"a network has one input only, got {layer.name}")
    (before,) = layer.inputs
    made.build((None, *by_name[before].shape))
    made.set_weights([weights[name] for name in ("kernel", "bias") if name in weights])
    return made


def _activated(layer: Layer, x: Any) -> Any:
    from keras import layers

    if not layer.activation:
        return x
    return layers.ReLU(6)(x) if layer.activation == "relu6" else layers.Activation(layer.activation)(x)
