"""The model of a recipe: its network with the first weights, its losses and its optimiser."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from facetraits.errors import TrainingError
from facetraits.faces.alignment import CROPS
from facetraits.training.batches import Batches
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
from facetraits.training.recipe import FACE_NETWORK, HEAD_CLASSES, Recipe
from facetraits.training.recipes import RECIPES

_HEAD_BATCHES, _HEAD_EPOCHS, _HEAD_LEARNING_RATE = 120, 25, 2e-3
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
    """(N,) cross-entropy over the classes that the data set labels; targets below 0 mark the others."""
    asked = ops.cast(y_true >= 0, y_pred.dtype)
    chances = y_pred * asked
    chances = chances / ops.maximum(ops.sum(chances, axis=-1, keepdims=True), 1e-7)
    return -ops.sum(ops.maximum(y_true, 0) * ops.log(ops.maximum(chances, 1e-7)), axis=-1)


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
    """The trained network of a recipe with its kept weights, in float32.

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


def set_first_weights(
    model: keras.Model, recipe: Recipe, runs: Path, models_dir: Path, data: Path, crops: NDArray[np.uint8]
) -> None:
    """Load ImageNet weights, or those of the network that the recipe starts from (from its run or its served file)."""
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
    """Train only the heads, on frozen features.

    Untrained heads would send large errors through all layers and destroy pretrained features: after one epoch, such
    networks were worse than trained heads on the original features (Kumar et al. 2022 explain why).
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
