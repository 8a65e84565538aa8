"""Create the splits of All-Age-Faces and RAF-DB: `python -m facetraits splits`.

Near-duplicates are searched across all sets, so that no network is evaluated on a picture that it was trained on under
another name. The resulting files are committed: later runs read them.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from facetraits.training.data.prepare import crops_of
from facetraits.training.data.samples import load_all_age_faces, load_raf_db, load_utkface
from facetraits.training.data.splits import (
    ALL_AGE_FACES_SPLIT,
    DUPLICATE_CROP,
    RAF_DB_SPLIT,
    all_age_faces_splits,
    near_duplicate_groups,
    raf_db_splits,
    write_split,
)


def divide(data: Path, network: Path) -> str:
    """Write the splits of All-Age-Faces and RAF-DB; UTKFace's stays as it is.

    Args:
        data: folder of the data sets.
        network: the detector's.

    Returns:
        What was found, in words.
    """
    utk, aaf, raf = load_utkface(data, network), load_all_age_faces(data, network), load_raf_db(data, network)
    parts = [_grey(of.pictures, of.detections) for of in (utk, aaf, raf)]
    groups = near_duplicate_groups(np.concatenate(parts))
    of_utk, of_aaf, of_raf = np.split(groups, np.cumsum([len(part) for part in parts[:-1]]))
    utk_splits = dict(zip(of_utk.tolist(), utk.splits.tolist(), strict=True))

    aaf_like_utk = np.array([utk_splits.get(group, "") for group in of_aaf.tolist()])
    aaf_groups = _first_rows(of_aaf)
    aaf_splits = all_age_faces_splits(aaf.names, aaf.held_back, aaf_groups, aaf_like_utk)
    write_split(aaf.names, aaf_groups, aaf_splits, ALL_AGE_FACES_SPLIT)

    others = {**utk_splits, **dict(zip(of_aaf.tolist(), aaf_splits.tolist(), strict=True))}
    raf_like_others = np.array([others.get(group, "") for group in of_raf.tolist()])
    raf_groups = _first_rows(of_raf)
    raf_splits = raf_db_splits(raf.names, raf.halves, raf_groups, raf_like_others)
    write_split(raf.names, raf_groups, raf_splits, RAF_DB_SPLIT)

    def counts(splits: NDArray[np.str_]) -> str:
        return ", ".join(f"{name} {n}" for name, n in zip(*np.unique(splits, return_counts=True), strict=True))

    return (
        f"All-Age-Faces: {counts(aaf_splits)}; {int((aaf_like_utk != '').sum())} like a picture of UTKFace\n"
        f"RAF-DB: {counts(raf_splits)}; {int((raf_like_others != '').sum())} like one of the other two"
    )


def _grey(pictures: Iterable[NDArray[np.uint8]], detections: NDArray[np.float32]) -> NDArray[np.uint8]:
    crops = crops_of(pictures, detections, DUPLICATE_CROP)
    return np.stack([cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY) for crop in crops]).astype(np.uint8, copy=False)


def _first_rows(groups: NDArray[np.int64]) -> NDArray[np.int64]:
    """(N,) the lowest row of this set that is in the same group."""
    _, first, inverse = np.unique(groups, return_index=True, return_inverse=True)
    rows: NDArray[np.int64] = first[inverse].astype(np.int64)
    return rows
