"""Faces are numbered as one reads."""

from __future__ import annotations

import numpy as np
import pytest

from facetraits.types import FaceResult, FaceTraits
from tests.builders import make_detection
from ui.photo.order import reading_order


@pytest.mark.parametrize("seed", range(5))
def test_rows_from_left_to_right(seed: int) -> None:
    places = [(left, top + sway) for top in (50, 250) for left, sway in ((30, 20), (200, -15), (400, 10))]
    faces = [FaceResult(make_detection(left, top), (), FaceTraits()) for left, top in places]
    shuffled = [faces[i] for i in np.random.default_rng(seed).permutation(len(faces))]
    ordered = [tuple(face.detection.box_xyxy[:2]) for face in reading_order(shuffled)]
    assert ordered == [tuple(face.detection.box_xyxy[:2]) for face in faces]


def test_nobody_has_no_order() -> None:
    assert reading_order([]) == ()
