"""The combination of many single-frame answers into one."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facetraits.traits import TRAITS
from facetraits.types import AgePrediction, ClassPrediction, FaceResult, FaceTraits, QualityIssue
from facetraits.video.smoothing import TraitSmoother, view_weight
from tests.builders import AGE_GROUP_NAMES, EXPRESSIONS, GENDERS, make_classes, make_detection, make_face, make_traits

ALL_QUALITY = get_args(QualityIssue)


def face(quality=(), score=0.95, side=120.0, **traits):
    return FaceResult(make_detection(side=side, score=score), quality, make_traits(**traits))


def smoothed(*faces, interval_s=0.1):
    smoother = TraitSmoother()
    for i, one in enumerate(faces):
        smoother.add(one, i * interval_s)
    return smoother.traits()


def test_nothing_added_gives_no_traits():
    traits = TraitSmoother().traits()
    assert [getattr(traits, name) for name in TRAITS] == [None] * 4


def test_one_answer_is_given_back_as_it_is():
    single = make_traits(41.5, "male", "asian", "sad", 0.8)
    combined = smoothed(FaceResult(make_detection(), (), single))
    assert combined.age.years == pytest.approx(41.5)
    assert combined.age.interval == pytest.approx((35.5, 47.5))
    assert combined.age.coverage == single.age.coverage
    for name in ("gender", "ethnicity", "expression"):
        one, other = getattr(combined, name), getattr(single, name)
        np.testing.assert_allclose(one.probabilities, other.probabilities, atol=1e-6)
        assert (one.classes, one.unsure_below) == (other.classes, other.unsure_below)
    np.testing.assert_allclose(combined.age.groups.probabilities, single.age.groups.probabilities, atol=1e-6)
    assert combined.age.groups.unsure_below == single.age.groups.unsure_below


def test_two_equal_views_at_once_are_averaged_evenly():
    smoother = TraitSmoother()
    smoother.add(face(years=30, gender="male", confidence=0.9), 5.0)
    smoother.add(face(years=40, gender="female", confidence=0.9), 5.0)
    traits = smoother.traits()
    assert traits.age.years == pytest.approx(35)
    assert traits.age.interval == pytest.approx((29, 41))
    np.testing.assert_allclose(traits.gender.probabilities, (0.5, 0.5), atol=1e-6)
    assert smoother.analyses == 2


def test_an_answer_fades_with_half_the_memory_as_time_constant():
    smoother = TraitSmoother({"age": 20.0})
    smoother.add(face(years=30), 0.0)
    smoother.add(face(years=40), 10.0)
    share = 1 / (1 + np.exp(-1))
    assert smoother.traits().age.years == pytest.approx(30 + 10 * share)


@pytest.mark.parametrize("rate", [5, 10, 25])
def test_the_effective_memory_is_what_it_says(rate):
    """The variance of the settled average is that of a plain mean over the memory."""
    rng = np.random.default_rng(rate)
    smoother = TraitSmoother({"age": 2.0})
    years = []
    for i in range(rate * 400):
        smoother.add(face(years=40 + rng.normal(0, 3), traits=("age",)), i / rate)
        years.append(smoother.traits().age.years)
    assert np.var(years[rate * 4 :]) == pytest.approx(9 / (2.0 * rate), rel=0.25)


@pytest.mark.parametrize("seed", range(20))
def test_the_shown_age_of_a_still_face_varies_a_third_as_much_as_single_answers(seed):
    """From the second answer on, when the tracker first shows the person, over ten seconds at ten answers a second."""
    rng = np.random.default_rng(seed)
    single = np.maximum(0, 35 + rng.normal(0, 4, 100))
    smoother, shown = TraitSmoother(), []
    for i, years in enumerate(single):
        smoother.add(face(years=years), i * 0.1)
        shown.append(smoother.traits().age.years)
    assert np.std(shown[1:]) <= np.std(single[1:]) / 3


def test_a_new_expression_shows_within_a_second_and_other_traits_stay():
    smoother = TraitSmoother()
    for i in range(100):
        smoother.add(face(expression="neutral", gender="female", years=30), i * 0.1)
    shown_after = None
    for i in range(20):
        smoother.add(face(expression="surprise", gender="male", years=60), 10 + i * 0.1)
        traits = smoother.traits()
        if shown_after is None and traits.expression.top1 == "surprise":
            shown_after = i * 0.1
    assert shown_after is not None and 0.1 <= shown_after <= 0.5
    assert traits.expression.confidence > 0.85
    assert traits.gender.top1 == "female"
    assert traits.age.years < 40


def test_one_flicker_of_the_expression_is_not_shown():
    faces = [face(expression="neutral")] * 20 + [face(expression="fear")]
    assert smoothed(*faces).expression.top1 == "neutral"


def test_the_newest_expression_counts_after_a_gap():
    smoother = TraitSmoother()
    for i in range(50):
        smoother.add(face(expression="happy"), i * 0.1)
    smoother.add(face(expression="sad"), 8.0)
    assert smoother.traits().expression.top1 == "sad"


def test_a_large_sure_face_without_warning_weighs_one():
    assert view_weight(face()) == 1


@pytest.mark.parametrize("issue", ALL_QUALITY)
def test_every_warning_takes_nearly_all_weight(issue):
    assert 0 < view_weight(face(quality=(issue,))) <= 0.05


@given(st.floats(0, 1), st.floats(0, 1), st.floats(1, 2000), st.floats(1, 2000))
def test_weight_grows_with_score_and_size_and_stays_in_range(score, other_score, side, other_side):
    low = view_weight(face(score=min(score, other_score), side=min(side, other_side)))
    high = view_weight(face(score=max(score, other_score), side=max(side, other_side)))
    assert 0 < low <= high <= 1


@pytest.mark.parametrize(
    "bad", [{"quality": ("turned away",)}, {"quality": ("blurred", "too dark")}, {"score": 0.3}, {"side": 20.0}]
)
def test_a_brief_bad_view_does_not_spoil_the_average(bad):
    good = [face(years=30, gender="female")] * 20
    spoiled = [face(years=60, gender="male", **bad)] * 5
    traits = smoothed(*good, *spoiled)
    assert traits.age.years == pytest.approx(30, abs=1)
    assert traits.gender.top1 == "female"
    assert traits.gender.confidence > 0.85


def test_the_first_good_view_outweighs_the_bad_ones_before_it():
    traits = smoothed(*[face(years=60, quality=("blurred",))] * 5, face(years=30))
    assert traits.age.years < 37


def test_who_is_only_seen_badly_still_gets_an_average():
    traits = smoothed(*[face(years=y, quality=ALL_QUALITY, score=0.0, side=1.0) for y in (20, 30, 40)])
    assert traits.age.years == pytest.approx(30, abs=0.2)


@pytest.mark.parametrize("name", TRAITS)
def test_a_trait_switched_off_is_forgotten_and_starts_afresh(name):
    others = [t for t in TRAITS if t != name]
    smoother = TraitSmoother()
    for i in range(50):
        smoother.add(face(years=20, gender="male", ethnicity="black", expression="sad"), i * 0.1)
    smoother.add(face(traits=others), 5.0)
    traits = smoother.traits()
    assert getattr(traits, name) is None
    assert all(getattr(traits, other) is not None for other in others)

    fresh = make_traits(70, "female", "indian", "fear")
    smoother.add(FaceResult(make_detection(), (), fresh), 5.1)
    combined = getattr(smoother.traits(), name)
    if name == "age":
        assert combined.years == pytest.approx(70)
    else:
        np.testing.assert_allclose(combined.probabilities, getattr(fresh, name).probabilities, atol=1e-6)


def test_forgetting_does_not_count_as_an_answer():
    smoother = TraitSmoother()
    smoother.add(face(), 0.0)
    smoother.forget_missing(FaceTraits())
    assert smoother.analyses == 1
    assert smoother.traits().age is None


def test_other_classes_begin_a_new_average():
    """As when the models are exchanged in the running app."""
    smoother = TraitSmoother()
    for i in range(20):
        smoother.add(face(expression="happy"), i * 0.1)
    seven = EXPRESSIONS[:7]
    other = FaceTraits(expression=make_classes(seven, "sad", 0.9))
    smoother.add(FaceResult(make_detection(), (), other), 2.0)
    assert smoother.traits().expression.classes == seven
    assert smoother.traits().expression.confidence == pytest.approx(0.9)


def test_the_newest_coverage_and_thresholds_are_kept():
    def traits(unsure_below, coverage):
        groups = make_classes(AGE_GROUP_NAMES, "21-40", 0.9, unsure_below)
        age = AgePrediction(30.0, (25.0, 35.0), coverage, groups)
        return FaceResult(
            make_detection(), (), FaceTraits(age=age, gender=make_classes(GENDERS, "male", 0.9, unsure_below))
        )

    combined = smoothed(traits(0.5, 0.8), traits(0.75, 0.9))
    assert (combined.age.coverage, combined.age.groups.unsure_below, combined.gender.unsure_below) == (0.9, 0.75, 0.75)


def seen(quality=(), width=12.0, limit=None):
    """A face whose age is unsure where the face is covered."""
    groups = make_classes(AGE_GROUP_NAMES, "21-40")
    age = AgePrediction(30.0, (30 - width / 2, 30 + width / 2), 0.8, groups, limit, clear="covered" not in quality)
    return FaceResult(make_detection(), quality, FaceTraits(age=age))


def test_an_age_is_unsure_of_who_is_mostly_seen_covered():
    covered, clear = seen(("covered",)), seen()
    assert smoothed(*[covered] * 5).age.unsure
    assert not smoothed(*[clear] * 5, *[covered] * 20).age.unsure  # a hand before the face takes nothing back
    assert not smoothed(*[covered] * 5, clear).age.unsure


def test_an_age_is_unsure_where_the_mean_interval_is_too_wide():
    assert smoothed(seen(width=40.0, limit=30.0)).age.unsure
    assert smoothed(seen(width=40.0, limit=30.0), seen(width=26.0, limit=30.0)).age.unsure
    assert not smoothed(seen(width=40.0, limit=30.0), seen(width=10.0, limit=30.0)).age.unsure


def test_years_and_group_of_an_average_do_not_contradict_each_other():
    groups = make_classes(AGE_GROUP_NAMES, "0-20", 0.9)
    ages = [AgePrediction(years, (10, 30), 0.8, groups) for years in (20.2, 21.2)]
    age = smoothed(*[FaceResult(make_detection(), (), FaceTraits(age=age)) for age in ages], interval_s=0.0).age
    assert age.years == pytest.approx(20.7)
    assert (age.groups.top1, age.group) == ("0-20", "21-40")


@pytest.mark.parametrize("memories", [{"age": 0.0}, {"expression": 0.0}, {"age": -1.0}, {"gender": float("nan")}])
def test_memory_must_be_positive(memories):
    with pytest.raises(ValueError, match="memor"):
        TraitSmoother(memories)


def test_memories_are_long_for_the_person_and_short_for_the_expression():
    assert all(20 <= trait.memory_s <= 30 for trait in TRAITS.values() if trait.lasting)
    assert [trait.key for trait in TRAITS.values() if not trait.lasting] == ["expression"]
    assert 0.6 <= TRAITS["expression"].memory_s <= 1.0


@given(
    st.lists(
        st.tuples(
            st.floats(0, 110),
            st.floats(0, 30),
            st.floats(0, 30),
            st.floats(0, 1),
            st.floats(0, 30),
            st.sampled_from([(), ("blurred",)]),
        ),
        min_size=1,
        max_size=30,
    )
)
def test_any_run_of_answers_gives_valid_averages_within_their_range(run):
    """The types check that probabilities sum to 1 and that low <= high."""
    smoother, time_s = TraitSmoother(), 0.0
    for years, below, above, p, passed_s, quality in run:
        time_s += passed_s
        groups = ClassPrediction(AGE_GROUP_NAMES, np.array([p, 1 - p, 0, 0, 0], dtype=np.float32))
        age = AgePrediction(years, (max(0.0, years - below), years + above), 0.8, groups)
        gender = ClassPrediction(GENDERS, np.array([p, 1 - p], dtype=np.float32))
        smoother.add(FaceResult(make_detection(), quality, FaceTraits(age=age, gender=gender)), time_s)
    traits = smoother.traits()
    low, high = min(r[0] for r in run), max(r[0] for r in run)
    assert low - 1e-6 <= traits.age.years <= high + 1e-6
    assert traits.age.interval[0] - 1e-6 <= traits.age.years <= traits.age.interval[1] + 1e-6
    assert min(r[3] for r in run) - 1e-5 <= traits.gender.probabilities[0] <= max(r[3] for r in run) + 1e-5


def test_make_face_is_a_full_view():
    """The other tests of smoothing rest on this."""
    assert view_weight(make_face()) == 1
