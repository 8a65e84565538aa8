"""How crops are varied, covered and turned while training."""

import cv2
import numpy as np
import pytest

from facetraits.faces.alignment import CROPS
from facetraits.faces.augmentation import VARIATIONS, augment, face_oval
from facetraits.training.batches import with_view_targets
from facetraits.training.data.covers import cover


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
    seen, told, weighed = with_view_targets(crops, targets, weights, np.random.default_rng(1), spec)
    view = told["view"].argmax(axis=1)
    clear, covered, turned = (view == i for i in range(3))
    assert clear.mean() == pytest.approx(0.85, abs=0.04) and turned.mean() == pytest.approx(0.03, abs=0.015)
    assert np.array_equal(seen[clear], crops[clear]) and np.array_equal(seen[turned], crops[turned][:, ::-1, ::-1])
    assert (seen[covered] != crops[covered]).any(axis=(1, 2, 3)).all()
    assert (weighed["gender"][clear] == 1).all() and (weighed["gender"][covered] == 0.5).all()
    assert (weighed["gender"][turned] == 0).all() and (weighed["view"] == 1).all()
    assert set(weighed["expression"][covered].tolist()) == {0.0, 0.5}
