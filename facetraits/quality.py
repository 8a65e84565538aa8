"""What makes the answer about a face less reliable."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from facetraits.types import FaceDetection, QualityIssue

_SMALL_PX: Final = 40.0
_DARK: Final = 50.0
_BRIGHT: Final = 215.0
_CUT: Final = 0.1
_TURNED: Final = 0.5
_BLURRED: Final = 0.02


def assess(image: NDArray[np.uint8], detection: FaceDetection, crop: NDArray[np.uint8]) -> tuple[QualityIssue, ...]:
    """Issues of one face.

    Args:
        image: (H, W, 3) RGB picture.
        detection: the face in it.
        crop: (S, S, 3) RGB, the aligned face.
    """
    issues: list[QualityIssue] = []
    if detection.size_px < _SMALL_PX:
        issues.append("too small")
    grey = cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY).astype(np.float32)
    if float(cv2.Laplacian(grey, cv2.CV_32F).var() / max(1.0, float(grey.var()))) < _BLURRED:
        issues.append("blurred")
    if grey.mean() < _DARK:
        issues.append("too dark")
    elif grey.mean() > _BRIGHT:
        issues.append("too bright")
    left, right, nose = detection.landmarks[0], detection.landmarks[1], detection.landmarks[2]
    span = max(1e-3, float(np.linalg.norm(right - left)))
    middle = (detection.landmarks[[0, 1, 3, 4]]).mean(axis=0)
    if abs(float(np.dot(nose - middle, (right - left) / span))) / span > _TURNED / 2:
        issues.append("turned away")
    height, width = image.shape[:2]
    x1, y1, x2, y2 = (float(v) for v in detection.box_xyxy)
    if max(-x1, x2 - width) > _CUT * (x2 - x1) or max(-y1, y2 - height) > _CUT * (y2 - y1):
        issues.append("cut by the edge")
    return tuple(issues)
