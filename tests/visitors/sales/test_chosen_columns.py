"""Columns that the owner chooses: what is read then, and what a file shows of itself before."""

from __future__ import annotations

from contextlib import closing
from decimal import Decimal

import pytest

from facetraits.visitors.sales.reading import ColumnChoice, SalesError, first_look, read_sales
from facetraits.visitors.store import VisitStore, open_store
from tests.visitors.made_visits import BERLIN

POLISH = b"Kiedy;Kto;Ile;Stan\n2026-05-04 12:00:00;Ania;5,50;ok\n2026-05-04 12:10:00;Ola;6,50;anulowano\n"


def test_a_file_whose_columns_nobody_knows_shows_its_first_lines():
    with pytest.raises(SalesError, match="no column for the time"):
        read_sales(POLISH, BERLIN)
    look = first_look(POLISH)
    assert look.header == ("Kiedy", "Kto", "Ile", "Stan")
    assert look.rows[0] == ("2026-05-04 12:00:00", "Ania", "5,50", "ok") and look.choice is None


def test_chosen_columns_are_read():
    found = read_sales(POLISH, BERLIN, choice=ColumnChoice("Kiedy", amount="Ile", status="Stan"))
    assert [sale.amount for sale in found.sales] == [Decimal("5.50")]
    assert found.skipped == ((3, 'no sale, Stan: "anulowano"'),)
    assert found.look.choice == ColumnChoice("Kiedy", amount="Ile", status="Stan")


def test_what_was_found_may_be_put_right():
    data = b"time,net total,paid in all,zone\n2026-05-04 12:00:00,5.00,6.00,Europe/London\n"
    found = read_sales(data, BERLIN)
    assert found.look.choice is not None and found.look.choice.moment == "time"
    right = found.look.choice._replace(amount="paid in all", zone="")
    again = read_sales(data, BERLIN, choice=right)
    assert (again.sales[0].amount, again.amount_column) == (Decimal("6.00"), "paid in all")
    assert again.sales[0].time != found.sales[0].time, "the zone is that of the shop"


def test_date_and_time_of_day_may_be_chosen_apart():
    data = b"a,b,c\n04.05.2026,12:00,5.00\n"
    found = read_sales(data, BERLIN, choice=ColumnChoice("a", clock="b"))
    assert found.time_column == "a + b" and found.sales[0].amount is None


def test_a_choice_for_other_columns_is_refused():
    with pytest.raises(SalesError, match="names no column"):
        read_sales(POLISH, BERLIN, choice=ColumnChoice("time"))


def test_the_log_remembers_a_choice(store: VisitStore, store_url: str):
    header, choice = ("Kiedy", "Kto", "Ile"), ColumnChoice("Kiedy", amount="Ile")
    assert store.columns_chosen(header) is None
    store.choose_columns(header, choice._replace(amount="Kto"))
    store.choose_columns(header, choice)
    assert store.columns_chosen(("other", *header)) is None
    with closing(open_store(store_url)) as again:
        assert again.columns_chosen(header) == choice
