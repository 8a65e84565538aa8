"""The documents that are generated from reports: the README's results, the members' cards, what Home shows.

No figure is typed by hand: each comes from a report whose checksums match the models.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from facetraits.metrics import EvaluationReport, load_reports
from facetraits.registry import Manifest, ModelIntegrityError, load_manifest, sha256_of

START: Final = "<!-- generated from models/reports: start -->"
END: Final = "<!-- generated from models/reports: end -->"


@dataclass(frozen=True, slots=True)
class Headline:
    """One figure worth showing first.

    Attributes:
        label: what is measured, for people.
        value: formatted with its unit.
        number: the bare figure.
        n: test pictures.
        report: where it comes from.
    """

    label: str
    value: str
    number: float
    n: int
    report: EvaluationReport


@dataclass(frozen=True, slots=True)
class _Figure:
    label: str
    dataset: str
    read: Callable[[EvaluationReport], tuple[float, int]]
    years: bool = False


def _accuracy(trait: str) -> Callable[[EvaluationReport], tuple[float, int]]:
    return lambda report: (report.classes[trait].accuracy, report.classes[trait].n + report.classes[trait].undetected)


def _mae(ages: str) -> Callable[[EvaluationReport], tuple[float, int]]:
    return lambda report: (report.ages[ages].mae, report.ages[ages].n)


_FIGURES: Final = (
    _Figure("Apparent age, mean absolute error", "utkface", _mae("all"), years=True),
    _Figure("Apparent age, mean absolute error at 21-60", "utkface", _mae("21-60"), years=True),
    _Figure("Apparent age, five groups", "utkface", _accuracy("age_group")),
    _Figure("Apparent gender", "utkface", _accuracy("gender")),
    _Figure("Ethnicity, five classes", "utkface", _accuracy("ethnicity")),
    _Figure("Facial expression, FER+, eight classes", "fer2013", _accuracy("expression")),
    _Figure("Facial expression, FER2013, seven classes", "fer2013", _accuracy("expression_fer2013")),
)


def check_reports(models_dir: Path) -> tuple[EvaluationReport, ...]:
    """All reports, after comparing their checksums with the model files.

    Raises:
        ModelIntegrityError: a report tells of other weights than those that lie there.
    """
    reports = load_reports(models_dir)
    actual: dict[str, str] = {}
    for report in reports:
        for file, expected in report.weights_sha256.items():
            if file not in actual:
                actual[file] = sha256_of(models_dir / file)
            if actual[file] != expected:
                raise ModelIntegrityError(
                    f"The report of {report.model} on {report.dataset} was made with another {file}: "
                    f"expected sha256 {expected}, found {actual[file]}."
                )
    return reports


def headlines(
    reports: tuple[EvaluationReport, ...], model: str = "accurate", split: str = "test", protocol: str = "crops"
) -> tuple[Headline, ...]:
    """The figures of one model, as far as there are reports of it."""
    by_dataset = {r.dataset: r for r in reports if (r.model, r.split, r.protocol) == (model, split, protocol)}
    out = []
    for figure in _FIGURES:
        report = by_dataset.get(figure.dataset)
        if report is None:
            continue
        try:
            number, n = figure.read(report)
        except KeyError:  # this model does not answer that
            continue
        out.append(Headline(figure.label, _formatted(number, figure.years), number, n, report))
    return tuple(out)


def _formatted(number: float, years: bool) -> str:
    return f"{number:.2f} years" if years else f"{number:.1%}"


def results_markdown(models_dir: Path) -> str:
    """The README's table: every headline for both profiles, crops and whole photos."""
    reports = check_reports(models_dir)
    columns = (("accurate", "crops"), ("accurate", "photos"), ("fast", "crops"))
    by_column = [{h.label: h for h in headlines(reports, model, "test", protocol)} for model, protocol in columns]
    lines = [
        "| on held-back pictures | n | `accurate` | `accurate`, whole photo | `fast` |",
        "|---|---|---|---|---|",
    ]
    for label, first in by_column[0].items():
        values = [column[label].value if label in column else "-" for column in by_column]
        lines.append(f"| {label} | {first.n:,} | {' | '.join(values)} |")
    errors = [
        f"{trait.replace('_', ' ')} {report.classes[trait].ece:.3f}"
        for report in reports
        if (report.model, report.split, report.protocol) == ("accurate", "test", "crops")
        for trait in ("age_group", "gender", "ethnicity", "expression")
        if trait in report.classes
    ]
    coverage = next(
        (r.ages["all"].coverage for r in reports if (r.model, r.dataset, r.protocol, r.split) == _UTKFACE_TEST), None
    )
    if errors and coverage is not None:
        lines += ["", f"Expected calibration error: {', '.join(errors)}. The 80% age interval held {coverage:.1%}."]
    return "\n".join(lines) + "\n"


_UTKFACE_TEST: Final = ("accurate", "utkface", "crops", "test")


def with_generated(text: str, generated: str) -> str:
    """``text`` with what stands between the two markers replaced.

    Raises:
        ValueError: the markers are missing.
    """
    pattern = re.compile(re.escape(START) + ".*?" + re.escape(END), flags=re.DOTALL)
    if not pattern.search(text):
        raise ValueError(f"the text lacks the markers {START} and {END}")
    return pattern.sub(lambda _: f"{START}\n{generated}{END}", text)


def card_markdown(manifest: Manifest, member: str, reports: tuple[EvaluationReport, ...]) -> str:
    """The model card of one member."""
    entry = manifest.members[member]
    record: Mapping[str, Any] = json.loads((entry.path.parent / "record.json").read_text(encoding="utf-8"))
    recipe = record["recipe"]
    rows = [f"| {h.label} | {h.value} | {h.n:,} |" for h in headlines(reports, member)]
    parts = [_WORDS_OF_DATA[name] for name in ("utkface", "fer2013") if _uses(entry.training_data, name)]
    return _CARD.format(
        name=member,
        outputs=", ".join(_WORDS_OF_OUTPUT[output] for output in entry.outputs),
        licence=entry.licence,
        data=" ".join(parts),
        crop=entry.crop,
        input_px=recipe["input_px"],
        parameters=f"{record['parameters']:,}",
        size=f"{entry.path.stat().st_size / 1e6:.1f} MB",
        sha256=entry.sha256,
        epochs=record["epochs_run"],
        best=record["best_epoch"],
        minutes=round(record["training_seconds"] / 60),
        pictures=f"{record['samples']['train']:,}",
        difference=record["export"]["largest_probability_difference"],
        results="\n".join(["| on held-back crops | | n |", "|---|---|---|", *rows]),
        worst=_worst(reports, member),
    )


def _uses(training_data: tuple[str, ...], dataset: str) -> bool:
    return ("UTKFace" if dataset == "utkface" else "FER2013") in training_data


def _worst(reports: tuple[EvaluationReport, ...], member: str) -> str:
    """For each class trait the class that is recognised least."""
    lines = []
    for report in reports:
        if (report.model, report.split, report.protocol) != (member, "test", "crops"):
            continue
        for trait, counts in report.classes.items():
            if trait.endswith("_without_duplicates"):
                continue
            recalls = counts.recall_by_class
            index = min(range(len(recalls)), key=lambda i: recalls[i])
            n = sum(counts.confusion[index])
            lines.append(f"- {trait.replace('_', ' ')}: {counts.classes[index]} ({recalls[index]:.0%} of {n} found)")
        for name in ("0-3", "61-80", "81+"):
            if name in report.ages:
                sums = report.ages[name]
                lines.append(f"- age {name}: error {sums.mae:.1f} years, bias {sums.bias:+.1f} (n = {sums.n})")
    return "\n".join(lines)


_WORDS_OF_OUTPUT: Final = {
    "age": "apparent age (one probability per year, 0 to 100)",
    "gender": "apparent gender (two classes of UTKFace's labels)",
    "ethnicity": "ethnicity (five classes of UTKFace's labels)",
    "expression": "facial expression (eight classes of FER+)",
    "expression_fer2013": "facial expression (seven classes of FER2013, for comparison with the literature)",
}
_WORDS_OF_DATA: Final = {
    "utkface": "UTKFace: pictures from the web with labels estimated by a program and checked by people; for "
    "non-commercial research. Near-duplicates were grouped before the split, 70% of the groups were trained on.",
    "fer2013": "FER2013 (Kaggle terms): grey pictures of 48 px from a web search; FER+ (MIT): ten people's votes for "
    "each. Pictures identical to a held-back one were left out of training.",
}
_CARD: Final = """# {name}

<!-- This card is generated by `python -m facetraits report`; edit facetraits/results.py instead. -->

An EfficientNet-Lite0 that started from ImageNet weights (Apache-2.0, Tan & Le 2019) and was trained by the facetraits
authors. It answers {outputs}.

- Input: the face crop `{crop}` (112 px, RGB, uint8), scaled to {input_px} px inside the network
- {parameters} parameters, float16, {size}; sha256 `{sha256}`
- Trained on {pictures} pictures for {epochs} epochs ({minutes} minutes); the weights of epoch {best} had the lowest
  validation loss. The served file's probabilities differ from the trained network's by at most {difference}
- Licence: {licence}

## Intended use

Teaching, research and demonstrations with people who know and agree. It tells what a face looks like to a statistical
model; it knows nothing of who somebody is, what they feel or how they see themselves.

**Not for** decisions about people (hiring, policing, credit, access, age checks), identification, or watching people
without their knowledge.

## Data

{data}

## Figures

{results}

Measured on the test split with the served file. Recipe, history and seed: `record.json`, `history.csv`.

## Limits

Where it is weakest on the test split:

{worst}

Labels are other people's impressions, in two genders and five coarse ethnicities; people outside these boxes get a
wrong answer by construction. Blurred, dark, small, covered and turned faces are answered worse.
"""


def write_documents(root: Path, check: bool = False) -> list[Path]:
    """Bring README.md and the members' cards up to date.

    Args:
        root: of the repository.
        check: change nothing.

    Returns:
        The files that were (or, with ``check``, are) out of date.

    Raises:
        ModelIntegrityError: a report does not belong to the model files.
    """
    models_dir = root / "models"
    manifest = load_manifest(models_dir)
    reports = check_reports(models_dir)
    readme = root / "README.md"
    wanted = {readme: with_generated(readme.read_text(encoding="utf-8"), results_markdown(models_dir))}
    for member, entry in manifest.members.items():
        wanted[entry.path.parent / "README.md"] = card_markdown(manifest, member, reports)
    stale = [path for path, text in wanted.items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    if not check:
        for path in stale:
            path.write_text(wanted[path], encoding="utf-8")
    return stale
