"""Follow faces from an analysed video frame into later ones, which takes a fraction of the time of a detection."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

# Points that are followed in each face: a grid over the middle of its box, where there is face and no background.
_GRID: Final = 6
_MIDDLE: Final = 0.7  # of the box's width and height
_LEAST_POINTS: Final = 8
_WINDOW_PX: Final = 15
_LEVELS: Final = 3  # of the image pyramid: movements up to about 60 px are found
_STRAY: Final = 0.08  # a point this far from where the others take it, over the box's side, has lost its face
_LEAST_AGREEMENT: Final = 0.5  # share of the points that must agree; under it the face was lost or hidden
_MOST_ZOOM: Final = 1.5


class FaceFollower:
    """Where the faces of one analysed frame are in the frames after it.

    Every search starts from the analysed frame again, so that errors do not add up from frame to frame. Immutable after
    construction: several threads may search at once.

    Args:
        grey: (H, W) uint8, the analysed frame; some 320 px wide is enough.
        boxes_xyxy: (N, 4) the faces in it, in its px.

    Source:
        Lucas-Kanade optical flow in pyramids (Bouguet 2001), then the median movement and zoom of a face's points.
    """

    def __init__(self, grey: NDArray[np.uint8], boxes_xyxy: NDArray[np.floating]) -> None:
        if boxes_xyxy.ndim != 2 or boxes_xyxy.shape[1] != 4:
            raise ValueError(f"boxes_xyxy must have shape (N, 4), got {boxes_xyxy.shape}")
        self._boxes = boxes_xyxy.astype(np.float32)
        self._grey = grey
        self._points = [_grid(box) for box in self._boxes]

    def locate(self, grey: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """The boxes in a later frame.

        Args:
            grey: (H, W) uint8, of the same size as the analysed frame.

        Returns:
            (N, 4) boxes and (N,) whether each face could be followed; one that could not keeps its old box.

        Raises:
            ValueError: ``grey`` has another size.
        """
        if grey.shape != self._grey.shape:
            raise ValueError(f"grey must have the size of the analysed frame {self._grey.shape}, got {grey.shape}")
        boxes, followed = self._boxes.copy(), np.zeros(len(self._boxes), dtype=bool)
        if not len(boxes):
            return boxes, followed
        # One call for all faces: the pyramids of both frames are made only once.
        points = np.concatenate(self._points)
        moved, status, _ = cv2.calcOpticalFlowPyrLK(
            self._grey,
            grey,
            points,
            np.empty_like(points),
            winSize=(_WINDOW_PX, _WINDOW_PX),
            maxLevel=_LEVELS,
        )
        found = np.asarray(status, dtype=bool).reshape(len(boxes), -1)
        after = np.asarray(moved, dtype=np.float32).reshape(len(boxes), -1, 2)
        for i, box in enumerate(self._boxes):
            new_box = _moved_box(box, self._points[i][found[i]], after[i][found[i]])
            if new_box is not None:
                boxes[i], followed[i] = new_box, True
        return boxes, followed


def _grid(box: NDArray[np.float32]) -> NDArray[np.float32]:
    """(_GRID * _GRID, 2) points in the middle of a box."""
    middle, half = (box[:2] + box[2:]) / 2, (box[2:] - box[:2]) / 2 * _MIDDLE
    steps = np.linspace(-1, 1, _GRID)
    offsets = np.stack(np.meshgrid(steps, steps), axis=-1).reshape(-1, 2)
    return (middle + offsets * half).astype(np.float32)


def _moved_box(
    box: NDArray[np.float32], before: NDArray[np.float32], after: NDArray[np.float32]
) -> NDArray[np.float32] | None:
    """The box after its points have moved from ``before`` to ``after``, both (K, 2); None where they do not agree."""
    if len(before) < _LEAST_POINTS:
        return None
    centre_before, centre_after = np.median(before, axis=0), np.median(after, axis=0)
    spread_before = np.abs(before - centre_before).sum(axis=1)
    spread_after = np.abs(after - centre_after).sum(axis=1)
    far = spread_before > np.median(spread_before)
    if not far.any():
        return None
    zoom = float(np.median(spread_after[far] / spread_before[far]))
    if not 1 / _MOST_ZOOM < zoom < _MOST_ZOOM:
        return None
    side = float(np.sqrt((box[2] - box[0]) * (box[3] - box[1])))
    strays = np.abs(after - (centre_after + zoom * (before - centre_before))).max(axis=1) > _STRAY * side
    if (~strays).sum() < _LEAST_AGREEMENT * _GRID * _GRID:
        return None
    corners = box.reshape(2, 2)
    new_box: NDArray[np.float32] = (centre_after + zoom * (corners - centre_before)).reshape(4).astype(np.float32)
    return new_box
