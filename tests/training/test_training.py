"""Networks, augmentation, one short training, export: on drawn data."""

import csv
import dataclasses
import json
import shutil

import keras
import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from facetraits.alignment import CROPS
from facetraits.augmentation import augment
from facetraits.registry import sha256_of
from facetraits.training import release
from facetraits.training import train as training
from facetraits.training.errors import TrainingError
from facetraits.training.export import ParityError, differences, export
from facetraits.training.faces import Faces
from facetraits.training.networks import build_network
from facetraits.training.recipes import DATASET_OF_HEAD, HEAD_CLASSES, RECIPES, REFERENCES, in_order
from facetraits.training.release import fit_trait
from facetraits.training.samples import Samples, age_targets
from facetraits.training.served_weights import load_served_weights
from facetraits.training.teachers import taught


@pytest.fixture
def crops():
    return np.random.default_rng(3).integers(0, 256, (16, 112, 112, 3), dtype=np.uint8)


def test_augmentation_varies_but_keeps_the_input(crops):
    before = crops.copy()
    once = augment(crops, np.random.default_rng(1))
    assert once.shape == crops.shape and once.dtype == np.uint8
    assert np.array_equal(crops, before)
    assert not np.array_equal(once, crops)
    assert np.array_equal(once, augment(crops, np.random.default_rng(1)))


def test_augmentation_of_strength_zero_only_mirrors(crops):
    smooth = np.repeat(np.repeat(crops[:, :14, :14], 8, axis=1), 8, axis=2)
    for before, after in zip(smooth, augment(smooth, np.random.default_rng(1), strength=0.0), strict=True):
        off = min(np.abs(after.astype(int) - b).mean() for b in (before.astype(int), before[:, ::-1].astype(int)))
        assert off < 1


def test_noise_and_compression_are_rare_until_they_are_asked_for(crops):
    flat = np.full((200, 64, 64, 3), 120, np.uint8)
    spoilt = augment(flat, np.random.default_rng(1), 1.0, ("noise", "jpeg"))
    grain = spoilt.std(axis=(1, 2, 3))
    assert 0.15 < (grain > 1).mean() < 0.35
    assert grain.max() < 20 and abs(spoilt.mean() - 120) < 1
    always = augment(flat, np.random.default_rng(1), 4.0, ("noise",))
    assert (always.std(axis=(1, 2, 3)) > 1).all()
    sharp = crops[:1].repeat(50, axis=0)
    compressed = augment(sharp, np.random.default_rng(1), 5.0, ("jpeg",))
    assert (np.abs(compressed.astype(int) - sharp).mean(axis=(1, 2, 3)) > 5).all()
    red = np.zeros((1, 64, 64, 3), np.uint8) + np.array([200, 30, 30], np.uint8)
    assert np.abs(augment(red, np.random.default_rng(1), 5.0, ("jpeg",)).astype(int) - red).max() < 8, "colours stay"


@pytest.mark.parametrize("name", RECIPES)
def test_recipes_build_with_preprocessing_inside(name):
    recipe = RECIPES[name]
    model = training.build(recipe)
    side = CROPS[recipe.crop].side_px
    crops = np.random.default_rng(3).integers(0, 256, (16, side, side, 3), dtype=np.uint8)
    answers = model.predict(crops[:2], verbose=0)
    assert set(answers) == set(recipe.heads)
    for head, values in answers.items():
        assert values.shape == (2, HEAD_CLASSES[head])
        assert np.allclose(values.sum(axis=1), 1, atol=1e-4)
    if recipe.grey:
        grey = np.round(crops[:2] @ [0.299, 0.587, 0.114]).astype(np.uint8)[..., None].repeat(3, axis=3)
        assert np.allclose(model.predict(grey, verbose=0)["expression"], answers["expression"], atol=2e-2)


def test_what_a_network_starts_from_is_trained_before_it():
    assert in_order(["expression-lite0-96", "smile-svc"]) == ["traits-lite0-112", "expression-lite0-96", "smile-svc"]
    long = "expression-lite0-96-long"
    assert in_order([long]) == ["traits-lite0-112", "expression-lite0-96", "expression-lite0-80", long]
    assert in_order([long], served=["expression-lite0-96", "expression-lite0-80"]) == [long]
    assert in_order([long, "expression-lite0-80"], served=RECIPES) == [long, "expression-lite0-80"], "what is named"
    assert in_order(RECIPES) == in_order(in_order(RECIPES)) and set(in_order(RECIPES)) == set(RECIPES)
    assert RECIPES["expression-lite0-96"].learned_from == ("utkface", "fer2013")


def test_every_head_has_a_data_set():
    assert set(DATASET_OF_HEAD) == set(HEAD_CLASSES)


def test_without_batch_normalisation_there_is_a_network_to_start_from():
    assert all(recipe.start for recipe in RECIPES.values() if not recipe.batch_norm)


def test_age_targets_are_centred_on_the_label():
    targets = age_targets(np.array([2, 40, 110]))
    assert targets.argmax(axis=1).tolist() == [2, 40, 100]
    assert np.allclose(targets.sum(axis=1), 1, atol=1e-5)
    assert targets[0].max() > targets[1].max()


def drawn_samples(recipe, split, data, network):
    """Gender is the brightness of the crop: learnable in a few steps."""
    rng = np.random.default_rng(0 if split == "train" else 1)
    labels = rng.integers(0, 2, 128)
    crops = np.clip(rng.normal(60 + 130 * labels[:, None, None, None], 20, (128, 112, 112, 3)), 0, 255)
    return Samples(
        crops.astype(np.uint8), {"gender": np.eye(2, dtype=np.float32)[labels]}, {"gender": np.ones(128, np.float32)}
    )


@pytest.fixture
def short(monkeypatch):
    monkeypatch.setattr(training, "load_samples", drawn_samples)
    monkeypatch.setattr(training, "data_version", lambda data, datasets: {"drawn": "0"})
    recipe = REFERENCES["gender-upload-predictor"]
    return dataclasses.replace(recipe, name="short", network="basic-cnn", epochs=2, batch_size=32)


def batches(short, augmentation):
    recipe = dataclasses.replace(short, augmentation=augmentation)
    return training.Batches(drawn_samples(recipe, "train", None, None), recipe)


def pictures(of):
    return {crop.tobytes() for i in range(len(of)) for crop in of[i][0]}


def test_without_augmentation_the_pictures_stay_as_they_are(short):
    plain = batches(short, "none")
    assert len(plain) == 4
    first = pictures(plain)
    assert first == {crop.tobytes() for crop in drawn_samples(None, "train", None, None).crops}
    plain.on_epoch_end()
    assert pictures(plain) == first


def test_tenfold_augmentation_enlarges_the_set_once(short):
    tenfold = batches(short, "tenfold")
    assert len(tenfold) == 40
    first = pictures(tenfold)
    assert len(first) == 1280, "each of the 128 pictures and nine different variations of it"
    assert first >= pictures(batches(short, "none"))
    tenfold.on_epoch_end()
    assert pictures(tenfold) == first, "the same variations in every epoch"


def test_online_augmentation_differs_in_every_epoch(short):
    online = batches(short, "online")
    first = pictures(online)
    online.on_epoch_end()
    assert pictures(online).isdisjoint(first)


def test_mixed_pictures_have_mixed_targets_and_no_weight_where_one_is_unknown(short):
    recipe = dataclasses.replace(short, augmentation="none", mixup=1.0)
    samples = drawn_samples(recipe, "train", None, None)
    weights = (np.arange(128) % 4 > 0).astype(np.float32)
    mixed = training.Batches(Samples(samples.crops, samples.targets, {"gender": weights}), recipe)
    crops, targets, answered = (np.concatenate(parts) for parts in zip(*map(as_gender, mixed), strict=True))
    assert np.allclose(targets.sum(axis=1), 1, atol=1e-6)
    assert ((targets > 0.05) & (targets < 0.95)).any(), "some are far from either class"
    assert np.abs(crops.mean(axis=(1, 2, 3)) - (60 + 130 * targets[:, 1])).max() < 8, "as bright as their targets say"
    assert set(answered) == {0.0, 1.0} and 0.45 < answered.mean() < 0.68, "three quarters squared"


def as_gender(batch):
    crops, targets, weights = batch
    return crops, targets["gender"], weights["gender"]


def one_after_another(short, monkeypatch, build, **changes):
    """A recipe, and one that starts where it ends and learns nothing."""
    first = dataclasses.replace(short, epochs=1)
    second = dataclasses.replace(first, name="second", start="short", learning_rate=0.0, **changes)
    monkeypatch.setitem(RECIPES, "short", first)
    monkeypatch.setattr(training, "build", build)
    monkeypatch.setattr(training, "REFERENCE_CNNS", {})
    return first, second


def test_a_network_starts_where_another_ended(short, tmp_path, monkeypatch):
    build = lambda recipe: build_network(112, 32, {"gender": 2}, grey=True, stochastic_depth=0.2)  # noqa: E731
    first, second = one_after_another(short, monkeypatch, build)
    with pytest.raises(TrainingError, match="train it first"):
        training.train(second, tmp_path, tmp_path, runs=tmp_path)
    assert not (tmp_path / "second" / "record.json").exists()
    monkeypatch.setattr(training, "load_imagenet_weights", lambda model: None)
    before, after = (
        keras.models.load_model(training.train(recipe, tmp_path, tmp_path, runs=tmp_path) / "best.keras", compile=False)
        for recipe in (first, second)
    )
    kernel = "block3_depthwise"
    assert np.array_equal(before.get_layer(kernel).get_weights()[0], after.get_layer(kernel).get_weights()[0])
    assert second.learned_from == ("utkface",)


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


def test_without_batch_normalisation_a_network_answers_as_it_is_served_and_learns(crops, tmp_path):
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


def test_a_network_without_batch_normalisation_starts_from_a_run_that_is_not_served(short, tmp_path, monkeypatch):
    build = lambda recipe: build_network(112, 32, {"gender": 2}, batch_norm=recipe.batch_norm)  # noqa: E731
    first, second = one_after_another(short, monkeypatch, build, batch_norm=False, keep="last")
    monkeypatch.setattr(training, "load_imagenet_weights", lambda model: None)
    for recipe in (first, second):
        training.train(recipe, tmp_path, tmp_path, runs=tmp_path)
    crops = training.load_samples(first, "validation", tmp_path, tmp_path).crops
    before, after = (
        training.finished_network(recipe, tmp_path).predict(crops, verbose=0)["gender"] for recipe in (first, second)
    )
    assert np.abs(before - after).max() < 1e-4


def test_a_taught_target_is_half_label_half_answer(crops, monkeypatch):
    teacher = build_network(112, 32, {"gender": 2}, name="teacher")
    short = dataclasses.replace(RECIPES["traits-lite0-112"], name="teacher", heads=("gender",))
    monkeypatch.setitem(RECIPES, "teacher", short)
    labels = np.eye(2, dtype=np.float32)[np.arange(16) % 2]
    samples = Samples(crops, {"gender": labels}, {"gender": np.ones(16, np.float32)})
    answers = [teacher.predict(faces, verbose=0)["gender"] for faces in (crops, crops[:, :, ::-1])]
    learned = taught(samples, {"teacher": lambda faces: teacher.predict(faces, verbose=0)}, {short.crop: crops})
    assert np.allclose(learned.targets["gender"], 0.5 * labels + 0.25 * (answers[0] + answers[1]), atol=1e-5)
    assert np.array_equal(samples.targets["gender"], labels)


def test_a_teacher_answers_from_its_run_until_it_is_served(short, tmp_path, monkeypatch):
    build = lambda recipe: build_network(112, 32, {"gender": 2})  # noqa: E731
    first, second = one_after_another(short, monkeypatch, build, teachers=("short",))
    monkeypatch.setattr(training, "load_imagenet_weights", lambda model: None)
    with pytest.raises(TrainingError, match="the teacher short is neither served nor trained"):
        training.train(second, tmp_path, tmp_path, runs=tmp_path)
    training.train(first, tmp_path, tmp_path, runs=tmp_path)
    seen = []
    monkeypatch.setattr(training, "taught", lambda samples, *others: seen.append(others[0]) or taught(samples, *others))

    def teachers_of_second(runs):
        record = training.train(second, tmp_path, tmp_path / "models", runs=runs) / "record.json"
        return json.loads(record.read_text())["teachers"]

    assert teachers_of_second(tmp_path) == {"short": sha256_of(tmp_path / "short" / first.weights_file)}
    faces = drawn_samples(first, "train", None, None).crops[:8]
    served = tmp_path / "models" / "short" / "network.tflite"
    export(training.finished_network(first, tmp_path), faces, served, "float32")
    shutil.copytree(tmp_path / "short", tmp_path / "again" / "short")
    assert teachers_of_second(tmp_path / "again") == {"short": sha256_of(served)}
    from_run, from_file = (teachers["short"](faces)["gender"] for teachers in seen)
    assert np.abs(from_run - from_file).max() < 1e-4


def test_stochastic_depth_leaves_the_answers_alone(crops):
    deep, plain = (build_network(112, 32, {"gender": 2}, stochastic_depth=share) for share in (0.5, 0.0))
    plain.set_weights(deep.get_weights())
    assert np.array_equal(deep.predict(crops, verbose=0)["gender"], plain.predict(crops, verbose=0)["gender"])
    one, other = (np.asarray(deep(crops, training=True)["gender"]) for _ in range(2))
    assert not np.array_equal(one, other)


def history(run):
    with (run / "history.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_training_writes_a_row_an_epoch_the_best_network_and_a_record(short, tmp_path):
    run = training.train(short, tmp_path, tmp_path, runs=tmp_path)
    rows = history(run)
    assert [row["epoch"] for row in rows] == ["0", "1"]
    assert {"loss", "val_loss", "learning_rate", "seconds"} <= set(rows[0])
    record = json.loads((run / "record.json").read_text())
    assert record["epochs_run"] == 2 and record["recipe"]["seed"] == short.seed
    assert record["samples"] == {"train": 128, "validation": 128}
    assert record["data"] == {"drawn": "0"}
    for file in ("best.keras", "last.keras"):
        answers = keras.models.load_model(run / file, compile=False).predict(
            np.zeros((1, 112, 112, 3), np.uint8), verbose=0
        )
        assert answers["gender"].shape == (1, 2)


def test_a_finished_run_is_left_alone_and_one_of_another_recipe_refused(short, tmp_path):
    run = training.train(short, tmp_path, tmp_path, runs=tmp_path)
    before = {file.name: file.read_bytes() for file in run.iterdir() if file.is_file()}
    assert training.train(short, tmp_path, tmp_path, runs=tmp_path) == run
    assert {file.name: file.read_bytes() for file in run.iterdir() if file.is_file()} == before
    with pytest.raises(training.UnlikeRunError, match="another recipe"):
        training.train(dataclasses.replace(short, epochs=3), tmp_path, tmp_path, runs=tmp_path)


def test_a_killed_run_goes_on_where_it_stopped(short, tmp_path, monkeypatch):
    class Killed(Exception):
        pass

    class KillInSecondEpoch(training.EpochFacts):
        def on_epoch_begin(self, epoch, logs=None):
            super().on_epoch_begin(epoch, logs)
            if epoch == 1:
                raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(training, "EpochFacts", KillInSecondEpoch)
        with pytest.raises(Killed):
            training.train(short, tmp_path, tmp_path, runs=tmp_path)
    assert [row["epoch"] for row in history(tmp_path / "short")] == ["0"]
    run = training.train(short, tmp_path, tmp_path, runs=tmp_path)
    assert [row["epoch"] for row in history(run)] == ["0", "1"]


def test_export_answers_like_the_network(crops, tmp_path):
    model = build_network(112, 56, {"gender": 2, "age": 101}, name="tiny")
    assert export(model, crops, tmp_path / "n.tflite") < 5e-3
    other = build_network(112, 56, {"gender": 2, "age": 101}, name="other")
    other.get_layer("gender").set_weights(
        [w + 1 * (np.arange(2) == 0) for w in other.get_layer("gender").get_weights()]
    )
    assert differences(other, crops, tmp_path / "n.tflite").max() > 5e-3
    with pytest.raises(ParityError, match="answers"):
        differences(build_network(112, 56, {"gender": 2}, name="less"), crops, tmp_path / "n.tflite")


def test_a_served_network_is_rounded_to_integers_once(crops, tmp_path, monkeypatch):
    name = "traits-wide-lite0-128"
    recipe = dataclasses.replace(RECIPES[name], heads=("gender",), input_px=32, crop="face-v1")
    faces = Faces([], {recipe.crop: crops}, {}, np.zeros(16, bool))
    monkeypatch.setattr(release, "load_samples", lambda *_: Samples(crops, {}, {}))
    served = tmp_path / name / "network.tflite"
    network = training.build(recipe)
    network.set_weights([weights + 0.1 * (weights.ndim == 1) for weights in network.get_weights()])
    export(network, crops, served)
    (served.parent / "record.json").write_text(json.dumps({"recipe": {}, "export": {"weights": "float16"}}))
    places = release._Places(tmp_path, tmp_path, tmp_path / "runs")

    entry = release._export(recipe, {"utkface": faces}, places)

    assert entry["in_integers"]
    record = json.loads((served.parent / "record.json").read_text())
    assert record["export"]["weights"] == "int8"
    assert record["export"]["calibration_crops"] == 16
    assert differences(network, crops, served).max() < 0.05
    types = {tensor["name"]: tensor["dtype"] for tensor in Interpreter(str(served)).get_tensor_details()}
    assert {kind for text, kind in types.items() if "/scale_1/" in text} == {np.float32}, "the picture is not rounded"
    assert np.int8 in {kind for text, kind in types.items() if "/block3_expand" in text}
    before = served.read_bytes()
    assert release._export(recipe, {"utkface": faces}, places) == entry
    assert served.read_bytes() == before


def test_weights_and_temperature_are_found():
    rng = np.random.default_rng(5)
    truth = rng.integers(0, 5, 3000)
    good = np.eye(5)[truth] * 2.0 + rng.normal(0, 1, (3000, 5))
    noise = rng.normal(0, 1, (3000, 5))

    def softmax(x):
        e = np.exp(x - x.max(axis=1, keepdims=True))
        return (e / e.sum(axis=1, keepdims=True)).astype(np.float32)

    known = np.ones(3000, dtype=bool)
    faces = Faces([], {}, {"ethnicity": (truth, known)}, ~known)
    both = fit_trait("ethnicity", {"good": softmax(2 * good), "noise": softmax(noise)}, faces)
    assert both["weights"]["good"] > 0.8
    assert sum(both["weights"].values()) == pytest.approx(1)
    # Unit noise around means 2 apart makes 2 * x the true log-odds; 3 * x is one and a half times too sure.
    assert fit_trait("ethnicity", {"sure": softmax(3 * good)}, faces)["temperature"] == pytest.approx(1.5, abs=0.1)
    # As they are, the sharper of two looks better; after calibration the one that knows more is.
    pair = fit_trait("ethnicity", {"unsure": softmax(good / 2), "sure": softmax(1.5 * (good + noise))}, faces)
    assert pair["weights"]["unsure"] > 0.8 and pair["temperature"] < 0.5


def test_the_age_interval_covers_what_it_promises():
    rng = np.random.default_rng(5)
    truth = rng.integers(20, 70, 4000)
    centre = truth + rng.normal(0, 5, 4000)
    rows = np.exp(-0.5 * ((np.arange(101) - centre[:, None]) / 3) ** 2)
    rows = (rows / rows.sum(axis=1, keepdims=True)).astype(np.float32)
    faces = Faces([], {}, {"age": (truth, np.ones(4000, dtype=bool))}, np.zeros(4000, dtype=bool))
    entry = fit_trait("age", {"only": rows}, faces)
    from facetraits.age import central_interval
    from facetraits.ensemble import apply_temperature

    ends = central_interval(apply_temperature(rows, entry["temperature"]), entry["interval_mass"])
    assert np.mean((ends[:, 0] <= truth) & (truth <= ends[:, 1])) == pytest.approx(0.8, abs=0.02)
