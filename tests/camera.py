"""A fake camera: videos of people whose faces' places are known in every frame, for Chromium to play as a webcam.

``write_mjpeg`` writes what ``--use-file-for-fake-video-capture`` takes: JPEG pictures one after another, which Chromium
repeats for ever; all scenes end where they begin. Everybody in them is cut out of scikit-image's portrait of Eileen
Collins (NASA, public domain). The top tenth of each picture holds the number of the frame as ten black or white cells,
so that whoever sees a picture, on whatever way it came, knows which one it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Final, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from facetraits.faces.detection import FaceDetector
from tests.builders import MODELS, photo_of_one, photo_without_faces

COUNTER_BITS: Final = 10
MOST_FRAMES: Final = 2**COUNTER_BITS
COUNTER_SHARE: Final = 1 / 10  # of the picture's height

# What Chromium makes of such a file, measured: 30.0 on an idle machine. On a busy one frames come late and everybody
# moves more slowly, but none is left out.
PLAYBACK_FPS: Final = 30.0
MOVING_SPEED: Final = 0.5  # face widths per second

_JPEG_QUALITY: Final = 92
_NOISE: Final = 1.5  # levels, standard deviation: what webcams leave of their sensor's noise in good light
_NOISE_MARGIN_PX: Final = 64
_CERTAIN: Final = 64  # levels: a cell of the counter is at most this far from black or from white

# Outlines of the person in the portrait, in its px.
# fmt: off
_HEAD: Final = (
    (227, 16), (201, 23), (156, 58), (154, 92), (157, 104), (170, 116), (174, 128), (181, 132), (187, 178), (194, 184),
    (217, 190), (239, 190), (252, 184), (268, 137), (275, 134), (294, 111), (300, 81), (296, 58), (282, 36), (251, 19),
)
_BODY: Final = (
    (190, 155), (150, 150), (122, 180), (112, 215), (112, 235), (66, 265), (40, 300), (25, 400), (22, 440), (60, 512),
    (512, 512), (500, 440), (470, 370), (420, 345), (370, 350), (352, 290), (340, 262), (304, 240), (300, 205),
    (280, 182), (262, 172), (255, 186),
)
# fmt: on


class Pose(NamedTuple):
    """Where a face is: the middle of its box over the picture's width and height, its width over the height."""

    x: float
    y: float
    width: float


@dataclass(frozen=True)
class Person:
    """Somebody in a scene.

    Attributes:
        pose: of the time in seconds, which repeats after the scene's ``seconds``.
        mirrored: the portrait the other way round.
        tint: factors of red, green and blue.
    """

    pose: Callable[[float], Pose]
    mirrored: bool = False
    tint: tuple[float, float, float] = (1.0, 1.0, 1.0)


@dataclass(frozen=True)
class Scene:
    """A video that can be asked for any of its frames; the same frame always looks the same.

    Attributes:
        people: who stands further back comes first.
        frames: at most ``MOST_FRAMES``.
        size_wh: in px.
        fps: frames per second at which the people move as they say.
    """

    people: tuple[Person, ...]
    frames: int
    size_wh: tuple[int, int] = (640, 480)
    fps: float = PLAYBACK_FPS
    _background: NDArray[np.uint8] = field(init=False, repr=False, compare=False)
    _noise: tuple[NDArray[np.uint8], NDArray[np.uint8]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not 0 < self.frames <= MOST_FRAMES:
            raise ValueError(f"a scene has 1 to {MOST_FRAMES} frames, got {self.frames}")
        object.__setattr__(self, "_background", _room(self.size_wh))
        object.__setattr__(self, "_noise", _noise_field(self.size_wh))

    @property
    def seconds(self) -> float:
        return self.frames / self.fps

    def boxes(self, number: int) -> NDArray[np.float32]:
        """(N, 4) left, top, right, bottom of each person's face in a frame, in px; they may lie outside the picture."""
        boxes = [self._placed(person, number)[1] for person in self.people]
        return np.array(boxes, dtype=np.float32).reshape(-1, 4)

    def visible(self, number: int) -> NDArray[np.float32]:
        """(N,) share of each face's box that lies in the picture and in no box of a face further in front."""
        width, height = self.size_wh
        taken = np.ones((height, width), dtype=bool)
        taken[round(height * COUNTER_SHARE) :] = False
        shares = []
        for box in reversed(self.boxes(number)):
            left, top, right, bottom = np.round(box).astype(int)
            inside = taken[max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)]
            shares.append(np.count_nonzero(~inside) / ((right - left) * (bottom - top)))
            inside[:] = True
        return np.array(shares[::-1], dtype=np.float32)

    def frame(self, number: int) -> NDArray[np.uint8]:
        """(H, W, 3) RGB with the number of the frame on top."""
        canvas = self._background
        for person in self.people:
            cut_out, _ = _cut_out(person.mirrored, person.tint)
            placed = cv2.warpAffine(cut_out, self._placed(person, number)[0], self.size_wh, flags=cv2.INTER_LINEAR)
            behind = cv2.merge([255 - placed[..., 3]] * 3)
            canvas = cv2.add(cv2.multiply(canvas, behind, scale=1 / 255), np.ascontiguousarray(placed[..., :3]))
        canvas = self._with_noise(canvas, number)
        draw_counter(canvas, number)
        return canvas

    def pictures(self) -> Iterator[NDArray[np.uint8]]:
        """All frames in their order."""
        return map(self.frame, range(self.frames))

    def _placed(self, person: Person, number: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """(2, 3) transform from the portrait to a frame, and the (4,) box of the face in the frame."""
        pose = person.pose(number / self.fps)
        _, source = _cut_out(person.mirrored, person.tint)
        width, height = self.size_wh
        scale = pose.width * height / (source[2] - source[0])
        shift = np.array([pose.x * width, pose.y * height]) - scale * (source[:2] + source[2:]) / 2
        return np.column_stack([np.eye(2) * scale, shift]), scale * source + np.tile(shift, 2)

    def _with_noise(self, image: NDArray[np.uint8], number: int) -> NDArray[np.uint8]:
        left, top = np.random.default_rng(number).integers(0, _NOISE_MARGIN_PX, 2)
        width, height = self.size_wh
        brighter, darker = (np.ascontiguousarray(n[top : top + height, left : left + width]) for n in self._noise)
        return cv2.subtract(cv2.add(image, brighter), darker)  # type: ignore[return-value]


def write_mjpeg(scene: Scene, path: Path) -> Path:
    """Write a scene as Chromium's fake camera takes it.

    Returns:
        ``path``.
    """
    with path.open("wb") as file:
        for picture in scene.pictures():
            done, data = cv2.imencode(".jpg", picture[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
            assert done
            file.write(data.tobytes())
    return path


# ------------------------------------------------------------------------------------------------------------ counter


def draw_counter(image: NDArray[np.uint8], number: int) -> None:
    """Write the number of a frame into its top tenth: white cells are ones, the least significant comes first."""
    height, width = image.shape[:2]
    cell = width // COUNTER_BITS
    strip = image[: round(height * COUNTER_SHARE)]
    for bit in range(COUNTER_BITS):
        strip[:, bit * cell : (bit + 1) * cell] = 255 if number >> bit & 1 else 0


def read_counter(image: NDArray[np.uint8]) -> int | None:
    """The number of a frame from its (H, W, 3) picture; None where a cell is neither black nor white."""
    height, width = image.shape[:2]
    cell, strip = width // COUNTER_BITS, height * COUNTER_SHARE
    rows = image[round(strip / 4) : round(strip * 3 / 4)]
    levels = [np.median(rows[:, bit * cell + cell // 4 : bit * cell + cell * 3 // 4]) for bit in range(COUNTER_BITS)]
    if any(_CERTAIN < level < 255 - _CERTAIN for level in levels):
        return None
    return sum(1 << bit for bit, level in enumerate(levels) if level > 127)


# ------------------------------------------------------------------------------------------------------------- scenes


def still_face(size_wh: tuple[int, int] = (640, 480)) -> Scene:
    """One face that does not move at all: only noise tells one frame from the next."""
    return Scene((Person(lambda _: Pose(0.5, 0.52, 0.25)),), frames=280, size_wh=size_wh)


def moving_face(size_wh: tuple[int, int] = (640, 480)) -> Scene:
    """One face that goes from side to side at ``MOVING_SPEED`` all the time, with sudden turns."""
    frames, cycles, face = 924, 3, 0.25
    period = frames / PLAYBACK_FPS / cycles
    reach = MOVING_SPEED * face * size_wh[1] / size_wh[0] * period / 4
    return Scene((Person(lambda t: Pose(0.5 + reach * _triangle(t / period), 0.52, face)),), frames, size_wh)


def zooming_face(size_wh: tuple[int, int] = (640, 480)) -> Scene:
    """One face that comes near, to half of the picture's height, and goes away, to an eighth."""
    return Scene((Person(lambda t: Pose(0.5, 0.55, 0.25 * 2 ** _wave(t / 8))),), _frames_of(3 * 8), size_wh)


def leaving_face(size_wh: tuple[int, int] = (640, 480)) -> Scene:
    """One face that stays for six seconds, leaves to the right, is away for five and comes back."""

    def pose(t: float) -> Pose:
        leaving, coming = _eased((t % 16 - 6) / 2.5), _eased((t % 16 - 13.5) / 2.5)
        return Pose(0.5 + 1.0 * (leaving - coming), 0.52, 0.25)

    return Scene((Person(pose),), _frames_of(2 * 16), size_wh)


def crossing_faces(size_wh: tuple[int, int] = (640, 480)) -> Scene:
    """Two faces that walk to and fro in opposite directions, one hidden for a moment by the other."""
    behind = Person(lambda t: Pose(0.5 - 0.28 * _wave(t / 12 + 0.25), 0.5, 0.2), mirrored=True, tint=(0.75, 0.7, 0.65))
    before = Person(lambda t: Pose(0.5 + 0.28 * _wave(t / 12 + 0.25), 0.54, 0.24))
    return Scene((behind, before), _frames_of(2 * 12), size_wh)


def five_faces(size_wh: tuple[int, int] = (640, 480)) -> Scene:
    """Five faces in two rows; none moves further than a quarter of its width."""
    places = ((0.18, 0.34), (0.5, 0.34), (0.82, 0.34), (0.34, 0.76), (0.66, 0.76))
    tints = ((1.0, 1.0, 1.0), (0.8, 0.75, 0.7), (1.15, 1.1, 1.05), (0.9, 0.95, 1.0), (1.05, 0.95, 0.9))

    def swaying(i: int) -> Callable[[float], Pose]:
        x, y = places[i]
        return lambda t: Pose(x + 0.02 * _wave(t * (3 + i) / 24), y + 0.02 * _wave(t * (4 + i) / 24 + 0.25), 0.145)

    people = [Person(swaying(i), mirrored=i % 2 == 1, tint=tints[i]) for i in range(len(places))]
    return Scene(tuple(people), _frames_of(24), size_wh)


def nobody(size_wh: tuple[int, int] = (640, 480)) -> Scene:
    """An empty room."""
    return Scene((), frames=280, size_wh=size_wh)


SCENES: Final[Mapping[str, Callable[[tuple[int, int]], Scene]]] = {
    "still": still_face,
    "moving": moving_face,
    "zooming": zooming_face,
    "leaving": leaving_face,
    "crossing": crossing_faces,
    "five": five_faces,
    "nobody": nobody,
}


def _frames_of(seconds: float) -> int:
    return round(seconds * PLAYBACK_FPS)


def _triangle(turns: float) -> float:
    """From 0 to 1, to -1 and back to 0 in one turn, at an even speed."""
    return 4 * abs((turns - 0.25) % 1 - 0.5) - 1


def _wave(turns: float) -> float:
    return float(np.sin(2 * np.pi * turns))


def _eased(share: float) -> float:
    """From 0 to 1, slow at both ends."""
    share = min(max(share, 0.0), 1.0)
    return share * share * (3 - 2 * share)


# ----------------------------------------------------------------------------------------------------------- pictures


@lru_cache(maxsize=16)
def _cut_out(mirrored: bool, tint: tuple[float, float, float]) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """(512, 512, 4) RGBA of the person, colours already multiplied by alpha, and the (4,) box of the face."""
    portrait, box = photo_of_one(), _face_of_portrait().copy()
    if mirrored:
        portrait = np.ascontiguousarray(portrait[:, ::-1])
        box[[0, 2]] = portrait.shape[1] - 1 - box[[2, 0]]
    mask = np.zeros(portrait.shape[:2], dtype=np.uint8)
    for outline in (_HEAD, _BODY):
        cv2.fillPoly(mask, [np.array(outline, dtype=np.int32)], 255)
    alpha = cv2.GaussianBlur(mask[:, ::-1] if mirrored else mask, (0, 0), 1.5).astype(np.float32)[..., None]
    colours = np.clip(portrait * np.array(tint), 0, 255) * alpha / 255
    return np.concatenate([colours, alpha], axis=2).round().astype(np.uint8), box


@lru_cache(maxsize=1)
def _face_of_portrait() -> NDArray[np.float64]:
    (face,) = FaceDetector(MODELS / "centerface" / "network.onnx").detect(photo_of_one())
    return face.box_xyxy.astype(np.float64)


def _room(size_wh: tuple[int, int]) -> NDArray[np.uint8]:
    """(H, W, 3) RGB: a grey room out of focus."""
    grey = photo_without_faces().mean(axis=2, keepdims=True) * 0.6 + 70
    room = cv2.resize((grey * (0.85, 0.95, 1.0)).astype(np.uint8), size_wh, interpolation=cv2.INTER_AREA)
    return cv2.GaussianBlur(room, (0, 0), size_wh[1] / 120)  # type: ignore[return-value]


def _noise_field(size_wh: tuple[int, int]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """What to add to a picture and what to take away, larger than the picture by ``_NOISE_MARGIN_PX``."""
    shape = (size_wh[1] + _NOISE_MARGIN_PX, size_wh[0] + _NOISE_MARGIN_PX, 3)
    noise = np.random.default_rng(0).normal(0, _NOISE, shape).round()
    return np.clip(noise, 0, 255).astype(np.uint8), np.clip(-noise, 0, 255).astype(np.uint8)
