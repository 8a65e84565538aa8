"""Networks, augmentation, one short training, export: on drawn data."""

import csv
import dataclasses
import json
import shutil
from dataclasses import replace

import cv2
import keras
import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from facetraits.errors import TrainingError
from facetraits.faces.alignment import CROPS
from facetraits.faces.augmentation import VARIATIONS, augment, face_oval
from facetraits.registry import sha256_of
from facetraits.training import build as building
from facetraits.training import release
from facetraits.training import train as training
from facetraits.training.batches import Batches, times_shown, with_views
from facetraits.training.data.covers import cover
from facetraits.training.data.faces import Faces
from facetraits.training.data.samples import Samples, age_targets
from facetraits.training.fitting import Judged, fit_trait
from facetraits.training.networks.architectures import build_network
from facetraits.training.networks.export import ParityError, differences, export
from facetraits.training.networks.served_weights import load_served_weights
from facetraits.training.recipes import DATASET_OF_HEAD, HEAD_CLASSES, RECIPES, with_ancestors
from facetraits.training.reference_recipes import REFERENCES
from facetraits.training.teachers import pseudo_labelled, taught


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
    assert 0.1 < (grain > 1).mean() < 0.23
    assert grain.max() < 20 and abs(spoilt.mean() - 120) < 1
    # Always, but for the third of the crops whose quality is kept.
    always = augment(flat, np.random.default_rng(1), 4.0, ("noise",))
    assert (always.std(axis=(1, 2, 3)) > 1).mean() == pytest.approx(0.65, abs=0.1)
    sharp = crops[:1].repeat(200, axis=0)
    compressed = augment(sharp, np.random.default_rng(1), 5.0, ("jpeg",))
    assert (np.abs(compressed.astype(int) - sharp).mean(axis=(1, 2, 3)) > 5).mean() == pytest.approx(0.65, abs=0.1)
    red = np.zeros((1, 64, 64, 3), np.uint8) + np.array([200, 30, 30], np.uint8)
    assert np.abs(augment(red, np.random.default_rng(1), 5.0, ("jpeg",)).astype(int) - red).max() < 8, "colours stay"


def test_crops_of_any_side_vary_alike(crops):
    large = np.repeat(np.repeat(crops[:, :8, :8], 16, axis=1), 16, axis=2)
    small = cv2.resize(large.transpose(1, 2, 0, 3).reshape(128, 128, -1), (64, 64), interpolation=cv2.INTER_AREA)
    small = small.reshape(64, 64, len(crops), 3).transpose(2, 0, 1, 3)
    kinds = tuple(kind for kind in VARIATIONS if kind not in ("noise", "jpeg"))
    first, second = (augment(some, np.random.default_rng(1), 1.0, kinds) for some in (large, small))
    reduced = first.reshape(len(crops), 64, 2, 64, 2, 3).mean(axis=(2, 4))
    assert np.abs(reduced - second).mean() < 12


def test_surroundings_change_and_the_face_stays():
    spec = CROPS["face-wide-v1"]
    crops = np.full((300, 128, 128, 3), 90, np.uint8)
    crops[::2] = 160
    varied = augment(crops, np.random.default_rng(2), 1.0, ("surroundings",), spec).astype(int)
    middle = spec.landmarks_px().mean(axis=0).astype(int)
    assert np.abs(varied[:, middle[1], middle[0]] - crops[:, 0, 0]).max() <= 2
    assert 0.2 < (np.abs(varied[:, 2, 2] - crops[:, 0, 0]).max(axis=1) > 5).mean() < 0.45
    assert np.array_equal(augment(crops, np.random.default_rng(2), 1.0, ("surroundings",)), crops)


def test_the_oval_holds_the_landmarks_and_leaves_the_corners():
    for spec in CROPS.values():
        mask = face_oval(spec.side_px, spec)
        x, y = np.round(spec.landmarks_px()).astype(int).T
        assert (mask[y, x] == 1).all()
        if spec.margin > 0.9:
            assert mask[0, 0] == mask[-1, 0] == mask[0, -1] == 0


def test_something_in_front_of_a_face_hides_a_good_part_of_it():
    spec = CROPS["face-v1"]
    face = np.full((112, 112, 3), 140, np.uint8)
    rng = np.random.default_rng(4)
    hidden = 0
    for _ in range(200):
        covered, mouth = cover(face, rng, spec)
        changed = np.abs(covered.astype(int) - face).max(axis=2) > 8
        assert covered.shape == face.shape and covered.dtype == np.uint8
        hidden += mouth
        share = changed[face_oval(112, spec) > 0].mean()
        assert share < 0.95
    assert 120 < hidden < 180, "three in four hide the mouth"
    assert (face == 140).all(), "the input is not changed"


def test_views_are_learned_from_covered_and_turned_faces():
    spec = CROPS["face-v1"]
    crops = np.random.default_rng(3).integers(0, 256, (1000, 112, 112, 3), dtype=np.uint8)
    weights = {head: np.ones(1000, np.float32) for head in ("gender", "expression")}
    targets = {head: np.ones((1000, 2), np.float32) for head in weights}
    seen, told, weighed = with_views(crops, targets, weights, np.random.default_rng(1), spec)
    view = told["view"].argmax(axis=1)
    clear, covered, turned = (view == i for i in range(3))
    assert clear.mean() == pytest.approx(0.85, abs=0.04) and turned.mean() == pytest.approx(0.03, abs=0.015)
    assert np.array_equal(seen[clear], crops[clear]) and np.array_equal(seen[turned], crops[turned][:, ::-1, ::-1])
    assert (seen[covered] != crops[covered]).any(axis=(1, 2, 3)).all()
    assert (weighed["gender"][clear] == 1).all() and (weighed["gender"][covered] == 0.5).all()
    assert (weighed["gender"][turned] == 0).all() and (weighed["view"] == 1).all()
    assert set(weighed["expression"][covered].tolist()) == {0.0, 0.5}


def test_pictures_are_shown_as_often_as_a_recipe_says():
    groups = np.array(["utkface 5"] * 90 + ["utkface 1"] * 10 + ["raf-db happy"] * 50)
    ones = np.ones(150, np.float32)
    samples = Samples(np.zeros((150, 2, 2, 3), np.uint8), {"age": np.zeros((150, 1))}, {"age": ones}, groups)
    recipe = replace(RECIPES["face-wide-112"], shares=(("utkface", 2.0), ("raf-db", 0.5)), evenness=0.5)
    often = times_shown(samples, recipe)
    assert often[:100].sum() == pytest.approx(200) and often[100:] == pytest.approx(np.full(50, 0.5))
    assert often[90] / often[0] == pytest.approx(3), "nine times as rare, shown three times as often"
    batches = Batches(samples, replace(recipe, heads=("age",), batch_size=8, augmentation="none"))
    assert len(batches) == int(0.99 * 225) // 8
    rows = batches._order
    assert abs(len(rows) - 225) < 20 and np.bincount(rows, minlength=150)[:90].min() >= 1


def test_classes_that_nobody_was_asked_for_cost_nothing():
    answer = np.array([[0.2, 0.3, 0.5]], np.float32)
    loss = building.asked_crossentropy(np.array([[1.0, 0.0, -1.0]], np.float32), answer)
    assert float(np.asarray(loss)[0]) == pytest.approx(-np.log(0.2 / 0.5), abs=1e-5)
    whole = building.asked_crossentropy(np.array([[1.0, 0.0, 0.0]], np.float32), answer)
    assert float(np.asarray(whole)[0]) == pytest.approx(-np.log(0.2), abs=1e-5)


@pytest.mark.parametrize("name", RECIPES)
def test_recipes_build_with_preprocessing_inside(name):
    recipe = RECIPES[name]
    model = building.build(recipe)
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
    assert with_ancestors(["expression-lite0-96", "smile-svc"]) == [
        "traits-lite0-112",
        "expression-lite0-96",
        "smile-svc",
    ]
    long = "expression-lite0-96-long"
    assert with_ancestors([long]) == ["traits-lite0-112", "expression-lite0-96", "expression-lite0-80", long]
    assert with_ancestors([long], served=["expression-lite0-96", "expression-lite0-80"]) == [long]
    assert with_ancestors([long, "expression-lite0-80"], served=RECIPES) == [long, "expression-lite0-80"], (
        "what is named"
    )
    assert with_ancestors(RECIPES) == with_ancestors(with_ancestors(RECIPES)) and set(with_ancestors(RECIPES)) == set(
        RECIPES
    )
    assert RECIPES["expression-lite0-96"].learned_from == ("utkface", "fer2013")


def test_every_head_has_a_data_set():
    assert set(DATASET_OF_HEAD) | {"view"} == set(HEAD_CLASSES)


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
        crops.astype(np.uint8),
        {"gender": np.eye(2, dtype=np.float32)[labels]},
        {"gender": np.ones(128, np.float32)},
        np.full(128, "utkface 1"),
    )


@pytest.fixture
def short(monkeypatch):
    monkeypatch.setattr(training, "load_samples", drawn_samples)
    monkeypatch.setattr(training, "data_version", lambda data, datasets: {"drawn": "0"})
    recipe = REFERENCES["gender-upload-predictor"]
    return dataclasses.replace(recipe, name="short", network="basic-cnn", epochs=2, batch_size=32)


def batches(short, augmentation):
    recipe = dataclasses.replace(short, augmentation=augmentation)
    return Batches(drawn_samples(recipe, "train", None, None), recipe)


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
    mixed = Batches(replace(samples, weights={"gender": weights}), recipe)
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
    for module in (training, building):
        monkeypatch.setattr(module, "build", build)
    monkeypatch.setattr(training, "REFERENCE_CNNS", {})
    return first, second


def test_a_network_starts_where_another_ended(short, tmp_path, monkeypatch):
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
    monkeypatch.setattr(building, "load_imagenet_weights", lambda model: None)
    for recipe in (first, second):
        training.train(recipe, tmp_path, tmp_path, runs=tmp_path)
    crops = training.load_samples(first, "validation", tmp_path, tmp_path).crops
    before, after = (
        building.finished_network(recipe, tmp_path).predict(crops, verbose=0)["gender"] for recipe in (first, second)
    )
    assert np.abs(before - after).max() < 1e-4


def test_a_taught_target_is_half_label_half_answer(crops, monkeypatch):
    teacher = build_network(112, 32, {"gender": 2}, name="teacher")
    short = dataclasses.replace(RECIPES["traits-lite0-112"], name="teacher", heads=("gender",))
    monkeypatch.setitem(RECIPES, "teacher", short)
    labels = np.eye(2, dtype=np.float32)[np.arange(16) % 2]
    samples = Samples(crops, {"gender": labels}, {"gender": np.ones(16, np.float32)}, np.full(16, "utkface 1"))
    answers = [teacher.predict(faces, verbose=0)["gender"] for faces in (crops, crops[:, :, ::-1])]
    learned = taught(samples, {"teacher": lambda faces: teacher.predict(faces, verbose=0)}, lambda *asked: crops)
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


def test_a_teacher_answers_from_its_run_until_it_is_served(short, tmp_path, monkeypatch):
    build = lambda recipe: build_network(112, 32, {"gender": 2})  # noqa: E731
    first, second = one_after_another(short, monkeypatch, build, teachers=("short",))
    monkeypatch.setattr(building, "load_imagenet_weights", lambda model: None)
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
    export(building.finished_network(first, tmp_path), faces, served, "float32")
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


def test_an_export_that_differs_leaves_what_is_served(crops, tmp_path, monkeypatch):
    out = tmp_path / "network.tflite"
    out.write_bytes(b"served")
    monkeypatch.setattr("facetraits.training.networks.export.differences", lambda *_: np.array([np.nan]))
    with pytest.raises(ParityError, match="differs from the trained network"):
        export(build_network(112, 32, {"gender": 2}), crops, out)
    assert [path.name for path in tmp_path.iterdir()] == ["network.tflite"]
    assert out.read_bytes() == b"served"


def test_a_served_network_is_rounded_to_integers_once(crops, tmp_path, monkeypatch):
    name = "traits-wide-lite0-160"
    recipe = dataclasses.replace(RECIPES[name], heads=("gender",), input_px=32, crop="face-v1")
    faces = Faces([], {recipe.crop: crops}, {}, np.zeros(16, bool))
    monkeypatch.setattr(release, "load_samples", lambda *_: Samples(crops, {}, {}, np.empty(0, np.str_)))
    served = tmp_path / name / "network.tflite"
    network = building.build(recipe)
    network.set_weights([weights + 0.1 * (weights.ndim == 1) for weights in network.get_weights()])
    export(network, crops, served)
    (served.parent / "record.json").write_text(json.dumps({"recipe": {}, "export": {"weights": "float16"}}))
    places = release._Places(tmp_path, tmp_path, tmp_path / "runs", tmp_path / "staging")
    places.detector.parent.mkdir()
    places.detector.write_bytes(b"detector")
    before = served.read_bytes()

    entry = release._export(recipe, name, {"utkface": faces}, places)

    assert entry.in_integers
    assert served.read_bytes() == before, "what is served stays until all is ready"
    release._put_in_place(release._unfitted([entry], places), places)
    record = json.loads((served.parent / "record.json").read_text())
    assert record["export"]["weights"] == "int8"
    assert record["export"]["calibration_crops"] == 16
    assert differences(network, crops, served).max() < 0.05
    types = {tensor["name"]: tensor["dtype"] for tensor in Interpreter(str(served)).get_tensor_details()}
    assert {kind for text, kind in types.items() if "/scale_1/" in text} == {np.float32}, "the picture is not rounded"
    assert np.int8 in {kind for text, kind in types.items() if "/block3_expand" in text}
    before = served.read_bytes()
    assert release._export(recipe, name, {"utkface": faces}, places) == dataclasses.replace(entry, path=served)
    assert served.read_bytes() == before


def test_weights_and_temperature_are_found():
    rng = np.random.default_rng(5)
    truth = rng.integers(0, 5, 3000)
    good = np.eye(5)[truth] * 2.0 + rng.normal(0, 1, (3000, 5))
    noise = rng.normal(0, 1, (3000, 5))

    def softmax(x):
        e = np.exp(x - x.max(axis=1, keepdims=True))
        return (e / e.sum(axis=1, keepdims=True)).astype(np.float32)

    asked = np.ones(5, dtype=bool)

    def fit(**by_member):
        return fit_trait("ethnicity", [Judged(by_member, truth, asked)])

    both = fit(good=softmax(2 * good), noise=softmax(noise))
    assert both.weights["good"] > 0.8
    assert sum(both.weights.values()) == pytest.approx(1)
    # Unit noise around means 2 apart makes 2 * x the true log-odds; 3 * x is one and a half times too sure.
    assert fit(sure=softmax(3 * good)).temperature == pytest.approx(1.5, abs=0.1)
    # As they are, the sharper of two looks better; after calibration the one that knows more is.
    pair = fit(unsure=softmax(good / 2), sure=softmax(1.5 * (good + noise)))
    assert pair.weights["unsure"] > 0.8 and pair.temperature < 0.5


def test_members_that_bear_other_qualities_get_more_weight():
    rng = np.random.default_rng(5)
    truth = rng.integers(0, 5, 2000)
    identity, asked = np.eye(5, dtype=np.float32), np.ones(5, dtype=bool)
    blurred = 0.9 * identity[truth] + 0.02, 0.9 * identity[rng.integers(0, 5, 2000)] + 0.02
    clear = Judged({"steady": 0.8 * identity[truth] + 0.04, "sharp": blurred[0]}, truth, asked)
    varied = Judged({"steady": 0.8 * identity[truth] + 0.04, "sharp": blurred[1]}, truth, asked)
    assert fit_trait("ethnicity", [clear]).weights["sharp"] > 0.9
    assert fit_trait("ethnicity", [clear], [varied]).weights["steady"] > 0.9


def test_an_age_is_unsure_where_wide_intervals_are_far_off():
    rng = np.random.default_rng(5)
    truth = rng.integers(20, 70, 4000)
    spread = np.where(np.arange(4000) < 200, 14.0, 3.0)
    centre = truth + rng.normal(0, spread)
    rows = np.exp(-0.5 * ((np.arange(101) - centre[:, None]) / spread[:, None]) ** 2)
    rows = (rows / rows.sum(axis=1, keepdims=True)).astype(np.float32)
    entry = fit_trait("age", [Judged({"only": rows}, truth, np.ones(101, dtype=bool))])
    assert 8 <= entry.unsure_wider_than <= 30, "between those of 3 and those of 14 years"


def test_each_data_set_counts_alike_and_only_for_what_it_asked():
    rng = np.random.default_rng(5)
    identity = np.eye(5, dtype=np.float32)

    def part(faces, good, bad, asked):
        truth = rng.integers(0, 3, faces)
        right, wrong = (0.9 * identity[(truth + off) % 3] + 0.02 for off in (0, 1))
        return Judged({good: right, bad: wrong}, truth, asked)

    everything, three = np.ones(5, dtype=bool), np.arange(5) < 3
    # By number of faces "a" would win: each of two sets counts as much as the other, so both get a share.
    weights = fit_trait("ethnicity", [part(3000, "a", "b", everything), part(300, "b", "a", three)]).weights
    assert weights["a"] == pytest.approx(0.5, abs=0.15)
    asked = Judged({"a": np.full((1, 5), 0.2, np.float32)}, np.array([0]), three).mixed({"a": 1.0}, 1.0)
    assert asked[0].tolist() == pytest.approx([1 / 3, 1 / 3, 1 / 3, 0, 0])


def test_the_age_interval_covers_what_it_promises():
    rng = np.random.default_rng(5)
    truth = rng.integers(20, 70, 4000)
    centre = truth + rng.normal(0, 5, 4000)
    rows = np.exp(-0.5 * ((np.arange(101) - centre[:, None]) / 3) ** 2)
    rows = (rows / rows.sum(axis=1, keepdims=True)).astype(np.float32)
    entry = fit_trait("age", [Judged({"only": rows}, truth, np.ones(101, dtype=bool))])
    from facetraits.age import central_interval
    from facetraits.ensemble import apply_temperature

    assert entry.unsure_wider_than is None, "all intervals are equally wide"
    ends = central_interval(apply_temperature(rows, entry.temperature), entry.interval_mass)
    assert np.mean((ends[:, 0] <= truth) & (truth <= ends[:, 1])) == pytest.approx(0.8, abs=0.02)
