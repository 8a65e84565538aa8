"""Access to the visitors' database, and the settings that are stored in it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields
from typing import Final
from uuid import uuid4

from sqlalchemy import Connection, Engine, delete, insert, select, update

from facetraits.visitors.engine import row_errors_as_sentences, transaction
from facetraits.visitors.geometry import Point, Segment
from facetraits.visitors.layout import NO_LAYOUT, Layout
from facetraits.visitors.sales.columns import ColumnChoice
from facetraits.visitors.schema import changes, ignored_corners, lines, sales_columns, settings
from facetraits.visitors.statements import Writer, header_digest
from facetraits.visitors.visit import Settings

_SETTINGS: Final = tuple(field.name for field in fields(Settings))


class SettingsStore:
    """The settings in one database, and the transactions that ``VisitStore`` uses.

    Attributes:
        name: what is open, for a user to read; without a password.
        identity: tells this store from all others that this program has opened.
    """

    def __init__(self, engine: Engine, name: str) -> None:
        self.name = name
        self.identity = uuid4().hex
        self._engine = engine

    def settings(self) -> Settings:
        """The settings of all programs that use this database."""
        with self._reading() as connection:
            row = connection.execute(select(settings)).mappings().one()
            return Settings(**{name: row[name] for name in _SETTINGS})

    def save_settings(self, chosen: Settings) -> None:
        """Write the settings."""
        values = {name: getattr(chosen, name) for name in _SETTINGS}
        with self._writing() as writer:
            writer.run(update(settings).values(values))

    def columns_chosen(self, header: Sequence[str]) -> ColumnChoice | None:
        """The columns that were chosen for files of sales with these names of columns; None where none were."""
        statement = select(*(sales_columns.c[role] for role in ColumnChoice._fields))
        with self._reading() as connection:
            row = connection.execute(statement.where(sales_columns.c.header == header_digest(header))).one_or_none()
        return None if row is None else ColumnChoice(*row)

    def choose_columns(self, header: Sequence[str], choice: ColumnChoice) -> None:
        """Keep a choice for files with these names of columns."""
        key = header_digest(header)
        with self._writing() as writer:
            writer.run(delete(sales_columns).where(sales_columns.c.header == key))
            writer.run(sales_columns.insert().values(header=key, **choice._asdict()))

    def layouts(self) -> Mapping[str, Layout]:
        """By source, the lines and areas that were drawn."""
        with self._reading() as connection:
            drawn = {
                row.source: Segment((row.x1, row.y1), (row.x2, row.y2)) for row in connection.execute(select(lines))
            }
            areas: dict[str, dict[int, list[Point]]] = {}
            ordered = select(ignored_corners).order_by(*ignored_corners.primary_key)
            for row in connection.execute(ordered):
                areas.setdefault(row.source, {}).setdefault(row.area, []).append((row.x, row.y))
            return {
                source: Layout(drawn.get(source), tuple(map(tuple, areas.get(source, {}).values())))
                for source in drawn.keys() | areas.keys()
            }

    def layout(self, source: str) -> Layout:
        """What was drawn for a source."""
        return self.layouts().get(source, NO_LAYOUT)

    def save_layout(self, source: str, layout: Layout) -> None:
        """Keep line and areas of a source, instead of those that it had."""
        corners = [
            {"source": source, "area": area, "corner": corner, "x": x, "y": y}
            for area, corners in enumerate(layout.ignored)
            for corner, (x, y) in enumerate(corners)
        ]
        with self._writing() as writer:
            for table in (lines, ignored_corners):
                writer.run(delete(table).where(table.c.source == source))
            if layout.line is not None:
                (x1, y1), (x2, y2) = layout.line
                writer.run(insert(lines).values(source=source, x1=x1, y1=y1, x2=x2, y2=y2))
            writer.run(insert(ignored_corners), corners)

    def version(self) -> int:
        """A number that grows with every change, also with those by other programs."""
        with self._reading() as connection:
            return int(connection.execute(select(changes.c.number)).scalar_one())

    def close(self) -> None:
        """Close all connections that are not in use."""
        self._engine.dispose()

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        with transaction(self._engine, self.name, writes=False) as connection, row_errors_as_sentences(self.name):
            yield connection

    @contextmanager
    def _writing(self) -> Iterator[Writer]:
        """A transaction with exclusive write access; increases the version if it changed anything."""
        with transaction(self._engine, self.name, writes=True) as connection:
            # A writer that waits here holds no other lock, so deadlocks cannot occur.
            connection.execute(select(changes.c.number).with_for_update())
            writer = Writer(connection)
            yield writer
            if writer.changed:
                connection.execute(update(changes).values(number=changes.c.number + 1))
