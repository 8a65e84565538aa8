"""Who may open the page "Visitors"."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

from facetraits.visitors.store import VisitStore
from tests.pages.visitors.helpers import PAGE, open_page, submit, text
from ui.visitors import access


@pytest.fixture
def guesses() -> None:
    access._guesses.clear()
    access.opening_code.clear()


def opened(page: AppTest) -> bool:
    return "The last visits" in [header.value for header in page.subheader]


@pytest.mark.usefixtures("guesses")
def test_without_a_password_it_stays_closed_until_somebody_has_the_code(
    shop: VisitStore, capsys: pytest.CaptureFixture[str]
) -> None:
    page = open_page()
    assert "The visitor log is locked" in text(page)
    assert "FACETRAITS_VISITORS_PASSWORD" in text(page)
    assert "Female" not in text(page)
    assert page.get("button_group") == []
    shown = capsys.readouterr().out
    assert shown.count("/Visitors?code=") == 1
    code = access.opening_code()
    assert code in shown and len(code) >= 16
    page.text_input(key="visitors_code_given").set_value("wrong")
    assert "Wrong code or password" in text(submit(page, "Open the log"))
    page.text_input(key="visitors_code_given").set_value(code)
    assert opened(submit(page, "Open the log"))


@pytest.mark.usefixtures("guesses")
def test_the_address_with_the_code_opens_it_and_loses_the_code(shop: VisitStore) -> None:
    page = open_page(code=access.opening_code())
    assert opened(page)
    assert "code" not in page.query_params
    assert not opened(open_page(code="guessed"))


@pytest.mark.usefixtures("guesses")
def test_the_password_is_asked_for_once(shop: VisitStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FACETRAITS_VISITORS_PASSWORD", "Ällo, ällo")
    page = open_page()
    assert not opened(page)
    page.text_input(key="visitors_password_given").set_value("wrong")
    assert "Wrong code or password" in text(submit(page, "Open the log"))
    page.text_input(key="visitors_password_given").set_value("Ällo, ällo")
    assert opened(submit(page, "Open the log"))
    page.switch_page("app.py").run().switch_page(PAGE).run()
    assert opened(page)
    monkeypatch.setenv("FACETRAITS_VISITORS_PASSWORD", "changed since")
    assert not opened(page.run())


@pytest.mark.usefixtures("guesses")
def test_guessing_is_slow_for_all_sessions_together(
    shop: VisitStore, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("FACETRAITS_VISITORS_PASSWORD", "correct horse")
    monkeypatch.setattr("ui.visitors.access._SECONDS_PER_GUESS", 3600.0)  # however slow this machine is
    told = []
    for number in range(7):
        page = open_page()
        page.text_input(key="visitors_password_given").set_value(f"guess {number}")
        told.append("Too many wrong attempts" in text(submit(page, "Open the log")))
    assert told == [False] * 5 + [True] * 2
    assert sum("a wrong password" in record.message for record in caplog.records) == 5


@pytest.mark.usefixtures("here")
def test_a_password_is_asked_for_on_this_machine_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FACETRAITS_VISITORS_PASSWORD", "secret secret")
    assert "Recording is off" not in text(open_page())


def test_a_broken_setting_keeps_it_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ui.visitors.access.load_secrets", lambda: {"visitors": {"password": 5}})
    page = open_page()
    assert "The password setting is not valid" in text(page)
    assert page.get("button_group") == []
