"""Whatever colours a file holds, the picture is RGB of 8 bits."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageOps

from facetraits.faces.images import (
    decode_image,
)
from tests.faces.encoded import (
    GREY,
    GREY_RGB,
    LOSSLESS,
    PICTURE,
    difference,
    encode,
    with_cv2,
    with_tifffile,
)


def tiff_of_12_bits(grey: NDArray[np.uint8]) -> bytes:
    """An uncompressed grey TIFF of 12 bits, with one strip: no package here writes one."""
    height, width = grey.shape
    pairs = (grey.astype(int) << 4).reshape(-1, 2)
    strip = b"".join(((first << 12) | second).to_bytes(3, "big") for first, second in pairs.tolist())
    tags = ((256, width), (257, height), (258, 12), (259, 1), (262, 1), (273, 8), (277, 1), (278, height))
    tags = (*tags, (279, len(strip)))
    directory = struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    return b"II*\x00" + struct.pack("<I", 8 + len(strip)) + strip + directory + bytes(4)


@pytest.mark.parametrize("file_format", ["PNG", "TIFF", "BMP", "GIF"])
@pytest.mark.parametrize("mode", ["1", "L", "P"])
def test_grey_and_palette_decode_exactly(file_format: str, mode: str) -> None:
    picture = Image.fromarray(PICTURE).convert(mode)

    np.testing.assert_array_equal(decode_image(encode(picture, file_format)), np.asarray(picture.convert("RGB")))


@pytest.mark.parametrize("file_format", ["PNG", "TIFF", "WEBP", "HEIC"])
def test_transparent_parts_show_white(file_format: str) -> None:
    rgba = np.dstack([PICTURE, np.full(GREY.shape, 255, np.uint8)])
    rgba[:, :30, 3] = 0
    rgba[:, 30:60, 3] = 51  # a fifth opaque
    expected = PICTURE.astype(float)
    expected[:, :30] = 255
    expected[:, 30:60] = expected[:, 30:60] * 0.2 + 255 * 0.8
    options = {"WEBP": {"lossless": True, "exact": True}, "HEIC": LOSSLESS["HEIC"][1]}.get(file_format, {})

    decoded = decode_image(encode(rgba, file_format, **options))

    assert np.abs(decoded - expected).max() <= 1


@pytest.mark.parametrize("file_format", ["PNG", "TIFF"])
def test_transparent_grey_shows_white(file_format: str) -> None:
    alpha = np.full(GREY.shape, 255, np.uint8)
    alpha[:20] = 0
    expected = GREY_RGB.copy()
    expected[:20] = 255

    decoded = decode_image(encode(Image.fromarray(np.dstack([GREY, alpha]), "LA"), file_format))

    np.testing.assert_array_equal(decoded, expected)


@pytest.mark.parametrize("file_format", ["PNG", "GIF"])
def test_transparent_palette_entry_shows_white(file_format: str) -> None:
    indices = np.zeros((20, 30), np.uint8)
    indices[:, 10:20], indices[:, 20:] = 1, 2
    picture = Image.fromarray(indices, "P")
    picture.putpalette([200, 0, 0, 0, 200, 0, 0, 0, 200])

    decoded = decode_image(encode(picture, file_format, transparency=1))

    np.testing.assert_array_equal(decoded[0, [5, 15, 25]], [[200, 0, 0], [255, 255, 255], [0, 0, 200]])


def test_transparent_colour_key_of_a_png_shows_white() -> None:
    stripes = np.zeros((10, 20, 3), np.uint8)
    stripes[:, 10:] = (10, 20, 30)

    decoded = decode_image(encode(stripes, "PNG", transparency=(10, 20, 30)))

    np.testing.assert_array_equal(decoded[0, [0, 19]], [[0, 0, 0], [255, 255, 255]])


def test_transparent_shade_of_a_16_bit_png_shows_white() -> None:
    shades = np.full((10, 20), 700, np.uint16)
    shades[:, 10:] = 701

    decoded = decode_image(encode(Image.fromarray(shades), "PNG", transparency=701))

    np.testing.assert_array_equal(decoded[0, [0, 19], 0], [2, 255])


@pytest.mark.parametrize(
    "data",
    [
        with_cv2(".png", GREY.astype(np.uint16) * 257),
        with_tifffile(GREY.astype(np.uint16) * 257, photometric="minisblack", byteorder="<"),
        with_tifffile(GREY.astype(np.uint16) * 257, photometric="minisblack", byteorder=">"),
        with_tifffile(~(GREY.astype(np.uint16) * 257), photometric="miniswhite", byteorder="<"),
        encode(Image.fromarray(GREY.astype(np.uint16) * 257), "TIFF", compression="tiff_lzw"),
        tiff_of_12_bits(GREY),
    ],
    ids=["PNG", "TIFF", "TIFF big-endian", "TIFF white is zero", "TIFF LZW", "TIFF 12 bit"],
)
def test_more_than_8_bit_grey_is_scaled_by_its_type(data: bytes) -> None:
    np.testing.assert_array_equal(decode_image(data), GREY_RGB)


@pytest.mark.parametrize(
    "data",
    [
        with_cv2(".png", PICTURE[:, :, ::-1].astype(np.uint16) * 257),
        with_cv2(".tif", PICTURE[:, :, ::-1].astype(np.uint16) * 257),
        with_tifffile(PICTURE.astype(np.uint16) * 257, photometric="rgb", byteorder=">"),
    ],
    ids=["PNG", "TIFF LZW", "TIFF big-endian"],
)
def test_16_bit_colour_is_scaled_by_its_type(data: bytes) -> None:
    np.testing.assert_array_equal(decode_image(data), PICTURE)


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_dark_16_bit_picture_stays_dark(suffix: str) -> None:
    dark = np.arange(2000, dtype=np.uint16).reshape(40, 50)

    grey, colour = decode_image(with_cv2(suffix, dark)), decode_image(with_cv2(suffix, np.dstack([dark] * 3)))

    assert grey.max() == 1999 // 256
    np.testing.assert_array_equal(grey, colour)


def test_8_bit_tiff_with_a_plane_per_colour_decodes_exactly() -> None:
    data = with_tifffile(PICTURE.transpose(2, 0, 1), photometric="rgb", planarconfig="separate")

    np.testing.assert_array_equal(decode_image(data), PICTURE)


@pytest.mark.parametrize("mode", ["CMYK", "YCbCr"])
def test_tiff_in_print_and_video_colours_decodes_closely(mode: str) -> None:
    assert difference(encode(Image.fromarray(PICTURE).convert(mode), "TIFF"), PICTURE) < 2


def test_cmyk_jpeg_with_adobe_marker_decodes_closely() -> None:
    data = encode(Image.fromarray(PICTURE).convert("CMYK"), "JPEG", quality=95, subsampling=0)

    assert b"Adobe" in data
    assert difference(data, PICTURE) < 2.5


def test_cmyk_jpeg_without_adobe_marker_decodes_closely() -> None:
    # Pillow inverts what it writes and marks it as Adobe's: invert first and take the marker out.
    inverted = ImageOps.invert(Image.merge("RGB", Image.fromarray(PICTURE).convert("CMYK").split()[:3]))
    black = ImageOps.invert(Image.fromarray(PICTURE).convert("CMYK").getchannel("K"))
    data = encode(Image.merge("CMYK", (*inverted.split(), black)), "JPEG", quality=95, subsampling=0)
    start = data.index(b"\xff\xee")
    (length,) = struct.unpack(">H", data[start + 2 : start + 4])
    data = data[:start] + data[start + 2 + length :]

    assert b"Adobe" not in data
    assert difference(data, PICTURE) < 2.5


@settings(deadline=None)
@given(
    mode=st.sampled_from(["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "I;16"]),
    file_format=st.sampled_from(["PNG", "TIFF", "BMP", "GIF", "WEBP", "JPEG", "AVIF"]),
    width=st.integers(1, 30),
    height=st.integers(1, 30),
)
def test_every_mode_becomes_rgb(mode: str, file_format: str, width: int, height: int) -> None:
    picture = Image.new("L", (width, height), 77).convert(mode)
    try:
        data = encode(picture, file_format)
    except (OSError, ValueError):
        reject()  # the format has no such mode

    decoded = decode_image(data)

    assert decoded.shape == (height, width, 3)
    assert decoded.dtype == np.uint8
    assert decoded.flags.c_contiguous
    assert decoded.flags.writeable
