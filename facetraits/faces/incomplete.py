"""JPEG and PNG files that break off: what can still be seen of them, as image viewers show it."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile

from facetraits.faces.containers import END_OF_IMAGE, jpeg_has_all_passes

MISSING: Final = 128  # the shade of what a file does not hold, in all three colours

# A marker within or behind a scan: no byte of the scan itself, no restart and no filling.
_MARKER: Final = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
# Read as pixels where some are missing, and skipped where none are.
_NOISE: Final = bytes(random.Random(0).choices(range(255), k=256))

_TAIL_BYTES: Final = 1 << 17  # of a JPEG: a segment that is cut begins there, and to walk through it takes no time
_NEVER_WRITTEN_BYTES: Final = 64  # fewer zeros may be pixels

# Top, left, steps down and right, and height and width of the block that a pixel stands for, of Adam7's seven passes.
_PASSES: Final = (
    (0, 0, 8, 8, 8, 8),
    (0, 4, 8, 8, 8, 4),
    (4, 0, 8, 4, 4, 4),
    (0, 2, 4, 4, 4, 2),
    (2, 0, 4, 2, 2, 2),
    (0, 1, 2, 2, 2, 1),
    (1, 0, 2, 1, 1, 1),
)


class CutJpeg(NamedTuple):
    """A JPEG without its end.

    Attributes:
        ended: with an end marker behind the last of what is whole; a reader shows grey where pixels are missing.
        probe: the same with noise before the end marker: it shows another picture where pixels are missing.
        more_to_come: a pass over the picture breaks off, or is not there at all.
    """

    ended: bytes
    probe: bytes
    more_to_come: bool


def written(data: bytes) -> bytes:
    """A file without the zeros at its end that stand for what was never written."""
    rest = data.rstrip(b"\0")
    return rest if len(data) - len(rest) >= _NEVER_WRITTEN_BYTES else data


def cut_jpeg(data: bytes, first_scan: int) -> CutJpeg | None:
    """A JPEG file that breaks off, made readable; None where its end marker is there.

    Args:
        data: the file.
        first_scan: where the marker of its first scan is.
    """
    if data.find(END_OF_IMAGE, first_scan) >= 0:
        return None
    whole = written(data)
    end = len(whole)
    place = max(first_scan, end - _TAIL_BYTES)
    while (found := _MARKER.search(whole, place)) is not None:
        place = found.end() + int.from_bytes(whole[found.end() : found.end() + 2], "big")
        if place > len(whole) or place < found.end() + 2:
            end = found.start()
            break
    kept = whole[:end]
    more_to_come = end < len(whole) or not jpeg_has_all_passes(kept, first_scan)
    return CutJpeg(kept + END_OF_IMAGE, kept + _NOISE + END_OF_IMAGE, more_to_come)


class CutPng(NamedTuple):
    """What could be read of a PNG.

    Attributes:
        picture: loaded as far as it goes.
        known: (H, W) bool, where its pixels were in the file.
    """

    picture: ImageFile.ImageFile
    known: NDArray[np.bool_]


def cut_png(opened: Callable[[], ImageFile.ImageFile]) -> CutPng:
    """A PNG file that breaks off, read twice over different grounds: what was in the file is the same both times.

    Args:
        opened: opens the file, its header read and its pixels not.
    """
    light = _loaded_over(opened(), 255)
    over_light = np.array(light.getchannel(0)) if len(light.getbands()) > 1 else np.array(light)
    light.close()
    picture = _loaded_over(opened(), 0)
    over_dark = np.array(picture.getchannel(0)) if len(picture.getbands()) > 1 else np.array(picture)
    return CutPng(picture, over_light == over_dark)


def _loaded_over(picture: ImageFile.ImageFile, ground: int) -> ImageFile.ImageFile:
    """The picture, its pixels as they are in the file and ``ground`` where there are none."""
    bands = len(picture.getbands())
    picture.im = Image.new(picture.mode, picture.size, (ground,) * bands if bands > 1 else ground).im
    try:
        picture.load()
    except (OSError, SyntaxError):
        picture.tile = []  # nothing is left to load
    return picture


def show_missing(pixels: NDArray[np.uint8], known: NDArray[np.bool_], interlaced: bool) -> None:
    """Make grey what a file does not hold; of an interlaced one the pixels that are known stand for their blocks.

    Args:
        pixels: (H, W, 3) RGB as stored, changed in place.
        known: (H, W), where they were in the file.
        interlaced: stored in the seven passes of Adam7.
    """
    if not interlaced:
        pixels[~known] = MISSING
        return
    held = pixels.copy()
    pixels[:] = MISSING
    for top, left, down, right, height, width in _PASSES:
        here, values = known[top::down, left::right], held[top::down, left::right]
        for y in range(top, top + height):
            for x in range(left, left + width):
                block = pixels[y::down, x::right]
                rows, columns = block.shape[:2]
                seen = here[:rows, :columns]
                block[seen] = values[:rows, :columns][seen]
