"""Where in the crop an answer comes from: Grad-CAM and its kin, computed on a network rebuilt from the served file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from facetraits.inside.layers import NetworkLayers

if TYPE_CHECKING:
    import keras

HeatMethod = Literal["grad-cam", "grad-cam++", "layer-cam"]
HEAT_METHODS: Final[tuple[HeatMethod, ...]] = get_args(HeatMethod)


class Heat:
    """Heat-maps of one network.

    Args:
        network: its layers.
        model: the same, as ``rebuilt.keras_model`` makes it.
    """

    def __init__(self, network: NetworkLayers, model: keras.Model) -> None:
        self._network = network
        self._model = model

    def of_classes(
        self, crop: NDArray[np.uint8], output: str, indices: Sequence[int], layer: str, method: HeatMethod = "grad-cam"
    ) -> tuple[NDArray[np.float32], ...]:
        """Heat-maps of the evidence for some classes, from their logits.

        Args:
            crop: (S, S, 3) RGB.
            output: name of the network's output.
            indices: of the classes.
            layer: name of a layer with feature maps.
            method: "grad-cam" (Selvaraju et al. 2017) weighs whole maps by their mean gradient; "grad-cam++"
                (Chattopadhay et al. 2018) lets places with a positive gradient count more, for several spots;
                "layer-cam" (Jiang et al. 2021) weighs every place by its own gradient: shallow layers stay sharp.

        Returns:
            For each class (H, W) of the layer, >= 0; all 0 if there is no evidence for it. Grad-CAM and LayerCAM are in
            units of the logit, Grad-CAM++ is not.
        """

        def logits(outputs: Any) -> list[Any]:
            values = outputs[self._logits(output)][0]
            return [values[index] for index in indices]

        maps, gradients = self._gradients(crop, layer, logits)
        return tuple(_weighted(maps, gradient, method) for gradient in gradients)

    def of_years(
        self, crop: NDArray[np.uint8], layer: str, method: HeatMethod = "grad-cam"
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Evidence for a higher and for a lower mean of the age distribution: two (H, W) heat-maps, as of
        ``of_classes``, in years instead of the logit."""
        import tensorflow as tf

        def years(outputs: Any) -> list[Any]:
            probabilities = outputs[self._network.outputs["age"]][0]
            return [tf.reduce_sum(probabilities * tf.range(probabilities.shape[0], dtype=probabilities.dtype))]

        maps, (gradients,) = self._gradients(crop, layer, years)
        return _weighted(maps, gradients, method), _weighted(maps, -gradients, method)

    def _logits(self, output: str) -> str:
        last = self._network.by_name[self._network.outputs[output]]
        return last.inputs[0] if last.kind == "softmax" else last.name

    def _gradients(
        self, crop: NDArray[np.uint8], layer: str, scores: Callable[[Any], list[Any]]
    ) -> tuple[NDArray[np.float32], list[NDArray[np.float32]]]:
        """(H, W, C) maps of the layer and each score's gradient with respect to them."""
        import tensorflow as tf

        with tf.GradientTape(persistent=True) as tape:
            pixels = tf.constant(crop[None], dtype=tf.float32)
            tape.watch(pixels)  # weights are no variables here that anybody wants to change
            outputs = self._model(pixels, training=False)
            values = scores(outputs)
        gradients = [tape.gradient(value, outputs[layer])[0].numpy() for value in values]
        return outputs[layer][0].numpy(), gradients


def _weighted(maps: NDArray[np.float32], gradients: NDArray[np.float32], method: HeatMethod) -> NDArray[np.float32]:
    positive = np.maximum(gradients, 0)
    if method == "grad-cam":
        heat = maps @ gradients.mean(axis=(0, 1))
    elif method == "layer-cam":
        heat = (maps * positive).sum(axis=2)
    else:
        # The paper's g^2 / (2 g^2 + sum(A) g^3), shortened. It takes maps without negative values for granted; in
        # linear layers their sum may be negative, and the fraction without bounds.
        shares = 1 / (2 + np.maximum(maps, 0).sum(axis=(0, 1)) * positive)
        heat = maps @ (shares * positive).sum(axis=(0, 1))
    return np.asarray(np.maximum(heat, 0), dtype=np.float32)
