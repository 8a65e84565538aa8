"""Networks that start from others, and learn from what others answer."""

import dataclasses
import json
import shutil

import keras
import numpy as np
import pytest

from facetraits.errors import TrainingError
from facetraits.registry import sha256_of
from facetraits.training import build as building
from facetraits.training import train as training
from facetraits.training.data.samples import Samples
from facetraits.training.networks.architectures import build_network
from facetraits.training.networks.export import export
from facetraits.training.networks.served_weights import load_served_weights
from facetraits.training.recipes import RECIPES, learned_from
from facetraits.training.teachers import distilled, pseudo_labelled
from tests.training.drawn import drawn_samples, one_after_another


def test_a_network_starts_where_another_ended(short, four_blocks, tmp_path, monkeypatch):
    build = lambda recipe: build_network(112, 32, {"gender": 2}, grey=True, stochastic_depth=0.2)  # noqa: E731
    first, second = one_after_another(short, monkeypatch, build)
    with pytest.raises(TrainingError, match="train it first"):
        training.train(second, tmp_path, tmp_path, runs=tmp_path)
    assert not (tmp_path / "second" / "record.json").exists()
    monkeypatch.setattr(building, "load_imagenet_weights", lambda model: None)
    before, after = (
        keras.models.load_model(training.train(recipe, tmp_path, tmp_path, runs=tmp_path) / "best.keras", compile=False)
        for recipe in (first, second)
    )
    kernel = "block3_depthwise"
    assert np.array_equal(before.get_layer(kernel).get_weights()[0], after.get_layer(kernel).get_weights()[0])
    assert learned_from(second) == ("utkface",)


def fill_batch_norm(network):
    """A network fresh from its random weights has nothing to fold that could get lost."""
    rng = np.random.default_rng(2)
    for layer in network.layers:
        if layer.name.endswith("_bn"):
            layer.set_weights([rng.uniform(0.5, 2, w.shape) for w in layer.get_weights()])


def test_a_network_starts_from_its_served_file(crops, tmp_path):
    served = build_network(112, 64, {"gender": 2, "ethnicity": 5}, grey=True)
    fill_batch_norm(served)
    export(served, crops, tmp_path / "n.tflite", "float32")
    again = build_network(112, 64, {"gender": 2, "age": 101}, grey=True, stochastic_depth=0.2)
    load_served_weights(again, tmp_path / "n.tflite", crops)
    before, after = (network.predict(crops, verbose=0)["gender"] for network in (served, again))
    assert np.abs(before - after).max() < 1e-4
    seen = keras.Model(again.input, again.get_layer("block3_expand").output).predict(crops, verbose=0)
    _, _, mean, variance = again.get_layer("block3_expand_bn").get_weights()
    assert np.allclose(mean, seen.mean(axis=(0, 1, 2)), atol=1e-4)
    assert np.allclose(variance, seen.var(axis=(0, 1, 2)), rtol=1e-3, atol=1e-5)
    with pytest.raises(TrainingError, match="another shape"):
        load_served_weights(build_network(112, 64, {"gender": 3}), tmp_path / "n.tflite", crops)


def test_frozen_layers_do_not_learn():
    frozen = build_network(112, 32, {"gender": 2}, trained_from="block2_expand", train_depthwise=False)
    learning = {layer.name for layer in frozen.layers if layer.trainable_weights}
    assert not learning & {
        "stem",
        "stem_bn",
        "block1_project",
        "block1_project_bn",
        "block2_depthwise",
        "block9_depthwise",
    }
    assert {"block2_expand", "block2_depthwise_bn", "top", "gender"} <= learning


def test_without_batch_normalisation_a_network_answers_as_it_is_served_and_learns(crops, four_blocks, tmp_path):
    served = build_network(112, 64, {"gender": 2}, grey=True)
    fill_batch_norm(served)
    export(served, crops, tmp_path / "n.tflite", "float32")
    again = build_network(112, 64, {"gender": 2}, grey=True, train_depthwise=False, batch_norm=False)
    load_served_weights(again, tmp_path / "n.tflite", crops)
    before, after = (network.predict(crops, verbose=0)["gender"] for network in (served, again))
    assert np.abs(before - after).max() < 1e-4
    kernel = again.get_layer("block3_expand").get_weights()[0]
    assert np.allclose(kernel.std(axis=(0, 1, 2)), 1 / np.sqrt(40), rtol=0.5), "of the size of fresh kernels"
    learning = {weight.path for weight in again.trainable_weights}
    assert {"block3_expand/factor", "block3_depthwise/bias"} <= learning and "block3_depthwise/kernel" not in learning
    export(again, crops, tmp_path / "again.tflite", "float32")
    again.get_layer("stem").factor.assign(np.linspace(1, 2, 32))
    again.save(tmp_path / "again.keras")
    kept = keras.models.load_model(tmp_path / "again.keras", compile=False)
    assert np.array_equal(kept.get_layer("stem").get_weights()[2], again.get_layer("stem").get_weights()[2])
    with pytest.raises(TrainingError, match="train and release it first"):
        load_served_weights(again, tmp_path / "none" / "network.tflite", crops)


def test_a_network_without_batch_normalisation_starts_from_a_run_that_is_not_served(
    short, four_blocks, tmp_path, monkeypatch
):
    build = lambda recipe: build_network(112, 32, {"gender": 2}, batch_norm=recipe.batch_norm)  # noqa: E731
    first, second = one_after_another(short, monkeypatch, build, batch_norm=False, keep="last")
    monkeypatch.setattr(building, "load_imagenet_weights", fill_batch_norm)
    for recipe in (first, second):
        training.train(recipe, tmp_path, tmp_path, runs=tmp_path)
    crops = training.load_samples(first, "validation", tmp_path, tmp_path).crops
    before, after = (
        building.finished_network(recipe, tmp_path).predict(crops, verbose=0)["gender"] for recipe in (first, second)
    )
    assert np.abs(before - after).max() < 1e-4
    assert np.abs(before - 0.5).max() > 0.01, "not what any network with small random weights answers"


def test_a_taught_target_is_half_label_half_answer(crops, four_blocks, monkeypatch):
    teacher = build_network(112, 32, {"gender": 2}, name="teacher")
    short = dataclasses.replace(RECIPES["traits-lite0-112"], name="teacher", heads=("gender",))
    monkeypatch.setitem(RECIPES, "teacher", short)
    labels = np.eye(2, dtype=np.float32)[np.arange(16) % 2]
    samples = Samples(crops, {"gender": labels}, {"gender": np.ones(16, np.float32)}, np.full(16, "utkface 1"))
    answers = [teacher.predict(faces, verbose=0)["gender"] for faces in (crops, crops[:, :, ::-1])]
    learned = distilled(samples, {"teacher": lambda faces: teacher.predict(faces, verbose=0)}, lambda *asked: crops)
    assert np.allclose(learned.targets["gender"], 0.5 * labels + 0.25 * (answers[0] + answers[1]), atol=1e-5)
    assert np.array_equal(samples.targets["gender"], labels)


def test_what_a_set_does_not_label_is_learned_from_the_answers_of_others(crops, monkeypatch):
    wide = dataclasses.replace(RECIPES["traits-lite0-112"], name="wide", heads=("gender", "ethnicity"))
    tight = dataclasses.replace(wide, name="tight", heads=("gender",), crop="face-tight-v1")
    monkeypatch.setitem(RECIPES, "wide", wide)
    monkeypatch.setitem(RECIPES, "tight", tight)
    faces, labels = crops[:4], np.eye(2, dtype=np.float32)[[0, 1, 0, 1]]
    samples = Samples(
        faces,
        {"gender": labels, "ethnicity": np.zeros((4, 5), np.float32)},
        {"gender": np.array([1, 1, 0, 0], np.float32), "ethnicity": np.zeros(4, np.float32)},
        np.array(["all-age-faces 1", "all-age-faces 2", "raf-db happy", "raf-db sad"]),
    )
    asked = []

    def faces_of(crop, datasets):
        asked.append((crop, *datasets))
        return faces[np.isin(samples.datasets, list(datasets))]

    def answers(gender):
        each = {"gender": gender, "ethnicity": [0.2] * 5}
        return lambda batch: {head: np.tile(np.float32(values), (len(batch), 1)) for head, values in each.items()}

    pairs = (("raf-db", "wide"), ("raf-db", "tight"), ("all-age-faces", "wide"))
    networks = {"wide": answers([0.9, 0.1]), "tight": answers([0.5, 0.5])}
    learned = pseudo_labelled(samples, pairs, networks, faces_of)
    assert asked == [("face-v1", "raf-db"), ("face-tight-v1", "raf-db"), ("face-v1", "all-age-faces")]
    assert np.allclose(learned.targets["gender"], [[1, 0], [0, 1], [0.7, 0.3], [0.7, 0.3]])
    assert learned.weights["gender"].tolist() == [1, 1, 0.5, 0.5]
    assert np.allclose(learned.targets["ethnicity"], 0.2)
    assert learned.weights["ethnicity"].tolist() == [0.5] * 4


def test_a_teacher_answers_from_its_run_until_it_is_served(short, four_blocks, tmp_path, monkeypatch):
    build = lambda recipe: build_network(112, 32, {"gender": 2})  # noqa: E731
    first, second = one_after_another(short, monkeypatch, build, teachers=("short",))
    monkeypatch.setattr(building, "load_imagenet_weights", fill_batch_norm)
    with pytest.raises(TrainingError, match="the teacher short is neither served nor trained"):
        training.train(second, tmp_path, tmp_path, runs=tmp_path)
    training.train(first, tmp_path, tmp_path, runs=tmp_path)
    seen = []
    monkeypatch.setattr(
        training, "distilled", lambda samples, *others: seen.append(others[0]) or distilled(samples, *others)
    )

    def teachers_of_second(runs):
        record = training.train(second, tmp_path, tmp_path / "models", runs=runs) / "record.json"
        return json.loads(record.read_text())["teachers"]

    assert teachers_of_second(tmp_path) == {"short": sha256_of(tmp_path / "short" / first.weights_file)}
    faces = drawn_samples(first, "train", None, None).crops[:8]
    served = tmp_path / "models" / "short" / "network.tflite"
    export(building.finished_network(first, tmp_path), faces, served, "float32")
    shutil.copytree(tmp_path / "short", tmp_path / "again" / "short")
    assert teachers_of_second(tmp_path / "again") == {"short": sha256_of(served)}
    from_run, from_file = (teachers["short"](faces)["gender"] for teachers in seen)
    assert np.abs(from_run - from_file).max() < 1e-4
    assert np.abs(from_run - 0.5).max() > 0.01, "not what any network with small random weights answers"
