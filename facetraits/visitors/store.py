"""The visitors' log: visits and settings in a database that several programs may use at the same time."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import ExitStack
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Engine,
    Select,
    UpdateBase,
    bindparam,
    case,
    delete,
    false,
    func,
    or_,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from facetraits.visitors import migrations
from facetraits.visitors.counting_store import CountingStore
from facetraits.visitors.engine import (
    DiskFullError,
    StoreError,
    engine_for,
    forget_deleted,
    lock_schema,
    memory_engine,
    parse_url,
    row_errors_as_sentences,
    shown_name,
    transaction,
)
from facetraits.visitors.frames import visits_frame
from facetraits.visitors.identity import RecordingIds
from facetraits.visitors.schema import metadata, visits
from facetraits.visitors.spare import release_space, reserve_space
from facetraits.visitors.statements import (
    conditions_of,
    is_visitor,
    last_seen,
    new_value,
    pieces,
    source_names,
    with_outcome_of,
)
from facetraits.visitors.visit import CONFIDENCE_OF, EVERYTHING, Outcome, Selection, Visit

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["StoreError", "VisitStore", "open_memory_store", "open_store"]

# A visit in view is written every few seconds, so that what the database holds is that much behind.
_WRITTEN_EVERY_S: Final = 10.0
# A visit without an update for this long is over, even if the program that counted it has crashed.
_ABANDONED: Final = timedelta(hours=1)
# Visits deleted per step on a full disk: few enough for the reserved space.
_AT_ONCE_IN_NO_ROOM: Final = 40

# Who changes more visits at once waits until their days are packed again, so that who looks at them does not.
_MANY: Final = 50

_COLUMNS: Final = tuple(column.name for column in visits.c)
_COUNTED: Final = ("duration_s", "ended", "entries", "exits")
_TRAITS: Final = ("age", *CONFIDENCE_OF, *CONFIDENCE_OF.values())
_BY_HAND: Final = (*_TRAITS, "bought", "basket", "sold_at", "sale_guessed", "corrected")


def open_store(url: str) -> VisitStore:
    """Open a database; create it if it is new, and migrate it if an older version made it.

    Any number of programs may do so at the same time.

    Args:
        url: ``sqlite:///folder/visitors.db`` (the folder is made, those above it must be there) or
            ``postgresql://user:password@server/database``.

    Raises:
        StoreError: the address is none, or the database cannot be used.
    """
    parsed = parse_url(url)
    engine, name = engine_for(parsed), shown_name(parsed)
    with ExitStack() as undo:
        undo.callback(engine.dispose)
        try:
            _bring_up_to_date(engine, name)
        except DiskFullError:
            if not release_space(engine):
                raise
            _bring_up_to_date(engine, name)
        undo.pop_all()
    reserve_space(engine)
    store = VisitStore(engine, name)
    store._pack_if_possible()
    return store


def open_memory_store(name: str) -> VisitStore:
    """A new, empty log in memory; it is gone with its last reference.

    Args:
        name: as of ``VisitStore``.
    """
    engine = memory_engine()
    _bring_up_to_date(engine, name)
    return VisitStore(engine, name)


def _bring_up_to_date(engine: Engine, name: str) -> None:
    try:
        with transaction(engine, name, writes=True) as connection:
            lock_schema(connection)
            with row_errors_as_sentences(name):
                migrations.upgrade(connection)
            for table in metadata.sorted_tables:
                connection.execute(select(table).limit(0))
    except migrations.NewerSchemaError:
        raise StoreError(f"{name} was made by a newer version of this program: update this one.") from None


class VisitStore(CountingStore):
    """Visits and settings in one database; made by ``open_store``.

    Any number of threads may use it, and other programs its database. When a method returns, its changes are on the
    disk. Every method raises ``StoreError`` if the database fails. Then nothing of that call was written, with two
    exceptions: the reply may have been lost, and on a full disk visits are deleted in steps. It is safe to repeat a
    call.

    Attributes:
        name, identity: as of ``CountingStore``.
    """

    def add(self, new: Iterable[Visit]) -> None:
        """Write new visits; those that are known already stay as they are."""
        rows = [_row(visit) for visit in new]
        insert = sqlite.insert if self._engine.dialect.name == "sqlite" else postgresql.insert
        self._write_rows(insert(visits).on_conflict_do_nothing(index_elements=[visits.c.id]), rows)

    def update(self, known: Iterable[Visit]) -> None:
        """Write the newest state: duration, crossings, whether it ended, and traits unless they were corrected by hand.

        The outcome does not change, and deleted visits stay deleted.
        """
        learned = {name: case((visits.c.corrected, visits.c[name]), else_=new_value(name)) for name in _TRAITS}
        statement = (
            update(visits)
            .where(visits.c.id == bindparam("new_id"))
            .values(**{name: new_value(name) for name in _COUNTED}, **learned)
        )
        names = ("id", *_COUNTED, *_TRAITS)
        self._write_rows(statement, [{f"new_{name}": getattr(visit, name) for name in names} for visit in known])

    def mark(self, ids: Collection[UUID], bought: Outcome) -> int:
        """Set the outcome of visits; returns how many exist.

        For "no" and "unknown", sale and amount are cleared.
        """
        values: dict[str, Any] = {"bought": bought}
        if bought != "yes":
            values |= {"basket": None, "sold_at": None, "sale_guessed": False}
        marked = self._write_ids(ids, lambda some: update(visits).where(visits.c.id.in_(some)).values(values))
        if len(ids) > _MANY:
            self._pack_if_possible()
        return marked

    def edit(self, visit: Visit) -> bool:
        """Write what was put in by hand: traits, bought, basket and time of sale.

        Returns:
            False where the visit was deleted meanwhile.
        """
        values = {name: getattr(visit, name) for name in _BY_HAND}
        return self._write_ids([visit.id], lambda some: update(visits).where(visits.c.id.in_(some)).values(values)) > 0

    def attach_sales(
        self,
        sales: Sequence[tuple[UUID, datetime, Decimal | None]],
        others_no: Sequence[UUID] = (),
        guessed: Collection[UUID] = (),
    ) -> int:
        """Write imported sales to their visits, all or none.

        Args:
            sales: visit, time (aware) and amount of each; the visit is marked as bought.
            guessed: visits whose sale may be somebody else's.
            others_no: visits that are marked as not bought where nothing is known of them.

        Returns:
            How many of the sales' visits there are.
        """
        sold = (
            update(visits)
            .where(visits.c.id == bindparam("new_id"))
            .values(bought="yes", **{name: new_value(name) for name in ("sold_at", "basket", "sale_guessed")})
        )
        rows = [
            {"new_id": visit, "new_sold_at": time, "new_basket": amount, "new_sale_guessed": visit in guessed}
            for visit, time, amount in sales
        ]
        with self._writing() as writer:
            attached = writer.run(sold, rows)
            for some in pieces(others_no):
                unknown = visits.c.id.in_(some) & (visits.c.bought == "unknown")
                writer.run(update(visits).where(unknown).values(bought="no"))
        if len(sales) + len(others_no) > _MANY:
            self._pack_if_possible()
        return attached

    def withdraw(self, belonging: Mapping[UUID, UUID]) -> None:
        """Delete visits that turned out to be part of others; a known outcome is copied to those.

        Traits entered by hand are not copied.

        Args:
            belonging: visits that were counted by mistake, each with the one that it belongs to.
        """
        with self._writing() as writer:
            gone = 0
            for withdrawn, owner in belonging.items():
                writer.run(with_outcome_of(withdrawn, owner))
                gone += writer.run(delete(visits).where(visits.c.id == withdrawn))
        if gone:
            forget_deleted(self._engine, self.name)

    def current(self, now: datetime, away_s: float) -> tuple[Visit, ...]:
        """Visits that go on, the newest first.

        Visits abandoned by a stopped program are left out, and so are visits dated in the future by a wrong clock.

        Args:
            now: aware.
            away_s: a visitor who was out of view for longer has left, in seconds.
        """
        since = now - timedelta(seconds=away_s + _WRITTEN_EVERY_S)
        # The database only preselects rows, because its sums are less exact than Python's.
        seen = last_seen(self._engine.dialect.name) >= since.timestamp() - 1
        still_connected = visits.c.ended == false(), visits.c.started <= now, seen, is_visitor()
        statement = select(visits).where(*still_connected).order_by(visits.c.started.desc(), visits.c.id)
        return tuple(v for v in self._visits(statement) if v.started + timedelta(seconds=v.duration_s) >= since)

    def end_abandoned(self, now: datetime) -> int:
        """End visits without an update for an hour, or dated in the future; returns how many there were.

        They were left by a stopped program. A program that still counts them reopens them with its next update.

        Args:
            now: aware.
        """
        unseen = last_seen(self._engine.dialect.name) < (now - _ABANDONED).timestamp()
        lost = or_(unseen, visits.c.started > now + timedelta(days=1))
        with self._writing() as writer:
            return writer.run(update(visits).where(visits.c.ended == false(), lost).values(ended=True))

    def latest(self, limit: int = 50, chosen: Selection = EVERYTHING) -> tuple[Visit, ...]:
        """The visits that began last, the newest first."""
        statement = select(visits).where(*conditions_of(chosen)).order_by(visits.c.started.desc(), visits.c.id)
        return self._visits(statement.limit(limit))

    def get(self, number: UUID) -> Visit | None:
        """The visit with that id; None where it was deleted."""
        return next(iter(self._visits(select(visits).where(visits.c.id == number))), None)

    def frame(self, chosen: Selection = EVERYTHING, leavers: bool = False) -> pd.DataFrame:
        """One row per visit, the oldest first; the columns are those of ``visits_frame``.

        Args:
            chosen: which.
            leavers: also people who crossed a counting line only to go out.
        """
        with self._reading() as connection:
            return visits_frame(connection, conditions_of(chosen, leavers))

    def count_of_recording(self, ids: RecordingIds) -> int:
        """How many visits there are of one recorded video."""
        low, high = ids.bounds
        with self._reading() as connection:
            statement = select(func.count()).where(visits.c.id >= low, visits.c.id <= high)
            return int(connection.execute(statement).scalar_one())

    def sources(self) -> tuple[str, ...]:
        """Names of all sources that have visits, in alphabetical order."""
        with self._reading() as connection:
            return tuple(sorted(connection.execute(source_names()).scalars()))

    def delete(self, ids: Collection[UUID]) -> int:
        """Delete visits; returns how many there were."""
        return self._delete_where(*((visits.c.id.in_(some),) for some in pieces(ids)))

    def delete_all(self) -> int:
        """Delete every visit; returns how many there were. The settings stay."""
        return self._delete_where(())

    def expire(self, now: datetime) -> int:
        """Delete visits that are older than the settings allow, or lie in the future; returns how many there were.

        Args:
            now: aware.
        """
        days = self.settings().retention_days
        if days is None:
            return 0
        return self._delete_where(
            (or_(visits.c.started < now - timedelta(days=days), visits.c.started > now + timedelta(days=1)),)
        )

    def _write_rows(self, statement: UpdateBase, rows: Sequence[Mapping[str, Any]]) -> None:
        if rows:
            with self._writing() as writer:
                writer.run(statement, rows)

    def _write_ids(self, ids: Collection[UUID], statement: Callable[[Sequence[UUID]], UpdateBase]) -> int:
        if not ids:
            return 0
        with self._writing() as writer:
            return sum(writer.run(statement(some)) for some in pieces(ids))

    def _delete_where(self, *chosen: Sequence[ColumnElement[bool]]) -> int:
        """Delete the visits that meet any of these lists of conditions, also on a full disk."""
        deleted = 0
        try:
            with self._writing() as writer:
                gone = sum(writer.run(delete(visits).where(*conditions)) for conditions in chosen)
            deleted += gone
            forget_deleted(self._engine, self.name)
        except DiskFullError:
            release_space(self._engine)
            deleted += sum(self._delete_in_no_room(conditions) for conditions in chosen)
        reserve_space(self._engine)
        return deleted

    def _delete_in_no_room(self, conditions: Sequence[ColumnElement[bool]]) -> int:
        """Delete in small steps: SQLite's log of one step is dropped before the next step."""
        some = select(visits.c.id).where(*conditions).order_by(visits.c.started).limit(_AT_ONCE_IN_NO_ROOM)
        deleted, gone = 0, 1
        while gone:
            forget_deleted(self._engine, self.name)
            with self._writing() as writer:
                gone = writer.run(delete(visits).where(visits.c.id.in_(some)))
            deleted += gone
        return deleted

    def _visits(self, statement: Select[Any]) -> tuple[Visit, ...]:
        with self._reading() as connection:
            return tuple(Visit(**row) for row in connection.execute(statement).mappings())


def _row(visit: Visit) -> dict[str, Any]:
    return {name: getattr(visit, name) for name in _COLUMNS}
