from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from scipy import stats

from facetraits.visitors.findings import fisher, holm
from facetraits.visitors.patterns import (
    ENOUGH,
    findings,
)
from tests.visitors.made_visits import BERLIN, frame_of, group, make_frame, make_visit
from tests.visitors.slow_counts import cells_of


def test_fishers_test_agrees_with_scipy() -> None:
    draw = np.random.default_rng(0)
    for _ in range(300):
        n, other_n = (int(size) for size in draw.integers(1, 400, 2))
        bought, other = int(draw.integers(0, n + 1)), int(draw.integers(0, other_n + 1))
        expected = stats.fisher_exact([[bought, n - bought], [other, other_n - other]]).pvalue
        assert fisher(bought, n, other, other_n) == pytest.approx(expected, rel=1e-6, abs=1e-300)


def test_fishers_test_of_many_visits() -> None:
    expected = stats.fisher_exact([[6200, 13_800], [24_000, 56_000]]).pvalue

    assert fisher(6200, 20_000, 24_000, 80_000) == pytest.approx(expected, rel=1e-6)


def test_holms_correction_is_the_closure_of_bonferronis() -> None:
    draw = np.random.default_rng(0)
    for _ in range(50):
        p_values = draw.uniform(0, 0.5, 5).tolist()
        sets = [chosen for size in range(1, 6) for chosen in combinations(range(5), size)]
        for i, corrected in enumerate(holm(p_values)):
            worst = max(min(1, len(chosen) * min(p_values[j] for j in chosen)) for chosen in sets if i in chosen)
            assert corrected == pytest.approx(worst)


@pytest.mark.parametrize(
    ("planted", "beginning"),
    [
        ({"gender": "female"}, "Visitors of apparent gender female bought more often"),
        ({"age_group": "61-80"}, "Visitors of apparent age 61-80 bought more often"),
        ({"age_group": "21-40", "gender": "male"}, "Visitors of apparent age 21-40 and apparent gender male bought"),
        ({"mood": "positive"}, "Visitors whose mood looked positive bought more often"),
        ({"weekday": "Saturday"}, "Visitors who came on a Saturday bought more often"),
    ],
)
def test_planted_pattern_is_found_and_nothing_else(planted: dict[str, str], beginning: str) -> None:
    found = findings(cells_of(make_frame(3000, seed=3, planted=planted), BERLIN))

    assert [finding.sentence.startswith(beginning) for finding in found] == [True]
    assert found[0].p < 0.001
    assert found[0].group.rate > found[0].others.rate
    assert found[0].group.n + found[0].others.n == 3000
    assert found[0].group.names == tuple(planted.values())


def test_group_that_buys_less_is_found() -> None:
    frame = make_frame(3000, seed=1, rate=0.5, planted={"mood": "negative"}, planted_rate=0.2)

    (found,) = findings(cells_of(frame, BERLIN))

    assert "mood looked negative bought less often than the others" in found.sentence


def test_two_patterns_are_both_found() -> None:
    frame = make_frame(4000, seed=1, planted={"gender": "female"})
    saturday = (frame["started"].dt.tz_convert(BERLIN).dt.day_of_week == 5).to_numpy()
    frame.loc[saturday & (np.arange(len(frame)) % 2 == 0), "bought"] = "yes"

    assert {finding.traits for finding in findings(cells_of(frame, BERLIN))} == {("gender",), ("weekday",)}


def test_a_sentence_has_its_numbers() -> None:
    frame = frame_of([*group(900, 600, gender="male"), *group(120, 280)])

    (found,) = findings(cells_of(frame))

    assert found.sentence == (
        "Visitors of apparent gender male bought more often than the others: 60% of 1,500 against 30% of 400."
    )


def test_part_of_the_day_is_named_with_its_hours() -> None:
    night = [make_visit(visit.started.replace(hour=2), bought=visit.bought) for visit in group(60, 10)]

    (found,) = findings(cells_of(frame_of([*night, *group(20, 80)])))

    assert found.sentence.startswith("Visitors who came at night (22:00 to 6:00) bought more often")


def test_a_pair_counts_once() -> None:
    # All visitors are of one age, so that men, and men of that age, are the same visits; and not women the same others.
    found = findings(cells_of(frame_of([*group(80, 20, gender="male"), *group(30, 70)])))

    assert [finding.traits for finding in found] == [("gender",)]
    # One comparison, no correction.
    assert found[0].p == pytest.approx(stats.fisher_exact([[80, 20], [30, 70]]).pvalue)


def test_overlap_with_a_clearer_group_is_not_told() -> None:
    # Women buy more often; that all of them look happy and most men do not makes no second pattern.
    women = group(150, 150, mood="positive")
    men = [*group(20, 80, gender="male", mood="positive"), *group(60, 240, gender="male", mood="neutral")]

    assert [finding.traits for finding in findings(cells_of(frame_of([*women, *men])))] == [("gender",)]


def test_too_few_visits_are_not_compared() -> None:
    few = group(ENOUGH - 1, 0, gender="male")

    assert findings(cells_of(frame_of([*few, *group(10, 200)]))) == ()
    assert len(findings(cells_of(frame_of([*few, *group(1, 0, gender="male"), *group(10, 200)])))) == 1


def test_a_pattern_is_found_where_only_buyers_are_marked() -> None:
    frame = make_frame(2000, seed=1, planted={"gender": "female"})
    frame.loc[frame["bought"] == "no", "bought"] = "unknown"

    assert [finding.traits for finding in findings(cells_of(frame, BERLIN))] == [("gender",)]


def test_chance_is_seldom_taken_for_a_pattern() -> None:
    frame, draw, shops = make_frame(800, seed=1), np.random.default_rng(1), 200
    bought = frame["bought"].to_numpy()

    false = sum(bool(findings(cells_of(frame.assign(bought=draw.permutation(bought)), BERLIN))) for _ in range(shops))

    assert false <= 0.05 * shops
