"""Find faces and their five landmarks with CenterFace."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from facetraits.faces.tiles import OVERLAP_PX, tiles
from facetraits.faces.tiles import scales as tile_scales
from facetraits.types import FaceDetection

# From its version 1.29 on ONNX Runtime reports home, and it reads this when it is imported.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
import onnxruntime

# Of one picture; a closer look at each takes time, and a page with more is read by nobody.
MOST_FACES: Final = 200

_STRIDE: Final = 4  # px of the network's input per cell of its output
_MULTIPLE: Final = 32  # the network's input sides must be multiples of this
_NMS_IOU: Final = 0.3
_OUTPUTS: Final = ("537", "538", "539", "540")  # heat-map, log sizes, offsets, landmarks

# Measured on faces pasted into other pictures (docs/log/detection.md). Faces larger than this in the network's input
# get landmarks twice as wrong, and from 700 px on their parts pass for faces.
_LARGEST_FACE_PX: Final = 300.0
_INSIDE: Final = 0.7  # a box of which this share lies in another box lies inside it
_ENLARGE_TO_PX: Final = 640  # small pictures are enlarged to this at most
_MAX_ENLARGEMENT: Final = 2.0
_SMALLEST_STEP: Final = 1.5  # two sizes of a picture that differ by less find the same faces

# Faces of 24 to 40 px score too low in one case of four, depending on how they lie on the network's grid, but nearly
# all leave a weak trace. Seen again, alone and larger, 19 of 20 are sure, with better landmarks; non-faces stay weak.
# So every face that is small or doubtful is looked at, and what the looks do not confirm is none.
_WEAK_SCORE: Final = 0.15
_WEAK_SCORE_IN_TILES: Final = 0.1
_SMALL_FACE_PX: Final = 48.0
_SURE_SCORE: Final = 0.85
_LOOKS_PX: Final = (128.0, 96.0)  # sizes at which a face is looked at, the second where the first leaves doubts
_LOOKS_AT_ONCE: Final = 8  # in one call of the network, for less time and bounded memory
_LOOK_AROUND: Final = 2.0  # side of what is shown over the side of the box
_WORTH_A_SECOND_LOOK: Final = 0.25
# Of the time for a crowded picture of 12 megapixels, about: when the passes are done, and when the tiles are.
_PASSES_SHARE: Final = 0.1
_TILES_SHARE: Final = 0.4
_LEAST_MEAN: Final = 0.45  # of the first score and those of the looks; chosen on few non-faces


class FaceDetector:
    """CenterFace (Xu et al. 2019) on ONNX Runtime.

    ``detect`` may be called from several threads at once: an ONNX Runtime session keeps no state between runs, so no
    lock is needed.

    Args:
        network: CenterFace with free input sides, its path or what it holds. With whole numbers of 8 bits it serves;
            with floating point it takes twice as long, and cut the crops that the networks were trained on.
        long_sides_px: the picture is searched once at each of these sizes of its longer side (a small picture is
            enlarged, twice and to 640 px at most); the smaller sizes find the large faces, the larger ones the small.
        tile_small_faces: search large pictures in tiles too, and look again, closer, at small and doubtful faces;
            without it the time for a picture does not depend on what it shows.
        min_score: faces that the detector trusts less are dropped; in (0, 1).
        threads: processor threads for one call; 0 lets the runtime choose.

    Attributes:
        min_score: as given.

    Raises:
        ValueError: a setting is out of its range.
    """

    def __init__(
        self,
        network: Path | bytes,
        long_sides_px: tuple[int, ...] = (320, 640, 1600),
        tile_small_faces: bool = True,
        min_score: float = 0.5,
        threads: int = 0,
    ) -> None:
        if not long_sides_px or min(long_sides_px) < _MULTIPLE:
            raise ValueError(f"long_sides_px must name sizes of at least {_MULTIPLE} px, got {long_sides_px}")
        if not 0 < min_score < 1:
            raise ValueError(f"min_score must lie in (0, 1), got {min_score}")
        self._long_sides_px = tuple(sorted(long_sides_px))
        self._tile_small_faces = tile_small_faces
        self.min_score = min_score
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(
            network if isinstance(network, bytes) else str(network), options, providers=["CPUExecutionProvider"]
        )
        (taken,) = self._session.get_inputs()
        self._input, self._takes_bytes = taken.name, taken.type == "tensor(uint8)"

    def detect(
        self, image: NDArray[np.uint8], progress: Callable[[float], None] | None = None
    ) -> tuple[FaceDetection, ...]:
        """The faces of a picture, largest first, and of more than ``MOST_FACES`` these; an empty tuple for none.

        The picture is searched from coarse to fine: what a pass sees too large, the pass before has seen well.

        Args:
            image: (H, W, 3) RGB.
            progress: is called now and then with the share that is done, in (0, 1].

        Raises:
            ValueError: ``image`` is not (H, W, 3) uint8, or holds no pixel.
        """
        report = progress if progress is not None else unreported
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or image.size == 0:
            raise ValueError(f"image must be (H, W, 3) uint8 with H, W > 0, got {image.shape} {image.dtype}")
        scales = self._scales(max(image.shape[:2]))
        faces = self._search(image, scales[0])
        for scale in scales[1:]:
            faces = _merged(faces, self._search(image, scale), scale)
        if self._tile_small_faces:
            report(_PASSES_SHARE)
            faces, scale = self._with_tiles(image, faces, scales[-1], report)
            faces = self._look_again(image, faces, scale, report)
        report(1.0)
        return _detections(_largest(self._trusted(faces)))

    def search(self, image: NDArray[np.uint8]) -> tuple[FaceDetection, ...]:
        """One pass over a picture at its own size: for looks at parts of a picture.

        Args:
            image: (H, W, 3) RGB.

        Returns:
            The faces, also those that are trusted less than ``min_score``, the surest first.
        """
        return _detections(sorted(self._search(image, 1.0), key=lambda row: -row[4]))

    def _scales(self, long_side_px: int) -> list[float]:
        """Factors of the passes for a picture, ascending."""
        largest = max(1.0, min(_MAX_ENLARGEMENT, _ENLARGE_TO_PX / long_side_px))
        scales = [min(side / long_side_px, largest) for side in self._long_sides_px]
        return [coarse for coarse, fine in pairwise(scales) if fine >= _SMALLEST_STEP * coarse] + scales[-1:]

    def _trusted(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        return rows[rows[:, 4] > self.min_score]

    def _with_tiles(
        self, image: NDArray[np.uint8], rows: NDArray[np.float32], scale: float, report: Callable[[float], None]
    ) -> tuple[NDArray[np.float32], float]:
        """``rows``, found up to ``scale``, and what a search in tiles adds; with the finest scale of all."""
        well_seen = self._trusted(rows)
        well_seen = well_seen[_sides(well_seen) * scale >= _SMALL_FACE_PX]
        finer_scales = tile_scales((image.shape[1], image.shape[0]), scale)
        for finer in finer_scales:  # the last one takes nearly all of the time
            found = self._search_tiles(image, finer, report if finer == finer_scales[-1] else unreported)
            for face in well_seen:
                found = found[overlaps(found, face) <= _NMS_IOU]
            rows, scale = _merged(rows, found, finer), finer
        return rows, scale

    def _look_again(
        self, image: NDArray[np.uint8], rows: NDArray[np.float32], scale: float, report: Callable[[float], None]
    ) -> NDArray[np.float32]:
        """``rows`` without those that a closer look does not confirm, the small and weak ones as it shows them.

        Args:
            image: the picture.
            rows: what was found in it.
            scale: of the finest pass; what is small there, or doubtful, is looked at.
            report: told how far it is.
        """
        weak = rows[rows[:, 4] <= self.min_score]
        rows = np.concatenate([_largest(self._trusted(rows)), weak[np.argsort(-weak[:, 4], kind="stable")]])
        rows = rows[:MOST_FACES]
        small = _sides(rows) * scale < _SMALL_FACE_PX
        trusted = rows[:, 4] > self.min_score
        first = np.flatnonzero(small | (rows[:, 4] <= _SURE_SCORE))
        looks = self._looks(image, rows, first, _LOOKS_PX[0], report)
        unsure = (looks[:, 4] <= self.min_score) & (trusted | (looks[:, 4] > _WORTH_A_SECOND_LOOK))
        again = first[unsure[first]]
        second = self._looks(image, rows, again, _LOOKS_PX[1], unreported)
        for i in first:
            best = max(looks[i], second[i], key=lambda row: float(row[4]))
            scores = [rows[i, 4], looks[i, 4]] + [second[i, 4]] * bool(unsure[i])
            if best[4] > self.min_score:
                if small[i] or not trusted[i]:
                    rows[i] = best
            elif not trusted[i] or np.mean(scores) < _LEAST_MEAN:
                rows[i, 4] = 0
        found, traces = self._trusted(rows[trusted]), self._trusted(rows[~trusted])
        for face in found:  # a look at a trace beside a face may show half of the face, and be surer of it
            traces = traces[overlaps(traces, face) <= _NMS_IOU]
        return _non_maximum_suppression(np.concatenate([found, traces]))

    def _looks(
        self,
        image: NDArray[np.uint8],
        rows: NDArray[np.float32],
        chosen: NDArray[np.int64],
        face_px: float,
        report: Callable[[float], None],
    ) -> NDArray[np.float32]:
        """The surest face where each of the ``chosen`` rows is, seen alone and ``face_px`` large.

        Returns:
            As ``rows``; of score 0 where no face was seen or none was looked for.
        """
        seen = rows.copy()
        seen[:, 4] = 0
        side_px = round(face_px * _LOOK_AROUND)
        for start in range(0, len(chosen), _LOOKS_AT_ONCE):
            report(_TILES_SHARE + (1 - _TILES_SHARE) * start / len(chosen))
            some = chosen[start : start + _LOOKS_AT_ONCE]
            parts = [_around(image, row) for row in rows[some]]
            shown = [_resized(region, face_px / side) for region, _, side in parts]
            # What is more by a pixel or two would take an eighth more time.
            found = self._run([small[:side_px, :side_px] for small in shown])
            for i, candidates, small, (region, (left, top), _) in zip(some, found, shown, parts, strict=True):
                across, down = region.shape[1] / small.shape[1], region.shape[0] / small.shape[0]
                candidates = _shifted(_stretched(candidates, across, down), left, top)
                candidates = candidates[overlaps(candidates, rows[i]) > _NMS_IOU]
                if len(candidates):
                    seen[i] = candidates[candidates[:, 4].argmax()]
        return seen

    def _search_tiles(
        self, image: NDArray[np.uint8], scale: float, report: Callable[[float], None]
    ) -> NDArray[np.float32]:
        """As ``_search``, in tiles and for weaker traces, without faces larger than the tiles' overlap."""
        height, width = image.shape[:2]
        small = _resized(image, scale)
        size_wh = small.shape[1], small.shape[0]
        found = []
        parts = list(tiles(size_wh))
        for done, tile in enumerate(parts):
            report(_PASSES_SHARE + (_TILES_SHARE - _PASSES_SHARE) * done / len(parts))
            part = small[tile.top : tile.bottom, tile.left : tile.right]
            rows = _shifted(self._search(part, 1.0, _WEAK_SCORE_IN_TILES), tile.left, tile.top)
            # A face that a tile's edge cuts lies whole in the next tile.
            whole = (tile.left == 0) | (rows[:, 0] > tile.left)
            whole &= (tile.top == 0) | (rows[:, 1] > tile.top)
            whole &= (tile.right == size_wh[0]) | (rows[:, 2] < tile.right)
            whole &= (tile.bottom == size_wh[1]) | (rows[:, 3] < tile.bottom)
            found.append(rows[whole & ((rows[:, 2:4] - rows[:, :2]).max(axis=1) < OVERLAP_PX)])
        return _stretched(np.concatenate(found), width / size_wh[0], height / size_wh[1])

    def _search(self, image: NDArray[np.uint8], scale: float, weak: float = _WEAK_SCORE) -> NDArray[np.float32]:
        """Faces at one scale, those of scores over ``weak`` too: rows of box (4), score, landmarks (10) in px."""
        small = _resized(image, scale)
        (rows,) = self._run([small], weak)
        return _stretched(rows, image.shape[1] / small.shape[1], image.shape[0] / small.shape[0])

    def _run(self, pictures: Sequence[NDArray[np.uint8]], weak: float = _WEAK_SCORE) -> list[NDArray[np.float32]]:
        """As ``_search``, at the pictures' own sizes and of all of them at once."""
        sides_hw = (max(picture.shape[axis] for picture in pictures) for axis in (0, 1))
        padded_hw = tuple(-(-side // _MULTIPLE) * _MULTIPLE for side in sides_hw)
        batch = np.zeros((len(pictures), *padded_hw, 3), dtype=np.uint8)
        for place, picture in zip(batch, pictures, strict=True):
            place[: picture.shape[0], : picture.shape[1]] = picture
        fed = batch if self._takes_bytes else batch.transpose(0, 3, 1, 2).astype(np.float32)
        maps = self._session.run(_OUTPUTS, {self._input: fed})
        least = min(weak, self.min_score)
        return [
            _non_maximum_suppression(_decode(heat[0], log_sizes, offsets, points, least))
            for heat, log_sizes, offsets, points in zip(*maps, strict=True)
        ]


def unreported(share: float) -> None:
    """What is told of the progress where nobody asks for it."""


def _resized(image: NDArray[np.uint8], scale: float) -> NDArray[np.uint8]:
    height, width = image.shape[:2]
    wh = (max(1, round(width * scale)), max(1, round(height * scale)))
    if wh == (width, height):
        return image
    return cv2.resize(image, wh, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)  # type: ignore[return-value]


def _around(image: NDArray[np.uint8], row: NDArray[np.float32]) -> tuple[NDArray[np.uint8], tuple[int, int], float]:
    """The part of a picture around a box, one pixel of it at least; where it begins; and the box's side in px."""
    side = float(_sides(row[None])[0])
    middle, reach = (row[:2] + row[2:4]) / 2, side * _LOOK_AROUND / 2
    most_x, most_y = image.shape[1] - 1, image.shape[0] - 1
    left, top = (int(x) for x in np.clip(middle - reach, 0, (most_x, most_y)))
    right, bottom = np.ceil(np.clip(middle + reach, (left + 1, top + 1), None)).astype(int)
    return image[top:bottom, left:right], (left, top), side


def _detections(rows: Iterable[NDArray[np.float32]]) -> tuple[FaceDetection, ...]:
    return tuple(
        FaceDetection(box_xyxy=row[:4], landmarks=row[5:].reshape(5, 2), score=float(np.clip(row[4], 0, 1)))
        for row in rows
    )


def _sides(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """(N,) geometric means of the boxes' widths and heights, in px."""
    sides: NDArray[np.float32] = np.sqrt((rows[:, 2] - rows[:, 0]) * (rows[:, 3] - rows[:, 1]))
    return sides


def _largest(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """The ``MOST_FACES`` largest rows, largest first."""
    return rows[np.argsort(-_sides(rows), kind="stable")[:MOST_FACES]]


def _shifted(rows: NDArray[np.float32], left: int, top: int) -> NDArray[np.float32]:
    """``rows`` of a part of a picture that begins at ``left``, ``top``, moved in place to px of the picture."""
    rows[:, [0, 2, 5, 7, 9, 11, 13]] += left
    rows[:, [1, 3, 6, 8, 10, 12, 14]] += top
    return rows


def _stretched(rows: NDArray[np.float32], across: float, down: float) -> NDArray[np.float32]:
    """``rows``, moved in place to a picture that is so many times as wide and as high."""
    ratios = np.array([across, down], dtype=np.float32)
    rows[:, :4] *= np.tile(ratios, 2)
    rows[:, 5:] *= np.tile(ratios, 5)
    return rows


def _intersections(rows: NDArray[np.float32], row: NDArray[np.float32]) -> NDArray[np.float32]:
    """(N,) areas that the boxes of ``rows`` share with the box of ``row``, in px^2."""
    sides_wh = np.minimum(rows[:, 2:4], row[2:4]) - np.maximum(rows[:, :2], row[:2])
    areas: NDArray[np.float32] = np.clip(sides_wh, 0, None).prod(axis=1)
    return areas


def overlaps(rows: NDArray[np.float32], row: NDArray[np.float32]) -> NDArray[np.float32]:
    """(N,) intersection over union of the boxes of ``rows`` with the box of ``row``."""
    shared = _intersections(rows, row)
    shares: NDArray[np.float32] = shared / (_sides(rows) ** 2 + _sides(row[None]) ** 2 - shared)
    return shares


def _merged(known: NDArray[np.float32], finer: NDArray[np.float32], scale: float) -> NDArray[np.float32]:
    """``known`` and what a finer pass adds: neither faces that it sees too large nor parts of known ones."""
    finer = finer[_sides(finer) * scale <= _LARGEST_FACE_PX]
    for face in known[_sides(known) * scale > _LARGEST_FACE_PX]:
        finer = finer[_intersections(finer, face) < _INSIDE * _sides(finer) ** 2]
    return _non_maximum_suppression(np.concatenate([known, finer]))


def _decode(
    heat: NDArray[np.float32],
    log_sizes: NDArray[np.float32],
    offsets: NDArray[np.float32],
    points: NDArray[np.float32],
    min_score: float,
) -> NDArray[np.float32]:
    """Turn output maps (h, w), (2, h, w), (2, h, w), (10, h, w) into (N, 15) rows of box, score, landmarks."""
    ys, xs = np.nonzero(heat > min_score)
    heights, widths = np.exp(log_sizes[:, ys, xs]) * _STRIDE
    top = (ys + offsets[0, ys, xs] + 0.5) * _STRIDE - heights / 2
    left = (xs + offsets[1, ys, xs] + 0.5) * _STRIDE - widths / 2
    rows = np.empty((len(ys), 15), dtype=np.float32)
    rows[:, 0], rows[:, 1], rows[:, 2], rows[:, 3] = left, top, left + widths, top + heights
    rows[:, 4] = heat[ys, xs]
    for k in range(5):  # the network gives y before x, as fractions of the box
        rows[:, 5 + 2 * k] = points[2 * k + 1, ys, xs] * widths + left
        rows[:, 6 + 2 * k] = points[2 * k, ys, xs] * heights + top
    return rows


def _non_maximum_suppression(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Keep the best-scored of rows whose boxes overlap."""
    if len(rows) < 2:
        return rows
    boxes_xywh = np.column_stack([rows[:, :2], rows[:, 2:4] - rows[:, :2]])
    keep = cv2.dnn.NMSBoxes(boxes_xywh.tolist(), rows[:, 4].tolist(), 0.0, _NMS_IOU)
    kept: NDArray[np.float32] = rows[np.asarray(keep, dtype=int).ravel()]
    return kept
