"""JPEG and PNG files that break off show what they hold; only what holds no pixel is refused."""

from __future__ import annotations

import io
import re
import struct
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
import pytest
import skimage.data
from numpy.typing import NDArray
from PIL import Image, ImageFile

from facetraits.faces.detection import FaceDetector
from facetraits.faces.images import (
    ImageDecodeError,
    decode,
    decode_image,
)
from facetraits.faces.incomplete import cut_jpeg
from facetraits.registry import load_manifest
from tests.builders import ROOT
from tests.faces.encoded import (
    encode,
    stored_for,
)

CASES = ROOT / "tests" / "cases"
JPEGS = {"baseline": {}, "progressive": {"progressive": True}, "restarts": {"restart_marker_rows": 1}}
FACE = skimage.data.astronaut()
GREY_SHADE = 128


def saved(file_format: str, pixels: NDArray[np.uint8] = FACE, **options: object) -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, file_format, **options)
    return out.getvalue()


def missing(pixels: NDArray[np.uint8]) -> float:
    """Share of the rows that are grey from end to end."""
    return float((pixels == GREY_SHADE).all(axis=(1, 2)).mean())


def interlaced(pixels: NDArray[np.uint8]) -> bytes:
    """A PNG in the seven passes of Adam7: no package here writes one."""
    passes = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1))
    rows = (row for top, left, down, right in passes for row in pixels[top::down, left::right])
    stream = zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows))
    header = struct.pack(">IIBBBBB", pixels.shape[1], pixels.shape[0], 8, 2, 0, 0, 1)
    chunks = ((b"IHDR", header), (b"IDAT", stream), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )


@pytest.mark.parametrize("kind", JPEGS)
def test_a_jpeg_that_lacks_its_end_marker_alone_is_whole(kind: str) -> None:
    data = saved("JPEG", **JPEGS[kind])

    decoded = decode(data[:-2])

    assert not decoded.incomplete
    np.testing.assert_array_equal(decoded.pixels, decode_image(data))


@pytest.mark.parametrize("kind", JPEGS)
@pytest.mark.parametrize("kept", [0.1, 0.5, 0.9, 0.98])
def test_of_a_jpeg_that_breaks_off_the_rest_is_grey_or_coarse(kind: str, kept: float) -> None:
    data = saved("JPEG", **JPEGS[kind])
    whole = decode_image(data)

    decoded = decode(data[: int(kept * len(data))])

    assert decoded.incomplete
    assert decoded.pixels.shape == whole.shape
    if kind != "progressive":
        assert 0 <= missing(decoded.pixels) <= 1.1 - kept
        top = int(512 * (kept - 0.1))
        np.testing.assert_array_equal(decoded.pixels[:top], whole[:top])
    elif kept >= 0.5:
        assert np.abs(decoded.pixels.astype(int) - whole).mean() < 6


def test_zeros_where_a_file_was_never_written_are_no_pixels() -> None:
    for data in (saved("JPEG"), saved("PNG")):
        half = data[: len(data) // 2]

        np.testing.assert_array_equal(decode_image(half + bytes(len(half))), decode_image(half))


def test_a_jpeg_that_breaks_off_within_a_table_shows_the_passes_before() -> None:
    data = saved("JPEG", progressive=True)
    table = data.rindex(b"\xff\xc4")

    before, within = decode(data[:table]), decode(data[: table + 9])

    assert within.incomplete
    np.testing.assert_array_equal(within.pixels, before.pixels)


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_a_jpeg_that_breaks_off_between_two_passes_is_incomplete(mode: str) -> None:
    out = io.BytesIO()
    Image.fromarray(FACE).convert(mode).save(out, "JPEG", progressive=True)
    data = out.getvalue()
    starts = [found.start() for found in re.finditer(b"\xff\xda", data)]
    tables = [data.find(b"\xff\xc4", before, start) for before, start in pairwise(starts)]
    ends = [start if table < 0 else table for table, start in zip(tables, starts[1:], strict=True)]

    for end in ends:
        assert decode(data[:end]).incomplete
        assert decode(data[:end] + b"\xff\xd9").incomplete is False, "an end marker says that no more was to come"
    assert not decode(data[:-2]).incomplete


def test_millions_of_scans_without_a_picture_do_not_keep_the_reader_busy() -> None:
    data = saved("JPEG", progressive=True)
    started = time.process_time()
    cut = cut_jpeg(data[:-2] + b"\xff\xda\0\x08\1\7\0\x3f\1" * 4_000_000, data.index(b"\xff\xda"))

    assert cut is not None
    assert time.process_time() - started < 2


def test_millions_of_segments_do_not_keep_the_reader_busy() -> None:
    data = saved("JPEG")
    started = time.process_time()
    cut = cut_jpeg(data[:-2] + b"\xff\xfe\0\2" * 10_000_000 + b"\xff", data.index(b"\xff\xda"))

    assert cut is not None
    assert time.process_time() - started < 2


def test_the_case_of_a_copy_that_broke_off_is_shown() -> None:
    decoded = decode((CASES / "trunc98.jpg").read_bytes())

    assert decoded.incomplete
    assert 0.01 < (decoded.pixels == GREY_SHADE).all(axis=2).mean() < 0.03


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "P", "1", "LA", "I;16"])
@pytest.mark.parametrize("kept", [0.3, 0.5, 0.98])
def test_of_a_png_that_breaks_off_the_rest_is_grey(mode: str, kept: float) -> None:
    picture = (
        Image.fromarray(FACE).convert("L").convert("I;16") if mode == "I;16" else Image.fromarray(FACE).convert(mode)
    )
    out = io.BytesIO()
    picture.save(out, "PNG")
    whole, data = decode_image(out.getvalue()), out.getvalue()

    decoded = decode(data[: int(kept * len(data))])

    assert decoded.incomplete
    share = missing(decoded.pixels)
    assert 0 < share < 1
    rows = round(512 * (1 - share)) - 1
    np.testing.assert_array_equal(decoded.pixels[:rows], whole[:rows])


def test_a_png_that_lacks_its_last_chunk_alone_is_whole() -> None:
    decoded = decode(saved("PNG")[:-12])

    assert not decoded.incomplete
    np.testing.assert_array_equal(decoded.pixels, FACE)


def test_of_an_interlaced_png_that_breaks_off_the_known_pixels_stand_for_their_blocks() -> None:
    data = interlaced(FACE)
    np.testing.assert_array_equal(decode_image(data), FACE)

    half, tenth = decode(data[: len(data) // 2]), decode(data[: len(data) // 60])

    assert half.incomplete and missing(half.pixels) == 0
    np.testing.assert_array_equal(half.pixels[::2, ::2], FACE[::2, ::2])
    assert np.abs(half.pixels.astype(int) - FACE).mean() < 12
    assert tenth.incomplete and 0.02 < missing(tenth.pixels) < 0.5, "not even the first pass is whole"


@pytest.mark.parametrize("file_format", ["JPEG", "PNG"])
def test_what_is_there_is_turned_as_the_file_says(file_format: str) -> None:
    data = encode(stored_for(FACE[:, :400].copy(), 6), file_format, 6)

    decoded = decode(data[: len(data) // 2])

    assert decoded.incomplete
    assert decoded.pixels.shape == (512, 400, 3)


@pytest.mark.parametrize("kept", [20, 100, 300])
def test_a_header_without_pixels_is_no_picture(kept: int) -> None:
    jpeg, png = saved("JPEG"), saved("PNG")
    for data in (jpeg[: min(kept, jpeg.index(b"\xff\xda") + 14)], png[: min(kept, png.index(b"IDAT") + 20)]):
        with pytest.raises(ImageDecodeError, match="incomplete"):
            decode(data)


def test_no_face_is_seen_where_the_picture_is_missing() -> None:
    detector = FaceDetector(load_manifest().serving_detector, (160, 320, 640, 1600), threads=1)
    data = saved("JPEG")
    (face,) = detector.detect(decode_image(data[: int(0.9 * len(data))]))

    assert face.box_xyxy[3] < 200
    assert detector.detect(decode_image(data[: int(0.05 * len(data))])) == ()


def test_other_threads_are_not_told_to_take_what_is_broken() -> None:
    cut = saved("PNG")[:-5000]
    with ThreadPoolExecutor(4) as pool:
        assert all(decoded.incomplete for decoded in pool.map(decode, [cut] * 20))
    assert not ImageFile.LOAD_TRUNCATED_IMAGES
