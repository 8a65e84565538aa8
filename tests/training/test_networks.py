"""Layers of our own do what Keras's do."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

FUSED = """
import keras
import numpy as np
import torch

from facetraits.training.networks.architectures import FusedBatchNormalization

def learned(kind, axis, inputs):
    layer = kind(axis=axis, momentum=0.9, epsilon=1e-3)
    layer.build(inputs.shape)
    layer.set_weights([np.linspace(0.5, 2, 6), np.linspace(-1, 1, 6), np.linspace(0, 3, 6), np.linspace(1, 9, 6)])
    x = torch.tensor(inputs, requires_grad=True)
    trained = layer(x, training=True)
    (trained ** 3).sum().backward()
    gradients = [x.grad, layer.gamma.value.grad, layer.beta.value.grad]
    values = [trained.detach(), layer(x.detach()), *gradients]
    return [*map(keras.ops.convert_to_numpy, values), *layer.get_weights()]

for shape, axis in (((64, 6, 5, 4), 1), ((64, 5, 4, 6), -1)):
    inputs = np.random.default_rng(0).normal(2, 3, shape).astype(np.float32)
    kinds = (keras.layers.BatchNormalization, FusedBatchNormalization)
    for plain, fused in zip(*(learned(kind, axis, inputs) for kind in kinds), strict=True):
        assert plain.shape == fused.shape
        # The running variance of the one is that of the sample, of the other that of the population.
        np.testing.assert_allclose(
            fused, plain, rtol=5e-3, atol=5e-3 * np.abs(plain).max(), err_msg=f"channels on axis {axis}"
        )
"""


def test_fused_batch_normalisation_learns_what_the_plain_one_learns():
    pytest.importorskip("torch", reason="PyTorch is only installed for training")
    environment = {**os.environ, "KERAS_BACKEND": "torch"}  # Keras takes its backend when it is imported
    command = [sys.executable, "-c", FUSED]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
