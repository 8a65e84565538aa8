"""Draw numbered boxes around the faces of a picture."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Final, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from facetraits.types import AgePrediction, AnalysisResult, ClassPrediction, FaceTraits, whole_years

# Amber with a nearly black casing: one of the two stands out against any background, in grey pictures too.
_ACCENT: Final = (255, 196, 0)
_CASING: Final = (18, 18, 24)

_TEXT_PER_LONG_SIDE: Final = 1 / 36  # still readable when a phone shows the picture 360 px wide
_SMALLEST_TEXT_PER_LONG_SIDE: Final = 1 / 80
_TEXT_PER_FACE: Final = 0.45  # a number must not outgrow a small face
_SMALLEST_TEXT_PX: Final = 9
_LARGEST_CROWD_WITH_SUMMARIES: Final = 12  # more faces get numbers only, or the picture disappears under words
_FACE_PER_TEXT_FOR_SUMMARY: Final = 3.6  # under narrower faces a summary looks as if it belonged to the next face too


class _Rect(NamedTuple):
    """Whole px: left and top are inside, right and bottom are just outside."""

    left: int
    top: int
    right: int
    bottom: int

    def inside(self, width: int, height: int) -> bool:
        return self.left >= 0 and self.top >= 0 and self.right <= width and self.bottom <= height

    def overlap(self, other: _Rect) -> int:
        """Number of px that both cover."""
        width = min(self.right, other.right) - max(self.left, other.left)
        height = min(self.bottom, other.bottom) - max(self.top, other.top)
        return max(0, width) * max(0, height)


def annotate(
    image: NDArray[np.uint8], result: AnalysisResult, numbers: Sequence[int] | None = None, mirrored: bool = False
) -> NDArray[np.uint8]:
    """Draw a numbered box around every face.

    A short summary stands beside the number where it covers neither another face nor another label; a question mark in
    it means "unsure"; an age that is unsure stands there as its range. Lines and letters grow with the picture.

    Args:
        image: (H, W, 3) RGB, the analysed picture or the same picture at another size; it is not changed.
        result: what was found in it.
        numbers: one per face; by default they follow the order of ``result.faces``, from 1.
        mirrored: draw letters the wrong way round, for a picture that is shown as in a mirror.

    Returns:
        (H, W, 3) RGB, a new picture.

    Raises:
        ValueError: ``image`` is not (H, W, 3) uint8, or has another shape than the analysed picture, or there are not
            as many numbers as faces.
    """
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise ValueError(f"image must be (H, W, 3) uint8, got {image.shape} {image.dtype}")
    height, width = image.shape[:2]
    scale = np.array([width / result.size_wh[0], height / result.size_wh[1]])
    # Whole px on both sides: a picture made smaller may be off by one px.
    if abs(result.size_wh[0] * scale[1] - width) > 2 and abs(result.size_wh[1] * scale[0] - height) > 2:
        raise ValueError(
            f"image of {width} x {height} px is not the analysed one of {result.size_wh} px at another size"
        )
    if numbers is None:
        numbers = range(1, len(result.faces) + 1)
    canvas = image.copy()
    boxes = [_to_rect(face.detection.box_xyxy * np.tile(scale, 2), width, height) for face in result.faces]
    long_side = max(width, height)
    for box in boxes:
        _draw_box(canvas, box, long_side)
    labels: list[_Rect] = []
    for index, (number, face, box) in enumerate(zip(numbers, result.faces, boxes, strict=True)):
        others = boxes[:index] + boxes[index + 1 :]
        crowded = len(boxes) > _LARGEST_CROWD_WITH_SUMMARIES
        text_px = _text_px(box, long_side)
        roomy = box.right - box.left >= _FACE_PER_TEXT_FOR_SUMMARY * text_px
        texts = [str(number)] if crowded else _label_texts(number, face.traits, roomy)
        label = _draw_label(canvas, texts, text_px, box, others, labels, mirrored)
        if label is not None:
            labels.append(label)
    return canvas


def _label_texts(number: int, traits: FaceTraits, roomy: bool) -> list[str]:
    """Texts to try for one label, the fullest first, the bare number last."""
    words = [str(number)]
    if traits.age is not None:
        words.append(_age_word(traits.age))
    with_age = " · ".join(words)
    if roomy:
        words += [_word(a) for trait, a in traits.answers() if trait.in_label and isinstance(a, ClassPrediction)]
    return list(dict.fromkeys([" · ".join(words), with_age, str(number)]))


def _age_word(age: AgePrediction) -> str:
    if not age.unsure:
        return str(whole_years(age.years))
    low, high = (whole_years(v) for v in age.interval)
    return f"{low}-{high}?"


def _word(prediction: ClassPrediction) -> str:
    return f"{prediction.top1}?" if prediction.unsure else prediction.top1


def _to_rect(box_xyxy: NDArray[np.floating], width: int, height: int) -> _Rect:
    """The box in whole px, clipped to the picture, at least one px wide and high."""
    left, top = np.floor(box_xyxy[:2]).astype(int)
    right, bottom = np.ceil(box_xyxy[2:]).astype(int)
    left, right = int(np.clip(left, 0, width - 1)), int(np.clip(right, 1, width))
    top, bottom = int(np.clip(top, 0, height - 1)), int(np.clip(bottom, 1, height))
    return _Rect(left, top, max(right, left + 1), max(bottom, top + 1))


def _draw_box(canvas: NDArray[np.uint8], box: _Rect, long_side: int) -> None:
    side = min(box.right - box.left, box.bottom - box.top)
    thickness = max(1, min(round(long_side / 320), side // 16))
    casing = max(1, thickness // 2)
    if side > 4 * casing:  # a tiny face would vanish under the casing
        _draw_frame(canvas, box, thickness + 2 * casing, _CASING)
        inner = _Rect(box.left + casing, box.top + casing, box.right - casing, box.bottom - casing)
        _draw_frame(canvas, inner, thickness, _ACCENT)
    else:
        _draw_frame(canvas, box, thickness, _ACCENT)


def _draw_frame(canvas: NDArray[np.uint8], box: _Rect, thickness: int, colour: tuple[int, int, int]) -> None:
    """A frame that lies wholly inside ``box``, so that no line is lost at the picture's edge."""
    left, top, right, bottom = box
    canvas[top : min(top + thickness, bottom), left:right] = colour
    canvas[max(bottom - thickness, top) : bottom, left:right] = colour
    canvas[top:bottom, left : min(left + thickness, right)] = colour
    canvas[top:bottom, max(right - thickness, left) : right] = colour


def _text_px(box: _Rect, long_side: int) -> int:
    """Height of the letters for a face."""
    largest = long_side * _TEXT_PER_LONG_SIDE
    smallest = max(_SMALLEST_TEXT_PX, long_side * _SMALLEST_TEXT_PER_LONG_SIDE)
    return round(max(smallest, min(largest, (box.bottom - box.top) * _TEXT_PER_FACE)))


def _draw_label(
    canvas: NDArray[np.uint8],
    texts: list[str],
    text_px: int,
    box: _Rect,
    others: list[_Rect],
    labels: list[_Rect],
    mirrored: bool,
) -> _Rect | None:
    """Draw the first of ``texts`` that finds a free place; the last is drawn wherever it hurts least.

    Returns:
        Where the label lies; None where the picture is too small for any.
    """
    height, width = canvas.shape[:2]
    for text in texts:
        patch = _label_patch(text, text_px)
        places = [p for p in _places(box, patch.shape[1], patch.shape[0], width) if p.inside(width, height)]
        free = [p for p in places if not any(p.overlap(taken) for taken in (*others, *labels))]
        if free or (places and text == texts[-1]):
            place = free[0] if free else min(places, key=lambda p: _harm(p, others, labels))
            canvas[place.top : place.bottom, place.left : place.right] = patch[:, ::-1] if mirrored else patch
            return place
    return None


def _harm(place: _Rect, others: list[_Rect], labels: list[_Rect]) -> int:
    """Covering a label makes a number unreadable, which is worse than covering a part of a face."""
    return sum(place.overlap(face) for face in others) + 4 * sum(place.overlap(label) for label in labels)


def _places(box: _Rect, width: int, height: int, picture_width: int) -> Iterator[_Rect]:
    """Where a label of ``width`` x ``height`` px may lie, the best first: outside its box, then in the corners."""
    overhang = max(0, width - (box.right - box.left)) // 2  # wide labels stand over the middle of their face
    left = max(0, min(box.left - overhang, picture_width - width))
    right = max(0, box.right - width)
    for x, y in (
        (left, box.top - height),
        (left, box.bottom),
        (right, box.top - height),
        (right, box.bottom),
        (left, box.top),
        (left, box.bottom - height),
        (right, box.top),
        (right, box.bottom - height),
    ):
        yield _Rect(x, y, x + width, y + height)


@lru_cache(maxsize=16)
def _font(text_px: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(text_px)


@lru_cache(maxsize=256)
def _label_patch(text: str, text_px: int) -> NDArray[np.uint8]:
    """(H, W, 3) RGB picture of dark letters on the accent colour, with a dark rim; read-only, as it is shared."""
    font = _font(text_px)
    rim = max(1, text_px // 14)
    pad_x, pad_y = rim + round(text_px * 0.3), rim + round(text_px * 0.12)
    # Heights come from the font, not from the word, so that all labels of a picture are equally high.
    left, _, right, _ = font.getbbox(text)
    _, top, _, bottom = font.getbbox("Ag0?")
    size = (round(right - left) + 2 * pad_x, round(bottom - top) + 2 * pad_y)
    letters = Image.new("L", size, 0)
    ImageDraw.Draw(letters).text((pad_x - left, pad_y - top), text, fill=255, font=font)
    alpha = np.asarray(letters, dtype=np.float32)[:, :, None] / 255
    blend = np.array(_ACCENT) * (1 - alpha) + np.array(_CASING) * alpha
    patch = np.ascontiguousarray(blend.round(), dtype=np.uint8)
    cv2.rectangle(patch, (0, 0), (size[0] - 1, size[1] - 1), _CASING, 2 * rim - 1)
    patch.setflags(write=False)
    return patch
