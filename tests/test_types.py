import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facetraits.traits import MOOD, TRAITS
from facetraits.types import (
    AGE_GROUPS,
    AgePrediction,
    AnalysisResult,
    ClassPrediction,
    FaceDetection,
    FaceResult,
    FaceTraits,
    age_group,
    whole_years,
)
from tests.builders import (
    AGE_GROUP_NAMES,
    EXPRESSIONS,
    make_classes,
    make_detection,
    make_face,
    make_result,
    make_traits,
)

BOX = (10.0, 20.0, 50.0, 80.0)
LANDMARKS = ((20, 40), (40, 40), (30, 50), (22, 65), (38, 65))
GROUPS = make_classes(AGE_GROUP_NAMES, "21-40")
NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("years", "group"),
    [
        (0, "0-20"),
        (20, "0-20"),
        (20.999, "0-20"),  # completed years: still 20
        (21, "21-40"),
        (40.5, "21-40"),
        (41, "41-60"),
        (60.99, "41-60"),
        (61, "61-80"),
        (80.5, "61-80"),
        (81, "81+"),
        (116, "81+"),
    ],
)
def test_age_group_counts_completed_years(years, group):
    assert age_group(years) == group


def test_every_year_has_the_group_whose_name_holds_it():
    for name, upper in AGE_GROUPS[:-1]:
        first, last = (int(bound) for bound in name.split("-"))
        assert last == upper
        assert {age_group(years) for years in range(first, last + 1)} == {name}


@pytest.mark.parametrize("years", [-0.1, -1, NAN, INF, -INF])
def test_age_group_refuses_what_is_no_age(years):
    with pytest.raises(ValueError, match="age must be a finite number of years >= 0"):
        age_group(years)


@pytest.mark.parametrize(
    ("years", "shown"),
    [
        (0, 0),
        (0.49, 1),
        (0.44, 0),
        (20.4, 20),
        (20.44, 20),
        (20.46, 21),
        (20.5, 21),
        (21.3, 21),
        (21.5, 22),
        (99.9, 100),
    ],
)
def test_whole_years_are_those_of_the_tenths_that_are_stored(years, shown):
    assert whole_years(years) == whole_years(round(years, 1)) == shown


@given(st.floats(0, 120))
def test_whole_years_are_within_half_a_year_of_what_is_stored(years):
    assert round(years, 1) - 0.5 <= whole_years(years) <= round(years, 1) + 0.5
    assert isinstance(whole_years(years), int)


@given(st.floats(0, 120), st.sampled_from(AGE_GROUP_NAMES))
def test_years_and_group_never_contradict_each_other(years, likeliest):
    age = AgePrediction(years, (0, 120), 0.8, make_classes(AGE_GROUP_NAMES, likeliest))
    found = age.to_dict()
    assert found["group"] == age.group == age_group(whole_years(years)) == age_group(whole_years(found["years"]))
    assert age.group_confidence == pytest.approx(found["groups"][age.group], abs=1e-4)


def test_just_over_twenty_is_not_called_under_twenty_one():
    """Most of what the networks think is under 21, and the median is not."""
    age = AgePrediction(21.3, (15, 26), 0.8, make_classes(AGE_GROUP_NAMES, "0-20", 0.6))
    assert age.group == "21-40"
    assert age.groups.top1 == "0-20"
    assert age.group_confidence == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("limit", "clear", "unsure"),
    [(None, True, False), (20.0, True, False), (19.9, True, True), (None, False, True), (50.0, False, True)],
)
def test_an_age_is_unsure_where_its_interval_is_too_wide_or_the_view_is_poor(limit, clear, unsure):
    age = AgePrediction(30.0, (20, 40), 0.8, GROUPS, limit, clear)
    assert age.unsure is age.to_dict()["unsure"] is unsure


@pytest.mark.parametrize(
    ("build", "arguments", "message"),
    [
        (FaceDetection, (BOX[:3], LANDMARKS, 0.9), r"box_xyxy must have shape \(4,\), got \(3,\)"),
        (FaceDetection, ((10, 20, NAN, 80), LANDMARKS, 0.9), "box_xyxy must be finite"),
        (FaceDetection, ((10, 20, INF, 80), LANDMARKS, 0.9), "box_xyxy must be finite"),
        (FaceDetection, ((10, 20, 10, 80), LANDMARKS, 0.9), "left < right and top < bottom"),
        (FaceDetection, ((10, 80, 50, 20), LANDMARKS, 0.9), "left < right and top < bottom"),
        (FaceDetection, (BOX, LANDMARKS[:4], 0.9), r"landmarks must have shape \(5, 2\), got \(4, 2\)"),
        (FaceDetection, (BOX, np.zeros(10), 0.9), r"landmarks must have shape \(5, 2\), got \(10,\)"),
        (FaceDetection, (BOX, np.full((5, 2), NAN), 0.9), "landmarks must be finite"),
        (FaceDetection, (BOX, LANDMARKS, 1.01), r"score must lie in \[0, 1\]"),
        (FaceDetection, (BOX, LANDMARKS, -0.01), r"score must lie in \[0, 1\]"),
        (FaceDetection, (BOX, LANDMARKS, NAN), r"score must lie in \[0, 1\]"),
        (ClassPrediction, (("a", "b"), (1.0,)), r"probabilities must have shape \(2,\), got \(1,\)"),
        (ClassPrediction, ((), ()), "sum to 1"),
        (ClassPrediction, (("a", "b"), (0.5, 0.4)), "sum to 1"),
        (ClassPrediction, (("a", "b"), (0.6, 0.6)), "sum to 1"),
        (ClassPrediction, (("a", "b"), (1.2, -0.2)), "probabilities must be >= 0"),
        (ClassPrediction, (("a", "b"), (NAN, 1.0)), "probabilities must be finite"),
        (ClassPrediction, (("a", "b"), (0.5, 0.5), -0.1), r"unsure_below must lie in \[0, 1\]"),
        (ClassPrediction, (("a", "b"), (0.5, 0.5), 1.1), r"unsure_below must lie in \[0, 1\]"),
        (AgePrediction, (-1.0, (0, 5), 0.8, GROUPS), "years must be a finite number >= 0"),
        (AgePrediction, (NAN, (0, 5), 0.8, GROUPS), "years must be a finite number >= 0"),
        (AgePrediction, (INF, (0, 5), 0.8, GROUPS), "years must be a finite number >= 0"),
        (AgePrediction, (30.0, (40, 20), 0.8, GROUPS), "interval must satisfy 0 <= low <= high"),
        (AgePrediction, (30.0, (-1, 40), 0.8, GROUPS), "interval must satisfy 0 <= low <= high"),
        (AgePrediction, (30.0, (20, NAN), 0.8, GROUPS), "interval must satisfy 0 <= low <= high"),
        (AgePrediction, (30.0, (20, INF), 0.8, GROUPS), "low <= high and be finite"),
        (AgePrediction, (30.0, (20, 40), 0.0, GROUPS), r"coverage must lie in \(0, 1\)"),
        (AgePrediction, (30.0, (20, 40), 1.0, GROUPS), r"coverage must lie in \(0, 1\)"),
        (AgePrediction, (30.0, (20, 40), 0.8, GROUPS, 0.0), "unsure_wider_than must be > 0"),
        (AgePrediction, (30.0, (20, 40), 0.8, GROUPS, NAN), "unsure_wider_than must be > 0"),
        (AnalysisResult, ((0, 480), (), {}), "size_wh must be positive"),
        (AnalysisResult, ((640, -1), (), {}), "size_wh must be positive"),
    ],
)
def test_what_makes_no_sense_is_refused(build, arguments, message):
    with pytest.raises(ValueError, match=message):
        build(*arguments)


def test_limits_themselves_are_accepted():
    for score in (0, 1):
        assert FaceDetection(BOX, LANDMARKS, score).score == score
    assert AgePrediction(0.0, (0, 0), 0.5, GROUPS).interval == (0, 0)
    assert ClassPrediction(("only",), (1.0,), 1.0).unsure is False


def test_a_box_may_reach_beyond_the_picture():
    detection = FaceDetection((-20, -30, 20, 60), LANDMARKS, 0.9)
    assert detection.box_xyxy.tolist() == [-20, -30, 20, 60]
    assert detection.size_px == pytest.approx(60)  # the square root of 40 x 90


@pytest.mark.parametrize(
    "array",
    [
        make_detection().box_xyxy,
        make_detection().landmarks,
        GROUPS.probabilities,
        make_face().traits.mood.probabilities,
    ],
    ids=["box_xyxy", "landmarks", "probabilities", "mood"],
)
def test_arrays_are_float32_and_read_only(array):
    assert array.dtype == np.float32
    with pytest.raises(ValueError, match="read-only"):
        array[0] = 0


def test_arrays_are_copies_so_that_the_callers_stay_writable():
    box, landmarks = np.array(BOX, np.float32), np.array(LANDMARKS, np.float32)
    detection = FaceDetection(box, landmarks, 0.9)
    box[0], landmarks[0] = -1, -1
    assert detection.box_xyxy.tolist() == list(BOX)
    assert detection.landmarks.tolist() == [list(point) for point in LANDMARKS]


def test_fields_cannot_be_replaced():
    with pytest.raises(AttributeError):
        make_detection().score = 0.1


def test_top1_confidence_and_unsure():
    prediction = ClassPrediction(("a", "b", "c"), (0.25, 0.5, 0.25), unsure_below=0.5)
    assert prediction.top1 == "b"
    assert prediction.confidence == 0.5
    assert prediction.unsure is False  # the threshold itself is sure
    assert ClassPrediction(("a", "b", "c"), (0.25, 0.5, 0.25), unsure_below=0.51).unsure is True


def test_ranked_goes_down_and_keeps_the_order_of_equals():
    prediction = ClassPrediction(("a", "b", "c", "d"), (0.125, 0.375, 0.125, 0.375))
    assert prediction.ranked() == (("b", 0.375), ("d", 0.375), ("a", 0.125), ("c", 0.125))
    assert prediction.ranked()[0] == (prediction.top1, prediction.confidence)


def test_mood_sums_the_expressions():
    shares = dict(zip(EXPRESSIONS, (0.1, 0.2, 0.05, 0.3, 0.15, 0.02, 0.08, 0.1), strict=True))
    mood = FaceTraits(expression=ClassPrediction(EXPRESSIONS, tuple(shares.values()), unsure_below=0.4)).mood
    assert mood.classes == MOOD.classes == ("positive", "neutral", "negative")
    assert mood.probabilities == pytest.approx([0.25, 0.1, 0.65], abs=1e-6)
    assert mood.top1 == "negative"
    assert mood.unsure_below == 0.4


def test_mood_may_be_sure_where_no_expression_is():
    shares = (0.1, 0.0, 0.0, 0.3, 0.3, 0.0, 0.3, 0.0)
    expression = ClassPrediction(EXPRESSIONS, shares, unsure_below=0.5)
    assert expression.unsure
    assert not FaceTraits(expression=expression).mood.unsure


def test_every_expression_has_a_mood():
    assert set(MOOD.class_of) == set(EXPRESSIONS)
    assert set(MOOD.class_of.values()) == set(MOOD.classes)


def test_no_mood_without_an_expression():
    assert FaceTraits().mood is None
    assert make_traits(traits=("age", "gender", "ethnicity")).mood is None


def test_class_prediction_as_a_dict_rounds_to_four_digits():
    found = ClassPrediction(("a", "b"), (0.123456, 0.876544), unsure_below=0.9).to_dict()
    assert found == {
        "top1": "b",
        "confidence": 0.8765,
        "unsure": True,
        "probabilities": {"a": 0.1235, "b": 0.8765},
    }


def test_age_as_a_dict_rounds_to_a_tenth():
    found = AgePrediction(34.5678, (28.04, 40.06), 0.8, GROUPS).to_dict()
    assert list(found) == ["years", "interval", "coverage", "unsure", "group", "groups"]
    assert found["unsure"] is False
    assert found["years"] == 34.6
    assert found["interval"] == [28.0, 40.1]
    assert found["coverage"] == 0.8
    assert found["group"] == "21-40"
    assert found["groups"] == {"0-20": 0.025, "21-40": 0.9, "41-60": 0.025, "61-80": 0.025, "81+": 0.025}


def test_face_as_a_dict_rounds_px_to_a_tenth_and_names_quality():
    detection = FaceDetection((10.04, 20.06, 50.0, 80.0), np.array(LANDMARKS) + 0.123, 0.912345)
    found = FaceResult(detection, ("blurred", "too dark"), make_traits()).to_dict()
    assert list(found) == ["box_xyxy", "score", "landmarks", "quality", *TRAITS, "mood"]
    assert found["box_xyxy"] == [10.0, 20.1, 50.0, 80.0]
    assert found["landmarks"][0] == [20.1, 40.1]
    assert found["score"] == 0.9123
    assert found["quality"] == ["blurred", "too dark"]


@pytest.mark.parametrize("trait", TRAITS)
def test_only_traits_that_were_computed_are_in_the_dict(trait):
    found = make_face(traits=(trait,)).to_dict()
    extra = [trait, "mood"] if trait == "expression" else [trait]
    assert list(found) == ["box_xyxy", "score", "landmarks", "quality", *extra]


def test_result_as_a_dict_is_plain_json():
    found = make_result(make_face(), make_face(left=300), size_wh=(800, 600)).to_dict()
    assert list(found) == ["width", "height", "incomplete", "faces"]
    assert (found["width"], found["height"], len(found["faces"])) == (800, 600, 2)
    assert json.loads(json.dumps(found, allow_nan=False)) == found
