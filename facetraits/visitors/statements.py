"""Parts of the statements that the visitors' log runs."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Connection,
    CursorResult,
    TextClause,
    UpdateBase,
    bindparam,
    extract,
    false,
    func,
    or_,
    select,
    text,
    update,
)

from facetraits.visitors.schema import visits
from facetraits.visitors.visit import OutcomeFilter, Selection

# Rows named in one statement: databases limit how many values that may have.
_AT_ONCE: Final = 500
_OUTCOMES: Final[Mapping[OutcomeFilter, ColumnElement[bool]]] = {
    "bought": (visits.c.bought == "yes") & (visits.c.sale_guessed == false()),
    "guessed": (visits.c.bought == "yes") & visits.c.sale_guessed,
    "not bought": visits.c.bought == "no",
    "not known": visits.c.bought == "unknown",
}


class Writer:
    """Runs statements and remembers whether they changed anything.

    Attributes:
        changed: whether they did.
        connection: for statements that change nothing of what is stored.
    """

    def __init__(self, connection: Connection) -> None:
        self.changed = False
        self.connection = connection

    def run(self, statement: UpdateBase, rows: Sequence[Mapping[str, Any]] | None = None) -> int:
        """Number of rows that were changed. With ``rows`` the statement runs once with each of them."""
        if rows is not None and not rows:
            return 0
        result: CursorResult[Any] = self.connection.execute(statement, rows)
        # PostgreSQL's driver does not say of many insertions how many there were: -1.
        self.changed |= result.rowcount != 0
        return result.rowcount


def pieces(ids: Collection[UUID]) -> Iterator[Sequence[UUID]]:
    """The ids, so many at a time as a statement may name."""
    listed = list(ids)
    return (listed[start : start + _AT_ONCE] for start in range(0, len(listed), _AT_ONCE))


def header_digest(header: Sequence[str]) -> str:
    """By which a file of sales is known again: 64 hexadecimal digits."""
    return hashlib.sha256("\n".join(header).encode()).hexdigest()


def new_value(name: str) -> BindParameter[Any]:
    """Bind parameter for a column's new value, named differently because statements use the column's own name."""
    return bindparam(f"new_{name}", type_=visits.c[name].type)


def source_names() -> TextClause:
    """A statement that finds the names of all sources, each by one look into the index."""
    return text(
        "WITH RECURSIVE names(source) AS (SELECT min(source) FROM visits UNION ALL"
        " SELECT (SELECT min(v.source) FROM visits v WHERE v.source > names.source) FROM names"
        " WHERE names.source IS NOT NULL) SELECT source FROM names WHERE source IS NOT NULL"
    )


def with_outcome_of(other: UUID, visit: UUID) -> UpdateBase:
    """Copy the outcome and sale of another visit to this one, if this one's outcome is unknown."""
    others = visits.alias()
    known = select(others.c.id).where(others.c.id == other, others.c.bought != "unknown").exists()
    values = {
        name: select(others.c[name]).where(others.c.id == other).scalar_subquery()
        for name in ("bought", "basket", "sold_at", "sale_guessed")
    }
    return update(visits).where(visits.c.id == visit, visits.c.bought == "unknown", known).values(values)


def is_visitor() -> ColumnElement[bool]:
    """Whether a row is of a visitor: of a source without a counting line, or of somebody who came in over it."""
    return or_(visits.c.entries.is_(None), visits.c.entries > 0)


def last_seen(dialect: str) -> ColumnElement[float]:
    """When a visitor was seen last, in seconds since 1970 and to a millisecond."""
    if dialect == "sqlite":
        started = (func.julianday(visits.c.started) - 2_440_587.5) * 86_400
    else:
        started = extract("epoch", visits.c.started)
    return started + visits.c.duration_s


def conditions_of(chosen: Selection, leavers: bool = False) -> list[ColumnElement[bool]]:
    """SQL conditions of a selection of visits.

    Args:
        chosen: the selection.
        leavers: also those who crossed a counting line only to go out, and are no visitors.
    """
    conditions: list[ColumnElement[bool]] = [] if leavers else [is_visitor()]
    if chosen.since is not None:
        conditions.append(visits.c.started >= chosen.since)
    if chosen.until is not None:
        conditions.append(visits.c.started < chosen.until)
    listed = {
        "source": chosen.sources,
        "age_group": chosen.age_groups,
        "gender": chosen.genders,
        "mood": chosen.moods,
    }
    conditions += [visits.c[name].in_(values) for name, values in listed.items() if values is not None]
    if chosen.outcomes is not None:
        conditions.append(or_(false(), *(_OUTCOMES[outcome] for outcome in chosen.outcomes)))
    return conditions
