"""Parts of the statements that the visitors' log runs."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import BindParameter, ColumnElement, UpdateBase, bindparam, extract, func, select, update

from facetraits.visitors.schema import visits
from facetraits.visitors.visit import Selection


def new_value(name: str) -> BindParameter[Any]:
    """The value that a column gets, under a name of its own: that of the column is taken where a statement sets it."""
    return bindparam(f"new_{name}", type_=visits.c[name].type)


def with_outcome_of(other: UUID, visit: UUID) -> UpdateBase:
    """Whether and what another visitor bought is this one's where nothing is known of this one."""
    others = visits.alias()
    known = select(others.c.id).where(others.c.id == other, others.c.bought != "unknown").exists()
    values = {
        name: select(others.c[name]).where(others.c.id == other).scalar_subquery()
        for name in ("bought", "basket", "sold_at")
    }
    return update(visits).where(visits.c.id == visit, visits.c.bought == "unknown", known).values(values)


def last_seen(dialect: str) -> ColumnElement[float]:
    """When a visitor was seen last, in seconds since 1970 and to a millisecond."""
    if dialect == "sqlite":
        started = (func.julianday(visits.c.started) - 2_440_587.5) * 86_400
    else:
        started = extract("epoch", visits.c.started)
    return started + visits.c.duration_s


def conditions_of(chosen: Selection) -> list[ColumnElement[bool]]:
    """What visits that are meant fulfil."""
    conditions: list[ColumnElement[bool]] = []
    if chosen.since is not None:
        conditions.append(visits.c.started >= chosen.since)
    if chosen.until is not None:
        conditions.append(visits.c.started < chosen.until)
    listed = {"source": chosen.sources, "age_group": chosen.age_groups, "gender": chosen.genders}
    conditions += [visits.c[name].in_(values) for name, values in listed.items() if values is not None]
    return conditions
