from __future__ import annotations

import io
import struct
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pillow_heif
import pytest
import skimage.data
import tifffile
from hypothesis import given, reject, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageOps

from facetraits.faces.images import MAX_PIXELS, SUPPORTED_SUFFIXES, ImageDecodeError, decode_image, is_picture_path

# (64, 96, 3) of a face: neither square nor symmetric, so that a wrong turn shows.
PICTURE = cv2.resize(skimage.data.astronaut()[60:252, 90:378], (96, 64), interpolation=cv2.INTER_AREA)
GREY = cv2.cvtColor(PICTURE, cv2.COLOR_RGB2GRAY)
GREY_RGB = np.repeat(GREY[:, :, None], 3, axis=2)
ORIENTATIONS = range(1, 9)

LOSSLESS: dict[str, tuple[str, dict[str, object]]] = {
    "PNG": ("PNG", {}),
    "WebP": ("WEBP", {"lossless": True}),
    "BMP": ("BMP", {}),
    "TIFF": ("TIFF", {}),
    "TIFF packbits": ("TIFF", {"compression": "packbits"}),
    "TIFF LZW": ("TIFF", {"compression": "tiff_lzw"}),
    "TIFF deflate": ("TIFF", {"compression": "tiff_adobe_deflate"}),
    "HEIC": ("HEIC", {"quality": -1, "chroma": 444, "matrix_coefficients": 0}),
}
LOSSY: dict[str, tuple[str, dict[str, object]]] = {
    "JPEG": ("JPEG", {"quality": 95, "subsampling": 0}),
    "JPEG progressive": ("JPEG", {"quality": 95, "subsampling": 0, "progressive": True}),
    "WebP": ("WEBP", {"quality": 97}),
    "AVIF": ("AVIF", {"quality": 95, "subsampling": "4:4:4"}),
    "HEIC": ("HEIC", {"quality": 95, "chroma": 444}),
}
ALL_FORMATS = {**{f"{name} lossy": value for name, value in LOSSY.items()}, **LOSSLESS, "GIF": ("GIF", {})}
WITH_ORIENTATION = {name: value for name, value in ALL_FORMATS.items() if value[0] not in ("BMP", "GIF")}


def encode(pixels: NDArray[np.uint8] | Image.Image, file_format: str, orientation: int = 1, **options: object) -> bytes:
    """A picture file that states ``orientation``."""
    picture = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    out = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = orientation
    if file_format == "HEIC":
        heif = pillow_heif.from_bytes(picture.mode, picture.size, picture.tobytes())
        heif.save(out, exif=exif.tobytes(), **options)
    elif orientation == 1:
        picture.save(out, file_format, **options)
    else:
        picture.save(out, file_format, exif=exif, **options)
    return out.getvalue()


def stored_for(upright: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """The pixels that a file with this orientation stores, by the words of the EXIF standard."""
    row_0_is_at, column_0_is_at = {
        1: ("top", "left"),
        2: ("top", "right"),
        3: ("bottom", "right"),
        4: ("bottom", "left"),
        5: ("left", "top"),
        6: ("right", "top"),
        7: ("right", "bottom"),
        8: ("left", "bottom"),
    }[orientation]
    seen = upright
    if "bottom" in (row_0_is_at, column_0_is_at):
        seen = seen[::-1]
    if "right" in (row_0_is_at, column_0_is_at):
        seen = seen[:, ::-1]
    if row_0_is_at in ("left", "right"):
        seen = seen.transpose(1, 0, 2)
    return np.ascontiguousarray(seen)


def tiff_of_12_bits(grey: NDArray[np.uint8]) -> bytes:
    """An uncompressed grey TIFF of 12 bits, with one strip: no package here writes one."""
    height, width = grey.shape
    pairs = (grey.astype(int) << 4).reshape(-1, 2)
    strip = b"".join(((first << 12) | second).to_bytes(3, "big") for first, second in pairs.tolist())
    tags = ((256, width), (257, height), (258, 12), (259, 1), (262, 1), (273, 8), (277, 1), (278, height))
    tags = (*tags, (279, len(strip)))
    directory = struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    return b"II*\x00" + struct.pack("<I", 8 + len(strip)) + strip + directory + bytes(4)


def with_tifffile(values: NDArray[np.generic], **options: object) -> bytes:
    out = io.BytesIO()
    tifffile.imwrite(out, values, **options)
    return out.getvalue()


def with_cv2(suffix: str, values: NDArray[np.uint16]) -> bytes:
    done, data = cv2.imencode(suffix, values)
    assert done
    return data.tobytes()


def difference(data: bytes, expected: NDArray[np.uint8]) -> float:
    """Mean absolute difference of the decoded picture, in shades; the shape must be the same."""
    decoded = decode_image(data)
    assert decoded.shape == expected.shape
    return float(np.abs(decoded.astype(int) - expected).mean())


# Formats


@pytest.mark.parametrize("name", LOSSLESS)
def test_lossless_formats_decode_exactly(name: str) -> None:
    file_format, options = LOSSLESS[name]

    np.testing.assert_array_equal(decode_image(encode(PICTURE, file_format, **options)), PICTURE)


@pytest.mark.parametrize("name", LOSSY)
def test_lossy_formats_decode_closely(name: str) -> None:
    file_format, options = LOSSY[name]

    assert difference(encode(PICTURE, file_format, **options), PICTURE) < 2.5


@pytest.mark.parametrize("file_format", ["GIF", "WEBP", "PNG", "TIFF", "AVIF"])
def test_first_of_several_frames_is_taken(file_format: str) -> None:
    frames = [Image.new("RGB", (40, 30), colour) for colour in ("red", "lime", "blue")]
    out = io.BytesIO()
    frames[0].save(out, file_format, save_all=True, append_images=frames[1:])

    decoded = decode_image(out.getvalue())

    assert decoded.shape == (30, 40, 3)
    assert np.abs(decoded.astype(int) - (255, 0, 0)).max() <= 3


def test_primary_picture_of_a_heic_is_taken() -> None:
    heif = pillow_heif.HeifFile()
    for colour in ("red", "lime"):
        heif.add_from_pillow(Image.new("RGB", (64, 48), colour))
    out = io.BytesIO()
    heif.save(out, primary_index=1, quality=90)

    assert np.abs(decode_image(out.getvalue()).astype(int) - (0, 255, 0)).max() <= 3


def test_large_jpeg_is_decoded_at_full_resolution() -> None:
    data = encode(cv2.resize(PICTURE, (2400, 1600)), "JPEG")

    np.testing.assert_array_equal(decode_image(data), np.asarray(Image.open(io.BytesIO(data))))


# Orientations


@pytest.mark.parametrize("name", WITH_ORIENTATION)
@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_orientation_is_applied_once(name: str, orientation: int) -> None:
    file_format, options = WITH_ORIENTATION[name]
    data = encode(stored_for(PICTURE, orientation), file_format, orientation, **options)

    assert difference(data, PICTURE) <= (0 if name in LOSSLESS else 2.5)


@settings(deadline=None)
@given(width=st.integers(1, 40), height=st.integers(1, 40), orientation=st.sampled_from(ORIENTATIONS))
def test_orientation_of_any_size_is_applied_exactly(width: int, height: int, orientation: int) -> None:
    upright = np.random.default_rng(width).integers(0, 256, (height, width, 3), dtype=np.uint8)

    decoded = decode_image(encode(stored_for(upright, orientation), "PNG", orientation))

    np.testing.assert_array_equal(decoded, upright)
    assert decoded.flags.c_contiguous
    assert decoded.flags.writeable


@pytest.mark.parametrize("orientation", [6, 7])
def test_orientation_is_applied_to_16_bit_grey(orientation: int) -> None:
    stored = stored_for(GREY_RGB, orientation)[:, :, 0].astype(np.uint16) * 257
    picture = Image.fromarray(stored)

    for file_format in ("PNG", "TIFF"):
        np.testing.assert_array_equal(decode_image(encode(picture, file_format, orientation)), GREY_RGB)


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_unknown_orientation_counts_as_upright(orientation: int) -> None:
    np.testing.assert_array_equal(decode_image(encode(PICTURE, "PNG", orientation)), PICTURE)


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
def test_picture_with_broken_exif_is_decoded() -> None:
    out = io.BytesIO()
    Image.fromarray(PICTURE).save(out, "PNG", exif=b"Exif\x00\x00II*\x00\xff\xff\xff\x00")

    np.testing.assert_array_equal(decode_image(out.getvalue()), PICTURE)


# Modes


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


# What is refused


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
@pytest.mark.parametrize("name", ALL_FORMATS)
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


# File names


@pytest.mark.parametrize("suffix", SUPPORTED_SUFFIXES)
def test_picture_is_known_by_its_suffix(suffix: str) -> None:
    assert suffix == suffix.lower()
    assert suffix.startswith(".")
    assert is_picture_path(f"folder.txt/holiday{suffix.upper()}")


@pytest.mark.parametrize("path", ["notes.txt", "jpg", "holiday.jpg.part", ".png/readme"])
def test_other_files_are_no_pictures(path: str) -> None:
    assert not is_picture_path(path)
