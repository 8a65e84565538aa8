"""The documents that are generated from reports: the README's results and the model cards.

No figure is typed by hand: each comes from a report whose checksums match the models.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from facetraits.registry import load_manifest
from facetraits.reports.cards import figure_words, group_words, member_card, reference_card
from facetraits.reports.comparison import (
    AXES,
    FIGURE,
    Figure,
    Gap,
    Published,
    Row,
    find_report,
    group_rows,
    largest_gap,
    leaderboard,
    load_published,
)
from facetraits.reports.evaluation_report import EvaluationReport
from facetraits.reports.results import check_reports, headlines
from facetraits.reports.steadiness import SteadinessReport, check_steadiness, load_steadiness

DATASET_TITLES: Final[Mapping[str, str]] = {
    "utkface": "UTKFace",
    "all-age-faces": "All-Age-Faces",
    "fer2013": "FER2013, FER+",
    "raf-db": "RAF-DB",
}
START: Final = "<!-- generated from models/reports: start -->"
END: Final = "<!-- generated from models/reports: end -->"


def write_documents(root: Path, check: bool = False) -> list[Path]:
    """Bring README.md and the cards of members and references up to date.

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
    published = load_published(models_dir)
    readme = root / "README.md"
    steadiness = load_steadiness(models_dir)
    for steady in steadiness:
        check_steadiness(steady, manifest)
    results = results_markdown(reports, published, steadiness)
    wanted = {readme: with_generated(readme.read_text(encoding="utf-8"), results)}
    for entry in manifest.members.values():
        wanted[entry.path.parent / "README.md"] = member_card(manifest, entry, reports)
    for folder in sorted((models_dir / "references").glob("*/")):
        wanted[folder / "README.md"] = reference_card(folder, reports)
    stale = [path for path, text in wanted.items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    if not check:
        for path in stale:
            path.write_text(wanted[path], encoding="utf-8")
    return stale


def with_generated(text: str, generated: str) -> str:
    """``text`` with what stands between the two markers replaced.

    Raises:
        ValueError: the markers are missing.
    """
    pattern = re.compile(re.escape(START) + ".*?" + re.escape(END), flags=re.DOTALL)
    if not pattern.search(text):
        raise ValueError(f"the text lacks the markers {START} and {END}")
    return pattern.sub(lambda _: f"{START}\n{generated}{END}", text)


# ------------------------------------------------------------------------------------------------------------- README


def results_markdown(
    reports: tuple[EvaluationReport, ...],
    published: tuple[Published, ...],
    steadiness: tuple[SteadinessReport, ...] = (),
) -> str:
    """Tables: every headline for the profiles, calibration, steadiness, comparison, groups with worse results."""
    parts = [
        _profiles_table(reports),
        _calibration(reports),
        _steadiness_table(steadiness),
        _others_table(reports, published),
        _people_table(reports),
    ]
    return "\n\n".join(filter(None, parts)) + "\n"


def _profiles_table(reports: tuple[EvaluationReport, ...]) -> str:
    columns = (("accurate", "crops"), ("accurate", "photos"), ("fast", "crops"))
    first, *others = ({h.figure.key: h for h in headlines(reports, m, "test", p)} for m, p in columns)
    lines = [
        "| on held-out pictures | n | `accurate` | 95% interval | `accurate`, whole photo | `fast` |",
        "|---|---|---|---|---|---|",
    ]
    for key, headline in first.items():
        values = [column[key].value if key in column else "-" for column in others]
        lines.append(
            f"| {figure_words(headline.figure)} | {headline.measured.n:,} | {headline.value} | {headline.interval} | "
            f"{' | '.join(values)} |"
        )
    return "\n".join(lines)


_CALIBRATED: Final = ("age_group", "gender", "ethnicity", "expression", "expression_raf_db")


def _calibration(reports: tuple[EvaluationReport, ...]) -> str:
    """Of each data set: whether probabilities and age intervals hold what they promise."""
    lines = [
        "| expected calibration error, `accurate` | age group | gender | ethnicity | expression | age interval held |",
        "|---|---|---|---|---|---|",
    ]
    for dataset, title in DATASET_TITLES.items():
        report = find_report(reports, "accurate", dataset)
        if report is None or not set(_CALIBRATED) & set(report.classes):
            continue
        cells = [f"{report.classes[trait].ece:.3f}" if trait in report.classes else "-" for trait in _CALIBRATED[:3]]
        expression = next((report.classes[trait] for trait in _CALIBRATED[3:] if trait in report.classes), None)
        cells.append("-" if expression is None else f"{expression.ece:.3f}")
        coverage = report.ages["all"].coverage if "all" in report.ages else None
        cells.append("-" if coverage is None else f"{coverage:.1%}")
        lines.append(f"| {title} | {' | '.join(cells)} |")
    return "\n".join(lines) if len(lines) > 2 else ""


def _steadiness_table(steadiness: tuple[SteadinessReport, ...]) -> str:
    """How much answers change with size, quality, light and position of the same face."""
    chosen = [report for report in steadiness if report.split == "test"]
    if not chosen:
        return ""
    lines = [
        f"| the same face in {len(chosen[0].versions)} versions | faces | age: median deviation | gender changes | "
        "expression changes |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| `{report.model}`, {DATASET_TITLES[report.dataset]} | {report.faces:,} | "
        f"{report.median_age_deviation:.1f} years | {report.share_changing('gender'):.1%} of faces | "
        f"{report.share_changing('expression'):.1%} of faces |"
        for report in chosen
    ]
    return (
        "\n".join(lines)
        + "\n\nVersions: a quarter to three times the size, JPEG 30 to 95, blurred, sharpened, dark, bright, warm,"
        "\ncool, grey, turned by 10 degrees, the crop beside the face. A face counts as changed if more than one"
        "\nversion gets a different class than the majority of versions."
    )


_COMPARED: Final = (
    "age_mae",
    "age_mae_aaf",
    "age_group",
    "age_group_7",
    "gender",
    "gender_aaf",
    "ethnicity",
    "expression_fer2013",
    "expression_raf_db",
    "mood",
    "smile",
)


def _others_table(reports: tuple[EvaluationReport, ...], published: tuple[Published, ...]) -> str:
    """Our models compared with the best reference model, the best other package and the best published figure."""
    lines = [
        "| beside others | `accurate` | models of reference systems | other packages | published |",
        "|---|---|---|---|---|",
    ]
    for key in _COMPARED:
        figure = FIGURE[key]
        board = leaderboard(figure, reports, published)
        cells = []
        for kind in ("profile", "reference", "peer", "published"):
            row = next((row for row in board if row.kind == kind and row.name != "fast"), None)
            name = "" if row is None or kind == "profile" else f" ({_linked(row)})"
            cells.append("-" if row is None else figure.formatted(row.measured.value) + name)
        if cells[0] != "-":
            lines.append(f"| {figure_words(figure)} | {' | '.join(cells)} |")
    return (
        "\n".join(lines)
        + "\n\nThe best of each kind. Reference systems are five public student projects for parts of this task:\n"
        "webcam-guesser, feature-interpretor, emotion-race-gender-cnn, age-gender-mood and upload-predictor. Their\n"
        "models were rebuilt here, layer by layer, and trained on our split within the time limits of two processor\n"
        "cores; the cards in `models/references` say which were still improving. Published figures were measured by\n"
        "their authors on other pictures."
    )


def _linked(row: Row) -> str:
    """The name of a row; that of a reference system's model leads to its card."""
    return f"[{row.name}](models/references/{row.name}/README.md)" if row.kind == "reference" else row.name


def _people_table(reports: tuple[EvaluationReport, ...]) -> str:
    lines = ["| worse for | figure | worst | best | gap |", "|---|---|---|---|---|"]
    for dataset in DATASET_TITLES:
        report = find_report(reports, "accurate", dataset)
        if report is None or not report.subgroups:
            continue
        lines += [
            f"| by {axis.replace('_', ' ')}{adults * ', from 21 years'} | {figure_words(figure)} | "
            f"{group_words(figure, gap.worst)} | {group_words(figure, gap.best)} | {_points(figure, gap)} |"
            for axis, adults, figure, gap in _fairness_gaps(report)
        ]
    return "\n".join(lines) if len(lines) > 2 else ""


def _fairness_gaps(report: EvaluationReport) -> Iterator[tuple[str, bool, Figure, Gap]]:
    """Axis, whether only adults count, figure and gap, for each trait that people's labels are known for."""
    for figure in (FIGURE[key] for key in _OF_PEOPLE if FIGURE[key].dataset == report.dataset):
        for axis in AXES:
            for adults in (False, True) if figure.trait == "gender" and axis in ("gender", "ethnicity") else (False,):
                if gap := largest_gap(group_rows(report, figure, (axis,), adults), figure):
                    yield axis, adults, figure, gap


_OF_PEOPLE: Final = ("age_mae", "gender", "ethnicity", "age_mae_aaf", "gender_aaf")


def _points(figure: Figure, gap: Gap) -> str:
    return figure.formatted(gap.size) if figure.in_years else f"{100 * gap.size:.1f} points"
