"""The evidence about the models: reports, learning curves, data, and why something is left out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final, NamedTuple, TypeVar

from facetraits.registry import Manifest, ModelIntegrityError, load_manifest
from facetraits.reports.comparison import Published, load_published
from facetraits.reports.data_summary import DataSummary, load_data_summaries
from facetraits.reports.evaluation_report import EvaluationReport
from facetraits.reports.history import TrainingRun, load_runs
from facetraits.reports.results import check_report
from facetraits.reports.steadiness import SteadinessReport, check_steadiness, load_steadiness

# Everything below the models' folder that the pages about performance are made from.
_SOURCES: Final = (
    "manifest.json",
    "published.json",
    "datasets.json",
    "reports/*.json",
    "steadiness/*.json",
    "*/network.*",
    "*/history.csv",
    "*/record.json",
    "references/*/history.csv",
    "references/*/record.json",
)
DATASET_WORDS: Final[Mapping[str, str]] = {
    "utkface": "UTKFace",
    "all-age-faces": "All-Age-Faces",
    "fer2013": "FER2013 with FER+ labels",
    "raf-db": "RAF-DB",
}
_MOST_NAMED: Final = 2
_Loaded = TypeVar("_Loaded")


class Evidence(NamedTuple):
    """All that is known of how well the models do.

    Attributes:
        version: changes with the files that it was read from.
        reports: those that can be read and belong to the installed weights.
        published: figures of others; runs: trainings; summaries: data sets.
        problems: a sentence for everything that is left out.
        coverage: name of a profile to the share of labels that its age interval is meant to hold.
        steadiness: how steady the installed networks answer.
    """

    version: str
    reports: tuple[EvaluationReport, ...] = ()
    published: tuple[Published, ...] = ()
    runs: tuple[TrainingRun, ...] = ()
    summaries: tuple[DataSummary, ...] = ()
    coverage: Mapping[str, float] = MappingProxyType({})
    steadiness: tuple[SteadinessReport, ...] = ()
    problems: tuple[str, ...] = ()

    @property
    def systems(self) -> Mapping[str, str]:
        """Name of a reference model to the system that it comes from."""
        sources = {run.name: run.record.get("recipe", {}).get("source", "") for run in self.runs}
        return {name: source for name, source in sources.items() if source}

    @property
    def unfinished(self) -> Mapping[str, str]:
        """Name of a reference model whose last epoch was its best to what that means."""
        systems = self.systems
        return {
            run.name: f"still improving when its {run.epochs} {run.step}s ended"
            for run in self.runs
            if run.name in systems and run.step == "epoch" and run.still_improving
        }


def fingerprint(models_dir: Path) -> tuple[tuple[str, int, int], ...]:
    """Name, date and size of every file that ``read_evidence`` reads: changes when one of them does."""
    files = sorted(file for pattern in _SOURCES for file in models_dir.glob(pattern))
    stats = ((file, file.stat()) for file in files if file.exists())  # one may be replaced at this moment
    return tuple((file.relative_to(models_dir).as_posix(), stat.st_mtime_ns, stat.st_size) for file, stat in stats)


def read_evidence(models_dir: Path, version: str = "") -> Evidence:
    """Read all evidence; each missing, damaged or outdated part becomes a sentence in ``problems``."""
    problems: list[str] = []
    reports = _reports(models_dir, problems)
    manifest = _manifest(models_dir, problems if reports else [])
    return Evidence(
        version=version,
        reports=() if manifest is None else _of_installed(reports, manifest, problems),
        published=_or_nothing(load_published, models_dir, "The published figures", problems, FileNotFoundError),
        runs=_or_nothing(load_runs, models_dir, "The learning curves", problems),
        summaries=_or_nothing(load_data_summaries, models_dir, "The description of the data sets", problems),
        coverage={} if manifest is None else _coverage(manifest),
        steadiness=() if manifest is None else _steadiness(models_dir, manifest, problems),
        problems=tuple(problems),
    )


def _manifest(models_dir: Path, problems: list[str]) -> Manifest | None:
    try:
        return load_manifest(models_dir)
    except ModelIntegrityError as error:  # without a manifest, reports cannot be matched with networks
        problems.append(str(error))
        return None


def _coverage(manifest: Manifest) -> Mapping[str, float]:
    promised = {name: profile.traits["age"].interval_coverage for name, profile in manifest.profiles.items()}
    return {name: coverage for name, coverage in promised.items() if coverage is not None}


def _reports(models_dir: Path, problems: list[str]) -> list[EvaluationReport]:
    reports, damaged = [], []
    for file in sorted((models_dir / "reports").glob("*.json")):
        try:
            reports.append(EvaluationReport.from_json(file.read_text(encoding="utf-8")))
        except (OSError, ValueError):
            damaged.append(file.name)
    if damaged:
        problems.append(_left_out(damaged, "cannot be read", "cannot be read"))
    return reports


def _of_installed(
    reports: list[EvaluationReport], manifest: Manifest, problems: list[str]
) -> tuple[EvaluationReport, ...]:
    """Reports of the installed weights, of references as last trained, and of other packages."""
    known: dict[str, str] = {}
    kept, refused = [], []
    for report in reports:
        try:
            check_report(report, manifest, known)
            kept.append(report)
        except ModelIntegrityError:
            refused.append(f"{report.model} on {report.dataset}, {report.split}, {report.protocol}")
    if refused:
        what = "measured with networks or settings other than the installed ones"
        problems.append(_left_out(refused, f"was {what}", f"were {what}"))
    return tuple(kept)


def _steadiness(models_dir: Path, manifest: Manifest, problems: list[str]) -> tuple[SteadinessReport, ...]:
    kept = []
    for report in _or_nothing(load_steadiness, models_dir, "The reports of steadiness", problems):
        try:
            check_steadiness(report, manifest)
            kept.append(report)
        except ModelIntegrityError as error:
            problems.append(str(error))
    return tuple(kept)


def _left_out(names: list[str], one: str, many: str) -> str:
    if len(names) == 1:
        return f"One report is not shown because it {one}: {names[0]}."
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return f"{len(names)} reports are not shown because they {many}: {'; '.join(names[:_MOST_NAMED])}{more}."


def _or_nothing(
    load: Callable[[Path], tuple[_Loaded, ...]],
    models_dir: Path,
    what: str,
    problems: list[str],
    fine: type[Exception] | tuple[type[Exception], ...] = (),
) -> tuple[_Loaded, ...]:
    try:
        return load(models_dir)
    except fine:
        return ()
    except (OSError, ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        problems.append(f"{what} cannot be read ({reason}).")
        return ()
