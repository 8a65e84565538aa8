"""Steadiness: the same face in other sizes, qualities, light and positions should get the same answer.

A report holds counts, as those of ``metrics`` do; rates are derived when they are shown.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from facetraits.json_text import json_text
from facetraits.registry import Manifest, ModelIntegrityError, profile_files

FOLDER: Final = "steadiness"  # below the models' folder
AGE_BIN_YEARS: Final = 0.1
CLASS_TRAITS: Final = ("gender", "ethnicity", "expression")


@dataclass(frozen=True, slots=True)
class SteadinessReport:
    """One profile on one sample of faces, each in all versions.

    Attributes:
        model: the profile; dataset, split: what the sample was drawn from.
        weights_sha256: as of ``EvaluationReport``.
        versions: what was done to the picture; the first is the picture as it is.
        faces: number of faces.
        age_deviation: faces by the standard deviation of their years over all versions, in bins of ``AGE_BIN_YEARS``.
        age_shift: for each version, sum over faces of years there minus years of the picture as it is.
        changes: trait to faces by how many versions answer another class than most versions of that face do, from 0.
        changed: trait to, for each version, faces with another answer than the picture as it is gets.
        commit: of the code; date: ISO.
    """

    model: str
    dataset: str
    split: str
    weights_sha256: Mapping[str, str]
    versions: tuple[str, ...]
    faces: int
    age_deviation: tuple[int, ...]
    age_shift: tuple[float, ...]
    changes: Mapping[str, tuple[int, ...]]
    changed: Mapping[str, tuple[int, ...]]
    commit: str = ""
    date: str = ""

    @property
    def median_age_deviation(self) -> float:
        """Median over faces of the standard deviation of their years, in years; the middle of its bin."""
        cumulated = np.cumsum(self.age_deviation)
        return float((np.searchsorted(cumulated, self.faces / 2) + 0.5) * AGE_BIN_YEARS)

    def share_changing(self, trait: str, more_than: int = 1) -> float:
        """Share of faces of which more than so many versions answer another class than most do."""
        return sum(self.changes[trait][more_than + 1 :]) / max(1, self.faces)

    def mean_shift(self, version: str) -> float:
        """By how many years a version makes faces older, in the mean."""
        return self.age_shift[self.versions.index(version)] / max(1, self.faces)

    def share_changed(self, trait: str, version: str) -> float:
        """Share of faces to which a version gives another class than the picture as it is has."""
        return self.changed[trait][self.versions.index(version)] / max(1, self.faces)

    def to_json(self) -> str:
        """The report as text, the same for the same report."""
        return json_text(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> SteadinessReport:
        """Read what ``to_json`` wrote.

        Raises:
            ValueError: the text is no such report.
        """
        try:
            raw = json.loads(text)
            for name in ("versions", "age_deviation", "age_shift"):
                raw[name] = tuple(raw[name])
            for name in ("changes", "changed"):
                raw[name] = {trait: tuple(counts) for trait, counts in raw[name].items()}
            report = cls(**raw)
            for sums in (report.age_shift, *report.changed.values()):
                if len(sums) != len(report.versions):
                    raise ValueError("not a report of steadiness: a sum for each version is wanted")
            return report
        except (AttributeError, KeyError, TypeError) as error:
            raise ValueError(f"not a report of steadiness: {error!r}") from error


def counted(
    years: NDArray[np.floating], classes: Mapping[str, NDArray[np.integer]]
) -> tuple[tuple[int, ...], tuple[float, ...], dict[str, tuple[int, ...]], dict[str, tuple[int, ...]]]:
    """``age_deviation``, ``age_shift``, ``changes`` and ``changed`` of a report.

    Args:
        years: (V, N) of V versions of N faces, the pictures as they are first.
        classes: trait to (V, N) indices of the answers.
    """
    deviations = np.bincount((years.std(axis=0) / AGE_BIN_YEARS).astype(int))
    shifts = (years - years[0]).sum(axis=1)
    changes, changed = {}, {}
    for trait, answers in classes.items():
        versions = len(answers)
        most = np.array([np.bincount(column).max() for column in answers.T])
        changes[trait] = tuple(int(n) for n in np.bincount(versions - most, minlength=2))
        changed[trait] = tuple(int(n) for n in (answers != answers[0]).sum(axis=1))
    return tuple(int(n) for n in deviations), tuple(round(float(s), 3) for s in shifts), changes, changed


def load_steadiness(models_dir: Path) -> tuple[SteadinessReport, ...]:
    """All reports in ``models_dir/steadiness``, in the order of their file names.

    Raises:
        ValueError: a file holds something else.
    """
    files = sorted((models_dir / FOLDER).glob("*.json"))
    return tuple(SteadinessReport.from_json(file.read_text(encoding="utf-8")) for file in files)


def check_steadiness(report: SteadinessReport, manifest: Manifest) -> None:
    """Raise ``ModelIntegrityError`` unless the report was made with the models that lie here."""
    if dict(report.weights_sha256) != profile_files(manifest, report.model):
        raise ModelIntegrityError(
            f"The report of how steady {report.model} is on {report.dataset} was made with other networks or settings."
        )
