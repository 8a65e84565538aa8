"""The visits of a day as columns of numbers, packed into one row of the database.

To count ten million visits, the database would have to read as many rows. The visits of a day that is over are
therefore also kept in ``visit_days`` as a few arrays, about 20 bytes per visit. Triggers (migration 0006) empty the row
of a day with every change of one of its visits; such a day, and the present one, is read from ``visits`` until
``pack_days`` has packed it again. So what is counted is always what is in ``visits``.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import ColumnElement, Connection, delete, select, true, update

from facetraits.visitors.engine import AS_BYTES
from facetraits.visitors.frames import check_counted, plain
from facetraits.visitors.schema import days, visits
from facetraits.visitors.visit import OUTCOME_FILTERS, OUTCOMES, VISIT_CLASSES

# What a visitor is counted by: the digits of a number, each with so many values.
_PEOPLE: Final = ("age_group", "gender", "mood")
_NUMBERS: Final = tuple(len(VISIT_CLASSES[trait]) + 1 for trait in _PEOPLE)
VISITORS: Final = int(np.prod(_NUMBERS)) * len(OUTCOME_FILTERS)
# A kind is that number, plus these for who only left, who has a basket, and who was seen by a counting line.
LEFT: Final = VISITORS
PAID: Final = 2 * LEFT
LINE: Final = 2 * PAID
KINDS: Final = 2 * LINE

DAY_US: Final = 86_400 * 10**6
# Durations are put into bins by the first bits of their binary form, which are in the order of the durations: 2,048
# bins from a length to its double.
_BIN_BITS: Final = 41
_SHORTEST_BIN: Final = int(np.float64(2**-6).view(np.uint64)) >> _BIN_BITS
BINS: Final = 2**16

_AT_ONCE: Final = 200_000  # visits in memory
_DAYS_PER_TRANSACTION: Final = 16
_FIRST: Final = date(1970, 1, 1)
_TYPES: Final[dict[str, Any]] = {
    "kinds": np.dtype("<u2"),
    "bins": np.dtype("<u2"),
    "times": np.dtype("<i8"),
    "cents": np.dtype("<i8"),
    "crossings": np.dtype(("<i4", 2)),
    "durations": np.dtype("<f8"),
}


@dataclass(frozen=True, slots=True, eq=False)
class DayColumns:
    """The visits of a day in UTC, ordered by source. Columns that were not asked for are None.

    Attributes:
        day: in days since 1970.
        sources: names.
        of_sources: (sources,) how many visits each has.
        kinds: (visits,) what they are counted by.
        bins: (visits,) of their durations, see ``bins_of``.
        times: (visits,) when they began, in microseconds since the beginning of the day.
        cents: (visits with a basket,) baskets in hundredths of the currency.
        crossings: (visits to sources with a counting line, 2) crossings to come in and to go out.
        durations: (visits,) in seconds.
    """

    day: int
    sources: tuple[str, ...]
    of_sources: NDArray[np.int64]
    kinds: NDArray[np.uint16]
    bins: NDArray[np.uint16] | None = None
    times: NDArray[np.int64] | None = None
    cents: NDArray[np.int64] | None = None
    crossings: NDArray[np.int32] | None = None
    durations: NDArray[np.float64] | None = None

    def of_source(self) -> NDArray[np.int64]:
        """(visits,) the place of each visit's source."""
        return np.repeat(np.arange(len(self.sources)), self.of_sources)


def read_days(
    connection: Connection, wanted: Collection[str], since: datetime | None = None, until: datetime | None = None
) -> Iterator[DayColumns]:
    """The days with visits in order.

    Args:
        connection: in a transaction.
        wanted: columns besides ``kinds``.
        since, until: aware; days that lie outside are left out.

    Raises:
        ValueError: a row is damaged.
    """
    names = ("kinds", *wanted)
    listed = select(days.c.day, days.c.visits).order_by(days.c.day)
    listed = listed.where(true() if since is None else days.c.day >= since.astimezone(UTC).date())
    listed = listed.where(true() if until is None else days.c.day <= until.astimezone(UTC).date())
    packed = select(days.c.day, days.c.sources, *(days.c[name] for name in names)).order_by(days.c.day)
    packed = packed.execution_options(**{AS_BYTES: True})
    for some in _batches(connection.execute(listed).all()):
        if some[0].visits is None:
            yield _of_visits(connection, some[0].day)
            continue
        for row in connection.execute(packed.where(days.c.day >= some[0].day, days.c.day <= some[-1].day)):
            yield _unpacked(row.day, row.sources, dict(zip(names, row[2:], strict=True)))


def open_days(before: date) -> tuple[ColumnElement[bool], ...]:
    """Conditions for the days before one that are not packed."""
    return days.c.visits.is_(None), days.c.day < before


def pack_days(connection: Connection, before: date) -> int:
    """Pack some of the days that are not; returns how many are left.

    Args:
        connection: in a transaction that writes.
        before: of days that are over.
    """
    # Whoever adds a visit meanwhile waits for this lock, and empties the row again.
    listed = select(days.c.day).where(*open_days(before)).order_by(days.c.day).with_for_update()
    found = connection.execute(listed).scalars().all()
    for day in found[:_DAYS_PER_TRANSACTION]:
        columns = _of_visits(connection, day)
        if len(columns.kinds):
            values = {name: getattr(columns, name).astype(kind.base).tobytes() for name, kind in _TYPES.items()}
            values["sources"] = json.dumps(list(zip(columns.sources, columns.of_sources.tolist(), strict=True)))
            values["visits"] = len(columns.kinds)
            connection.execute(update(days).where(days.c.day == day).values(values))
        else:
            connection.execute(delete(days).where(days.c.day == day))
    return len(found[_DAYS_PER_TRANSACTION:])


def bins_of(durations_s: NDArray[np.float64]) -> NDArray[np.uint16]:
    """(visits,) the bin of each duration: longer ones are in later bins or in the same one."""
    bits = (durations_s + 0.0).view(np.uint64) >> np.uint64(_BIN_BITS)  # + 0.0: there is a negative zero
    return np.clip(bits.astype(np.int64) - _SHORTEST_BIN, 0, BINS - 1).astype(np.uint16)


def _batches(rows: Sequence[Any]) -> Iterator[list[Any]]:
    """Packed days, so many at a time as fit into memory, and each day that is not packed by itself."""
    some: list[Any] = []
    number = 0
    for row in rows:
        if some and (row.visits is None or some[-1].visits is None or number > _AT_ONCE):
            yield some
            some, number = [], 0
        some.append(row)
        number += row.visits or 0
    if some:
        yield some


def _unpacked(day: date, sources: str, packed: dict[str, bytes]) -> DayColumns:
    named = json.loads(sources)
    columns = {
        name: np.frombuffer(content, dtype=_TYPES[name].base).reshape(-1, *_TYPES[name].shape)
        for name, content in packed.items()
    }
    kinds, of_sources = columns["kinds"], np.array([number for _, number in named], dtype=np.int64)
    times = columns.get("times")
    sizes = {
        "cents": np.count_nonzero(kinds % LINE >= PAID),
        "crossings": np.count_nonzero(kinds >= LINE),
    }
    if (
        any(len(column) != sizes.get(name, len(kinds)) for name, column in columns.items())
        or of_sources.sum() != len(kinds)
        or (of_sources < 0).any()
        or not all(isinstance(name, str) for name, _ in named)
        or (times is not None and len(times) and (times.min() < 0 or times.max() >= DAY_US))
    ):
        raise ValueError("a day is damaged")
    return DayColumns((day - _FIRST).days, tuple(name for name, _ in named), of_sources, **columns)


_READ: Final = (
    *("source", "started", "duration_s", *_PEOPLE, "bought", "sale_guessed"),
    *("basket", "entries", "exits"),
)
_ROW: Final = np.dtype(
    [
        *(("source", "object"), ("started", "datetime64[us]"), ("duration_s", "float64")),
        *((name, "int64") for name in (*_PEOPLE, "bought")),
        *(("sale_guessed", "bool"), ("basket", "float64"), ("entries", "float64"), ("exits", "float64")),
    ]
)


def _of_visits(connection: Connection, day: date) -> DayColumns:
    """All columns of a day, from its visits."""
    midnight = datetime.combine(day, time.min, tzinfo=UTC)
    until = true() if day == date.max else visits.c.started < midnight + timedelta(days=1)
    statement = select(*(plain(visits.c[name], connection.dialect.name) for name in _READ))
    rows: Any = connection.execute(statement.where(visits.c.started >= midnight, until)).cursor
    cells = np.fromiter(rows, dtype=_ROW)
    check_counted(cells)
    names, order = _ordered(cells["source"].tolist())
    cells = cells[order]
    paid = (cells["bought"] == OUTCOMES.index("yes")) & ~np.isnan(cells["basket"])
    line = ~np.isnan(cells["entries"])
    durations = np.ascontiguousarray(cells["duration_s"])
    number = (day - _FIRST).days
    return DayColumns(
        day=number,
        sources=tuple(names),
        of_sources=np.array(list(names.values()), dtype=np.int64),
        kinds=(_visitors(cells) + LEFT * (cells["entries"] == 0) + PAID * paid + LINE * line).astype(np.uint16),
        bins=bins_of(durations),
        times=cells["started"].astype(np.int64) - number * DAY_US,
        cents=np.rint(cells["basket"][paid] * 100).astype(np.int64),
        crossings=np.stack([np.nan_to_num(cells[name][line]) for name in ("entries", "exits")], axis=1).astype(
            np.int32
        ),
        durations=durations,
    )


def _ordered(sources: Sequence[str]) -> tuple[dict[str, int], NDArray[np.int64]]:
    """The names with their numbers of visits, and the order of the visits by name."""
    names = sorted(set(sources))
    place = {name: number for number, name in enumerate(names)}
    places = np.fromiter((place[name] for name in sources), dtype=np.int64, count=len(sources))
    numbers = np.bincount(places, minlength=len(names)).tolist()
    return dict(zip(names, numbers, strict=True)), np.argsort(places, kind="stable")


def _visitors(cells: NDArray[Any]) -> NDArray[np.int64]:
    """(visits,) the numbers below ``VISITORS``."""
    visitors: NDArray[np.int64] = np.zeros(len(cells), dtype=np.int64)
    for trait, number in zip(_PEOPLE, _NUMBERS, strict=True):
        visitors *= number
        visitors += np.where(cells[trait] < 0, number - 1, cells[trait])
    bought, guessed = cells["bought"], cells["sale_guessed"]
    # The places of yes, no and unknown among the outcome filters.
    visitors *= len(OUTCOME_FILTERS)
    visitors += np.array([0, 2, 3])[bought] + ((bought == OUTCOMES.index("yes")) & guessed)
    return visitors
