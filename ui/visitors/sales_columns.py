"""Which columns of a till's file are taken for what: its first lines, and select boxes to put right what was found."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import streamlit as st

from facetraits.visitors.sales.reading import ColumnChoice, FirstLook
from facetraits.visitors.store import VisitStore
from ui.kit.figure import explain
from ui.kit.tables import Column, Table
from ui.visitors.log import store_errors_as_later_notices

_NONE: Final = ""
_LABELS: Final = {
    "moment": "Time, or date",
    "clock": "Time of day",
    "amount": "Amount",
    "status": "Paid or not",
    "zone": "Time zone",
}
_WITHOUT: Final = {
    "clock": "in the same column",
    "amount": "none",
    "status": "none: all lines are sales",
    "zone": "the shop's",
}
_SHOWN_COLUMNS: Final = 12
_LONGEST_CELL: Final = 24


def choose_columns(store: VisitStore, look: FirstLook, file_id: str, wrong: bool) -> None:
    """Show the first lines of the file, and what each column is taken for, to be put right.

    Args:
        store: keeps the choice for files with the same columns.
        look: the beginning of the file.
        file_id: of the upload.
        wrong: the file could not be read like this, so that a choice is needed.
    """
    with st.expander("Columns of the file", expanded=wrong, icon=":material/view_column:"):
        explain(
            "The first lines, and which column is taken for what. Your choice holds for all files with these columns."
        )
        st.html(_table(look).to_html())
        with st.form(f"visitors_columns_{file_id}", border=False):
            choice = _select_boxes(look, file_id)
            pressed = st.form_submit_button("Read it like this")
        if pressed and choice != look.choice:
            with store_errors_as_later_notices():
                store.choose_columns(look.header, choice)
                st.rerun()


def _select_boxes(look: FirstLook, file_id: str) -> ColumnChoice:
    names = list(dict.fromkeys(name for name in look.header if name))
    found = look.choice or ColumnChoice(names[0])
    chosen = {}
    for column, (role, label) in zip(st.columns(len(_LABELS), gap="small"), _LABELS.items(), strict=True):
        options = names if role == "moment" else [_NONE, *names]
        with column:
            chosen[role] = _select(label, options, getattr(found, role), _WITHOUT.get(role, ""), f"{role}_{file_id}")
    return ColumnChoice(**chosen)


def _select(label: str, options: Sequence[str], found: str, without: str, key: str) -> str:
    return st.selectbox(
        label,
        options,
        index=options.index(found) if found in options else 0,  # the column that was found may have no name
        format_func=lambda name: name or without,
        key=f"visitors_column_{key}",
    )


def _table(look: FirstLook) -> Table:
    header = look.header[:_SHOWN_COLUMNS]
    rows = tuple(tuple(_short(row, place) for place in range(len(header))) for row in look.rows)
    return Table("First lines of the file", tuple(Column(name) for name in header), rows)


def _short(row: Sequence[str], place: int) -> str:
    cell = row[place].strip() if place < len(row) else ""
    return cell if len(cell) <= _LONGEST_CELL else f"{cell[: _LONGEST_CELL - 1]}…"
