import cv2
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from facetraits.faces.alignment import CROPS, CropSpec, align_faces, crop_matrix, similarity
from facetraits.types import FaceDetection
from tests.builders import make_detection, photo_of_one

LANDMARKS = np.array([[202.6, 100.4], [249.2, 103.4], [224.5, 123.8], [202.8, 142.1], [242.6, 144.4]])
SPECS = pytest.mark.parametrize("spec", CROPS.values(), ids=CROPS)
INTERPOLATION = 2  # grey levels: the processor interpolates with 5 bits of a px

coordinates = st.floats(-2000, 2000, allow_nan=False)
point_sets = st.lists(st.tuples(coordinates, coordinates), min_size=2, max_size=12).map(np.array)


def face_at(landmarks):
    """A detection of which only the landmarks matter."""
    landmarks = np.asarray(landmarks, dtype=np.float32)
    return FaceDetection(np.concatenate([landmarks.min(axis=0) - 20, landmarks.max(axis=0) + 20]), landmarks, 0.9)


def moved(points, matrix):
    return points @ matrix[:, :2].T + matrix[:, 2]


def enlarged(points, scale):
    """Where points of a picture lie when it is resized: px are squares around their coordinates."""
    return (points + 0.5) * scale - 0.5


def mean_difference(first, second):
    return float(np.abs(first.astype(int) - second.astype(int)).mean())


@given(
    points=point_sets,
    angle=st.floats(-np.pi, np.pi),
    scale=st.floats(0.01, 100),
    shift=st.tuples(coordinates, coordinates),
)
def test_similarity_recovers_rotation_scale_and_shift(points, angle, scale, shift):
    assume(np.ptp(points, axis=0).max() > 1)
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    expected = np.column_stack([turn, shift])
    found = similarity(points, moved(points, expected))
    assert found[:, :2] == pytest.approx(turn, rel=1e-7, abs=1e-7 * scale)
    assert moved(points, found) == pytest.approx(moved(points, expected), abs=1e-6 * max(1, scale))


@given(points=point_sets, noise=st.integers(0, 2**32 - 1))
def test_similarity_never_mirrors_or_shears(points, noise):
    assume(np.ptp(points, axis=0).max() > 1)
    target = points + np.random.default_rng(noise).normal(0, 50, points.shape)
    (a, b, _), (c, d, _) = similarity(points, target)
    assert a == d
    assert b == -c


def test_similarity_has_the_least_squared_error():
    rng = np.random.default_rng(7)
    source, target = rng.normal(0, 30, (5, 2)), rng.normal(0, 30, (5, 2))
    best = similarity(source, target)
    error = ((moved(source, best) - target) ** 2).sum()
    for i in range(4):  # any other rotation, scale or shift is worse
        for step in (-1e-3, 1e-3):
            real, imaginary, x, y = np.array([best[0, 0], best[1, 0], *best[:, 2]]) + step * (np.arange(4) == i)
            other = np.array([[real, -imaginary, x], [imaginary, real, y]])
            assert ((moved(source, other) - target) ** 2).sum() > error


@given(point=st.tuples(coordinates, coordinates), count=st.integers(1, 6))
def test_coinciding_points_have_no_similarity(point, count):
    points = np.array([point] * count)
    with pytest.raises(ValueError, match="must not all lie on one point"):
        similarity(points, np.arange(2.0 * count).reshape(count, 2))


def test_a_face_whose_landmarks_coincide_is_refused():
    with pytest.raises(ValueError, match="must not all lie on one point"):
        align_faces(photo_of_one(), [face_at(np.full((5, 2), 100.0))], CROPS["face-v1"])


@SPECS
def test_a_face_like_the_reference_is_put_exactly_there(spec):
    landmarks = spec.landmarks_px() * 1.7 + (31, 12)
    assert moved(landmarks, crop_matrix(face_at(landmarks), spec)) == pytest.approx(spec.landmarks_px(), abs=1e-4)


def test_margin_and_shift_move_the_window():
    tight, wide = CropSpec("tight", 100, 1.0), CropSpec("wide", 100, 2.0)
    assert wide.landmarks_px() - 50 == pytest.approx((tight.landmarks_px() - 50) / 2)
    lower = CropSpec("lower", 100, 1.0, shift_y=0.1)
    assert lower.landmarks_px() - tight.landmarks_px() == pytest.approx(np.tile([0, -10], (5, 1)))


@SPECS
@pytest.mark.parametrize("count", [0, 1, 3])
def test_one_crop_per_face(spec, count):
    crops = align_faces(photo_of_one(), [make_detection()] * count, spec)
    assert crops.shape == (count, spec.side_px, spec.side_px, 3)
    assert crops.dtype == np.uint8


@SPECS
def test_each_crop_is_what_the_face_alone_gives(spec):
    photo = photo_of_one()
    faces = [face_at(LANDMARKS), make_detection(left=10, side=60), make_detection(left=200, side=300)]
    together = align_faces(photo, faces, spec)
    assert together.tobytes() == b"".join(align_faces(photo, [face], spec).tobytes() for face in faces)


@SPECS
@pytest.mark.parametrize("enlargement", [0.75, 1.5, 3, 4.3, 6], ids=str)
def test_the_crop_does_not_depend_on_the_size_of_the_picture(spec, enlargement):
    photo = photo_of_one()
    interpolation = cv2.INTER_AREA if enlargement < 1 else cv2.INTER_LINEAR
    other = cv2.resize(photo, None, fx=enlargement, fy=enlargement, interpolation=interpolation)
    exact = np.array([other.shape[1] / photo.shape[1], other.shape[0] / photo.shape[0]])
    crops = [
        align_faces(photo, [face_at(LANDMARKS)], spec),
        align_faces(other, [face_at(enlarged(LANDMARKS, exact))], spec),
    ]
    assert mean_difference(*crops) < 3


@SPECS
@pytest.mark.parametrize("side", [70, 500, 1500])  # the larger two are shrunk before they are cut
def test_every_pixel_up_to_the_rim_shows_its_place_in_the_picture(spec, side):
    face = make_detection(left=side, top=side, side=side)
    to_photo = cv2.invertAffineTransform(crop_matrix(face, spec))
    shown = moved(np.indices((spec.side_px, spec.side_px))[::-1].reshape(2, -1).T, to_photo)
    first, last = shown.min() - 4, shown.max() + 4
    ramp = np.clip((np.arange(3 * side) - first) * 255 / (last - first), 0, 255)  # grows from one rim to the other
    photo = np.zeros((3 * side, 3 * side, 3), dtype=np.uint8)
    photo[..., 0], photo[..., 1] = np.rint(ramp), np.rint(ramp)[:, None]
    crop = align_faces(photo, [face], spec)[0].reshape(-1, 3)
    for channel in (0, 1):
        expected = np.interp(shown[:, channel], np.arange(3 * side), ramp)
        assert np.abs(crop[:, channel] - expected).max() <= INTERPOLATION


@SPECS
@pytest.mark.parametrize("angle", [25, -25, 90, 180])
def test_the_crop_does_not_depend_on_the_tilt_of_the_head(spec, angle):
    photo = photo_of_one()
    turn = cv2.getRotationMatrix2D(LANDMARKS.mean(axis=0), angle, 1.0)
    turned = cv2.warpAffine(photo, turn, (512, 512), borderMode=cv2.BORDER_REPLICATE)
    crops = [
        align_faces(photo, [face_at(LANDMARKS)], spec),
        align_faces(turned, [face_at(moved(LANDMARKS, turn))], spec),
    ]
    assert mean_difference(*crops) < 3


@SPECS
@pytest.mark.parametrize("corner", [(-40, -40), (480, -40), (-40, 480), (480, 480)])
def test_what_lies_outside_repeats_the_edge(spec, corner):
    photo, pad = photo_of_one(), 200
    face = make_detection(left=corner[0], top=corner[1], side=70).landmarks
    to_photo = cv2.invertAffineTransform(crop_matrix(face_at(face), spec))
    shown = moved(np.array([[0, 0], [spec.side_px, spec.side_px]]), to_photo)
    assert ((shown < -10) | (shown > 521)).any(axis=0).all()  # beyond the picture to one side and upwards or downwards
    padded = cv2.copyMakeBorder(photo, pad, pad, pad, pad, cv2.BORDER_REPLICATE)
    crop, expected = (align_faces(p, [face_at(f)], spec) for p, f in ((photo, face), (padded, face + pad)))
    assert np.abs(crop.astype(int) - expected).max() <= INTERPOLATION


@SPECS
@pytest.mark.parametrize("corner", [(-240, -240), (2880, 2880)])
def test_what_lies_outside_a_large_face_repeats_the_edge(spec, corner):
    photo, pad = cv2.resize(photo_of_one(), (3072, 3072)), 1200
    face = make_detection(left=corner[0], top=corner[1], side=420).landmarks
    padded = cv2.copyMakeBorder(photo, pad, pad, pad, pad, cv2.BORDER_REPLICATE)
    crop, expected = (align_faces(p, [face_at(f)], spec) for p, f in ((photo, face), (padded, face + pad)))
    assert mean_difference(crop, expected) < 1  # shrunk, the edge is the mean of a few px


@SPECS
@pytest.mark.parametrize("side", [100, 2000])  # 2000 px are shrunk before they are cut
def test_a_face_wholly_outside_shows_the_nearest_pixel(spec, side):
    photo = np.zeros((60, 80, 3), dtype=np.uint8)
    photo[-1:, -1:] = (200, 100, 50)
    crop = align_faces(photo, [make_detection(left=9000, top=9000, side=side)], spec)
    assert (crop == (200, 100, 50)).all()


def test_a_large_face_is_shrunk_by_area_first():
    factor, spec = 6, CROPS["face-v1"]
    portrait, landmarks = photo_of_one()[:256, 96:352], LANDMARKS - (96, 0)
    photo = cv2.resize(portrait, None, fx=factor, fy=factor, interpolation=cv2.INTER_LINEAR)
    grain = np.random.default_rng(3).integers(-70, 71, photo.shape, dtype=np.int16)  # as of a real sensor
    photo = np.clip(photo + grain, 0, 255).astype(np.uint8)
    face = face_at(enlarged(landmarks, factor))
    shrunk = cv2.resize(photo, (256, 256), interpolation=cv2.INTER_AREA)
    size_wh, edge = (spec.side_px, spec.side_px), cv2.BORDER_REPLICATE
    expected = cv2.warpAffine(shrunk, similarity(landmarks, spec.landmarks_px()), size_wh, borderMode=edge)
    aliased = cv2.warpAffine(photo, crop_matrix(face, spec), size_wh, borderMode=edge)
    crop = align_faces(photo, [face], spec)[0]
    assert mean_difference(crop, expected) < 5
    assert mean_difference(crop, expected) < mean_difference(aliased, expected) / 3


@SPECS
def test_fine_stripes_become_grey_not_moire(spec):
    photo = np.zeros((1500, 1500, 3), dtype=np.uint8)
    photo[:, ::2] = 255
    large = make_detection(left=250, top=250, side=1000)
    aliased = cv2.warpAffine(photo, crop_matrix(large, spec), (spec.side_px, spec.side_px))
    crop = align_faces(photo, [large], spec)[0]
    assert aliased.std() > 50
    assert crop.std() < 15
    assert crop.mean() == pytest.approx(127.5, abs=5)


@SPECS
@pytest.mark.parametrize("side", [100, 700])
def test_the_picture_is_not_changed_and_bytes_repeat(spec, side):
    photo = cv2.resize(photo_of_one(), (900, 900))
    before = photo.copy()
    face = make_detection(side=side)
    first = align_faces(photo, [face], spec).tobytes()
    assert np.array_equal(photo, before)
    assert align_faces(before, [face], spec).tobytes() == first


def test_a_read_only_picture_is_cut_too():
    photo = photo_of_one().copy()
    photo.setflags(write=False)
    crops = align_faces(photo, [face_at(LANDMARKS)], CROPS["face-v1"])
    assert crops.tobytes() == align_faces(photo_of_one(), [face_at(LANDMARKS)], CROPS["face-v1"]).tobytes()


@pytest.mark.parametrize("size_wh", [(1, 1), (1, 300), (300, 1)])
def test_tiny_pictures_are_cut_too(size_wh):
    photo = np.full((size_wh[1], size_wh[0], 3), 77, dtype=np.uint8)
    for side in (5, 5000):
        assert (align_faces(photo, [make_detection(side=side)], CROPS["face-v1"]) == 77).all()
