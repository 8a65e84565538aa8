"""Import of sales: the till's file is read, matched with visits in time, shown, and written when the owner says so."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Final
from uuid import UUID
from zoneinfo import ZoneInfo

import streamlit as st

from facetraits.visitors.sales import Matching, MatchRule, Sale, SalesError, SalesFile, match_sales, read_sales
from facetraits.visitors.store import VisitStore
from facetraits.visitors.visit import Selection
from ui import resources
from ui import visitors_words as words
from ui.components import notice
from ui.performance_figure import explain, tiles
from ui.performance_tables import Column, Table
from ui.visitors_log import remembered, say
from ui.visitors_visits import forget_table
from ui.visitors_words import duration_words, moment_words, money_words

if TYPE_CHECKING:
    import pandas as pd

_LARGEST_MB: Final = 20
_SHOWN: Final = 12
_MATCHED: Final = "visitors_matched"
_UPLOADS: Final = "visitors_sales_uploads"


def show_sales(store: VisitStore, zone: ZoneInfo) -> None:
    """From the file to the button that writes.

    Raises:
        StoreError: the database fails.
    """
    explain(
        "A CSV file as your till exports it: a column with date and time, and one with the amount if there is one. "
        "Each sale is given to a visitor who came in before it. You see the result before anything is written."
    )
    left, right = st.columns([3, 2], gap="medium")
    file = left.file_uploader(
        "Sales (CSV)",
        type=["csv", "txt", "tsv"],
        max_upload_size=_LARGEST_MB,
        key=f"visitors_sales_{st.session_state.get(_UPLOADS, 0)}",
    )
    minutes = right.number_input(
        "Minutes from coming in to paying, usually",
        0,
        60,
        10,
        key="visitors_typical",
        help="Where several visitors could have paid, the one whose time fits this best is taken. Nobody pays later "
        "than an hour after coming in, or three times this where that is longer.",
    )
    if file is None:
        return
    try:
        sales = read_sales(file.getvalue(), zone)
        if sales.day_first is not None and sales.note:  # only where there is a doubt
            day_first = _choose_order(sales.day_first)
            if day_first != sales.day_first:
                sales = read_sales(file.getvalue(), zone, day_first)
    except SalesError as error:
        notice("error", file.name, str(error))
        return
    rule = MatchRule(longest_s=max(3600, 180 * minutes), typical_s=60 * minutes)
    frame = _around(store, sales.sales, rule)
    found = _matched(sales, frame, rule, (file.file_id, sales.day_first, minutes, store.name, store.version()))
    _preview(sales, found, frame, zone)
    _apply(store, found)


def _matched(sales: SalesFile, frame: pd.DataFrame, rule: MatchRule, state: tuple[object, ...]) -> Matching:
    """``match_sales``, done once for each state of file and log: many sales take a second."""
    known: tuple[tuple[object, ...], Matching] | None = st.session_state.get(_MATCHED)
    if known is None or known[0] != state:
        known = st.session_state[_MATCHED] = state, match_sales(sales.sales, frame, rule)
    return known[1]


def _choose_order(found: bool) -> bool:
    """Whether the day comes before the month, where the dates of the file may be read in both ways."""
    return st.segmented_control(
        "The dates of the file",
        (True, False),
        default=found,
        required=True,
        format_func={True: "Day first: 31/12", False: "Month first: 12/31"}.__getitem__,
        key=f"visitors_day_first_{found}",
    )


def _around(store: VisitStore, sales: Sequence[Sale], rule: MatchRule) -> pd.DataFrame:
    """The visits that a sale may belong to, and a day around them."""
    if not sales:
        return resources.get_visits(store, Selection(sources=()))
    times = [sale.time for sale in sales]
    margin = timedelta(seconds=rule.longest_s) + timedelta(days=1)
    return resources.get_visits(store, Selection(since=min(times) - margin, until=max(times) + margin))


def _preview(sales: SalesFile, found: Matching, frame: pd.DataFrame, zone: ZoneInfo) -> None:
    today = words.now().astimezone(zone).date()
    times = [sale.time for sale in sales.sales]
    span = "" if not times else f"{_day(min(times), zone, today)} to {_day(max(times), zone, today)}"
    tiles(
        [
            ("Sales in the file", f"{len(sales.sales):,}", span),
            ("Matched with visits", f"{len(found.pairs):,}", "these are written"),
            ("Without a visit", f"{len(found.unmatched):,}", "nobody was seen coming in before"),
            ("Known already", f"{len(found.known):,}", "from an earlier import"),
        ]
    )
    if sales.note:
        notice("hint", "How the file was read", sales.note)
    if found.pairs:
        with st.expander(f"The matches, {min(_SHOWN, len(found.pairs))} of {len(found.pairs):,}"):
            st.html(_pairs_table(found.pairs[:_SHOWN], frame, zone).to_html())
    if found.unmatched:
        with st.expander(f"Without a visit: {len(found.unmatched):,}"):
            st.html(_sales_table(found.unmatched[:_SHOWN], zone).to_html())
    if sales.skipped:
        with st.expander(f"Lines that were left out: {len(sales.skipped):,}"):
            columns = (Column("Line"), Column("Why"))
            st.html(Table("Lines that were left out", columns, tuple(sales.skipped[:_SHOWN])).to_html())


def _day(moment: datetime, zone: ZoneInfo, today: date) -> str:
    return words.day_words(moment.astimezone(zone).date(), today)


def _pairs_table(pairs: Sequence[tuple[UUID, Sale]], frame: pd.DataFrame, zone: ZoneInfo) -> Table:
    today = words.now().astimezone(zone).date()
    visits = frame[frame["id"].isin([str(visit) for visit, _ in pairs])].set_index("id")
    rows = []
    for visit, sale in pairs:
        row = visits.loc[str(visit)]
        came = row["started"].to_pydatetime()
        who = ", ".join(row[name] for name in ("gender", "age_group") if isinstance(row[name], str)) or "not estimated"
        after = duration_words(max(0.0, (sale.time - came).total_seconds()))
        rows.append((moment_words(sale.time, zone, today), sale.amount, moment_words(came, zone, today), after, who))
    columns = (
        Column("Sale"),
        Column("Amount", money_words),
        Column("Came in"),
        Column("Paid after"),
        Column("Visitor"),
    )
    return Table("Sales and their visits", columns, tuple(rows))


def _sales_table(sales: Sequence[Sale], zone: ZoneInfo) -> Table:
    today = words.now().astimezone(zone).date()
    rows = tuple((str(sale.line), moment_words(sale.time, zone, today), sale.amount) for sale in sales)
    return Table("Sales without a visit", (Column("Line"), Column("Sale"), Column("Amount", money_words)), rows)


def _apply(store: VisitStore, found: Matching) -> None:
    others = False
    if found.others:
        others = st.checkbox(
            f"Mark {words.counted_visits(len(found.others))} without a sale as not bought: the file is complete",
            value=True,
            key="visitors_others_no",
        )
    st.button(
        f"Write {len(found.pairs):,} sale{'s' if len(found.pairs) != 1 else ''} to the log",
        type="primary",
        icon=":material/check:",
        key="visitors_apply_sales",
        disabled=not (found.pairs or others),
        on_click=_write,
        args=(store, found, others),
    )


def _write(store: VisitStore, found: Matching, others: bool) -> None:
    with remembered():
        written = store.attach_sales(
            [(visit, sale.time, sale.amount) for visit, sale in found.pairs], found.others if others else ()
        )
        forget_table()
        st.session_state.pop(_MATCHED, None)
        st.session_state[_UPLOADS] = st.session_state.get(_UPLOADS, 0) + 1  # an empty uploader
        rest = f" {len(found.others):,} others were marked as not having bought." if others and found.others else ""
        verb = "carries" if written == 1 else "carry"
        say("hint", "Written", f"{words.counted_visits(written).capitalize()} now {verb} a sale.{rest}")
