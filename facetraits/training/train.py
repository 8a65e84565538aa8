"""Train one network: `python -m facetraits train NAME`. Reads top to bottom; a killed run goes on where it stopped."""

from __future__ import annotations

import csv
import json
import platform
import sys
import time
from collections.abc import Collection, Mapping
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import cv2
import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray
from tqdm import tqdm

from facetraits.ensemble import Member
from facetraits.errors import TrainingError
from facetraits.faces.alignment import CROPS
from facetraits.registry import MemberEntry, sha256_of
from facetraits.training.batches import Batches, load_samples, samples_of, validation_data
from facetraits.training.build import build, compiled, finished_network, fit_heads, set_first_weights
from facetraits.training.data.samples import (
    data_version,
)
from facetraits.training.networks.references import REFERENCE_CNNS
from facetraits.training.networks.served_weights import served_file
from facetraits.training.provenance import code_commit
from facetraits.training.recipe import FACE_NETWORK, Recipe, same_recipe
from facetraits.training.recipes import RECIPES, learned_from
from facetraits.training.teachers import Answers, distilled, pseudo_labelled

RUNS: Final = Path("build/runs")


class EpochFacts(keras.callbacks.Callback):
    """Adds seconds and the learning rate to the history row."""

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Start the clock."""
        self._started = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Fill the row in."""
        assert logs is not None
        logs["learning_rate"] = float(ops.convert_to_numpy(self.model.optimizer.learning_rate))
        logs["seconds"] = round(time.perf_counter() - self._started, 1)


class Progress(keras.callbacks.Callback):
    """One bar for all epochs: steps done, time left, the last validation loss."""

    def __init__(self, name: str, epochs: int, epochs_done: int, steps_per_epoch: int) -> None:
        super().__init__()
        every = 0.1 if sys.stderr.isatty() else 60.0  # a log wants a line a minute
        self._bar = tqdm(
            total=epochs * steps_per_epoch,
            initial=epochs_done * steps_per_epoch,
            desc=name,
            unit=" steps",
            mininterval=every,
            maxinterval=every,
        )

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Move the bar."""
        self._bar.update()

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Show how good it is now."""
        self._bar.set_postfix_str(f"epoch {epoch + 1}, validation loss {(logs or {})['val_loss']:.4f}")

    def on_train_end(self, logs: Mapping[str, Any] | None = None) -> None:
        """Leave the bar where it is: an early stop shows."""
        self._bar.close()


class UnlikeRunError(TrainingError):
    """There is a finished run of the same name and another recipe."""


def train(recipe: Recipe, data: Path, models_dir: Path, runs: Path = RUNS) -> Path:
    """Train a recipe's network to the end, or from where an earlier run stopped.

    Args:
        data: folder of the data sets.
        models_dir: holds the detector, and the served networks that a recipe may start or learn from.
        runs: receives the folder of the run.

    Writes ``history.csv`` (a row per epoch), ``best.keras`` (lowest validation loss), ``last.keras`` and
    ``record.json`` below ``runs/<name>``.

    Returns:
        That folder; of a run that is finished nothing is changed.

    Raises:
        UnlikeRunError: the folder holds a finished run of another recipe.
        TrainingError: a network that this one starts or learns from is not there.
    """
    run = runs / recipe.name
    if _finished(run, recipe):
        return run
    run.mkdir(parents=True, exist_ok=True)
    history = run / "history.csv"
    rows = _history(history)
    # Recorded now, because files may change during hours of training.
    origin = {"data": data_version(data, learned_from(recipe)), "commit": code_commit(), "environment": _environment()}
    cv2.setNumThreads(1)  # threads are slower for single crops
    keras.utils.set_random_seed(recipe.seed)
    detector_network = models_dir / "centerface" / "network.onnx"
    training = load_samples(recipe, "train", data, detector_network)
    validation = load_samples(recipe, "validation", data, detector_network)
    if asked := (*recipe.teachers, *dict.fromkeys(name for _, name in recipe.pseudo_labels)):
        files = {name: _teacher_file(RECIPES[name], runs, models_dir) for name in asked}
        origin["teachers"] = {name: sha256_of(file) for name, file in files.items()}
        networks = {name: _answers(RECIPES[name], file) for name, file in files.items()}

        def faces_of(crop: str, datasets: Collection[str]) -> NDArray[np.uint8]:
            if crop == recipe.crop:
                return training.crops[np.isin(training.datasets, list(datasets))]
            held = [name for name in recipe.datasets if name in datasets]
            return samples_of(held, "train", data, detector_network, CROPS[crop]).crops

        training = distilled(training, {name: networks[name] for name in recipe.teachers}, faces_of)
        training = pseudo_labelled(training, recipe.pseudo_labels, networks, faces_of)
    batches = Batches(training, recipe, first_epoch=len(rows))

    keras.config.set_dtype_policy(recipe.precision)
    model = build(recipe)
    keras.config.set_dtype_policy("float32")  # the layers have it now; whatever is built next should not
    if recipe.network not in REFERENCE_CNNS:
        set_first_weights(model, recipe, runs, models_dir, data, training.crops)
    if recipe.start == FACE_NETWORK and not rows:
        fit_heads(model, batches, recipe)
    compiled(model, recipe, len(batches))
    best_loss = min((float(row["val_loss"]) for row in rows), default=None)
    model.fit(
        batches,
        epochs=recipe.epochs,
        validation_data=validation_data(validation, recipe),
        validation_batch_size=256,
        verbose=0,
        callbacks=[
            Progress(recipe.name, recipe.epochs, len(rows), len(batches)),
            EpochFacts(),
            keras.callbacks.ModelCheckpoint(
                str(run / "best.keras"), monitor="val_loss", save_best_only=True, initial_value_threshold=best_loss
            ),
            keras.callbacks.CSVLogger(str(history), append=True),  # after the weights: no row without them
            *([] if recipe.patience is None else [keras.callbacks.EarlyStopping("val_loss", patience=recipe.patience)]),
            keras.callbacks.BackupAndRestore(str(run / "backup")),
        ],
    )
    model.save(run / "last.keras")
    _write_record(run, recipe, {"train": len(training), "validation": len(validation)}, origin)
    return run


def _teacher_file(recipe: Recipe, runs: Path, models_dir: Path) -> Path:
    """Path of a teacher's weights: its served file, else its run."""
    served, run = served_file(recipe.name, models_dir), runs / recipe.name
    if served.exists():
        return served
    if (run / "record.json").exists():
        return run / recipe.weights_file
    raise TrainingError(f"the teacher {recipe.name} is neither served nor trained: train it first")


def _answers(recipe: Recipe, file: Path) -> Answers:
    if file.suffix == ".tflite":
        entry = MemberEntry(recipe.name, file, sha256_of(file), recipe.crop, recipe.heads, "", ())
        return Member(entry, threads=1).predict
    network = finished_network(recipe, file.parent.parent)
    return lambda crops: network.predict(crops, verbose=0)


def _history(path: Path) -> list[dict[str, str]]:
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def _finished(run: Path, recipe: Recipe) -> bool:
    file = run / "record.json"
    if not file.exists():
        return False
    if not same_recipe(json.loads(file.read_text())["recipe"], recipe):
        raise UnlikeRunError(f"{run} holds a run of another recipe; delete that folder to train {recipe.name} anew")
    return True


def _environment() -> dict[str, Any]:
    backend = keras.backend.backend()
    return {
        "python": platform.python_version(),
        "machine": platform.machine(),
        "keras": keras.__version__,
        "backend": f"{backend} {import_module(backend).__version__}",
        "devices": [str(device) for device in keras.distribution.list_devices()] if backend != "torch" else [],
        "numpy": np.__version__,
        "opencv": cv2.__version__,
    }


def _write_record(run: Path, recipe: Recipe, samples: Mapping[str, int], origin: Mapping[str, Any]) -> None:
    rows = _history(run / "history.csv")
    record = {
        "recipe": asdict(recipe),
        "samples": samples,
        "epochs_run": len(rows),
        "best_epoch": 1 + min(range(len(rows)), key=lambda i: float(rows[i]["val_loss"])),
        "training_seconds": round(sum(float(row["seconds"]) for row in rows)),
        **origin,
    }
    (run / "record.json").write_text(json.dumps(record, indent=2) + "\n")
