"""Export a trained Keras network to a `.tflite` file and check that both give the same answers."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, Literal

import keras
import numpy as np
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray

from facetraits.errors import TrainingError
from facetraits.inside.layers import FIXED

Precision = Literal["float32", "float16", "int8"]
# Mean over faces of the largest difference of a probability between the Keras network and the served file: well above
# what was seen (int8: 0.03 for a network with one head, 0.06 for one with six, of which each may move). Single faces
# whose probabilities are near 0.5 move up to ten times as much.
TOLERANCE: Final[Mapping[Precision, float]] = {"float32": 1e-4, "float16": 5e-3, "int8": 0.08}


class ParityError(TrainingError):
    """The exported file does not answer what the trained network answers."""


def export(
    model: keras.Model,
    crops: NDArray[np.uint8],
    out: Path,
    precision: Precision = "float16",
    calibration: NDArray[np.uint8] | None = None,
) -> float:
    """Write ``model`` as a LiteRT file and compare both on real crops.

    Args:
        model: from uint8 crops (N, S, S, 3) to a dict of probabilities.
        crops: (N, S, S, 3) real face crops for the comparison.
        out: the file to write.
        precision: "float16" rounds the weights, for half the size; "int8" rounds weights and all values in between, for
            a quarter of the size and two to three times the speed (Jacob et al. 2018).
        calibration: of "int8", (M, S, S, 3) crops of the training split, whose values set the ranges to round in.

    Returns:
        The largest difference of any probability.

    Raises:
        ParityError: the crops' differences exceed ``TOLERANCE`` in the mean.
    """
    import tensorflow as tf

    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    if precision != "float32":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if precision == "float16":
        converter.target_spec.supported_types = [tf.float16]
    out.parent.mkdir(parents=True, exist_ok=True)
    new = out.with_name(f"{out.name}.new")  # the served file is replaced only after the check
    with contextlib.redirect_stdout(io.StringIO()):  # the converter lists every variable
        new.write_bytes(converter.convert() if precision != "int8" else _in_integers(model, converter, calibration))
    found = differences(model, crops, new)
    if not found.mean() <= TOLERANCE[precision]:  # reject NaN
        new.unlink()
        raise ParityError(
            f"{out} differs from the trained network by {found.mean():.4f}, more than {TOLERANCE[precision]}"
        )
    new.replace(out)
    return float(found.max())


def _in_integers(model: keras.Model, converter: Any, calibration: NDArray[np.uint8] | None) -> bytes:
    """All of the network but its ends.

    Quantised to 256 steps, a softmax would lose small probabilities, and each preprocessing step would round the
    picture again.
    """
    import tensorflow as tf

    assert calibration is not None
    floating = Interpreter(model_content=tf.lite.TFLiteConverter.from_keras_model(model).convert())
    names = [tensor["name"] for tensor in floating.get_tensor_details()]
    preparation = [name for name in names if any(f"/{layer}_" in name for layer in FIXED)]

    def crops() -> Iterator[list[NDArray[np.uint8]]]:
        return ([crop[None]] for crop in calibration)

    converter.representative_dataset = crops
    debugger = tf.lite.experimental.QuantizationDebugger(
        converter=converter,
        debug_dataset=crops,
        debug_options=tf.lite.experimental.QuantizationDebugOptions(
            denylisted_ops=["SOFTMAX", "RESIZE_BILINEAR"], denylisted_nodes=preparation
        ),
    )
    return bytes(debugger.get_nondebug_quantized_model())


def differences(model: keras.Model, crops: NDArray[np.uint8], file: Path) -> NDArray[np.float64]:
    """(N,) for each crop the largest difference of any probability between a Keras network and a LiteRT file."""
    runner = Interpreter(model_path=str(file)).get_signature_runner()
    served = runner(crops=crops)
    trained = {name: np.asarray(values) for name, values in model.predict(crops, verbose=0).items()}
    if set(served) != set(trained):
        raise ParityError(f"{file} answers {sorted(served)}, the trained network {sorted(trained)}")
    by_output = [np.abs(served[name] - trained[name]).max(axis=1) for name in trained]
    largest: NDArray[np.float64] = np.max(by_output, axis=0).astype(np.float64)
    return largest
