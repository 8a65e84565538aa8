import dataclasses
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from facetraits.ensemble import Ensemble, apply_temperature
from facetraits.faces.alignment import CROPS, align_faces
from facetraits.faces.detection import FaceDetector
from facetraits.registry import ModelIntegrityError, load_manifest
from tests.builders import photo_of_many


@pytest.fixture(scope="module")
def manifest():
    return load_manifest()


@pytest.fixture(scope="module")
def accurate(manifest):
    return Ensemble(manifest, manifest.profiles["accurate"])


@pytest.fixture(scope="module")
def crops(manifest):
    photo = photo_of_many(5)
    faces = FaceDetector(manifest.serving_detector).detect(photo)
    return {name: align_faces(photo, faces, spec) for name, spec in CROPS.items()}


@pytest.mark.parametrize("profile", ["accurate", "fast"])
def test_probabilities_sum_to_one(manifest, crops, profile):
    ensemble = Ensemble(manifest, manifest.profiles[profile])
    for name, values in ensemble.predict(crops, ensemble.outputs).items():
        assert values.shape == (5, len(manifest.profiles[profile].traits[name].classes))
        assert np.allclose(values.sum(axis=1), 1, atol=1e-4)


def test_a_batch_answers_like_single_faces(accurate, crops):
    together = accurate.predict(crops, accurate.outputs)
    for i in range(5):
        alone = accurate.predict({name: c[i : i + 1] for name, c in crops.items()}, accurate.outputs)
        for name, values in alone.items():
            assert np.allclose(values[0], together[name][i], atol=1e-3)


def test_more_faces_than_one_batch_holds(accurate, crops):
    many = {name: np.concatenate([c] * 9) for name, c in crops.items()}
    ages = accurate.predict(many, ["age"])["age"]
    assert ages.shape[0] == 45
    assert np.allclose(ages[:5], ages[40:], atol=1e-3)


def test_no_faces_give_empty_answers(accurate, crops):
    none = {name: c[:0] for name, c in crops.items()}
    assert {name: len(values) for name, values in accurate.predict(none, ["age", "gender"]).items()} == {
        "age": 0,
        "gender": 0,
    }


def test_a_mirrored_face_gets_the_same_answer(accurate, crops):
    mirrored = {name: np.ascontiguousarray(c[:, :, ::-1]) for name, c in crops.items()}
    straight, back = accurate.predict(crops, ["gender"]), accurate.predict(mirrored, ["gender"])
    assert np.allclose(straight["gender"], back["gender"], atol=1e-3)


def test_it_is_the_weighted_mean_of_its_members(manifest, accurate, crops):
    entry = manifest.profiles["accurate"].traits["gender"]
    alone = accurate.member_answers(crops)
    mean = sum(weight * alone[name]["gender"] for name, weight in entry.weights.items())
    assert np.allclose(
        accurate.predict(crops, ["gender"])["gender"], apply_temperature(mean, entry.temperature), atol=1e-5
    )


def test_networks_that_nobody_asked_are_not_run(accurate, crops, monkeypatch):
    ran = []
    original = Ensemble._answers

    def spy(self, member, faces):
        ran.append(member.entry)
        return original(self, member, faces)

    monkeypatch.setattr(Ensemble, "_answers", spy)
    accurate.predict(crops, ["expression"])
    assert ran
    assert all("expression" in entry.outputs for entry in ran)


def test_an_unknown_output_is_refused(accurate, crops):
    with pytest.raises(ValueError, match="height"):
        accurate.predict(crops, ["height"])


def test_threads_get_the_same_answers(accurate, crops):
    expected = accurate.predict(crops, ["age"])["age"]
    with ThreadPoolExecutor(8) as pool:
        for got in pool.map(lambda _: accurate.predict(crops, ["age"])["age"], range(16)):
            assert np.allclose(got, expected, atol=1e-4)


def test_a_network_with_other_outputs_than_promised_is_refused(manifest):
    name, entry = next(iter(manifest.members.items()))
    lying = dataclasses.replace(entry, outputs=(*entry.outputs, "height"))
    changed = dataclasses.replace(manifest, members={**manifest.members, name: lying})
    with pytest.raises(ModelIntegrityError, match="height"):
        Ensemble(changed, manifest.profiles["accurate"])


@given(hnp.arrays(np.float64, (4, 5), elements=st.floats(0.01, 1)), st.floats(0.3, 3))
def test_temperature_keeps_the_order_and_the_sum(values, temperature):
    probabilities = values / values.sum(axis=1, keepdims=True)
    changed = apply_temperature(probabilities, temperature)
    assert np.allclose(changed.sum(axis=1), 1, atol=1e-5)
    rows = np.arange(4)
    assert np.allclose(changed[rows, probabilities.argmax(axis=1)], changed.max(axis=1))
    assert np.allclose(apply_temperature(probabilities, 1.0), probabilities, atol=1e-5)
    if temperature > 1:
        assert (changed.max(axis=1) <= probabilities.max(axis=1) + 1e-6).all()
