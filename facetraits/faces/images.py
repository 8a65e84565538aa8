"""Bytes of a picture file become one form: upright RGB with 8 bits per colour, whatever the file's format and mode."""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable, Mapping
from typing import IO, Any, Final, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageFile
from PIL.AvifImagePlugin import AvifImageFile
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile
from pillow_heif import HeifImageFile

from facetraits.errors import UserError
from facetraits.faces.containers import jpeg_first_scan, jpeg_scans, jpeg_without_metadata, png_without_metadata
from facetraits.faces.incomplete import cut_jpeg, cut_png, show_missing, written

# 108-megapixel phones pass. A picture of the limit takes 360 MB, and 1.2 GB while it is decoded.
MAX_PIXELS: Final = 120_000_000
# A JPEG cannot have longer sides.
MAX_SIDE_PX: Final = 65_535
# A progressive JPEG of 50 megapixels may take 20 passes, twice as many as cameras and browsers make of one.
_MAX_PIXELS_OF_ALL_SCANS: Final = 1_000_000_000
_STRIP_PX: Final = 256

SUPPORTED_SUFFIXES: Final[tuple[str, ...]] = (
    ".jpg",
    ".jpeg",
    ".jpe",
    ".jfif",
    ".mpo",  # several JPEGs in a row, of which the first is read
    ".png",
    ".webp",
    ".bmp",
    ".tif",
    ".tiff",
    ".gif",
    ".avif",
    ".heic",
    ".heif",
    ".hif",
)

# Enough of a file to tell its format.
SNIFFED_BYTES: Final = 64

_ORIENTATION_TAG: Final = 0x0112
_BITS_PER_SAMPLE_TAG: Final = 258
_PHOTOMETRIC_TAG: Final = 262
_WHITE_IS_ZERO: Final = 0
_PLANES_TAG: Final = 284
_ONE_PLANE_PER_COLOUR: Final = 2

# What undoes each EXIF orientation other than 1 (upright).
_TURNS: Final[Mapping[int, Callable[[NDArray[np.uint8]], Any]]] = {
    2: lambda pixels: cv2.flip(pixels, 1),
    3: lambda pixels: cv2.rotate(pixels, cv2.ROTATE_180),
    4: lambda pixels: cv2.flip(pixels, 0),
    5: lambda pixels: cv2.transpose(pixels),
    6: lambda pixels: cv2.rotate(pixels, cv2.ROTATE_90_CLOCKWISE),
    7: lambda pixels: cv2.flip(cv2.transpose(pixels), -1),
    8: lambda pixels: cv2.rotate(pixels, cv2.ROTATE_90_COUNTERCLOCKWISE),
}

# Readers by format. They are called directly, not through Image.open: that would measure every picture by a limit that
# is global to the process, try dozens of formats nobody needs, and know HEIC only once a plug-in is registered, again
# for the whole process. (The readers of WebP and TIFF still warn by that limit, from 89 megapixels on.)
_READERS: Final[Mapping[str, Callable[[IO[bytes]], ImageFile.ImageFile]]] = {
    "JPEG": JpegImageFile,
    "PNG": PngImageFile,
    "WebP": WebPImageFile,
    "BMP": BmpImageFile,
    "TIFF": TiffImageFile,
    "GIF": GifImageFile,
    "AVIF": AvifImageFile,
    "HEIC": HeifImageFile,
}

_SIGNATURES: Final = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"II*\x00", "TIFF"),
    (b"MM\x00*", "TIFF"),
    (b"II+\x00", "TIFF"),  # BigTIFF
    (b"MM\x00+", "TIFF"),
)
_BMP_HEADER_SIZES: Final = (12, 40, 52, 56, 64, 108, 124)
_AVIF_BRANDS: Final = frozenset({b"avif", b"avis"})
_HEIF_BRANDS: Final = frozenset(
    {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1"}
)


class ImageDecodeError(UserError, ValueError):
    """The bytes cannot be turned into a picture; the message is one sentence for the person who chose the file."""


def is_picture(head: bytes) -> bool:
    """Whether a file is of a format that ``decode`` reads, by its first ``SNIFFED_BYTES``."""
    return _format_of(head) is not None


class Decoded(NamedTuple):
    """A picture and how much of it there is.

    Attributes:
        pixels: (H, W, 3) RGB, upright, contiguous and writable.
        incomplete: the file breaks off; what is missing of the picture is grey, or coarser than the rest.
    """

    pixels: NDArray[np.uint8]
    incomplete: bool


def decode_image(data: bytes, max_pixels: int = MAX_PIXELS) -> NDArray[np.uint8]:
    """The pixels that ``decode`` gives, be they all there or not."""
    return decode(data, max_pixels).pixels


def decode(data: bytes, max_pixels: int = MAX_PIXELS) -> Decoded:
    """Decode a JPEG, PNG, WebP, BMP, TIFF, GIF, AVIF or HEIC file.

    The orientation that the file states is applied. Transparent parts show white. Of 16 bits per colour the upper 8 are
    kept. Of several frames or pages the first (of HEIC: the primary one) is taken. Colour profiles are not applied. Of
    a JPEG or PNG that breaks off what is there is shown.

    Any number of threads may decode at the same time.

    Args:
        data: the whole file.
        max_pixels: pictures with more pixels are refused from their header, before memory is taken for them; so are
            those with a side of more than ``MAX_SIDE_PX``.

    Raises:
        ImageDecodeError: the bytes are empty, of no known format, broken, or incomplete (JPEG and PNG: without any
            pixel), the picture has too many pixels, too long a side or too many passes over its pixels, or its values
            are not 1 to 16 bits without sign (signed, 32-bit and floating-point TIFF).
    """
    if not data:
        raise ImageDecodeError("The file is empty.")
    name = _format_of(data)
    if name is None:
        known = ", ".join(_READERS)
        raise ImageDecodeError(f"The file is not a picture of a format that can be read ({known}).")
    try:
        if name == "JPEG":
            stored, orientation, incomplete = _read_jpeg(data, max_pixels)
        elif name == "PNG":
            stored, orientation, incomplete = _read_png(data, max_pixels)
        else:
            stored, orientation, incomplete = _read(data, name, max_pixels)
    except ImageDecodeError:
        raise
    except Image.DecompressionBombError as error:  # from a reader that checks before it tells the size
        raise ImageDecodeError(
            f"The {name} picture is too large: at most {max_pixels / 1e6:g} megapixels are accepted."
        ) from error
    except Exception as error:  # on broken bytes the readers raise whatever their parsers stumble over
        raise ImageDecodeError(f"The {name} picture is broken, incomplete or of a kind that cannot be read.") from error
    upright = np.asarray(_TURNS[orientation](stored), dtype=np.uint8) if orientation in _TURNS else stored
    return Decoded(upright, incomplete)


_Read = tuple[NDArray[np.uint8], int, bool]  # RGB as stored, the orientation to apply, whether some is missing


def _read(data: bytes, name: str, max_pixels: int) -> _Read:
    with _opened(data, name) as picture:
        _check_size(picture.size, max_pixels)
        _check_planes(picture)
        _check_scans(picture, data)
        picture.load()
        orientation = _orientation(picture)
        return _to_rgb(picture, name), orientation, False


def _read_jpeg(data: bytes, max_pixels: int) -> _Read:
    cut = cut_jpeg(data, jpeg_first_scan(data))
    if cut is None:
        return _read(data, "JPEG", max_pixels)
    probe = zlib.crc32(_read(cut.probe, "JPEG", max_pixels)[0].data)
    pixels, orientation, _ = _read(cut.ended, "JPEG", max_pixels)
    incomplete = cut.more_to_come or zlib.crc32(pixels.data) != probe
    if incomplete and (pixels == pixels[0, 0]).all():
        raise ImageDecodeError("The JPEG picture is incomplete: the file breaks off before its first pixel.")
    return pixels, orientation, incomplete


def _read_png(data: bytes, max_pixels: int) -> _Read:
    try:
        return _read(data, "PNG", max_pixels)
    except (OSError, SyntaxError):
        if not picture_pixels(data):
            raise
    picture, known = cut_png(lambda: _opened(written(data), "PNG"))
    if not known.any():
        raise ImageDecodeError("The PNG picture is incomplete: the file breaks off before its first pixel.")
    orientation = _orientation(picture)
    pixels = _to_rgb(picture, "PNG")
    show_missing(pixels, known, interlaced=bool(picture.info.get("interlace")))
    return pixels, orientation, True


def picture_pixels(data: bytes) -> int:
    """How many pixels a picture file says that it has; 0 where it is none. Reads its header only."""
    name = _format_of(data)
    if name is None:
        return 0
    try:
        with _opened(data, name) as picture:
            return picture.width * picture.height
    except Exception:  # as in decode_image, which says what is wrong
        return 0


def _opened(data: bytes, name: str) -> ImageFile.ImageFile:
    """The picture with its header read."""
    if name == "JPEG":
        data = jpeg_without_metadata(data)
    elif name == "PNG":
        data = png_without_metadata(data)
    return _READERS[name](io.BytesIO(data))


def _format_of(data: bytes) -> str | None:
    """Key of ``_READERS`` by the first bytes of the file; file names and declared types are not trusted."""
    for signature, name in _SIGNATURES:
        if data.startswith(signature):
            return name
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WebP"
    if data[:2] == b"BM" and int.from_bytes(data[14:18], "little") in _BMP_HEADER_SIZES:
        return "BMP"
    if data[4:8] == b"ftyp":
        # AVIF and HEIC may share the general brand mif1, so the brands they are compatible with decide.
        end = min(int.from_bytes(data[:4], "big"), 256)
        brands = {data[8:12], *(data[i : i + 4] for i in range(16, end, 4))}
        if brands & _AVIF_BRANDS:
            return "AVIF"
        if brands & _HEIF_BRANDS:
            return "HEIC"
    return None


def _check_size(size_wh: tuple[int, int], max_pixels: int) -> None:
    width, height = size_wh
    if width * height > max_pixels:
        raise ImageDecodeError(
            f"The picture is too large: it has {width} x {height} = {width * height / 1e6:.1f} megapixels, "
            f"and at most {max_pixels / 1e6:g} are accepted."
        )
    if max(size_wh) > MAX_SIDE_PX:
        raise ImageDecodeError(
            f"The picture is too long: it has {width} x {height} px, and at most {MAX_SIDE_PX} are accepted on a side."
        )


def _check_scans(picture: ImageFile.ImageFile, data: bytes) -> None:
    """Refuse what would keep a processor busy: a progressive JPEG may ask for hundreds of passes over its pixels."""
    if not isinstance(picture, JpegImageFile):
        return
    scans = jpeg_scans(data)
    if scans * picture.width * picture.height > _MAX_PIXELS_OF_ALL_SCANS:
        raise ImageDecodeError(f"The JPEG picture is stored in {scans} passes; save it again and try once more.")


def _check_planes(picture: ImageFile.ImageFile) -> None:
    """Refuse what Pillow would silently read wrongly: it takes the planes of 16-bit colours for 8-bit ones."""
    if not isinstance(picture, TiffImageFile) or picture.tag_v2.get(_PLANES_TAG) != _ONE_PLANE_PER_COLOUR:
        return
    bits = picture.tag_v2.get(_BITS_PER_SAMPLE_TAG, (1,))
    if len(bits) > 1 and max(bits) > 8:
        raise ImageDecodeError("The TIFF picture holds each 16-bit colour by itself; save it with 8 bits per colour.")


def _orientation(picture: ImageFile.ImageFile) -> int:
    """The EXIF orientation that is still to be undone after loading; 1 where the file states none.

    The readers of TIFF and HEIC have turned the picture already and dropped the tag.
    """
    try:
        orientation = picture.getexif().get(_ORIENTATION_TAG)
    except Exception:  # the description of the picture is broken, not the picture itself
        return 1
    return orientation if isinstance(orientation, int) else 1


def _to_rgb(picture: ImageFile.ImageFile, name: str) -> NDArray[np.uint8]:
    mode = picture.mode
    if mode == "RGB" and not picture.has_transparency_data:
        return np.array(picture)  # most pictures; converting would copy them once more
    if mode in ("I", "F"):
        raise ImageDecodeError(
            f"The {name} picture holds signed, 32-bit or floating-point values; save it with 8 or 16 bits per colour."
        )
    if mode.startswith("I;16"):
        return _grey16_to_rgb(picture)
    if picture.has_transparency_data:
        return _on_white(picture)
    if mode == "CMYK" and name == "JPEG" and "adobe" not in picture.info:
        # Adobe stores CMYK inverted; Pillow inverts every JPEG back, also those of others.
        return np.array(ImageChops.invert(picture).convert("RGB"))
    return np.array(picture.convert("RGB"))


def _on_white(picture: ImageFile.ImageFile) -> NDArray[np.uint8]:
    """Composed in strips, which need no second and third copy of the whole picture."""
    width, height = picture.size
    rgb = np.empty((height, width, 3), dtype=np.uint8)
    for top in range(0, height, _STRIP_PX):
        strip = picture.crop((0, top, width, min(top + _STRIP_PX, height))).convert("RGBA")
        white = Image.new("RGBA", strip.size, "white")
        rgb[top : top + _STRIP_PX] = np.asarray(Image.alpha_composite(white, strip).convert("RGB"))
    return rgb


def _grey16_to_rgb(picture: ImageFile.ImageFile) -> NDArray[np.uint8]:
    """Keep the upper 8 bits, as Pillow does with 16-bit colour, so that both give the same picture."""
    values = np.asarray(picture)
    bits, white_is_zero = 16, False
    if isinstance(picture, TiffImageFile):
        bits = int(picture.tag_v2.get(_BITS_PER_SAMPLE_TAG, (16,))[0])  # 12-bit pictures come in 16-bit numbers
        white_is_zero = picture.tag_v2.get(_PHOTOMETRIC_TAG) == _WHITE_IS_ZERO
    grey = (values >> (bits - 8)).astype(np.uint8)
    if white_is_zero:
        grey = np.bitwise_not(grey)
    if "transparency" in picture.info:  # the one shade that stands for "nothing here"
        grey[values == picture.info["transparency"]] = 255
    return np.repeat(grey[:, :, None], 3, axis=2)
