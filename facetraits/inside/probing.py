"""How an answer changes when the face is occluded patch by patch, or degraded step by step.

All of it asks the served networks themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final, Literal, NamedTuple, get_args

import cv2
import numpy as np
from numpy.typing import NDArray

Score = Callable[[NDArray[np.uint8]], NDArray[np.floating]]
Spoiling = Literal["blur", "noise", "darkness", "resolution", "rotation"]
SPOILINGS: Final[tuple[Spoiling, ...]] = get_args(Spoiling)
# How strong each kind is at level 1, and what that measures.
STRONGEST: Final[Mapping[Spoiling, float]] = {
    "blur": 12.0,
    "noise": 80.0,
    "darkness": 9.0,
    "resolution": 0.93,
    "rotation": 90.0,
}
_PATCHES_AT_ONCE: Final = 16


class OcclusionStep(NamedTuple):
    """How far an occlusion has come.

    Attributes:
        done: share of the patches, in (0, 1].
        drop: (S, S) mean loss of the score over all patches so far that covered a pixel: high where the score needs
            what is there, negative where hiding it helps; 0 where none has been yet.
    """

    done: float
    drop: NDArray[np.float32]


def occlusion(crop: NDArray[np.uint8], score: Score, patch_px: int, stride_px: int) -> Iterator[OcclusionStep]:
    """Occlusion: move a grey patch over the crop and measure the loss of the score (Zeiler & Fergus 2014).

    Args:
        crop: (S, S, 3) RGB.
        score: from (N, S, S, 3) crops to (N,) numbers, such as the probability of a class.
        patch_px: side of the patch, 1 to S.
        stride_px: from one place to the next, >= 1.

    Raises:
        ValueError: an argument is out of its range.
    """
    side = crop.shape[0]
    if not 1 <= patch_px <= side or stride_px < 1:
        raise ValueError(f"patch_px must be 1 to {side} and stride_px >= 1, got {patch_px} and {stride_px}")
    starts = sorted({*range(0, side - patch_px, stride_px), side - patch_px})
    places = [(top, left) for top in starts for left in starts]
    whole = float(score(crop[None])[0])
    colour = crop.reshape(-1, 3).mean(axis=0).round().astype(np.uint8)
    total, count = np.zeros((side, side)), np.zeros((side, side))
    for first in range(0, len(places), _PATCHES_AT_ONCE):
        some = places[first : first + _PATCHES_AT_ONCE]
        covered = np.repeat(crop[None], len(some), axis=0)
        for picture, (top, left) in zip(covered, some, strict=True):
            picture[top : top + patch_px, left : left + patch_px] = colour
        for value, (top, left) in zip(score(covered), some, strict=True):
            total[top : top + patch_px, left : left + patch_px] += whole - float(value)
            count[top : top + patch_px, left : left + patch_px] += 1
        drop = np.divide(total, count, out=np.zeros_like(total), where=count > 0)
        yield OcclusionStep((first + len(some)) / len(places), drop.astype(np.float32))


def spoiled(crop: NDArray[np.uint8], kind: Spoiling, level: float) -> NDArray[np.uint8]:
    """The crop, made worse in one way.

    Args:
        crop: (S, S, 3) RGB.
        kind: "blur": Gaussian; "noise": of a sensor, always the same; "darkness": the light is halved so many times;
            "resolution": shrunk and enlarged again; "rotation": turned about its middle, anti-clockwise.
        level: 0 changes nothing, 1 is ``STRONGEST``.

    Returns:
        (S, S, 3) RGB.

    Raises:
        ValueError: the level is out of its range.
    """
    if not 0 <= level <= 1:
        raise ValueError(f"the level of {kind} is out of its range: {level}")
    if level == 0:
        return crop.copy()
    amount = STRONGEST[kind] * level
    side = crop.shape[0]
    if kind == "blur":
        return cv2.GaussianBlur(crop, (0, 0), amount, borderType=cv2.BORDER_REPLICATE)  # type: ignore[return-value]
    if kind == "noise":
        noise = np.random.default_rng(0).normal(0, 1, crop.shape)
        return np.clip(crop + noise * amount, 0, 255).round().astype(np.uint8)
    if kind == "darkness":
        return _darkened(crop, 0.5**amount)
    if kind == "resolution":
        small = max(2, round(side * (1 - amount)))
        shrunk = cv2.resize(crop, (small, small), interpolation=cv2.INTER_AREA)
        return cv2.resize(shrunk, (side, side), interpolation=cv2.INTER_LINEAR)  # type: ignore[return-value]
    centre = ((side - 1) / 2, (side - 1) / 2)
    turn = cv2.getRotationMatrix2D(centre, amount, 1.0)
    return cv2.warpAffine(crop, turn, (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)  # type: ignore[return-value]


def _darkened(crop: NDArray[np.uint8], share: float) -> NDArray[np.uint8]:
    """The crop with that share of its light; values of pixels are not light, but its sRGB code (IEC 61966-2-1)."""
    coded = np.arange(256) / 255
    light = share * np.where(coded <= 0.04045, coded / 12.92, ((coded + 0.055) / 1.055) ** 2.4)
    darker = np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)
    return (darker * 255).round().astype(np.uint8)[crop]


def spoiled_series(
    crop: NDArray[np.uint8], kind: Spoiling, steps: int
) -> tuple[NDArray[np.float64], NDArray[np.uint8]]:
    """(steps,) amounts in the kind's own measure, from nothing to the strongest, and (steps, S, S, 3) crops."""
    levels = np.linspace(0, 1, steps)
    return levels * STRONGEST[kind], np.stack([spoiled(crop, kind, float(level)) for level in levels])
