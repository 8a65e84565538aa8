"""The crop geometries never change by accident, and training cuts exactly what serving cuts."""

import cv2
import numpy as np
import pytest

from facetraits.faces.alignment import CROPS, align_faces
from facetraits.faces.detection import FaceDetector
from facetraits.registry import load_manifest
from facetraits.training.data.prepare import _rows, crops_of
from facetraits.types import FaceDetection
from tests.builders import ROOT, photo_of_one

GOLDEN = ROOT / "tests" / "golden"
ROUNDING = 2  # grey levels: processors differ in the last bit of an interpolation
ASTRONAUT = FaceDetection(
    np.array([179.8, 61.8, 271.0, 178.0]),
    np.array([[202.6, 100.4], [249.2, 103.4], [224.5, 123.8], [202.8, 142.1], [242.6, 144.4]]),
    0.9,
)


@pytest.mark.parametrize("name", CROPS)
def test_geometry_is_as_pinned(name):
    """`face-*.png` are crops of the packaged public-domain portrait; a new geometry needs a new name and a new file."""
    golden = cv2.imread(str(GOLDEN / f"{name}.png"))[..., ::-1].astype(int)
    crop = align_faces(photo_of_one(), [ASTRONAUT], CROPS[name])[0]
    assert np.abs(crop - golden).max() <= ROUNDING


@pytest.mark.parametrize("spec", CROPS.values(), ids=CROPS)
def test_training_and_serving_cut_the_same_bytes(spec):
    photo = photo_of_one()
    detections = FaceDetector(load_manifest().detector).detect(photo)
    served = align_faces(photo, detections, spec)
    prepared = crops_of([photo] * len(detections), _rows(detections), spec)
    assert len(served) == 1
    assert served.tobytes() == prepared.tobytes()


@pytest.mark.parametrize("spec", CROPS.values(), ids=CROPS)
def test_landmarks_land_where_the_geometry_says(spec):
    """A frontal face, drawn by its landmarks alone, is cut with its eyes level and the side's share of px apart."""
    points = spec.landmarks_px()
    eyes = points[1] - points[0]
    assert abs(eyes[1]) < 0.5
    assert eyes[0] / spec.side_px == pytest.approx(35.24 / 112 / spec.margin, abs=0.01)
