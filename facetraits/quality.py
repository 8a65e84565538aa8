"""What makes the answers about a face less reliable.

The thresholds were set on 1,500 UTKFace pictures as they are (false alarms) and on spoiled copies of them (hits). A
false alarm is an upper bound: some of the pictures are dark, blurred or turned.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from facetraits.faces.alignment import CROPS, crop_matrix
from facetraits.types import ClassPrediction, FaceDetection, QualityIssue

# Geometry of the crop that the thresholds hold for: forehead to chin.
CROP: Final = "face-v1"

# Below this the crop is enlarged about threefold, and one face in twelve passes for blurred merely because it is small.
_MIN_SIDE_PX: Final = 40.0

# Blur is judged at a size that faces from 56 px on fill with detail of their own, so that only focus and motion count.
# Blurred by a Gaussian of 1.5 / 2.2 / 3 / 4.5% of the face's side: 18 / 71 / 99 / 100% hits. False alarms: 0.6%; shrunk
# to 100 px 1.3%, to 64 px 2.5%, to 48 px 4.5%, to 40 px 7.7%.
_BLUR_SIDE_PX: Final = 56
_BLUR_RIM_PX: Final = 7  # left out on each side: background
_BLUR_TAPS: Final = 5
_MAX_BLUR: Final = 0.70

# The brightest 5% of a face are its highlights, whatever the colour of the skin; a mean would call dark skin a dark
# picture. Light cut to 25 / 30 / 40%: 100 / 95 / 29% hits. False alarms: none, so none among the 291 black faces.
_MIN_HIGHLIGHT: Final = 70.0

# Share of pixels burnt out to white. Light doubled / tripled: 77 / 95% hits. False alarms: 0.1%.
_BURNT_OUT: Final = 250
_MAX_BURNT_OUT: Final = 0.2

# Sideways offset of the nose from the middle of eyes and mouth, over half the distance of the eyes. Looked at by eye:
# from here on the far cheek is gone. True of 1.3% of the pictures.
_MAX_NOSE_OFFSET: Final = 0.6

# Share of the crop that lies outside the picture. The detector ends the box of a cut face at the edge and guesses the
# hidden landmarks, so the box does not tell. Reached when a sixth of a face is cut off. False alarms: none.
_MAX_OUTSIDE: Final = 0.15

# Probability from which the networks' answer counts that a face is covered (mask, hand, microphone, sunglasses) or
# upside down: likelier than not. False alarms of `accurate` on validation: covered 0.05% of UTKFace, none of
# All-Age-Faces and RAF-DB, 0.6% of FER2013; upside down 0.03% of FER2013.
_MIN_VIEW: Final = 0.5

_FACE_OVAL_AXES: Final = (0.36, 0.43)  # half width and half height, over the side of the crop


def assess(
    image: NDArray[np.uint8],
    detection: FaceDetection,
    crop: NDArray[np.uint8],
    view: ClassPrediction | None = None,
    upside_down: bool = False,
) -> tuple[QualityIssue, ...]:
    """What is wrong with the view of one face; empty where nothing is.

    Args:
        image: (H, W, 3) RGB.
        detection: the face in it.
        crop: (S, S, 3) RGB, the face as ``align_faces`` cuts it with the geometry ``CROP``.
        view: what the networks say of ``VIEWS``; None where they do not.
        upside_down: the detector is in doubt whether the face is upright. A view that is clear overrules it.
    """
    grey = cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY).astype(np.uint8, copy=False)
    oval = grey[_oval(grey.shape[0])]
    found: dict[QualityIssue, bool] = {
        "too small": detection.size_px < _MIN_SIDE_PX,
        "blurred": _blur(grey) > _MAX_BLUR,
        "too dark": float(np.percentile(oval, 95)) < _MIN_HIGHLIGHT,
        "too bright": float((oval >= _BURNT_OUT).mean()) > _MAX_BURNT_OUT,
        "turned away": turned_away(detection),
        "cut by the edge": _share_outside(image.shape[1], image.shape[0], detection) > _MAX_OUTSIDE,
        "covered": is_seen(view, "covered"),
        "upside down": is_seen(view, "upside down") or (upside_down and (view is None or view.top1 != "clear")),
    }
    return tuple(issue for issue, is_so in found.items() if is_so)


def turned_away(detection: FaceDetection) -> bool:
    """Whether the landmarks are those of a face that looks to its side, however it is tilted."""
    return _nose_offset(detection) > _MAX_NOSE_OFFSET


def is_seen(view: ClassPrediction | None, how: str) -> bool:
    """Whether the networks are sure enough of one of ``VIEWS``; ``view`` is None where they are not asked."""
    return view is not None and view.top1 == how and view.confidence >= _MIN_VIEW


def is_clear(quality: Collection[QualityIssue]) -> bool:
    """Whether the networks have learned from faces like this one: neither covered nor upside down."""
    return "covered" not in quality and "upside down" not in quality


def _oval(side_px: int) -> NDArray[np.bool_]:
    """(side, side) True where the face is in a crop."""
    mask = np.zeros((side_px, side_px), dtype=np.uint8)
    middle = (side_px // 2, side_px // 2)
    axes = (round(_FACE_OVAL_AXES[0] * side_px), round(_FACE_OVAL_AXES[1] * side_px))
    cv2.ellipse(mask, middle, axes, 0, 0, 360, 1, thickness=cv2.FILLED)
    return mask.astype(bool)


def _blur(grey: NDArray[np.uint8]) -> float:
    """How little of the detail of a (S, S) crop blurring takes away, in [0, 1]: near 1 it was blurred before.

    Source:
        Crete et al., "The blur effect", 2007. Contrast and brightness cancel out.
    """
    small = cv2.resize(grey, (_BLUR_SIDE_PX, _BLUR_SIDE_PX), interpolation=cv2.INTER_AREA).astype(np.float32)
    small = small[_BLUR_RIM_PX:-_BLUR_RIM_PX, _BLUR_RIM_PX:-_BLUR_RIM_PX]
    kept = []
    for axis, kernel_wh in ((0, (1, _BLUR_TAPS)), (1, (_BLUR_TAPS, 1))):
        before = np.abs(np.diff(small, axis=axis))
        after = np.abs(np.diff(cv2.blur(small, kernel_wh), axis=axis))
        lost = np.maximum(before - after, 0).sum()
        kept.append(1 - float(lost) / max(float(before.sum()), 1e-3))
    return max(kept)


def _nose_offset(detection: FaceDetection) -> float:
    """How far the nose lies beside the middle of the face, over half the distance of the eyes; 0 is frontal."""
    left_eye, right_eye, nose, left_mouth, right_mouth = detection.landmarks.astype(np.float64)
    across = (right_eye - left_eye) + (right_mouth - left_mouth)
    length = float(np.linalg.norm(across))
    if length < 1e-6:
        return float("inf")  # both sides of the face on one line: seen from the side
    middle = (left_eye + right_eye + left_mouth + right_mouth) / 4
    return abs(float((nose - middle) @ across)) / length / (length / 4)


def _share_outside(width: int, height: int, detection: FaceDetection) -> float:
    """Share of the crop that lies outside a picture of that size, in [0, 1]."""
    side = CROPS[CROP].side_px
    to_picture = cv2.invertAffineTransform(crop_matrix(detection, CROPS[CROP]))
    window = np.array([[0, 0], [side, 0], [side, side], [0, side]]) @ to_picture[:, :2].T + to_picture[:, 2]
    picture = np.array([[0, 0], [width, 0], [width, height], [0, height]])
    shared, _ = cv2.intersectConvexConvex(window.astype(np.float32), picture.astype(np.float32))
    return 1 - shared / float(np.hypot(*to_picture[:, 0]) * side) ** 2
