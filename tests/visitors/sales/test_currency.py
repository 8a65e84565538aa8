"""Which currency a till's file is in, and how amounts in it are written."""

from __future__ import annotations

from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from facetraits.visitors.currency import currencies, currency_of, currency_words, format_amount
from facetraits.visitors.sales.reading import read_sales

BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("name", "amounts", "codes", "currency"),
    [
        ("Total", ["€ 12,50", "3,00 €", ""], [], "EUR"),
        ("Total", ["12,50€"], [], "EUR"),
        ("Total (EUR)", ["12.50"], [], "EUR"),
        ("TOTAL (EUR)", ["12.50"], [], "EUR"),
        ("Betrag in €", ["12,50"], [], "EUR"),
        ("Amount", ["CHF 1'200.00"], [], "CHF"),
        ("Amount", ["Fr. 12.-"], [], "CHF"),
        ("Amount", ["US$12.00"], [], "USD"),
        ("Amount", ["1,00zł"], [], "PLN"),
        ("Amount", ["12.50"], ["GBP", "GBP"], "GBP"),
        ("Total (EUR)", ["12.50"], ["USD"], "USD"),
        ("Amount", ["$12.00"], [], None),
        ("Amount", ["12 kr"], [], None),
        ("Amount", ["£1.00", "€2.00"], [], None),
        ("Amount", ["1.00"], ["EUR", "USD"], None),
        ("Amount", ["12.50"], [], None),
        ("ALL", ["12.50"], [], None),
        ("SUM TOP", ["12.50"], [], None),
    ],
)
def test_a_currency_is_known_by_its_sign_or_code(
    name: str, amounts: list[str], codes: list[str], currency: str | None
) -> None:
    assert currency_of(name, amounts, codes) == currency


@pytest.mark.parametrize(
    ("lines", "currency"),
    [
        ("Date;Total\n2026-05-04 14:05;12,50 €\n", "EUR"),
        ("Date;Total;Currency\n2026-05-04 14:05;12,50;SEK\n", "SEK"),
        ("Datum;Betrag;Währung\n04.05.2026 14:05;12,50;CHF\n", "CHF"),
        ("Date;Total\n2026-05-04 14:05;12,50\n", None),
        ("Date;Currency\n2026-05-04 14:05;EUR\n", None),
    ],
)
def test_a_file_says_its_currency(lines: str, currency: str | None) -> None:
    assert read_sales(lines.encode(), BERLIN).currency == currency


@pytest.mark.parametrize(
    ("currency", "written"),
    [
        (None, "1,234.50"),
        ("EUR", "€1,234.50"),
        ("CHF", "CHF\xa01,234.50"),
        ("JPY", "¥1,234"),
        ("KWD", "KWD\xa01,234.500"),
    ],
)
def test_amounts_are_written_as_is_usual_for_their_currency(currency: str | None, written: str) -> None:
    assert format_amount(Decimal("1234.50"), currency) == written


def test_currencies_in_use_can_be_chosen() -> None:
    assert {"EUR", "USD", "JPY", "CHF", "XOF"} <= set(currencies())
    assert not {"DEM", "XXX", "XAU"} & set(currencies())
    assert currency_words("EUR") == "EUR, Euro (€)"
    assert currency_words("CHF") == "CHF, Swiss Franc"
