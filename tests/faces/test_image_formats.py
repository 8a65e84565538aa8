"""Every format is read, upright, whatever the file is called."""

from __future__ import annotations

import io

import cv2
import numpy as np
import pillow_heif
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from facetraits.faces.images import (
    SNIFFED_BYTES,
    SUPPORTED_SUFFIXES,
    decode,
    decode_image,
    is_picture,
)
from tests.faces.encoded import (
    ALL_FORMATS,
    GREY_RGB,
    LOSSLESS,
    LOSSY,
    ORIENTATIONS,
    PICTURE,
    WITH_ORIENTATION,
    difference,
    encode,
    stored_for,
)

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


def test_first_picture_of_an_mpo_is_taken() -> None:
    out = io.BytesIO()
    frames = [Image.new("RGB", (40, 30), colour) for colour in ("red", "lime")]
    frames[0].save(out, "MPO", save_all=True, append_images=frames[1:])

    decoded = decode(out.getvalue())

    assert not decoded.incomplete
    assert np.abs(decoded.pixels.astype(int) - (254, 0, 0)).max() <= 3


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


# First bytes


@pytest.mark.parametrize("name", ALL_FORMATS)
def test_a_format_is_known_by_the_first_bytes(name: str) -> None:
    file_format, options = ALL_FORMATS[name]

    assert is_picture(encode(PICTURE, file_format, **options)[:SNIFFED_BYTES])


@pytest.mark.parametrize(
    "head", [b"", b"\xff\xd8", b"notes", b"\x00\x00\x00\x20ftypisom\x00\x00\x02\x00isomiso2avc1mp41"]
)
def test_other_files_are_no_pictures(head: bytes) -> None:
    assert not is_picture(head)


@pytest.mark.parametrize("suffix", SUPPORTED_SUFFIXES)
def test_suffixes_are_written_one_way(suffix: str) -> None:
    assert suffix == suffix.lower()
    assert suffix.startswith(".")
