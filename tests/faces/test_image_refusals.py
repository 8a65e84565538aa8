"""What is no picture, broken or too large is refused with one sentence, and no bytes raise anything else."""

from __future__ import annotations

import struct
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from facetraits.faces.images import (
    MAX_PIXELS,
    ImageDecodeError,
    decode_image,
)
from tests.faces.encoded import (
    ALL_FORMATS,
    GREY,
    PICTURE,
    encode,
    with_tifffile,
)

NOT_READ_IN_PART = [name for name, (file_format, _) in ALL_FORMATS.items() if file_format not in ("JPEG", "PNG")]


def refusal(data: bytes, **options: int) -> str:
    with pytest.raises(ImageDecodeError) as caught:
        decode_image(data, **options)
    message = str(caught.value)
    assert message.endswith(".")
    assert "\n" not in message
    return message


def test_empty_file_is_refused() -> None:
    assert refusal(b"") == "The file is empty."


@pytest.mark.parametrize(
    "data", [b"\x00", b"BM is how this note begins", b"%PDF-1.7\n", b"<svg/>", b"RIFF\x00\x00\x00\x00WAVE", bytes(100)]
)
def test_file_that_is_no_picture_is_refused(data: bytes) -> None:
    assert "not a picture" in refusal(data)


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
@pytest.mark.parametrize("name", NOT_READ_IN_PART)
@pytest.mark.parametrize("kept", [0.0, 0.1, 0.5])
def test_incomplete_picture_is_refused(name: str, kept: float) -> None:
    file_format, options = ALL_FORMATS[name]
    data = encode(PICTURE, file_format, **options)

    message = refusal(data[: max(32, int(kept * len(data)))])

    assert "incomplete" in message
    assert file_format in message.upper()


@pytest.mark.parametrize("name", ALL_FORMATS)
def test_too_large_picture_is_refused_with_its_size(name: str) -> None:
    file_format, options = ALL_FORMATS[name]
    data = encode(cv2.resize(PICTURE, (1200, 1000)), file_format, **options)

    message = refusal(data, max_pixels=1_000_000)

    assert "1200 x 1000 = 1.2 megapixels" in message
    assert "at most 1 are accepted" in message


def test_decompression_bomb_is_refused_from_its_header() -> None:
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    chunks = encode(PICTURE, "PNG")
    start = chunks.index(b"IHDR")
    crc = struct.pack(">I", zlib.crc32(b"IHDR" + header))

    message = refusal(chunks[: start + 4] + header + crc + chunks[start + 4 + 13 + 4 :])

    assert "3600.0 megapixels" in message
    assert f"at most {MAX_PIXELS / 1e6:g} are accepted" in message


def test_picture_of_exactly_the_limit_is_accepted() -> None:
    data = encode(PICTURE, "PNG")

    assert decode_image(data, max_pixels=64 * 96).shape == (64, 96, 3)
    assert "too large" in refusal(data, max_pixels=64 * 96 - 1)


# Pillow's readers of WebP and TIFF hold to its limit by themselves.
@pytest.mark.parametrize("name", [name for name, (f, _) in ALL_FORMATS.items() if f not in ("WEBP", "TIFF")])
def test_limit_of_pillow_plays_no_part(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    file_format, options = ALL_FORMATS[name]
    data = encode(PICTURE, file_format, **options)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert decode_image(data).shape == (64, 96, 3)

    assert Image.MAX_IMAGE_PIXELS == 10


@pytest.mark.parametrize("file_format", ["WEBP", "TIFF"])
def test_picture_beyond_the_limit_of_pillow_is_refused(file_format: str, monkeypatch: pytest.MonkeyPatch) -> None:
    data = encode(PICTURE, file_format)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)

    assert "too large: at most 120 megapixels are accepted" in refusal(data)


@pytest.mark.parametrize("dtype", [np.float32, np.int16, np.uint32])
def test_tiff_of_other_numbers_is_refused(dtype: type[np.generic]) -> None:
    data = with_tifffile(GREY.astype(dtype), photometric="minisblack")

    assert "save it with 8 or 16 bits per colour" in refusal(data)


def test_tiff_with_a_plane_per_16_bit_colour_is_refused() -> None:
    data = with_tifffile(PICTURE.transpose(2, 0, 1).astype(np.uint16), photometric="rgb", planarconfig="separate")

    assert "save it with 8 bits per colour" in refusal(data)


# Whatever comes


FILES = [encode(PICTURE[:24, :32].copy(), file_format, **options) for file_format, options in ALL_FORMATS.values()]


def decodes_or_refuses(data: bytes) -> None:
    try:
        decoded = decode_image(data, max_pixels=1_000_000)
    except ImageDecodeError as error:
        assert str(error).endswith(".")
    else:
        assert decoded.dtype == np.uint8
        assert decoded.ndim == 3
        assert decoded.shape[2] == 3


@pytest.mark.filterwarnings("ignore::UserWarning:PIL", "ignore::PIL.Image.DecompressionBombWarning")
@settings(deadline=None, max_examples=300)
@given(data=st.sampled_from(FILES), kept=st.floats(0, 1))
def test_any_truncation_decodes_or_is_refused(data: bytes, kept: float) -> None:
    decodes_or_refuses(data[: int(kept * len(data))])


@pytest.mark.filterwarnings("ignore::UserWarning:PIL", "ignore::PIL.Image.DecompressionBombWarning")
@settings(deadline=None, max_examples=300)
@given(data=st.sampled_from(FILES), place=st.floats(0, 1, exclude_max=True), junk=st.binary(min_size=1, max_size=8))
def test_any_damage_decodes_or_is_refused(data: bytes, place: float, junk: bytes) -> None:
    start = int(place * len(data))

    decodes_or_refuses(data[:start] + junk + data[start + len(junk) :])


@pytest.mark.filterwarnings("ignore::UserWarning:PIL", "ignore::PIL.Image.DecompressionBombWarning")
@settings(deadline=None, max_examples=300)
@given(start=st.sampled_from([b"", *(data[:16] for data in FILES)]), rest=st.binary(max_size=200))
def test_any_bytes_decode_or_are_refused(start: bytes, rest: bytes) -> None:
    decodes_or_refuses(start + rest)


def test_many_threads_decode_at_once() -> None:
    expected = [decode_image(data) for data in FILES]

    with ThreadPoolExecutor(8) as pool:
        decoded = list(pool.map(decode_image, FILES * 20))

    for index, picture in enumerate(decoded):
        np.testing.assert_array_equal(picture, expected[index % len(FILES)])
