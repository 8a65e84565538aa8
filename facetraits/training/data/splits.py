"""Near-duplicate groups and the fixed splits of the data sets; what FER2013 rows may be trained on."""

from __future__ import annotations

import csv
import hashlib
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from facetraits.faces.alignment import CropSpec
from facetraits.training.data.datasets import FERPLUS_CLASSES, Fer2013

SPLITS: Final = Path(__file__).parents[3] / "data" / "splits"
UTKFACE_SPLIT: Final = SPLITS / "utkface_split.csv"
ALL_AGE_FACES_SPLIT: Final = SPLITS / "all_age_faces_split.csv"
RAF_DB_SPLIT: Final = SPLITS / "raf_db_split.csv"
ALL_AGE_FACES_TEST: Final = 2_000
ALL_AGE_FACES_VALIDATION: Final = 700
_RAF_DB_VALIDATION_PERCENT: Final = 10
# Similar to a held-out picture of another set: used neither for training nor for evaluation.
LEFT_OUT: Final = "left out"
DUPLICATE_CROP: Final = CropSpec("duplicates", side_px=32, margin=1.1)
# Correlation of two aligned grey crops from which they count as the same picture. Above it 70-80% of the pairs have
# equal gender and ethnicity; below, the share falls quickly towards the 21% of unrelated pairs.
DUPLICATE_CORRELATION: Final = 0.95
_SPLIT_PERCENT: Final = (("test", 20), ("validation", 10), ("train", 70))


def near_duplicate_groups(grey: NDArray[np.uint8], threshold: float = DUPLICATE_CORRELATION) -> NDArray[np.int64]:
    """Group pictures that are (nearly) the same, through any chain of pairs.

    Args:
        grey: (N, S, S) aligned grey crops.
        threshold: correlation in (0, 1) from which two count as the same.

    Returns:
        (N,) the lowest index in each picture's group.
    """
    rows = grey.reshape(len(grey), -1).astype(np.float32)
    rows -= rows.mean(axis=1, keepdims=True)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True) + 1e-6
    parent = np.arange(len(rows))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = int(parent[i])
        return i

    step = 2048
    for start in range(0, len(rows), step):
        found, others = np.nonzero(rows[start : start + step] @ rows[start:].T > threshold)
        for a, b in zip(found + start, others + start, strict=True):
            low, high = sorted((root(int(a)), root(int(b))))
            parent[high] = low
    return np.array([root(i) for i in range(len(rows))])


def split_of_group(key: str) -> str:
    """ "train", "validation" or "test" for a group, from a hash of its key: 70/10/20 and the same on every machine."""
    percent = int.from_bytes(_digest(key)[:4], "big") % 100
    for split, share in _SPLIT_PERCENT:
        if percent < share:
            return split
        percent -= share
    raise AssertionError("unreachable: the shares sum to 100")


def write_utkface_split(names: NDArray[np.str_], groups: NDArray[np.int64], out: Path = UTKFACE_SPLIT) -> None:
    """Write one row (picture, group, split) per picture; a group is named after its first picture."""
    write_split(names, groups, np.array([split_of_group(_short(names[group])) for group in groups]), out)


def all_age_faces_splits(
    names: NDArray[np.str_], held_back: NDArray[np.bool_], groups: NDArray[np.int64], elsewhere: NDArray[np.str_]
) -> NDArray[np.str_]:
    """Test and validation from the half that the authors hold back, group by group; the rest is for training.

    Args:
        names: (N,) file names.
        held_back: (N,) True in that half.
        groups: (N,) of near-duplicates, within the set.
        elsewhere: (N,) the split of near-duplicates in other sets; "" where there are none.

    Returns:
        (N,) "train", "validation", "test" or ``LEFT_OUT``.
    """
    splits = np.full(len(names), "train", dtype="<U10")
    members: dict[int, list[int]] = {}
    for i, group in enumerate(groups):
        members.setdefault(int(group), []).append(i)
    # A picture used for training in another set cannot be held out here, and groups are never divided.
    free = [rows for rows in members.values() if held_back[rows].all() and not (elsewhere[rows] != "").any()]
    free.sort(key=lambda rows: _digest(str(names[rows[0]])))
    for split, wanted in (("test", ALL_AGE_FACES_TEST), ("validation", ALL_AGE_FACES_VALIDATION)):
        taken = 0
        while free and taken < wanted:
            rows = free.pop()
            splits[rows] = split
            taken += len(rows)
    splits[(splits == "train") & np.isin(elsewhere, ("validation", "test"))] = LEFT_OUT
    return splits


def raf_db_splits(
    names: NDArray[np.str_], halves: NDArray[np.str_], groups: NDArray[np.int64], elsewhere: NDArray[np.str_]
) -> NDArray[np.str_]:
    """The authors' test half stays as it is; a tenth of the other, group by group, is for validation.

    Args:
        names: (N,) file names.
        halves: (N,) "train" or "test".
        groups: (N,) of near-duplicates, within the set.
        elsewhere: as of ``all_age_faces_splits``.

    Returns:
        (N,) "train", "validation", "test", or ``LEFT_OUT`` for training pictures like one that is held back.
    """
    splits = halves.astype("<U10")
    in_test = set(groups[halves == "test"].tolist())
    for i, group in enumerate(groups):
        if halves[i] == "test":
            continue
        if int(group) in in_test:
            splits[i] = LEFT_OUT
        elif int.from_bytes(_digest(str(names[group]))[:4], "big") % 100 < _RAF_DB_VALIDATION_PERCENT:
            splits[i] = "validation"
        elif elsewhere[i] in ("validation", "test"):
            splits[i] = LEFT_OUT
    return splits


def write_split(names: NDArray[np.str_], groups: NDArray[np.int64], splits: NDArray[np.str_], out: Path) -> None:
    """Write one row (picture, group, split) per picture; a group is named after its first picture."""
    with out.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("picture", "group", "split"))
        for name, group, split in sorted(zip(names, names[groups], splits, strict=True)):
            key = _short(group)
            writer.writerow((_short(name), "" if key == _short(name) else key, split))


def read_split(names: NDArray[np.str_], path: Path) -> NDArray[np.str_]:
    """(N,) the stored split of each picture; "" for a picture that the split does not know."""
    with path.open(newline="") as file:
        splits = {row["picture"]: row["split"] for row in csv.DictReader(file)}
    return np.array([splits.get(_short(name), "") for name in names])


def _short(name: object) -> str:
    return str(name).removesuffix(".chip.jpg").removesuffix(".jpg")


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()


def fer2013_train_mask(data: Fer2013) -> NDArray[np.bool_]:
    """(N,) True for rows to train on: of the training split, not restored, unlike every validation and test picture."""
    mask: NDArray[np.bool_] = (data.splits == "train") & ~data.restored & ~fer2013_like_held_back(data)
    return mask


def fer2013_like_held_back(data: Fer2013) -> NDArray[np.bool_]:
    """(N,) True for rows whose picture is identical to one of the validation or the test split."""
    digests = _digests(data)
    held_back = set(digests[data.splits != "train"])
    return np.array([d in held_back for d in digests], dtype=np.bool_)


def _digests(data: Fer2013) -> NDArray[np.str_]:
    return np.array([hashlib.sha256(p.tobytes()).hexdigest() for p in data.pixels])


def fer2013_duplicated(data: Fer2013) -> NDArray[np.bool_]:
    """(N,) True for rows whose picture occurs, identical, in another row of any split."""
    digests = _digests(data)
    _, inverse, counts = np.unique(digests, return_inverse=True, return_counts=True)
    return counts[inverse] > 1


def ferplus_majority(data: Fer2013) -> NDArray[np.int64]:
    """(N,) the expression with more votes than any other answer; -1 for none (a tie, "unknown" or no face).

    A plurality: not always more than half of the ten people.
    """
    ranked = np.sort(data.votes, axis=1)
    clear = (ranked[:, -1] > ranked[:, -2]) & (ranked[:, -1] > data.other_votes)
    return np.where(clear, data.votes.argmax(axis=1), -1)


def ferplus_targets(data: Fer2013) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Votes as probabilities: (N, 8), and (N,) True where there are any.

    Single votes are dropped as outliers, as in Barsoum et al. 2016. A row with more votes for "unknown" or "not a face"
    than for any expression has no target.
    """
    votes = np.where(data.votes > 1, data.votes, 0)
    sums = votes.sum(axis=1)
    usable = (sums > 0) & (votes.max(axis=1) >= data.other_votes)
    targets = votes / np.maximum(sums, 1)[:, None]
    assert targets.shape[1] == len(FERPLUS_CLASSES)
    return targets.astype(np.float32), usable
