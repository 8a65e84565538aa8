"""The pictures of one visitor: what was found in them, kept small and only as long as the session lives."""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from facetraits.faces.annotate import annotate
from facetraits.faces.budget import decoded_in_turn
from facetraits.faces.images import ImageDecodeError, decode_image
from facetraits.traits import TRAITS, TraitName
from facetraits.types import AnalysisResult, FaceDetection
from ui.photo.order import reading_order

if TYPE_CHECKING:
    from facetraits import FaceAnalyzer

_LOG: Final = logging.getLogger(__name__)

# Streamlit would encode wider pictures once more.
PREVIEW_SIDE_PX: Final = 1440
PREVIEWS_KEPT: Final = 8
LARGEST_PHOTO_MB: Final = 50
_CROP_SIDE_PX: Final = 160
_THUMBNAIL_PX: Final = 144
_THUMBNAIL_QUALITY: Final = 80
_CROP_MARGIN: Final = 0.3  # of the face's size, on every side
_PREVIEW_QUALITY: Final = 90
_DOWNLOAD_QUALITY: Final = 93
_OUT_OF_MEMORY: Final = "This picture needs more memory than this machine has. Reduce its size and try again."
_FAULT: Final = "This picture could not be analysed because of a bug in this program. See its log for details."


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture that a visitor chose.

    Attributes:
        key: unique within a session.
        name: what the visitor calls it, usually the file's name. It comes from outside: escape it.
        read: returns the file's bytes.
    """

    key: str
    name: str
    read: Callable[[], bytes]


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """What became of one picture.

    Attributes:
        traits: the traits that were computed.
        result: what was found, the faces in reading order; None where the picture could not be analysed.
        error: one sentence that says why; None where it could.
        crops: one small JPEG per face, in the order of ``result.faces``.
        thumbnail: a small square JPEG from the middle of the picture; empty where it could not be read.
    """

    traits: frozenset[TraitName]
    result: AnalysisResult | None
    error: str | None
    crops: tuple[bytes, ...] = field(default=(), repr=False)
    thumbnail: bytes = field(default=b"", repr=False)


@dataclass(slots=True, eq=False, repr=False)
class PhotoSession:
    """Results of one visitor; lives in ``st.session_state`` and nowhere else.

    Full-size pictures are never kept: beside the results there is one small JPEG per face, and one preview for each of
    the ``PREVIEWS_KEPT`` pictures that were looked at last. Everything else is made again from the upload.
    """

    _outcomes: dict[str, Outcome] = field(default_factory=dict)
    _previews: OrderedDict[str, bytes] = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)  # of the previews: a report is made beside the script

    def keep_only(self, pictures: Sequence[Picture]) -> None:
        """Forget everything of all other pictures."""
        keys = {picture.key for picture in pictures}
        for gone in [key for key in self._outcomes if key not in keys]:
            del self._outcomes[gone]
        with self._lock:
            for gone in [key for key in self._previews if key not in keys]:
                del self._previews[gone]

    def pending(self, pictures: Sequence[Picture], traits: Collection[TraitName]) -> list[Picture]:
        """The pictures for which something of ``traits`` was not computed yet."""
        return [p for p in pictures if (o := self._outcomes.get(p.key)) is None or not o.traits.issuperset(traits)]

    def analyze(
        self,
        picture: Picture,
        traits: Collection[TraitName],
        analyzer: FaceAnalyzer,
        look: Callable[[NDArray[np.uint8], AnalysisResult], None] | None = None,
        progress: Callable[[float], None] | None = None,
    ) -> None:
        """Analyse one picture; what goes wrong with it becomes its outcome, so that the others still get their turn.

        Args:
            picture: which.
            traits: what to estimate.
            analyzer: who answers.
            look: is called with the (H, W, 3) RGB picture and the result while the picture is there.
            progress: is called now and then with the share that is done, in (0, 1].
        """
        try:
            outcome = self._analyze(picture, traits, analyzer, look, progress)
        except ImageDecodeError as error:
            outcome = _failed(str(error))
        except MemoryError:
            outcome = _failed(_OUT_OF_MEMORY)
        except Exception:
            _LOG.exception("a picture could not be analysed")  # its name is private
            outcome = _failed(_FAULT)
        self._outcomes[picture.key] = outcome

    def outcome(self, picture: Picture, traits: Collection[TraitName]) -> Outcome:
        """The outcome of an analysed picture, without the traits that are not among ``traits``."""
        outcome = self._outcomes[picture.key]
        if outcome.result is None:
            return outcome
        return replace(outcome, traits=outcome.traits & set(traits), result=_limited_to(outcome.result, traits))

    def annotated_preview(self, picture: Picture, result: AnalysisResult) -> bytes:
        """The picture with numbered boxes at screen size, as JPEG."""
        return to_jpeg(annotate(decode_image(self.preview(picture)), result), _PREVIEW_QUALITY)

    def preview(self, picture: Picture) -> bytes:
        """The picture at screen size, as JPEG."""
        preview = self._previews.get(picture.key)
        if preview is not None:
            self._keep_preview(picture, preview)
            return preview
        with decoded_in_turn(picture.read()) as decoded:
            return self._remember_preview(picture, decoded.pixels)

    def _analyze(
        self,
        picture: Picture,
        traits: Collection[TraitName],
        analyzer: FaceAnalyzer,
        look: Callable[[NDArray[np.uint8], AnalysisResult], None] | None,
        progress: Callable[[float], None] | None,
    ) -> Outcome:
        data = picture.read()
        if len(data) > LARGEST_PHOTO_MB * 1_000_000:
            raise ImageDecodeError(f"The picture's file is larger than {LARGEST_PHOTO_MB} MB; save it smaller.")
        with decoded_in_turn(data) as (image, incomplete):
            result = analyzer.analyze(image, traits, progress)
            result = replace(result, incomplete=incomplete, faces=reading_order(result.faces))
            if look is not None:
                look(image, result)
            self._remember_preview(picture, image)
            crops = tuple(face_crop(image, face.detection) for face in result.faces)
            thumbnail = to_jpeg(_thumbnail(image), _THUMBNAIL_QUALITY)
        return Outcome(frozenset(traits), result, None, crops, thumbnail)

    def _remember_preview(self, picture: Picture, image: NDArray[np.uint8]) -> bytes:
        preview = to_jpeg(_shrink(image, PREVIEW_SIDE_PX), _PREVIEW_QUALITY)
        self._keep_preview(picture, preview)
        return preview

    def _keep_preview(self, picture: Picture, preview: bytes) -> None:
        with self._lock:
            self._previews[picture.key] = preview
            self._previews.move_to_end(picture.key)
            while len(self._previews) > PREVIEWS_KEPT:
                self._previews.popitem(last=False)


def annotated_download(picture: Picture, result: AnalysisResult) -> bytes:
    """The whole picture with numbered boxes, as JPEG."""
    with decoded_in_turn(picture.read()) as decoded:
        return to_jpeg(annotate(decoded.pixels, result), _DOWNLOAD_QUALITY)


def face_crop(image: NDArray[np.uint8], detection: FaceDetection) -> bytes:
    """A small JPEG of one face as it stands in the picture, with some room around it.

    Args:
        image: (H, W, 3) RGB.
        detection: a face of that picture.
    """
    height, width = image.shape[:2]
    x1, y1, x2, y2 = (float(v) for v in detection.box_xyxy)
    half = max(x2 - x1, y2 - y1) * (0.5 + _CROP_MARGIN)
    x, y = np.clip((x1 + x2) / 2, 0, width - 1), np.clip((y1 + y2) / 2, 0, height - 1)
    left, top = max(0, int(x - half)), max(0, int(y - half))
    right, bottom = min(width, int(x + half) + 1), min(height, int(y + half) + 1)
    return to_jpeg(_shrink(image[top:bottom, left:right], _CROP_SIDE_PX), _PREVIEW_QUALITY)


def to_jpeg(image: NDArray[np.uint8], quality: int) -> bytes:
    """Encode (H, W, 3) RGB as JPEG; ``quality`` from 1 to 100."""
    _, encoded = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality])
    return encoded.tobytes()


def _thumbnail(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    height, width = image.shape[:2]
    side = min(height, width)
    left, top = (width - side) // 2, (height - side) // 2
    return _shrink(image[top : top + side, left : left + side], _THUMBNAIL_PX)


def _shrink(image: NDArray[np.uint8], side_px: int) -> NDArray[np.uint8]:
    """The picture with its longer side at most ``side_px``."""
    height, width = image.shape[:2]
    scale = side_px / max(height, width)
    if scale >= 1:
        return image
    small_wh = (max(1, round(width * scale)), max(1, round(height * scale)))
    return cv2.resize(image, small_wh, interpolation=cv2.INTER_AREA)  # type: ignore[return-value]


def _failed(error: str) -> Outcome:
    return Outcome(frozenset(TRAITS), None, error)


def _limited_to(result: AnalysisResult, traits: Collection[TraitName]) -> AnalysisResult:
    faces = tuple(replace(face, traits=face.traits.only(traits)) for face in result.faces)
    return replace(result, faces=faces)
