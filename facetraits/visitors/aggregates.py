"""Visits counted by the database.

Triggers keep the numbers of visits in four tables up to date with every change of ``visits`` (migration 0005):
``visit_counts`` by quarter hour, source and kind of visitor, and three smaller ones that leave out people or sources,
or are by day. Each question is answered from the smallest table that can. The ends of a span of time that lie within a
day are counted from ``visit_counts``, and those that lie within a quarter hour from ``visits``.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, tzinfo
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Subquery,
    cast,
    func,
    select,
    text,
)

from facetraits.visitors.counted import (
    DAYS_BEFORE_1970,
    OUTCOME_OF,
    SLOTS_OF_DAY,
    SLOTS_OF_HOUR,
    VISITORS,
    Span,
    constant,
    counted_visits,
    microseconds,
    outcome_filter,
    spans_of,
    stretches_of,
    wanted_kinds,
)
from facetraits.visitors.counts import CELLS, PEOPLE, TIMES, Counts
from facetraits.visitors.schema import visits
from facetraits.visitors.statements import conditions_of
from facetraits.visitors.visit import OUTCOME_FILTERS, OUTCOMES, Outcome, Selection

_FIRST_DAY, _LAST_DAY = np.datetime64("0001-01-01"), np.datetime64("9999-12-31")


def count_visits(connection: Connection, chosen: Selection, zone: tzinfo) -> Counts:
    """Everything that the patterns need.

    Args:
        connection: in a transaction that has not read anything yet.
        chosen: which visits.
        zone: of hours and days.
    """
    _see_one_state(connection)
    spans = spans_of(connection, chosen, zone)
    at_times = counted_visits(connection, chosen, spans, times=True)
    days, of_days, baskets, cents = _days(connection, at_times, chosen)
    sources, of_sources = _sources(connection, chosen)
    counts = Counts(
        times=_times(connection, at_times, chosen),
        people=_people(connection, chosen),
        days=days,
        of_days=of_days,
        sources=sources,
        of_sources=of_sources,
        baskets=baskets,
        cents=cents,
        median_duration_s=_median_duration(connection, chosen, int(of_days.sum())),
        crossings=_crossings(connection, at_times, chosen),
    )
    _check(counts.times, counts.people, of_days, of_sources, np.array([baskets, cents]))
    return counts


def count_cells(connection: Connection, chosen: Selection, zone: tzinfo) -> NDArray[np.int64]:
    """(7, 24, 6, 3, 4, 3) visits by weekday, hour, age group, gender, mood and outcome."""
    _see_one_state(connection)
    cells = np.zeros((CELLS[0] * CELLS[1], VISITORS), dtype=np.int64)
    counted = counted_visits(connection, chosen, spans_of(connection, chosen, zone), times=True, people=True)
    if counted is not None:
        # One number to group by is quicker than two.
        key = _hour_of_week(counted) * constant(VISITORS) + counted.c.kind
        for number, there in _grouped(connection, counted, (key,), chosen, ("visits",)):
            cells[divmod(number, VISITORS)] = there
    _check(cells)
    return _by_outcome(cells.reshape(*CELLS[:-1], len(OUTCOME_FILTERS)))


def count_outcomes(connection: Connection, chosen: Selection) -> dict[Outcome, int]:
    """How many visits there are with each outcome."""
    _, of_sources = _sources(connection, chosen)
    return {outcome: int(of_sources[:, place].sum()) for place, outcome in enumerate(OUTCOMES)}


def count_spans(
    connection: Connection, chosen: Selection, zone: tzinfo, spans: Sequence[tuple[datetime, datetime]]
) -> NDArray[np.int64]:
    """(spans, 3) visits by outcome that began while the clocks of the zone showed these times.

    Args:
        connection: in a transaction.
        chosen: which visits; its own span of time does not count.
        zone: of the clocks.
        spans: from the one to before the other, both without a zone.
    """
    found = np.zeros((len(spans), len(OUTCOMES)), dtype=np.int64)
    labelled = []
    for stretch in stretches_of(connection, zone):
        offset_us = stretch.offset_s * 10**6
        for label, (since, until) in enumerate(spans):
            since_us = max(microseconds(since) - offset_us, stretch.since_s * 10**6)
            until_us = min(microseconds(until) - offset_us, stretch.until_s * 10**6)
            labelled.append(Span(since_us, until_us, stretch.offset_s, label))
    counted = counted_visits(connection, chosen, labelled, times=True)
    if counted is not None:
        keys = counted.c.label, outcome_filter(counted)
        for label, outcome, number in _grouped(connection, counted, keys, chosen, ("visits",)):
            found[label, OUTCOME_OF[outcome]] += number
    return found


def _check(*numbers: NDArray[np.int64]) -> None:
    """Raise ValueError if one is negative: the counts were not written by the triggers alone."""
    if any((some < 0).any() for some in numbers):
        raise ValueError("visits are counted wrongly")


def _see_one_state(connection: Connection) -> None:
    """Let all statements of the transaction see the log as it is now; SQLite always does."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))


def _grouped(
    connection: Connection,
    counted: Subquery,
    keys: Sequence[ColumnElement[Any]],
    chosen: Selection,
    sums: Sequence[str],
    leavers: bool = False,
) -> list[Any]:
    """Rows of the keys and the sums of their visits."""
    named = [key.label(f"key{place}") for place, key in enumerate(keys)]
    inner = select(*named, *(counted.c[name] for name in sums)).where(*wanted_kinds(counted.c.kind, chosen, leavers))
    if leavers:
        inner = inner.where(counted.c.lines > 0)
    rows = inner.subquery()
    totals = (cast(func.sum(rows.c[name]), BigInteger) for name in sums)
    found = [rows.c[key.name] for key in named]
    return list(connection.execute(select(*found, *totals).group_by(*found)))


def _hour_of_week(counted: Subquery) -> ColumnElement[int]:
    hour: ColumnElement[int] = counted.c.local // constant(SLOTS_OF_HOUR) % constant(7 * 24)
    return hour


def _times(connection: Connection, counted: Subquery | None, chosen: Selection) -> NDArray[np.int64]:
    times = np.zeros((7 * 24, len(OUTCOME_FILTERS)), dtype=np.int64)
    if counted is not None:
        keys = _hour_of_week(counted), outcome_filter(counted)
        for hour, outcome, number in _grouped(connection, counted, keys, chosen, ("visits",)):
            times[hour, outcome] = number
    return _by_outcome(times.reshape(*TIMES[:-1], len(OUTCOME_FILTERS)))


def _people(connection: Connection, chosen: Selection) -> NDArray[np.int64]:
    people = np.zeros(VISITORS, dtype=np.int64)
    counted = counted_visits(connection, chosen, spans_of(connection, chosen, UTC), people=True)
    if counted is not None:
        for kind, number in _grouped(connection, counted, (counted.c.kind,), chosen, ("visits",)):
            people[kind] = number
    return _by_outcome(people.reshape(*PEOPLE[:-1], len(OUTCOME_FILTERS)))


def _by_outcome(by_filter: NDArray[np.int64]) -> NDArray[np.int64]:
    """The last axis, which is of ``OUTCOME_FILTERS``, as one of ``OUTCOMES``."""
    summed = np.zeros((*by_filter.shape[:-1], len(OUTCOMES)), dtype=np.int64)
    for place, outcome in enumerate(OUTCOME_OF):
        summed[..., outcome] += by_filter[..., place]
    return summed


def _days(
    connection: Connection, counted: Subquery | None, chosen: Selection
) -> tuple[NDArray[np.datetime64], NDArray[np.int64], int, int]:
    """Days, their visits by outcome, number of baskets, and their sum in cents."""
    rows: list[Any] = []
    if counted is not None:
        day = counted.c.local // constant(SLOTS_OF_DAY)
        key = day * constant(len(OUTCOME_FILTERS)) + outcome_filter(counted)
        rows = [tuple(row) for row in _grouped(connection, counted, (key,), chosen, ("visits", "baskets", "cents"))]
    table = np.array(rows, dtype=np.int64).reshape(-1, 4)
    numbers, outcomes = np.divmod(table[:, 0], len(OUTCOME_FILTERS))
    days, which = np.unique(numbers, return_inverse=True)
    by_filter = np.zeros((len(days), len(OUTCOME_FILTERS)), dtype=np.int64)
    by_filter[which, outcomes] = table[:, 1]
    dates = (days - DAYS_BEFORE_1970).astype("datetime64[D]")
    if len(dates) and not (dates[0] >= _FIRST_DAY and dates[-1] <= _LAST_DAY):
        raise ValueError("a day is beyond the calendar")
    return dates, _by_outcome(by_filter), int(table[:, 2].sum()), int(table[:, 3].sum())


def _sources(connection: Connection, chosen: Selection) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    found: dict[str, NDArray[np.int64]] = {}
    counted = counted_visits(connection, chosen, spans_of(connection, chosen, UTC), sources=True)
    if counted is not None:
        keys = counted.c.source, outcome_filter(counted)
        for source, outcome, number in _grouped(connection, counted, keys, chosen, ("visits",)):
            found.setdefault(source, np.zeros(len(OUTCOMES), dtype=np.int64))[OUTCOME_OF[outcome]] += number
    names = tuple(sorted(found))
    return names, np.array([found[name] for name in names], dtype=np.int64).reshape(len(names), len(OUTCOMES))


def _crossings(connection: Connection, counted: Subquery | None, chosen: Selection) -> NDArray[np.int64] | None:
    if counted is None:
        return None
    hour = counted.c.local // constant(SLOTS_OF_HOUR) % constant(24)
    rows = _grouped(connection, counted, (hour,), chosen, ("entries", "exits"), leavers=True)
    crossings = np.zeros((24, 2), dtype=np.int64)
    for at, entries, exits in rows:
        crossings[at] = entries, exits
    return crossings if rows else None


def _median_duration(connection: Connection, chosen: Selection, number: int) -> float | None:
    """From the index that is in the order of the durations: nothing has to be sorted."""
    if not number:
        return None
    ordered = select(visits.c.duration_s).where(*conditions_of(chosen)).order_by(visits.c.duration_s)
    middle = connection.execute(ordered.offset((number - 1) // 2).limit(2 - number % 2)).scalars().all()
    return float(np.mean(middle))
