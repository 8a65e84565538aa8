from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest

from facetraits.visitors.visit import Settings, Visit, checked_basket

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)


def test_times_become_utc() -> None:
    there = datetime(2026, 5, 4, 14, tzinfo=timezone(timedelta(hours=2)))

    visit = Visit(there, "door", 3.0, sold_at=there)

    assert (visit.started, visit.started.tzinfo, visit.sold_at) == (NOON, UTC, NOON)


def test_every_visit_has_an_id_of_its_own() -> None:
    assert Visit(NOON, "door", 1.0).id != Visit(NOON, "door", 1.0).id


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"started": datetime(2026, 5, 4, 12)}, "time zone"),
        ({"source": ""}, "source"),
        ({"source": "x" * 81}, "source"),
        ({"source": "door\0"}, "source"),
        ({"source": "\udcff.mp4"}, "source"),  # a file's name that is no text: databases refuse it
        ({"duration_s": -1.0}, "duration_s"),
        ({"duration_s": float("nan")}, "duration_s"),
        ({"age": -2.0}, "age"),
        ({"gender": "man"}, "gender"),
        ({"mood": "happy"}, "mood"),
        ({"gender_confidence": 0.5}, "gender_confidence"),
        ({"gender": "male", "gender_confidence": 1.5}, "gender_confidence"),
        ({"bought": "maybe"}, "bought"),
        ({"basket": Decimal(-1)}, "amount"),
        ({"basket": Decimal("NaN")}, "amount"),
    ],
)
def test_what_cannot_be_is_refused(changes: dict[str, object], word: str) -> None:
    with pytest.raises(ValueError, match=word):
        Visit(**{"started": NOON, "source": "door", "duration_s": 1.0, **changes})  # type: ignore[arg-type]


def test_a_trait_without_confidence_was_put_in_by_hand() -> None:
    assert Visit(NOON, "door", 1.0, gender="male").gender_confidence is None


def test_baskets_have_two_decimal_places() -> None:
    assert str(checked_basket(Decimal("12.5"))) == "12.50"


@pytest.mark.parametrize(
    "changes", [{"enter_s": -1}, {"enter_s": 61}, {"away_s": 0}, {"away_s": 121}, {"retention_days": 0}]
)
def test_settings_have_limits(changes: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(changes))):
        Settings(**changes)  # type: ignore[arg-type]
