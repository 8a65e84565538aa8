"""The last import of sales in a browser session, and its undo."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import streamlit as st

from facetraits.visitors.sales.reading import Matching, Sale
from facetraits.visitors.store import VisitStore
from facetraits.visitors.visit import Outcome, Selection
from ui.kit.components import listed
from ui.kit.figure import explain
from ui.visitors import words
from ui.visitors.log import show_later, store_errors_as_later_notices
from ui.visitors.visits import forget_table

if TYPE_CHECKING:
    import pandas as pd

_IMPORT: Final = "visitors_import"


@dataclass(frozen=True, slots=True)
class SoldVisit:
    """A visit that got a sale from an import.

    Attributes:
        id: of the visit.
        sale: what it was given.
        bought, basket: what the log said before.
    """

    id: UUID
    sale: Sale
    bought: Outcome
    basket: Decimal | None


@dataclass(frozen=True, slots=True)
class SalesImport:
    """The changes of an import, with the values before it.

    Attributes:
        sold: visits with a sale.
        others: visits that were marked as not bought and of which nothing was known.
        span: in which all of them began.
    """

    sold: tuple[SoldVisit, ...]
    others: tuple[UUID, ...]
    span: Selection


def import_of(store: VisitStore, found: Matching, others: bool, frame: pd.DataFrame) -> SalesImport:
    """The changes that writing a matching will make.

    Args:
        store: where it will be written.
        found: what is written.
        others: whether the others are marked as not bought.
        frame: the visits that were matched.

    Raises:
        StoreError: the database fails.
    """
    first, last = (moment.to_pydatetime() for moment in (frame["started"].min(), frame["started"].max()))
    span = Selection(since=first, until=last + timedelta(milliseconds=1))
    rows = _rows(store.frame(span))  # somebody may have changed them since they were matched
    sold = tuple(
        SoldVisit(visit, sale, row["bought"], _amount(row["basket"]))
        for visit, sale in found.pairs
        if (row := rows.get(str(visit))) is not None
    )
    marked = (visit for visit in found.others if rows.get(str(visit), {}).get("bought") == "unknown")
    return SalesImport(sold, tuple(marked) if others else (), span)


def undo_import(store: VisitStore, done: SalesImport) -> tuple[int, int]:
    """Undo an import, except for visits that were changed since.

    Returns:
        How many visits are as they were before, and how many were changed or deleted since and stay so.

    Raises:
        StoreError: the database fails; what was not put back may be tried again.
    """
    rows = _rows(store.frame(done.span))
    sold = [visit for visit in done.sold if _still_sold(rows.get(str(visit.id)), visit.sale)]
    others = [visit for visit in done.others if rows.get(str(visit), {}).get("bought") == "no"]
    for visit in sold:
        if visit.bought == "yes":  # marked by hand before the import, perhaps with a basket
            newest = store.get(visit.id)
            if newest is not None:
                store.edit(replace(newest, basket=visit.basket, sold_at=None, sale_guessed=False))
    store.mark([visit.id for visit in sold if visit.bought == "no"], "no")
    store.mark([*(visit.id for visit in sold if visit.bought == "unknown"), *others], "unknown")
    restored = len(sold) + len(others)
    return restored, len(done.sold) + len(done.others) - restored


def _still_sold(row: Mapping[str, Any] | None, sale: Sale) -> bool:
    return row is not None and (row["bought"], row["sold_at"], _amount(row["basket"])) == (
        "yes",
        sale.time,
        sale.amount,
    )


def _rows(frame: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """By id what an import reads and changes; times are those of ``datetime``."""
    columns = {name: frame[name].astype(object) for name in ("bought", "basket", "sold_at")}
    columns["sold_at"] = [None if moment != moment else moment.to_pydatetime() for moment in columns["sold_at"]]
    return {
        number: dict(zip(columns, values, strict=True))
        for number, *values in zip(frame["id"], *columns.values(), strict=True)
    }


def _amount(basket: float) -> Decimal | None:
    return None if basket != basket else Decimal(round(basket * 100)) / 100


# --------------------------------------------------------------------------------------------------------------- page


def keep_import(done: SalesImport) -> None:
    """Make this the import that ``show_undo`` offers to undo."""
    st.session_state[_IMPORT] = done


def forget_import() -> None:
    """Forget the last import, so that no undo is offered."""
    st.session_state.pop(_IMPORT, None)


def show_undo(store: VisitStore) -> None:
    """The undo button for the last import, if there is one."""
    done: SalesImport | None = st.session_state.get(_IMPORT)
    if done is None or not (done.sold or done.others):
        return
    st.button(
        f"Undo the last import: {words.counted_visits(len(done.sold) + len(done.others))}",
        icon=":material/undo:",
        key="visitors_undo_sales",
        on_click=_undo,
        args=(store, done),
    )
    explain(f"{_contents(done)} Undo restores the earlier values, except where visits were changed since.")


def _contents(done: SalesImport) -> str:
    parts = [f"gave a sale to {words.counted_visits(len(done.sold))}"] if done.sold else []
    parts += [f"marked {words.counted_visits(len(done.others))} as not bought"] if done.others else []
    return f"Your last import {listed(parts)}."


def _undo(store: VisitStore, done: SalesImport) -> None:
    with store_errors_as_later_notices():
        restored, left = undo_import(store, done)
        forget_import()
        forget_table()
        _show_restored(restored, left)


def _show_restored(restored: int, left: int) -> None:
    verb = "is as it was" if restored == 1 else "are as they were"
    rest = f" {left:,} {'was' if left == 1 else 'were'} changed or deleted since and not restored." if left else ""
    show_later("hint", "The import is undone", f"{words.counted_visits(restored).capitalize()} {verb} before it.{rest}")
