"""The tables of counted visits as one: any span of time, sources and kinds of visitors, for the database to sum up."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from math import prod
from typing import Any, Final, NamedTuple

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
    true,
    type_coerce,
    union_all,
)

from facetraits.visitors.offsets import Stretch, moment_of, stretch_from
from facetraits.visitors.schema import COUNT_SUMS, SLOT_S, counts, people_counts, source_counts, time_counts, visits
from facetraits.visitors.visit import EVERYTHING, OUTCOME_FILTERS, OUTCOMES, VISIT_CLASSES, Selection

SLOTS_OF_HOUR: Final = 3600 // SLOT_S
SLOTS_OF_DAY: Final = 24 * SLOTS_OF_HOUR
# Databases round towards 0. Slots since a Monday before year 1 are never negative.
DAYS_BEFORE_1970: Final = 719_169
_SLOTS_BEFORE_1970: Final = DAYS_BEFORE_1970 * SLOTS_OF_DAY
_YEAR_0_S: Final = 62_167_219_200  # seconds from its beginning to 1970
_MICROSECOND: Final = timedelta(microseconds=1)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

# A kind of visitor is a number whose digits are these, each with so many values.
_PEOPLE: Final = ("age_group", "gender", "mood")
_DIGITS: Final = (2, *(len(VISIT_CLASSES[trait]) + 1 for trait in _PEOPLE), len(OUTCOME_FILTERS))
VISITORS: Final = prod(_DIGITS[1:])  # kinds below are visitors, the others have only left
# What each outcome filter stands for, as a place in ``OUTCOMES``.
OUTCOME_OF: Final = tuple(OUTCOMES.index(outcome) for outcome in ("yes", "yes", "no", "unknown"))
_DAY_S: Final = 86_400


class Span(NamedTuple):
    """A span of time with the same offset, in microseconds since 1970, and a number that its visits get."""

    since_us: int
    until_us: int
    offset_s: int
    label: int = 0


def stretches_of(connection: Connection, zone: tzinfo, chosen: Selection = EVERYTHING) -> Iterator[Stretch]:
    """Of the zone, those with visits: a visit with a wrong date does not make thousands of them."""
    first, last = (
        select(func.min(time_counts.c.slot)),
        connection.execute(select(func.max(time_counts.c.slot))).scalar_one(),
    )
    next_slot = -(2**62) if chosen.since is None else microseconds(chosen.since) // (SLOT_S * 10**6)
    if last is not None and chosen.until is not None:
        last = min(last, microseconds(chosen.until) // (SLOT_S * 10**6))
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


def spans_of(connection: Connection, chosen: Selection, zone: tzinfo) -> list[Span]:
    """The chosen time, cut where the clocks of the zone change."""
    spans = []
    for stretch in stretches_of(connection, zone, chosen):
        since, until = stretch.since_s * 10**6, stretch.until_s * 10**6
        if chosen.since is not None:
            since = max(since, microseconds(chosen.since))
        if chosen.until is not None:
            until = min(until, microseconds(chosen.until))
        spans.append(Span(since, until, stretch.offset_s))
    return spans


def microseconds(moment: datetime) -> int:
    """Since 1970; of a moment without a zone, on its own clocks."""
    return (moment - (_EPOCH if moment.tzinfo else _EPOCH.replace(tzinfo=None))) // _MICROSECOND


def counted_visits(
    connection: Connection,
    chosen: Selection,
    spans: Iterable[Span],
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


def _parts(connection: Connection, chosen: Selection, span: Span, tables: Sequence[Table]) -> Iterator[Select[Any]]:
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


def _from_counts(chosen: Selection, span: Span, table: Table, first: int, after: int) -> Select[Any]:
    unit = table.c[0]
    local = unit + constant(_SLOTS_BEFORE_1970 + span.offset_s // SLOT_S) if "slot" in table.c else constant(0)
    picked = select(
        constant(span.label).label("label"),
        local.label("local"),
        table.c.source if "source" in table.c else literal_column("''", String).label("source"),
        table.c.kind,
        *(table.c[name] for name in COUNT_SUMS),
    ).where(unit >= first, unit < after)
    return picked if chosen.sources is None else picked.where(table.c.source.in_(chosen.sources))


def _from_visits(connection: Connection, chosen: Selection, span: Span) -> Select[Any]:
    bought = (visits.c.bought == "yes") & visits.c.basket.is_not(None)
    moments = [moment_of(time_us // 10**6) for time_us in (span.since_us, span.until_us)]
    since, until = (
        None if moment is None else moment + timedelta(microseconds=time_us % 10**6)
        for moment, time_us in zip(moments, (span.since_us, span.until_us), strict=True)
    )
    return (
        select(
            constant(span.label).label("label"),
            _local_slot(connection.dialect.name, span.offset_s).label("local"),
            visits.c.source,
            _kind().label("kind"),
            constant(1).label("visits"),
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
        before = DAYS_BEFORE_1970 * 86_400 + offset_s
        return (since_1970 + constant(before)) // constant(SLOT_S)
    slot = func.floor((extract("epoch", visits.c.started) + constant(offset_s)) / constant(SLOT_S))
    return cast(slot, BigInteger) + constant(_SLOTS_BEFORE_1970)


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


def wanted_kinds(kind: ColumnElement[int], chosen: Selection, leavers: bool) -> list[ColumnElement[bool]]:
    """The kinds that the filters let through, and, if they are wanted, those who have only left."""
    conditions = [] if leavers else [kind < constant(VISITORS)]
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
            conditions.append((kind // constant(divisor) % constant(number)).in_(places))
        divisor *= number
    return conditions


def outcome_filter(counted: Subquery) -> ColumnElement[int]:
    """The place in ``OUTCOME_FILTERS``."""
    place: ColumnElement[int] = counted.c.kind % constant(len(OUTCOME_FILTERS))
    return place


def constant(value: int) -> ColumnElement[int]:
    """A constant in the statement itself: PostgreSQL groups by an expression only where it is written alike."""
    return literal_column(str(value), BigInteger)
