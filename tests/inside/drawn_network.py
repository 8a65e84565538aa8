"""A network whose answers are known beforehand: it looks for red, and for green."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from facetraits.inside.layers import INPUT, Layer, NetworkLayers

SIDE = 32
RED, GREEN = 0, 1


def red_or_green() -> NetworkLayers:
    """Maps of how much redder, and how much greener than all else a place is; their means decide."""
    kernel = np.array([[1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]], dtype=np.float32).reshape(1, 1, 3, 2)
    return NetworkLayers(
        (
            Layer(INPUT, "input", (), (SIDE, SIDE, 3)),
            Layer(
                "scale",
                "scale",
                (INPUT,),
                (SIDE, SIDE, 3),
                weights={"factor": np.float32(1 / 255), "offset": np.float32(0)},
            ),
            Layer("colours", "convolution", ("scale",), (SIDE, SIDE, 2), "relu", weights={"kernel": kernel}),
            Layer(
                "fewer",
                "maximum pooling",
                ("colours",),
                (16, 16, 2),
                kernel_hw=(2, 2),
                stride_hw=(2, 2),
                padding="valid",
            ),
            Layer("mean", "global average", ("fewer",), (2,)),
            Layer("colour", "dense", ("mean",), (2,), weights={"kernel": 40 * np.eye(2, dtype=np.float32)}),
            Layer("colour_softmax", "softmax", ("colour",), (2,)),
            Layer("years", "dense", ("mean",), (3,), weights={"kernel": _AGES}),
            Layer("age", "softmax", ("years",), (3,)),
        ),
        {"colour": "colour_softmax", "age": "age"},
    )


# Red makes two years likelier, green none.
_AGES = np.array([[-20.0, 0.0, 20.0], [20.0, 0.0, -20.0]], dtype=np.float32)


def grey_with(**spots: tuple[int, int]) -> NDArray[np.uint8]:
    """(SIDE, SIDE, 3) grey with a square of six px of each named colour at (top, left)."""
    crop = np.full((SIDE, SIDE, 3), 90, dtype=np.uint8)
    for colour, (top, left) in spots.items():
        crop[top : top + 6, left : left + 6] = {"red": (255, 0, 0), "green": (0, 255, 0)}[colour]
    return crop
