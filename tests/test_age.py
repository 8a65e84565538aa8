import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from facetraits.age import age_predictions, central_interval, group_probabilities, median_years
from facetraits.types import age_group, whole_years

distributions = hnp.arrays(np.float64, (3, 101), elements=st.floats(0.001, 1)).map(
    lambda rows: rows / rows.sum(axis=1, keepdims=True)
)


def certain(year: int) -> np.ndarray:
    return np.eye(101)[[year]]


@pytest.mark.parametrize(
    ("year", "group"), [(0, "0-20"), (20, "0-20"), (21, "21-40"), (60, "41-60"), (61, "61-80"), (100, "81+")]
)
def test_a_certain_age_is_itself(year, group):
    (prediction,) = age_predictions(certain(year), 0.8, 0.8, 0.5)
    assert prediction.years == pytest.approx(year)
    assert prediction.group == group == age_group(year)
    assert prediction.interval == pytest.approx((max(0, year - 0.4), year + 0.4))


@given(distributions)
def test_the_group_is_that_of_the_years(rows):
    for prediction in age_predictions(rows, 0.8, 0.8, 0.5):
        assert prediction.group == age_group(whole_years(prediction.years))


def test_the_group_follows_the_years_and_not_the_likeliest_group():
    row = np.zeros((1, 101))
    row[0, [18, 19, 20, 21, 22, 41]] = 0.15, 0.15, 0.15, 0.25, 0.1, 0.2
    (prediction,) = age_predictions(row, 0.8, 0.8, 0.5)
    assert prediction.groups.top1 == "0-20"
    assert (whole_years(prediction.years), prediction.group) == (21, "21-40")


def test_what_makes_an_age_unsure_is_handed_on():
    rows = np.vstack([certain(30), np.full((1, 101), 1 / 101), certain(30)])
    ages = age_predictions(rows, 0.8, 0.8, 0.5, unsure_wider_than=25.0, clear=(True, True, False))
    assert [age.unsure for age in ages] == [False, True, True]
    assert not any(age.unsure for age in age_predictions(rows, 0.8, 0.8, 0.5))


@given(distributions, st.floats(0.05, 0.99))
def test_interval_holds_the_mass_and_grows_with_it(rows, mass):
    low, high = central_interval(rows, mass).T
    wider_low, wider_high = central_interval(rows, min(0.995, mass + 0.05)).T
    assert (low <= high).all()
    assert (wider_low <= low).all() and (high <= wider_high).all()


@given(distributions)
def test_groups_sum_to_one_and_the_median_lies_in_every_interval(rows):
    assert np.allclose(group_probabilities(rows).sum(axis=1), 1, atol=1e-5)
    years = median_years(rows)
    assert ((years >= 0) & (years <= 100)).all()
    low, high = central_interval(rows, 0.05).T
    assert ((low <= years + 1e-9) & (years <= high + 1e-9)).all()


def test_a_small_doubt_hardly_moves_the_median():
    row = np.zeros((1, 101))
    row[0, [2, 60]] = 0.9, 0.1
    assert 2 <= median_years(row)[0] < 2.1
