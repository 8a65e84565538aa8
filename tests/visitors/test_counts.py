"""What the database counts is what counting every visit gives, on SQLite and on PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from sqlalchemy import func, select

from facetraits.visitors.counts import Counts
from facetraits.visitors.offsets import Stretch, stretch_from
from facetraits.visitors.schema import days
from facetraits.visitors.store import VisitStore
from facetraits.visitors.visit import EVERYTHING, OUTCOMES, VISIT_CLASSES, Selection, Visit
from facetraits.visitors.weeks import week_spans
from tests.visitors.conftest import FULL
from tests.visitors.made_visits import BERLIN
from tests.visitors.slow_counts import counts_of, outcomes_of

# Hours, half hours and quarter hours from UTC, with and without a change of the clocks.
ZONES = ("UTC", "Europe/Berlin", "America/St_Johns", "Asia/Kolkata", "Asia/Kathmandu", "Australia/Lord_Howe")
WRONG_DATES = tuple(
    datetime(*day, 23, 45, tzinfo=UTC) for day in ((1, 1, 2), (1892, 6, 1), (1969, 12, 31), (9999, 12, 30))
)
CHANGE = datetime(2026, 3, 29, 1, tzinfo=UTC)  # clocks go from 2 to 3 in Berlin


def random_visits(number: int, seed: int, days: float = 400) -> list[Visit]:
    """Visits of all kinds around the days on which clocks change, and some with a wrong clock."""
    draw = np.random.default_rng(seed)

    def pick(values: Sequence[Any]) -> Any:
        return values[int(draw.integers(len(values)))]

    made = []
    for i in range(number):
        started = CHANGE + timedelta(seconds=float(draw.uniform(-1, 1)) * (days * 86_400 if i % 3 else 7200))
        if i % 50 == 0:
            started = pick(WRONG_DATES)
        if i % 7 == 0:
            started = started.replace(minute=pick((0, 29, 59)), second=59, microsecond=999_999)
        line = bool(i % 4 == 0)
        made.append(
            Visit(
                started,
                pick(("door", "side entrance", "Tür 3 🚪 ' \" % ;")),
                round(float(draw.gamma(2, 100)), 2),
                **{trait: pick((*VISIT_CLASSES[trait], None)) for trait in ("age_group", "gender", "mood")},
                bought=pick(OUTCOMES),
                basket=pick((None, Decimal(int(draw.integers(0, 10_000_000_000))) / 100)),
                sale_guessed=bool(draw.integers(2)),
                ended=bool(draw.integers(2)),
                entries=int(draw.integers(3)) if line else None,
                exits=int(draw.integers(3)) if line else None,
            )
        )
    return made


def assert_alike(found: Counts, expected: Counts) -> None:
    for field in fields(Counts):
        one, other = getattr(found, field.name), getattr(expected, field.name)
        assert type(one) is type(other), field.name
        np.testing.assert_array_equal(one, other, field.name)


def assert_counted(store: VisitStore, zone: str = "Europe/Berlin", chosen: Selection = EVERYTHING) -> None:
    known = ZoneInfo(zone)
    frame = store.frame(chosen, leavers=True)
    assert_alike(store.counts(known, chosen), counts_of(frame, known))


@pytest.mark.parametrize("zone", ZONES)
def test_counts_are_those_of_all_visits(store: VisitStore, zone: str) -> None:
    store.add(random_visits(600, seed=1))
    assert_counted(store, zone)

    here = ZoneInfo(zone)
    midnight = datetime(2026, 3, 20, tzinfo=here)
    for chosen in (
        Selection(since=midnight, until=midnight + timedelta(days=10)),
        Selection(since=midnight + timedelta(minutes=7, microseconds=1)),
        Selection(until=CHANGE + timedelta(seconds=1)),
        Selection(since=CHANGE, until=CHANGE + timedelta(minutes=10)),
        Selection(since=CHANGE, until=CHANGE),
        Selection(sources=("door", "nobody")),
        Selection(age_groups=("21-40", "81+"), genders=("female",)),
        Selection(moods=("negative",), outcomes=("guessed", "not known")),
        Selection(since=midnight, outcomes=("bought",), sources=("side entrance",)),
        Selection(genders=()),
    ):
        assert_counted(store, zone, chosen)
        of_each = store.frame(chosen)["bought"].value_counts()
        assert store.count(chosen) == {outcome: int(of_each[outcome]) for outcome in OUTCOMES}


def test_an_empty_log(store: VisitStore) -> None:
    assert_counted(store)
    assert store.counts(BERLIN).visits == 0
    assert not store.count_spans(BERLIN, week_spans(CHANGE.astimezone(BERLIN))).any()


def test_counts_follow_every_change(store: VisitStore) -> None:
    draw = np.random.default_rng(0)
    known = random_visits(120, seed=2, days=20)
    store.add(known)
    for new in random_visits(120, seed=3, days=20):
        old = known[int(draw.integers(len(known)))]
        change = int(draw.integers(6))
        if change == 0:
            store.update([replace(new, id=old.id, entries=old.entries, exits=old.exits)])
        elif change == 1:
            store.edit(replace(new, id=old.id))
        elif change == 2:
            store.mark([old.id, new.id], new.bought)
        elif change == 3:
            store.attach_sales([(old.id, new.started, new.basket)], [known[0].id], {old.id} if new.ended else ())
        elif change == 4:
            store.delete([old.id])
        else:
            store.withdraw({old.id: known[0].id})
            store.add([new, known[1]])
    assert 0 < len(store.frame()) < 240
    assert_counted(store)
    assert set(store.sources()) == set(store.frame(leavers=True)["source"])
    store.delete_all()
    assert_counted(store)
    assert store.sources() == ()


def test_nothing_is_left_of_deleted_visits(store: VisitStore) -> None:
    store.add([FULL])
    store.delete([FULL.id])
    with store._reading() as connection:
        assert connection.execute(select(func.count()).select_from(days)).scalar_one() == 0


@pytest.mark.parametrize("zone", ["Europe/Berlin", "Asia/Kathmandu"])
def test_spans_on_the_clocks_of_a_zone(store: VisitStore, zone: str) -> None:
    store.add(random_visits(400, seed=5, days=10))
    here = ZoneInfo(zone)
    for now in (CHANGE.astimezone(here), datetime(2026, 4, 2, 14, 7, 3, 5, tzinfo=here)):
        for chosen in (EVERYTHING, Selection(genders=("male",), sources=("door",))):
            found = store.count_spans(here, week_spans(now), chosen)
            np.testing.assert_array_equal(found, outcomes_of(store.frame(chosen), here, week_spans(now)))
            assert found.any()


def test_stretches_of_a_zone() -> None:
    since, until = (int(datetime(2026, month, 1, tzinfo=UTC).timestamp()) for month in (1, 12))
    spring, autumn = (int(datetime(2026, month, day, 1, tzinfo=UTC).timestamp()) for month, day in ((3, 29), (10, 25)))

    assert stretch_from(BERLIN, since, until) == Stretch(since, spring, 3600)
    assert stretch_from(BERLIN, spring, until) == Stretch(spring, autumn, 7200)
    assert stretch_from(BERLIN, spring - 1, until) == Stretch(spring - 1, spring, 3600)
    assert stretch_from(BERLIN, autumn, until) == Stretch(autumn, until, 3600)
    assert stretch_from(UTC, since, until) == Stretch(since, until, 0)
