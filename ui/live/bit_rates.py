"""Bit rates with which the live video begins: without them it is blurred for twenty seconds."""

from __future__ import annotations

from typing import Final

from aiortc.codecs import CODECS, h264, vpx

# Bits per second. aiortc begins with half a megabit and Chromium with 0.3, and both grow by a few per cent a second,
# as the other side reports. From these values they go down within a second or two where the network cannot follow.
_FIRST: Final = 2_500_000
_MOST: Final = 5_000_000


def begin_with_sharp_video() -> None:
    """Have both directions of connections to come begin with enough for 1280 x 720. May be called any number of times.

    There is no setting for it: aiortc reads the constants of its codecs, and Chromium the parameters of a codec that a
    server's answer names. Other browsers ignore these.
    """
    vpx.DEFAULT_BITRATE = h264.DEFAULT_BITRATE = _FIRST
    vpx.MAX_BITRATE = h264.MAX_BITRATE = _MOST
    for named in CODECS["video"]:
        if named.name in ("VP8", "H264"):
            named.parameters["x-google-start-bitrate"] = str(_FIRST // 1000)
