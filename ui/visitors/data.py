"""The view "Data": import of sales, export, retention period, and deletion."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Final
from zoneinfo import ZoneInfo

import streamlit as st

from facetraits.visitors.export import to_csv, to_parquet
from facetraits.visitors.store import VisitStore
from facetraits.visitors.visit import EVERYTHING, Selection
from ui.kit.components import notice
from ui.kit.figure import explain, subheading
from ui.visitors import cached, words
from ui.visitors.currency import show_currency
from ui.visitors.demonstration import file_prefix
from ui.visitors.last_import import forget_import
from ui.visitors.log import (
    choose_visits,
    show_later,
    show_messages,
    store_errors_as_later_notices,
    store_errors_as_notices,
)
from ui.visitors.sales import show_sales
from ui.visitors.visits import forget_table
from ui.visitors.words import counted_visits

_ASKED: Final = "visitors_delete_asked"
_ALL, _PART = "All visits", "Only some, by filters"
_KEEP: Final[dict[int | None, str]] = {
    7: "one week",
    30: "30 days",
    90: "90 days",
    180: "half a year",
    365: "one year",
    None: "until they are deleted",
}


def show_data(store: VisitStore, zone: ZoneInfo) -> None:
    show_messages()
    with store_errors_as_notices():
        subheading("Import sales")
        show_sales(store, zone)
    with store_errors_as_notices():
        subheading("Export visits")
        _exports(store, zone)
    with store_errors_as_notices():
        subheading("Currency")
        show_currency(store)
    with store_errors_as_notices():
        subheading("How long visits are kept")
        _retention(store)
    with store_errors_as_notices():
        subheading("Delete everything")
        _delete_everything(store, zone)


def _exports(store: VisitStore, zone: ZoneInfo) -> None:
    total = sum(store.count().values())
    part = st.segmented_control(
        "Which visits",
        (_ALL, _PART),
        default=_ALL,
        required=True,
        key="visitors_export_part",
        label_visibility="collapsed",
    )
    chosen, number = EVERYTHING, total
    if part == _PART:
        chosen = choose_visits(store, zone, words.now().astimezone(zone).date())
        number = sum(store.count(chosen).values())
    name = f"{file_prefix(store)}visits-{words.now().astimezone(zone):%Y-%m-%d}"
    with st.container(horizontal=True, gap="small"):
        st.download_button(
            "CSV",
            lambda: to_csv(cached.get_visits(store, chosen, leavers=True), zone),
            f"{name}.csv",
            "text/csv",
            key="visitors_csv",
            on_click="ignore",
            icon=":material/download:",
            disabled=not number,
            help="For a spreadsheet.",
        )
        st.download_button(
            "Parquet",
            lambda: to_parquet(cached.get_visits(store, chosen, leavers=True)),
            f"{name}.parquet",
            "application/vnd.apache.parquet",
            key="visitors_parquet",
            on_click="ignore",
            icon=":material/download:",
            disabled=not number,
            help="For programs such as pandas, DuckDB or R.",
        )
    leavers = "" if store.crossings(chosen) is None else " People who only left have a row with 0 in “entries”."
    explain(f"{_exported(number, total, part == _ALL)}{leavers} {words.zone_words(zone)}")


def _exported(number: int, total: int, everything: bool) -> str:
    if everything:
        return f"{counted_visits(total).capitalize()}, of all sources and times." if total else "There is no visit yet."
    return f"Only what fits the filters: {number:,} of {counted_visits(total)}."


def _retention(store: VisitStore) -> None:
    settings = store.settings()
    choices = dict(_KEEP)
    choices.setdefault(settings.retention_days, f"{settings.retention_days} days")
    with st.container(horizontal=True, gap="small", vertical_alignment="bottom"):
        days = st.selectbox(
            "Keep visits for",
            list(choices),
            index=list(choices).index(settings.retention_days),
            format_func=choices.__getitem__,
            key="visitors_retention",
            width=240,
        )
        if days != settings.retention_days:
            st.button("Save", type="primary", key="visitors_retention_save", on_click=_keep, args=(store, days))
    if days != settings.retention_days and days is not None:
        until = Selection(until=words.now() - timedelta(days=days))
        gone = sum(store.count(until).values())
        explain(f"Saving deletes {counted_visits(gone)} now, and later every visit that reaches this age.")
    else:
        explain("Older visits are deleted automatically while facetraits runs.")


def _keep(store: VisitStore, days: int | None) -> None:
    with store_errors_as_later_notices():
        store.save_settings(replace(store.settings(), retention_days=days))
        gone = store.expire(words.now())
        cached.forget_visits()
        forget_table()
        show_later(
            "hint", "Saved", f"{counted_visits(gone).capitalize()} deleted." if gone else "No visit is older than that."
        )


def _delete_everything(store: VisitStore, zone: ZoneInfo) -> None:
    number = sum(store.count(EVERYTHING).values())
    if not number:
        st.session_state.pop(_ASKED, None)
        explain("There is no visit to delete.")
    elif st.session_state.get(_ASKED):
        notice(
            "error",
            f"Delete {'the only visit' if number == 1 else f'all {number:,} visits'} for good?",
            "This cannot be undone. Download them first if you may need them.",
        )
        with st.container(horizontal=True, gap="small"):
            st.download_button(
                "Download all of them" if number > 1 else "Download it",
                lambda: to_csv(cached.get_visits(store, leavers=True), zone),
                f"{file_prefix(store)}visits-{words.now().astimezone(zone):%Y-%m-%d}.csv",
                "text/csv",
                key="visitors_delete_csv",
                on_click="ignore",
                icon=":material/download:",
                help="As CSV, for a spreadsheet.",
            )
            st.button("Delete for good", type="primary", key="visitors_delete_all", on_click=_delete_all, args=(store,))
            st.button("Keep them", key="visitors_keep_all", on_click=st.session_state.pop, args=(_ASKED, None))
    else:
        explain("Deletes all visits, from all sources and times. Settings are kept.")
        st.button("Delete all visits …", icon=":material/delete_forever:", key="visitors_delete_ask", on_click=_ask)


def _ask() -> None:
    st.session_state[_ASKED] = True


def _delete_all(store: VisitStore) -> None:
    with store_errors_as_later_notices():
        gone = store.delete_all()
        cached.forget_visits()
        st.session_state.pop(_ASKED, None)
        forget_import()
        forget_table()
        show_later("hint", "Deleted", f"{counted_visits(gone).capitalize()} deleted for good.")
