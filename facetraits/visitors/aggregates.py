"""Visits counted by the database.

Triggers keep the numbers of visits in four tables up to date with every change of ``visits`` (migration 0005):
``visit_counts`` by quarter hour, source and kind of visitor, and three smaller ones that leave out people or sources,
or are by day. Each question is answered from the smallest table that can. The ends of a span of time that lie within a
day are counted from ``visit_counts``, and those that lie within a quarter hour from ``visits``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from math import prod
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Integer,
    Select,
    String,
    Subquery,
    Table,
    case,
    cast,
    extract,
    func,
    literal_column,
    select,
    text,
    true,
    type_coerce,
    union_all,
)

from facetraits.visitors.counts import CELLS, PEOPLE, TIMES, Counts
from facetraits.visitors.offsets import Stretch, moment_of, stretch_from
from facetraits.visitors.schema import COUNT_SUMS, SLOT_S, counts, people_counts, source_counts, time_counts, visits
from facetraits.visitors.statements import conditions_of
from facetraits.visitors.visit import EVERYTHING, OUTCOME_FILTERS, OUTCOMES, VISIT_CLASSES, Outcome, Selection

_SLOTS_OF_HOUR: Final = 3600 // SLOT_S
_SLOTS_OF_DAY: Final = 24 * _SLOTS_OF_HOUR
# Databases round towards 0. Slots since a Monday before year 1 are never negative.
_DAYS_BEFORE_1970: Final = 719_169
_SLOTS_BEFORE_1970: Final = _DAYS_BEFORE_1970 * _SLOTS_OF_DAY
_YEAR_0_S: Final = 62_167_219_200  # seconds from its beginning to 1970
_MICROSECOND: Final = timedelta(microseconds=1)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

# A kind of visitor is a number whose digits are these, each with so many values.
_PEOPLE: Final = ("age_group", "gender", "mood")
_DIGITS: Final = (2, *(len(VISIT_CLASSES[trait]) + 1 for trait in _PEOPLE), len(OUTCOME_FILTERS))
_VISITORS: Final = prod(_DIGITS[1:])  # kinds below are visitors, the others have only left
# What each outcome filter stands for, as a place in ``OUTCOMES``.
_OUTCOME_OF: Final = tuple(OUTCOMES.index(outcome) for outcome in ("yes", "yes", "no", "unknown"))
_DAY_S: Final = 86_400


class _Span(NamedTuple):
    """A span of time with the same offset, in microseconds since 1970, and a number that its visits get."""

    since_us: int
    until_us: int
    offset_s: int
    label: int = 0


def count_visits(connection: Connection, chosen: Selection, zone: tzinfo) -> Counts:
    """Everything that the patterns need.

    Args:
        connection: in a transaction that has not read anything yet.
        chosen: which visits.
        zone: of hours and days.
    """
    _see_one_state(connection)
    spans = _spans(connection, chosen, zone)
    at_times = _counted(connection, chosen, spans, times=True)
    days, of_days, baskets, cents = _days(connection, at_times, chosen)
    sources, of_sources = _sources(connection, chosen)
    return Counts(
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


def count_cells(connection: Connection, chosen: Selection, zone: tzinfo) -> NDArray[np.int64]:
    """(7, 24, 6, 3, 4, 3) visits by weekday, hour, age group, gender, mood and outcome."""
    _see_one_state(connection)
    cells = np.zeros((CELLS[0] * CELLS[1], _VISITORS), dtype=np.int64)
    counted = _counted(connection, chosen, _spans(connection, chosen, zone), times=True, people=True)
    if counted is not None:
        # One number to group by is quicker than two.
        key = _hour_of_week(counted) * _number(_VISITORS) + counted.c.kind
        for number, there in _grouped(connection, counted, (key,), chosen, ("visits",)):
            cells[divmod(number, _VISITORS)] = there
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
    for stretch in _stretches(connection, zone):
        offset_us = stretch.offset_s * 10**6
        for label, (since, until) in enumerate(spans):
            since_us = max(_microseconds(since) - offset_us, stretch.since_s * 10**6)
            until_us = min(_microseconds(until) - offset_us, stretch.until_s * 10**6)
            labelled.append(_Span(since_us, until_us, stretch.offset_s, label))
    counted = _counted(connection, chosen, labelled, times=True)
    if counted is not None:
        keys = counted.c.label, _outcome_filter(counted)
        for label, outcome, number in _grouped(connection, counted, keys, chosen, ("visits",)):
            found[label, _OUTCOME_OF[outcome]] += number
    return found


# --------------------------------------------------------------------------------------------------------------- spans


def _see_one_state(connection: Connection) -> None:
    """Let all statements of the transaction see the log as it is now; SQLite always does."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))


def _stretches(connection: Connection, zone: tzinfo, chosen: Selection = EVERYTHING) -> Iterator[Stretch]:
    """Of the zone, those with visits: a visit with a wrong date does not make thousands of them."""
    first, last = (
        select(func.min(time_counts.c.slot)),
        connection.execute(select(func.max(time_counts.c.slot))).scalar_one(),
    )
    next_slot = -(2**62) if chosen.since is None else _microseconds(chosen.since) // (SLOT_S * 10**6)
    if last is not None and chosen.until is not None:
        last = min(last, _microseconds(chosen.until) // (SLOT_S * 10**6))
    while True:
        slot = connection.execute(first.where(time_counts.c.slot >= next_slot)).scalar_one()
        if slot is None or slot > last:
            return
        stretch = stretch_from(zone, slot * SLOT_S, (last + 1) * SLOT_S)
        yield stretch
        # A stretch that ends within a slot leaves visits in it.
        next_slot = stretch.until_s // SLOT_S
        if stretch.until_s % SLOT_S:
            yield Stretch(
                stretch.until_s,
                min((next_slot + 1) * SLOT_S, (last + 1) * SLOT_S),
                stretch_from(zone, stretch.until_s, stretch.until_s + 1).offset_s,
            )
            next_slot += 1


def _spans(connection: Connection, chosen: Selection, zone: tzinfo) -> list[_Span]:
    spans = []
    for stretch in _stretches(connection, zone, chosen):
        since, until = stretch.since_s * 10**6, stretch.until_s * 10**6
        if chosen.since is not None:
            since = max(since, _microseconds(chosen.since))
        if chosen.until is not None:
            until = min(until, _microseconds(chosen.until))
        spans.append(_Span(since, until, stretch.offset_s))
    return spans


def _microseconds(moment: datetime) -> int:
    """Since 1970; of a moment without a zone, on its own clocks."""
    return (moment - (_EPOCH if moment.tzinfo else _EPOCH.replace(tzinfo=None))) // _MICROSECOND


def _counted(
    connection: Connection,
    chosen: Selection,
    spans: Iterable[_Span],
    times: bool = False,
    people: bool = False,
    sources: bool = False,
) -> Subquery | None:
    """Counted visits in these columns: ``label``, ``local`` (slots since a Monday before year 1, on the clocks of the
    zone), ``source``, ``kind`` and the sums; None where there is no time.

    Args:
        connection: in a transaction.
        chosen: the sources; its traits and outcomes have still to be chosen among the kinds.
        spans: of time.
        times: whether ``local`` is needed.
        people: whether the traits in ``kind`` are needed.
        sources: whether ``source`` is needed.
    """
    people = people or any(wanted is not None for wanted in (chosen.age_groups, chosen.genders, chosen.moods))
    sources = sources or chosen.sources is not None
    tables = [counts] if people and (times or sources) else [people_counts, counts]
    if not people:
        tables = [source_counts, counts] if not times else [counts] if sources else [time_counts]
    parts = [part for span in spans for part in _parts(connection, chosen, span, tables)]
    return union_all(*parts).subquery() if parts else None


def _parts(connection: Connection, chosen: Selection, span: _Span, tables: Sequence[Table]) -> Iterator[Select[Any]]:
    """The span in whole days or slots of the first table, and what is left from the other ones."""
    if span.since_us >= span.until_us:
        return
    if not tables or span.offset_s % SLOT_S:
        yield _from_visits(connection, chosen, span)
        return
    table = tables[0]
    unit_us = (SLOT_S if "slot" in table.c else _DAY_S) * 10**6
    first, after = -(-span.since_us // unit_us), span.until_us // unit_us
    if first >= after:
        yield from _parts(connection, chosen, span, tables[1:])
        return
    yield _from_counts(chosen, span, table, first, after)
    for edge in (span._replace(until_us=first * unit_us), span._replace(since_us=after * unit_us)):
        yield from _parts(connection, chosen, edge, tables[1:])


def _from_counts(chosen: Selection, span: _Span, table: Table, first: int, after: int) -> Select[Any]:
    unit = table.c[0]
    local = unit + _number(_SLOTS_BEFORE_1970 + span.offset_s // SLOT_S) if "slot" in table.c else _number(0)
    picked = select(
        _number(span.label).label("label"),
        local.label("local"),
        table.c.source if "source" in table.c else literal_column("''", String).label("source"),
        table.c.kind,
        *(table.c[name] for name in COUNT_SUMS),
    ).where(unit >= first, unit < after)
    return picked if chosen.sources is None else picked.where(table.c.source.in_(chosen.sources))


def _from_visits(connection: Connection, chosen: Selection, span: _Span) -> Select[Any]:
    bought = (visits.c.bought == "yes") & visits.c.basket.is_not(None)
    moments = [moment_of(time_us // 10**6) for time_us in (span.since_us, span.until_us)]
    since, until = (
        None if moment is None else moment + timedelta(microseconds=time_us % 10**6)
        for moment, time_us in zip(moments, (span.since_us, span.until_us), strict=True)
    )
    return (
        select(
            _number(span.label).label("label"),
            _local_slot(connection.dialect.name, span.offset_s).label("local"),
            visits.c.source,
            _kind().label("kind"),
            _number(1).label("visits"),
            case((bought, 1), else_=0).label("baskets"),
            case((bought, cast(func.round(type_coerce(visits.c.basket, Integer) * 100), BigInteger)), else_=0).label(
                "cents"
            ),
            func.coalesce(visits.c.entries, 0).label("entries"),
            func.coalesce(visits.c.exits, 0).label("exits"),
            case((visits.c.entries.is_(None), 0), else_=1).label("lines"),
        )
        .where(true() if since is None else visits.c.started >= since)
        .where(true() if until is None else visits.c.started < until)
        .where(true() if chosen.sources is None else visits.c.source.in_(chosen.sources))
    )


def _local_slot(dialect: str, offset_s: int) -> ColumnElement[int]:
    if dialect == "sqlite":
        # Without the fraction of the second, which SQLite would round.
        since_1970 = cast(func.strftime("%s", func.substr(type_coerce(visits.c.started, String), 1, 19)), Integer)
        before = _DAYS_BEFORE_1970 * 86_400 + offset_s
        return (since_1970 + _number(before)) // _number(SLOT_S)
    slot = func.floor((extract("epoch", visits.c.started) + _number(offset_s)) / _number(SLOT_S))
    return cast(slot, BigInteger) + _number(_SLOTS_BEFORE_1970)


def _kind() -> ColumnElement[int]:
    """The kind of a visitor, as the triggers compute it."""
    kind: ColumnElement[int] = case((visits.c.entries == 0, 1), else_=0)
    for trait, digit in zip(_PEOPLE, _DIGITS[1:], strict=False):
        places = {name: place for place, name in enumerate(VISIT_CLASSES[trait])}  # type: ignore[index]
        kind = kind * digit + case(places, value=visits.c[trait], else_=len(places))
    outcome = case(
        ((visits.c.bought == "yes") & visits.c.sale_guessed, 1),
        (visits.c.bought == "yes", 0),
        (visits.c.bought == "no", 2),
        else_=3,
    )
    return kind * len(OUTCOME_FILTERS) + outcome


def _wanted(kind: ColumnElement[int], chosen: Selection, leavers: bool) -> list[ColumnElement[bool]]:
    """The kinds that the filters let through, and, if they are wanted, those who have only left."""
    conditions = [] if leavers else [kind < _number(_VISITORS)]
    divisor = 1
    listed: tuple[tuple[Sequence[str], Sequence[str] | None], ...] = (
        (OUTCOME_FILTERS, chosen.outcomes),
        (VISIT_CLASSES["mood"], chosen.moods),
        (VISIT_CLASSES["gender"], chosen.genders),
        (VISIT_CLASSES["age_group"], chosen.age_groups),
    )
    for number, (known, wanted) in zip(_DIGITS[:0:-1], listed, strict=True):
        if wanted is not None:
            places = [place for place, name in enumerate(known) if name in wanted]
            conditions.append((kind // _number(divisor) % _number(number)).in_(places))
        divisor *= number
    return conditions


def _outcome_filter(counted: Subquery) -> ColumnElement[int]:
    """The place in ``OUTCOME_FILTERS``."""
    place: ColumnElement[int] = counted.c.kind % _number(len(OUTCOME_FILTERS))
    return place


def _number(value: int) -> ColumnElement[int]:
    """A constant in the statement itself: PostgreSQL groups by an expression only where it is written alike."""
    return literal_column(str(value), BigInteger)


# ---------------------------------------------------------------------------------------------------------------- sums


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
    inner = select(*named, *(counted.c[name] for name in sums)).where(*_wanted(counted.c.kind, chosen, leavers))
    if leavers:
        inner = inner.where(counted.c.lines > 0)
    rows = inner.subquery()
    totals = (cast(func.sum(rows.c[name]), BigInteger) for name in sums)
    found = [rows.c[key.name] for key in named]
    return list(connection.execute(select(*found, *totals).group_by(*found)))


def _hour_of_week(counted: Subquery) -> ColumnElement[int]:
    hour: ColumnElement[int] = counted.c.local // _number(_SLOTS_OF_HOUR) % _number(7 * 24)
    return hour


def _times(connection: Connection, counted: Subquery | None, chosen: Selection) -> NDArray[np.int64]:
    times = np.zeros((7 * 24, len(OUTCOME_FILTERS)), dtype=np.int64)
    if counted is not None:
        keys = _hour_of_week(counted), _outcome_filter(counted)
        for hour, outcome, number in _grouped(connection, counted, keys, chosen, ("visits",)):
            times[hour, outcome] = number
    return _by_outcome(times.reshape(*TIMES[:-1], len(OUTCOME_FILTERS)))


def _people(connection: Connection, chosen: Selection) -> NDArray[np.int64]:
    people = np.zeros(_VISITORS, dtype=np.int64)
    counted = _counted(connection, chosen, _spans(connection, chosen, UTC), people=True)
    if counted is not None:
        for kind, number in _grouped(connection, counted, (counted.c.kind,), chosen, ("visits",)):
            people[kind] = number
    return _by_outcome(people.reshape(*PEOPLE[:-1], len(OUTCOME_FILTERS)))


def _by_outcome(by_filter: NDArray[np.int64]) -> NDArray[np.int64]:
    """The last axis, which is of ``OUTCOME_FILTERS``, as one of ``OUTCOMES``."""
    summed = np.zeros((*by_filter.shape[:-1], len(OUTCOMES)), dtype=np.int64)
    for place, outcome in enumerate(_OUTCOME_OF):
        summed[..., outcome] += by_filter[..., place]
    return summed


def _days(
    connection: Connection, counted: Subquery | None, chosen: Selection
) -> tuple[NDArray[np.datetime64], NDArray[np.int64], int, int]:
    """Days, their visits by outcome, number of baskets, and their sum in cents."""
    rows: list[Any] = []
    if counted is not None:
        day = counted.c.local // _number(_SLOTS_OF_DAY)
        key = day * _number(len(OUTCOME_FILTERS)) + _outcome_filter(counted)
        rows = [tuple(row) for row in _grouped(connection, counted, (key,), chosen, ("visits", "baskets", "cents"))]
    table = np.array(rows, dtype=np.int64).reshape(-1, 4)
    numbers, outcomes = np.divmod(table[:, 0], len(OUTCOME_FILTERS))
    days, which = np.unique(numbers, return_inverse=True)
    by_filter = np.zeros((len(days), len(OUTCOME_FILTERS)), dtype=np.int64)
    by_filter[which, outcomes] = table[:, 1]
    dates = (days - _DAYS_BEFORE_1970).astype("datetime64[D]")
    return dates, _by_outcome(by_filter), int(table[:, 2].sum()), int(table[:, 3].sum())


def _sources(connection: Connection, chosen: Selection) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    found: dict[str, NDArray[np.int64]] = {}
    counted = _counted(connection, chosen, _spans(connection, chosen, UTC), sources=True)
    if counted is not None:
        keys = counted.c.source, _outcome_filter(counted)
        for source, outcome, number in _grouped(connection, counted, keys, chosen, ("visits",)):
            found.setdefault(source, np.zeros(len(OUTCOMES), dtype=np.int64))[_OUTCOME_OF[outcome]] += number
    names = tuple(sorted(found))
    return names, np.array([found[name] for name in names], dtype=np.int64).reshape(len(names), len(OUTCOMES))


def _crossings(connection: Connection, counted: Subquery | None, chosen: Selection) -> NDArray[np.int64] | None:
    if counted is None:
        return None
    hour = counted.c.local // _number(_SLOTS_OF_HOUR) % _number(24)
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
