"""Sample pictures to try a page with: a row to press, eight portraits and one picture of all eight people."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Final

import cv2
import numpy as np
import streamlit as st
from numpy.typing import NDArray

from facetraits.faces.images import decode_image
from ui.kit.picture_row import choose_picture
from ui.photo.session import Picture, to_jpeg

FOLDER: Final = Path(__file__).parent / "samples"
# They may be shown but never trained on, tuned on or counted in a report.
PORTRAITS: Final = tuple(sorted(FOLDER.glob("london-*.jpg")))
TOGETHER: Final = "All eight"
_NAMES: Final = tuple(f"Sample {number}" for number in range(1, len(PORTRAITS) + 1))
_CREDIT: Final = (
    "Portraits: Lisa DeBruine and Benedict Jones (2017), Face Research Lab London Set, "
    "[doi:10.6084/m9.figshare.5047666](https://doi.org/10.6084/m9.figshare.5047666), "
    "[CC BY 4.0](https://creativecommons.org/licenses/by/4.0/), made smaller and set side by side."
)
_COLUMNS: Final = 4
_TILE_PX: Final = 400
_GAP_PX: Final = 8
_THUMBNAIL_PX: Final = 176  # twice what the row shows, for screens with small pixels
_GROUP_QUALITY: Final = 92


def choose_sample(key: str) -> Picture:
    """The row of samples, with the first one chosen until another is pressed.

    Args:
        key: remembers the choice in the session.
    """
    with st.container(key="samples"):
        names = {name: name for name in (*_NAMES, TOGETHER)}
        name = choose_picture("Press a picture", names, _thumbnails(), key)
        st.caption(_CREDIT)
    if name == TOGETHER:
        return Picture("sample together", name, group_photo)
    path = PORTRAITS[_NAMES.index(name)]
    return Picture(f"sample {path.name}", name, path.read_bytes)


@cache
def group_photo() -> bytes:
    """All portraits in one picture, side by side in two rows, as JPEG."""
    rows = -(-len(PORTRAITS) // _COLUMNS)
    step = _TILE_PX + _GAP_PX
    canvas = np.full((rows * step + _GAP_PX, _COLUMNS * step + _GAP_PX, 3), 255, dtype=np.uint8)
    for i, path in enumerate(PORTRAITS):
        portrait = decode_image(path.read_bytes())
        top, left = (i // _COLUMNS) * step + _GAP_PX, (i % _COLUMNS) * step + _GAP_PX
        canvas[top : top + _TILE_PX, left : left + _TILE_PX] = _resized(portrait, (_TILE_PX, _TILE_PX))
    return to_jpeg(canvas, _GROUP_QUALITY)


@cache
def _thumbnails() -> tuple[bytes, ...]:
    side = _THUMBNAIL_PX
    small = [_resized(_head(decode_image(path.read_bytes())), (side, side)) for path in PORTRAITS]
    small.append(_resized(decode_image(group_photo()), (2 * side, side)))
    return tuple(to_jpeg(picture, _GROUP_QUALITY) for picture in small)


def _head(portrait: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The square of a portrait in which its head is."""
    side = portrait.shape[0]
    return portrait[round(0.1 * side) : round(0.86 * side), round(0.12 * side) : round(0.88 * side)]


def _resized(picture: NDArray[np.uint8], size_wh: tuple[int, int]) -> NDArray[np.uint8]:
    return np.asarray(cv2.resize(picture, size_wh, interpolation=cv2.INTER_AREA), dtype=np.uint8)
