from __future__ import annotations

import time
from collections.abc import Iterable
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from facetraits.visitors.sales.matching import MatchRule, Sale, assign, match_sales
from facetraits.visitors.sales.reading import read_sales
from facetraits.visitors.store import VisitStore
from facetraits.visitors.visit import Visit
from tests.visitors.made_visits import BERLIN, MONDAY_NOON, frame_of, make_frame, make_visit

RULE = MatchRule()


def sale(minutes: float, amount: str | None = "9.00", line: int = 2) -> Sale:
    return Sale(MONDAY_NOON + timedelta(minutes=minutes), None if amount is None else Decimal(amount), line)


def visit(minutes: float, **changes: Any) -> Visit:
    return make_visit(MONDAY_NOON + timedelta(minutes=minutes), **changes)


def matched(sales: Iterable[Sale], visits: list[Visit], rule: MatchRule = RULE) -> list[tuple[int, float]]:
    """Place of the visit, and minutes of the sale that it got."""
    places = {visit.id: i for i, visit in enumerate(visits)}
    pairs = match_sales(list(sales), frame_of(visits), rule).pairs
    return sorted((places[found], (its.time - MONDAY_NOON).total_seconds() / 60) for found, its in pairs)


def test_sale_goes_to_the_visit_that_began_about_ten_minutes_before() -> None:
    assert matched([sale(30)], [visit(0), visit(19), visit(28)]) == [(1, 30)]


def test_no_visit_gets_two_sales() -> None:
    assert matched([sale(10), sale(11)], [visit(0), visit(-20)]) == [(0, 11), (1, 10)]


@pytest.mark.parametrize(("minutes", "found"), [(0, 1), (60, 1), (60.1, 0), (-0.1, 0)])
def test_sale_is_at_most_an_hour_after_coming_in(minutes: float, found: int) -> None:
    assert len(matched([sale(minutes)], [visit(0)])) == found


@pytest.mark.parametrize(
    ("others", "minutes", "certainty"),
    [
        ([], 10, "sure"),
        ([], 0, "sure"),
        ([], 20, "sure"),
        ([], 20.1, "guessed"),
        ([], 60, "guessed"),
        ([-25], 10, "sure"),
        ([-1], 10, "likely"),
        ([1, 2, 3], 10, "likely"),
    ],
)
def test_matches_say_how_sure_they_are(others: list[float], minutes: float, certainty: str) -> None:
    found = match_sales([sale(minutes)], frame_of([visit(0), *map(visit, others)]), RULE)

    assert found.certainty == (certainty,)


def test_sale_that_is_far_from_every_visit_is_given_to_nobody_unless_guessed() -> None:
    near, far = visit(0), visit(100)
    found = match_sales([sale(10), sale(128)], frame_of([near, far]), RULE)

    assert ([number for number, _ in found.pairs], found.certainty) == ([near.id, far.id], ("sure", "guessed"))
    certain = found.without_guesses()
    assert ([number for number, _ in certain.pairs], certain.certainty) == ([near.id], ("sure",))
    assert certain.unmatched == (sale(128),)
    assert certain.others == ()


def test_rule_may_be_another() -> None:
    visits = [visit(0), visit(25)]

    assert matched([sale(30)], visits, MatchRule(typical_s=1800)) == [(0, 30)]
    assert matched([sale(30)], visits[:1], MatchRule(longest_s=1200)) == []


@pytest.mark.parametrize("values", [(0, 0), (-1, 0), (3600, -1), (3600, 3601), (90_000, 600)])
def test_rules_that_make_no_sense_are_refused(values: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="_s must lie"):
        MatchRule(*values)


def test_as_many_sales_as_possible_find_a_visit() -> None:
    # The second sale would be nearer to the first visit, but then the first sale would go without.
    assert matched([sale(5), sale(60)], [visit(0), visit(50)]) == [(0, 5), (1, 60)]
    assert matched([sale(5), sale(10)], [visit(0), visit(-54)]) == [(0, 10), (1, 5)]


def test_visits_with_a_sale_or_without_purchase_get_none() -> None:
    taken = visit(0, bought="yes", basket=Decimal(3), sold_at=MONDAY_NOON)
    refused = visit(1, bought="no")

    assert matched([sale(10)], [taken, refused]) == []


def test_visit_marked_as_buyer_is_preferred() -> None:
    assert matched([sale(30)], [visit(0, bought="yes"), visit(20)]) == [(0, 30)]
    # But not at the price of a sale that goes without.
    assert matched([sale(5), sale(59)], [visit(0, bought="yes"), visit(50)]) == [(0, 5), (1, 59)]


def test_sale_without_amount_keeps_the_basket_put_in_by_hand() -> None:
    buyer = visit(0, bought="yes", basket=Decimal("4.20"))

    ((_, its),) = match_sales([sale(10, None)], frame_of([buyer]), RULE).pairs

    assert its.amount == Decimal("4.20")


def test_sales_imported_before_are_known() -> None:
    done = visit(0, bought="yes", basket=Decimal("9.00"), sold_at=sale(10).time)
    matching = match_sales([sale(10), sale(10, "7.00", 3), sale(10, line=4)], frame_of([done, visit(1)]), RULE)

    assert [its.line for its in matching.known] == [2]
    assert [its.line for _, its in matching.pairs] == [3]
    assert [its.line for its in matching.unmatched] == [4]


def test_sale_without_amount_is_known_by_its_time() -> None:
    done = visit(0, bought="yes", basket=Decimal("9.00"), sold_at=sale(10).time)

    assert match_sales([sale(10, None)], frame_of([done]), RULE).known == (sale(10, None),)


def test_others_are_those_who_would_have_paid_within_the_file() -> None:
    visits = [visit(minutes) for minutes in (-60, -1, 0, 5, 40, 50, 51, 100)]
    visits += [visit(20, bought="yes"), visit(21, bought="no")]

    matching = match_sales([sale(10), sale(60)], frame_of(visits), RULE)

    places = {visit.id: i for i, visit in enumerate(visits)}
    paired = {places[found] for found, _ in matching.pairs}
    assert paired == {8, 2} or paired == {8, 5}
    assert {places[found] for found in matching.others} == {2, 3, 4, 5} - paired


def test_known_sales_belong_to_the_time_of_the_file() -> None:
    done = visit(0, bought="yes", basket=Decimal("9.00"), sold_at=sale(10).time)
    also = visit(90, bought="yes", basket=Decimal("9.00"), sold_at=sale(100).time)
    waiting = visit(20)

    matching = match_sales([sale(10), sale(100)], frame_of([done, also, waiting]), RULE)

    assert (matching.pairs, matching.others) == ((), (waiting.id,))


def test_nothing_to_match() -> None:
    nothing = match_sales([], frame_of([visit(0)]), RULE)
    alone = match_sales([sale(0)], frame_of([]), RULE)

    assert (nothing.pairs, nothing.others) == ((), ())
    assert (alone.unmatched, alone.others) == ((sale(0),), ())


def test_assignment_is_the_best_there_is() -> None:
    draw = np.random.default_rng(0)
    for round_ in range(150):
        n, m = (int(size) for size in draw.integers(1, 12 if round_ < 130 else 60, 2))
        span, longest = int(draw.integers(10, 400)), int(draw.integers(1, 120))
        typical = int(draw.integers(0, longest + 1))
        sales, visits = np.sort(draw.integers(0, span, n)), np.sort(draw.integers(0, span, m))
        marked = draw.uniform(size=m) < 0.3

        chosen = assign(sales, visits, marked, longest, typical)

        taken = chosen[chosen >= 0]
        assert len(set(taken.tolist())) == len(taken)
        lags = sales[chosen >= 0] - visits[taken]
        assert ((lags >= 0) & (lags <= longest)).all()
        got = (len(taken), int(marked[taken].sum()), -int(np.abs(lags - typical).sum()))
        assert got == best_of_all(sales, visits, marked, longest, typical)


def best_of_all(
    sales: np.ndarray, visits: np.ndarray, marked: np.ndarray, longest: int, typical: int
) -> tuple[int, int, int]:
    """Sales with a visit, how many of these were marked, and the negative sum of distances: the Hungarian method."""
    lags = sales[:, None] - visits[None, :]
    possible = (lags >= 0) & (lags <= longest)
    cost = np.where(possible, np.abs(lags - typical) + np.where(marked, 0.0, 1e5), 1e12)
    # A sale may stay without: one more column each.
    rows, columns = linear_sum_assignment(np.hstack([cost, np.full((len(sales), len(sales)), 1e8)]))
    real = columns < len(visits)
    assert possible[rows[real], columns[real]].all()
    distances = np.abs(lags[rows[real], columns[real]] - typical)
    return int(real.sum()), int(marked[columns[real]].sum()), -int(distances.sum())


def test_true_visits_are_found_in_a_quiet_shop() -> None:
    frame = make_frame(300, seed=1, days=30, unknown=1.0)
    draw = np.random.default_rng(1)
    bought = np.sort(draw.choice(len(frame), 60, replace=False))
    sales = [
        Sale(moment.to_pydatetime() + timedelta(seconds=float(draw.normal(600, 60))), Decimal(5), i)
        for i, moment in enumerate(frame["started"].iloc[bought], start=2)
    ]

    pairs = match_sales(sales, frame, RULE).pairs

    right = sum(str(found) == frame["id"].iloc[bought[its.line - 2]] for found, its in pairs)
    assert len(pairs) == 60
    assert right >= 54


def test_ten_thousand_sales_of_a_hundred_thousand_visits_take_seconds() -> None:
    visits = np.sort(np.random.default_rng(0).integers(0, 40 * 3_600_000, 100_000))
    sales = np.sort(visits[::10] + 600_000)

    started = time.process_time()
    chosen = assign(sales, visits, np.zeros(len(visits), dtype=bool), 3_600_000, 600_000)
    took = time.process_time() - started

    assert np.array_equal(visits[chosen], visits[::10])
    assert took < 10


def test_import_goes_into_the_store_and_is_known_the_next_time(store: VisitStore) -> None:
    visits = [visit(0), visit(5), visit(30), visit(200)]
    store.add(visits)
    till = b"time,amount\n2026-05-04 14:10,3.10\n2026-05-04 14:41,7\n2026-05-04 20:00,1\n"
    sales = read_sales(till, BERLIN).sales

    first = match_sales(sales, store.frame(), RULE)
    store.attach_sales([(found, its.time, its.amount) for found, its in first.pairs], first.others)
    again = match_sales(sales, store.frame(), RULE)

    assert [found for found, _ in first.pairs] == [visits[0].id, visits[2].id]
    assert set(first.others) == {visits[1].id, visits[3].id}
    assert (again.pairs, again.others) == ((), ())
    assert [str(its.amount) for its in again.known] == ["3.10", "7.00"]
    assert store.count() == {"yes": 2, "no": 2, "unknown": 0}
    assert {row.basket for row in store.latest() if row.bought == "yes"} == {Decimal("3.10"), Decimal("7.00")}


def test_identities_are_those_of_the_store() -> None:
    known = visit(0)

    ((found, _),) = match_sales([sale(10)], frame_of([known]), RULE).pairs

    assert found == known.id
    assert isinstance(found, UUID)
