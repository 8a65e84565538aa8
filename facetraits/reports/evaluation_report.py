"""What the measurement of one model on one split counts, as it is stored in models/reports."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, get_args

from facetraits.json_text import json_text
from facetraits.reports.metrics import AGE_RANGES, AgeErrors, ClassCounts, ModelKind, Subgroup


@dataclass(frozen=True, slots=True)
class EvaluationReport:
    """One model on one split: counts, and where they come from.

    Attributes:
        model: name of a profile, a member, a reference system's model or another package.
        kind: which of these it is.
        dataset, split: what was read; protocol: "crops" (networks alone; where no face was found the crop lies where
            faces of the set usually do) or "photos" (whole pipeline; an undetected face counts as wrong).
        weights_sha256: checksum by file below the models' folder, detector included; of references and peers, whose
            weights are not kept there, by name.
        classes: trait (with a suffix for a variant) to counts.
        ages: range of true ages to error sums; empty for sets without ages and models without years.
        age_pairs: (true age, estimate rounded to whole years, faces), as far as counted.
        subgroups: the same counts for parts of the test set, as far as counted.
        version: of a peer's package.
        commit: of the code; date: ISO.
    """

    model: str
    dataset: str
    split: str
    protocol: str
    weights_sha256: Mapping[str, str]
    classes: Mapping[str, ClassCounts]
    kind: ModelKind = "profile"
    ages: Mapping[str, AgeErrors] = field(default_factory=dict)
    age_pairs: tuple[tuple[int, int, int], ...] = ()
    subgroups: tuple[Subgroup, ...] = ()
    version: str = ""
    commit: str = ""
    date: str = ""

    def to_json(self) -> str:
        """The report as text, the same for the same report."""
        return json_text(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> EvaluationReport:
        """Read what ``to_json`` wrote.

        Raises:
            ValueError: the text is no report.
        """
        try:
            raw = json.loads(text)
            if raw["kind"] not in get_args(ModelKind):
                raise ValueError(f"not an evaluation report: unknown kind {raw['kind']!r}")
            raw["weights_sha256"] = {str(file): str(sha256) for file, sha256 in raw["weights_sha256"].items()}
            raw["classes"] = {name: _class_counts(counts) for name, counts in raw["classes"].items()}
            raw["ages"] = {name: _age_errors(sums) for name, sums in raw["ages"].items()}
            if raw["ages"] and set(raw["ages"]) != set(AGE_RANGES):
                raise ValueError(f"not an evaluation report: ages of {', '.join(raw['ages'])}")
            raw["age_pairs"] = tuple(tuple(pair) for pair in raw["age_pairs"])
            raw["subgroups"] = tuple(_subgroup(group) for group in raw["subgroups"])
            return cls(**raw)
        except (AttributeError, KeyError, TypeError) as error:
            raise ValueError(f"not an evaluation report: {error!r}") from error


def _class_counts(raw: dict[str, Any]) -> ClassCounts:
    raw["confusion"] = tuple(tuple(row) for row in raw["confusion"])
    for name in ("classes", "bin_counts", "bin_correct", "bin_confidence"):
        raw[name] = tuple(raw[name])
    c = len(raw["classes"])
    if [len(row) for row in raw["confusion"]] != [c] * c:
        raise ValueError(f"not an evaluation report: the confusion matrix of {c} classes is not {c} x {c}")
    return ClassCounts(**raw)


def _age_errors(raw: dict[str, Any]) -> AgeErrors:
    raw["by_error"] = tuple(raw["by_error"])
    return AgeErrors(**raw)


def _subgroup(raw: dict[str, Any]) -> Subgroup:
    classes = {name: _class_counts(counts) for name, counts in raw["classes"].items()}
    return Subgroup(raw["of"], classes, None if raw["ages"] is None else _age_errors(raw["ages"]))


def load_reports(models_dir: Path) -> tuple[EvaluationReport, ...]:
    """All reports in ``models_dir/reports``, in the order of their file names."""
    files = sorted((models_dir / "reports").glob("*.json"))
    return tuple(EvaluationReport.from_json(file.read_text(encoding="utf-8")) for file in files)
