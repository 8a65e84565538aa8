"""Statistics of the data sets before and after cleaning, from ``models/datasets.json``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from facetraits.json_text import json_text

FILE_NAME: Final = "datasets.json"


@dataclass(frozen=True, slots=True)
class Removed:
    """Pictures that cleaning took out.

    Attributes:
        reason: why, for people; n: how many; where: of which part they were taken out.
    """

    reason: str
    n: int
    where: str


@dataclass(frozen=True, slots=True)
class Distribution:
    """How often each class occurs.

    Attributes:
        classes: names; raw: pictures with that label in the download.
        splits: "train", "validation" and "test" to the pictures of each class that are used there.
    """

    classes: tuple[str, ...]
    raw: tuple[int, ...]
    splits: Mapping[str, tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class DataSummary:
    """One data set.

    Attributes:
        name: as in reports; title: for people; licence: in words.
        files: file name to checksum of what was read.
        pictures: in the download, broken ones included.
        removed: what cleaning took out, and why.
        distributions: label to its distribution.
        date: ISO, of the counting; commit: of the code.
    """

    name: str
    title: str
    licence: str
    files: Mapping[str, str]
    pictures: int
    removed: tuple[Removed, ...]
    distributions: Mapping[str, Distribution]
    date: str
    commit: str


def write_data_summaries(summaries: tuple[DataSummary, ...], models_dir: Path) -> Path:
    """Write them to ``models_dir/datasets.json``."""
    path = models_dir / FILE_NAME
    path.write_text(json_text([asdict(summary) for summary in summaries]), encoding="utf-8")
    return path


def load_data_summaries(models_dir: Path) -> tuple[DataSummary, ...]:
    """What ``write_data_summaries`` wrote; empty where it never did.

    Raises:
        ValueError: the file holds something else.
    """
    path = models_dir / FILE_NAME
    if not path.exists():
        return ()
    try:
        return tuple(_summary(raw) for raw in json.loads(path.read_text(encoding="utf-8")))
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path.name} holds no summaries of data sets ({error!r})") from error


def _summary(raw: dict[str, Any]) -> DataSummary:
    raw["removed"] = tuple(Removed(**entry) for entry in raw["removed"])
    raw["distributions"] = {
        label: Distribution(
            tuple(entry["classes"]),
            tuple(entry["raw"]),
            {split: tuple(counts) for split, counts in entry["splits"].items()},
        )
        for label, entry in raw["distributions"].items()
    }
    return DataSummary(**raw)
