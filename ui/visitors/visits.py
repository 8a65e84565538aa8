"""The view "Visits": a table in which the owner corrects visits. Changes are saved at once.

The table shows the log as it was when the view was opened, so that rows do not move while the owner edits. "Refresh"
and the filters reload it. If a change of one cell changes another (a visitor who did not buy has no basket), the same
rows are redrawn, because the editor would keep showing the typed value.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from zoneinfo import ZoneInfo

import streamlit as st

from facetraits.visitors.currency import currency_sign
from facetraits.visitors.store import VisitStore
from facetraits.visitors.visit import LARGEST_BASKET, OUTCOMES, VISIT_CLASSES, Selection, Visit
from ui.kit.components import notice
from ui.kit.figure import explain
from ui.visitors import cached, words
from ui.visitors.demonstration import offer_demonstration
from ui.visitors.edits import BASKET, BOUGHT, DELETE, SALE, TAP, TRAIT_COLUMNS, edited, shows, visit_rows
from ui.visitors.log import (
    choose_visits,
    show_later,
    show_messages,
    store_errors_as_later_notices,
    store_errors_as_notices,
)
from ui.visitors.marking import tap
from ui.visitors.words import counted_visits, moment_words

MOST_ROWS: Final = 500
_TABLE: Final = "visitors_table"
_TAPPED: Final = "visitors_tapped"
_GONE: Final = "It was deleted meanwhile."
_HEIGHT_PX: Final = 560
_ROW_PX: Final = 35


@dataclass
class VisitTable:
    """Content of the editor; lives in ``st.session_state``.

    Attributes:
        chosen: the filters that it was read with.
        visits: a row each; kept up to date with what was saved here.
        total: how many visits the filters let through.
        number: makes the editor a new one when the table is read anew.
        saved: by row, the changes that were saved; problems: those that could not be.
        ticked: rows that were ticked to be deleted before the editor was drawn afresh.
        stale: the editor shows values that differ from the saved ones.
        log: identity of the log that the visits are in.
    """

    chosen: Selection
    visits: list[Visit]
    total: int
    number: int
    saved: dict[int, dict[str, Any]] = field(default_factory=dict)
    problems: dict[int, str] = field(default_factory=dict)
    ticked: frozenset[int] = frozenset()
    stale: bool = False
    log: str = ""

    @property
    def key(self) -> str:
        return f"visitors_editor_{self.log}_{self.number}"

    def ticked_now(self, edits: Mapping[int, Mapping[str, Any]]) -> frozenset[int]:
        """The rows that are ticked to be deleted, by what was changed in the editor."""
        return frozenset(
            place for place in range(len(self.visits)) if edits.get(place, {}).get(DELETE, place in self.ticked)
        )

    def redraw(self, edits: Mapping[int, Mapping[str, Any]]) -> None:
        """Have a new editor show the same rows as they were saved."""
        self.ticked = self.ticked_now(edits)
        self.saved.clear()
        self.number += 1
        self.stale = False


def show_visits(store: VisitStore, zone: ZoneInfo) -> None:
    """Filters, table, and what to do with ticked rows."""
    with store_errors_as_notices():
        chosen = choose_visits(store, zone, words.now().astimezone(zone).date())
        show_messages()
        table = _table(store, chosen)
        if not table.visits:
            _show_no_visits(store)
            return
        explain(_table_summary(table))
        _editor(store, table, zone, store.settings().currency)
        for place, problem in sorted(table.problems.items()):
            visit = table.visits[place]
            when = moment_words(visit.started, zone, words.now().astimezone(zone).date())
            notice("error", f"Not saved: the visit of {when}", problem, ("Everything else is saved.",))
        _show_buttons(store, table, zone)


def _table(store: VisitStore, chosen: Selection) -> VisitTable:
    table: VisitTable | None = st.session_state.get(_TABLE)
    if table is None or table.chosen != chosen or table.log != store.identity:
        number = 0 if table is None else table.number + 1
        visits = list(store.latest(MOST_ROWS, chosen))
        total = len(visits) if len(visits) < MOST_ROWS else sum(store.count(chosen).values())
        table = st.session_state[_TABLE] = VisitTable(chosen, visits, total, number, log=store.identity)
    return table


def _reload() -> None:
    table: VisitTable = st.session_state[_TABLE]
    table.chosen = Selection(sources=())  # a selection that no filter can produce, so the table is reloaded


def forget_table() -> None:
    """Have the table read anew when it is shown next."""
    if _TABLE in st.session_state:
        _reload()


def _show_no_visits(store: VisitStore) -> None:
    if sum(store.count().values()):
        notice("hint", "No visits", "No visit matches these filters.", ("Choose “All”, or fewer filters.",))
    else:
        notice("hint", "No visits yet", "Once a source records, every visit becomes a row here.")
        offer_demonstration()


def _table_summary(table: VisitTable) -> str:
    shown = counted_visits(table.total).capitalize()
    if table.total > len(table.visits):
        shown = f"The newest {len(table.visits):,} of {table.total:,} visits; use the filters to reach older ones"
    return f"{shown}. Press “Bought” to mark a buyer. Double-click a cell to change it; every change is saved at once."


def _editor(store: VisitStore, table: VisitTable, zone: ZoneInfo, currency: str | None) -> None:
    rows = visit_rows(table.visits, zone, len(words.sources_of(table.visits)) > 1, table.ticked)
    columns = st.column_config
    fixed = ("Time", TAP, SALE, "Age", "Minutes", "Source")
    config: dict[str, Any] = {
        "Time": columns.DatetimeColumn(format="localized", pinned=True, width=160),
        TAP: columns.ButtonColumn(
            "",
            help="Marks the visitor as a buyer, or undoes that.",
            width=76,
            on_click=_tap,
            args=(store, table),
            key=_TAPPED,
        ),
        BOUGHT: columns.SelectboxColumn(options=OUTCOMES, required=True, width=86),
        BASKET: columns.NumberColumn(
            BASKET if currency is None else f"{BASKET}, {currency_sign(currency)}",
            min_value=0.0,
            max_value=float(LARGEST_BASKET),
            step=0.01,
            format="%.2f",
            width=94,
        ),
        SALE: columns.TextColumn(help="Guessed: at an unusual time, so that it may be somebody else's.", width=80),
        "Age": columns.NumberColumn(help="Estimated years; empty if you entered the age group by hand.", width=48),
        "Minutes": columns.NumberColumn("Stay (min)", format="%.1f", width=76),
        "Source": columns.TextColumn(width=84),
        DELETE: columns.CheckboxColumn(help="Tick rows, then press the button below the table.", width=78),
    }
    for title, trait in TRAIT_COLUMNS.items():
        width = 94 if trait == "age_group" else 90
        config[title] = columns.SelectboxColumn(options=VISIT_CLASSES[trait], width=width)
    st.data_editor(
        rows,
        key=table.key,
        hide_index=True,
        column_config={name: config[name] for name in rows.columns if name in config},
        disabled=[name for name in rows.columns if name in fixed],
        height=min(_HEIGHT_PX, _ROW_PX * (len(rows) + 1) + 3),
        on_change=_save,
        args=(store, table),
        placeholder="",
        alt="Table of visits in which cells can be changed.",
    )


def _save(store: VisitStore, table: VisitTable) -> None:
    with store_errors_as_later_notices():
        save_changes(store, table, st.session_state[table.key]["edited_rows"])


def _tap(store: VisitStore, table: VisitTable) -> None:
    with store_errors_as_later_notices():
        tap_row(store, table, st.session_state[_TAPPED]["row"], st.session_state[table.key]["edited_rows"])


def tap_row(store: VisitStore, table: VisitTable, place: int, edits: Mapping[int, Mapping[str, Any]]) -> None:
    """Mark the visit in a row as a buyer, or undo that.

    Args:
        edits: as of ``save_changes``.

    Raises:
        StoreError: the database fails.
    """
    visit = tap(store, table.visits[place].id)
    if visit is None:
        table.problems[place] = _GONE
    else:
        table.problems.pop(place, None)
        table.visits[place] = visit  # a new value under the same key: the table stays where it was scrolled to
        cells = {title: value for title, value in edits.get(place, {}).items() if title != DELETE}
        if not shows(cells, visit):  # an older change lies over it
            table.redraw(edits)


def save_changes(store: VisitStore, table: VisitTable, edits: Mapping[int, Mapping[str, Any]]) -> None:
    """Save the cells changed since the last time; an invalid value becomes a problem of its row.

    Args:
        edits: by row, all cells that differ from what the table was read with.

    Raises:
        StoreError: the database fails; what was not saved is tried again with the next change.
    """
    for place in table.problems.keys() - edits.keys():  # its editor is gone, so the problem is shown only once
        del table.problems[place]
    for place, cells in edits.items():
        changes = {title: value for title, value in cells.items() if title != DELETE}
        before = table.saved.get(place, {})
        if changes == before:
            table.problems.pop(place, None)
            continue
        fresh = {title: value for title, value in changes.items() if title not in before or before[title] != value}
        _save_row(store, table, place, fresh, changes)
    if table.stale:
        table.redraw(edits)


def _save_row(
    store: VisitStore, table: VisitTable, place: int, fresh: Mapping[str, Any], changes: Mapping[str, Any]
) -> None:
    known = table.visits[place]
    newest = store.get(known.id)  # its source may have updated it since the table was read
    table.problems.pop(place, None)
    if newest is None:
        table.problems[place] = _GONE
        return
    try:
        visit = edited(newest, fresh)
    except ValueError as error:
        table.problems[place] = str(error)
        return
    if store.edit(visit):
        table.visits[place] = visit
        table.saved[place] = dict(changes)
        table.stale |= not shows(changes, visit)
    else:
        table.problems[place] = _GONE


def _show_buttons(store: VisitStore, table: VisitTable, zone: ZoneInfo) -> None:
    edits: Mapping[int, Mapping[str, Any]] = st.session_state[table.key]["edited_rows"]
    ticked = sorted(table.ticked_now(edits))
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        st.button("Refresh", icon=":material/refresh:", key="visitors_refresh", on_click=_reload)
        if ticked:
            st.button(
                f"Delete {counted_visits(len(ticked))}",
                type="primary",
                icon=":material/delete:",
                key="visitors_delete",
                on_click=_delete,
                args=(store, table, ticked),
            )
    explain(words.zone_words(zone))


def _delete(store: VisitStore, table: VisitTable, places: list[int]) -> None:
    with store_errors_as_later_notices():
        deleted = store.delete([table.visits[place].id for place in places])
        cached.forget_visits()
        show_later("hint", "Deleted", f"{counted_visits(deleted).capitalize()} deleted for good.")
        _reload()
