"""Picture files of every format, made from one small picture."""

from __future__ import annotations

import io

import cv2
import numpy as np
import pillow_heif
import skimage.data
import tifffile
from numpy.typing import NDArray
from PIL import Image

from facetraits.faces.images import (
    decode_image,
)

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
