"""Dates, times and amounts follow the language of the browser."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from ui.kit.local import clock, long_date, short_date, written_amount

DAY = date(2026, 11, 3)
MOMENT = datetime(2026, 11, 3, 14, 5, tzinfo=ZoneInfo("Europe/Berlin"))


@pytest.mark.parametrize(
    ("locale", "short", "time", "money"),
    [
        (None, "Tue 3 Nov", "14:05", "€1,234.50"),
        ("nonsense", "Tue 3 Nov", "14:05", "€1,234.50"),
        ("en-US", "Tue, Nov 3", "2:05\u202fPM", "€1,234.50"),
        ("de-CH", "Di., 3. Nov.", "14:05", "EUR\xa01'234.50"),
        ("de-DE", "Di., 3. Nov.", "14:05", "1.234,50\xa0€"),
        ("zh-Hant-TW", "11月3日週二", "下午2:05", "€1,234.50"),
    ],
)
def test_each_language_has_its_form(
    monkeypatch: pytest.MonkeyPatch, locale: str | None, short: str, time: str, money: str
) -> None:
    monkeypatch.setattr("streamlit.runtime.context.ContextProxy.locale", locale)
    monkeypatch.setattr("ui.kit.local.get_script_run_ctx", lambda **_: True)
    assert short_date(DAY, with_year=False) == short
    assert clock(MOMENT) == time
    assert written_amount(Decimal("1234.5"), "EUR") == money


def test_long_dates_and_amounts_without_a_currency() -> None:
    assert long_date(DAY) == "Tuesday, 3 November 2026"
    assert short_date(DAY, with_year=True) == "Tue, 3 Nov 2026"
    assert written_amount(1234.5, None) == "1,234.50"
