"""Train one network: `python -m facetraits train NAME`. Reads top to bottom; a killed run goes on where it stopped."""

from __future__ import annotations

import csv
import json
import platform
import sys
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import asdict, replace
from functools import reduce
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import cv2
import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray
from tqdm import tqdm

from facetraits.ensemble import Member
from facetraits.errors import TrainingError
from facetraits.faces.alignment import CROPS, CropSpec
from facetraits.faces.augmentation import augment
from facetraits.registry import MemberEntry, sha256_of
from facetraits.training.data.covers import cover
from facetraits.training.data.samples import (
    Samples,
    all_age_faces_samples,
    data_version,
    fer2013_samples,
    load_all_age_faces,
    load_fer2013,
    load_raf_db,
    load_utkface,
    raf_db_samples,
    utkface_samples,
)
from facetraits.training.networks.architectures import (
    AGE_BINS,
    build_face_network,
    build_network,
    build_reference_network,
    build_transfer_network,
    load_imagenet_weights,
)
from facetraits.training.networks.export import export
from facetraits.training.networks.face_weights import load_face_weights
from facetraits.training.networks.references import REFERENCE_CNNS
from facetraits.training.networks.served_weights import load_served_weights, served_file
from facetraits.training.provenance import code_commit
from facetraits.training.recipes import FACE_NETWORK, HEAD_CLASSES, RECIPES, Recipe, same_recipe
from facetraits.training.teachers import Answers, pseudo_labelled, taught
from facetraits.types import VIEW, VIEWS

_ByHead = dict[str, NDArray[np.float32]]
RUNS: Final = Path("build/runs")
_TENFOLD: Final = 10  # age-gender-mood enlarged its training pictures to that many times their number
_MIXUP_BETA: Final = 0.4  # both parameters of the distribution of shares: mostly near 0 or 1
_HEAD_BATCHES, _HEAD_EPOCHS, _HEAD_LEARNING_RATE = 120, 25, 2e-3
_COVERED: Final = 0.12  # share of the faces that training covers
_UPSIDE_DOWN: Final = 0.03
_AGE_ERROR_WEIGHT: Final = 0.05  # loss per year of absolute error, beside the cross-entropy


def _years(probabilities: Any) -> Any:
    return ops.sum(probabilities * ops.arange(AGE_BINS, dtype="float32"), axis=-1)


@keras.saving.register_keras_serializable("facetraits")
def age_error(y_true: Any, y_pred: Any) -> Any:
    """(N,) absolute error in years between the means of two age distributions."""
    return ops.abs(_years(y_true) - _years(y_pred))


@keras.saving.register_keras_serializable("facetraits")
def age_loss(y_true: Any, y_pred: Any) -> Any:
    """(N,) cross-entropy of age distributions plus a share of the absolute error."""
    return keras.losses.categorical_crossentropy(y_true, y_pred) + _AGE_ERROR_WEIGHT * age_error(y_true, y_pred)


@keras.saving.register_keras_serializable("facetraits")
def asked_crossentropy(y_true: Any, y_pred: Any) -> Any:
    """(N,) cross-entropy over the classes that were asked for: targets below 0 mark those that were not."""
    asked = ops.cast(y_true >= 0, y_pred.dtype)
    chances = y_pred * asked
    chances = chances / ops.maximum(ops.sum(chances, axis=-1, keepdims=True), 1e-7)
    return -ops.sum(ops.maximum(y_true, 0) * ops.log(ops.maximum(chances, 1e-7)), axis=-1)


class Batches(keras.utils.PyDataset):
    """Shuffled, augmented batches; the order and the variations follow from the seed and the epoch."""

    def __init__(self, samples: Samples, recipe: Recipe, first_epoch: int = 0) -> None:
        super().__init__(workers=1, max_queue_size=8)
        self._samples, self._recipe, self._epoch = samples, recipe, first_epoch
        self._spec = CROPS[recipe.crop]
        self._copies = _TENFOLD if recipe.augmentation == "tenfold" else 1
        self._often = times_shown(samples, recipe)
        self._order = self._shuffled()

    def _shuffled(self) -> NDArray[np.int64]:
        rng = np.random.default_rng((self._recipe.seed, self._epoch))
        if self._often is None:
            return rng.permutation(len(self._samples) * self._copies)
        whole = np.floor(self._often)
        times = whole + (rng.random(len(whole)) < self._often - whole)
        return rng.permutation(np.repeat(np.arange(len(whole)), times.astype(np.int64)))

    def __len__(self) -> int:
        # The same for every epoch, although chance decides over single pictures.
        shown = len(self._samples) * self._copies if self._often is None else int(0.99 * self._often.sum())
        return shown // self._recipe.batch_size

    def __getitem__(self, index: int) -> tuple[Any, Any, Any]:
        recipe = self._recipe
        chosen = self._order[index * recipe.batch_size : (index + 1) * recipe.batch_size]
        rows = chosen % len(self._samples)
        crops = self._samples.crops[rows]
        rng = np.random.default_rng((recipe.seed, self._epoch, index))
        targets = {head: values[rows] for head, values in self._samples.targets.items()}
        weights = {head: values[rows] for head, values in self._samples.weights.items()}
        if VIEW in recipe.heads:
            crops, targets, weights = with_views(crops, targets, weights, rng, self._spec)
        if recipe.augmentation == "online":
            crops = augment(crops, rng, recipe.strength, recipe.variations, self._spec)
        elif recipe.augmentation == "tenfold":  # made when needed, the same every time: 150,000 crops are 5.6 GB
            for i in np.nonzero(chosen >= len(self._samples))[0]:
                own = np.random.default_rng((recipe.seed, int(chosen[i])))
                crops[i] = augment(crops[i : i + 1], own, variations=recipe.variations)[0]
        if rng.random() < recipe.mixup:
            return _mixed(crops, targets, weights, rng)
        return crops, targets, weights

    def on_epoch_end(self) -> None:
        """Shuffle anew."""
        self._epoch += 1
        self._order = self._shuffled()


def times_shown(samples: Samples, recipe: Recipe) -> NDArray[np.float64] | None:
    """(N,) how often an epoch shows each sample in the mean; None where each is shown once."""
    if not recipe.shares:
        return None
    often = np.zeros(len(samples))
    datasets = samples.datasets
    for name, share in recipe.shares:
        rows = np.nonzero(datasets == name)[0]
        _, group, counts = np.unique(samples.groups[rows], return_inverse=True, return_counts=True)
        rarity = counts[group] ** -recipe.evenness
        often[rows] = share * len(rows) * rarity / rarity.sum()
    return often


def with_views(
    crops: NDArray[np.uint8], targets: _ByHead, weights: _ByHead, rng: np.random.Generator, spec: CropSpec
) -> tuple[NDArray[np.uint8], _ByHead, _ByHead]:
    """Some of the faces covered, some upside down, with a target for the head "view".

    What is covered answers for less, and not for its expression where the mouth is hidden; what is upside down answers
    for nothing else.
    """
    crops = crops.copy()
    views = np.zeros(len(crops), dtype=np.int64)
    scale = np.ones(len(crops), dtype=np.float32)
    silent = np.ones(len(crops), dtype=np.float32)
    for i, chance in enumerate(rng.random(len(crops))):
        if chance < _COVERED:
            crops[i], hidden = cover(crops[i], rng, spec)
            views[i], scale[i], silent[i] = 1, 0.5, 0.0 if hidden else 1.0
        elif chance < _COVERED + _UPSIDE_DOWN:
            crops[i] = crops[i, ::-1, ::-1]
            views[i], scale[i] = 2, 0.0
    identity: NDArray[np.float32] = np.eye(len(VIEWS), dtype=np.float32)
    scaled = {
        head: values * scale * (silent if head.startswith("expression") else 1) for head, values in weights.items()
    }
    return (
        crops,
        {**targets, VIEW: identity[views]},
        {**scaled, VIEW: np.ones(len(crops), dtype=np.float32)},
    )


def _mixed(
    crops: NDArray[np.uint8], targets: _ByHead, weights: _ByHead, rng: np.random.Generator
) -> tuple[NDArray[np.uint8], _ByHead, _ByHead]:
    """Every sample blended with another of its batch; a head that either of them does not answer gets no weight."""
    partner = rng.permutation(len(crops))
    share = rng.beta(_MIXUP_BETA, _MIXUP_BETA, size=len(crops)).astype(np.float32)

    def blend(values: NDArray[Any]) -> NDArray[np.float32]:
        own = share.reshape(-1, *(1,) * (values.ndim - 1))
        blended: NDArray[np.float32] = own * values + (1 - own) * values[partner]
        return blended

    return (
        np.round(blend(crops)).astype(np.uint8),
        {head: blend(values) for head, values in targets.items()},
        {head: values * values[partner] for head, values in weights.items()},
    )


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


def build(recipe: Recipe) -> keras.Model:
    """The network of a recipe with random weights."""
    crop_px = CROPS[recipe.crop].side_px
    name = recipe.name.replace("-", "_")
    heads = {head: HEAD_CLASSES[head] for head in recipe.heads}
    if recipe.network in REFERENCE_CNNS:
        (head,) = recipe.heads
        return build_reference_network(
            crop_px, REFERENCE_CNNS[recipe.network](recipe.input_px, heads[head]), head, name
        )
    if recipe.network == "lite0-transfer":
        (head,) = recipe.heads
        return build_transfer_network(crop_px, recipe.input_px, head, heads[head], recipe.trained_from, name)
    if recipe.network == "face":
        return build_face_network(
            crop_px,
            recipe.input_px,
            heads,
            recipe.dropout,
            name,
            recipe.trained_from,
            recipe.train_depthwise,
            recipe.batch_norm,
        )
    return build_network(
        crop_px,
        recipe.input_px,
        heads,
        recipe.grey,
        recipe.dropout,
        recipe.stochastic_depth,
        name,
        recipe.trained_from,
        recipe.train_depthwise,
        recipe.batch_norm,
    )


def finished_network(recipe: Recipe, runs: Path) -> keras.Model:
    """The trained network of a recipe, with the weights that count, in float32 whatever it was trained in.

    Raises:
        TrainingError: there is no finished run of it.
    """
    run = runs / recipe.name
    if not (run / "record.json").exists():
        raise TrainingError(f"the network {recipe.name} is needed and has not been trained yet: train it first")
    model = build(recipe)
    model.set_weights(keras.models.load_model(run / recipe.weights_file, compile=False).get_weights())
    return model


def served_network(recipe: Recipe, file: Path) -> keras.Model:
    """A network as its served file has it, in floating point: batch normalisation is folded into the convolutions.

    Raises:
        TrainingError: the file is not there, or is not one of this recipe.
    """
    model = build(replace(recipe, batch_norm=False))
    load_served_weights(model, file, np.empty((0, *model.input_shape[1:]), np.uint8))
    return model


def _set_first_weights(
    model: keras.Model, recipe: Recipe, runs: Path, models_dir: Path, data: Path, crops: NDArray[np.uint8]
) -> None:
    """Those of ImageNet, or those of the network that the recipe starts from, from its run or else its served file."""
    if recipe.start == FACE_NETWORK:
        load_face_weights(model, data / FACE_NETWORK, crops)
        return
    if not recipe.start:
        load_imagenet_weights(model)
        return
    file = served_file(recipe.start, models_dir)
    trained_here = (runs / recipe.start / "record.json").exists()
    if file.exists() and not (trained_here and recipe.batch_norm):
        load_served_weights(model, file, crops)
        return
    if not recipe.batch_norm:  # the converter folds it
        network = finished_network(RECIPES[recipe.start], runs)
        with TemporaryDirectory() as folder:
            folded = Path(folder) / "network.tflite"
            size = (8, *network.input_shape[1:])
            export(network, np.random.default_rng(0).integers(0, 256, size, dtype=np.uint8), folded, "float32")
            load_served_weights(model, folded, crops)
        return
    names = {layer.name for layer in model.layers} - {"grey"}
    for layer in finished_network(RECIPES[recipe.start], runs).layers:
        if layer.name in names and layer.weights:
            model.get_layer(layer.name).set_weights(layer.get_weights())


def fit_heads(model: keras.Model, batches: Batches, recipe: Recipe) -> None:
    """Train the heads alone, on features that stay as they are.

    Heads that know nothing would send large errors through all layers and undo what those had learned: after an epoch
    from there, networks were worse than these heads on the first features (Kumar et al. 2022 say why).
    """
    heads = recipe.heads
    features = keras.Model(model.input, model.get_layer("pool").output)
    inputs = keras.Input(features.output_shape[1:], name="features")
    alone = keras.Model(inputs, {head: model.get_layer(head)(inputs) for head in heads})
    shown = [batches[i] for i in range(min(len(batches), _HEAD_BATCHES))]
    seen = np.concatenate([features.predict(crops, verbose=0) for crops, _, _ in shown])
    targets, weights = (
        {head: np.concatenate([batch[part][head] for batch in shown]) for head in heads} for part in (1, 2)
    )
    _compile(alone, keras.optimizers.Adam(_HEAD_LEARNING_RATE), recipe)
    alone.fit(seen, targets, sample_weight=weights, batch_size=recipe.batch_size, epochs=_HEAD_EPOCHS, verbose=0)


def compiled(model: keras.Model, recipe: Recipe, steps_per_epoch: int) -> keras.Model:
    """The model with its losses, metrics and optimiser: Adam, or AdamW under a cosine schedule with warm-up."""
    _compile(model, _optimizer(recipe, steps_per_epoch), recipe)
    return model


def _compile(model: keras.Model, optimizer: keras.optimizers.Optimizer, recipe: Recipe) -> None:
    classes = asked_crossentropy if recipe.shares else recipe.loss
    model.compile(
        optimizer,
        {head: age_loss if head == "age" else classes for head in recipe.heads},
        loss_weights={head: dict(recipe.loss_weights).get(head, 1.0) for head in recipe.heads},
        weighted_metrics={head: [age_error] if head == "age" else ["categorical_accuracy"] for head in recipe.heads},
        jit_compile=_jit_compile(),
    )


def _jit_compile() -> bool | str:
    # XLA made a step on two cores ten times slower (14 against 153 pictures a second); on a GPU it pays.
    if keras.backend.backend() == "tensorflow" and "gpu" not in str(keras.distribution.list_devices()).lower():
        return False
    return "auto"


def _optimizer(recipe: Recipe, steps_per_epoch: int) -> keras.optimizers.Optimizer:
    if recipe.optimizer == "adam":
        return keras.optimizers.Adam(recipe.learning_rate)
    total = steps_per_epoch * recipe.epochs
    schedule = keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=recipe.learning_rate / 20,
        warmup_target=recipe.learning_rate,
        warmup_steps=min(recipe.warmup_steps, total // 4),
        decay_steps=total,
        alpha=0.002,
    )
    optimizer = keras.optimizers.AdamW(schedule, weight_decay=recipe.weight_decay, clipnorm=5.0)
    optimizer.exclude_from_weight_decay(var_names=["beta", "gamma", "bias", "factor"])
    return optimizer


def load_samples(recipe: Recipe, split: str, data: Path, network: Path) -> Samples:
    """Crops and targets of one split for all data sets that the recipe needs, without the head "view"."""
    samples = _samples_of(recipe.datasets, split, data, network, CROPS[recipe.crop])
    heads = [head for head in recipe.heads if head != VIEW]
    return replace(
        samples,
        targets={head: samples.targets[head] for head in heads},
        weights={head: samples.weights[head] for head in heads},
    )


def _samples_of(datasets: Iterable[str], split: str, data: Path, network: Path, spec: CropSpec) -> Samples:
    load: Mapping[str, Callable[[], Samples]] = {
        "utkface": lambda: utkface_samples(load_utkface(data, network), split, spec),
        "all-age-faces": lambda: all_age_faces_samples(load_all_age_faces(data, network), split, spec),
        "fer2013": lambda: fer2013_samples(*load_fer2013(data, network), split, spec),
        "raf-db": lambda: raf_db_samples(load_raf_db(data, network), split, spec),
    }
    return reduce(Samples.joined, [load[name]() for name in datasets])


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
    # As they are now, not after hours of training.
    origin = {"data": data_version(data, recipe.learned_from), "commit": code_commit(), "environment": _environment()}
    cv2.setNumThreads(1)  # threads for single crops cost more than they give
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
            return _samples_of(held, "train", data, detector_network, CROPS[crop]).crops

        training = taught(training, {name: networks[name] for name in recipe.teachers}, faces_of)
        training = pseudo_labelled(training, recipe.pseudo_labels, networks, faces_of)
    batches = Batches(training, recipe, first_epoch=len(rows))

    keras.config.set_dtype_policy(recipe.precision)
    model = build(recipe)
    keras.config.set_dtype_policy("float32")  # the layers have it now; whatever is built next should not
    if recipe.network not in REFERENCE_CNNS:
        _set_first_weights(model, recipe, runs, models_dir, data, training.crops)
    if recipe.start == FACE_NETWORK and not rows:
        fit_heads(model, batches, recipe)
    compiled(model, recipe, len(batches))
    best_loss = min((float(row["val_loss"]) for row in rows), default=None)
    model.fit(
        batches,
        epochs=recipe.epochs,
        validation_data=_held_back(validation, recipe),
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


def _held_back(samples: Samples, recipe: Recipe) -> tuple[NDArray[np.uint8], _ByHead, _ByHead]:
    """What validation asks: with the head "view", some of the faces covered or upside down, the same every epoch."""
    crops, targets, weights = samples.crops, dict(samples.targets), dict(samples.weights)
    if VIEW not in recipe.heads:
        return crops, targets, weights
    return with_views(crops, targets, weights, np.random.default_rng(recipe.seed), CROPS[recipe.crop])


def _teacher_file(recipe: Recipe, runs: Path, models_dir: Path) -> Path:
    """Where a teacher's weights are: in what is served, else in its run."""
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
