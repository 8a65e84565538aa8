from __future__ import annotations

import csv
import io
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from facetraits.visitors.sales.reading import LARGEST_FILE, SalesError, SalesFile, read_sales
from tests.visitors.made_visits import BERLIN, MONDAY_NOON


def read(text: str, encoding: str = "utf-8", **more: Any) -> SalesFile:
    return read_sales(text.encode(encoding), BERLIN, **more)


def times(file: SalesFile) -> list[str]:
    return [sale.time.astimezone(BERLIN).strftime("%Y-%m-%d %H:%M:%S") for sale in file.sales]


def amounts(file: SalesFile) -> list[str | None]:
    return [None if sale.amount is None else str(sale.amount) for sale in file.sales]


# ------------------------------------------------------------------------------------------------------------ reading


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("time,amount\n2026-12-31 14:05,12.50\n", ("time", "amount")),
        ("Datum;Uhrzeit;Betrag\r\n31.12.2026;14:05;12,50\r\n", ("Datum + Uhrzeit", "Betrag")),
        ("Receipt\tSOLD AT\tGross\n1\t2026-12-31T14:05:00+01:00\t12.50\n", ("SOLD AT", "Gross")),
        ("Created at,Currency,Total (incl. VAT),VAT\n2026-12-31 13:05 UTC,EUR,12.50,2.00\n", None),
        ('"Date","Time","Subtotal","Total"\n"12/31/2026","2:05 PM","10.50","12.50"\n', ("Date + Time", "Total")),
        ("Zeitpunkt|Rechnungsbetrag\n31.12.26 14:05:00|12,50 €\n", ("Zeitpunkt", "Rechnungsbetrag")),
        ('Date,Total\n"Dec 31, 2026 2:05 p.m.",$12.50\n', ("Date", "Total")),
        ("transactionTime,netSales\n2026/12/31 14:05:00,12.5\n", ("transactionTime", "netSales")),
        ("Fecha y hora;Importe\n31/12/2026 14:05;12,50\n", ("Fecha y hora", "Importe")),
        ("Date et heure;Prix\n31/12/2026 14h05;12,50\n", ("Date et heure", "Prix")),
        ("Day,Time,Amount\n2026-12-31 00:00:00,14:05,12.50\n2026-12-31 00:00:00,14:05,12.50\n", None),
        ("Wochentag;Datum;Betrag\nDo;Donnerstag, 31.12.2026 14:05 Uhr;12,50\n", ("Datum", "Betrag")),
        ("sep=;\ntime;amount\n2026-12-31 14:05;12.50\n", ("time", "amount")),
        ("The shop\nfrom;31.12.2026\n\nDate;Time;Amount\n31.12.2026;14:05;12,50\n", ("Date + Time", "Amount")),
        ("Due date,Sale date,Amount\n2027-01-31,2026-12-31 14:05,12.50\n", ("Sale date", "Amount")),
        ("time,amount\r2026-12-31 14:05,12.50\r", ("time", "amount")),
    ],
)
def test_files_of_many_tills(text: str, columns: tuple[str, str] | None) -> None:
    file = read(text)

    assert set(times(file)) == {"2026-12-31 14:05:00"}
    assert set(amounts(file)) == {"12.50"}
    assert file.skipped == ()
    if columns is not None:
        assert (file.time_column, file.amount_column) == columns


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"])
def test_encodings(encoding: str) -> None:
    file = read("Verkäufe am Datum;Käufersumme €\n31.12.2026 14:05;12,50 €\n", encoding)

    assert (file.time_column, file.amount_column) == ("Verkäufe am Datum", "Käufersumme €")
    assert amounts(file) == ["12.50"]


def test_end_mark_of_old_tills() -> None:
    assert amounts(read("time,amount\r\n2026-12-31 14:05,12.50\r\n\x1a")) == ["12.50"]


def test_latin_1() -> None:
    assert read("Date;Prix payé\n31.12.2026 14:05;12,50\n", "latin-1").amount_column == "Prix payé"


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize(
    "pattern", ["%Y-%m-%dT%H:%M:%S", "%d.%m.%Y %H:%M:%S", "%m/%d/%Y %I:%M:%S %p", "%d-%m-%y{0}%H:%M:%S"]
)
@pytest.mark.parametrize("marks", [".", ",", ",.", ".,", "\u00a0,"])
def test_what_a_till_writes_is_what_is_read(delimiter: str, pattern: str, marks: str) -> None:
    draw = np.random.default_rng(0)
    moments = sorted(MONDAY_NOON + timedelta(seconds=int(second)) for second in draw.integers(0, 3e7, 50))
    cents = [int(cent) for cent in draw.integers(1, 500_000, 50)]
    file = io.StringIO(newline="")
    writer = csv.writer(file, delimiter=delimiter)
    apart = "{0}" in pattern
    writer.writerow(["No", *(["Date", "Time"] if apart else ["Sold at"]), "Total"])
    for i, (moment, cent) in enumerate(zip(moments, cents, strict=True)):
        when = moment.astimezone(BERLIN).strftime(pattern)
        whole = f"{cent // 100:,}".replace(",", marks[0] if len(marks) == 2 else "")
        writer.writerow([i, *(when.split("{0}") if apart else [when]), f"{whole}{marks[-1]}{cent % 100:02}"])

    found = read(file.getvalue())

    assert [sale.time for sale in found.sales] == moments
    assert [sale.amount for sale in found.sales] == [Decimal(cent) / 100 for cent in cents]
    assert (found.skipped, found.note) == ((), "")


def test_sales_come_in_order_of_time_with_their_lines() -> None:
    file = read('time,note,amount\n2026-05-04 15:00,"two\nlines",2\n\n2026-05-04 14:00,,1\n')

    assert [(sale.amount, sale.line) for sale in file.sales] == [(1, 5), (2, 2)]


def test_amounts_are_not_needed() -> None:
    file = read("time\n2026-05-04 15:00\n2026-05-04 15:01\n")

    assert (file.amount_column, amounts(file)) == (None, [None, None])


def test_an_empty_amount_is_unknown() -> None:
    assert amounts(read("time,amount\n2026-05-04 15:00,\n2026-05-04 15:01,3\n")) == [None, "3.00"]


@pytest.mark.parametrize("name", ["Quantity", "Tax", "Receipt number", "Discount", "Steuerbetrag", "Tip"])
def test_what_is_no_amount_is_not_taken_for_one(name: str) -> None:
    assert read(f"time,{name}\n2026-05-04 15:00,3\n").amount_column is None


@pytest.mark.parametrize(
    ("cell", "amount"),
    [
        ("12", "12.00"),
        ("12.5", "12.50"),
        ("12,50 €", "12.50"),
        ("€ 12,50", "12.50"),
        ("EUR 12.50", "12.50"),
        ("$1,234.50", "1234.50"),
        ("1.234,50", "1234.50"),
        ("1 234,50 kr", "1234.50"),
        ("1\u00a0234,50", "1234.50"),
        ("CHF 1'234.50", "1234.50"),
        ("1’234.50 Fr.", "1234.50"),
        ("1,234,567.89", "1234567.89"),
        ("1.234.567", "1234567.00"),
        ("12,-", "12.00"),
        ("12.–", "12.00"),
        (",50", "0.50"),
        ("0.999", "1.00"),
        ("1234,567", "1234.57"),
        ("+12.50", "12.50"),
        ("¥1200", "1200.00"),
    ],
)
def test_amounts(cell: str, amount: str) -> None:
    assert amounts(read(f"time\tamount\n2026-05-04 15:00\t{cell}\n")) == [amount]


@pytest.mark.parametrize(
    ("others", "amount", "note"),
    [
        ("2,50", "1234.00", ""),
        ("2.50", "1.23", ""),
        ("7", "1234.00", 'Amounts such as "1.234" were read with thousands separators, not with decimals.'),
    ],
)
def test_the_column_says_whether_three_digits_are_thousands(others: str, amount: str, note: str) -> None:
    file = read(f"time\tamount\n2026-05-04 15:00\t1.234\n2026-05-04 15:01\t{others}\n")

    assert (amounts(file)[0], file.note) == (amount, note)


@pytest.mark.parametrize("cell", ["-12.50", "12.50-", "−12,50", "($12.50)", "-€12.50", "€-12.50"])
def test_refunds_are_skipped(cell: str) -> None:
    file = read(f"time\tamount\n2026-05-04 15:00\t{cell}\n2026-05-04 15:01\t3\n")

    assert (amounts(file), file.skipped) == (["3.00"], ((2, "a refund"),))


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (",3", "the time is missing"),
        ("soon,3", '"soon" is no date and time'),
        ("2026-02-30 15:00,3", 'there is no day 30 of month 2 in 2026: "2026-02-30 15:00"'),
        ("2026-05-04 25:00,3", '"2026-05-04 25:00" is no time of day'),
        ("2026-05-04 13:00 PM,3", '"2026-05-04 13:00 PM" is no time of day'),
        ("2026-05-04 15:00 +99:00,3", '"2026-05-04 15:00 +99:00" names "+99:00", which is no time zone'),
        ("2026-05-04,3", 'the time of day is missing: "2026-05-04"'),
        ("0001-01-01 00:00 +05:00,3", 'there is no such time in UTC in the year 1: "0001-01-01 00:00 +05:00"'),
        ("2026-05-04 15:00,many", '"many" is no amount'),
        ("2026-05-04 15:00,0.00", "nothing was paid"),
        ("2026-05-04 15:00,100000000", "the amount 100,000,000.00 is too large"),
        ("Total,99", '"Total" is no date and time'),
        (f"{'9' * 5000},1", f'"{"9" * 29}…" is no date and time'),
        (f"2026-05-04 15:00,{'9' * 5000}", "the amount 99,999,999,999,999,999,999,99… is too large"),
    ],
)
def test_lines_that_are_no_sales_are_skipped_with_a_reason(line: str, reason: str) -> None:
    file = read(f"time,amount\n2026-05-04 14:00,1\n{line}\n2026-05-04 16:00,2\n")

    assert amounts(file) == ["1.00", "2.00"]
    assert file.skipped == ((3, reason),)


def test_header_that_files_joined_repeat_is_no_line() -> None:
    assert read("time,amount\n2026-05-04 14:00,1\ntime,amount\n2026-05-05 14:00,1\n").skipped == ()


@pytest.mark.parametrize(
    ("cells", "expected", "day_first", "note"),
    [
        (["03/04/2026 14:00", "13/04/2026 14:00"], ["2026-04-03", "2026-04-13"], True, ""),
        (["03/04/2026 14:00", "03/13/2026 14:00"], ["2026-03-04", "2026-03-13"], False, ""),
        (["03.04.2026 14:00"], ["2026-04-03"], True, ""),
        (["03/04/2026 14:00"], ["2026-04-03"], True, "day/month"),
        (["03/04/2026 2:00 PM"], ["2026-03-04"], False, "month/day"),
        (["03-04-26 14:00", "30-04-26 14:00"], ["2026-04-03", "2026-04-30"], True, ""),
        (["2026-03-04 14:00"], ["2026-03-04"], None, ""),
        (["4 Mar 2026 14:00"], ["2026-03-04"], None, ""),
        (["March 4, 2026 14:00"], ["2026-03-04"], None, ""),
        (["Wed, 4 March 2026 14:00"], ["2026-03-04"], None, ""),
    ],
)
def test_order_of_day_and_month(cells: list[str], expected: list[str], day_first: bool | None, note: str) -> None:
    file = read("time\tamount\n" + "".join(f"{cell}\t1\n" for cell in cells))

    assert times(file) == [f"{day} 14:00:00" for day in expected]
    assert file.day_first == day_first
    assert note in file.note
    assert bool(file.note) == bool(note)


def test_clock_of_its_own_column_says_that_the_month_comes_first() -> None:
    assert times(read("Date,Time,Total\n03/04/2026,2:00 PM,1\n")) == ["2026-03-04 14:00:00"]


def test_owner_may_say_the_order() -> None:
    text = "time,amount\n03/04/2026 14:00,1\n"

    assert times(read(text, day_first=False)) == ["2026-03-04 14:00:00"]
    assert read(text, day_first=False).note == ""


def test_dates_that_contradict_the_others_are_skipped() -> None:
    file = read("time\n13/04/2026 14:00\n14/04/2026 14:00\n04/15/2026 14:00\n")

    assert file.skipped == ((4, 'there is no day 4 of month 15 in 2026: "04/15/2026 14:00"'),)


@pytest.mark.parametrize(
    ("cell", "utc"),
    [
        ("2026-05-04T14:05:09.25", "2026-05-04 12:05:09.250000"),
        ("2026-05-04T14:05:09Z", "2026-05-04 14:05:09"),
        ("4 May 2026 at 14:05", "2026-05-04 12:05:00"),
        ("2026-05-04, 14:05", "2026-05-04 12:05:00"),
        ("2026-05-04 14:05 +0530", "2026-05-04 08:35:00"),
        ("2026-05-04 14:05 GMT-5", "2026-05-04 19:05:00"),
        ("2026-01-04 14:05", "2026-01-04 13:05:00"),
        ("2026-10-25 02:30", "2026-10-25 00:30:00"),  # clocks show it twice
        ("12/31/2026 12:00 AM", "2026-12-30 23:00:00"),
        ("12/31/2026 12:00PM", "2026-12-31 11:00:00"),
    ],
)
def test_times_become_utc(cell: str, utc: str) -> None:
    (sale,) = read(f"time\tamount\n{cell}\t1\n").sales

    assert sale.time.tzinfo is UTC
    assert str(sale.time.replace(tzinfo=None)) == utc


def test_zone_is_the_one_that_was_asked_for() -> None:
    (sale,) = read_sales(b"time\n2026-05-04 14:05\n", ZoneInfo("America/New_York")).sales

    assert sale.time == datetime(2026, 5, 4, 18, 5, tzinfo=UTC)


def test_lines_of_one_receipt_are_one_sale() -> None:
    file = read("Bon-Nr;Datum;Betrag\n7;04.05.2026 14:00;5,00\n7;04.05.2026 14:00;-1,50\n8;04.05.2026 14:00;2,00\n")

    assert [(str(sale.amount), sale.line) for sale in file.sales] == [("3.50", 2), ("2.00", 4)]
    merged = "Lines with the same receipt number and time were merged into one sale"
    assert file.note == f"{merged}, with the sum of their amounts."


def test_total_that_all_lines_of_a_receipt_repeat_counts_once() -> None:
    file = read("Order,Time,Item,Total\n7,2026-05-04 14:00,tea,9\n7,2026-05-04 14:00,cake,9\n")

    assert amounts(file) == ["9.00"]
    assert "repeats its total" in file.note


def test_two_articles_of_one_price_are_added() -> None:
    file = read("Receipt;Date;Price\n1;04.05.2026 10:00:05;3,50\n1;04.05.2026 10:00:05;3,50\n2;04.05.2026 10:05;4\n")

    assert amounts(file) == ["7.00", "4.00"]
    assert "the sum of their amounts" in file.note


@pytest.mark.parametrize(
    ("column", "amount"),
    [
        ("Total", "9.00"),
        ("Gross amount", "9.00"),
        ("Gesamtsumme", "9.00"),
        ("Line total", "18.00"),
        ("Value", "18.00"),
        ("Total price", "18.00"),
    ],
)
def test_name_of_the_column_says_whether_lines_repeat_a_total(column: str, amount: str) -> None:
    assert amounts(read(f"Order,Time,{column}\n7,2026-05-04 14:00,9\n7,2026-05-04 14:00,9\n")) == [amount]


@pytest.mark.parametrize(("receipts", "expected"), [(1, ["6.00"]), (2, ["2.00", "2.00"])])
def test_many_lines_of_several_receipts_that_all_agree_name_totals(receipts: int, expected: list[str]) -> None:
    lines = [f"{number},2026-05-04 1{number}:00,2\n" for number in range(receipts) for _ in range(3)]

    assert amounts(read("Order,Time,Price\n" + "".join(lines))) == expected


def test_lines_of_a_receipt_that_were_typed_one_after_the_other_are_one_sale() -> None:
    file = read(
        "Receipt;Date;Price\n1;04.05.2026 10:00:07;3,00\n1;04.05.2026 10:00:05;3,50\n2;04.05.2026 10:05:05;4,00\n"
        "1;05.05.2026 10:00;6\n"
    )

    assert amounts(file) == ["6.50", "4.00", "6.00"]
    assert (file.sales[0].time.second, file.sales[0].line) == (5, 3)
    merged = "Lines with the same receipt number within 10 minutes were merged into one sale"
    assert file.note == f"{merged}, with the sum of their amounts."


def test_what_stays_the_same_all_day_is_no_number_of_a_receipt() -> None:
    lines = [f"3,2026-05-04 14:{minute:02},5\n" for minute in (0, 4, 8, 8, 30)]

    assert amounts(read("Bon,Time,Price\n" + "".join(lines))) == ["5.00", "5.00", "10.00", "5.00"]


def test_sales_of_the_same_time_without_receipts_stay_apart() -> None:
    assert amounts(read("time,amount\n2026-05-04 14:00,5\n2026-05-04 14:00,5\n")) == ["5.00", "5.00"]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "empty"),
        (b" \r\n\n", "empty"),
        (b"\xef\xbb\xbf\n", "empty"),
        (b"PK\x03\x04rest of a workbook", "workbook cannot be read"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "old workbook"),
        (b"%PDF-1.7\n", "PDF"),
        (bytes(range(256)) * 4, "not a text file"),
        (b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", "not a text file"),
        (b"\xff\xfeodd", "not a text file"),
        (b"2026-05-04 14:05,12.50\n2026-05-04 14:06,1\n", "must name the columns"),
        (b"hello\n", "must name the columns"),
        (b"name,amount\nx,1\n", "must name the columns"),
        (b"time,amount\n", "no sales below"),
        (b"date,amount\n2026-05-04,1\n", "no time of day"),
        (b"date,amount\n2026-05-04 00:00:00,1\n2026-05-05 00:00:00,1\n", "no time of day"),
        (b"time,amount\n14:05,1\n", "no column with the date"),
        (b"sep=;\ntime,amount\n2026-05-04 14:05:00,1\n", "another separator"),
        (b"time,amount\nsoon,1\n", "no dates and times"),
        (b"time,amount\n2026-05-04 14:05,-1\n", "line 2: a refund"),
        (b'time,amount\n"' + b"x" * 200_000 + b'",1\n', 'line 2: "xxx'),
    ],
)
def test_files_without_sales_are_refused_in_a_sentence(data: bytes, message: str) -> None:
    with pytest.raises(SalesError, match=message) as caught:
        read_sales(data, BERLIN)

    assert str(caught.value).endswith(".")
    assert "\n" not in str(caught.value)


def test_too_large_a_file_is_refused() -> None:
    with pytest.raises(SalesError, match="larger than 20 MB"):
        read_sales(b"time\n" + b"x" * LARGEST_FILE, BERLIN)


@pytest.mark.parametrize(
    "whole",
    [
        "Datum;Uhrzeit;Betrag\n31.12.2026;14:05;1.234,50 €\n01.01.2027;9:00;-3\n",
        'Receipt,Date (UTC),Status,Zone,Total,Original receipt\n1,"Dec 31, 2026 2:05 PM",Paid,EST,"1,234.50",\n'
        "2,20261231T140500Z,Refund,,-3,1\n3,1782900000,Void,Europe/Berlin,46204.5,\n",
    ],
)
def test_any_bytes_are_read_or_refused(whole: str) -> None:
    draw = np.random.default_rng(0)
    for _ in range(300):
        data = bytearray(whole.encode())
        for place in draw.integers(0, len(data), 3):
            data[place] = draw.integers(0, 256)
        try:
            assert read_sales(bytes(data), BERLIN).sales
        except SalesError as error:
            assert str(error).endswith(".")
