"""The faces of one frame, as a tracker sees them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from facetraits.faces.alignment import align_faces
from facetraits.types import AnalysisResult, FaceResult, QualityIssue
from facetraits.video.looks import LOOK_CROP, appearance_of

# What is left of a face in such a view looks like somebody else's: a portrait of which half was hidden was called 53
# years old and female, whole 16 and male, and the similarity of the two looks was 0.04. Blur, noise, darkness and a
# small size leave looks nearly as they are (see ``looks.py``).
_IN_PART: Final[frozenset[QualityIssue]] = frozenset({"turned away", "cut by the edge", "covered"})
_HAIR_WIDTHS: Final = 0.25  # a head reaches so far beyond its face's box, at both sides and above
_MOST_HIDDEN: Final = 0.15  # share of a face behind another head; as of a face outside the picture in ``quality.py``


@dataclass(frozen=True, slots=True, eq=False)
class Sighting:
    """One face of one frame.

    Lengths are in widths of the picture: a connection may change the size of its frames at any time.

    Attributes:
        x, y, size: centre and size of the face's box.
        look: what the face looks like; None without a picture.
        in_part: part of the face may be out of view.
    """

    face: FaceResult
    time_s: float
    x: float
    y: float
    size: float
    look: NDArray[np.float32] | None
    in_part: bool

    @property
    def poor(self) -> bool:
        """Whether the face is seen in part, or with a warning."""
        return self.in_part or bool(self.face.quality)


def sightings_of(result: AnalysisResult, time_s: float, image: NDArray[np.uint8] | None) -> list[Sighting]:
    """The faces of a frame, in their order.

    Args:
        result: what was found in the frame.
        time_s: when it was taken.
        image: (H, W, 3) RGB, the frame itself; None where looks are not wanted.
    """
    looks: Sequence[NDArray[np.float32] | None] = [None] * len(result.faces)
    if image is not None:
        crops = align_faces(image, [face.detection for face in result.faces], LOOK_CROP)
        looks = [appearance_of(crop) for crop in crops]
    boxes = np.array([face.detection.box_xyxy for face in result.faces], dtype=np.float32).reshape(-1, 4)
    sightings = []
    for face, look, hidden in zip(result.faces, looks, behind_heads(boxes), strict=True):
        left, top, right, bottom = (float(v) for v in face.detection.box_xyxy)
        width = result.size_wh[0]
        centre = (left + right) / 2 / width, (top + bottom) / 2 / width
        in_part = bool(hidden) or not _IN_PART.isdisjoint(face.quality)
        sightings.append(Sighting(face, time_s, *centre, face.detection.size_px / width, look, in_part))
    return sightings


def behind_heads(boxes: NDArray[np.float32]) -> NDArray[np.bool_]:
    """(N,) whether part of a face may be behind the head of another; who is in front is not known.

    Args:
        boxes: (N, 4) the faces of one picture.
    """
    widths = boxes[:, 2:3] - boxes[:, :1]
    heads = boxes + widths * np.array([-_HAIR_WIDTHS, -_HAIR_WIDTHS, _HAIR_WIDTHS, 0], dtype=np.float32)
    low = np.maximum(boxes[:, None, :2], heads[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], heads[None, :, 2:])
    shares = np.clip(high - low, 0, None).prod(axis=2) / (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)[:, None]
    np.fill_diagonal(shares, 0)
    hidden: NDArray[np.bool_] = (shares > _MOST_HIDDEN).any(axis=1)
    return hidden
