"""Reports verified against the installed models, and their headline figures."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from facetraits.registry import Manifest, ModelIntegrityError, load_manifest, profile_files, sha256_of
from facetraits.reports.comparison import FIGURES, Figure, Measured, find_report
from facetraits.reports.evaluation_report import EvaluationReport, load_reports


def check_reports(models_dir: Path) -> tuple[EvaluationReport, ...]:
    """All reports, after each was checked.

    Raises:
        ModelIntegrityError: as of ``check_report``.
    """
    reports = load_reports(models_dir)
    manifest = load_manifest(models_dir)
    known: dict[str, str] = {}
    for report in reports:
        check_report(report, manifest, known)
    return reports


def check_report(report: EvaluationReport, manifest: Manifest, known: dict[str, str]) -> None:
    """Check that a report was made with the installed models.

    A profile's report must name the detector, all its networks and the profile's settings; a member's its network; a
    reference's the checksum in its record. Peers' weights belong to others and are not compared.

    Args:
        report: to be checked.
        manifest: of the models that lie here.
        known: cache of file checksums, shared between reports.

    Raises:
        ModelIntegrityError: the report was made with other models, or the models cannot be read.
    """
    if report.kind == "peer":
        return
    for file, expected in _present(report, manifest, known).items():
        named = report.weights_sha256.get(file, "none")
        if named != expected:
            raise ModelIntegrityError(
                f"The report of {report.model} on {report.dataset} was made with another {file}: "
                f"it names sha256 {named}, found {expected}."
            )


def _present(report: EvaluationReport, manifest: Manifest, known: dict[str, str]) -> dict[str, str]:
    """What the report should name, with the checksums of what lies here."""
    if report.kind == "reference":
        return dict.fromkeys(report.weights_sha256 or ["network"], _of_record(manifest.models_dir, report.model, known))
    if report.kind == "profile":
        files = profile_files(manifest, report.model)
    else:
        files = {f"{report.model}/network.tflite": ""}
    for file in files:
        path = manifest.models_dir / file
        if path.suffix in (".tflite", ".onnx"):
            if file not in known:
                known[file] = sha256_of(path)
            files[file] = known[file]
    return files


def _of_record(models_dir: Path, reference: str, known: dict[str, str]) -> str:
    """Checksum of a reference's file as its record names it: the file itself is not kept."""
    path = models_dir / "references" / reference / "record.json"
    if str(path) not in known:
        try:
            known[str(path)] = str(json.loads(path.read_text(encoding="utf-8"))["export"]["sha256"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ModelIntegrityError(f"The record {path} cannot be read ({error!r}).") from error
    return known[str(path)]


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
