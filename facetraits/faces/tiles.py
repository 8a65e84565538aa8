"""Large pictures in parts: at which sizes they are searched for small faces, and where the parts lie."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final, NamedTuple

# The search in tiles takes about as long as its number of pixels needs, so a larger picture is shrunk first. For a
# photo of a phone it is most of the time: with 17 megapixels one of 12 took 2.3 s where it takes 1.2 s. Larger pictures
# may take longer, up to a limit: shrunk to a third of their pixels, faces of 40 px still leave a trace.
_PIXELS: Final = 7_000_000
_SHARE_OF_LARGE: Final = 0.35
MOST_PIXELS: Final = 17_000_000
OVERLAP_PX: Final = 128  # a face that is no longer than this lies whole in one tile at least

# One pass over a tile of this side takes as much memory as the finest pass over a whole picture.
_LARGEST_SIDE_PX: Final = 1376
# A pass sees faces of 24 px to ``OVERLAP_PX``, so one of a quarter of the size goes on where it ends.
_STEP: Final = 4.0
_LEAST_GAIN: Final = 1.25  # over the finest pass that the whole picture had


class Tile(NamedTuple):
    """A part of a picture, in px; right and bottom lie outside."""

    left: int
    top: int
    right: int
    bottom: int


def scales(size_wh: tuple[int, int], searched: float) -> list[float]:
    """Factors of the passes in tiles, ascending; none where the picture is small enough without.

    Args:
        size_wh: of the picture, in px.
        searched: factor of the finest pass over the whole picture.
    """
    area = size_wh[0] * size_wh[1]
    scale = min(1.0, math.sqrt(min(max(_PIXELS, _SHARE_OF_LARGE * area), MOST_PIXELS) / area))
    found = []
    while scale >= _LEAST_GAIN * searched:
        found.append(scale)
        scale /= _STEP
    return found[::-1]


def tiles(size_wh: tuple[int, int]) -> Iterator[Tile]:
    """Parts of even sizes that cover a picture and overlap by ``OVERLAP_PX``, row by row."""
    columns, rows = (_spans(side) for side in size_wh)
    for top, bottom in rows:
        for left, right in columns:
            yield Tile(left, top, right, bottom)


def _spans(side_px: int) -> list[tuple[int, int]]:
    count = max(1, -(-(side_px - OVERLAP_PX) // (_LARGEST_SIDE_PX - OVERLAP_PX)))
    step = -(-max(1, side_px - OVERLAP_PX) // count)
    return [(i * step, min(side_px, (i + 1) * step + OVERLAP_PX)) for i in range(count)]
