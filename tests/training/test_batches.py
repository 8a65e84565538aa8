"""Which pictures an epoch shows, how often, and with which targets."""

import dataclasses
from dataclasses import replace

import numpy as np
import pytest

from facetraits.training.batches import Batches, times_shown
from facetraits.training.data.samples import Samples, age_targets
from facetraits.training.recipes import RECIPES
from tests.training.drawn import drawn_samples


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


def test_age_targets_are_centred_on_the_label():
    targets = age_targets(np.array([2, 40, 110]))
    assert targets.argmax(axis=1).tolist() == [2, 40, 100]
    assert np.allclose(targets.sum(axis=1), 1, atol=1e-5)
    assert targets[0].max() > targets[1].max()


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
