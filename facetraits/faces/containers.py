"""JPEG and PNG files without most of what describes them: megabytes of it keep a reader busy for many seconds."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from typing import Final

END_OF_IMAGE: Final = b"\xff\xd9"  # of a JPEG

_START_OF_SCAN: Final = 0xDA
_PROGRESSIVE_FRAME: Final = 0xC2
_COEFFICIENTS: Final = 64  # of a block of 8 x 8 pixels
_MOST_COMPONENTS: Final = 4
_MOST_SCANS: Final = 1000  # that are looked at; a reader refuses more of them
_SCAN: Final = re.compile(b"\xff\xda")
_DESCRIPTIONS: Final = frozenset({*range(0xE0, 0xF0), 0xFE})
_WITHOUT_LENGTH: Final = frozenset({0x00, 0x01, *range(0xD0, 0xDA)})
# What is kept of the descriptions of a JPEG: the colours of its pixels, and where both others may say which side is up.
_KEPT_OF_JPEG: Final = (
    (0xE0, b"JFIF\x00"),
    (0xEE, b"Adobe"),
    (0xE1, b"Exif\x00\x00"),
    (0xE1, b"http://ns.adobe.com/xap/1.0/\x00"),
)

_PNG_SIGNATURE_BYTES: Final = 8
_CHUNK_FRAME_BYTES: Final = 12  # length, type and checksum
_PIXELS_OF_PNG: Final = frozenset({b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"})
# As above: these may say which side is up. Their type is followed by their keyword.
_KEPT_OF_PNG: Final = (
    b"eXIf",
    b"iTXtXML:com.adobe.xmp\x00",
    b"iTXtRaw profile type exif\x00",
    b"tEXtRaw profile type exif\x00",
    b"zTXtRaw profile type exif\x00",
)
_LARGEST_KEPT_OF_PNG: Final = 1 << 16  # bytes, which is also the most that a segment of a JPEG can hold


def jpeg_without_metadata(data: bytes) -> bytes:
    """A JPEG file with what its reader needs; the first of each kind that does, where there are several."""
    parts, kept = [data[:2]], set[tuple[int, bytes]]()
    for start, end, marker in _segments(data):
        if marker == _START_OF_SCAN:
            parts.append(data[start:])
            break
        if marker in _DESCRIPTIONS:
            kind = next((k for k in _KEPT_OF_JPEG if k[0] == marker and data.startswith(k[1], start + 4)), None)
            if kind is None or kind in kept:
                continue
            kept.add(kind)
        parts.append(data[start:end])
    return b"".join(parts)


def jpeg_first_scan(data: bytes) -> int:
    """Where the marker of a JPEG's first scan is; the length of the file where there is none."""
    return next((start for start, _, marker in _segments(data) if marker == _START_OF_SCAN), len(data))


def jpeg_scans(data: bytes) -> int:
    """How often a reader must go through all pixels of a JPEG file: once if it is baseline, about 10 times if not."""
    first = jpeg_first_scan(data)
    return data.count(bytes((0xFF, _START_OF_SCAN)), first, jpeg_end(data, first))


def jpeg_has_all_passes(data: bytes, first_scan: int) -> bool:
    """Whether the passes of a progressive JPEG file bring each value of each block to its last bit; else True.

    Source: ITU-T T.81, annexes B.2.3 and G.1.

    Args:
        data: the file, as far as it goes.
        first_scan: where the marker of its first scan is.
    """
    frame = next((start for start, _, marker in _segments(data[:first_scan]) if marker == _PROGRESSIVE_FRAME), None)
    if frame is None or frame + 9 >= len(data) or data[frame + 9] > _MOST_COMPONENTS:
        return True
    components = data[frame + 10 : frame + 10 + 3 * data[frame + 9] : 3]
    missing = {(component, k) for component in components for k in range(_COEFFICIENTS)}
    for found in islice(_SCAN.finditer(data, first_scan), _MOST_SCANS):
        start = found.start()
        count = min(data[start + 4], _MOST_COMPONENTS) if start + 4 < len(data) else 0
        described = data[start + 5 + 2 * count : start + 8 + 2 * count]  # first and last value, bits before and left
        if len(described) == 3 and described[2] & 0x0F == 0:
            band = range(described[0], min(described[1] + 1, _COEFFICIENTS))
            missing -= {(c, k) for c in data[start + 5 : start + 5 + 2 * count : 2] for k in band}
    return not missing


def jpeg_end(data: bytes, first_scan: int | None = None) -> int:
    """Where the picture of a JPEG file ends; behind it phones keep a video, and cameras the next picture."""
    end = data.find(END_OF_IMAGE, jpeg_first_scan(data) if first_scan is None else first_scan)
    return end + len(END_OF_IMAGE) if end >= 0 else len(data)


def png_without_metadata(data: bytes) -> bytes:
    """A PNG file with what its reader needs; the first of each kind that does, where there are several."""
    parts, kept = [data[:_PNG_SIGNATURE_BYTES]], set[bytes]()
    start = _PNG_SIGNATURE_BYTES
    while start < len(data):
        size = int.from_bytes(data[start : start + 4], "big")
        end = start + _CHUNK_FRAME_BYTES + size
        if data[start + 4 : start + 8] not in _PIXELS_OF_PNG:
            kind = next((k for k in _KEPT_OF_PNG if data.startswith(k, start + 4)), None)
            if kind is None or kind in kept or size > _LARGEST_KEPT_OF_PNG:
                start = end
                continue
            kept.add(kind)
        parts.append(data[start:end])
        start = end
    return b"".join(parts)


def _segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Start, end and marker of each segment of a JPEG up to its first scan, which ends with the file."""
    start = data.find(b"\xff", 2)
    while 0 <= start < len(data) - 1:
        marker = data[start + 1]
        if marker == _START_OF_SCAN:
            yield start, len(data), marker
            return
        if marker in _WITHOUT_LENGTH:
            end = start + 2
        elif marker == 0xFF:  # filling
            end = start + 1
        else:
            end = start + 2 + int.from_bytes(data[start + 2 : start + 4], "big")
            yield start, end, marker
        start = data.find(b"\xff", end)
