"""The detector finds every face once, at every size it promises, and nothing else."""

from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest
import skimage.data

from facetraits import decode_image
from facetraits.faces.detection import FaceDetector
from tests.builders import MODELS, photo_of_many, photo_of_one, photo_without_faces
from ui.photo.sample_row import PORTRAITS

NETWORK = MODELS / "centerface" / "network_int8.onnx"

# The portrait's face as found at its own size, checked by eye.
GOLDEN_BOX = (184.5, 62.9, 268.4, 174.4)
GOLDEN_LANDMARKS = ((206.3, 101.9), (247.1, 105.3), (224.8, 124.0), (206.8, 142.1), (241.0, 144.8))
SAME_SIZE_TOLERANCE_PX = 2.0  # the same picture on another processor
OTHER_SIZE_TOLERANCE_PX = 11.0  # the picture at another size, in px of the original: an eighth of the face
LANDMARK_TOLERANCE = 0.08  # of the face's width, after shrinking or turning


@pytest.fixture(scope="module")
def detector():
    return FaceDetector(NETWORK, threads=1)


def scaled(image, factor):
    interpolation = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
    return cv2.resize(image, None, fx=factor, fy=factor, interpolation=interpolation)


def scene(width, height, corners, face_px):
    """A drawn sky with the portrait's face, about ``face_px`` wide, at each of ``corners`` (left, top)."""
    rows = np.linspace(120, 210, height, dtype=np.float32)[:, None, None]
    canvas = np.broadcast_to(rows * np.array([0.8, 0.9, 1.0], dtype=np.float32), (height, width, 3)).astype(np.uint8)
    tile = scaled(np.ascontiguousarray(photo_of_one()[0:290, 80:370]), face_px / 91)
    for left, top in corners:
        canvas[top : top + tile.shape[0], left : left + tile.shape[1]] = tile
    return canvas


def centres(faces):
    return np.array([face.box_xyxy.reshape(2, 2).mean(axis=0) for face in faces])


def assert_each_found_once(faces, corners, face_px):
    """One face at each corner's tile, none elsewhere."""
    factor = face_px / 91
    expected = np.array(corners) + (np.array(GOLDEN_BOX).reshape(2, 2).mean(axis=0) - (80, 0)) * factor
    assert len(faces) == len(corners)
    distances = np.linalg.norm(centres(faces)[:, None] - expected[None], axis=2)
    assert sorted(distances.argmin(axis=1)) == list(range(len(corners)))
    assert distances.min(axis=1).max() < 0.25 * face_px


def test_whole_numbers_find_what_floating_point_finds(detector):
    exact = FaceDetector(MODELS / "centerface" / "network.onnx", threads=1)
    for path in PORTRAITS:
        image = decode_image(path.read_bytes())
        (face,), (other,) = detector.detect(image), exact.detect(image)
        assert face.score == pytest.approx(other.score, abs=0.05)
        assert np.abs(face.landmarks - other.landmarks).mean() < 0.03 * other.size_px


def test_the_portrait_is_found_where_it_is(detector):
    (face,) = detector.detect(photo_of_one())
    assert face.box_xyxy == pytest.approx(np.array(GOLDEN_BOX), abs=SAME_SIZE_TOLERANCE_PX)
    assert face.landmarks == pytest.approx(np.array(GOLDEN_LANDMARKS), abs=SAME_SIZE_TOLERANCE_PX)
    assert face.score > 0.8


@pytest.mark.parametrize("factor", [0.22, 0.35, 0.5, 0.9, 1.3, 2.0, 4.0, 7.8])
def test_the_size_of_the_picture_moves_the_answer_little(detector, factor):
    (face,) = detector.detect(scaled(photo_of_one(), factor))
    assert face.box_xyxy / factor == pytest.approx(np.array(GOLDEN_BOX), abs=OTHER_SIZE_TOLERANCE_PX)
    errors = np.linalg.norm(face.landmarks / factor - GOLDEN_LANDMARKS, axis=1)
    assert errors.max() < LANDMARK_TOLERANCE * 91


@pytest.mark.parametrize("factor", [1.0, 2.0, 6.0, 10.0])
def test_a_face_that_fills_the_picture_is_one_face(detector, factor):
    close_up = np.ascontiguousarray(photo_of_one()[50:190, 165:285])
    (face,) = detector.detect(scaled(close_up, factor))
    expected = (np.array(GOLDEN_LANDMARKS) - (165, 50)) * factor
    assert np.linalg.norm(face.landmarks - expected, axis=1).max() < 1.5 * LANDMARK_TOLERANCE * 91 * factor


def test_parts_of_a_large_face_are_not_faces(detector):
    """Before passes were limited to faces that they see well, such pictures gave noses and mouths as faces."""
    portrait = np.ascontiguousarray(photo_of_one()[0:290, 80:370])
    for width in (2000, 3000, 4000):
        assert len(detector.detect(scaled(portrait, width / 290))) == 1


def test_a_group_in_a_large_picture(detector):
    corners = [(100 + 700 * column, 120 + 900 * row) for row in range(2) for column in range(4)]
    assert_each_found_once(detector.detect(scene(3000, 2000, corners, 150)), corners, 150)


@pytest.mark.parametrize(
    ("width", "height", "face_px"), [(1600, 1200, 32), (2400, 1600, 32), (3000, 2000, 40), (640, 480, 24)]
)
def test_twenty_small_faces_are_all_found_once(detector, width, height, face_px):
    # Uneven steps, so that the faces lie differently on the grid of the network and across the edges of tiles.
    corners = [
        (5 + column * (width - 12) // 5 + 7 * row % 11, 3 + row * (height - 9) // 4)
        for row in range(4)
        for column in range(5)
    ]
    assert_each_found_once(detector.detect(scene(width, height, corners, face_px)), corners, face_px)


def test_small_faces_beside_a_large_one_are_found(detector):
    image = scene(2400, 1600, [(1900, 100), (1900, 500), (2050, 900)], 50)
    image[100:1550, 100:1550] = scaled(np.ascontiguousarray(photo_of_one()[0:290, 80:370]), 5.0)
    faces = detector.detect(image)
    assert [face.size_px > 300 for face in faces] == [True, False, False, False]
    assert (centres(faces[1:])[:, 0] > 1900).all()


def test_faces_come_largest_first(detector):
    image = scene(1200, 700, [(20, 20)], 60)
    image[0:580, 500:1080] = scaled(np.ascontiguousarray(photo_of_one()[0:290, 80:370]), 2.0)
    sizes = [face.size_px for face in detector.detect(image)]
    assert len(sizes) == 2 and sizes == sorted(sizes, reverse=True)


@pytest.mark.parametrize("count", [1, 5, 12, 20])
def test_group_pictures_of_the_builder_are_counted(detector, count):
    assert len(detector.detect(photo_of_many(count))) == count


@pytest.mark.parametrize("degrees", [-30, -15, 15, 30])
def test_a_tilted_face_is_found_with_its_landmarks(detector, degrees):
    turn = cv2.getRotationMatrix2D((225, 120), degrees, 1.0)
    (face,) = detector.detect(cv2.warpAffine(photo_of_one(), turn, (512, 512), borderMode=cv2.BORDER_REPLICATE))
    expected = np.array(GOLDEN_LANDMARKS) @ turn[:, :2].T + turn[:, 2]
    assert np.linalg.norm(face.landmarks - expected, axis=1).max() < LANDMARK_TOLERANCE * 91


@pytest.mark.parametrize("factor", [0.3, 0.6, 1.6])
def test_light_does_not_matter(detector, factor):
    assert len(detector.detect(np.clip(photo_of_one() * factor, 0, 255).astype(np.uint8))) == 1


def test_a_grey_picture_is_as_good(detector):
    grey = cv2.cvtColor(photo_of_one(), cv2.COLOR_RGB2GRAY)
    (face,) = detector.detect(np.repeat(grey[..., None], 3, axis=2))
    assert face.box_xyxy == pytest.approx(np.array(GOLDEN_BOX), abs=OTHER_SIZE_TOLERANCE_PX)


@pytest.mark.parametrize(
    "name", ["coffee", "chelsea", "rocket", "brick", "grass", "gravel", "hubble_deep_field", "coins", "page"]
)
@pytest.mark.parametrize("width", [300, 900, 2500])
def test_no_face_is_an_empty_tuple(detector, name, width):
    image = getattr(skimage.data, name)()
    image = np.repeat(image[..., None], 3, axis=2) if image.ndim == 2 else image
    assert detector.detect(scaled(image, width / image.shape[1])) == ()


@pytest.mark.parametrize("value", [0, 128, 255])
def test_a_blank_picture_holds_no_face(detector, value):
    assert detector.detect(np.full((480, 640, 3), value, dtype=np.uint8)) == ()


@pytest.mark.parametrize("size_hw", [(1, 1), (1, 2), (7, 5), (31, 33), (1, 5000), (5000, 1), (3, 4000), (20, 3000)])
def test_odd_sizes_are_pictures_like_others(detector, size_hw):
    image = np.random.default_rng(0).integers(0, 256, (*size_hw, 3), dtype=np.uint8)
    assert detector.detect(image) == ()


def test_a_face_in_a_long_strip_is_found(detector):
    strip = scene(2400, 300, [(2000, 5)], 91)
    assert_each_found_once(detector.detect(strip), [(2000, 5)], 91)
    upright = np.ascontiguousarray(scene(300, 2400, [(5, 2000)], 91))
    assert_each_found_once(detector.detect(upright), [(5, 2000)], 91)


def test_eight_threads_give_what_one_gives(detector):
    pictures = [photo_of_one(), photo_of_many(5), photo_without_faces(), scaled(photo_of_one(), 0.5)] * 4
    alone = [detector.detect(picture) for picture in pictures]
    with ThreadPoolExecutor(max_workers=8) as pool:
        together = list(pool.map(detector.detect, pictures))
    assert [len(faces) for faces in together] == [1, 5, 0, 1] * 4
    for faces, others in zip(alone, together, strict=True):
        for face, other in zip(faces, others, strict=True):
            assert np.array_equal(face.box_xyxy, other.box_xyxy)
            assert np.array_equal(face.landmarks, other.landmarks)
            assert face.score == other.score


def test_the_picture_is_left_alone_and_may_be_a_view(detector):
    picture = photo_of_one()
    read_only = picture.copy()
    read_only.setflags(write=False)
    (face,) = detector.detect(read_only[:, ::-1])
    assert np.array_equal(read_only, picture)
    mirrored = 511 - np.array(GOLDEN_LANDMARKS)[[1, 0, 2, 4, 3], 0]
    assert face.landmarks[:, 0] == pytest.approx(mirrored, abs=LANDMARK_TOLERANCE * 91)


def test_without_the_closer_look_only_the_named_sizes_are_searched():
    coarse = FaceDetector(NETWORK, long_sides_px=(320,), tile_small_faces=False, threads=1)
    assert len(coarse.detect(photo_of_one())) == 1
    assert coarse.detect(scene(2400, 1600, [(100, 100)], 50)) == ()


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((10, 10), dtype=np.uint8),
        np.zeros((10, 10, 4), dtype=np.uint8),
        np.zeros((10, 10, 3), dtype=np.float32),
        np.zeros((1, 10, 10, 3), dtype=np.uint8),
        np.zeros((0, 10, 3), dtype=np.uint8),
        np.zeros((10, 0, 3), dtype=np.uint8),
    ],
    ids=["grey", "rgba", "float", "batch", "no rows", "no columns"],
)
def test_what_is_no_picture_is_refused_with_its_shape(detector, image):
    with pytest.raises(ValueError, match=r"image must be \(H, W, 3\) uint8") as refusal:
        detector.detect(image)
    assert str(image.shape) in str(refusal.value)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"long_sides_px": ()}, "long_sides_px"),
        ({"long_sides_px": (16, 640)}, "long_sides_px"),
        ({"min_score": 0.0}, "min_score"),
        ({"min_score": 1.0}, "min_score"),
    ],
)
def test_settings_out_of_range_are_refused(settings, words):
    with pytest.raises(ValueError, match=words):
        FaceDetector(NETWORK, **settings)
