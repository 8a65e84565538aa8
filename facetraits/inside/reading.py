"""Reads the layers of a served network out of its file: no training framework is needed."""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

from facetraits.inside.layers import FIXED, INPUT, Activation, Layer, LayerKind, NetworkLayers
from facetraits.registry import ModelIntegrityError, checked_bytes


def read_network(path: Path, sha256: str | None = None) -> NetworkLayers:
    """The layers of a ``.tflite`` file.

    Args:
        path: of the file.
        sha256: its checksum, where it has to be a certain one.

    Raises:
        ModelIntegrityError: the file cannot be read, was changed, or holds an operation that this version does not
            know.
    """
    try:
        model = schema.ModelT.InitFromObj(
            schema.Model.GetRootAs(path.read_bytes() if sha256 is None else checked_bytes(path, sha256), 0)
        )
        return _Reader(model).read()
    except OSError as error:
        raise ModelIntegrityError(f"The network {path} cannot be read ({error.strerror}).") from error
    except (KeyError, ValueError, TypeError, IndexError, AttributeError, struct.error) as error:
        raise ModelIntegrityError(f"The layers of {path} cannot be read ({error!r}).") from error


_ROUNDING: Final = 1e-6  # of sums of steps that are no whole px
_OPERATIONS: Final = {code: name for name, code in vars(schema.BuiltinOperator).items() if not name.startswith("_")}
_ACTIVATIONS: Final[Mapping[int, Activation]] = {
    schema.ActivationFunctionType.NONE: "",
    schema.ActivationFunctionType.RELU: "relu",
    schema.ActivationFunctionType.RELU6: "relu6",
}
_DTYPES: Final = {
    schema.TensorType.FLOAT32: np.float32,
    schema.TensorType.FLOAT16: np.float16,
    schema.TensorType.INT32: np.int32,
    schema.TensorType.INT8: np.int8,
}


class _Reader:
    """Turns the operations of one file into layers, one after the other."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self._graph = model.subgraphs[0]
        self._constants: dict[int, NDArray[Any]] = {}
        self._layer_of: dict[int, str] = {}  # tensor to the layer that gives it
        self._layers: dict[str, Layer] = {}
        self._receptive: dict[str, float] = {}  # in px, not rounded

    def read(self) -> NetworkLayers:
        (start,) = self._graph.inputs
        shape = self._shape(start)
        self._layers[INPUT] = Layer(INPUT, "input", (), shape)
        self._receptive[INPUT] = 1.0
        self._layer_of[start] = INPUT
        for operation in self._graph.operators:
            self._take(operation, _OPERATIONS[self._model.operatorCodes[operation.opcodeIndex].builtinCode])
        (signature,) = self._model.signatureDefs
        outputs = {out.name.decode(): self._layer_of[out.tensorIndex] for out in signature.outputs}
        return NetworkLayers(tuple(self._layers.values()), outputs)

    def _take(self, operation: Any, code: str) -> None:
        if code in ("CAST", "DEQUANTIZE", "QUANTIZE"):
            self._pass_on(operation)
        elif code not in ("SHAPE", "STRIDED_SLICE", "PACK"):  # these find out the size of the batch
            _TAKEN[code](self, operation)

    def _pass_on(self, operation: Any) -> None:
        """A change of the number format only."""
        source, target = operation.inputs[0], operation.outputs[0]
        if source in self._layer_of:
            self._layer_of[target] = self._layer_of[source]
        else:
            self._constants[target] = self._constant(source)

    def _constant(self, tensor: int) -> NDArray[Any]:
        if tensor not in self._constants:
            described = self._graph.tensors[tensor]
            data = self._model.buffers[described.buffer].data
            shape = () if described.shape is None else tuple(described.shape)
            stored = np.frombuffer(bytes(data), _DTYPES[described.type]).reshape(shape)
            self._constants[tensor] = _in_floating_point(stored, described.quantization)
        return self._constants[tensor]

    def _weights(self, tensor: int) -> NDArray[np.float32]:
        return self._constant(tensor).astype(np.float32)

    def _shape(self, tensor: int) -> tuple[int, ...]:
        return tuple(int(side) for side in self._graph.tensors[tensor].shape[1:])

    def _sources(self, operation: Any) -> list[int]:
        return [tensor for tensor in operation.inputs if tensor in self._layer_of]

    def _name(self, operation: Any, kind: LayerKind) -> str:
        """What the recipe calls the layer, such as "block3_expand" or "age"; its kind where nobody named it."""
        weights = () if kind == "addition" else operation.inputs[1:]  # an addition's inputs are other layers
        names = [self._graph.tensors[t].name.decode() for t in (*weights, *operation.outputs) if t >= 0]
        named = [name for text in names for name in _layer_names(text)]
        base = named[0] if named else kind
        taken = sum(re.fullmatch(rf"{re.escape(base)}( \d+)?", name) is not None for name in self._layers)
        return f"{base} {taken + 1}" if taken or not named else base

    def _add(self, operation: Any, layer: Layer, steps: float = 1.0, reach: float = 0.0, shift: float = 0.0) -> None:
        """Note a layer.

        Args:
            operation: gives its output.
            layer: without its receptive field.
            steps: output positions are so many input positions apart.
            reach: an output position depends on so many input positions more than one.
            shift: the middle of those of the first output position lies so many input positions after the first one.
        """
        side = self._layers[INPUT].shape[0]
        before = max((self._layers[name] for name in layer.inputs), key=lambda layer: layer.step_px)
        jump = before.step_px
        receptive = max(self._receptive[name] for name in layer.inputs) + reach * jump if layer.is_map else side
        self._receptive[layer.name] = receptive
        self._layers[layer.name] = replace(
            layer,
            receptive_px=min(side, math.ceil(receptive - _ROUNDING)),
            first_px=before.first_px + shift * jump,
            step_px=jump * steps,
            multiply_adds=0 if layer.name in FIXED else layer.multiply_adds,
        )
        self._layer_of[operation.outputs[0]] = layer.name

    # ------------------------------------------------------------------------------------------------- operations

    def _scale(self, operation: Any) -> None:
        """A multiplication by, or addition of, one number; two in a row become one layer."""
        (source,) = self._sources(operation)
        (number,) = [t for t in operation.inputs if t != source]
        value = self._weights(number)
        before = self._layers[self._layer_of[source]]
        if _OPERATIONS[self._model.operatorCodes[operation.opcodeIndex].builtinCode] == "MUL":
            layer = Layer(
                self._name(operation, "scale"),
                "scale",
                (before.name,),
                before.shape,
                weights={"factor": value, "offset": np.zeros_like(value)},
                multiply_adds=math.prod(before.shape),
            )
            self._add(operation, layer)
        else:
            assert before.kind == "scale"
            before.weights["offset"][...] += value
            self._layer_of[operation.outputs[0]] = before.name

    def _sum(self, operation: Any) -> None:
        sources = self._sources(operation)
        if len(sources) == 1:
            self._scale(operation)
            return
        shape = self._shape(operation.outputs[0])
        inputs = tuple(self._layer_of[t] for t in sources)
        activation = _ACTIVATIONS[operation.builtinOptions.fusedActivationFunction]
        self._add(operation, Layer(self._name(operation, "addition"), "addition", inputs, shape, activation))

    def _resize(self, operation: Any) -> None:
        (source,) = self._sources(operation)
        options = operation.builtinOptions
        if options.alignCorners or not options.halfPixelCenters:
            raise ValueError("unknown way of resizing")
        shape = self._shape(operation.outputs[0])
        layer = Layer(self._name(operation, "resize"), "resize", (self._layer_of[source],), shape)
        steps = self._shape(source)[0] / shape[0]
        self._add(operation, layer, steps=steps, reach=1, shift=(steps - 1) / 2)

    def _pool(self, operation: Any, kind: LayerKind) -> None:
        (source,) = self._sources(operation)
        options = operation.builtinOptions
        layer = Layer(
            self._name(operation, kind),
            kind,
            (self._layer_of[source],),
            self._shape(operation.outputs[0]),
            kernel_hw=(options.filterHeight, options.filterWidth),
            stride_hw=(options.strideH, options.strideW),
            padding=_PADDINGS[options.padding],
        )
        self._add(operation, layer, **self._window(source, layer))

    def _convolve(self, operation: Any, depthwise: bool) -> None:
        source, kernel, *bias = operation.inputs
        options = operation.builtinOptions
        if options.dilationHFactor != 1 or options.dilationWFactor != 1:
            raise ValueError("a dilated convolution")
        weights = self._weights(kernel)  # (out, h, w, in), or (1, h, w, out) of a depthwise one
        shape = self._shape(operation.outputs[0])
        kernel_hw = int(weights.shape[1]), int(weights.shape[2])
        if depthwise:
            channels = self._shape(source)[2]
            stored = weights[0].reshape(*kernel_hw, channels, -1)
        else:
            stored = weights.transpose(1, 2, 3, 0)
        kind: LayerKind = "depthwise convolution" if depthwise else "convolution"
        layer = Layer(
            self._name(operation, kind),
            kind,
            (self._layer_of[source],),
            shape,
            _ACTIVATIONS[options.fusedActivationFunction],
            kernel_hw,
            (options.strideH, options.strideW),
            _PADDINGS[options.padding],
            {"kernel": np.ascontiguousarray(stored), **self._bias(bias, shape[2])},
            multiply_adds=shape[0] * shape[1] * int(weights.size),
        )
        self._add(operation, layer, **self._window(source, layer))

    def _window(self, source: int, layer: Layer) -> dict[str, float]:
        """What the window of a convolution or pooling means for ``_add``."""
        steps, reach = layer.stride_hw[0], layer.kernel_hw[0] - 1
        # With a stride of two, more is often put on at the end than at the beginning.
        added = max(0, (layer.shape[0] - 1) * steps + reach + 1 - self._shape(source)[0])
        before = added // 2 if layer.padding == "same" else 0
        return {"steps": steps, "reach": reach, "shift": reach / 2 - before}

    def _bias(self, tensors: Sequence[int], size: int) -> dict[str, NDArray[np.float32]]:
        bias = self._weights(tensors[0]) if tensors and tensors[0] >= 0 else np.zeros(size, np.float32)
        return {"bias": bias} if bias.any() else {}

    def _dense(self, operation: Any) -> None:
        source, kernel, *bias = operation.inputs
        weights = np.ascontiguousarray(self._weights(kernel).T)
        layer = Layer(
            self._name(operation, "dense"),
            "dense",
            (self._layer_of[source],),
            (int(weights.shape[1]),),
            _ACTIVATIONS[operation.builtinOptions.fusedActivationFunction],
            weights={"kernel": weights, **self._bias(bias, int(weights.shape[1]))},
            multiply_adds=int(weights.size),
        )
        self._add(operation, layer)

    def _same_shape(self, operation: Any, kind: LayerKind, activation: Activation = "") -> None:
        (source,) = self._sources(operation)
        before = self._layers[self._layer_of[source]]
        shape = self._shape(operation.outputs[0])
        self._add(operation, Layer(f"{before.name}_{kind}".replace(" ", "_"), kind, (before.name,), shape, activation))

    def _flat(self, operation: Any, kind: LayerKind) -> None:
        (source,) = self._sources(operation)
        layer = Layer(self._name(operation, kind), kind, (self._layer_of[source],), self._shape(operation.outputs[0]))
        self._add(operation, layer)

    def _join(self, operation: Any) -> None:
        inputs = tuple(self._layer_of[t] for t in self._sources(operation))
        self._add(
            operation, Layer(self._name(operation, "joining"), "joining", inputs, self._shape(operation.outputs[0]))
        )


def _in_floating_point(stored: NDArray[Any], quantization: Any) -> NDArray[Any]:
    """What integers stand for, which have a scale and a zero, or one of each for every slice along an axis."""
    if quantization is None or quantization.scale is None:
        return stored
    sides = [1] * stored.ndim
    if stored.ndim:
        sides[quantization.quantizedDimension] = -1
    scale, zero = (np.reshape(numbers, sides) for numbers in (quantization.scale, quantization.zeroPoint))
    meant: NDArray[np.float32] = ((stored.astype(np.int64) - zero) * scale).astype(np.float32)
    return meant


_PADDINGS: Final[Mapping[int, Literal["same", "valid"]]] = {schema.Padding.SAME: "same", schema.Padding.VALID: "valid"}
_TAKEN: Final[Mapping[str, Callable[[_Reader, Any], None]]] = {
    "MUL": _Reader._scale,
    "ADD": _Reader._sum,
    "RESIZE_BILINEAR": _Reader._resize,
    "AVERAGE_POOL_2D": lambda reader, op: reader._pool(op, "average pooling"),
    "MAX_POOL_2D": lambda reader, op: reader._pool(op, "maximum pooling"),
    "CONV_2D": lambda reader, op: reader._convolve(op, depthwise=False),
    "DEPTHWISE_CONV_2D": lambda reader, op: reader._convolve(op, depthwise=True),
    "FULLY_CONNECTED": _Reader._dense,
    "MEAN": lambda reader, op: reader._flat(op, "global average"),
    "RESHAPE": lambda reader, op: reader._flat(op, "reshape"),
    "CONCATENATION": _Reader._join,
    "SOFTMAX": lambda reader, op: reader._same_shape(op, "softmax"),
    "LOGISTIC": lambda reader, op: reader._same_shape(op, "activation", "sigmoid"),
    "TANH": lambda reader, op: reader._same_shape(op, "activation", "tanh"),
    "RELU": lambda reader, op: reader._same_shape(op, "activation", "relu"),
}


def _layer_names(tensor: str) -> list[str]:
    """ "network_1/block3_expand_1/convolution2" and the like names "block3_expand", in each of its pieces.

    Networks inside a network ("cnn") have layers that were numbered as they came, which says nothing.
    """
    parts = [piece.split("/") for piece in tensor.split(";")]
    names = [re.sub(r"(_bn)?_\d+$", "", piece[1]) for piece in parts if len(piece) > 1]
    return [name for name in names if name != "cnn"]
