"""The currency of the log: chosen once, or recognised from a sales file."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import streamlit as st

from facetraits.visitors.currency import currencies, currency_words
from facetraits.visitors.store import VisitStore
from ui.kit.components import notice
from ui.kit.figure import explain
from ui.visitors.log import show_later, store_errors_as_later_notices

_NONE: Final = "none chosen"


def show_currency(store: VisitStore) -> None:
    """Choose the currency of all amounts in the log.

    Raises:
        StoreError: the database fails.
    """
    known = store.settings().currency
    with st.container(horizontal=True, gap="small", vertical_alignment="bottom"):
        chosen = _select("Currency of all amounts", known, "visitors_currency")
        if chosen != known:
            st.button("Save", type="primary", key="visitors_currency_save", on_click=_save, args=(store, chosen))
    explain("Amounts are shown in this currency. They are not converted when you change it.")


def currency_to_write(store: VisitStore, found: str | None, file_id: str) -> str | None:
    """Say which currency a sales file is in, and let the owner choose one where the log has none.

    Args:
        store: the log.
        found: what the file says; None where it does not say.
        file_id: of the upload.

    Returns:
        The currency that the log gets together with the sales; None leaves it as it is.

    Raises:
        StoreError: the database fails.
    """
    known = store.settings().currency
    if known is not None:
        if found not in (None, known):
            notice(
                "error",
                "The file is in another currency",
                f"The file is in {currency_words(found)}, the log in {currency_words(known)}. Amounts are not "
                "converted, so sums would be wrong.",
                ("Import a file in the log's currency, or change the currency of the log below.",),
            )
        return None
    return _select("Currency of the amounts", found, f"visitors_sales_currency_{file_id}")


def keep_currency(store: VisitStore, currency: str | None) -> None:
    """Make this the currency of the log; None changes nothing.

    Raises:
        StoreError: the database fails.
    """
    if currency is not None:
        store.save_settings(replace(store.settings(), currency=currency))


def _select(label: str, chosen: str | None, key: str) -> str | None:
    options = sorted({*currencies(), *filter(None, (chosen,))})
    return st.selectbox(
        label,
        [None, *options],
        index=0 if chosen is None else 1 + options.index(chosen),
        format_func=lambda code: _NONE if code is None else currency_words(code),
        key=key,
        width=320,
    )


def _save(store: VisitStore, currency: str | None) -> None:
    with store_errors_as_later_notices():
        store.save_settings(replace(store.settings(), currency=currency))
        show_later("hint", "Saved", f"Amounts are shown in {currency_words(currency)}." if currency else "No currency.")
