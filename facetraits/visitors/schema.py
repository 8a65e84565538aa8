"""The tables of the visitors' database.

There is no column for a picture, a crop, an embedding or the position of a person. The owner's counting lines and
ignored areas are kept relative to the picture's width and height.
"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    Dialect,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Numeric,
    String,
    Table,
    Text,
    TypeDecorator,
    Uuid,
    false,
)

from facetraits.visitors.visit import CONFIDENCE_OF, LONGEST_SOURCE, OUTCOMES, VISIT_CLASSES


class UtcDateTime(TypeDecorator[datetime]):
    """A moment: aware and in UTC in Python, whatever the database keeps.

    SQLite keeps text without a zone, which sorts like the moments it stands for; PostgreSQL a ``timestamptz``.
    """

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """The moment in UTC.

        Raises:
            ValueError: it is not aware of its zone.
        """
        if value is not None and value.tzinfo is None:
            raise ValueError(f"a moment must be aware of its time zone, got {value}")
        return value and value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """The moment in UTC."""
        if value is not None and value.tzinfo is None:
            return value.replace(tzinfo=UTC)
        return value and value.astimezone(UTC)


class Money(TypeDecorator[Decimal]):
    """An amount with two decimal places, exact up to ``LARGEST_BASKET``.

    SQLite knows no decimals: it keeps a binary number, which has digits enough to give the amount back.
    """

    impl = Numeric(10, 2, asdecimal=False)
    cache_ok = True

    def process_result_value(self, value: float | None, dialect: Dialect) -> Decimal | None:
        """The amount as it was put in."""
        return None if value is None else Decimal(value).quantize(Decimal("0.01"))


def _one_of(column: str, classes: tuple[str, ...]) -> CheckConstraint:
    return CheckConstraint(f"{column} IN ({', '.join(repr(name) for name in classes)})", name=column)


metadata: Final = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
    }
)

visits: Final = Table(
    "visits",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("started", UtcDateTime, nullable=False),
    Column("source", String(LONGEST_SOURCE), nullable=False),
    Column("duration_s", Float(53), nullable=False),
    Column("age", Float(53)),
    *(
        column
        for trait, confidence in CONFIDENCE_OF.items()
        for column in (Column(trait, String(20)), Column(confidence, Float(53)))
    ),
    Column("bought", String(20), nullable=False),
    Column("basket", Money),
    Column("sold_at", UtcDateTime),
    Column("sale_guessed", Boolean, nullable=False, server_default=false()),
    Column("ended", Boolean, nullable=False),
    Column("corrected", Boolean, nullable=False),
    Column("entries", Integer),
    Column("exits", Integer),
    CheckConstraint(f"length(source) BETWEEN 1 AND {LONGEST_SOURCE}", name="source"),
    CheckConstraint("duration_s >= 0", name="duration_s"),
    CheckConstraint("age >= 0", name="age"),
    *(_one_of(trait, classes) for trait, classes in VISIT_CLASSES.items()),
    *(
        CheckConstraint(
            f"{confidence} IS NULL OR ({trait} IS NOT NULL AND {confidence} BETWEEN 0 AND 1)", name=confidence
        )
        for trait, confidence in CONFIDENCE_OF.items()
    ),
    _one_of("bought", OUTCOMES),
    CheckConstraint("basket >= 0", name="basket"),
)
Index("ix_visits_started", visits.c.started)
Index("ix_visits_source_started", visits.c.source, visits.c.started)
# Who is in view is asked every second or two, of a log that may be long.
Index(
    "ix_visits_not_ended",
    visits.c.started,
    sqlite_where=visits.c.ended == false(),
    postgresql_where=visits.c.ended == false(),
)

# The visits of each day in UTC in columns, so that they are counted quickly (``visitors.day_columns``). Triggers empty
# the row of a day whose visits change (migration 0006).
days: Final = Table(
    "visit_days",
    metadata,
    Column("day", Date, primary_key=True),
    Column("visits", Integer),
    Column("sources", Text),
    *(Column(name, LargeBinary) for name in ("kinds", "bins", "times", "cents", "crossings", "durations")),
    CheckConstraint("visits > 0", name="visits"),
)

# One row.
settings: Final = Table(
    "visit_settings",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("enter_s", Float(53), nullable=False),
    Column("away_s", Float(53), nullable=False),
    Column("ethnicity", Boolean, nullable=False),
    Column("retention_days", Integer),
    Column("currency", String(3)),
    CheckConstraint("id = 1", name="id"),
    CheckConstraint("enter_s BETWEEN 0 AND 60", name="enter_s"),
    CheckConstraint("away_s BETWEEN 1 AND 120", name="away_s"),
    CheckConstraint("retention_days BETWEEN 1 AND 3650", name="retention_days"),
)

# The columns that the owner has chosen for files of sales; ``header`` is the digest of the names of all columns.
sales_columns: Final = Table(
    "visit_sales_columns",
    metadata,
    Column("header", String(64), primary_key=True),
    *(Column(role, String, nullable=False) for role in ("moment", "clock", "amount", "status", "zone")),
    CheckConstraint("length(header) = 64", name="header"),
)


def _in_picture(*columns: str) -> list[CheckConstraint]:
    return [CheckConstraint(f"{column} BETWEEN 0 AND 1", name=column) for column in columns]


# The counting line of each source; whoever crosses it from left to right, as seen from 1 to 2, comes in.
lines: Final = Table(
    "visit_lines",
    metadata,
    Column("source", String(LONGEST_SOURCE), primary_key=True),
    *(Column(name, Float(53), nullable=False) for name in ("x1", "y1", "x2", "y2")),
    *_in_picture("x1", "y1", "x2", "y2"),
)

# The corners of the areas that are ignored in each source.
ignored_corners: Final = Table(
    "visit_ignored_corners",
    metadata,
    Column("source", String(LONGEST_SOURCE), primary_key=True),
    Column("area", Integer, primary_key=True, autoincrement=False),
    Column("corner", Integer, primary_key=True, autoincrement=False),
    Column("x", Float(53), nullable=False),
    Column("y", Float(53), nullable=False),
    *_in_picture("x", "y"),
)

# One row: how often anything was changed. It is also the lock that lets one writer in at a time.
changes: Final = Table(
    "visit_changes",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("number", BigInteger, nullable=False),
    CheckConstraint("id = 1", name="id"),
)
