"""Make `models/centerface/network_int8.onnx`, which serves, from `network.onnx` (needs the package `onnx`).

`python -m facetraits.training.quantize_detector DATA`, with the folder of the training data. Weights and activations
become whole numbers of 8 bits, with ranges that are read off training faces in photographs of scikit-image. How exact
it is: `docs/log/detection.md`.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
import skimage.data
from numpy.typing import NDArray

from facetraits.registry import DEFAULT_MODELS_DIR
from facetraits.training.data.samples import load_raf_db, load_utkface

_FLOAT: Final = DEFAULT_MODELS_DIR / "centerface" / "network.onnx"
_INT8: Final = DEFAULT_MODELS_DIR / "centerface" / "network_int8.onnx"
# Where maps of four sizes are added up, and all that follows: in floating point the landmarks are twice as exact, and
# faces of 13 px keep their scores.
_IN_FLOAT: Final = tuple(str(output) for output in range(510, 541))
_OPSET: Final = 17  # the first with a scale for each channel is 13
_PICTURES: Final = 120
_SIZE_WH: Final = (640, 448)
_FACES_IN_PICTURE: Final = 6
_FACE_PX: Final = (24, 400)
_SCENES: Final = ("chelsea", "coffee", "rocket", "brick", "grass", "gravel")


def calibration_pictures(data: Path) -> Iterator[NDArray[np.uint8]]:
    """(448, 640, 3) RGB photographs, onto which training faces of 24 to 400 px are pasted.

    Args:
        data: folder of the training data.

    Raises:
        DatasetError: UTKFace or RAF-DB is not there.
    """
    rng = np.random.default_rng(0)
    faces = []
    for dataset in (load_utkface(data, _FLOAT), load_raf_db(data, _FLOAT)):
        train = np.flatnonzero(dataset.splits == "train")
        faces += [dataset.pictures[i] for i in rng.choice(train, _PICTURES, replace=False)]
    for i in range(_PICTURES):
        scene = cv2.resize(_rgb(_SCENES[i % len(_SCENES)]), _SIZE_WH, interpolation=cv2.INTER_AREA)
        for _ in range(_FACES_IN_PICTURE):
            side = int(np.exp(rng.uniform(*np.log(_FACE_PX))))
            left, top = (int(rng.integers(0, length - side + 1)) for length in _SIZE_WH)
            face = cv2.resize(faces[rng.integers(len(faces))], (side, side), interpolation=cv2.INTER_AREA)
            scene[top : top + side, left : left + side] = face
        yield scene.astype(np.uint8)


def _rgb(name: str) -> NDArray[np.uint8]:
    image: NDArray[np.uint8] = getattr(skimage.data, name)()
    return image if image.ndim == 3 else np.repeat(image[..., None], 3, axis=2)


def quantize(network: Path, pictures: Iterator[NDArray[np.uint8]], out: Path) -> None:
    """Write the network with whole numbers of 8 bits; its input is then uint8, (N, H, W, 3) RGB.

    Args:
        network: the detector with floating-point numbers.
        pictures: (H, W, 3) RGB, of one size, that show what the detector will see.
        out: where to write it.
    """
    import onnx
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Pictures(CalibrationDataReader):
        def get_next(self) -> dict[str, NDArray[np.float32]] | None:
            picture = next(pictures, None)
            return None if picture is None else {"input.1": picture.transpose(2, 0, 1)[None].astype(np.float32)}

    with tempfile.TemporaryDirectory() as folder:
        folded, whole = Path(folder) / "folded.onnx", Path(folder) / "whole.onnx"
        quant_pre_process(network, folded, skip_symbolic_shape=True)
        model = onnx.version_converter.convert_version(onnx.load(folded), _OPSET)
        for node in model.graph.node:
            node.name = node.output[0]
        onnx.save(model, folded)
        # Weights of 7 bits: processors without VNNI add two products in 16 bits, which 8 bits would overflow.
        quantize_static(
            folded,
            whole,
            Pictures(),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            reduce_range=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            nodes_to_exclude=list(_IN_FLOAT),
        )
        model = onnx.load(whole)
    take_bytes(model)
    onnx.checker.check_model(model)
    onnx.save(model, out)


def take_bytes(model: Any) -> None:
    """Let the quantized network take the bytes of a picture as they lie in memory, instead of floats by channel."""
    import onnx

    graph = model.graph
    (first,) = (node for node in graph.node if node.op_type == "QuantizeLinear" and node.input[0] == "input.1")
    weights = {initializer.name: initializer for initializer in graph.initializer}
    scale, zero = (onnx.numpy_helper.to_array(weights[name]) for name in first.input[1:])
    if not np.isclose(scale, 1, atol=0.01) or zero != 0:
        raise ValueError(f"the calibration pictures must hold the values 0 and 255, got scale {scale}, zero {zero}")
    weights[first.input[1]].CopyFrom(onnx.numpy_helper.from_array(np.float32(1), first.input[1]))
    transposed = onnx.helper.make_node("Transpose", ["picture"], [first.output[0]], perm=[0, 3, 1, 2])
    graph.node.remove(first)
    graph.node.insert(0, transposed)
    del graph.input[:]
    graph.input.append(onnx.helper.make_tensor_value_info("picture", onnx.TensorProto.UINT8, ["N", "H", "W", 3]))


if __name__ == "__main__":
    quantize(_FLOAT, calibration_pictures(Path(sys.argv[1])), _INT8)
