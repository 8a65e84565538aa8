"""Recipes and the networks that they build."""

import numpy as np
import pytest

from facetraits.faces.alignment import CROPS
from facetraits.training import build as building
from facetraits.training.networks.architectures import build_network
from facetraits.training.recipe import DATASET_OF_HEAD, HEAD_CLASSES
from facetraits.training.recipes import RECIPES, learned_from, with_ancestors


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
    crops = np.random.default_rng(3).integers(0, 256, (2, side, side, 3), dtype=np.uint8)
    answers = model(crops, training=False)  # without the graph that ``predict`` would trace for one batch
    assert set(answers) == set(recipe.heads)
    for head, values in answers.items():
        assert values.shape == (2, HEAD_CLASSES[head])
        assert np.allclose(np.sum(values, axis=1), 1, atol=1e-4)
    if recipe.grey:
        grey = np.round(crops @ [0.299, 0.587, 0.114]).astype(np.uint8)[..., None].repeat(3, axis=3)
        assert np.allclose(model(grey, training=False)["expression"], answers["expression"], atol=2e-2)


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
    assert learned_from(RECIPES["expression-lite0-96"]) == ("utkface", "fer2013")


def test_every_head_has_a_data_set():
    assert set(DATASET_OF_HEAD) | {"view"} == set(HEAD_CLASSES)


def test_without_batch_normalisation_there_is_a_network_to_start_from():
    assert all(recipe.start for recipe in RECIPES.values() if not recipe.batch_norm)


def test_stochastic_depth_leaves_the_answers_alone(crops, four_blocks):
    deep, plain = (build_network(112, 32, {"gender": 2}, stochastic_depth=share) for share in (0.5, 0.0))
    plain.set_weights(deep.get_weights())
    assert np.array_equal(deep.predict(crops, verbose=0)["gender"], plain.predict(crops, verbose=0)["gender"])
    one, other = (np.asarray(deep(crops, training=True)["gender"]) for _ in range(2))
    assert not np.array_equal(one, other)
