"""From a trained Keras network to a `.tflite` file, parity asserted."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path
from typing import Final

import keras
import numpy as np
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray

from facetraits.training.errors import TrainingError

# Largest difference of a probability between the Keras network and the served file. Weights rounded to float16 move
# single probabilities near 0.5 by up to 0.0064 (measured), typical ones by less than 0.001.
PARITY_TOLERANCE: Final = 1e-2


class ParityError(TrainingError):
    """The exported file does not answer what the trained network answers."""


def export(model: keras.Model, crops: NDArray[np.uint8], out: Path, float16: bool = True) -> float:
    """Write ``model`` as a LiteRT file and compare both on real crops.

    Args:
        model: from uint8 crops (N, S, S, 3) to a dict of probabilities.
        crops: (N, S, S, 3) real face crops for the comparison.
        out: the file to write.
        float16: round the weights, for half the size.

    Returns:
        The largest difference of any probability.

    Raises:
        ParityError: it exceeds ``PARITY_TOLERANCE``.
    """
    import tensorflow as tf

    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    if float16:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.target_spec.supported_types = [tf.float16]
    out.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.redirect_stdout(io.StringIO()):  # the converter lists every variable
        out.write_bytes(converter.convert())
    difference = parity(model, crops, out)
    if not difference <= PARITY_TOLERANCE:  # a difference that is not a number is none to accept
        out.unlink()
        raise ParityError(f"{out} differs from the trained network by {difference:.4f}, more than {PARITY_TOLERANCE}")
    return difference


def parity(model: keras.Model, crops: NDArray[np.uint8], file: Path) -> float:
    """Largest difference of any probability of any output between a Keras network and a LiteRT file."""
    runner = Interpreter(model_path=str(file)).get_signature_runner()
    served = runner(crops=crops)
    trained = {name: np.asarray(values) for name, values in model.predict(crops, verbose=0).items()}
    if set(served) != set(trained):
        raise ParityError(f"{file} answers {sorted(served)}, the trained network {sorted(trained)}")
    return max(float(np.abs(served[name] - trained[name]).max()) for name in trained)
