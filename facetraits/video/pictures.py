"""From a decoded frame of video to the picture that people see: square pixels, upright, of standard dynamic range."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import cv2
import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import av

_LONGEST_SIDE_PX: Final = 3840  # larger frames are shrunk: more shows no more of a face, and takes gigabytes
_LARGEST_PIXEL_ASPECT: Final = 4.0  # beyond it, and under its inverse, the file is wrong

# Numbers of FFmpeg.
_BT709: Final = 1
_PQ: Final = 16
_HLG: Final = 18

# Diffuse white and the brightest light of HDR pictures as ITU-R BT.2408 has them, in cd/m^2.
_WHITE: Final = 203.0
_BRIGHTEST: Final = 1000.0
_KNEE: Final = 0.7  # of white: what is darker, as faces are, stays as it is
_HLG_SYSTEM_GAMMA: Final = 1.2
_BT2020_TO_BT709: Final = np.array(
    [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]], dtype=np.float32
)
_BT2020_LUMINANCE: Final = np.array([0.2627, 0.6780, 0.0593], dtype=np.float32)


def shown_rgb(frame: av.VideoFrame, pixel_aspect: float = 1.0) -> NDArray[np.uint8]:
    """The (H, W, 3) RGB picture that a player shows of a frame, at most 3840 px long.

    Of an interlaced frame one of its two fields is shown, which are apart by half a frame's time. HDR (HLG and PQ) is
    mapped to what an ordinary screen shows.

    Args:
        frame: as PyAV decodes it.
        pixel_aspect: width over height of the frame's pixels; odd values count as 1.

    Source:
        ITU-R BT.2100 (HLG, PQ), BT.2408 (white), BT.2087 (colours).
    """
    if not 1 / _LARGEST_PIXEL_ASPECT <= pixel_aspect <= _LARGEST_PIXEL_ASPECT:
        pixel_aspect = 1.0
    width, height = frame.width * max(1.0, pixel_aspect), frame.height * max(1.0, 1 / pixel_aspect)
    shrink = min(1.0, _LONGEST_SIDE_PX / max(width, height))
    size_wh = max(1, round(width * shrink)), max(1, round(height * shrink))
    interlaced = frame.interlaced_frame
    if shrink < 1:  # before it is converted, which would take the memory of the whole
        frame = frame.reformat(width=min(size_wh[0], frame.width), height=min(size_wh[1], frame.height))
    image = _standard_range(frame) if frame.color_trc in (_PQ, _HLG) else _rgb(frame)
    if interlaced:
        image = image[::2]
    if image.shape[1::-1] != size_wh:
        image = np.asarray(cv2.resize(image, size_wh, interpolation=cv2.INTER_LINEAR), dtype=np.uint8)
    turns = round(frame.rotation / 90) % 4  # counterclockwise
    return image if turns == 0 else np.ascontiguousarray(np.rot90(image, turns))


# OpenCV turns one colour space into the other in a fifth of the time that PyAV takes, and knows that of SD video only.
def _rgb(frame: av.VideoFrame) -> NDArray[np.uint8]:
    even = frame.width % 2 == frame.height % 2 == 0
    if frame.format.name == "yuv420p" and even and frame.colorspace != _BT709:
        return np.asarray(cv2.cvtColor(frame.to_ndarray(), cv2.COLOR_YUV2RGB_I420), dtype=np.uint8)
    return np.asarray(frame.to_ndarray(format="rgb24"), dtype=np.uint8)


def _standard_range(frame: av.VideoFrame) -> NDArray[np.uint8]:
    """An HDR frame in sRGB."""
    signal: NDArray[np.float32] = frame.to_ndarray(format="rgb48le").astype(np.float32) / np.float32(65535)
    light = (_light_of_hlg if frame.color_trc == _HLG else _light_of_pq)(signal) / _WHITE
    light = np.maximum(light @ _BT2020_TO_BT709.T, 0)
    strongest = light.max(axis=2, keepdims=True)
    light *= _compressed(strongest) / np.maximum(strongest, 1e-6)
    srgb = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    return np.asarray(np.clip(srgb * 255 + 0.5, 0, 255), dtype=np.uint8)


def _light_of_hlg(signal: NDArray[np.float32]) -> NDArray[np.float32]:
    """What a screen of 1,000 cd/m^2 shows."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    scene = np.where(signal <= 0.5, signal**2 / 3, (np.exp((signal - c) / a) + b) / 12).astype(np.float32)
    luminance = np.maximum(scene @ _BT2020_LUMINANCE, 1e-6)[..., None]
    light: NDArray[np.float32] = _BRIGHTEST * luminance ** (_HLG_SYSTEM_GAMMA - 1) * scene
    return light


def _light_of_pq(signal: NDArray[np.float32]) -> NDArray[np.float32]:
    """The light that the signal stands for, in cd/m^2."""
    m1, m2, c1, c2, c3 = 0.1593017578125, 78.84375, 0.8359375, 18.8515625, 18.6875
    root = signal ** (1 / m2)
    light: NDArray[np.float32] = 10_000 * (np.maximum(root - c1, 0) / (c2 - c3 * root)) ** (1 / m1)
    return light


def _compressed(light: NDArray[np.float32]) -> NDArray[np.float32]:
    """Light over white, of which all that is above the knee is pressed into the room that is left below 1."""
    over, room, most = light - _KNEE, 1 - _KNEE, _BRIGHTEST / _WHITE - _KNEE
    pressed = over * (1 + over * room / most**2) / (1 + over / room)
    return np.where(light <= _KNEE, light, np.minimum(_KNEE + pressed, 1)).astype(np.float32)
