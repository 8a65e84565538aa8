"""A still picture of a source, to draw a line on; it stays in memory, and the faces in it cannot be recognised."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from facetraits.types import AnalysisResult

_LONGEST_PX: Final = 960
_AROUND: Final = 0.3  # of a face's size: hair and chin are covered too
_BLOCKS: Final = 5  # across a face
_QUALITY: Final = 80


def still_of(image: NDArray[np.uint8], result: AnalysisResult) -> bytes:
    """The picture as JPEG, at most 960 px long, with every found face in coarse blocks.

    Args:
        image: (H, W, 3) RGB; it is not changed.
        result: the faces in it.
    """
    shown = image.copy()
    for face in result.faces:
        _cover(shown, face.detection.box_xyxy)
    height, width = shown.shape[:2]
    scale = min(1.0, _LONGEST_PX / max(width, height))
    size_wh = max(1, round(width * scale)), max(1, round(height * scale))
    small = cv2.resize(shown, size_wh, interpolation=cv2.INTER_AREA)
    _, data = cv2.imencode(".jpg", cv2.cvtColor(small, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    return data.tobytes()


def _cover(image: NDArray[np.uint8], box_xyxy: NDArray[np.float32]) -> None:
    height, width = image.shape[:2]
    around = _AROUND * (box_xyxy[2:] - box_xyxy[:2])
    left, top = np.maximum(np.floor(box_xyxy[:2] - around), 0).astype(int)
    right, bottom = np.minimum(np.ceil(box_xyxy[2:] + around), (width, height)).astype(int)
    part = image[top:bottom, left:right]
    if part.size:
        blocks = cv2.resize(part, (_BLOCKS, _BLOCKS), interpolation=cv2.INTER_AREA)
        part[:] = cv2.resize(blocks, (right - left, bottom - top), interpolation=cv2.INTER_NEAREST)
