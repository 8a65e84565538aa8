"""Currencies: their names, amounts as people write them, and the currency that a sales file is in."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from decimal import Decimal
from functools import cache
from typing import Final

from babel.core import Locale, get_global
from babel.numbers import format_currency, format_decimal, get_currency_name, get_currency_symbol

from facetraits.visitors.sales.text import word_set, words_of

_ENGLISH: Final = Locale("en")  # the language of the pages
# Signs that stand for one currency. "$", "¥" and "kr" stand for several, so that they say nothing.
_SIGNS: Final = {
    "€": "EUR",
    "£": "GBP",
    "₹": "INR",
    "₺": "TRY",
    "₴": "UAH",
    "₽": "RUB",
    "₪": "ILS",
    "₩": "KRW",
    "₫": "VND",
    "₱": "PHP",
    "₦": "NGN",
    "zł": "PLN",
    "Kč": "CZK",
    "R$": "BRL",
    "US$": "USD",
    "A$": "AUD",
    "C$": "CAD",
    "CA$": "CAD",
    "NZ$": "NZD",
    "HK$": "HKD",
    "Fr": "CHF",
    "SFr": "CHF",
}
_COLUMN_WORDS: Final = word_set("currency waehrung devise moneda valuta waluta moeda valuutta monnaie iso4217")
_BETWEEN: Final = re.compile(r"[\s\d.,'’()\[\]:/+-]+")
_CODE: Final = re.compile(r"\b[A-Z]{3}\b")


@cache
def currencies() -> tuple[str, ...]:
    """The codes (ISO 4217) of all currencies that are in use somewhere today, in alphabetical order."""
    by_country = get_global("territory_currencies").values()
    return tuple(sorted({code for used in by_country for code, _, until, tender in used if until is None and tender}))


def currency_words(code: str) -> str:
    """As in "EUR, Euro (€)"; of an unknown code the code alone."""
    name, sign = get_currency_name(code, locale=_ENGLISH), currency_sign(code)
    return ", ".join(dict.fromkeys((code, name))) + (f" ({sign})" if sign != code else "")


def currency_sign(code: str) -> str:
    """As in "€"; the code of a currency without a sign of its own."""
    return str(get_currency_symbol(code, locale=_ENGLISH))


def format_amount(amount: Decimal | float, currency: str | None, locale: Locale = _ENGLISH) -> str:
    """As in "€1,234.50", "¥1,235" and, without a currency, "1,234.50"; in German "1.234,50 €"."""
    if currency is None:
        return format_decimal(amount, "#,##0.00", locale=locale)
    # Babel writes "CHF1.00".
    spaced = locale.language == _ENGLISH.language and currency_sign(currency)[-1:].isalpha()
    return format_currency(amount, currency, "¤\xa0#,##0.00" if spaced else None, locale=locale)


def currency_column(header: Sequence[str]) -> int | None:
    """Place of the column that names each sale's currency; None where no column has such a name."""
    return next((place for place, name in enumerate(header) if _COLUMN_WORDS & set(words_of(name))), None)


def currency_of(name: str, amounts: Iterable[str], codes: Iterable[str] = ()) -> str | None:
    """The currency of a file's amounts; None where it names none, or several.

    Args:
        name: of the column of amounts, as in "Total (EUR)".
        amounts: its cells, as in "€ 12.50".
        codes: cells of the column that names the currency, as in "EUR".
    """
    if name.isupper() and "(" not in name:
        name = ""  # "ALL" and "TOP" are words as well as codes
    for cells in (set(codes), set(amounts), {name}):
        found = {code for cell in cells for code in _currencies_in(cell)}
        if found:
            return found.pop() if len(found) == 1 else None
    return None


def _currencies_in(cell: str) -> set[str]:
    found = {_SIGNS[part] for part in _BETWEEN.split(cell) if part in _SIGNS}
    return found | {code for code in _CODE.findall(cell) if code in currencies()}
