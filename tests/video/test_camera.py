"""The fake camera's people are where it says, and every picture knows its number."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from facetraits.faces.detection import FaceDetector
from tests.builders import MODELS
from tests.camera import (
    MOST_FRAMES,
    MOVING_SPEED,
    SCENES,
    Scene,
    crossing_faces,
    draw_counter,
    leaving_face,
    moving_face,
    read_counter,
    still_face,
    write_mjpeg,
    zooming_face,
)
from tests.drawn_boxes import best_overlap

WEBCAM, WIDE = (640, 480), (1280, 720)
IN_VIEW, HIDDEN = 0.95, 0.05  # shares of a face's box
SAME_FACE_IOU = 0.7  # the detector's boxes of one face at several sizes differ by a tenth in width and height


@pytest.fixture(scope="module")
def detector():
    return FaceDetector(MODELS / "centerface" / "network_int8.onnx", threads=1)


def through_jpeg(image, quality=50):
    data = cv2.imencode(".jpg", image[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return cv2.imdecode(data, cv2.IMREAD_COLOR)[:, :, ::-1]


def middles(scene, person=0):
    """(frames + 1, 2): one more, because the video begins again after its last frame."""
    boxes = np.array([scene.boxes(number % scene.frames)[person] for number in range(scene.frames + 1)])
    return (boxes[:, :2] + boxes[:, 2:]) / 2


@pytest.mark.parametrize("size_wh", [WEBCAM, WIDE])
@pytest.mark.parametrize("name", SCENES)
def test_the_known_boxes_are_those_of_the_detector(name, size_wh, detector):
    scene = SCENES[name](size_wh)
    compared = 0
    for number in np.linspace(0, scene.frames, 7, endpoint=False, dtype=int):
        found = [face.box_xyxy for face in detector.detect(scene.frame(number))]
        boxes, visible = scene.boxes(number), scene.visible(number)
        if ((visible > HIDDEN) & (visible < IN_VIEW)).any():
            continue
        assert len(found) == np.count_nonzero(visible >= IN_VIEW)
        for box in boxes[visible >= IN_VIEW]:
            assert best_overlap(box, found) > SAME_FACE_IOU
            compared += 1
    assert compared >= min(3, 3 * len(scene.people))


@pytest.mark.parametrize("name", SCENES)
def test_a_video_ends_where_it_begins(name):
    scene = SCENES[name](WEBCAM)
    end = scene.boxes(scene.frames)
    assert end == pytest.approx(scene.boxes(0), abs=0.5)
    assert scene.frames <= MOST_FRAMES
    assert scene.frame(0).shape == (480, 640, 3)


def test_the_moving_face_always_moves_at_its_speed():
    scene = moving_face()
    left, _, right, _ = scene.boxes(0)[0]
    steps = np.abs(np.diff(middles(scene)[:, 0])) * scene.fps / (right - left)
    turns = steps < MOVING_SPEED * 0.98
    assert steps[~turns] == pytest.approx(MOVING_SPEED, rel=0.02)
    assert np.count_nonzero(turns) <= 6
    assert min(scene.visible(number)[0] for number in range(0, scene.frames, 20)) == 1


def test_the_leaving_face_is_away_for_seconds():
    scene = leaving_face()
    visible = np.array([scene.visible(number)[0] for number in range(scene.frames // 2)])
    assert 5 <= np.count_nonzero(visible == 0) / scene.fps <= 8
    assert 5 <= np.count_nonzero(visible == 1) / scene.fps <= 9


def test_the_face_zooms_by_four():
    scene = zooming_face()
    widths = [np.diff(scene.boxes(number)[0][[0, 2]]).item() for number in range(scene.frames)]
    assert max(widths) / min(widths) == pytest.approx(4, rel=0.02)
    assert max(widths) == pytest.approx(240, rel=0.02)


def test_of_two_crossing_faces_one_is_hidden_for_a_moment():
    scene = crossing_faces()
    behind, before = np.array([scene.visible(number) for number in range(scene.frames)]).T
    assert before.min() == 1
    assert behind.min() < 0.2
    assert np.median(behind) == 1
    assert np.sign(np.subtract(*(middles(scene, person)[:, 0] for person in (0, 1)))).min() == -1  # they change sides


def test_frames_of_a_still_scene_differ_by_noise_only_and_can_be_made_again():
    scene = still_face()
    one, other = (scene.frame(number)[60:].astype(int) for number in (7, 23))
    assert 1 < (one - other).std() < 6
    assert abs((one - other).mean()) < 0.1
    assert np.array_equal(scene.frame(7), still_face().frame(7))


@pytest.mark.parametrize("size_wh", [WEBCAM, WIDE, (320, 240)])
def test_the_counter_survives_a_codec(size_wh):
    image = still_face(size_wh).frame(0)
    for number in (*range(0, MOST_FRAMES, 37), 341, 682, MOST_FRAMES - 1):
        draw_counter(image, number)
        assert read_counter(through_jpeg(image, quality=20)) == number


def test_an_unclear_counter_is_not_guessed():
    image = still_face().frame(5)
    image[:48, :64] = 128
    assert read_counter(image) is None


def test_the_file_holds_every_frame_in_order(tmp_path):
    scene = replace(still_face(), frames=9)
    data = write_mjpeg(scene, tmp_path / "camera.mjpeg").read_bytes()
    pictures = [b"\xff\xd8\xff" + part for part in data.split(b"\xff\xd8\xff")[1:]]
    decoded = [cv2.imdecode(np.frombuffer(p, dtype=np.uint8), cv2.IMREAD_COLOR)[:, :, ::-1] for p in pictures]
    assert [read_counter(picture) for picture in decoded] == list(range(9))
    assert np.abs(decoded[4].astype(int) - scene.frame(4)).mean() < 3


@pytest.mark.parametrize("frames", [0, MOST_FRAMES + 1])
def test_a_scene_has_no_more_frames_than_its_counter_can_tell(frames):
    with pytest.raises(ValueError, match="frames"):
        Scene((), frames)
