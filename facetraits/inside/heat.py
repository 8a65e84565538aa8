"""Where in the crop an answer comes from: Grad-CAM and its kin, computed on a network rebuilt from the served file."""

from __future__ import annotations

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

    def of_class(
        self, crop: NDArray[np.uint8], output: str, index: int, layer: str, method: HeatMethod = "grad-cam"
    ) -> NDArray[np.float32]:
        """What speaks for one class, by its logit.

        Args:
            crop: (S, S, 3) RGB.
            output: name of the network's output.
            index: of the class.
            layer: name of a layer with feature maps.
            method: "grad-cam" (Selvaraju et al. 2017) weighs whole maps by their mean gradient; "grad-cam++"
                (Chattopadhay et al. 2018) lets places with a positive gradient count more, for several spots;
                "layer-cam" (Jiang et al. 2021) weighs every place by its own gradient: shallow layers stay sharp.

        Returns:
            (H, W) of the layer, >= 0, in units of the logit; all 0 where nothing speaks for the class.
        """
        maps, gradients = self._gradients(crop, layer, lambda outputs: outputs[self._logits(output)][0, index])
        return _weighted(maps, gradients, method)

    def of_years(
        self, crop: NDArray[np.uint8], layer: str, method: HeatMethod = "grad-cam"
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """What makes the expected age higher, and what makes it lower: two (H, W) heat-maps, as of ``of_class``."""
        import tensorflow as tf

        def years(outputs: Any) -> Any:
            probabilities = outputs[self._network.outputs["age"]][0]
            return tf.reduce_sum(probabilities * tf.range(probabilities.shape[0], dtype=probabilities.dtype))

        maps, gradients = self._gradients(crop, layer, years)
        return _weighted(maps, gradients, method), _weighted(maps, -gradients, method)

    def _logits(self, output: str) -> str:
        last = self._network.by_name[self._network.outputs[output]]
        return last.inputs[0] if last.kind == "softmax" else last.name

    def _gradients(
        self, crop: NDArray[np.uint8], layer: str, score: Any
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """(H, W, C) maps of the layer and the score's gradient with respect to them."""
        import tensorflow as tf

        with tf.GradientTape() as tape:
            pixels = tf.constant(crop[None], dtype=tf.float32)
            tape.watch(pixels)  # weights are no variables here that anybody wants to change
            outputs = self._model(pixels, training=False)
            value = score(outputs)
        gradients = tape.gradient(value, outputs[layer])
        return outputs[layer][0].numpy(), gradients[0].numpy()


def _weighted(maps: NDArray[np.float32], gradients: NDArray[np.float32], method: HeatMethod) -> NDArray[np.float32]:
    positive = np.maximum(gradients, 0)
    if method == "grad-cam":
        heat = maps @ gradients.mean(axis=(0, 1))
    elif method == "layer-cam":
        heat = (maps * positive).sum(axis=2)
    else:
        squares = gradients**2
        spread = 2 * squares + maps.sum(axis=(0, 1)) * squares * gradients
        shares = np.divide(squares, spread, out=np.zeros_like(squares), where=np.abs(spread) > 1e-12)
        heat = maps @ (shares * positive).sum(axis=(0, 1))
    return np.asarray(np.maximum(heat, 0), dtype=np.float32)
