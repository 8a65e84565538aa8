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

rng = np.random.default_rng(0)
inputs = rng.normal(2, 3, {shape}).astype(np.float32)
seen = []
for kind in (keras.layers.BatchNormalization, FusedBatchNormalization):
    layer = kind(axis={axis}, momentum=0.9, epsilon=1e-3)
    layer.build(inputs.shape)
    layer.set_weights([np.linspace(0.5, 2, 6), np.linspace(-1, 1, 6), np.linspace(0, 3, 6), np.linspace(1, 9, 6)])
    x = torch.tensor(inputs, requires_grad=True)
    trained = layer(x, training=True)
    (trained ** 3).sum().backward()
    gradients = [x.grad, layer.gamma.value.grad, layer.beta.value.grad]
    values = [trained.detach(), layer(x.detach()), *gradients]
    seen.append([*map(keras.ops.convert_to_numpy, values), *layer.get_weights()])
for plain, fused in zip(*seen, strict=True):
    assert plain.shape == fused.shape
    # The running variance of the one is that of the sample, of the other that of the population.
    np.testing.assert_allclose(fused, plain, rtol=5e-3, atol=5e-3 * np.abs(plain).max())
"""


@pytest.mark.parametrize(("shape", "axis"), [((64, 6, 5, 4), 1), ((64, 5, 4, 6), -1)])
def test_fused_batch_normalisation_learns_what_the_plain_one_learns(shape, axis):
    pytest.importorskip("torch", reason="PyTorch is only installed for training")
    environment = {**os.environ, "KERAS_BACKEND": "torch"}
    code = FUSED.format(shape=shape, axis=axis)
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
