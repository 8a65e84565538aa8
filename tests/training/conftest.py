"""Drawn crops, and a recipe that is trained in seconds."""

import dataclasses

import numpy as np
import pytest

from facetraits.training import train as training
from facetraits.training.networks import architectures
from facetraits.training.reference_recipes import REFERENCES
from tests.training.drawn import drawn_samples


@pytest.fixture
def crops():
    return np.random.default_rng(3).integers(0, 256, (16, 112, 112, 3), dtype=np.uint8)


@pytest.fixture
def short(monkeypatch):
    monkeypatch.setattr(training, "load_samples", drawn_samples)
    monkeypatch.setattr(training, "data_version", lambda data, datasets: {"drawn": "0"})
    recipe = REFERENCES["gender-upload-predictor"]
    return dataclasses.replace(recipe, name="short", network="basic-cnn", epochs=2, batch_size=32)


@pytest.fixture
def four_blocks(monkeypatch):
    """EfficientNet-Lite0 of 4 blocks in place of 16, with every kind of layer: traced and converted much sooner."""
    blocks = ((1, 3, 1, 16, 1), (6, 3, 2, 24, 2), (6, 5, 2, 40, 1))
    monkeypatch.setattr(architectures, "_LITE0_BLOCKS", blocks)
    monkeypatch.setattr(architectures, "_LITE0_LAYERS", 4)
