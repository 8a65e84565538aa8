"""Reads the boxes that ``annotate`` has drawn from the pixels of a picture, also after a video codec."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

# Red and green over blue, in levels. Of their 196, lines keep 63 and more in a video, whose colours have half the
# resolution of its brightness; skin and fair hair reach 57.
_AMBER: Final = 60
_SMALLEST_PX: Final = 16
_RECTANGULAR: Final = 0.6  # of the box a label may cover the rest from inside


def drawn_boxes(image: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
    """The boxes in a picture, as (4,) left, top, right, bottom in px, exact to a px or two; the largest first.

    A box is an amber line around something that is not amber. Boxes that overlap cannot be told apart.

    Args:
        image: (H, W, 3) RGB.
    """
    thickness = max(1, round(max(image.shape[:2]) / 320))  # as annotate draws them
    casing = max(1, thickness // 2)
    colours = image.astype(np.int16)
    amber = (colours[..., :2].min(axis=2) - colours[..., 2] >= _AMBER).astype(np.uint8)
    # Other boxes' labels have dark rims that cut lines.
    amber = cv2.morphologyEx(amber, cv2.MORPH_CLOSE, np.ones((2 * thickness + 1, 2 * thickness + 1), dtype=np.uint8))
    outlines, hierarchy = cv2.findContours(amber, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    found = []
    for i, outline in enumerate(outlines):
        left, top, width, height = cv2.boundingRect(outline)  # through the innermost px of the line
        is_hole = hierarchy[0][i][3] >= 0
        if is_hole and min(width, height) >= _SMALLEST_PX and cv2.contourArea(outline) >= _RECTANGULAR * width * height:
            rim = thickness - 1 + casing
            found.append((left - rim, top - rim, left + width + rim, top + height + rim))
    found.sort(key=lambda box: (box[0] - box[2]) * (box[3] - box[1]))
    return [np.array(box, dtype=np.float32) for box in found]


def overlap(box: NDArray[np.floating], other: NDArray[np.floating]) -> float:
    """Intersection over union of two boxes."""
    shared = np.clip(np.minimum(box[2:], other[2:]) - np.maximum(box[:2], other[:2]), 0, None).prod()
    return float(shared / ((box[2:] - box[:2]).prod() + (other[2:] - other[:2]).prod() - shared))


def best_overlap(box: NDArray[np.floating], others: Sequence[NDArray[np.floating]]) -> float:
    """Of ``box`` with that one of ``others`` that fits best; 0 without any."""
    return max((overlap(box, other) for other in others), default=0.0)
