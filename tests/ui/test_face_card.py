"""The card of a face, as HTML."""

from __future__ import annotations

import html
import re
from typing import get_args

import numpy as np
import pytest

from facetraits.types import AgePrediction, ClassPrediction, FaceResult, FaceTraits, QualityIssue
from tests.builders import AGE_GROUP_NAMES, make_classes, make_detection, make_face, make_result, make_traits
from ui.kit.face_card import QUALITY_ADVICE, crowd_summary, face_cards, headline

JPEG = b"\xff\xd8 not really"


def text(markup: str) -> str:
    return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", markup))).strip()


def card(traits: FaceTraits, quality: tuple[QualityIssue, ...] = ()) -> str:
    return face_cards(make_result(FaceResult(make_detection(), quality, traits)), [JPEG])


def shares(*probabilities: float) -> ClassPrediction:
    names = tuple("abcdefgh"[: len(probabilities)])
    return ClassPrediction(names, np.array(probabilities), 0.5)


def answers(markup: str) -> str:
    """The card's text without its fold of all probabilities."""
    return text(markup.partition('<details class="ft-all">')[0])


def age(years: float, low: float, high: float) -> FaceTraits:
    return FaceTraits(age=AgePrediction(years, (low, high), 0.8, make_classes(AGE_GROUP_NAMES, "0-20")))


def test_every_warning_has_its_advice() -> None:
    assert set(QUALITY_ADVICE) == set(get_args(QualityIssue))


def test_every_warning_stands_on_the_card() -> None:
    read = text(card(make_traits(), tuple(get_args(QualityIssue))))
    assert "8 warnings" in read
    for name, advice in QUALITY_ADVICE.values():
        assert f"{name} . {advice}".replace(" .", ".") in read.replace(" .", ".")


def test_a_good_face_has_no_warning() -> None:
    assert "warning" not in text(card(make_traits()))


@pytest.mark.parametrize(
    ("prediction", "expected"),
    [
        (shares(0.999, 0.001), "A > 99%"),  # never claims certainty
        (shares(1.0, 0.0), "A > 99%"),
        (shares(0.96, 0.03, 0.01), "A 96%"),  # enough said with one
        (shares(0.8, 0.16, 0.04), "A 80% B 16%"),
        (shares(0.6, 0.15, 0.1, 0.09, 0.06), "A 60% B 15% C 10%"),  # three at the most
    ],
)
def test_bars_stop_when_enough_is_said(prediction: ClassPrediction, expected: str) -> None:
    read = answers(card(FaceTraits(gender=prediction)))
    assert read.endswith(f"Apparent gender A {expected}")


def test_an_unsure_answer_names_both_candidates() -> None:
    read = answers(card(FaceTraits(gender=shares(0.45, 0.4, 0.15))))
    assert read.endswith("Apparent gender Unsure A or b? A 45% B 40% C 15%")


def test_all_probabilities_are_in_the_fold() -> None:
    fold = text(card(make_traits()).partition('<details class="ft-all">')[2])
    for name in (*AGE_GROUP_NAMES, "Male", "Female", "Indian", "Contempt", "Positive", "Negative"):
        assert name in fold


def test_hidden_traits_are_absent() -> None:
    read = text(card(make_traits(traits=("ethnicity",))))
    assert "Ethnicity White" in read
    for word in ("years", "Female", "Happy", "Mood", "Age group"):
        assert word not in read


def test_a_face_without_traits_still_has_a_card() -> None:
    read = text(card(make_traits(traits=())))
    assert read == "Face 1 Choose above what to estimate."


@pytest.mark.parametrize(
    ("years", "low", "high", "expected"),
    [
        (34.4, 28.2, 40.9, "34 years 28 to 41 (80% interval)"),
        (1.2, 0, 3.4, "1 year 0 to 3 (80% interval)"),
        (0.3, 0, 1, "0 years 0 to 1 (80% interval)"),
        (97, 88, 116, "97 years 88 to 116 (80% interval)"),
    ],
)
def test_age_is_a_number_with_its_interval(years: float, low: float, high: float, expected: str) -> None:
    markup = card(age(years, low, high))
    assert f"Apparent age {expected}" in text(markup)
    positions = [float(value) for value in re.findall(r"left:([\d.]+)%", markup)]
    assert all(0 <= position <= 100 for position in positions)


@pytest.mark.parametrize(("years", "expected"), [(20.4, "20 years"), (20.46, "21 years"), (20.5, "21 years")])
def test_years_are_rounded_as_their_group_is(years: float, expected: str) -> None:
    assert headline(FaceResult(make_detection(), (), age(years, 10, 30))) == expected
    assert f"Apparent age {expected}" in text(card(age(years, 10, 30)))


def test_an_age_that_is_unsure_shows_its_range_first() -> None:
    wide = AgePrediction(30.4, (14.6, 52.4), 0.8, make_classes(AGE_GROUP_NAMES, "21-40"), unsure_wider_than=30.0)
    traits = FaceTraits(age=wide)
    assert "Apparent age Unsure 15 to 52 years? 30 years in the middle (80% interval)" in text(card(traits))
    assert headline(FaceResult(make_detection(), (), traits)) == "15 to 52 years (unsure)"


def test_bars_carry_their_value_as_text_for_those_who_cannot_see_them() -> None:
    markup = card(make_traits())
    tracks = re.findall(r'<span class="ft-track"[^>]*>', markup)
    assert tracks
    assert all('aria-hidden="true"' in track for track in tracks)
    assert len(re.findall(r'<span class="ft-percent">[<>&a-z; ]*\d+%', markup)) == len(tracks)


def test_pictures_have_alternative_text() -> None:
    markup = face_cards(make_result(make_face(), make_face()), [JPEG, JPEG])
    assert re.findall(r'<img [^>]*alt="([^"]*)"', markup) == ["Crop of face 1", "Crop of face 2"]


def test_a_crowd_starts_folded_with_its_answers_in_view() -> None:
    few = face_cards(make_result(*[make_face()] * 6), [JPEG] * 6)
    many = face_cards(make_result(*[make_face()] * 7), [JPEG] * 7)
    assert few.count("<details open>") == 6
    assert "<details open>" not in many
    assert text(many).count("34 years, female, white, happy") == 7


def test_a_crowd_is_summed_up_in_one_line() -> None:
    genders = ["male"] * 4 + ["female"] * 3
    faces = [make_face(years=float(20 + i), gender=gender) for i, gender in enumerate(genders)]
    assert crowd_summary(faces) == "7 faces: 4 male, 3 female, median 23 years, mostly happy"
    assert crowd_summary(faces) in text(face_cards(make_result(*faces), [JPEG] * 7))
    assert crowd_summary([FaceResult(make_detection(), (), FaceTraits())] * 7) == "7 faces"


def test_class_names_are_never_markup() -> None:
    evil = ClassPrediction(("<b>x</b>", "y"), np.array([0.9, 0.1]))
    assert "<b>" not in card(FaceTraits(ethnicity=evil))


def test_the_headline_says_what_is_unsure() -> None:
    assert headline(make_face(confidence=0.4)) == "34 years, male, white (unsure), happy (unsure)"
