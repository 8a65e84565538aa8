"""Faces and people for the tests of tracking: made up, or drawn from real portraits."""

from __future__ import annotations

import cv2
import numpy as np

from facetraits.types import FaceDetection, FaceResult
from tests.builders import make_detection, make_result, make_traits

SIDE = 100.0  # px: one face width
WOMAN = {"gender": "female", "years": 28.0, "ethnicity": "asian"}
MAN = {"gender": "male", "years": 60.0, "ethnicity": "white"}
# Six quite different of the 100 people in scikit-image's excerpt of "Labeled Faces in the Wild", 25 x 25 px each.
PEOPLE = (4, 9, 16, 17, 47, 70)
_POINTS = np.array([[0.32, 0.40], [0.68, 0.40], [0.5, 0.6], [0.36, 0.76], [0.64, 0.76]])


def face_at(x, y, side=SIDE, quality=(), score=0.95, **traits):
    """A face whose box is centred there."""
    return FaceResult(make_detection(x - side / 2, y - side / 2, side, score), quality, make_traits(**traits))


def centre(tracked):
    return tracked.face.detection.box_xyxy.reshape(2, 2).mean(axis=0)


def times(rng, rate, seconds):
    """Irregular times of analyses."""
    now, out = 0.0, []
    while now < seconds:
        out.append(now)
        now += rng.uniform(0.6, 1.4) / rate
    return out


def numbers_of(tracker, frames):
    """Every number that was shown, where ``frames`` gives a time and the faces in view at it."""
    return {t.track_id for time_s, faces in frames for t in tracker.update(make_result(*faces), time_s)}


class Scene:
    """Draws people at given places, with noise as of a camera, and says where their faces are."""

    def __init__(self, portraits, seed=0):
        self._portraits = portraits
        self._rng = np.random.default_rng(seed)

    def frame(self, *people, **traits):
        """``people``: number of the portrait, x and y of the centre and, if wanted, changes (see ``_draw``)."""
        image = np.full((480, 640, 3), 110, dtype=np.uint8)
        faces = []
        for person, x, y, *changes in people:
            faces.append(self._draw(image, person, x, y, traits, **(changes[0] if changes else {})))
        return make_result(*faces), image

    def _draw(self, image, person, x, y, traits, side=SIDE, turn=0.0, gain=1.0, blur=0.0, noise=4.0, quality=()):
        """``turn`` in degrees; ``blur`` in px. Whoever is drawn must lie inside the picture."""
        reach = int(0.75 * side)
        left, top = int(x) - reach, int(y) - reach
        patch = image[top : top + 2 * reach, left : left + 2 * reach]
        matrix = cv2.getRotationMatrix2D((12, 12), turn, side / 25)
        matrix[:, 2] += (x - left - 12, y - top - 12)
        size_wh = patch.shape[1::-1]
        area = cv2.warpAffine(np.full((25, 25), 255, dtype=np.uint8), matrix, size_wh) > 127
        face = cv2.warpAffine(
            self._portraits[person], matrix, size_wh, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
        )
        if blur:
            face = cv2.GaussianBlur(face, (0, 0), blur)
        face = np.clip(face * gain + self._rng.normal(0, noise, face.shape), 0, 255)
        patch[area] = face[area][:, None]
        points = (_POINTS * 25 - 0.5) @ matrix[:, :2].T + matrix[:, 2] + (left, top)
        points += self._rng.normal(0, 0.012 * side, (5, 2))  # as uncertain as a detector's
        box = (x - side / 2, y - side / 2, x + side / 2, y + side / 2)
        return FaceResult(FaceDetection(box, points, 0.9), quality, make_traits(**traits))


def drawn_numbers(tracker, scene, people_at, times_s, **traits):
    """The number of the only face in every frame; None where none is shown."""
    out = []
    for now in times_s:
        result, image = scene.frame(*people_at(now), **traits)
        shown = tracker.update(result, now, image)
        out.append(shown[0].track_id if shown else None)
    return out


def drawn(scene, now, *people):
    result, image = scene.frame(*people)
    return result, now, image


def empty(now):
    return make_result(), now, np.full((480, 640, 3), 110, dtype=np.uint8)


def half_covered(image, x, y):
    """Something stands before the left half of a face."""
    covered = image.copy()
    covered[int(y - SIDE) : int(y + SIDE), int(x - SIDE) : int(x)] = np.random.default_rng(3).integers(0, 256, 3)
    return covered
