"""Distillation: finished networks that answer the very pictures another one is trained on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import keras
import numpy as np
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray

from facetraits.training.errors import TrainingError
from facetraits.training.export import export
from facetraits.training.recipes import RECIPES, Recipe


def finished_network(recipe: Recipe, runs: Path) -> keras.Model:
    """The trained network of a recipe, with the weights that count.

    Raises:
        TrainingError: there is no finished run of it.
    """
    run = runs / recipe.name
    if not (run / "record.json").exists():
        raise TrainingError(f"the network {recipe.name} is needed and has not been trained yet: train it first")
    model: keras.Model = keras.models.load_model(run / recipe.weights_file, compile=False)
    return model


class Teachers:
    """Networks on LiteRT, which answers faster than Keras and does not get in the way of a training in progress.

    Args:
        names: recipes with finished runs below ``runs``, all with the crop that is trained on.
        crops: (N, S, S, 3) real face crops, to check each network by.

    Raises:
        TrainingError: there is no finished run of one.
        ParityError: a network does not answer in LiteRT as it does in Keras.
    """

    def __init__(self, names: Sequence[str], runs: Path, crops: NDArray[np.uint8]) -> None:
        self._runners = []
        for name in names:
            with TemporaryDirectory() as folder:
                file = Path(folder) / "network.tflite"
                export(finished_network(RECIPES[name], runs), crops, file, "float32")
                self._runners.append(Interpreter(model_content=file.read_bytes()).get_signature_runner())

    def answers(self, crops: NDArray[np.uint8]) -> Mapping[str, NDArray[np.float32]]:
        """Output name to the (N, C) mean of what they say about (N, S, S, 3) crops."""
        answers = [runner(crops=crops) for runner in self._runners]
        return {head: np.mean([answer[head] for answer in answers], axis=0) for head in answers[0]}
