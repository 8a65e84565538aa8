"""Evaluate the exported files with the serving code: `python -m facetraits evaluate`."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import partial
from operator import itemgetter
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from facetraits.age import central_interval, median_years
from facetraits.analyzer import FaceAnalyzer
from facetraits.ensemble import Ensemble, Member
from facetraits.errors import TrainingError
from facetraits.registry import (
    PROFILES,
    Manifest,
    MemberEntry,
    ProfileName,
    TraitEntry,
    check_file,
    load_manifest,
    profile_files,
)
from facetraits.reports.evaluation_report import EvaluationReport
from facetraits.reports.history import read_record
from facetraits.reports.metrics import ModelKind
from facetraits.training.data.faces import Faces, load_faces, output_of
from facetraits.training.data.prepare import distance_from_middle
from facetraits.training.evaluation.counting import Answers, Counted, count
from facetraits.training.evaluation.steadying import measure_steadiness
from facetraits.training.provenance import code_commit
from facetraits.training.reference_recipes import SMILE_SVC

REFERENCE_NETWORKS: Final = Path("build/references")
_BATCH: Final = 64


class UnknownModelError(TrainingError):
    """Somebody asks for a model that is not there."""


def evaluate(
    data: Path,
    models_dir: Path,
    split: str = "test",
    names: Collection[str] = (),
    references: Path = REFERENCE_NETWORKS,
) -> Iterator[Path]:
    """Evaluate every profile, member and reference on one split: `crops` for all; on test, `photos` for the profiles.

    For the profiles, steadiness is measured as well.

    Args:
        data: folder of the data sets.
        models_dir: the models that are served.
        names: profiles, members and references to judge; all where none is named.
        references: the reference systems' exported models, as far as they were trained here.

    Yields:
        The files written, in ``models_dir/reports``.

    Raises:
        UnknownModelError: a name is none of theirs, or a reference that was asked for was not trained here.
    """
    code_commit()  # as it is now
    manifest = load_manifest(models_dir)
    folders = [folder.name for folder in sorted((models_dir / "references").glob("*/"))]
    chosen = names or [*PROFILES, *manifest.members, *folders]
    if unknown := sorted(set(chosen) - {*PROFILES, *manifest.members, *folders}):
        raise UnknownModelError(f"there is no profile, network or reference {unknown[0]!r}")
    faces = load_faces(data, manifest.detector, split)
    yield from _profiles(manifest, [name for name in PROFILES if name in chosen], faces, split)
    yield from _members(manifest, [name for name in manifest.members if name in chosen], faces, split)
    for profile in PROFILES:
        if profile in chosen:
            yield from measure_steadiness(manifest, profile, faces, split)
    chosen_references = [name for name in folders if name in chosen]
    yield from _references(models_dir, references, chosen_references, faces, split, asked=bool(names))


def write_report(
    models_dir: Path,
    model: str,
    kind: ModelKind,
    dataset: str,
    split: str,
    protocol: str,
    weights_sha256: Mapping[str, str],
    counted: Counted,
    version: str = "",
) -> Path:
    """Write what was counted, with its origin, to ``models_dir/reports``."""
    report = EvaluationReport(
        model=model,
        dataset=dataset,
        split=split,
        protocol=protocol,
        weights_sha256=weights_sha256,
        classes=counted.classes,
        kind=kind,
        ages=counted.ages,
        age_pairs=counted.age_pairs,
        subgroups=counted.subgroups,
        version=version,
        commit=code_commit(),
        date=datetime.datetime.now(datetime.UTC).date().isoformat(),
    )
    path = models_dir / "reports" / f"{model}-{dataset}-{split}-{protocol}.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(report.to_json())
    return path


def _profiles(
    manifest: Manifest, names: Sequence[ProfileName], faces: Mapping[str, Faces], split: str
) -> Iterator[Path]:
    on_test = split == "test"
    for profile in names:
        entry = manifest.profiles[profile]
        files = profile_files(manifest, profile)
        analyzer = FaceAnalyzer(manifest, profile)
        for dataset, of in faces.items():
            outputs = [output for output in _outputs(of) if output in entry.traits]
            counted = _count_crops(
                analyzer.ensemble.predict(of.crops, outputs), of, entry.traits.get("age"), 2 * on_test
            )
            yield write_report(manifest.models_dir, profile, "profile", dataset, split, "crops", files, counted)
            if on_test:
                counted = count(_answers_to_photos(analyzer, of), of)
                yield write_report(manifest.models_dir, profile, "profile", dataset, split, "photos", files, counted)


def _outputs(faces: Faces) -> list[str]:
    """What has to be asked for the labels of some faces."""
    return list(dict.fromkeys(output_of(label) for label in faces.labels))


def _members(manifest: Manifest, names: Sequence[str], faces: Mapping[str, Faces], split: str) -> Iterator[Path]:
    """Each member alone, uncalibrated, with test-time augmentation if its profile uses it."""
    done: set[str] = set()
    for profile in manifest.profiles.values():
        members = {member for trait in profile.traits.values() for member in trait.weights} & set(names) - done
        done |= members
        if not members:
            continue
        ensemble = Ensemble(manifest, profile)
        for dataset, of in faces.items():
            wanted = _outputs(of)
            able = {member for member in members if set(manifest.members[member].outputs) & set(wanted)}
            for member, answers in ensemble.member_answers(of.crops, able).items():
                known = {name: values for name, values in answers.items() if name in wanted}
                files = {f"{member}/network.tflite": manifest.members[member].sha256}
                counted = _count_crops(known, of, profile.traits["age"], int(split == "test"))
                yield write_report(manifest.models_dir, member, "member", dataset, split, "crops", files, counted)


def _references(
    models_dir: Path,
    references: Path,
    names: Sequence[str],
    faces: Mapping[str, Faces],
    split: str,
    asked: bool = False,
) -> Iterator[Path]:
    """Those whose exported file lies here; unless asked for, the others keep the reports that were made before."""
    for name in names:
        folder = models_dir / "references" / name
        export = read_record(folder)["export"]
        file = next((references / name).glob("*"), None)
        if file is None:
            if asked:
                raise UnknownModelError(f"the exported file of {name} is not in {references / name}; train it first")
            continue
        check_file(file, export["sha256"])
        (output,) = export["outputs"]
        predict = _reference(name, file, export)
        for dataset, of in faces.items():
            if output in of.labels:
                crops = of.crops[export["crop"]]
                answers = np.concatenate([predict(crops[i : i + _BATCH]) for i in range(0, len(crops), _BATCH)])
                counted = _count_crops({output: answers}, of, None, int(split == "test"))
                files = {file.name: export["sha256"]}
                yield write_report(models_dir, name, "reference", dataset, split, "crops", files, counted)


def _reference(name: str, file: Path, export: Mapping[str, Any]) -> Callable[[NDArray[np.uint8]], NDArray[np.floating]]:
    """From (N, S, S, 3) crops to (N, C) probabilities of the one output that a reference has."""
    if name == SMILE_SVC:
        from facetraits.training.smile import load_smile, predict_smile

        return partial(predict_smile, load_smile(file))
    (output,) = export["outputs"]
    member = Member(MemberEntry(name, file, export["sha256"], export["crop"], (output,), "", ()))
    return lambda crops: member.predict(crops)[output]


def _count_crops(
    probabilities: Mapping[str, NDArray[np.float32]], faces: Faces, age: TraitEntry | None, axes_at_once: int
) -> Counted:
    """Counts where every face was answered; the last argument as of ``count``."""
    years = intervals = None
    if "age" in probabilities:
        assert age is not None and age.interval_mass is not None
        years = median_years(probabilities["age"])
        intervals = central_interval(probabilities["age"], age.interval_mass)
    seen = np.ones(len(faces.duplicated), dtype=bool)
    return count(Answers(seen, probabilities, years, intervals), faces, axes_at_once)


def _answers_to_photos(analyzer: FaceAnalyzer, faces: Faces) -> Answers:
    """The whole pipeline on every picture; of several faces the one nearest to the middle counts."""
    found: list[Any] = []
    for picture in tqdm(faces.pictures, desc=f"{analyzer.profile}: whole pictures", unit=" pictures"):
        distances = [(distance_from_middle(f.detection, picture), f) for f in analyzer.analyze(picture).faces]
        found.append(min(distances, key=itemgetter(0), default=(0.0, None))[1])
    traits = [face.traits for face in found if face is not None]
    probabilities: dict[str, NDArray[np.floating]] = {
        output: np.array([getattr(t, output).probabilities for t in traits])
        for output in ("gender", "ethnicity", "expression")
        if output in _outputs(faces)
    }
    years = intervals = None
    if "age" in faces.labels:
        probabilities["age_group"] = np.array([t.age.groups.probabilities for t in traits])
        years, intervals = np.array([t.age.years for t in traits]), np.array([t.age.interval for t in traits])
    return Answers(np.array([face is not None for face in found]), probabilities, years, intervals)
