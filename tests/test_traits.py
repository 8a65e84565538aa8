"""A trait is declared once, and shows everywhere."""

import csv
import dataclasses
import io
import json

import numpy as np
import pytest

from facetraits import analyzer as module
from facetraits.analyzer import FaceAnalyzer
from facetraits.registry import load_manifest
from facetraits.tables import csv_text, json_lines, picture_record
from facetraits.traits import TRAITS, Sums, Trait, declare, withdraw
from facetraits.types import ClassPrediction, FaceTraits
from facetraits.video.stay import Stay
from facetraits.video.tracking import FaceTracker
from tests.builders import photo_of_one
from tests.test_analyzer import FakeEnsemble
from ui.kit.face_card import face_cards

KINDS = ("bare", "glasses", "sunglasses")
EYES = Sums("eyes", "Eyes", ("seen", "hidden"), {"bare": "seen", "glasses": "seen", "sunglasses": "hidden"})


@pytest.fixture
def glasses():
    declare(Trait("glasses", "Glasses", KINDS, memory_s=5.0, unlikeness=1.0, in_label=True, sums=EYES))
    yield
    withdraw("glasses")


@pytest.fixture
def result(glasses, monkeypatch):
    """What an analyzer finds whose networks also answer the new trait."""
    monkeypatch.setattr(module, "Ensemble", FakeEnsemble)
    manifest = load_manifest()
    profile = manifest.profiles["fast"]
    entry = dataclasses.replace(profile.traits["gender"], classes=KINDS)
    traits = {name: known for name, known in profile.traits.items() if name != "view"} | {"glasses": entry}
    profiles = {"fast": dataclasses.replace(profile, traits=traits)}
    return FaceAnalyzer(dataclasses.replace(manifest, profiles=profiles), "fast", threads=1).analyze(photo_of_one())


def test_a_declared_trait_shows_in_json_csv_and_on_a_card(result):
    record = picture_record("one.jpg", result, None)
    (face,) = json.loads("".join(json_lines([record])))["faces"]
    assert list(face)[4:] == ["age", "gender", "ethnicity", "expression", "glasses", "mood", "eyes"]
    assert face["glasses"]["top1"] == "bare"
    (row,) = csv.DictReader(io.StringIO(csv_text([record])))
    assert (row["glasses"], row["p_bare"], row["eyes"], row["mood"]) == ("bare", "1.0", "seen", "neutral")
    card = face_cards(result, [b""])
    assert '<p class="ft-label">Glasses</p><p class="ft-value">Bare</p><p class="ft-note">Eyes: seen</p>' in card


def test_a_declared_trait_is_remembered_by_tracks_and_stays(result):
    (face,) = result.faces
    tracker, stay = FaceTracker(), None
    for i, kind in enumerate(["bare", "bare", "sunglasses", "bare"]):
        seen = ClassPrediction(KINDS, np.eye(3, dtype=np.float32)[KINDS.index(kind)])
        seen_face = dataclasses.replace(face, traits=face.traits.with_answers({"glasses": seen}))
        picture = dataclasses.replace(result, faces=(seen_face,))
        for tracked in tracker.update(picture, i * 0.1, photo_of_one()):
            stay = stay or Stay(tracked.first_seen_s)
            stay.add_sighting(tracked)
    combined = stay.traits().classes("glasses")
    assert combined.top1 == "bare"
    assert 0.2 < combined.probabilities[2] < 0.3, "one of four, and the older ones hardly faded"
    assert stay.traits().to_dict()["eyes"]["top1"] == "seen"


def test_names_are_unique(glasses):
    for taken in (Trait("age", "Age again"), Trait("hat", "Hat", ("none", "glasses")), Trait("tie", "Tie", ("bare",))):
        with pytest.raises(ValueError, match="is taken"):
            declare(taken)
    assert list(TRAITS)[-1] == "glasses"


def test_an_unknown_trait_is_no_answer():
    with pytest.raises(ValueError, match=r"unknown traits \['hat'\]"):
        FaceTraits(hat=ClassPrediction(("none", "some"), np.array([1, 0], np.float32)))
