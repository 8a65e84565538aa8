"""What speaks for and against two faces being the same person's."""

from __future__ import annotations

from itertools import pairwise

import pytest

from facetraits.faces.alignment import CROPS, align_faces
from facetraits.types import FaceTraits
from facetraits.video.looks import appearance_of, trait_evidence
from tests.builders import make_traits
from tests.video.faces import MAN, PEOPLE, WOMAN, Scene


def test_two_views_of_one_face_look_more_alike_than_two_people(portraits):
    scene = Scene(portraits)

    def look(person, **changes):
        result, image = scene.frame((person, 300, 200, changes))
        return appearance_of(align_faces(image, [result.faces[0].detection], CROPS["face-v1"])[0])

    for person, other in pairwise(PEOPLE):
        same = float(look(person) @ look(person, turn=8.0, gain=0.8, blur=1.0))
        assert same > 0.7
        assert float(look(person) @ look(other)) < 0.45


def test_equal_traits_speak_for_the_same_person_and_different_ones_against():
    one = make_traits(**WOMAN)
    assert trait_evidence(one, one) > 0
    assert trait_evidence(one, make_traits(**MAN)) < -1
    assert trait_evidence(one, FaceTraits()) == 0
    assert trait_evidence(one, make_traits(**{**WOMAN, "expression": "angry"})) == trait_evidence(one, one)


@pytest.mark.parametrize("name", ["age", "gender", "ethnicity"])
def test_every_single_trait_can_tell_people_apart(name):
    one, other = (make_traits(**person, confidence=0.98, traits=(name,)) for person in (WOMAN, MAN))
    assert trait_evidence(one, one) > 0 > trait_evidence(one, other)
