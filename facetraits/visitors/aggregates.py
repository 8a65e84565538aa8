"""Visits counted by the database.

The table ``visit_counts`` holds the number of visits for each half hour, source and kind of visitor; triggers keep it
up to date with every change of ``visits`` (migration 0005). A span of time that does not begin or end with a half hour
is completed from ``visits`` itself, and so are zones whose clocks differ from UTC by an odd number of quarter hours.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from itertools import product
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

from facetraits.visitors.counts import CELLS, Counts
from facetraits.visitors.offsets import Stretch, moment_of, stretch_from
from facetraits.visitors.schema import SLOT_S, counts, visits
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
_SUMS: Final = ("visits", "baskets", "cents", "entries", "exits", "lines")


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
    counted = _counted(connection, chosen, spans)
    visitors = _kinds(chosen, leavers=False)
    cells = _cells(connection, counted, visitors)
    days, of_days, baskets, cents = _days(connection, counted, visitors)
    sources, of_sources = _sources(connection, counted, visitors)
    crossings = _crossings(connection, counted, _kinds(chosen, leavers=True))
    median = _median_duration(connection, chosen, int(of_days.sum()))
    return Counts(cells, days, of_days, sources, of_sources, baskets, cents, median, crossings)


def count_outcomes(connection: Connection, chosen: Selection) -> dict[Outcome, int]:
    """How many visits there are with each outcome."""
    _, of_days, *_ = _days(
        connection, _counted(connection, chosen, _spans(connection, chosen, UTC)), _kinds(chosen, leavers=False)
    )
    return {outcome: int(of_days[:, place].sum()) for place, outcome in enumerate(OUTCOMES)}


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
    counted = _counted(connection, chosen, labelled)
    if counted is not None:
        keys = counted.c.label, _outcome_filter(counted)
        for label, outcome, number in _grouped(connection, counted, keys, _kinds(chosen, leavers=False), ("visits",)):
            found[label, _OUTCOME_OF[outcome]] += number
    return found


# --------------------------------------------------------------------------------------------------------------- spans


def _see_one_state(connection: Connection) -> None:
    """Let all statements of the transaction see the log as it is now; SQLite always does."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))


def _stretches(connection: Connection, zone: tzinfo, chosen: Selection = EVERYTHING) -> Iterator[Stretch]:
    """Of the zone, those with visits: a visit with a wrong date does not make thousands of them."""
    first, last = select(func.min(counts.c.slot)), connection.execute(select(func.max(counts.c.slot))).scalar_one()
    next_slot = -(2**62) if chosen.since is None else _microseconds(chosen.since) // (SLOT_S * 10**6)
    if last is not None and chosen.until is not None:
        last = min(last, _microseconds(chosen.until) // (SLOT_S * 10**6))
    while True:
        slot = connection.execute(first.where(counts.c.slot >= next_slot)).scalar_one()
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


def _counted(connection: Connection, chosen: Selection, spans: Iterable[_Span]) -> Subquery | None:
    """Counted visits in these columns: ``label``, ``local`` (slots since a Monday before year 1, on the clocks of the
    zone), ``source``, ``kind`` and the sums; None where there is no time."""
    parts = [part for span in spans if span.since_us < span.until_us for part in _parts(connection, chosen, span)]
    return union_all(*parts).subquery() if parts else None


def _parts(connection: Connection, chosen: Selection, span: _Span) -> Iterator[Select[Any]]:
    slot_us = SLOT_S * 10**6
    first, after = -(-span.since_us // slot_us), span.until_us // slot_us
    if span.offset_s % SLOT_S or first >= after:
        yield _from_visits(connection, chosen, span)
        return
    shift = _SLOTS_BEFORE_1970 + span.offset_s // SLOT_S
    yield (
        select(
            _number(span.label).label("label"),
            (counts.c.slot + _number(shift)).label("local"),
            counts.c.source,
            counts.c.kind,
            *(counts.c[name] for name in _SUMS),
        )
        .where(counts.c.slot >= first, counts.c.slot < after)
        .where(true() if chosen.sources is None else counts.c.source.in_(chosen.sources))
    )
    for edge in (span._replace(until_us=first * slot_us), span._replace(since_us=after * slot_us)):
        if edge.since_us < edge.until_us:
            yield _from_visits(connection, chosen, edge)


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


def _kinds(chosen: Selection, leavers: bool) -> tuple[int, ...] | None:
    """The kinds that the filters let through; None: all kinds of visitors, and of leavers where these count."""
    listed = (
        (VISIT_CLASSES["age_group"], chosen.age_groups),
        (VISIT_CLASSES["gender"], chosen.genders),
        (VISIT_CLASSES["mood"], chosen.moods),
        (OUTCOME_FILTERS, chosen.outcomes),
    )
    if not leavers and all(wanted is None for _, wanted in listed):
        return tuple(range(_VISITORS))
    if leavers and all(wanted is None for _, wanted in listed):
        return None
    digits: list[Sequence[int]] = [range(2 if leavers else 1)]
    for number, (known, wanted) in zip(_DIGITS[1:], listed, strict=True):
        digits.append(range(number) if wanted is None else [known.index(name) for name in wanted])
    return tuple(int(np.ravel_multi_index(place, _DIGITS)) for place in product(*digits))


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
    kinds: Sequence[int] | None,
    sums: Sequence[str],
    *more: ColumnElement[bool],
) -> list[Any]:
    """Rows of the keys and the sums of their visits."""
    named = [key.label(f"key{place}") for place, key in enumerate(keys)]
    inner = select(*named, *(counted.c[name] for name in sums)).where(*more)
    if kinds is not None and tuple(kinds) == tuple(range(_VISITORS)):
        inner = inner.where(counted.c.kind < _VISITORS)
    elif kinds is not None:
        inner = inner.where(counted.c.kind.in_(kinds))
    rows = inner.subquery()
    totals = (cast(func.sum(rows.c[name]), BigInteger) for name in sums)
    found = [rows.c[key.name] for key in named]
    return list(connection.execute(select(*found, *totals).group_by(*found)))


def _cells(connection: Connection, counted: Subquery | None, kinds: Sequence[int] | None) -> NDArray[np.int64]:
    cells = np.zeros((CELLS[0] * CELLS[1], _VISITORS), dtype=np.int64)
    if counted is not None:
        hour_of_week = counted.c.local // _number(_SLOTS_OF_HOUR) % _number(CELLS[0] * CELLS[1])
        # One number to group by is quicker than two.
        key = hour_of_week * _number(_VISITORS) + counted.c.kind
        for number, there in _grouped(connection, counted, (key,), kinds, ("visits",)):
            cells[divmod(number, _VISITORS)] = there
    by_filter = cells.reshape(*CELLS[:-1], len(OUTCOME_FILTERS))
    return _by_outcome(by_filter)


def _by_outcome(by_filter: NDArray[np.int64]) -> NDArray[np.int64]:
    """The last axis, which is of ``OUTCOME_FILTERS``, as one of ``OUTCOMES``."""
    summed = np.zeros((*by_filter.shape[:-1], len(OUTCOMES)), dtype=np.int64)
    for place, outcome in enumerate(_OUTCOME_OF):
        summed[..., outcome] += by_filter[..., place]
    return summed


def _days(
    connection: Connection, counted: Subquery | None, kinds: Sequence[int] | None
) -> tuple[NDArray[np.datetime64], NDArray[np.int64], int, int]:
    """Days, their visits by outcome, number of baskets, and their sum in cents."""
    rows: list[Any] = []
    if counted is not None:
        day = counted.c.local // _number(_SLOTS_OF_DAY)
        key = day * _number(len(OUTCOME_FILTERS)) + _outcome_filter(counted)
        rows = [tuple(row) for row in _grouped(connection, counted, (key,), kinds, ("visits", "baskets", "cents"))]
    table = np.array(rows, dtype=np.int64).reshape(-1, 4)
    numbers, outcomes = np.divmod(table[:, 0], len(OUTCOME_FILTERS))
    days, which = np.unique(numbers, return_inverse=True)
    by_filter = np.zeros((len(days), len(OUTCOME_FILTERS)), dtype=np.int64)
    by_filter[which, outcomes] = table[:, 1]
    dates = (days - _DAYS_BEFORE_1970).astype("datetime64[D]")
    return dates, _by_outcome(by_filter), int(table[:, 2].sum()), int(table[:, 3].sum())


def _sources(
    connection: Connection, counted: Subquery | None, kinds: Sequence[int] | None
) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    found: dict[str, NDArray[np.int64]] = {}
    if counted is not None:
        keys = counted.c.source, _outcome_filter(counted)
        for source, outcome, number in _grouped(connection, counted, keys, kinds, ("visits",)):
            found.setdefault(source, np.zeros(len(OUTCOMES), dtype=np.int64))[_OUTCOME_OF[outcome]] += number
    names = tuple(sorted(found))
    return names, np.array([found[name] for name in names], dtype=np.int64).reshape(len(names), len(OUTCOMES))


def _crossings(
    connection: Connection, counted: Subquery | None, kinds: Sequence[int] | None
) -> NDArray[np.int64] | None:
    if counted is None:
        return None
    hour = counted.c.local // _number(_SLOTS_OF_HOUR) % _number(24)
    rows = _grouped(connection, counted, (hour,), kinds, ("entries", "exits"), counted.c.lines > 0)
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
