"""Drawn crops, and a recipe that is trained in seconds."""

import dataclasses

import numpy as np
import pytest

from facetraits.training import train as training
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
