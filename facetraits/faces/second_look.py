"""A second look at faces that stand on their heads or lie on their sides.

The detector learned from upright faces. It finds others too, but places their landmarks badly, and the networks then
get a crop that is turned. Measured on 317 validation pictures of All-Age-Faces and UTKFace, each turned twelve times:

| turned by, in degrees | found | landmarks off, in distances of the eyes: median | 90th percentile |
|---|---|---|---|
| up to 15 | 99.5% | 0.05 | 0.11 |
| 15 to 45 | 98% | 0.10 | 0.19 |
| 45 to 75 | 92% | 0.24 | 0.31 |
| 75 to 105 | 71% | 0.32 | 0.57 |
| 105 to 135 | 64% | 0.64 | 1.02 |
| 135 to 165 | 56% | 0.55 | 0.90 |
| 165 to 180 | 48% | 0.40 | 0.62 |

The scores hardly differ (medians from 0.85 down to 0.70), but the landmarks give such faces away: they are turned
themselves, or do not fit a face. Who is suspected is looked at again, alone and upright; no other network is needed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from facetraits.faces.alignment import CropSpec, align_faces, similarity
from facetraits.faces.detection import FaceDetector, overlaps
from facetraits.quality import turned_away
from facetraits.types import FaceDetection

_REFERENCE: Final = CropSpec("landmarks alone", side_px=1, margin=1.0)

# Found on those pictures. Suspected are landmarks that are turned by more than this, or fit a frontal face worse, or
# fit doubtfully while the score is low, and the lowest scores: 99% of the faces turned by 45 degrees and more, 22% of
# those turned by 15 to 45, 6% of the upright. None of the upright is taken for another.
_TILTED_DEG: Final = 40.0
_MISFIT: Final = 0.06  # in sides of the tight crop, root mean square; 99% of upright faces stay under 0.05
_DOUBTFUL_MISFIT: Final = 0.035  # 90% stay under it
_LOW_SCORE: Final = 0.75
_LOWEST_SCORE: Final = 0.6
_MISFIT_AWAY: Final = 0.13  # of a face turned away by 75 degrees
# Of two looks at one face, the score less this many times the misfit tells the upright one in 99% of the cases.
_MISFIT_WEIGHT: Final = 8.0
_LUCK: Final = 0.1
_MOST_OWN_ROLL_DEG: Final = 60.0  # a look at a face that is turned by more is none at an upright face
_REFINED_FROM_DEG: Final = 12.0
_UPSIDE_DOWN_DEG: Final = 100.0  # what is turned by more than this and cannot be set upright gets the warning

_LOOK: Final = CropSpec("second look", side_px=256, margin=1.0)  # of which the face's box fills the middle half
_PICTURE: Final = CropSpec("turned picture", side_px=640, margin=1.0)
_MAX_ENLARGEMENT: Final = 2.0
_SAME_FACE: Final = 0.3  # intersection over union of two boxes


class Look(NamedTuple):
    """A face and whether the detector is in doubt about its being upright.

    Attributes:
        detection: box, landmarks and score.
        upside_down: the face seems to stand on its head, and no look at it upright confirms the landmarks.
    """

    detection: FaceDetection
    upside_down: bool = False


def roll_deg(detection: FaceDetection) -> float:
    """How far the landmarks are turned clockwise from upright, in (-180, 180]."""
    matrix = similarity(_REFERENCE.landmarks_px(), detection.landmarks)
    return float(np.degrees(np.arctan2(matrix[1, 0], matrix[0, 0])))


def misfit(detection: FaceDetection) -> float:
    """How badly the landmarks fit those of a frontal face, turned as they may be.

    Returns:
        The root mean square of the distances, in sides of the tight crop; about 0.03 for frontal faces, 0.08 for faces
        turned away by 60 degrees.
    """
    reference = _REFERENCE.landmarks_px()
    matrix = similarity(reference, detection.landmarks)
    apart = reference @ matrix[:, :2].T + matrix[:, 2] - detection.landmarks
    return float(np.sqrt((apart**2).sum(axis=1).mean()) / np.hypot(matrix[0, 0], matrix[1, 0]))


def look_again(detector: FaceDetector, image: NDArray[np.uint8], faces: Sequence[FaceDetection]) -> tuple[Look, ...]:
    """The faces of a picture, those that do not seem upright looked at once more.

    For faces that are not suspected nothing is done. One that is turned away or only hard to see costs one look, as a
    rule, others one to seven, each of 256 x 256 px.

    Args:
        detector: what found the faces.
        image: (H, W, 3) RGB.
        faces: as ``detector.detect`` gives them.

    Returns:
        Largest first. Fewer where two of ``faces`` turn out to be one.
    """
    looks = [(_second(detector, image, face) if suspected(face) else Look(face)) for face in faces]
    if all(look.detection is face for look, face in zip(looks, faces, strict=True)):
        return tuple(looks)
    return _each_once(looks)


def suspected(face: FaceDetection) -> bool:
    """Whether the landmarks are those of a face that may not be upright."""
    apart = misfit(face)
    doubtful = face.score < (_LOW_SCORE if apart > _DOUBTFUL_MISFIT else _LOWEST_SCORE)
    return abs(roll_deg(face)) > _TILTED_DEG or apart > _MISFIT or doubtful


def look_at_turned_picture(detector: FaceDetector, image: NDArray[np.uint8]) -> tuple[Look, ...]:
    """Search a picture in which no face was found once more: on its head and on both sides, at 640 px.

    Args:
        detector: as of ``look_again``.
        image: (H, W, 3) RGB.

    Returns:
        The faces that a look at each of them alone confirms, largest first; empty where there is none.
    """
    height, width = image.shape[:2]
    scale = min(_PICTURE.side_px / max(height, width), _MAX_ENLARGEMENT)
    middle = np.array([(width - 1) / 2, (height - 1) / 2])
    for roll in (180.0, 90.0, -90.0):
        found = _searched(detector, image, _Turn(middle, scale, roll), _PICTURE)
        looks = [look_turned(detector, image, face, roll) for face in found if face.score > detector.min_score]
        confirmed = [Look(face) for face in looks if face is not None]
        if confirmed:
            return _each_once(confirmed)
    return ()


def look_turned(
    detector: FaceDetector, image: NDArray[np.uint8], face: FaceDetection, roll: float
) -> FaceDetection | None:
    """One face, seen alone, with the picture turned so that a face turned by ``roll`` stands upright.

    Args:
        detector: as of ``look_again``.
        image: (H, W, 3) RGB.
        face: where to look.
        roll: degrees clockwise.

    Returns:
        The face, turned by about ``roll``; None where none is seen that way.
    """
    seen = _look(detector, image, face, roll)
    return _refined(detector, image, seen, roll) if seen is not None and _convincing(seen, roll) else None


def _each_once(looks: Iterable[Look]) -> tuple[Look, ...]:
    """The surest of looks that overlap, largest first."""
    kept: list[Look] = []
    for look in sorted(looks, key=lambda look: -look.detection.score):
        if not any(_is_same(look.detection, other.detection) for other in kept):
            kept.append(look)
    return tuple(sorted(kept, key=lambda look: -look.detection.size_px))


def _second(detector: FaceDetector, image: NDArray[np.uint8], face: FaceDetection) -> Look:
    roll = roll_deg(face)
    tilted = abs(roll) > _TILTED_DEG
    steps: Sequence[tuple[float, ...]] = ((roll + 180,), (roll + 90, roll - 90))
    if tilted:
        steps = ((roll,), (roll + 180, roll + 90, roll - 90))
    elif misfit(face) <= (_MISFIT_AWAY if turned_away(face) else _MISFIT):
        steps = steps[:1]
    best, best_roll = face, roll
    # A look upright at a face that is turned need not be better than the first, which was lucky.
    to_beat = _worth(face) - (_LUCK if tilted else 0)

    def try_at(at: float) -> None:
        nonlocal best, best_roll, to_beat
        seen = _look(detector, image, face, at)
        if seen is not None and _worth(seen) > to_beat:
            best, best_roll, to_beat = seen, at, _worth(seen)

    for rolls in steps:
        before = best
        for at in rolls:
            try_at(at)
        if best is not before and not _convincing(best, best_roll):  # it may point to where upright is
            try_at(roll_deg(best))
        if best is not face and _convincing(best, best_roll):
            return Look(_refined(detector, image, best, best_roll))
    return Look(face, tilted and max(abs(roll), abs(roll_deg(best))) > _UPSIDE_DOWN_DEG)


def _refined(detector: FaceDetector, image: NDArray[np.uint8], face: FaceDetection, seen_at: float) -> FaceDetection:
    """``face`` as a last look shows it, with what was left of its roll taken away."""
    roll = roll_deg(face)
    if abs(_wrapped(roll - seen_at)) < _REFINED_FROM_DEG:
        return face
    seen = _look(detector, image, face, roll)
    return seen if seen is not None and _convincing(seen, roll) else face


def _convincing(face: FaceDetection, seen_at: float) -> bool:
    """Whether a look with the picture turned by ``seen_at`` shows an upright face."""
    return misfit(face) <= _MISFIT and abs(_wrapped(roll_deg(face) - seen_at)) <= _MOST_OWN_ROLL_DEG


def _worth(face: FaceDetection) -> float:
    return face.score - _MISFIT_WEIGHT * misfit(face)


def _wrapped(degrees: float) -> float:
    return (degrees + 180) % 360 - 180


class _Turn(NamedTuple):
    """What part of a picture is looked at, and how.

    Attributes:
        middle: (2,) x, y in px of the picture.
        scale: px of the look per px of the picture.
        roll: degrees clockwise by which the content is turned; the look shows it upright.
    """

    middle: NDArray[np.float64]
    scale: float
    roll: float

    def to_picture(self, side_px: int) -> NDArray[np.float64]:
        """(2, 3) matrix from px of a square look to px of the picture."""
        angle = np.radians(self.roll)
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) / self.scale
        return np.column_stack([turn, self.middle - turn @ np.full(2, (side_px - 1) / 2)])


def _look(detector: FaceDetector, image: NDArray[np.uint8], face: FaceDetection, roll: float) -> FaceDetection | None:
    """The surest face that is seen where ``face`` is; None where the detector sees none, or trusts none."""
    middle = (face.box_xyxy[:2] + face.box_xyxy[2:]).astype(np.float64) / 2
    turn = _Turn(middle, _LOOK.side_px / 2 / face.size_px, roll)
    seen = [found for found in _searched(detector, image, turn, _LOOK) if _is_same(found, face)]
    best = max(seen, key=lambda found: found.score, default=None)
    return best if best is not None and best.score > detector.min_score else None


def _searched(detector: FaceDetector, image: NDArray[np.uint8], turn: _Turn, spec: CropSpec) -> Iterable[FaceDetection]:
    """All faces in a part of a picture that is turned upright, in px of the picture."""
    back = turn.to_picture(spec.side_px)
    corners = np.array([[0, 0, 1], [spec.side_px, spec.side_px, 1]]) @ back.T
    box = np.concatenate([corners.min(axis=0), corners.max(axis=0)])
    landmarks = (spec.landmarks_px() @ back[:, :2].T + back[:, 2]).astype(np.float32)
    posed = FaceDetection(box.astype(np.float32), landmarks, 1.0)
    (look,) = align_faces(image, [posed], spec)
    return [_moved(found, back) for found in detector.search(look)]


def _moved(face: FaceDetection, matrix: NDArray[np.float64]) -> FaceDetection:
    """A face after a similarity transform; its box is that of the ellipse which filled the old one."""
    middle = matrix[:, :2] @ (face.box_xyxy[:2] + face.box_xyxy[2:]) / 2 + matrix[:, 2]
    half_wh = (face.box_xyxy[2:] - face.box_xyxy[:2]) / 2
    reach = np.sqrt((matrix[:, :2] ** 2) @ half_wh.astype(np.float64) ** 2)
    landmarks = (face.landmarks @ matrix[:, :2].T + matrix[:, 2]).astype(np.float32)
    box = np.concatenate([middle - reach, middle + reach]).astype(np.float32)
    return FaceDetection(box, landmarks, face.score)


def _is_same(one: FaceDetection, other: FaceDetection) -> bool:
    """Whether two boxes overlap so much that they are of one face."""
    return bool(overlaps(one.box_xyxy[None], other.box_xyxy)[0] > _SAME_FACE)
