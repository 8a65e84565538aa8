"""A demonstration log: made-up visits and sales of a shop, in memory and apart from every other log."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Final
from uuid import UUID

import numpy as np

from facetraits.types import age_group, whole_years
from facetraits.visitors.store import VisitStore, open_memory_store
from facetraits.visitors.visit import Outcome, Settings, Visit

SOURCES: Final = ("Demonstration entrance", "Demonstration side door")
_CURRENCY: Final = "EUR"
_DAYS: Final = 35
_OPENS, _CLOSES = 9, 20
# Visits of Monday to Sunday, and shares of the hours from opening to closing.
_PER_DAY: Final = (58, 55, 60, 64, 82, 104, 38)
_HOURS: Final = np.array([3, 5, 8, 11, 9, 7, 8, 11, 14, 12, 6]) / 94
_MOODS: Final = {"positive": 0.27, "neutral": 0.6, "negative": 0.13}
_BUY: Final = 0.24
_BUY_OLDER: Final = 0.36  # of visitors from 41 years on, so that there is something to find
_GUESSED: Final = 0.06
_SEEN_LEAVING: Final = 0.85  # the others turn their faces away
_MARKED_TODAY: Final = 0.15  # today's sales are not imported yet: some buyers are marked by hand


def demonstration_store(now: datetime) -> VisitStore:
    """A log in memory with the visits of ``demonstration_visits``; it ends with its last reference.

    Args:
        now: aware, on the clocks of the shop.
    """
    store = open_memory_store("the demonstration")
    store.save_settings(Settings(retention_days=None, currency=_CURRENCY))
    store.add(demonstration_visits(now))
    return store


def demonstration_visits(now: datetime, seed: int = 0) -> list[Visit]:
    """About 2,300 visitors of the five weeks up to ``now``, and people who leave; the same for the same day and seed.

    Every visit's source says that it is a demonstration. The sales up to yesterday are in the log; today some buyers
    are marked by hand.

    Args:
        now: aware, on the clocks of the shop.
        seed: of everything that is drawn.
    """
    first = now.date() - timedelta(days=_DAYS - 1)
    days = [first + timedelta(days=i) for i in range(_DAYS)]
    made = [visit for day in days for visit in _visits_of_day(day, now, np.random.default_rng([seed, day.toordinal()]))]
    return [visit for visit in made if visit.started + timedelta(seconds=visit.duration_s) <= now]


def _visits_of_day(day: date, now: datetime, draw: np.random.Generator) -> Iterator[Visit]:
    opened = datetime.combine(day, time(_OPENS), tzinfo=now.tzinfo)
    number = int(draw.poisson(_PER_DAY[day.weekday()]))
    hours = draw.choice(_CLOSES - _OPENS, number, p=_HOURS)
    for seconds in np.sort(hours * 3600 + draw.uniform(0, 3600, number)):
        visit = _visitor(opened + timedelta(seconds=round(float(seconds), 1)), draw)
        yield _with_outcome(visit, day == now.date(), draw)
        if draw.uniform() < _SEEN_LEAVING:
            yield _leaving(visit, draw)


def _leaving(visit: Visit, draw: np.random.Generator) -> Visit:
    """The same person, who is seen at the entrance on the way out."""
    return replace(
        visit,
        source=SOURCES[0],
        started=visit.started + timedelta(seconds=round(visit.duration_s + 60 * float(draw.gamma(3.0, 4.0)))),
        duration_s=round(float(draw.uniform(1.0, 4.0)), 1),
        entries=0,
        exits=1,
        id=UUID(bytes=draw.bytes(16), version=4),
    )


def _visitor(started: datetime, draw: np.random.Generator) -> Visit:
    years = round(float(np.clip(draw.gamma(6.0, 6.4), 4, 92)), 1)
    return Visit(
        started=started,
        source=SOURCES[int(draw.uniform() < 0.2)],
        duration_s=round(float(20 + draw.gamma(2.0, 150)), 1),
        age=years,
        age_group=age_group(whole_years(years)),
        age_confidence=_confidence(draw),
        gender="female" if draw.uniform() < 0.55 else "male",
        gender_confidence=_confidence(draw),
        mood=str(draw.choice(list(_MOODS), p=list(_MOODS.values()))),
        mood_confidence=_confidence(draw),
        ended=True,
        entries=1,
        exits=0,
        id=UUID(bytes=draw.bytes(16), version=4),
    )


def _confidence(draw: np.random.Generator) -> float:
    return round(float(draw.uniform(0.55, 0.99)), 4)


def _with_outcome(visit: Visit, today: bool, draw: np.random.Generator) -> Visit:
    buys = draw.uniform() < (_BUY_OLDER if (visit.age or 0) >= 41 else _BUY)
    minutes, amount = draw.gamma(4.0, 2.5), draw.gamma(2.0, 13.0)
    guessed, marked = draw.uniform() < _GUESSED, draw.uniform() < _MARKED_TODAY
    if today:
        outcome: Outcome = "yes" if buys and marked else "unknown"
        return replace(visit, bought=outcome)
    if not buys:
        return replace(visit, bought="no")
    return replace(
        visit,
        bought="yes",
        basket=Decimal(f"{max(0.5, amount):.2f}"),
        sold_at=visit.started + timedelta(seconds=round(60 * float(minutes) * (4 if guessed else 1))),
        sale_guessed=bool(guessed),
    )
