"""Drawn boxes are read back from pixels where they are, and nowhere else."""

import cv2
import numpy as np
import pytest

from facetraits.faces.annotate import annotate
from facetraits.types import FaceDetection, FaceResult
from tests.builders import make_detection, make_result, make_traits
from tests.camera import SCENES, five_faces, moving_face
from tests.drawn_boxes import best_overlap, drawn_boxes, overlap


def annotated(scene, number, boxes, mirrored=False):
    faces = [
        FaceResult(FaceDetection(box, make_detection().landmarks, 0.9), (), make_traits(years=20.0 + i))
        for i, box in enumerate(boxes)
    ]
    drawn = annotate(scene.frame(number), make_result(*faces, size_wh=scene.size_wh), mirrored=mirrored)
    # A video's colours have half the resolution of its brightness, as those of a JPEG.
    data = cv2.imencode(".jpg", drawn[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, 75])[1]
    return np.ascontiguousarray(cv2.imdecode(data, cv2.IMREAD_COLOR)[:, :, ::-1])


@pytest.mark.parametrize("size_wh", [(640, 480), (1280, 720)])
@pytest.mark.parametrize("mirrored", [False, True])
def test_a_box_is_read_where_it_was_drawn(size_wh, mirrored):
    scene = moving_face(size_wh)
    for number in range(0, scene.frames, 97):
        for shift in ((0, 0), (-23.4, 11.7), (55.5, -60.2)):  # beside the face too
            box = scene.boxes(number)[0] + np.tile(np.float32(shift), 2)
            (read,) = drawn_boxes(annotated(scene, number, [box], mirrored))
            assert read == pytest.approx(box, abs=2.5)


def test_each_of_five_boxes_is_read():
    scene = five_faces()
    for number in range(0, scene.frames, 97):
        boxes = scene.boxes(number)
        read = drawn_boxes(annotated(scene, number, boxes))
        assert len(read) == 5
        assert min(best_overlap(box, read) for box in boxes) > 0.9


@pytest.mark.parametrize("name", SCENES)
def test_no_box_is_read_where_none_was_drawn(name):
    scene = SCENES[name]((640, 480))
    for number in range(0, scene.frames, 61):
        assert drawn_boxes(annotated(scene, number, [])) == []


def test_overlap_is_intersection_over_union():
    box = np.array([0.0, 0.0, 10.0, 10.0])
    beside = np.array([5.0, 0.0, 15.0, 10.0])
    assert overlap(box, box) == 1
    assert overlap(box, box + 10) == 0
    assert overlap(box, beside) == pytest.approx(1 / 3)
    assert best_overlap(box, []) == 0
    assert best_overlap(box, [box + 10, beside]) == pytest.approx(1 / 3)
