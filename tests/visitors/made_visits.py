"""Made-up visits: single ones, and any number of a shop with opening hours, the same for the same seed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from facetraits.visitors.visit import CONFIDENCE_OF, OUTCOMES, VISIT_CLASSES, Visit

BERLIN: Final = ZoneInfo("Europe/Berlin")
MONDAY_NOON: Final = datetime(2026, 5, 4, 12, tzinfo=UTC)

_SHARES: Final[Mapping[str, tuple[float, ...]]] = {
    "age_group": (0.15, 0.35, 0.3, 0.17, 0.03),
    "gender": (0.45, 0.55),
    "mood": (0.25, 0.6, 0.15),
}
# Share of a day's visits in each hour from 9 to 19; the shop is closed at night.
_HOURS: Final = (3, 5, 8, 11, 9, 7, 8, 11, 14, 12, 6)
# Visits of Monday to Sunday, when it is closed.
_WEEKDAYS: Final = (10, 9, 10, 11, 14, 18, 0)


def make_visit(started: datetime = MONDAY_NOON, **changes: Any) -> Visit:
    """A visit of which everything is known but the ethnicity; ``changes`` replaces fields."""
    values: dict[str, Any] = {
        "source": "door",
        "duration_s": 240.0,
        "age": 34.0,
        "age_group": "21-40",
        "age_confidence": 0.8,
        "gender": "female",
        "gender_confidence": 0.9,
        "mood": "neutral",
        "mood_confidence": 0.7,
        "ended": True,
    }
    return Visit(started, **(values | changes))


def frame_of(visits: Sequence[Visit]) -> pd.DataFrame:
    """The visits as ``VisitStore.frame()`` gives them."""
    ordered = sorted(visits, key=lambda visit: visit.started)
    return _typed({name: [getattr(visit, name) for visit in ordered] for name in _COLUMNS})


def group(bought: int, others: int, **changes: Any) -> list[Visit]:
    """Visits of which so many bought and so many did not."""
    outcomes = ["yes"] * bought + ["no"] * others
    return [make_visit(bought=outcome, **changes) for outcome in outcomes]  # type: ignore[arg-type]


def visits_of(frame: pd.DataFrame) -> list[Visit]:
    """The visits of a frame, e.g. to put them into a store."""
    columns = {name: frame[name].astype(object).where(frame[name].notna(), None) for name in _COLUMNS}
    columns["id"] = columns["id"].map(UUID)
    for name in ("entries", "exits"):
        columns[name] = columns[name].map(lambda number: None if number is None else int(number))
    columns["basket"] = columns["basket"].map(lambda basket: None if basket is None else Decimal(f"{basket:.2f}"))
    for name in ("started", "sold_at"):
        columns[name] = columns[name].map(lambda moment: None if moment is None else moment.to_pydatetime())
    return [Visit(**dict(zip(columns, row, strict=True))) for row in zip(*columns.values(), strict=True)]


def make_frame(
    n: int,
    seed: int = 0,
    days: int = 90,
    rate: float = 0.3,
    planted: Mapping[str, str] | None = None,
    planted_rate: float = 0.5,
    unknown: float = 0.0,
) -> pd.DataFrame:
    """``n`` visits of a shop in Berlin within ``days`` days from 5 January 2026, as ``VisitStore.frame()`` gives them.

    Args:
        n: number of visits.
        seed: of everything that is drawn.
        days: over which the visits are spread.
        rate: share of those who buy, whoever they are.
        planted: a group by its traits, e.g. ``{"gender": "female"}`` or ``{"weekday": "Monday"}``, that buys otherwise.
        planted_rate: the share of these who buy.
        unknown: share of the visits of which the outcome is unknown.
    """
    draw = np.random.default_rng(seed)
    local = _times(draw, n, days)
    started = pd.Series(local).dt.tz_localize(BERLIN).dt.tz_convert("UTC").dt.as_unit("us")
    columns: dict[str, Any] = {"started": started, "duration_s": np.round(draw.gamma(2, 150, n), 2)}
    columns["source"] = draw.choice(["door", "side entrance"], n, p=[0.8, 0.2])
    for trait, shares in _SHARES.items():
        columns[trait] = draw.choice(VISIT_CLASSES[trait], n, p=shares)  # type: ignore[index]
        columns[CONFIDENCE_OF[trait]] = np.round(draw.uniform(0.4, 1, n), 4)  # type: ignore[index]
    lowest = pd.Series(columns["age_group"]).str.extract(r"^(\d+)")[0].astype(float).to_numpy()
    columns["age"] = lowest + np.round(draw.uniform(0, 19, n), 1)
    columns["ethnicity"] = [None] * n
    columns["ethnicity_confidence"] = np.full(n, np.nan)
    chance = np.where(_in_group(columns, local, planted), planted_rate, rate)
    bought = draw.uniform(size=n) < chance
    columns["bought"] = np.where(bought, "yes", "no").astype(object)
    columns["basket"] = np.where(bought, np.round(draw.gamma(2, 12, n) + 0.5, 2), np.nan)
    columns["bought"][draw.uniform(size=n) < unknown] = "unknown"
    columns["basket"][columns["bought"] == "unknown"] = np.nan
    columns["sold_at"] = pd.Series([pd.NaT] * n)
    columns["ended"] = np.ones(n, dtype=bool)
    columns["entries"] = columns["exits"] = [None] * n
    columns["sale_guessed"] = columns["corrected"] = np.zeros(n, dtype=bool)
    columns["id"] = [str(UUID(bytes=draw.bytes(16), version=4)) for _ in range(n)]
    return _typed(columns)


_COLUMNS: Final = ("id", *(field.name for field in fields(Visit) if field.name != "id"))


def _times(draw: np.random.Generator, n: int, days: int) -> np.ndarray:
    """(n,) local times in opening hours, ascending."""
    first = np.datetime64(date(2026, 1, 5))  # a Monday
    weights = np.array([_WEEKDAYS[day % 7] for day in range(days)], dtype=float)
    day = draw.choice(days, n, p=weights / weights.sum())
    hour = draw.choice(np.arange(9, 20), n, p=np.array(_HOURS) / sum(_HOURS))
    seconds = (day * 24 + hour) * 3600 + draw.uniform(0, 3600, n)
    return np.sort(first.astype("datetime64[us]") + (seconds * 1e6).astype("timedelta64[us]"))


def _in_group(columns: Mapping[str, Any], local: np.ndarray, group: Mapping[str, str] | None) -> np.ndarray:
    inside = np.full(len(local), group is not None)
    for trait, name in (group or {}).items():
        inside &= (pd.Series(local).dt.day_name() if trait == "weekday" else pd.Series(columns[trait])) == name
    return inside


def _typed(columns: Mapping[str, Any]) -> pd.DataFrame:
    kinds: dict[str, Any] = {trait: pd.CategoricalDtype(list(classes)) for trait, classes in VISIT_CLASSES.items()}
    kinds |= {"bought": pd.CategoricalDtype(list(OUTCOMES)), "source": "category", "id": "str"}
    kinds |= dict.fromkeys(("started", "sold_at"), "datetime64[us, UTC]")
    kinds |= dict.fromkeys(("duration_s", "age", "basket", *CONFIDENCE_OF.values()), "float64")
    kinds |= dict.fromkeys(("sale_guessed", "ended", "corrected"), "bool")
    kinds |= dict.fromkeys(("entries", "exits"), "Int64")
    return pd.DataFrame({name: pd.Series(columns[name], dtype=object).astype(kinds[name]) for name in _COLUMNS})


EMPTY: Final = frame_of([])
