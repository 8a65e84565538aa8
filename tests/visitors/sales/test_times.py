from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from facetraits.visitors.sales.reading import SalesError, SalesFile, read_sales
from tests.visitors.made_visits import BERLIN


def read(text: str, zone: ZoneInfo = BERLIN) -> SalesFile:
    return read_sales(text.encode(), zone)


def utc_of(cell: str, zone: ZoneInfo = BERLIN) -> str:
    (sale,) = read(f"time\tamount\n{cell}\t1\n", zone).sales
    return f"{sale.time:%Y-%m-%d %H:%M:%S}"


@pytest.mark.parametrize(
    ("cell", "utc"),
    [
        ("2026-07-01 10:00:00 EST", "2026-07-01 15:00:00"),
        ("2026-07-01 10:00:00 CEST", "2026-07-01 08:00:00"),
        ("2026-07-01 10:00:00 CET", "2026-07-01 09:00:00"),
        ("01.07.2026 10:00 MESZ", "2026-07-01 08:00:00"),
        ("2026-07-01T10:00:00.000+0000", "2026-07-01 10:00:00"),
        ("2026-07-01T10:00:00Z", "2026-07-01 10:00:00"),
        ("2026-07-01 10:00:00 +0200", "2026-07-01 08:00:00"),
        ("2026-07-01 10:00:00 GMT-5", "2026-07-01 15:00:00"),
        ("2026-07-01T10:00:00Z[UTC]", "2026-07-01 10:00:00"),
        ("2026-07-01T10:00:00+02:00[Europe/Berlin]", "2026-07-01 08:00:00"),
        ("2026-07-01 10:00:00 America/New_York", "2026-07-01 14:00:00"),
        ("2026-01-01 10:00:00 America/New_York", "2026-01-01 15:00:00"),
        ("7/1/2026 10:00 AM PDT", "2026-07-01 17:00:00"),
        ("Wed Jul 01 2026 10:00:00 GMT+0200 (Central European Summer Time)", "2026-07-01 08:00:00"),
    ],
)
def test_zone_behind_the_time_is_used(cell: str, utc: str) -> None:
    assert utc_of(cell) == utc


def test_abbreviation_of_several_zones_is_that_of_the_shop() -> None:
    assert utc_of("2026-07-01 10:00 IST", ZoneInfo("Asia/Kolkata")) == "2026-07-01 04:30:00"
    assert utc_of("2026-07-01 10:00 IST", ZoneInfo("Asia/Jerusalem")) == "2026-07-01 08:00:00"
    assert utc_of("2026-07-01 10:00 CST", ZoneInfo("Asia/Shanghai")) == "2026-07-01 02:00:00"
    assert utc_of("2026-07-01 10:00 CST") == "2026-07-01 16:00:00"
    assert read("time\n2026-07-01 10:00 IST\n2026-07-01 10:00\n").skipped == (
        (2, '"ist" stands for several time zones'),
    )


def test_unknown_zone_is_named_with_its_line() -> None:
    file = read("time\n2026-07-01 10:00 XYZT\n2026-07-01 10:00\n")

    assert file.skipped == ((2, '"2026-07-01 10:00 XYZT" names "xyzt", which is no time zone'),)


@pytest.mark.parametrize(
    ("header", "utc"),
    [
        ("Date (UTC)", "10:00"),
        ("Created (UTC)", "10:00"),
        ("created_time_utc", "10:00"),
        ("Date (UTC+3)", "07:00"),
        ("Date GMT", "10:00"),
        ("Date [America/New_York]", "14:00"),
        ("Datum (MESZ)", "08:00"),
        ("Date (EST)", "15:00"),
        ("Date (local)", "08:00"),
        ("Datum (TT.MM.JJJJ)", "08:00"),
    ],
)
def test_zone_in_the_name_of_the_column_is_used(header: str, utc: str) -> None:
    file = read(f"{header},Amount\n2026-07-01 10:00:00,5.00\n")

    assert f"{file.sales[0].time:%H:%M}" == utc
    assert bool(file.note) == (utc != "08:00" or "MESZ" in header)


def test_zone_in_the_name_is_noted_and_a_zone_behind_the_time_goes_before_it() -> None:
    file = read("Date (UTC),Amount\n2026-07-01 10:00:00,5.00\n2026-07-01 10:00:00+02:00,5.00\n")

    assert [sale.time.hour for sale in file.sales] == [8, 10]
    assert file.note == 'Times were read in UTC, as the column "Date (UTC)" says.'


def test_zone_in_a_column_of_its_own() -> None:
    file = read(
        "Date,Timezone,Amount\n2026-07-01 10:00,America/New_York,1\n2026-07-01 10:00,CEST,2\n2026-07-01 10:00,,3\n"
        "2026-07-01 10:00,UTC,4\n2026-07-01 10:00,Atlantis,5\n2026-07-01 10:00,W. Europe Standard Time,6\n"
    )

    assert {sale.line: sale.time.hour for sale in file.sales} == {2: 14, 3: 8, 4: 8, 5: 10, 7: 8}
    assert file.skipped == ((6, '"Atlantis" is no time zone'),)
    assert 'the column "Timezone"' in file.note


@pytest.mark.parametrize(
    ("cell", "utc"),
    [
        ("1782900000", "2026-07-01 10:00:00"),
        ("1782900000.25", "2026-07-01 10:00:00"),
        ("1782900000000", "2026-07-01 10:00:00"),
        ("46204.5", "2026-07-01 10:00:00"),
        ("46204,420833", "2026-07-01 08:06:00"),
        ("20260701T101500", "2026-07-01 08:15:00"),
        ("20260701T101500Z", "2026-07-01 10:15:00"),
        ("20260701101500", "2026-07-01 08:15:00"),
        ("202607011015", "2026-07-01 08:15:00"),
        ("20260701 10:15", "2026-07-01 08:15:00"),
    ],
)
def test_times_that_are_numbers(cell: str, utc: str) -> None:
    assert utc_of(cell) == utc


def test_numbers_of_other_columns_are_no_times() -> None:
    assert read("Date,Phone,Paid\n2026-07-01 10:00,1782900000,12.50\n").time_column == "Date"
    with pytest.raises(SalesError, match="no time of day"):
        read("Date,Paid\n2026-07-01,12.50\n")


@pytest.mark.parametrize("clock", ["101500", "10:15:00", "1015"])
def test_compact_date_and_time_of_day_apart(clock: str) -> None:
    file = read(f"Date,Time,Amount\n20260701,{clock},1\n")

    assert (file.time_column, f"{file.sales[0].time:%d %H:%M}") == ("Date + Time", "01 08:15")


def test_compact_time_of_day_without_its_zero() -> None:
    assert read("Date,Time,Amount\n20260701,91500,1\n").sales[0].time == datetime(2026, 7, 1, 7, 15, tzinfo=UTC)


@pytest.mark.parametrize(
    "cell",
    [
        "Tue, 3 March 2026 10:05",
        "Di. 3. März 2026 10:05 Uhr",
        "Dienstag, 3. Mrz 2026 10:05",
        "mar. 3 mars 2026 à 10h05",
        "mardi 3 mars 2026 10 h 05",
        "mar 3 mar 2026 10:05",
        "martedì 3 marzo 2026 alle 10:05",
        "mar 03/03/2026 10:05",
        "martes, 3 de marzo de 2026, 10:05",
        "terça-feira, 3 de março de 2026 às 10:05",
        "dinsdag 3 mrt 2026 om 10:05",
        "tirsdag den 3. marts 2026 kl. 10.05",
        "ti. 3. mars 2026 kl. 10:05",
        "tisdag 3 mars 2026 kl. 10:05",
        "tiistaina 3. maaliskuuta 2026 klo 10.05",
        "wtorek, 3 marca 2026 10:05",
        "Mar 3, 2026 10:05",
        "3-Mar-26 10:05",
    ],
)
def test_names_of_months_and_days_in_the_languages_of_the_headers(cell: str) -> None:
    assert utc_of(cell) == "2026-03-03 09:05:00"


def test_every_month() -> None:
    french = "janv. févr. mars avr. mai juin juil. août sept. oct. nov. déc."
    for language in (french, "gen feb mar apr mag giu lug ago set ott nov dic"):
        cells = [f"1 {name} 2026 12:00\t1\n" for name in language.split()]
        assert [sale.time.month for sale in read("date\tamount\n" + "".join(cells)).sales] == list(range(1, 13))


def test_french_file() -> None:
    file = read("Date;Heure;Montant\n1 juil. 2026;10h05;5,00 €\n2 août 2026;10h06;6,00 €\n")

    assert [(f"{sale.time:%m-%d %H:%M}", str(sale.amount)) for sale in file.sales] == [
        ("07-01 08:05", "5.00"),
        ("08-02 08:06", "6.00"),
    ]


@pytest.mark.parametrize(
    "header", ["Data;Kwota", "Datum;Belopp", "Dato;Beløb", "Päivä;Summa", "Data;Preço", "Datum;Prijs", "Giorno;Prezzo"]
)
def test_amounts_in_the_languages_of_the_headers(header: str) -> None:
    assert str(read(f"{header}\n2026-07-01 10:05;15,00 zł\n").sales[0].amount) == "15.00"


def test_file_without_amounts_says_which_columns_it_has() -> None:
    assert read("Date;Quux\n2026-07-01 10:05;15,00\n").note == (
        "No column was taken for the amount; the file also has: Quux."
    )
