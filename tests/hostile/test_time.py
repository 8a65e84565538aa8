"""Small or plain files that would keep a processor busy for long: what costs the time is refused or left out."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from facetraits.faces import detection
from facetraits.faces.containers import jpeg_scans, jpeg_without_metadata, png_without_metadata
from facetraits.faces.detection import FaceDetector
from facetraits.faces.images import MAX_SIDE_PX, ImageDecodeError, decode_image, picture_pixels
from facetraits.registry import load_manifest
from tests.builders import photo_of_one

TURNED = 6  # EXIF: the picture is shown turned by a quarter


def saved(kind: str, size_wh: tuple[int, int] = (64, 48), **options: object) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = TURNED
    pixels = np.random.default_rng(0).integers(0, 255, (size_wh[1], size_wh[0], 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind, exif=exif, **options)
    return file.getvalue()


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def with_segments(jpeg: bytes, marker: int, payload: bytes, count: int) -> bytes:
    segment = bytes((0xFF, marker)) + struct.pack(">H", len(payload) + 2) + payload
    return jpeg[:2] + segment * count + jpeg[2:]


def with_scans(jpeg: bytes, count: int) -> bytes:
    """Its last pass again and again, which changes no pixel."""
    return jpeg[:-2] + jpeg[jpeg.rfind(b"\xff\xc4") : -2] * count + jpeg[-2:]


@pytest.mark.parametrize(
    ("marker", "start"), [(0xE1, b"Exif\0\0"), (0xE2, b"ICC_PROFILE\0"), (0xED, b"Photoshop 3.0\0"), (0xFE, b"words")]
)
def test_megabytes_of_metadata_do_not_reach_the_reader_of_a_jpeg(marker: int, start: bytes):
    plain = saved("JPEG")
    heavy = with_segments(plain, marker, start.ljust(65_000, b"\0"), count=100)
    assert len(jpeg_without_metadata(heavy)) < len(plain) + 66_000
    assert picture_pixels(heavy) == 64 * 48
    assert decode_image(heavy).shape == ((48, 64, 3) if start.startswith(b"Exif") else (64, 48, 3))


def test_what_matters_of_a_jpeg_stays():
    plain = saved("JPEG", comment=b"hello")
    assert b"hello" not in jpeg_without_metadata(plain)
    np.testing.assert_array_equal(decode_image(jpeg_without_metadata(plain)), decode_image(plain))
    assert decode_image(plain).shape == (64, 48, 3), "turned as its EXIF says"
    assert jpeg_without_metadata(plain[:-500])[-100:] == plain[-600:-500], "what a cut file holds stays, too"
    after_jfif = 4 + int.from_bytes(plain[4:6], "big")
    padded = plain[:after_jfif] + b"\0junk\xff\xff" + plain[after_jfif:]
    np.testing.assert_array_equal(decode_image(padded), decode_image(plain))


def test_megabytes_of_metadata_do_not_reach_the_reader_of_a_png():
    text = PngInfo()
    for number in range(40):
        text.add_text(f"key{number}", "x" * 200_000, zip=number % 2 == 0)
    plain = saved("PNG")
    heavy = saved("PNG", pnginfo=text)
    assert len(heavy) > 4_000_000
    assert png_without_metadata(heavy) == plain
    assert decode_image(heavy).shape == (64, 48, 3), "turned as its EXIF says"


def test_broken_metadata_of_a_png_does_not_matter():
    plain = saved("PNG")
    end = plain.rindex(b"IEND") - 4
    damaged = bytearray(chunk(b"tEXt", b"key\0text"))
    damaged[-1] ^= 1
    np.testing.assert_array_equal(decode_image(plain[:end] + bytes(damaged) + plain[end:]), decode_image(plain))


def test_a_jpeg_in_hundreds_of_passes_is_refused():
    fine = saved("JPEG", (1200, 1000), progressive=True)
    assert 5 < jpeg_scans(fine) < 20
    decode_image(with_scans(fine, 50))
    with pytest.raises(ImageDecodeError, match=r"stored in 9\d\d passes; save it again"):
        decode_image(with_scans(fine, 900))


def test_passes_are_counted_in_the_picture_alone():
    appended = saved("JPEG", (1200, 1000)) + b"\xff\xda" * 1000  # as phones append a video
    assert jpeg_scans(appended) == 1
    decode_image(appended)


@pytest.mark.parametrize("size_wh", [(MAX_SIDE_PX + 1, 2), (2, MAX_SIDE_PX + 1)])
def test_a_picture_that_is_all_length_is_refused_from_its_header(size_wh: tuple[int, int]):
    file = io.BytesIO()
    Image.new("1", size_wh).save(file, "PNG")
    with pytest.raises(ImageDecodeError, match="too long"):
        decode_image(file.getvalue())


def test_of_a_crowd_the_largest_faces_are_looked_at(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(detection, "MOST_FACES", 3)
    face = Image.fromarray(photo_of_one()).resize((96, 96))
    crowd = Image.new("RGB", (640, 480), "white")
    for place in range(12):
        side = 96 - 4 * place
        crowd.paste(face.resize((side, side)), (20 + place % 4 * 150, 20 + place // 4 * 150))
    runs = 0
    detector = FaceDetector(load_manifest().serving_detector)
    search = detector._search

    def counted(*arguments: object) -> object:
        nonlocal runs
        runs += 1
        return search(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(detector, "_search", counted)
    found = detector.detect(np.asarray(crowd))
    assert len(found) == 3
    assert all(face.box_xyxy[1] < 150 for face in found), "the largest are in the first row"
    assert runs < 12, "not one for each face of the crowd"
