"""Pictures of what happens inside a network: small ones, as HTML that holds them."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, Final, Literal, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from facetraits.faces.alignment import CropSpec
from ui.kit.components import address_of_jpeg
from ui.photo.session import to_jpeg

Picture = NDArray[np.uint8]
# Both are even to the eye from end to end, and keep their order for colour-blind people and in grey.
Colours = Literal["viridis", "inferno"]
_TABLES: Final[Mapping[Colours, int]] = {"viridis": cv2.COLORMAP_VIRIDIS, "inferno": cv2.COLORMAP_INFERNO}
LARGE_PX: Final = 448
_QUALITY: Final = 88
_WEAK: Final = 0.06  # of the strongest: what is below stays the face alone


def coloured(values: NDArray[np.floating], colours: Colours) -> Picture:
    """Values in [0, 1] as (H, W, 3) RGB."""
    levels = np.clip(np.asarray(values) * 255, 0, 255).round().astype(np.uint8)
    return np.asarray(cv2.cvtColor(cv2.applyColorMap(levels, _TABLES[colours]), cv2.COLOR_BGR2RGB), dtype=np.uint8)


def stretched(values: NDArray[np.floating]) -> NDArray[np.float64]:
    """From the smallest value at 0 to the largest at 1; all 0 where there is no difference."""
    low, high = float(values.min()), float(values.max())
    return np.zeros(values.shape) if high - low < 1e-9 else (values.astype(np.float64) - low) / (high - low)


def enlarged(picture: NDArray[Any], side_px: int = LARGE_PX) -> NDArray[Any]:
    """A square picture or map at another size, smooth."""
    return cv2.resize(picture, (side_px, side_px), interpolation=cv2.INTER_CUBIC)


def over_face(
    crop: Picture, shares: NDArray[np.floating], colours: Colours = "inferno", opacity: float = 0.85
) -> Picture:
    """A heat-map over a face, large and smooth. The face is grey there, so that colours are the heat-map's alone.

    Args:
        crop: (S, S, 3) RGB.
        shares: (H, W) in [0, 1] of the strongest; where they are near 0 the face is seen.
        colours: of the heat.
        opacity: of the strongest places.
    """
    face = enlarged(cv2.cvtColor(cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB))
    heat = np.clip(enlarged(np.asarray(shares, dtype=np.float32)), 0, 1)
    alpha = (opacity * np.clip((heat - _WEAK) / (0.5 - _WEAK), 0, 1))[..., None]
    return _mixed(face, coloured(heat, colours), alpha)


def blended(crop: Picture, values: NDArray[np.floating], opacity: float) -> Picture:
    """A feature map over the face, large, its own smallest and largest value at the ends of the colours."""
    face = enlarged(cv2.cvtColor(cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB))
    colour = coloured(np.clip(enlarged(stretched(values).astype(np.float32)), 0, 1), "viridis")
    return _mixed(face, colour, np.float64(opacity))


def _mixed(below: Picture, above: Picture, alpha: NDArray[np.floating] | np.floating) -> Picture:
    return np.asarray((below * (1 - alpha) + above * alpha).round(), dtype=np.uint8)


def with_square(picture: Picture, centre_xy: tuple[float, float], side: float) -> Picture:
    """With a square drawn on it, cut where it leaves the picture.

    Args:
        picture: (S, S, 3) RGB.
        centre_xy, side: as shares of S.
    """
    size = picture.shape[0]
    low = [round((c - side / 2) * size) for c in centre_xy]
    high = [round((c + side / 2) * size) for c in centre_xy]
    first = (max(2, low[0]), max(2, low[1]))
    last = (min(size - 3, high[0]), min(size - 3, high[1]))
    out = picture.copy()
    for colour, width in (((0, 0, 0), 8), ((255, 255, 255), 4)):
        cv2.rectangle(out, first, last, colour, width)
    return out


def brightest(values: NDArray[np.floating]) -> tuple[int, int]:
    """(row, column) of a map's largest position."""
    row, column = np.unravel_index(int(values.argmax()), values.shape)
    return int(row), int(column)


def filter_pictures(kernel: NDArray[np.float32], grey: bool) -> list[Picture]:
    """The filters of a first layer in their own colours, grey in the middle: (h, w, 3) RGB each.

    Args:
        kernel: (h, w, 3, N).
        grey: the network sees three times the same grey, so only the sum over the colours counts.
    """
    if grey:
        kernel = np.repeat(kernel.sum(axis=2, keepdims=True), 3, axis=2)
    strongest = np.maximum(np.abs(kernel).max(axis=(0, 1, 2)), 1e-9)
    levels = np.clip(127.5 + 127.5 * kernel / strongest, 0, 255).round().astype(np.uint8)
    return [np.ascontiguousarray(levels[..., i]) for i in range(levels.shape[3])]


# ----------------------------------------------------------------------------------------------------------------- HTML


def png_address(picture: Picture) -> str:
    """The picture as a "data:" address, without loss."""
    _, encoded = cv2.imencode(".png", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    return f"data:image/png;base64,{base64.b64encode(encoded.tobytes()).decode('ascii')}"


def jpeg_address(picture: Picture) -> str:
    """The picture as a "data:" address, smaller."""
    return address_of_jpeg(to_jpeg(picture, _QUALITY))


class Figure(NamedTuple):
    """A picture with words.

    Attributes:
        address: of the picture.
        title: above the text; text: below the picture; alt: what is seen, for those who cannot.
        squares: enlarge without smoothing.
        marked: point this one out.
    """

    address: str
    title: str
    text: str
    alt: str
    squares: bool = False
    marked: bool = False


def figures(items: Sequence[Figure], size: Literal["middle", "small"]) -> str:
    """Pictures beside each other, below each other where there is no room, as HTML."""
    body = "".join(
        f'<figure class="ft-seen{" ft-marked" if item.marked else ""}">'
        f'<img src="{item.address}" alt="{escape(item.alt)}"{" class=ft-squares" if item.squares else ""}>'
        f"<figcaption>{f'<strong>{escape(item.title)}</strong>' if item.title else ''}"
        f"{f'<span>{escape(item.text)}</span>' if item.text else ''}</figcaption></figure>"
        for item in items
    )
    return f'<div class="ft-seen-row ft-seen-{size}" style="--ft-count: {len(items)}">{body}</div>'


def scale_html(colours: Colours, low: str, high: str) -> str:
    """A legend: what the colours' two ends mean, as HTML."""
    stops = coloured(np.linspace(0, 1, 9)[None], colours)[0]
    gradient = ", ".join(f"rgb({r} {g} {b})" for r, g, b in stops)
    return (
        f'<p class="ft-colour-scale"><span>{escape(low)}</span>'
        f'<i style="background: linear-gradient(to right, {gradient})"></i><span>{escape(high)}</span></p>'
    )


# ------------------------------------------------------------------------------------------------------ parts of a face


def parts_of_face(spec: CropSpec) -> dict[str, NDArray[np.bool_]]:
    """Where the parts of a straightened face lie in the crop: name to (S, S), together the whole crop."""
    left_eye, right_eye, nose, *mouth = spec.landmarks_px()
    apart = right_eye[0] - left_eye[0]
    eyes_y, mouth_y = (left_eye[1] + right_eye[1]) / 2, (mouth[0][1] + mouth[1][1]) / 2
    middle = (left_eye[0] + right_eye[0]) / 2
    y, x = np.mgrid[: spec.side_px, : spec.side_px]
    face = np.abs(x - middle) <= 0.95 * apart
    brows_y, lids_y, lip_y = eyes_y - 0.45 * apart, eyes_y + 0.25 * apart, (nose[1] + mouth_y) / 2
    return {
        "forehead and hair": face & (y < brows_y),
        "eyes and brows": face & (y >= brows_y) & (y < lids_y),
        "nose and cheeks": face & (y >= lids_y) & (y < lip_y),
        "mouth and chin": face & (y >= lip_y),
        "ears, hair and background": ~face,
    }


def heat_by_part(heat: NDArray[np.floating], spec: CropSpec) -> list[tuple[str, float, float]]:
    """(part, share of the heat, share of the crop), the hottest first; empty without heat."""
    large = np.maximum(enlarged(np.asarray(heat, dtype=np.float32), spec.side_px), 0)
    total = float(large.sum())
    if total <= 0:
        return []
    parts = parts_of_face(spec)
    shares = [(name, float(large[where].sum()) / total, float(where.mean())) for name, where in parts.items()]
    return sorted(shares, key=lambda part: -part[1])
