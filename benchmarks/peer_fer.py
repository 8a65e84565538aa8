"""The package fer (facial expression), timed, or with ``judge`` judged; in its own environment."""

from __future__ import annotations

import sys
from typing import Any

import cv2
import numpy as np
from fer.fer import FER
from peer_loop import JUDGE, judge, serve

recogniser = FER()
_WIDENED_PX = 10  # the package shows its network this much more on each side of a box


def faces_of(picture: np.ndarray, box: list[int] | None) -> list[dict[str, Any]]:
    rectangles = None
    if box is not None:
        left, top, right, bottom = box
        inner = 2 * _WIDENED_PX
        rectangles = [(left + _WIDENED_PX, top + _WIDENED_PX, right - left - inner, bottom - top - inner)]
    found = recogniser.detect_emotions(np.ascontiguousarray(picture[..., ::-1]), rectangles)
    return [{"box": _corners(*map(int, face["box"])), "expression": face["emotions"]} for face in found]


def _corners(left: int, top: int, width: int, height: int) -> list[int]:
    return [left, top, left + width, top + height]


if JUDGE in sys.argv:
    judge(faces_of)
else:
    serve(cv2.imread, lambda image: len(recogniser.detect_emotions(image)))
