"""The order in which the faces of a picture are numbered: as one reads, row by row."""

from __future__ import annotations

from collections.abc import Sequence

from facetraits.types import FaceResult


def reading_order(faces: Sequence[FaceResult]) -> tuple[FaceResult, ...]:
    """The faces from the upper row to the lower one, and in each from left to right.

    A face belongs to a row where its middle lies between top and bottom of the row's first face.
    """
    rows: list[list[FaceResult]] = []
    for face in sorted(faces, key=lambda face: _middle(face)[1]):
        top, bottom = (float(rows[-1][0].detection.box_xyxy[i]) for i in (1, 3)) if rows else (0.0, 0.0)
        if rows and top <= _middle(face)[1] <= bottom:
            rows[-1].append(face)
        else:
            rows.append([face])
    return tuple(face for row in rows for face in sorted(row, key=lambda face: _middle(face)[0]))


def _middle(face: FaceResult) -> tuple[float, float]:
    x1, y1, x2, y2 = (float(v) for v in face.detection.box_xyxy)
    return (x1 + x2) / 2, (y1 + y2) / 2
