"""The layers of a served network, read from the very file that is served: no training framework is needed.

``reading.read_network`` gives shapes, weights and connections; parameters, multiply-adds and receptive fields follow
from them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

LayerKind = Literal[
    "input",
    "scale",
    "resize",
    "average pooling",
    "convolution",
    "depthwise convolution",
    "addition",
    "global average",
    "dense",
    "softmax",
    "reshape",
    "joining",
    "maximum pooling",
    "activation",
]
Activation = Literal["", "relu", "relu6", "sigmoid", "tanh"]
INPUT: Final = "crops"
# Preparation with fixed numbers: pixels to about [-1, 1], colours to grey; and the other one of two probabilities.
FIXED: Final = ("scale", "grey", "other")


@dataclass(frozen=True, slots=True, eq=False)
class Layer:
    """One step of a network. Batch normalisation and activations are part of the layer before them, as in the file.

    Attributes:
        name: unique in its network.
        kind: what it does.
        inputs: names of the layers that it takes, in order.
        shape: of its output without the batch: (H, W, C) or (C,).
        activation: what is applied to its result; "" for nothing.
        kernel_hw, stride_hw: of convolutions and poolings; (1, 1) for all others.
        padding: "same" or "valid"; of convolutions and poolings.
        weights: by what they are: "kernel" of a convolution (h, w, in, out), of a depthwise one (h, w, channels,
            multiplier), of a dense layer (in, out); "bias" (out,); "factor" and "offset" of a scale.
        multiply_adds: for one crop.
        receptive_px: side of the square of the crop that one output position depends on, at the most; at most the
            crop's side.
        first_px: middle of that square for the output position (0, 0), in px of the crop, where 0.5 is the middle of
            the first px.
        step_px: from there to the middle of its neighbour's.
    """

    name: str
    kind: LayerKind
    inputs: tuple[str, ...]
    shape: tuple[int, ...]
    activation: Activation = ""
    kernel_hw: tuple[int, int] = (1, 1)
    stride_hw: tuple[int, int] = (1, 1)
    padding: Literal["same", "valid"] = "same"
    weights: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)
    multiply_adds: int = 0
    receptive_px: int = 1
    first_px: float = 0.5
    step_px: float = 1.0

    @property
    def parameters(self) -> int:
        """Number of weights that were learned."""
        return 0 if self.name in FIXED else sum(array.size for array in self.weights.values())

    @property
    def is_map(self) -> bool:
        """Whether the output is a stack of feature maps."""
        return len(self.shape) == 3

    def middle_px(self, row: int, column: int) -> tuple[float, float]:
        """(x, y) of the middle of what an output position depends on, in px of the crop; may lie at its edge."""
        return self.first_px + column * self.step_px, self.first_px + row * self.step_px


@dataclass(frozen=True, eq=False)
class NetworkLayers:
    """A whole network.

    Attributes:
        layers: in the order in which they are computed; the first is the input.
        outputs: output name to the layer that gives it.
    """

    layers: tuple[Layer, ...]
    outputs: Mapping[str, str]

    @cached_property
    def by_name(self) -> Mapping[str, Layer]:
        """Every layer by its name."""
        return {layer.name: layer for layer in self.layers}

    @property
    def crop_px(self) -> int:
        """Side of the crop that the network takes, in px."""
        return self.layers[0].shape[0]

    @property
    def maps(self) -> tuple[Layer, ...]:
        """Layers whose output is feature maps that a network has learned: convolutions and additions."""
        kinds = ("convolution", "depthwise convolution", "addition")
        return tuple(layer for layer in self.layers if layer.is_map and layer.kind in kinds and layer.name not in FIXED)

    @property
    def first_filters(self) -> Layer:
        """The first layer with learned filters that look at colours and edges."""
        return next(layer for layer in self.maps if layer.kind == "convolution" and max(layer.kernel_hw) > 1)
