from __future__ import annotations

from datetime import datetime

import pytest

from facetraits.visitors.sales.reading import SalesError, SalesFile, read_sales
from tests.visitors.made_visits import BERLIN
from tests.visitors.made_workbooks import xlsx


def read(text: str) -> SalesFile:
    return read_sales(text.encode(), BERLIN)


def sold(file: SalesFile) -> dict[int, str]:
    """Line and amount of each sale."""
    return {sale.line: str(sale.amount) for sale in file.sales}


# ---------------------------------------------------------------------------------------------------------------- CSV


def test_decimal_commas_between_commas_are_refused_with_cell_and_line() -> None:
    with pytest.raises(SalesError, match=r'line 2: it has 3 cells for 2 column names; it ends with "5,00"'):
        read("Date,Amount\n2026-07-01 10:05,5,00\n2026-07-01 10:06,6,50\n")


def test_line_with_too_many_cells_is_left_out() -> None:
    file = read("Date,Amount,Note\n2026-07-01 10:05,5.00,\n2026-07-01 10:06,1,234.50,cake\n2026-07-01 10:07,2,x,,\n")

    assert sold(file) == {2: "5.00", 4: "2.00"}
    assert [line for line, _ in file.skipped] == [3]


def test_cents_that_may_have_become_a_cell_are_noted() -> None:
    file = read("Date,Amount,Note\n2026-07-01 10:05,5,00\n2026-07-01 10:06,6,50\n")

    assert 'Amounts such as "5" have no cents' in file.note
    assert read("Date,Amount,Note\n2026-07-01 10:05,5,x\n2026-07-01 10:06,6,50\n").note == ""


def test_open_quotation_mark_swallows_no_line() -> None:
    file = read(
        'Date,Note,Amount\n2026-07-01 10:05,5" pipe,5\n2026-07-01 10:06,x,6\n2026-07-01 10:07,"y,6\n'
        "2026-07-01 10:08,z,6\n"
    )

    assert sold(file) == {2: "5.00", 3: "6.00", 4: "6.00", 5: "6.00"}
    assert file.note == "Line 4 has invalid quotation marks; it was split at every separator."


@pytest.mark.parametrize("end", ['5" pipe', 'pipe 5"', '"z', '"z"'])
def test_open_quotation_mark_that_a_later_line_closes(end: str) -> None:
    file = read(f'Date,Note,Amount\n2026-07-01 10:07,"y,6\n2026-07-01 10:08,{end},7\n2026-07-01 10:09,z,8\n')

    assert sold(file) == {2: "6.00", 3: "7.00", 4: "8.00"}
    assert "quotation marks" in file.note


def test_open_quotation_mark_before_many_lines() -> None:
    file = read('time,amount\n"2026-05-04 14:05,1\n' + "2026-05-04 14:05,1\n" * 60)

    assert len(file.sales) == 61


def test_quoted_cell_of_several_lines_stays_one() -> None:
    file = read('Date,Note,Amount\n2026-07-01 10:07,"one, two\nthree, four, five",6\n2026-07-01 10:08,z,7\n')

    assert sold(file) == {2: "6.00", 4: "7.00"}
    assert file.note == ""


def test_quotation_marks_in_every_line_are_refused_in_time() -> None:
    with pytest.raises(SalesError, match="more than 1,000 lines have unclosed"):
        read("Date,Note,Amount\n" + '2026-07-01 10:07,"y,6\n' * 3000)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("time,amount\nsoon,1\n", 'line 2: "soon"'),
        ("shop\n\ndate,amount\n2026-05-04,1\n", 'line 4: "2026-05-04"'),
        ("time,amount\n14:05,1\n", 'line 2: "14:05"'),
        ("time,amount\n2026-05-04 25:00,1\n", 'line 2: "2026-05-04 25:00"'),
        ("Datei,Betrag\nx,1\n", 'line 1 begins with "Datei"'),
    ],
)
def test_refusals_show_line_and_cell(text: str, message: str) -> None:
    with pytest.raises(SalesError) as caught:
        read(text)

    assert message in str(caught.value)


# ------------------------------------------------------------------------------------------------------ other formats


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<!DOCTYPE html><html><table><tr><td>Date</td></tr></table></html>", "web page"),
        ("\ufeff\n <table><tr><td>Date</td></tr></table>", "web page"),
        ('<?xml version="1.0"?><Workbook/>', "web page"),
        ('{"sales": [{"date": "2026-05-04"}]}', "JSON"),
        ('[\n  {"date": "2026-05-04 14:05", "amount": 5}\n]', "JSON"),
    ],
)
def test_other_formats_are_refused_by_their_contents(text: str, message: str) -> None:
    with pytest.raises(SalesError, match=message) as caught:
        read(text)

    assert "CSV" in str(caught.value)
    assert str(caught.value).count(".") == 1


WHEN = datetime(2026, 7, 1, 10, 5)


def test_workbook() -> None:
    file = read_sales(
        xlsx(
            [["A sheet without sales"]],
            [
                ["The shop"],
                [],
                ["Date", "Amount", "Status"],
                [WHEN, 12.5, "Paid"],
                [WHEN.replace(minute=6, second=30), 7, "Voided"],
                ["2026-07-01 10:07", 1234.567, "Paid"],
                [WHEN.replace(minute=8), "8,50 €", None],
            ],
        ),
        BERLIN,
    )

    assert sold(file) == {4: "12.50", 6: "1234.57", 7: "8.50"}
    assert [f"{sale.time:%H:%M:%S}" for sale in file.sales] == ["08:05:00", "08:07:00", "08:08:00"]
    assert file.skipped == ((5, 'no sale, Status: "Voided"'),)


def test_workbook_with_a_stray_cell_far_away() -> None:
    rows = [["Date", "Amount"], [WHEN, 5.0], *[[] for _ in range(5000)], [*[None] * 25, "x"]]

    assert sold(read_sales(xlsx(rows), BERLIN)) == {2: "5.00"}


@pytest.mark.parametrize("end", [0, 10, 200, -100])
def test_broken_workbooks_are_refused(end: int) -> None:
    with pytest.raises(SalesError, match="workbook cannot be read"):
        read_sales((b"PK\x03\x04" + xlsx([["Date", "Amount"], [WHEN, 5.0]])[4:])[: end or 4], BERLIN)
