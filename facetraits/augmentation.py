"""Augmentation of face crops: what training varies, and what the networks learn to ignore."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Final, Literal, get_args

import cv2
import numpy as np
from numpy.typing import NDArray

Variation = Literal["flip", "rotate", "shear", "zoom", "shift", "resolution", "grey", "light", "noise", "jpeg", "erase"]
VARIATIONS: Final[tuple[Variation, ...]] = get_args(Variation)


def augment(
    crops: NDArray[np.uint8],
    rng: np.random.Generator,
    strength: float = 1.0,
    variations: Collection[Variation] = VARIATIONS,
) -> NDArray[np.uint8]:
    """Vary every crop at random.

    Args:
        crops: (N, S, S, 3) RGB.
        rng: source of all randomness.
        strength: 0 leaves all but the flip away; recipes use 1 or 1.25.
        variations: the kinds that are wanted; a recipe names those that a network was trained with.

    Returns:
        (N, S, S, 3) RGB; the input is not changed.
    """

    def amount(kind: Variation) -> float:
        return strength if kind in variations else 0.0

    out = np.empty_like(crops)
    for source, target in zip(crops, out, strict=True):
        turned = _geometry(source, rng, amount, "flip" in variations)
        target[...] = _camera(_light(turned, rng, amount), rng, amount)
        _erase(target, rng, amount("erase"))
    return out


_Amount = Callable[[Variation], float]


def _geometry(crop: NDArray[np.uint8], rng: np.random.Generator, amount: _Amount, flip: bool) -> NDArray[np.uint8]:
    side = crop.shape[0]
    angle, shear = rng.normal(0, 7 * amount("rotate")), rng.normal(0, 0.05 * amount("shear"))
    zoom = np.exp(rng.normal(0, 0.06 * amount("zoom")))
    shift = rng.normal(0, 0.025 * amount("shift") * side, size=2)
    radians = np.deg2rad(angle)
    linear = zoom * np.array([[np.cos(radians), -np.sin(radians)], [np.sin(radians), np.cos(radians)]])
    linear = linear @ np.array([[1.0, shear], [0.0, 1.0]])
    if rng.random() < 0.5 and flip:
        linear = linear @ np.diag([-1.0, 1.0])
    centre = np.full(2, (side - 1) / 2)
    matrix = np.column_stack([linear, centre + shift - linear @ centre])
    return cv2.warpAffine(crop, matrix, (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)  # type: ignore[return-value]


def _light(crop: NDArray[np.uint8], rng: np.random.Generator, amount: _Amount) -> NDArray[np.uint8]:
    if rng.random() < 0.15 * amount("resolution"):  # lower resolution
        side = crop.shape[0]
        small = int(side * rng.uniform(0.35, 0.8))
        crop = cv2.resize(cv2.resize(crop, (small, small), interpolation=cv2.INTER_AREA), (side, side))  # type: ignore[assignment]
    if rng.random() < 0.1 * amount("grey"):
        crop = cv2.cvtColor(cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)  # type: ignore[assignment]
    levels = np.arange(256) / 255.0
    strength = amount("light")
    gamma = np.exp(rng.normal(0, 0.2 * strength))
    contrast, brightness = np.exp(rng.normal(0, 0.15 * strength)), rng.normal(0, 0.06 * strength)
    tints = np.exp(rng.normal(0, 0.04 * strength, size=3))
    curve = ((levels**gamma - 0.5) * contrast + 0.5 + brightness)[:, None] * tints
    table = np.clip(curve * 255, 0, 255).astype(np.uint8)[None]
    return cv2.LUT(crop, table)  # type: ignore[return-value]


def _camera(crop: NDArray[np.uint8], rng: np.random.Generator, amount: _Amount) -> NDArray[np.uint8]:
    """What a sensor in a dim room, film and a thrifty camera do: grain, fine or coarse, then compression."""
    side = crop.shape[0]
    if rng.random() < 0.25 * amount("noise"):
        grain_px = side if rng.random() < 0.6 else int(side * rng.uniform(0.3, 0.8))
        channels = 1 if rng.random() < 0.5 else 3  # film has grain in its brightness, sensors in each colour
        # Its own generator: `rng` then goes on alike for crops of any side, and the page varies several of one face.
        grains = np.random.default_rng(rng.integers(2**32))
        grain = grains.standard_normal((grain_px, grain_px, channels), dtype=np.float32)
        if grain_px < side:
            enlarged = cv2.resize(grain, (side, side), interpolation=cv2.INTER_CUBIC)
            grain = enlarged.reshape(side, side, channels)  # type: ignore[assignment]
        noisy = crop + np.float32(rng.uniform(2, 16)) * grain
        crop = np.clip(np.round(noisy), 0, 255).astype(np.uint8)
    if rng.random() < 0.5 * amount("jpeg"):
        quality = int(rng.integers(25, 98))
        _, encoded = cv2.imencode(".jpg", cv2.cvtColor(crop, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality])
        crop = cv2.imdecode(encoded, cv2.IMREAD_COLOR_RGB)  # type: ignore[assignment]
    return crop


def _erase(crop: NDArray[np.uint8], rng: np.random.Generator, strength: float) -> None:
    if rng.random() >= 0.25 * strength:
        return
    side = crop.shape[0]
    height, width = rng.integers(side // 10, side // 3, size=2)
    top, left = rng.integers(0, side - height), rng.integers(0, side - width)
    crop[top : top + height, left : left + width] = rng.integers(0, 256, size=3)
