"""Import of sales: read the file, match it with visits by time, show the result, write it when confirmed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Final
from uuid import UUID
from zoneinfo import ZoneInfo

import streamlit as st

from facetraits.visitors.sales.reading import (
    ColumnChoice,
    Matching,
    MatchRule,
    Sale,
    SalesError,
    SalesFile,
    first_look,
    match_sales,
    read_sales,
)
from facetraits.visitors.store import VisitStore
from facetraits.visitors.visit import Selection
from ui.kit.components import notice
from ui.kit.figure import explain, tiles
from ui.kit.local import written_amount
from ui.kit.tables import Column, Table
from ui.kit.uploads import upload_one
from ui.visitors import cached, words
from ui.visitors.currency import currency_to_write, keep_currency
from ui.visitors.last_import import import_of, keep_import, show_undo
from ui.visitors.log import show_later, store_errors_as_later_notices
from ui.visitors.sales_columns import choose_columns
from ui.visitors.visits import forget_table
from ui.visitors.words import duration_words, moment_words

if TYPE_CHECKING:
    import pandas as pd

_LARGEST_MB: Final = 20
_SHOWN: Final = 12
_MATCHED: Final = "visitors_matched"
_READ: Final = "visitors_sales_read"
_UPLOADS: Final = "visitors_sales_uploads"


def show_sales(store: VisitStore, zone: ZoneInfo) -> None:
    """From the file to the button that writes.

    Raises:
        StoreError: the database fails.
    """
    explain(
        "A CSV or XLSX file as exported by your till, with a column for date and time and, if available, one for the "
        "amount. Each sale is matched with a visitor who came in before it. You see the result before anything is "
        "written."
    )
    show_undo(store)
    left, right = st.columns([3, 2], gap="medium")
    with left:
        file = upload_one(
            "Sales (CSV or XLSX)",
            _LARGEST_MB,
            ("csv", "txt", "tsv", "xlsx"),
            key=f"visitors_sales_{st.session_state.get(_UPLOADS, 0)}",
        )
    minutes = right.number_input(
        "Usual minutes from entering to paying",
        0,
        60,
        10,
        key="visitors_typical",
        help="If several visitors could have paid, the one whose time fits best is chosen. A sale is matched only "
        "with visitors who came in at most one hour before it, or three times this value if that is longer.",
    )
    if file is None:
        return
    data = file.getvalue()
    try:
        sales = _read(store, data, zone, file.file_id)
    except SalesError as error:
        notice("error", file.name, str(error))
        _offer_columns(store, data, file.file_id)
        return
    choose_columns(store, sales.look, file.file_id, wrong=False)
    rule = MatchRule(longest_s=max(3600, 180 * minutes), typical_s=60 * minutes)
    frame = _around(store, sales.sales, rule)
    sources = sources_in_period(frame, sales.sales, rule)
    entrance = _choose_entrance(sources, file.file_id) if len(sources) > 1 else None
    seen = frame if entrance is None else visits_to_match(frame, entrance)
    state = (file.file_id, sales.day_first, sales.look.choice, minutes, entrance, store.identity, store.version())
    found = _chosen_matches(_matched(sales, seen, rule, state), file.file_id)
    currency = currency_to_write(store, sales.currency, file.file_id) if sales.amount_column else None
    _preview(sales, found, seen, zone, partial(written_amount, currency=currency or store.settings().currency))
    _apply(store, found, seen, entrance, file.file_id, currency)


def _offer_columns(store: VisitStore, data: bytes, file_id: str) -> None:
    """Have the owner say which columns they are, where that may help."""
    try:
        look = first_look(data)
    except SalesError:
        return
    if len(look.header) > 1 and any(look.header):
        choose_columns(store, look._replace(choice=store.columns_chosen(look.header)), file_id, wrong=True)


def _read(store: VisitStore, data: bytes, zone: ZoneInfo, file_id: str) -> SalesFile:
    """The sales, read as the owner has chosen: the columns of such files, and the order of day and month.

    Raises:
        SalesError: the file holds none.
    """
    choice = store.columns_chosen(first_look(data).header)
    sales = _read_once(data, zone, file_id, None, choice)
    if not sales.order_assumed:
        return sales
    day_first = _choose_order(bool(sales.day_first), file_id)
    return sales if day_first == sales.day_first else _read_once(data, zone, file_id, day_first, choice)


def _read_once(
    data: bytes, zone: ZoneInfo, file_id: str, day_first: bool | None, choice: ColumnChoice | None
) -> SalesFile:
    """``read_sales``, which takes a second for a long file, done once for each way to read the last file."""
    way = str(zone), day_first, choice
    known: tuple[str, dict[object, SalesFile | SalesError]] = st.session_state.get(_READ, ("", {}))
    if known[0] != file_id:
        known = st.session_state[_READ] = file_id, {}
    if way not in known[1]:
        try:
            known[1][way] = read_sales(data, zone, day_first, choice)
        except SalesError as error:
            known[1][way] = error
    found = known[1][way]
    if isinstance(found, SalesError):
        raise found
    return found


def sources_in_period(frame: pd.DataFrame, sales: Sequence[Sale], rule: MatchRule) -> tuple[tuple[str, int], ...]:
    """Sources with visits at the time of the sales, with the number of visits; the largest first."""
    times = [sale.time for sale in sales]
    could = (frame["started"] >= min(times) - timedelta(seconds=rule.longest_s)) & (frame["started"] <= max(times))
    counts = Counter(frame.loc[could, "source"].tolist())
    return tuple(sorted(counts.items(), key=lambda found: (-found[1], found[0])))


def visits_to_match(frame: pd.DataFrame, entrance: str) -> pd.DataFrame:
    """The visits that sales may be matched with if several sources see the same people.

    Visits of other sources that already have a sale are included, so that no sale is written twice.
    """
    return frame[(frame["source"] == entrance) | frame["sold_at"].notna()]


def _choose_entrance(sources: Sequence[tuple[str, int]], file_id: str) -> str:
    counts = dict(sources)
    chosen = st.selectbox(
        "Which source sees everybody who comes in?",
        list(counts),
        format_func=lambda name: f"{name} ({words.counted_visits(counts.get(name, 0))})",
        key=f"visitors_sales_source_{file_id}",
        width=420,
    )
    explain(
        "A person seen by two sources has two visits in the log. Sales are matched with visits of this source only."
    )
    return chosen


def _matched(sales: SalesFile, frame: pd.DataFrame, rule: MatchRule, state: tuple[object, ...]) -> Matching:
    """``match_sales``, done once for each state of file and log: many sales take a second."""
    known: tuple[tuple[object, ...], Matching] | None = st.session_state.get(_MATCHED)
    if known is None or known[0] != state:
        known = st.session_state[_MATCHED] = state, match_sales(sales.sales, frame, rule)
    return known[1]


def _chosen_matches(found: Matching, file_id: str) -> Matching:
    """The matches that will be written; guessed ones only if the owner chooses so."""
    guesses = found.certainty.count("guessed")
    if not guesses:
        return found
    also = st.checkbox(
        f"Also give {guesses:,} sale{'s' if guesses != 1 else ''} to visits far from the usual time (guessed)",
        key=f"visitors_guesses_{file_id}",
        help="The visitor who came in long before such a sale, or just before it, may be somebody else.",
    )
    return found if also else found.without_guesses()


def _choose_order(found: bool, file_id: str) -> bool:
    """Whether the day comes before the month, where the dates of the file may be read in both ways."""
    return st.segmented_control(
        "The dates of the file",
        (True, False),
        default=found,
        required=True,
        format_func={True: "Day first: 31/12", False: "Month first: 12/31"}.__getitem__,
        key=f"visitors_day_first_{file_id}",
    )


def _around(store: VisitStore, sales: Sequence[Sale], rule: MatchRule) -> pd.DataFrame:
    """The visits that a sale may belong to, and a day around them."""
    times = [sale.time for sale in sales]
    margin = timedelta(seconds=rule.longest_s) + timedelta(days=1)
    return cached.get_visits(store, Selection(since=min(times) - margin, until=max(times) + margin))


def _preview(
    sales: SalesFile, found: Matching, frame: pd.DataFrame, zone: ZoneInfo, money: Callable[[Decimal], str]
) -> None:
    today = words.now().astimezone(zone).date()
    times = [sale.time for sale in sales.sales]
    span = f"{_day(min(times), zone, today)} to {_day(max(times), zone, today)}"
    tiles(
        [
            ("Sales in the file", f"{len(sales.sales):,}", span),
            ("Matched with visits", f"{len(found.pairs):,}", "these are written"),
            ("Without a visit", f"{len(found.unmatched):,}", "no visitor came in at the usual time before"),
            ("Known already", f"{len(found.known):,}", "from an earlier import"),
        ]
    )
    if sales.note:
        notice("hint", "How the file was read", sales.note)
    if found.pairs:
        with st.expander(f"The matches, {min(_SHOWN, len(found.pairs))} of {len(found.pairs):,}"):
            st.html(_pairs_table(found.pairs[:_SHOWN], found.certainty, frame, zone, money).to_html())
    if found.unmatched:
        with st.expander(f"Without a visit: {len(found.unmatched):,}"):
            st.html(_sales_table(found.unmatched[:_SHOWN], zone, money).to_html())
    if sales.skipped:
        with st.expander(f"Lines that were left out: {len(sales.skipped):,}"):
            columns = (Column("Line"), Column("Why"))
            st.html(Table("Lines that were left out", columns, tuple(sales.skipped[:_SHOWN])).to_html())


def _day(moment: datetime, zone: ZoneInfo, today: date) -> str:
    return words.day_words(moment.astimezone(zone).date(), today)


def _pairs_table(
    pairs: Sequence[tuple[UUID, Sale]],
    certainty: Sequence[str],
    frame: pd.DataFrame,
    zone: ZoneInfo,
    money: Callable[[Decimal], str],
) -> Table:
    today = words.now().astimezone(zone).date()
    visits = frame[frame["id"].isin([str(visit) for visit, _ in pairs])].set_index("id")
    rows = []
    for (visit, sale), sure in zip(pairs, certainty, strict=False):
        row = visits.loc[str(visit)]
        started = row["started"].to_pydatetime()
        person = (
            ", ".join(row[name] for name in ("gender", "age_group") if isinstance(row[name], str)) or "not estimated"
        )
        after = duration_words(max(0.0, (sale.time - started).total_seconds()))
        rows.append(
            (moment_words(sale.time, zone, today), sale.amount, moment_words(started, zone, today), after, person, sure)
        )
    columns = (
        Column("Sale"),
        Column("Amount", money),
        Column("Came in"),
        Column("Paid after"),
        Column("Visitor"),
        Column("How sure"),
    )
    return Table("Sales and their visits", columns, tuple(rows))


def _sales_table(sales: Sequence[Sale], zone: ZoneInfo, money: Callable[[Decimal], str]) -> Table:
    today = words.now().astimezone(zone).date()
    rows = tuple((str(sale.line), moment_words(sale.time, zone, today), sale.amount) for sale in sales)
    return Table("Sales without a visit", (Column("Line"), Column("Sale"), Column("Amount", money)), rows)


def _apply(
    store: VisitStore, found: Matching, frame: pd.DataFrame, entrance: str | None, file_id: str, currency: str | None
) -> None:
    others = False
    if found.others:
        whose = "" if entrance is None else f" of {entrance}"
        others = st.checkbox(
            f"Mark {words.counted_visits(len(found.others))}{whose} without a sale as not bought (the file is "
            "complete)",
            value=entrance is None,  # with several sources, this one may see people who never come to the till
            key=f"visitors_others_no_{file_id}_{entrance is None}",
        )
    st.button(
        f"Write {len(found.pairs):,} sale{'s' if len(found.pairs) != 1 else ''} to the log",
        type="primary",
        icon=":material/check:",
        key="visitors_apply_sales",
        disabled=not (found.pairs or others),
        on_click=_write,
        args=(store, found, frame, others, currency),
    )


def _write(store: VisitStore, found: Matching, frame: pd.DataFrame, others: bool, currency: str | None) -> None:
    with store_errors_as_later_notices():
        done = import_of(store, found, others, frame)
        written = store.attach_sales(
            [(visit, sale.time, sale.amount) for visit, sale in found.pairs],
            found.others if others else (),
            found.guessed,
        )
        keep_currency(store, currency)
        keep_import(done)
        forget_table()
        st.session_state.pop(_MATCHED, None)
        st.session_state.pop(_READ, None)
        st.session_state[_UPLOADS] = st.session_state.get(_UPLOADS, 0) + 1  # an empty uploader
        rest = f" {len(found.others):,} others were marked as not having bought." if others and found.others else ""
        verb = "carries" if written == 1 else "carry"
        show_later("hint", "Written", f"{words.counted_visits(written).capitalize()} now {verb} a sale.{rest}")
