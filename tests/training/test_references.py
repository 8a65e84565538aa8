"""The reference systems' CNNs are the ones that their descriptions print."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from facetraits.training.networks.architectures import build_reference_network, build_transfer_network
from facetraits.training.networks.references import REFERENCE_CNNS
from facetraits.training.recipe import DATASET_OF_HEAD, HEAD_CLASSES, same_recipe
from facetraits.training.reference_recipes import REFERENCES, SMILE_SVC
from facetraits.training.train import build
from tests.builders import MODELS

# Layer, output shape without the batch, parameters: as printed by feature-interpretor.
AGE = """
Conv2D (198, 198, 32) 320
AveragePooling2D (99, 99, 32) 0
Conv2D (97, 97, 64) 18496
AveragePooling2D (48, 48, 64) 0
Conv2D (46, 46, 128) 73856
AveragePooling2D (23, 23, 128) 0
Conv2D (21, 21, 256) 295168
AveragePooling2D (10, 10, 256) 0
GlobalAveragePooling2D (256,) 0
Dense (132,) 33924
Dense (7,) 931
"""
GENDER = """
Conv2D (100, 100, 32) 320
Dropout (100, 100, 32) 0
Activation (100, 100, 32) 0
MaxPooling2D (50, 50, 32) 0
Conv2D (50, 50, 64) 18496
Dropout (50, 50, 64) 0
Activation (50, 50, 64) 0
MaxPooling2D (25, 25, 64) 0
Conv2D (25, 25, 128) 73856
Dropout (25, 25, 128) 0
Activation (25, 25, 128) 0
MaxPooling2D (12, 12, 128) 0
Conv2D (12, 12, 256) 295168
Dropout (12, 12, 256) 0
Activation (12, 12, 256) 0
MaxPooling2D (6, 6, 256) 0
Flatten (9216,) 0
Dense (128,) 1179776
Dropout (128,) 0
Dense (2,) 258
"""
EMOTION = """
Conv2D (48, 48, 32) 320
Dropout (48, 48, 32) 0
Activation (48, 48, 32) 0
MaxPooling2D (24, 24, 32) 0
Conv2D (24, 24, 64) 18496
Dropout (24, 24, 64) 0
Activation (24, 24, 64) 0
MaxPooling2D (12, 12, 64) 0
Conv2D (12, 12, 128) 73856
Dropout (12, 12, 128) 0
Activation (12, 12, 128) 0
MaxPooling2D (6, 6, 128) 0
Conv2D (6, 6, 256) 295168
Dropout (6, 6, 256) 0
Activation (6, 6, 256) 0
MaxPooling2D (3, 3, 256) 0
Flatten (2304,) 0
Dense (128,) 295040
Dropout (128,) 0
Dense (3,) 387
"""
# From the text of upload-predictor: convolutions 64, 128, 256 (3x3, same), each with 2x2 pooling; 128 and 64 neurons.
UPLOAD = """
Conv2D (48, 48, 64) 640
MaxPooling2D (24, 24, 64) 0
Conv2D (24, 24, 128) 73856
MaxPooling2D (12, 12, 128) 0
Conv2D (12, 12, 256) 295168
MaxPooling2D (6, 6, 256) 0
Flatten (9216,) 0
Dense (128,) 1179776
Dense (64,) 8256
"""
# The layer lists of emotion-race-gender-cnn, with filters of our own.
BASIC = """
Conv2D (48, 48, 32) 320
BatchNormalization (48, 48, 32) 128
MaxPooling2D (24, 24, 32) 0
Dropout (24, 24, 32) 0
Flatten (18432,) 0
Dense (7,) 129031
"""
DEEP_BLOCK = ["Conv2D", "Activation", "BatchNormalization"] * 2 + ["MaxPooling2D", "Dropout"]


def table(name: str) -> str:
    recipe = REFERENCES[name]
    cnn = REFERENCE_CNNS[recipe.network](recipe.input_px, HEAD_CLASSES[recipe.heads[0]])
    rows = (f"{type(layer).__name__} {layer.output.shape[1:]} {layer.count_params()}" for layer in cnn.layers)
    return "\n" + "\n".join(rows) + "\n"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("age-feature-interpretor", AGE),
        ("gender-feature-interpretor", GENDER),
        ("emotion-feature-interpretor", EMOTION),
        ("age-upload-predictor", UPLOAD + "Dense (5,) 325\n"),
        ("gender-upload-predictor", UPLOAD + "Dense (1,) 65\n"),
        ("ethnicity-upload-predictor", UPLOAD + "Dense (5,) 325\n"),
        ("emotion-basic-cnn", BASIC),
    ],
)
def test_layers_are_those_of_the_description(name: str, expected: str) -> None:
    assert table(name) == expected


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("age-feature-interpretor", 422_695),
        ("gender-feature-interpretor", 1_567_874),
        ("emotion-feature-interpretor", 683_267),
        ("age-gender-mood", 422_695),
        ("age-gender-mood-tenfold", 422_695),
    ],
)
def test_parameters_are_as_many_as_the_description_says(name: str, parameters: int) -> None:
    recipe = REFERENCES[name]
    cnn = REFERENCE_CNNS[recipe.network](recipe.input_px, HEAD_CLASSES[recipe.heads[0]])
    assert cnn.count_params() == parameters


def test_the_deep_cnn_repeats_its_block() -> None:
    layers = [type(layer).__name__ for layer in REFERENCE_CNNS["deep-cnn"](48, 7).layers]
    assert layers == DEEP_BLOCK * 3 + ["Flatten", "Dense"]


def test_every_reference_was_trained_and_judged() -> None:
    names = {*REFERENCES, SMILE_SVC}
    assert {path.name for path in (MODELS / "references").iterdir()} == names
    for recipe in REFERENCES.values():
        record = json.loads((MODELS / "references" / recipe.name / "record.json").read_text(encoding="utf-8"))
        assert same_recipe(record["recipe"], recipe), "trained as the recipe says today"
        assert not same_recipe(record["recipe"], replace(recipe, strength=0.5))
        if recipe.network in REFERENCE_CNNS:
            cnn = REFERENCE_CNNS[recipe.network](recipe.input_px, HEAD_CLASSES[recipe.heads[0]])
            assert record["parameters"] == cnn.count_params()


def test_every_reference_answers_one_known_output() -> None:
    for recipe in REFERENCES.values():
        (head,) = recipe.heads
        assert head in DATASET_OF_HEAD and recipe.source


def test_a_sigmoid_becomes_two_probabilities() -> None:
    cnn = REFERENCE_CNNS["upload-predictor"](48, 2)
    model = build_reference_network(112, cnn, "gender", "sigmoid")
    crops = np.random.default_rng(0).integers(0, 256, (3, 112, 112, 3), dtype=np.uint8)
    answers = model.predict(crops, verbose=0)["gender"]
    assert answers.shape == (3, 2)
    assert np.allclose(answers.sum(axis=1), 1)
    assert model.count_params() == cnn.count_params() + 3  # the fixed weights that turn colour to grey


def test_grey_pictures_reach_the_cnn_scaled_to_one() -> None:
    cnn = REFERENCE_CNNS["basic-cnn"](48, 7)
    model = build_reference_network(112, cnn, "expression_fer2013", "grey")
    crop = np.zeros((1, 112, 112, 3), dtype=np.uint8)
    crop[..., :] = (200, 100, 50)
    grey = (0.299 * 200 + 0.587 * 100 + 0.114 * 50) / 255
    direct = cnn.predict(np.full((1, 48, 48, 1), grey, dtype=np.float32), verbose=0)
    assert np.allclose(model.predict(crop, verbose=0)["expression_fer2013"], direct, atol=1e-5)


def test_each_rung_of_the_transfer_ladder_trains_more_than_the_one_below() -> None:
    rungs = [recipe for recipe in REFERENCES.values() if recipe.network == "lite0-transfer"]
    assert [recipe.trained_from for recipe in rungs] == ["dropout", "block15_expand", "block11_expand", "stem_bn"]
    trained = []
    for recipe in rungs:
        model = build_transfer_network(112, 48, recipe.heads[0], 7, recipe.trained_from, "rung")
        trained.append([weight.path for weight in model.trainable_weights])
    assert [len(names) for names in trained] == sorted({len(names) for names in trained})
    assert len(trained[0]) == 4  # the two dense layers above the frozen network
    assert not any("stem/" in name for name in trained[-1]), "the first layer stays as it was"


def test_references_build_as_their_recipes_say() -> None:
    for name in ("gender-upload-predictor", "emotion-deep-cnn", "emotion-transfer-frozen"):
        recipe = REFERENCES[name]
        (head,) = recipe.heads
        assert build(recipe).output[head].shape == (None, HEAD_CLASSES[head])
