"""Synthetic coverings of a face: masks, scarves, sunglasses, hands, microphones, phones.

Networks learn from them what a covered face looks like, and to answer age and gender from what is left.
"""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from facetraits.faces.alignment import CropSpec

_Crop = NDArray[np.uint8]
_Points = NDArray[np.float64]
_KINDS: Final = ("mask", "scarf", "sunglasses", "hand", "microphone", "phone")
_SHARES: Final = (0.34, 0.1, 0.24, 0.16, 0.09, 0.07)
_CLOTHS: Final = (
    (170, 205, 225),  # the blue, white, black and pink of masks
    (235, 238, 240),
    (28, 28, 32),
    (228, 178, 190),
    (120, 160, 120),
)


def cover(crop: _Crop, rng: np.random.Generator, spec: CropSpec) -> tuple[_Crop, bool]:
    """Draw something that covers a large part of an aligned face.

    Args:
        crop: (S, S, 3) RGB.
        spec: its geometry.

    Returns:
        The covered crop, and whether the mouth is hidden.
    """
    side = crop.shape[0]
    points = spec.landmarks_px() * side / spec.side_px + rng.normal(0, 0.01 * side, (5, 2))
    kind = str(rng.choice(_KINDS, p=_SHARES))
    size = float(np.linalg.norm(points[1] - points[0]))
    polygons, colour = _shapes(kind, points, size, crop, rng)
    mask = np.zeros((side, side), dtype=np.float32)
    for polygon in polygons:
        cv2.fillPoly(mask, [np.round(polygon * 16).astype(np.int32)], 1.0, lineType=cv2.LINE_AA, shift=4)
    mask = np.minimum(cv2.GaussianBlur(mask, (0, 0), rng.uniform(0.3, 0.012 * side)), 1)[..., None]
    opacity = rng.uniform(0.8, 1.0) if kind == "sunglasses" else 1.0
    surface = _surface(side, colour, kind, rng)
    covered = crop + opacity * mask * (surface - crop)
    return np.clip(np.round(covered), 0, 255).astype(np.uint8), kind != "sunglasses"


def _shapes(
    kind: str, points: _Points, size: float, crop: _Crop, rng: np.random.Generator
) -> tuple[list[_Points], NDArray[np.float64]]:
    left_eye, right_eye, nose, left_mouth, right_mouth = points
    middle, mouth = (left_eye + right_eye) / 2, (left_mouth + right_mouth) / 2
    colour = np.clip(np.array(_CLOTHS[int(rng.integers(len(_CLOTHS)))]) + rng.normal(0, 12, 3), 0, 255)
    if kind == "mask":
        top = middle + rng.uniform(0.35, 0.8) * (nose - middle)
        wide, low = rng.uniform(0.95, 1.15) * size, mouth[1] + rng.uniform(0.75, 1.05) * size
        outline = [
            (top[0] - wide, top[1] + 0.25 * size),
            (top[0] - 0.35 * size, top[1]),
            (top[0] + 0.35 * size, top[1]),
            (top[0] + wide, top[1] + 0.25 * size),
            (mouth[0] + 0.85 * wide, mouth[1] + 0.3 * size),
            (mouth[0] + 0.35 * size, low),
            (mouth[0] - 0.35 * size, low),
            (mouth[0] - 0.85 * wide, mouth[1] + 0.3 * size),
        ]
        return [np.array(outline)], colour
    if kind == "scarf":
        side = len(crop)
        top = nose[1] + rng.uniform(-0.2, 0.35) * size
        xs = np.linspace(-0.05 * side, 1.05 * side, 9)
        edge = np.column_stack([xs, top + rng.normal(0, 0.06 * size, 9)])
        return [np.vstack([edge, [[1.1 * side, 1.1 * side], [-0.1 * side, 1.1 * side]]])], rng.uniform(10, 240, 3)
    if kind == "sunglasses":
        width, height, power = rng.uniform(0.36, 0.5) * size, rng.uniform(0.25, 0.42) * size, rng.uniform(2, 5)
        lower = np.array([0, 0.06 * size])
        lenses = [_ellipse(eye + lower, width, height, power) for eye in (left_eye, right_eye)]
        bridge = np.array([left_eye - lower, right_eye - lower, right_eye + lower, left_eye + lower])
        return [*lenses, bridge], rng.uniform(5, 60) + rng.normal(0, 8, 3)
    if kind == "hand":
        skin = np.median(crop[_window(nose, 0.3 * size, len(crop))].reshape(-1, 3), axis=0)
        skin = np.clip(skin * rng.uniform(0.75, 1.1) + rng.normal(0, 6, 3), 0, 255)
        at = mouth if rng.random() < 0.7 else rng.permutation([left_eye, right_eye])[0]
        lean, fingers = rng.uniform(-0.6, 0.6), int(rng.integers(3, 6))
        along, across = np.array([np.sin(lean), np.cos(lean)]), np.array([np.cos(lean), -np.sin(lean)])
        if rng.random() < 0.5:
            along, across = across, along
        parts = []
        for i in range(fingers):
            middle = at + across * (i - (fingers - 1) / 2) * 0.3 * size + along * rng.uniform(-0.1, 0.1) * size
            parts.append(_bar(middle, along * rng.uniform(0.7, 1.1) * size, across * 0.145 * size))
        return parts, skin
    if kind == "microphone":
        at = mouth + np.array([rng.uniform(-0.3, 0.3), rng.uniform(0.1, 0.35)]) * size
        ball = _ellipse(at, rng.uniform(0.32, 0.5) * size, rng.uniform(0.38, 0.55) * size, 2)
        handle = np.array([rng.uniform(-0.7, 0.7), 3.0]) * size / 2
        stick = _bar(at + handle, handle, np.array([0.15 * size, 0]))
        return [ball, stick], rng.uniform(10, 90) + rng.normal(0, 6, 3)
    at = (points[int(rng.integers(5))] + nose) / 2
    width, height, lean = rng.uniform(0.5, 0.7) * size, rng.uniform(0.8, 1.2) * size, rng.uniform(-0.5, 0.5)
    turn = np.array([[np.cos(lean), np.sin(lean)], [-np.sin(lean), np.cos(lean)]])
    return [_bar(at, height * turn[1], width * turn[0])], rng.uniform(5, 250) + rng.normal(0, 10, 3)


def _bar(middle: _Points, along: _Points, across: _Points) -> _Points:
    """Corners of a parallelogram, from its middle and half of each of its sides."""
    return np.array(
        [middle - along - across, middle - along + across, middle + along + across, middle + along - across]
    )


def _ellipse(centre: _Points, width: float, height: float, power: float) -> _Points:
    """Outline of a superellipse: round for a power of 2, nearly a rectangle for 5."""
    angle = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    cos, sin = np.cos(angle), np.sin(angle)
    x, y = np.sign(cos) * np.abs(cos) ** (2 / power), np.sign(sin) * np.abs(sin) ** (2 / power)
    return centre + np.column_stack([width * x, height * y])


def _window(centre: _Points, half: float, side: int) -> tuple[slice, slice]:
    low, high = np.clip([centre - half, centre + half], 0, side - 1).astype(int)
    return slice(low[1], high[1] + 1), slice(low[0], high[0] + 1)


def _surface(side: int, colour: NDArray[np.float64], kind: str, rng: np.random.Generator) -> NDArray[np.float64]:
    """(S, S, 3) the colour under uneven light, with folds in cloth and a reflection on glass."""
    y, x = np.mgrid[0:side, 0:side] / side - 0.5
    slope = rng.normal(0, 0.35, 2)
    light = 1 + slope[0] * x + slope[1] * y
    if kind in ("mask", "scarf"):
        waves = rng.uniform(4, 14)
        light = light + rng.uniform(0, 0.08) * np.sin(2 * np.pi * waves * (y + rng.uniform(-0.5, 0.5) * x))
    surface = colour * light[..., None]
    if kind == "sunglasses" and rng.random() < 0.5:
        surface = surface + rng.uniform(20, 90) * np.exp(-((y + x * rng.uniform(-1, 1) + 0.1) ** 2) / 0.004)[..., None]
    grainy: NDArray[np.float64] = surface + rng.normal(0, rng.uniform(0, 5), (side, side, 1))
    return grainy
