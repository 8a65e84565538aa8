"""Reports that are known to tell of the models that lie here, and their headline figures."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from facetraits.comparison import FIGURES, Figure, Measured, find_report
from facetraits.metrics import EvaluationReport, load_reports
from facetraits.registry import ModelIntegrityError, sha256_of


def check_reports(models_dir: Path) -> tuple[EvaluationReport, ...]:
    """All reports, after comparing their checksums with the model files, or with the records of references.

    Peers' weights belong to others and are not compared.

    Raises:
        ModelIntegrityError: a report tells of other weights than those that lie there.
    """
    reports = load_reports(models_dir)
    known: dict[str, str] = {}
    for report in reports:
        check_report(report, models_dir, known)
    return reports


def check_report(report: EvaluationReport, models_dir: Path, known: dict[str, str]) -> None:
    """Compare one report's checksums with the model files, or with the record of a reference.

    Args:
        report: to be checked.
        models_dir: folder of the models.
        known: file to checksum; takes what is read, so that no file is read twice for several reports.

    Raises:
        ModelIntegrityError: the report tells of other weights than those that lie there, or they cannot be read.
    """
    for file, expected in _promised(report):
        if file not in known:
            known[file] = _actual(models_dir / file)
        if known[file] != expected:
            raise ModelIntegrityError(
                f"The report of {report.model} on {report.dataset} was made with another {file}: "
                f"expected sha256 {expected}, found {known[file]}."
            )


def _promised(report: EvaluationReport) -> Iterator[tuple[str, str]]:
    """Path below the models' folder and checksum of everything that the report was made with, as far as it is here."""
    for file, sha256 in report.weights_sha256.items():
        if report.kind == "reference":
            yield f"references/{report.model}/record.json", sha256
        elif report.kind != "peer":
            yield file, sha256


def _actual(path: Path) -> str:
    """Checksum of a model file; of a reference, whose file is not kept, the one that its record names."""
    if path.name != "record.json":
        return sha256_of(path)
    try:
        return str(json.loads(path.read_text(encoding="utf-8"))["export"]["sha256"])
    except (OSError, ValueError, KeyError) as error:
        raise ModelIntegrityError(f"The record {path} cannot be read ({error!r}).") from error


@dataclass(frozen=True, slots=True)
class Headline:
    """One figure worth showing first.

    Attributes:
        figure: what is measured; measured: how it went; report: where it comes from.
    """

    figure: Figure
    measured: Measured
    report: EvaluationReport

    @property
    def value(self) -> str:
        """The figure with its unit."""
        return self.figure.formatted(self.measured.value)

    @property
    def interval(self) -> str:
        """Its 95% interval, without the unit."""
        low, high = (
            self.figure.formatted(end).removesuffix(" years") for end in (self.measured.low, self.measured.high)
        )
        return f"{low} to {high}"


def headlines(
    reports: Iterable[EvaluationReport], model: str = "accurate", split: str = "test", protocol: str = "crops"
) -> tuple[Headline, ...]:
    """The figures of one model, as far as there are reports of it and it answers what they measure."""
    reports = tuple(reports)
    return tuple(
        Headline(figure, measured, report)
        for figure in FIGURES
        if (report := find_report(reports, model, figure.dataset, split, protocol)) and (measured := figure.of(report))
    )
