"""Augmentation of face crops: what training varies, and what the networks learn to ignore.

The same face has to get the same answer from a phone, a studio, a scan and a chat programme, so above all the quality
of the picture varies: sharpness, size, grain, compression, light and colours. A third of the crops keep their quality:
who only ever sees blurred faces takes what is sharp for something else.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Final, Literal, get_args

import cv2
import numpy as np
from numpy.typing import NDArray

from facetraits.faces.alignment import CropSpec

_Geometry = Literal["flip", "rotate", "shear", "zoom", "shift"]
Appearance = Literal[
    "surroundings",
    "blur",
    "resolution",
    "sharpen",
    "grey",
    "light",
    "colour",
    "noise",
    "jpeg",
]
Variation = Literal[_Geometry, Appearance, "erase"]
VARIATIONS: Final[tuple[Variation, ...]] = get_args(Variation)
_Crop = NDArray[np.uint8]
_Amount = Callable[[Variation], float]

_KEPT: Final = 0.35  # share of the crops whose quality stays
_DOWN: Final = (cv2.INTER_AREA, cv2.INTER_AREA, cv2.INTER_LINEAR, cv2.INTER_CUBIC, cv2.INTER_NEAREST)
_UP: Final = (cv2.INTER_LINEAR, cv2.INTER_CUBIC, cv2.INTER_CUBIC, cv2.INTER_LANCZOS4, cv2.INTER_NEAREST)
_SMALLEST: Final = 0.2  # of the side
# Face from hairline to chin, in distances of the eyes from the middle between eyes and mouth: up, down, sideways.
_OVAL_UP, _OVAL_DOWN, _OVAL_SIDE = 1.55, 1.45, 1.12


def augment(
    crops: _Crop,
    rng: np.random.Generator,
    strength: float = 1.0,
    variations: Collection[Variation] = VARIATIONS,
    spec: CropSpec | None = None,
) -> _Crop:
    """Vary every crop at random.

    Crops of another side vary alike from an ``rng`` of the same state.

    Args:
        crops: (N, S, S, 3) RGB.
        rng: source of all randomness.
        strength: 0 leaves all but the flip away; recipes use 1 or 1.25.
        variations: the kinds that are wanted; a recipe names those that a network was trained with.
        spec: geometry of the crops; without it their surroundings stay.

    Returns:
        (N, S, S, 3) RGB; the input is not changed.
    """

    def amount(kind: Variation) -> float:
        return strength if kind in variations else 0.0

    out = np.empty_like(crops)
    others = rng.permutation(len(crops))
    for source, other, target in zip(crops, others, out, strict=True):
        if spec is not None and rng.random() < 0.4 * amount("surroundings"):
            source = _other_surroundings(source, crops[other], rng, spec)
        turned = _light(_geometry(source, rng, amount, "flip" in variations), rng, amount)
        target[...] = turned if rng.random() < _KEPT else _quality(turned, rng, amount)
        _erase(target, rng, amount("erase"))
    return out


def face_oval(side_px: int, spec: CropSpec, widening: float = 1.0, soft_px: float = 0.0) -> NDArray[np.float32]:
    """(S, S) 1 where an aligned face is, 0 around it.

    Args:
        side_px: S, of the mask.
        spec: geometry of the crop.
        widening: factor for both axes of the oval.
        soft_px: standard deviation of the blur of its edge.
    """
    eyes, mouth = spec.landmarks_px()[:2], spec.landmarks_px()[3:]
    distance = float(np.linalg.norm(eyes[1] - eyes[0])) * side_px / spec.side_px
    x, y = np.concatenate([eyes, mouth]).mean(axis=0) * side_px / spec.side_px
    up, down, side = (part * distance * widening for part in (_OVAL_UP, _OVAL_DOWN, _OVAL_SIDE))
    mask = np.zeros((side_px, side_px), dtype=np.float32)
    middle = (round(float(x)), round(float(y + (down - up) / 2)))
    cv2.ellipse(mask, middle, (max(1, round(side)), max(1, round((up + down) / 2))), 0, 0, 360, 1.0, cv2.FILLED)
    return cv2.GaussianBlur(mask, (0, 0), soft_px) if soft_px > 0.3 else mask  # type: ignore[return-value]


def _other_surroundings(crop: _Crop, other: _Crop, rng: np.random.Generator, spec: CropSpec) -> _Crop:
    """The face in front of what is around another face, of one colour, of noise, or of its own surroundings blurred.

    Hair and clothes tell a gender and an age in most pictures, and mislead in the others.
    """
    side = crop.shape[0]
    widening, soft = rng.uniform(0.88, 1.12), rng.uniform(0.005, 0.05)
    kind, colour = rng.random(), rng.integers(0, 256, size=3)
    grains = np.random.default_rng(rng.integers(2**32))  # its own, because it draws as many numbers as there are px
    if kind < 0.55:
        around = other
    elif kind < 0.75:
        around = np.broadcast_to(colour.astype(np.uint8), crop.shape)
    elif kind < 0.85:
        around = np.clip(grains.normal(colour, 40, crop.shape), 0, 255).astype(np.uint8)
    else:
        around = cv2.GaussianBlur(crop, (0, 0), 0.12 * side)  # type: ignore[assignment]
    mask = face_oval(side, spec, widening, soft * side)[..., None]
    return np.round(mask * crop + (1 - mask) * around).astype(np.uint8)


def _geometry(crop: _Crop, rng: np.random.Generator, amount: _Amount, flip: bool) -> _Crop:
    side = crop.shape[0]
    angle, shear = rng.normal(0, 7 * amount("rotate")), rng.normal(0, 0.05 * amount("shear"))
    zoom = np.exp(rng.normal(0, 0.06 * amount("zoom")))
    shift = rng.normal(0, 0.025 * amount("shift"), size=2) * side
    radians = np.deg2rad(angle)
    linear = zoom * np.array([[np.cos(radians), -np.sin(radians)], [np.sin(radians), np.cos(radians)]])
    linear = linear @ np.array([[1.0, shear], [0.0, 1.0]])
    if rng.random() < 0.5 and flip:
        linear = linear @ np.diag([-1.0, 1.0])
    centre = np.full(2, (side - 1) / 2)
    matrix = np.column_stack([linear, centre + shift - linear @ centre])
    # Interpolation that keeps what is sharp: a linear one blurs every crop that it turns.
    return cv2.warpAffine(crop, matrix, (side, side), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)  # type: ignore[return-value]


def _light(crop: _Crop, rng: np.random.Generator, amount: _Amount) -> _Crop:
    if rng.random() < 0.12 * amount("grey"):
        crop = cv2.cvtColor(cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)  # type: ignore[assignment]
    levels = np.arange(256) / 255.0
    strength = amount("light")
    gamma = np.exp(rng.normal(0, 0.22 * strength))
    contrast, brightness = np.exp(rng.normal(0, 0.18 * strength)), rng.normal(0, 0.07 * strength)
    tints = np.exp(rng.normal(0, 0.04 * strength, size=3))
    warmth = rng.normal(0, 0.09 * amount("colour")) * (rng.random() < 0.5)
    tints = tints * np.exp([warmth, 0, -warmth])
    curve = ((levels**gamma - 0.5) * contrast + 0.5 + brightness)[:, None] * tints
    table = np.clip(curve * 255, 0, 255).astype(np.uint8)[None]
    crop = cv2.LUT(crop, table)  # type: ignore[assignment]
    saturation = float(1 + rng.normal(0, 0.2 * amount("colour")))
    grey = cv2.cvtColor(cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    return cv2.addWeighted(crop, saturation, grey, 1 - saturation, 0)  # type: ignore[return-value]


def _quality(crop: _Crop, rng: np.random.Generator, amount: _Amount) -> _Crop:
    """What lens, sensor, size, sharpening and compression do, in the order in which they do it."""
    side = crop.shape[0]
    if rng.random() < 0.3 * amount("blur"):
        crop = _blurred(crop, rng)
    small, up = 1.0, _UP[int(rng.integers(len(_UP)))]
    if rng.random() < 0.5 * amount("resolution"):
        small = float(np.exp(rng.uniform(np.log(_SMALLEST), 0)))
        down = _DOWN[int(rng.integers(len(_DOWN)))]
        small_px = max(8, round(small * side))
        crop = cv2.resize(crop, (small_px, small_px), interpolation=down)  # type: ignore[assignment]
    if rng.random() < 0.25 * amount("noise"):
        crop = _noisy(crop, rng)
    if rng.random() < 0.4 * amount("jpeg"):
        crop = _compressed(crop, rng)
    if small < 1:
        crop = cv2.resize(crop, (side, side), interpolation=up)  # type: ignore[assignment]
    if rng.random() < 0.35 * amount("sharpen"):
        sigma, more = rng.uniform(0.004, 0.02) * side, rng.uniform(0.3, 2.0)
        crop = cv2.addWeighted(crop, 1 + more, cv2.GaussianBlur(crop, (0, 0), sigma), -more, 0)  # type: ignore[assignment]
    if rng.random() < 0.2 * amount("jpeg"):
        crop = _compressed(crop, rng)
    return crop


def _blurred(crop: _Crop, rng: np.random.Generator) -> _Crop:
    """Out of focus, or moved along a line."""
    side = crop.shape[0]
    width, moved, angle = rng.uniform(0.003, 0.02), rng.random() < 0.3, rng.uniform(0, np.pi)
    if not moved:
        return cv2.GaussianBlur(crop, (0, 0), width * side)  # type: ignore[return-value]
    half = max(1, round(2 * width * side))
    kernel = np.zeros((2 * half + 1, 2 * half + 1), dtype=np.float32)
    x, y = round(half * np.cos(angle)), round(half * np.sin(angle))
    cv2.line(kernel, (half - x, half - y), (half + x, half + y), 1.0)
    return cv2.filter2D(crop, -1, kernel / kernel.sum(), borderType=cv2.BORDER_REPLICATE)  # type: ignore[return-value]


def _noisy(crop: _Crop, rng: np.random.Generator) -> _Crop:
    """The grain of a sensor in a dim room or of film, fine or coarse."""
    side = crop.shape[0]
    grain_px = side if rng.random() < 0.6 else max(4, int(side * rng.uniform(0.3, 0.8)))
    channels = 1 if rng.random() < 0.5 else 3  # film has grain in its brightness, sensors in each colour
    grains = np.random.default_rng(rng.integers(2**32))
    grain = grains.standard_normal((grain_px, grain_px, channels), dtype=np.float32)
    if grain_px < side:
        enlarged = cv2.resize(grain, (side, side), interpolation=cv2.INTER_CUBIC)
        grain = enlarged.reshape(side, side, channels)  # type: ignore[assignment]
    noisy = crop + np.float32(rng.uniform(2, 18)) * grain
    return np.clip(np.round(noisy), 0, 255).astype(np.uint8)


def _compressed(crop: _Crop, rng: np.random.Generator) -> _Crop:
    kind, quality = rng.random(), int(rng.integers(12, 98))
    suffix, option = (".webp", cv2.IMWRITE_WEBP_QUALITY) if kind < 0.25 else (".jpg", cv2.IMWRITE_JPEG_QUALITY)
    _, encoded = cv2.imencode(suffix, cv2.cvtColor(crop, cv2.COLOR_RGB2BGR), [option, quality])
    return cv2.imdecode(encoded, cv2.IMREAD_COLOR_RGB)  # type: ignore[return-value]


def _erase(crop: _Crop, rng: np.random.Generator, strength: float) -> None:
    if rng.random() >= 0.15 * strength:
        return
    side = crop.shape[0]
    height, width = (rng.uniform(0.1, 0.3, size=2) * side).astype(int)
    top, left = (rng.random(2) * (side - height, side - width)).astype(int)
    crop[top : top + height, left : left + width] = rng.integers(0, 256, size=3)
