"""Cut a face out of a picture, upright and at a fixed size: the only place where a network's input is made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from facetraits.types import FaceDetection

# Where the five landmarks lie in a frontal face cropped from brow to chin, as fractions of the crop's side.
# Source: the 112 px reference points of ArcFace (Deng et al. 2019), divided by 112.
_REFERENCE_POINTS: Final = (
    np.array(
        [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]],
        dtype=np.float64,
    )
    / 112.0
)


@dataclass(frozen=True, slots=True)
class CropSpec:
    """Geometry of a face crop.

    Attributes:
        name: what manifests call it; a changed geometry needs a new name.
        side_px: width and height of the crop in px.
        margin: side of the crop over the side of the tight reference crop (brow to chin); > 0.
        shift_y: how far the crop's window moves down, as a fraction of its side (negative: up, more forehead).
    """

    name: str
    side_px: int
    margin: float
    shift_y: float = 0.0

    def landmarks_px(self) -> NDArray[np.float64]:
        """(5, 2) where the landmarks of a frontal face lie in the crop, in px."""
        centred = (_REFERENCE_POINTS - 0.5) / self.margin
        centred[:, 1] -= self.shift_y
        return (centred + 0.5) * self.side_px


def similarity(source: NDArray[np.floating], target: NDArray[np.floating]) -> NDArray[np.float64]:
    """Least-squares rotation, scale and shift that maps ``source`` to ``target``.

    Args:
        source: (N, 2) points, not all the same.
        target: (N, 2) points.

    Returns:
        (2, 3) affine matrix.

    Raises:
        ValueError: the points of ``source`` coincide.

    Source:
        Umeyama, 1991, in the closed form for the plane (complex numbers, no reflection).
    """
    z = source[:, 0].astype(np.float64) + 1j * source[:, 1]
    w = target[:, 0].astype(np.float64) + 1j * target[:, 1]
    z_mean, w_mean = z.mean(), w.mean()
    spread = float((np.abs(z - z_mean) ** 2).sum())
    if spread < 1e-9:
        raise ValueError("the landmarks of a face must not all lie on one point")
    a = (np.conj(z - z_mean) * (w - w_mean)).sum() / spread
    b = w_mean - a * z_mean
    return np.array([[a.real, -a.imag, b.real], [a.imag, a.real, b.imag]])


def crop_matrix(detection: FaceDetection, spec: CropSpec) -> NDArray[np.float64]:
    """(2, 3) matrix that maps px of the picture to px of the crop."""
    return similarity(detection.landmarks, spec.landmarks_px())


def align_faces(image: NDArray[np.uint8], detections: Sequence[FaceDetection], spec: CropSpec) -> NDArray[np.uint8]:
    """Cut out every face, turned upright and scaled to ``spec``.

    What lies outside the picture repeats its edge. Where the crop is much smaller than the face, the face is first
    shrunk by area averaging, so that fine patterns do not alias.

    Args:
        image: (H, W, 3) RGB.
        detections: N faces of that picture.
        spec: geometry of the crop.

    Returns:
        (N, side_px, side_px, 3) RGB; N may be 0.
    """
    crops = np.empty((len(detections), spec.side_px, spec.side_px, 3), dtype=np.uint8)
    for crop, detection in zip(crops, detections, strict=True):
        matrix = crop_matrix(detection, spec)
        source, matrix = _shrink_for(image, matrix, spec.side_px)
        size_wh = (spec.side_px, spec.side_px)
        cv2.warpAffine(source, matrix, size_wh, dst=crop, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return crops


def _shrink_for(
    image: NDArray[np.uint8], matrix: NDArray[np.float64], side_px: int
) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """The part of ``image`` that the crop shows, at most twice as fine as the crop, and the matrix for it."""
    scale = float(np.hypot(matrix[0, 0], matrix[1, 0]))
    factor = int(0.75 / scale)
    if factor < 2:
        return image, matrix
    inverse = cv2.invertAffineTransform(matrix)
    corners = np.array([[0, 0], [side_px, 0], [0, side_px], [side_px, side_px]]) @ inverse[:, :2].T + inverse[:, 2]
    height, width = image.shape[:2]
    left, top = np.clip(np.floor(corners.min(axis=0)).astype(int) - factor, 0, (width - 1, height - 1))
    right, bottom = np.clip(np.ceil(corners.max(axis=0)).astype(int) + factor, (left + 1, top + 1), (width, height))
    region = image[top:bottom, left:right]
    small_wh = (max(1, (right - left) // factor), max(1, (bottom - top) // factor))
    small = cv2.resize(region, small_wh, interpolation=cv2.INTER_AREA)
    # px centres: x_small = (x - left + 0.5) * ratio - 0.5
    ratio = np.array([small_wh[0] / (right - left), small_wh[1] / (bottom - top)])
    to_full = np.diag([1 / ratio[0], 1 / ratio[1], 1.0])
    to_full[:2, 2] = 0.5 / ratio - 0.5 + (left, top)
    return small, matrix @ to_full  # type: ignore[return-value]


# The geometries that networks may ask for, by name. Never change one: trained weights depend on it.
CROPS: Final[Mapping[str, CropSpec]] = {
    spec.name: spec
    for spec in (
        # Forehead to chin: the widest crop that both UTKFace's and FER2013's pre-cropped pictures fill.
        CropSpec("face-v1", side_px=112, margin=0.8, shift_y=0.147),
        # Brow to chin. docs/log/data-and-crops.md tells what either margin is worth.
        CropSpec("face-tight-v1", side_px=112, margin=0.65, shift_y=0.19),
        # Hair and chin too. A tenth of it lies outside UTKFace's pre-cropped pictures.
        CropSpec("face-wide-v1", side_px=128, margin=0.95, shift_y=0.119),
        # The same, as fine as UTKFace's pictures allow.
        CropSpec("face-wide-160-v1", side_px=160, margin=0.95, shift_y=0.119),
    )
}
