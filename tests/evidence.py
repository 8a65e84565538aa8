"""A small models' folder with everything that the page "Model performance" shows, made of drawn numbers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from facetraits.registry import MANIFEST_FORMAT, load_manifest, profile_files
from facetraits.reports.data_summary import DataSummary, Distribution, Removed, write_data_summaries
from facetraits.reports.evaluation_report import EvaluationReport
from facetraits.reports.metrics import ClassCounts, Subgroup, age_errors, class_counts, sum_of_errors
from tests.builders import AGE_GROUP_NAMES, ETHNICITIES, EXPRESSIONS, GENDERS

WEIGHTS = b"weights"
WEIGHTS_FILE = "small/network.tflite"
CLASSES = {"age_group": AGE_GROUP_NAMES, "gender": GENDERS, "ethnicity": ETHNICITIES, "expression": EXPRESSIONS}


def drawn_counts(classes: Sequence[str], n: int = 200, seed: int = 0, right: float = 3.0, **more: Any) -> ClassCounts:
    """Counts of a model that is right more often than not; ``right`` is how much the truth is favoured."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(len(classes), size=n)
    logits = rng.normal(size=(n, len(classes))) + right * np.eye(len(classes))[truth]
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    if more.get("confident") is False:
        probabilities = np.eye(len(classes))[probabilities.argmax(axis=1)]
    return class_counts(truth, probabilities, classes, **more)


def utkface_report(model: str = "accurate", kind: str = "profile", seed: int = 0, **changes: Any) -> EvaluationReport:
    """Of age, gender and ethnicity, with groups of people by gender and by gender and age."""
    rng = np.random.default_rng(seed)
    ages = rng.integers(0, 100, size=300)
    years = np.clip(ages + rng.normal(scale=6, size=300), 0, 100)
    intervals = np.stack([years - 8, years + 8], axis=1)
    pairs = [(int(age), round(float(year)), 1) for age, year in zip(ages, years, strict=True)]

    def counts(n: int, seed: int) -> dict[str, ClassCounts]:
        return {name: drawn_counts(CLASSES[name], n, seed) for name in ("age_group", "gender", "ethnicity")}

    def group(of: Mapping[str, str], n: int, seed: int) -> Subgroup:
        chosen = slice(0, n)
        return Subgroup(of, counts(n, seed), sum_of_errors(ages[chosen], years[chosen], intervals[chosen]))

    groups = [group({"gender": gender}, 120 - 40 * i, i) for i, gender in enumerate(GENDERS)]
    groups += [group({"ethnicity": name}, 90 - 20 * i, i) for i, name in enumerate(ETHNICITIES)]  # the last: 10 people
    groups += [
        group({"gender": gender, "age_group": name}, 60, i)
        for i, gender in enumerate(GENDERS)
        for name in AGE_GROUP_NAMES
    ]
    described = {
        "model": model,
        "kind": kind,
        "dataset": "utkface",
        "split": "test",
        "protocol": "crops",
        "weights_sha256": {WEIGHTS_FILE: hashlib.sha256(WEIGHTS).hexdigest()},
        "classes": counts(300, seed),
        "ages": age_errors(ages, years, intervals),
        "age_pairs": tuple(pairs),
        "subgroups": tuple(groups),
        "commit": "0123456789abcdef0123456789abcdef01234567",
        "date": "2026-01-02",
    }
    return EvaluationReport(**(described | changes))


def fer2013_report(model: str = "accurate", kind: str = "profile", **changes: Any) -> EvaluationReport:
    """Of facial expression alone."""
    classes = {"expression": drawn_counts(EXPRESSIONS, 400)}
    described = {"dataset": "fer2013", "classes": classes, "ages": {}, "age_pairs": (), "subgroups": ()}
    return utkface_report(model, kind, **(described | changes))


def reference_report() -> EvaluationReport:
    """Of a model that answers the age group only."""
    return utkface_report(
        "age-upload-predictor",
        "reference",
        classes={"age_group": drawn_counts(AGE_GROUP_NAMES, 300, seed=7, right=1.0)},
        weights_sha256={"age-upload-predictor": "a" * 64},
        ages={},
        age_pairs=(),
        subgroups=(),
    )


def peer_report() -> EvaluationReport:
    """Of a package that gives bare answers."""
    return utkface_report(
        "other-package",
        "peer",
        version="1.2.3",
        classes={"gender": drawn_counts(GENDERS, 300, seed=9, right=2.0, confident=False)},
        weights_sha256={"other-package": "b" * 64},
        ages={},
        age_pairs=(),
        subgroups=(),
    )


def write_report(models_dir: Path, report: EvaluationReport) -> Path:
    """Where ``load_reports`` looks for it."""
    path = models_dir / "reports" / f"{report.model}-{report.dataset}-{report.split}-{report.protocol}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(report.to_json(), encoding="utf-8")
    return path


def write_run(folder: Path, heads: Sequence[str], losses: Sequence[float], source: str = "") -> None:
    """A training whose validation losses are given; its training losses fall on."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = ["epoch,loss,val_loss,categorical_accuracy,val_categorical_accuracy,learning_rate,seconds"]
    lines += [f"{i},{2 / (i + 1)},{loss},{0.5 + i / 50},{0.5 + i / 60},0.001,12.5" for i, loss in enumerate(losses)]
    (folder / "history.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    record = {
        "export": {"sha256": "a" * 64},
        "recipe": {"name": folder.name, "heads": list(heads), "seed": 1, "source": source},
        "samples": {"train": 100, "validation": 20},
        "parameters": 1234,
        "training_seconds": 60,
        "commit": "0123456789abcdef0123456789abcdef01234567",
        "environment": {"keras": "3"},
    }
    (folder / "record.json").write_text(json.dumps(record), encoding="utf-8")


def summary() -> DataSummary:
    """Of a tiny data set with two labels."""
    return DataSummary(
        name="utkface",
        title="UTKFace",
        licence="For research only.",
        files={"faces.tar": "c" * 64},
        pictures=120,
        removed=(Removed("No face was found", 10, "training"),),
        distributions={
            "gender": Distribution(GENDERS, (70, 50), {"train": (40, 30), "validation": (10, 8), "test": (12, 10)})
        },
        date="2026-01-02",
        commit="0123456789abcdef0123456789abcdef01234567",
    )


def write_manifest(models_dir: Path) -> None:
    """One network that answers everything, in one profile."""
    (models_dir / "detector.onnx").write_bytes(WEIGHTS)
    sha256 = hashlib.sha256(WEIGHTS).hexdigest()
    member = {
        "name": "small",
        "path": WEIGHTS_FILE,
        "sha256": sha256,
        "crop": "face-v1",
        "outputs": ["age", *CLASSES],
        "licence": "MIT",
        "training_data": ["UTKFace"],
    }
    answer = {"weights": {"small": 1.0}, "temperature": 1.0, "unsure_below": 0.5}
    traits = {"age": answer | {"interval_mass": 0.7, "interval_coverage": 0.8}, "gender": answer}
    profile = {"detector": {"long_sides_px": [160], "tile_small_faces": False}, "flip": False, "traits": traits}
    manifest = {
        "format": MANIFEST_FORMAT,
        "detector": {
            "path": "detector.onnx",
            "sha256": sha256,
            "serving": {"path": "detector.onnx", "sha256": sha256},
            "licence": "",
            "source": "",
        },
        "classes": {"age": [str(year) for year in range(101)], "gender": list(GENDERS)},
        "members": [member],
        "profiles": {"accurate": profile},
    }
    (models_dir / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")


def evidence_folder(models_dir: Path) -> Path:
    """Fill ``models_dir`` with one of everything."""
    weights = models_dir / WEIGHTS_FILE
    weights.parent.mkdir(parents=True)
    weights.write_bytes(WEIGHTS)
    write_manifest(models_dir)
    member = utkface_report("small", "member", seed=3, subgroups=())
    profile = {"weights_sha256": profile_files(load_manifest(models_dir), "accurate")}
    for report in (utkface_report(**profile), fer2013_report(**profile), member, reference_report(), peer_report()):
        write_report(models_dir, report)
    write_run(models_dir / "small", ("age", "gender", "ethnicity", "expression"), (3.0, 2.0, 1.5))
    write_run(
        models_dir / "references" / "age-upload-predictor", ("age_group",), (3.0, 1.0, 2.0, 2.5), "upload-predictor"
    )
    write_data_summaries((summary(),), models_dir)
    published = [{"figure": "gender", "name": "Somebody", "value": 0.97, "note": "their pictures", "source": "a paper"}]
    (models_dir / "published.json").write_text(json.dumps(published), encoding="utf-8")
    return models_dir
