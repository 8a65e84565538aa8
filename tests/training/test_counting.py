"""From answers to the counts of a report."""

from __future__ import annotations

import numpy as np
import pytest

from facetraits.training.data.datasets import FERPLUS_CLASSES
from facetraits.training.data.faces import Faces
from facetraits.training.data.samples import MOOD_MATRIX, SMILE_MATRIX
from facetraits.training.evaluation.counting import Answers, count, with_derived
from facetraits.traits import MOOD

EVERYBODY = np.ones(6, dtype=bool)
AGES = np.array([1, 15, 25, 50, 70, 90])
GENDER = np.array([0, 1, 0, 1, 0, 1])


def one_hot(indices: list[int], classes: int) -> np.ndarray:
    return np.eye(classes, dtype=np.float32)[indices]


@pytest.fixture
def faces() -> Faces:
    labels = {
        "age": AGES,
        "age_group": np.array([0, 0, 1, 2, 3, 4]),
        "age_group_7": np.array([0, 2, 3, 5, 6, 6]),
        "gender": GENDER,
    }
    return Faces(
        [],
        {},
        {name: (values, EVERYBODY) for name, values in labels.items()},
        np.zeros(6, dtype=bool),
        {"gender": (GENDER, ("male", "female")), "age_group": (labels["age_group"], ("a", "b", "c", "d", "e"))},
    )


def test_age_groups_follow_from_years(faces: Faces) -> None:
    years = one_hot([1, 15, 25, 50, 70, 60], 101)
    answers = Answers(EVERYBODY, {"age": years}, years=years @ np.arange(101))
    counted = count(answers, faces)
    assert set(counted.classes) == {"age_group", "age_group_7"}
    assert counted.classes["age_group"].accuracy == pytest.approx(5 / 6)
    assert counted.classes["age_group_7"].accuracy == pytest.approx(5 / 6)
    assert counted.ages["all"].mae == pytest.approx(30 / 6)
    assert counted.ages["all"].coverage is None
    assert counted.subgroups == () and counted.age_pairs == ()


def test_an_answer_without_a_found_face_is_wrong_in_every_group(faces: Faces) -> None:
    seen = np.array([True, True, False, True, True, False])
    answers = Answers(seen, {"gender": one_hot([0, 1, 0, 0], 2)})
    counted = count(answers, faces, axes_at_once=1)
    gender = counted.classes["gender"]
    assert (gender.n, gender.undetected, gender.total) == (4, 2, 6)
    assert gender.accuracy == pytest.approx(3 / 6)
    assert gender.confusion == ((2, 0), (1, 1))
    groups = {tuple(group.of.items()): group.classes["gender"] for group in counted.subgroups}
    male, female = groups[("gender", "male"),], groups[("gender", "female"),]
    assert (male.n, male.undetected) == (2, 1)
    assert (female.n, female.undetected) == (2, 1)


def test_parts_add_up_to_the_whole(faces: Faces) -> None:
    years = AGES + np.array([1.0, -2.0, 3.0, 0.0, 5.0, -9.0])
    answers = Answers(EVERYBODY, {"gender": one_hot([0, 1, 0, 0, 0, 1], 2)}, years, np.stack([years - 4, years + 4], 1))
    counted = count(answers, faces, axes_at_once=2)
    for axes in ({"gender"}, {"age_group"}, {"gender", "age_group"}):
        groups = [group for group in counted.subgroups if set(group.of) == axes]
        assert sum(group.classes["gender"].n for group in groups) == 6
        assert sum(group.ages.absolute for group in groups if group.ages) == pytest.approx(20)
        assert sum(group.ages.within or 0 for group in groups if group.ages) == 4
    single = count(answers, faces, axes_at_once=1)
    assert {len(group.of) for group in single.subgroups} == {1}
    assert sum(n for _, _, n in counted.age_pairs) == 6
    assert (1, 2, 1) in counted.age_pairs


def test_moods_and_smiles_are_sums_of_expressions() -> None:
    expressions = np.random.default_rng(0).dirichlet(np.ones(8), size=5)
    derived = with_derived({"expression": expressions})
    assert np.allclose(derived["mood"].sum(axis=1), 1) and np.allclose(derived["smile"].sum(axis=1), 1)
    assert np.allclose(derived["smile"][:, 1], expressions[:, FERPLUS_CLASSES.index("happy")])
    for i, expression in enumerate(FERPLUS_CLASSES):
        assert MOOD.classes[int(MOOD_MATRIX[i].argmax())] == MOOD.class_of[expression]
    assert SMILE_MATRIX.sum(axis=1).tolist() == [1] * 8


def test_pictures_that_occur_twice_are_counted_apart() -> None:
    labels = np.array([0, 0, 1, 1])
    duplicated = np.array([True, False, False, False])
    known = np.array([True, True, True, False])
    faces = Faces([], {}, {"smile": (labels, known)}, duplicated)
    counted = count(Answers(np.ones(4, dtype=bool), {"smile": one_hot([0, 1, 1, 0], 2)}), faces)
    assert counted.classes["smile"].n == 3
    assert counted.classes["smile"].accuracy == pytest.approx(2 / 3)
    assert counted.classes["smile_without_duplicates"].n == 2
    assert counted.classes["smile_without_duplicates"].accuracy == pytest.approx(1 / 2)
