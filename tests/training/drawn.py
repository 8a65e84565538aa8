"""Drawn samples that a network learns in a few steps, and recipes that follow each other."""

import dataclasses

import numpy as np

from facetraits.training import build as building
from facetraits.training import train as training
from facetraits.training.data.samples import Samples
from facetraits.training.recipes import RECIPES


def drawn_samples(recipe, split, data, network):
    """Gender is the brightness of the crop: learnable in a few steps."""
    rng = np.random.default_rng(0 if split == "train" else 1)
    labels = rng.integers(0, 2, 128)
    crops = np.clip(rng.normal(60 + 130 * labels[:, None, None, None], 20, (128, 112, 112, 3)), 0, 255)
    return Samples(
        crops.astype(np.uint8),
        {"gender": np.eye(2, dtype=np.float32)[labels]},
        {"gender": np.ones(128, np.float32)},
        np.full(128, "utkface 1"),
    )


def one_after_another(short, monkeypatch, build, **changes):
    """A recipe, and one that starts where it ends and learns nothing."""
    first = dataclasses.replace(short, epochs=1)
    second = dataclasses.replace(first, name="second", start="short", learning_rate=0.0, **changes)
    monkeypatch.setitem(RECIPES, "short", first)
    for module in (training, building):
        monkeypatch.setattr(module, "build", build)
    monkeypatch.setattr(training, "REFERENCE_CNNS", {})
    monkeypatch.setattr(training, "compiled", _compiled_without_graph)
    return first, second


def _compiled_without_graph(model, recipe, steps_per_epoch):
    """To trace a graph takes ten times as long as the few steps of these runs; ``test_training.py`` trains with one."""
    building.compiled(model, recipe, steps_per_epoch).run_eagerly = True
