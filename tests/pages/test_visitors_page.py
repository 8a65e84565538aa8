"""The page "Visitors" with a log of its own: who may open it, every view of an empty and a full one, and recording."""

from __future__ import annotations

import html
import os
import re
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import av
import numpy as np
import pandas as pd
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest
from streamlit_webrtc import WebRtcStreamerContext
from streamlit_webrtc.component import WebRtcStreamerState

from facetraits.registry import ModelIntegrityError
from facetraits.settings import PASSWORD
from facetraits.visitors.inputs import FileInput
from facetraits.visitors.store import StoreError, VisitStore
from facetraits.visitors.visit import Settings, Visit
from tests.builders import ROOT, FakeAnalyzer, photo_of_one
from tests.videos import comes_and_goes, write_sound, write_video
from tests.visitors.made_visits import make_frame, make_visit, visits_of
from ui.live.gate import Viewers
from ui.visitors import access, cached
from ui.visitors.recording import began_at
from ui.visitors.webcam import BrowserCamera

PAGE = "pages/3_Visitors.py"
VIEWS = ("Now", "Visits", "Patterns", "Recording", "Data")
PATTERNS = ("Times", "People", "Moods", "Buyers")


@pytest.fixture(autouse=True)
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("FACETRAITS_DB", f"sqlite:///{tmp_path / 'visitors.db'}")
    monkeypatch.delenv("FACETRAITS_VISITORS_PASSWORD", raising=False)
    for module in ("ui.visitors.access", "ui.visitors.webcam"):
        monkeypatch.setattr(f"{module}.load_secrets", dict)
    monkeypatch.setattr("ui.kit.analyzers.get_analyzer", lambda profile="accurate": FakeAnalyzer())
    yield
    for recording in cached._recordings():
        recording.stop_all()


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever looks has opened the log."""
    monkeypatch.setattr("ui.visitors.access._knows", lambda secret, *_: not os.environ.get(PASSWORD.variable))


@pytest.fixture
def store() -> VisitStore:
    return cached.get_store()


@pytest.fixture
def shop(store: VisitStore) -> VisitStore:
    """Three hundred visits of the last month, some of today, and two people in view."""
    frame = make_frame(300, days=28, unknown=0.1)
    newest = frame["started"].max()
    frame["started"] += pd.Timestamp.now("UTC").floor("s") - newest - timedelta(minutes=2)
    store.add(visits_of(frame))
    store.add([in_view("Entrance"), in_view("Till")])
    return store


def in_view(source: str) -> Visit:
    return make_visit(datetime.now(UTC) - timedelta(seconds=60), source=source, duration_s=60.0, ended=False)


def open_page(view: str = "Now", code: str | None = None) -> AppTest:
    page = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60).switch_page(PAGE)
    if code is not None:
        page.query_params["code"] = code
    page.run()
    assert [error.value for error in page.exception] == []
    return page if view == "Now" else choose(page, "visitors_view", view)


def group(page: AppTest, key: str) -> Any:
    return next(widget for widget in page.get("button_group") if widget.key == key)


def choose(page: AppTest, key: str, value: Any) -> AppTest:
    group(page, key).set_value(value)
    page.run()
    assert [error.value for error in page.exception] == []
    return page


def press(page: AppTest, key: str) -> AppTest:
    page.button(key=key).click().run()
    assert [error.value for error in page.exception] == []
    return page


def submit(page: AppTest, label: str) -> AppTest:
    next(button for button in page.button if button.label == label).click().run()
    assert [error.value for error in page.exception] == []
    return page


def text(page: AppTest) -> str:
    raw = " ".join(piece.body for piece in page.html)
    return re.sub(r"\s+", " ", html.unescape(re.sub("<[^>]+>", " ", raw)))


def labels(page: AppTest) -> list[str]:
    return [button.label for button in page.button]


def charts(page: AppTest) -> int:
    return len(page.get("arrow_vega_lite_chart")) + len(page.get("vega_lite_chart"))


# --------------------------------------------------------------------------------------------------------------- access


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
    assert "The visitor log is closed here" in text(page)
    assert "FACETRAITS_VISITORS_PASSWORD" in text(page)
    assert "Female" not in text(page)
    assert page.get("button_group") == []
    shown = capsys.readouterr().out
    assert shown.count("/Visitors?code=") == 1
    code = access.opening_code()
    assert code in shown and len(code) >= 16
    page.text_input(key="visitors_code_given").set_value("wrong")
    assert "That is not right" in text(submit(page, "Open the log"))
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
    assert "That is not right" in text(submit(page, "Open the log"))
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
    told = []
    for number in range(7):
        page = open_page()
        page.text_input(key="visitors_password_given").set_value(f"guess {number}")
        told.append("Too many wrong tries" in text(submit(page, "Open the log")))
    assert told == [False] * 5 + [True] * 2
    assert sum("a wrong password" in record.message for record in caplog.records) == 5


@pytest.mark.usefixtures("here")
def test_a_password_is_asked_for_on_this_machine_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FACETRAITS_VISITORS_PASSWORD", "secret secret")
    assert "Recording is off" not in text(open_page())


def test_a_broken_setting_keeps_it_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ui.visitors.access.load_secrets", lambda: {"visitors": {"password": 5}})
    page = open_page()
    assert "The password's setting needs mending" in text(page)
    assert page.get("button_group") == []


# ---------------------------------------------------------------------------------------------------------------- views


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("view", VIEWS)
def test_an_empty_log_says_how_to_begin(view: str) -> None:
    page = open_page(view)
    assert "Recording is off. Nothing is stored until you switch it on." in text(page)
    assert charts(page) == 0
    said = {
        "Now": "No visits yet",
        "Visits": "No visits yet",
        "Patterns": "Nothing to find patterns in yet",
        "Recording": "It records while this page stays open there.",
        "Data": "There is no visit to delete",
    }
    assert said[view] in text(page)


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("view", VIEWS)
def test_a_single_visit_is_no_pattern(store: VisitStore, view: str) -> None:
    store.add([make_visit(datetime.now(UTC) - timedelta(minutes=5), bought="yes")])
    page = open_page(view)
    if view == "Patterns":
        assert "Only buyers are marked" not in text(page)  # nothing is unknown
        for name in PATTERNS:
            assert charts(choose(page, "visitors_patterns", name)) >= 1
        assert "There are too few visits to compare yet" in text(page)
        assert "not yet two groups of 30 visits" in text(page)
    elif view == "Now":
        assert "100% 1 of 1 visits today; 95% interval 21% to 100%" in text(page)


@pytest.mark.usefixtures("here", "shop")
@pytest.mark.parametrize("name", PATTERNS)
def test_every_chart_has_a_sentence_and_a_table(name: str) -> None:
    page = choose(open_page("Patterns"), "visitors_patterns", name)
    number = {"Times": 3}.get(name, 1)
    assert charts(page) == number
    assert [expander.label for expander in page.expander] == ["The numbers as a table"] * number
    assert " ".join(piece.body for piece in page.html).count("ft-says") >= number
    assert "Times are those of UTC." in text(page)


@pytest.mark.usefixtures("here")
def test_unknown_outcomes_can_be_left_out_or_counted(shop: VisitStore) -> None:
    page = open_page("Patterns")
    counts = shop.count()
    known = counts["yes"] + counts["no"]
    assert f"{counts['yes']} of {known};" in text(page)
    choose(page, "visitors_unknown_False", "not bought")
    assert f"{counts['yes']} of {sum(counts.values())};" in text(page)


@pytest.mark.usefixtures("here")
def test_where_only_buyers_are_marked_the_others_count_as_not_bought(store: VisitStore) -> None:
    now = datetime.now(UTC)
    store.add([make_visit(now - timedelta(minutes=i), bought="yes" if i < 3 else "unknown") for i in range(1, 11)])
    page = open_page("Patterns")
    assert "2 of 10;" in text(page)
    choose(page, "visitors_unknown_True", "leave out")
    assert "Only buyers are marked" in text(page)


@pytest.mark.usefixtures("here", "shop")
def test_a_planted_pattern_is_found_and_said(store: VisitStore) -> None:
    store.delete_all()
    frame = make_frame(1500, planted={"gender": "female"}, planted_rate=0.6, rate=0.25)
    store.add(visits_of(frame))
    page = choose(choose(open_page("Patterns"), "visitors_period", "All"), "visitors_patterns", "Buyers")
    assert "Visitors of apparent gender female bought more often than the others" in text(page)
    assert "fewer than 1 of 1,000 cases" in text(page)
    assert "A family or group of friends counts as several visits" in text(page)
    store.delete_all()
    store.add(visits_of(make_frame(300)))
    assert "Nothing stands out beyond chance." in text(page.run())


@pytest.mark.usefixtures("here")
def test_filters_hold_in_every_view(shop: VisitStore) -> None:
    page = open_page("Patterns")
    choose(page, "visitors_genders", ["male"])
    number = len(shop.frame().query("gender == 'male'"))
    assert f"{number} " in text(page)
    choose(page, "visitors_view", "Visits")
    assert f"{number} visits. Double-click" in text(page)
    choose(page, "visitors_ages", ["81+"])
    choose(page, "visitors_period", "Today")
    assert "There is no visit that fits these filters." in text(page)


# ------------------------------------------------------------------------------------------------------------------ now


@pytest.mark.usefixtures("here")
def test_current_visitors_become_buyers_and_back(shop: VisitStore) -> None:
    page = open_page()
    assert "Marks 2 visitors in view who have not been marked yet." in text(page)
    assert page.button(key="visitors_mark").proto.shortcut.lower() == "b"
    before = shop.count()
    press(page, "visitors_mark")
    assert shop.count()["yes"] == before["yes"] + 2
    assert "Everybody in view is marked already." in text(page)
    assert page.button(key="visitors_mark").disabled
    press(page, "visitors_unmark")
    assert shop.count() == before
    assert not any("Undo" in label for label in labels(page))


@pytest.mark.usefixtures("here")
def test_buyers_of_one_source_can_be_marked_alone(shop: VisitStore) -> None:
    page = open_page()
    page.selectbox(key="visitors_mark_source").set_value("Till").run()
    press(page, "visitors_mark")
    marked = {visit.source for visit in shop.current(datetime.now(UTC), 6) if visit.bought == "yes"}
    assert marked == {"Till"}


@pytest.mark.usefixtures("here")
def test_undo_leaves_alone_who_has_a_sale_by_now(shop: VisitStore) -> None:
    till, entrance = shop.current(datetime.now(UTC), 6)
    page = press(open_page(), "visitors_mark")
    sold_at = datetime.now(UTC).replace(microsecond=0)
    shop.attach_sales([(till.id, sold_at, Decimal("19.90"))])
    press(page, "visitors_unmark")
    found = {visit.id: visit for visit in shop.current(datetime.now(UTC), 6)}
    assert (found[till.id].bought, found[till.id].basket, found[till.id].sold_at) == ("yes", Decimal("19.90"), sold_at)
    assert found[entrance.id].bought == "unknown"
    page.run()
    assert not any("Undo" in label for label in labels(page))


@pytest.mark.usefixtures("here")
def test_the_share_of_buyers_is_the_same_now_and_in_patterns(store: VisitStore) -> None:
    now = datetime.now(UTC)
    began = [now - timedelta(milliseconds=i) for i in range(10)]  # also just after midnight they are of today
    store.add(
        [make_visit(moment, bought=("yes", "no", "no", "unknown", "unknown")[i % 5]) for i, moment in enumerate(began)]
    )
    page = open_page()
    assert "33% 2 of 6 whose outcome is known; 95% interval 10% to 70%" in text(page)
    choose(page, "visitors_view", "Patterns")
    choose(page, "visitors_period", "Today")
    assert "33% 2 of 6; 95% interval 10% to 70%" in text(page)


@pytest.mark.usefixtures("here", "shop")
def test_what_another_program_records_is_said() -> None:
    assert "Another program records Entrance and Till" in text(open_page())


@pytest.mark.usefixtures("here")
def test_names_of_sources_are_text_and_not_html(store: VisitStore) -> None:
    store.add([in_view("<b onclick=alert(1)>&")])
    page = open_page()
    raw = " ".join(piece.body for piece in page.html)
    assert "<b onclick" not in raw
    assert "&lt;b onclick=alert(1)&gt;&amp;" in raw


# ----------------------------------------------------------------------------------------------------------------- data


@pytest.mark.usefixtures("here")
def test_sales_are_shown_before_they_are_written(store: VisitStore) -> None:
    came = datetime(2026, 5, 4, 12, tzinfo=UTC)
    store.add([make_visit(came), make_visit(came + timedelta(minutes=2)), make_visit(came + timedelta(days=3))])
    page = open_page("Data")
    sales = b"time;amount\n2026-05-04 12:10:00;19,90\n2026-05-04 12:30:00;5,00\n2026-05-06 12:00:00;7,00\n"
    page.file_uploader[0].set_value(("till.csv", sales, "text/csv")).run()
    assert [error.value for error in page.exception] == []
    said = text(page)
    assert "Sales in the file 3" in said
    assert "Matched with visits 1" in said
    assert "Without a visit 2" in said
    (guesses,) = (box for box in page.checkbox if "guessed" in box.label)
    guesses.check().run()
    assert "Matched with visits 2" in text(page)
    assert "Without a visit 1" in text(page)
    assert store.count()["yes"] == 0
    press(page, "visitors_apply_sales")
    assert "2 visits now carry a sale." in text(page)
    assert [visit.basket for visit in store.latest()] == [None, Decimal("5.00"), Decimal("19.90")]
    assert not page.file_uploader[0].value


def import_file(page: AppTest, sales: bytes) -> str:
    page.file_uploader[0].set_value(("till.csv", sales, "text/csv")).run()
    assert [error.value for error in page.exception] == []
    return text(page)


CAME = [datetime(2026, 5, 4, 10, minute, tzinfo=UTC) for minute in (0, 5, 10, 15, 20, 25, 12)]
# Of all but the last, ten minutes after they came.
SIX_SALES = b"time;amount\n" + b"".join(b"2026-05-04 10:%02d:00;5,00\n" % (5 * i + 10) for i in range(6))


@pytest.mark.usefixtures("here")
def test_sales_are_given_to_the_source_that_sees_everybody(store: VisitStore) -> None:
    store.add([make_visit(came, source="door") for came in CAME])
    store.add([make_visit(came + timedelta(minutes=3), source="aisle") for came in CAME[:6]])
    page = open_page("Data")
    import_file(page, SIX_SALES)
    (which,) = (box for box in page.selectbox if box.label == "Which source sees everybody who comes in?")
    assert which.value == "door"
    assert which.options == ["door (7 visits)", "aisle (6 visits)"]
    (others,) = page.checkbox
    assert "1 visit of door without a sale" in others.label
    assert not others.value
    press(page, "visitors_apply_sales")
    assert {visit.source for visit in store.latest() if visit.sold_at} == {"door"}
    assert store.count() == {"yes": 6, "no": 0, "unknown": 7}
    # Once more, of the other source: they are known.
    import_file(page, SIX_SALES)
    next(box for box in page.selectbox if box.label.startswith("Which source")).set_value("aisle").run()
    assert "Known already 6" in text(page)
    assert "Matched with visits 0" in text(page)


@pytest.mark.usefixtures("here")
def test_an_import_can_be_taken_back(store: VisitStore) -> None:
    before = [make_visit(came) for came in CAME]
    before[0] = make_visit(CAME[0], bought="yes", basket=Decimal("3.00"))
    before[1] = make_visit(CAME[1], bought="yes")
    store.add(before)
    page = open_page("Data")
    assert "visitors_undo_sales" not in [button.key for button in page.button]
    import_file(page, SIX_SALES)
    assert not any(box.label.startswith("Which source") for box in page.selectbox), "there is only one"
    assert page.checkbox[0].value
    press(page, "visitors_apply_sales")
    assert store.count() == {"yes": 6, "no": 1, "unknown": 0}
    assert "Your last import gave a sale to 6 visits and marked 1 visit as not bought." in text(page)
    store.mark([before[2].id], "no")  # by hand, since
    store.delete([before[3].id])
    press(page, "visitors_undo_sales")
    assert "5 visits are as they were before it. 2 were changed or deleted since and left alone." in text(page)
    after = {visit.id: visit for visit in store.latest()}
    for place in (0, 1, 4, 5, 6):
        assert after[before[place].id] == before[place]
    assert after[before[2].id].bought == "no"
    assert "visitors_undo_sales" not in [button.key for button in page.button]


@pytest.mark.usefixtures("here")
def test_the_owner_says_in_which_order_dates_stand_where_the_file_does_not(store: VisitStore) -> None:
    store.add([make_visit(datetime(2026, 4, 3, 12, tzinfo=UTC)), make_visit(datetime(2026, 3, 4, 12, tzinfo=UTC))])
    page = open_page("Data")
    said = import_file(page, b"time,amount\n03/04/2026 12:10,5.00\n03/04/2026 12:20,5.00\n")
    assert "whether day or month comes first" in said
    order = next(widget for widget in page.get("button_group") if (widget.key or "").startswith("visitors_day_first"))
    assert order.value is True
    page = choose(page, order.key, False)
    assert "whether day or month comes first" not in text(page)
    press(page, "visitors_apply_sales")
    assert [visit.started.month for visit in store.latest() if visit.sold_at] == [3]
    import_file(page, b"time,amount\n31/04/2026 12:10,5.00\n03/04/2026 12:20,5.00\n")
    assert not any((widget.key or "").startswith("visitors_day_first") for widget in page.get("button_group"))


@pytest.mark.usefixtures("here")
def test_a_file_that_holds_no_sales_is_a_sentence(store: VisitStore) -> None:
    page = open_page("Data")
    page.file_uploader[0].set_value(("till.csv", b"\x00\x01\x02", "text/csv")).run()
    assert [error.value for error in page.exception] == []
    assert "till.csv" in text(page)
    assert "visitors_apply_sales" not in [button.key for button in page.button]


@pytest.mark.usefixtures("here")
def test_the_retention_is_saved_and_old_visits_go_at_once(store: VisitStore) -> None:
    now = datetime.now(UTC)
    store.add([make_visit(now - timedelta(days=days)) for days in (1, 20, 60)])
    page = open_page("Data")
    page.selectbox(key="visitors_retention").set_value(30).run()
    assert "Saving deletes 1 visit at once" in text(page)
    assert store.settings() == Settings()
    press(page, "visitors_retention_save")
    assert store.settings() == Settings(retention_days=30)
    assert len(store.latest()) == 2


@pytest.mark.usefixtures("here")
def test_all_visits_are_taken_home_unless_it_is_said_otherwise(shop: VisitStore) -> None:
    shop.add([make_visit(datetime.now(UTC) - timedelta(days=70), gender="male")])
    page = open_page("Data")
    assert "303 visits, of all sources and times." in text(page)
    choose(page, "visitors_export_part", "Only some, by filters")
    midnight = pd.Timestamp.now("UTC").normalize()
    recent = int((shop.frame()["started"] >= midnight - timedelta(days=29)).sum())
    assert recent < 303
    assert f"Only what fits the filters: {recent} of 303 visits." in text(page)
    press(page, "visitors_delete_ask")
    assert [button.proto.label for button in page.get("download_button")] == ["CSV", "Parquet", "Download all of them"]


@pytest.mark.usefixtures("here")
def test_everything_is_deleted_after_one_question(shop: VisitStore) -> None:
    page = press(open_page("Data"), "visitors_delete_ask")
    assert "Delete all 302 visits for good?" in text(page)
    press(page, "visitors_keep_all")
    assert len(shop.latest(1)) == 1
    press(press(page, "visitors_delete_ask"), "visitors_delete_all")
    assert "302 visits gone for good." in text(page)
    assert shop.latest(1) == ()


# ------------------------------------------------------------------------------------------------------------ recording


def wait_for(so: Callable[[], object]) -> None:
    deadline = time.monotonic() + 20
    while not so():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.05)


@pytest.mark.usefixtures("here")
def test_a_video_is_counted_at_the_time_it_was_recorded(store: VisitStore, tmp_path: Path) -> None:
    began = datetime.now(UTC).replace(microsecond=0) - timedelta(days=2)
    scene = comes_and_goes((0.6, 3.0), seconds=4)
    video = write_video(tmp_path / "Door.mp4", scene.pictures(), metadata={"creation_time": began.isoformat()})
    page = choose(open_page("Recording"), "visitors_kind", "Video file")
    page.file_uploader[0].set_value(("Door.mp4", video.read_bytes(), "video/mp4")).run()
    assert [error.value for error in page.exception] == []
    submit(page, "Count the visitors")
    wait_for(lambda: [status.state for status in cached.get_recording().statuses()] == ["ended"])
    wait_for(lambda: len(store.latest()) == 1)
    (visit,) = store.latest()
    assert (visit.source, visit.ended) == ("Door", True)
    assert timedelta() < visit.started - began.replace(second=0) < timedelta(seconds=62)
    page.run()
    assert "Door video file, finished 1 visit" in text(page)
    assert "Recording is off" in text(page)
    press(page, "visitors_stop_Door")
    assert "Door" not in text(page)


@pytest.mark.usefixtures("here")
def test_a_video_that_does_not_say_when_it_was_recorded_has_ended_by_now(tmp_path: Path) -> None:
    video = write_video(tmp_path / "Door.mp4", comes_and_goes(seconds=150).pictures()).read_bytes()
    page = choose(open_page("Recording"), "visitors_kind", "Video file")
    page.file_uploader[0].set_value(("Door.mp4", video, "video/mp4")).run()
    assert [error.value for error in page.exception] == []
    began = page.get("date_time_input")[0].value.replace(tzinfo=UTC)
    assert timedelta(seconds=150) <= datetime.now(UTC) - began < timedelta(seconds=240)


@pytest.mark.usefixtures("here")
def test_a_video_of_the_future_is_a_sentence(tmp_path: Path) -> None:
    video = write_video(tmp_path / "Door.mp4", comes_and_goes(seconds=1).pictures()).read_bytes()
    page = choose(open_page("Recording"), "visitors_kind", "Video file")
    page.file_uploader[0].set_value(("Door.mp4", video, "video/mp4")).run()
    page.get("date_time_input")[0].set_value(datetime.now(UTC).replace(tzinfo=None) + timedelta(days=1))
    submit(page, "Count the visitors")
    assert "The video was not started" in text(page)
    assert cached.get_recording().statuses() == ()


def test_a_video_never_begins_in_the_future() -> None:
    now = datetime(2026, 5, 4, 12, tzinfo=UTC)
    assert began_at(None, 90.0, now) == now - timedelta(seconds=90)
    assert began_at(None, None, now) == began_at(now + timedelta(hours=1), 90.0, now) == now
    assert began_at(now - timedelta(days=1), 90.0, now) == now - timedelta(days=1)
    assert began_at(None, 1e15, now) == now


@pytest.mark.usefixtures("here")
def test_a_video_that_is_older_than_what_is_kept_is_not_counted_in_vain(store: VisitStore, tmp_path: Path) -> None:
    video = write_video(
        tmp_path / "old.mp4", comes_and_goes(seconds=1).pictures(), metadata={"creation_time": "2020-05-04"}
    )
    page = choose(open_page("Recording"), "visitors_kind", "Video file")
    page.file_uploader[0].set_value(("old.mp4", video.read_bytes(), "video/mp4")).run()
    submit(page, "Count the visitors")
    assert "older than the 90 days that visits are kept" in text(page)
    assert cached.get_recording().statuses() == ()
    store.save_settings(Settings(retention_days=None))
    submit(page, "Count the visitors")
    assert [status.name for status in cached.get_recording().statuses()] == ["old"]


@pytest.mark.usefixtures("here")
def test_while_a_camera_records_every_page_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    page = choose(open_page("Recording"), "visitors_kind", "Network camera")
    page.text_input(key="visitors_name_Entrance").set_value("Yard")
    page.text_input(key="visitors_address").set_value("http://user:geheim@127.0.0.1:9/video")
    submit(page, "Start this camera")
    assert "Recording Yard (connecting …)" in text(page)
    assert "geheim" not in text(page)
    page.switch_page("app.py").run()
    assert "Recording visitors" in text(page)
    assert "Yard" not in text(page), "where from is for the owner only"
    page.switch_page(PAGE).run()
    press(page, "visitors_stop_all")
    assert "Recording is off" in text(page)
    assert cached.sources_at_work() == ()
    assert "Recording visitors" not in text(page)


@pytest.mark.usefixtures("here")
def test_a_camera_that_never_was_there_says_why() -> None:
    page = choose(open_page("Recording"), "visitors_kind", "Network camera")
    page.text_input(key="visitors_address").set_value("http://user:geheim@127.0.0.1:9/video")
    submit(page, "Start this camera")
    recording = cached.get_recording()
    wait_for(lambda: recording.statuses()[0].detail)
    (status,) = recording.statuses()
    assert status.state == "connecting"
    page.run()
    assert f"What is wrong {status.detail}" in text(page)
    assert "geheim" not in text(page)


class ForgetfulStore:
    """Stands in the way of a log that works, as long as ``broken``."""

    def __init__(self, store: VisitStore, monkeypatch: pytest.MonkeyPatch) -> None:
        self.broken = True
        for name in ("add", "update"):
            monkeypatch.setattr(store, name, self._unless_broken(getattr(store, name)))

    def _unless_broken(self, works: Callable[..., None]) -> Callable[..., None]:
        def write(visits: Iterable[Visit]) -> None:
            if self.broken:
                raise StoreError("The disk is full.")
            works(visits)

        return write


@pytest.mark.usefixtures("here")
def test_visits_that_wait_are_said_also_of_a_file_that_is_over_and_after_the_stop(
    store: VisitStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = ForgetfulStore(store, monkeypatch)
    recording = cached.get_recording()
    video = write_video(tmp_path / "a.mp4", comes_and_goes((0.6, 3.0), seconds=4).pictures())
    recording.start("Door", FileInput(video, datetime.now(UTC) - timedelta(hours=1)))
    wait_for(lambda: [(s.state, s.unwritten) for s in recording.statuses()] == [("ended", 1)])
    page = open_page("Recording")
    assert "Recording is off" in text(page)
    assert "1 visit could not be written yet and wait" in text(page)
    assert "What is wrong The disk is full." in text(page)
    recording.stop_all()
    assert recording.statuses() == ()
    assert "could not be written yet" not in text(page.run()), "what is new may wait for a moment"
    monkeypatch.setattr("ui.visitors.recording._PATIENCE_S", 0.0)
    assert "1 visit could not be written yet and wait" in text(page.run())
    disk.broken = False
    wait_for(lambda: not recording.unwritten())
    assert "could not be written yet" not in text(page.run())
    assert len(store.latest()) == 1


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(("name", "address"), [("Yard", "camera"), ("Yard", "ftp://camera/video"), ("", "rtsp://a/b")])
def test_a_camera_that_cannot_be_started_is_a_sentence(name: str, address: str) -> None:
    page = choose(open_page("Recording"), "visitors_kind", "Network camera")
    page.text_input(key="visitors_name_Entrance").set_value(name)
    page.text_input(key="visitors_address").set_value(address)
    submit(page, "Start this camera")
    assert ("The camera was not started" if name else "The source needs a name") in text(page)
    assert cached.sources_at_work() == ()


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(("kind", "said"), [("sound", "only sound"), ("empty", "empty"), ("broken", "not a video")])
def test_a_file_without_pictures_is_a_sentence(tmp_path: Path, kind: str, said: str) -> None:
    data = {"empty": b"", "broken": b"no video at all"}.get(kind)
    if data is None:
        data = write_sound(tmp_path / "sound.mp4").read_bytes()
    page = choose(open_page("Recording"), "visitors_kind", "Video file")
    page.file_uploader[0].set_value(("Door.mp4", data, "video/mp4")).run()
    assert [error.value for error in page.exception] == []
    assert said in text(page)
    assert "Count the visitors" not in labels(page)


@pytest.mark.usefixtures("here")
def test_settings_are_saved(store: VisitStore) -> None:
    page = open_page("Recording")
    page.number_input(key="visitors_enter").set_value(2.5)
    page.number_input(key="visitors_away").set_value(20.0)
    page.toggle(key="visitors_ethnicity").set_value(True)
    submit(page, "Save")
    assert store.settings() == Settings(2.5, 20.0, True, 90)
    assert "ethnicity, mood" in text(page)
    assert "Sources that record already follow within some seconds." in text(page)


# --------------------------------------------------------------------------------------------------------------- webcam


@pytest.fixture
def camera(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Stands in for ``webrtc_streamer``: the keys that it was drawn with."""
    drawn: list[str] = []

    def draw(key: str, **arguments: Any) -> None:
        drawn.append(key)
        state = WebRtcStreamerState(playing=True, signalling=True)
        st.session_state.setdefault(key, WebRtcStreamerContext(None, state))

    monkeypatch.setattr("ui.live.stream.webrtc_streamer", draw)
    monkeypatch.setattr("ui.live.gate.get_viewers", Viewers)
    yield drawn


def webcam_of(page: AppTest) -> BrowserCamera:
    return page.session_state["visitors_webcam"]


def portrait() -> av.VideoFrame:
    return av.VideoFrame.from_ndarray(np.ascontiguousarray(photo_of_one()[:480, 16:496]), format="rgb24")


def show(page: AppTest, until: Callable[[], object]) -> None:
    """Let the camera see the portrait until something is so."""

    def so() -> object:
        webcam_of(page).stream.on_frame(portrait())
        return until()

    wait_for(so)
    page.run()
    assert [error.value for error in page.exception] == []


@pytest.mark.usefixtures("here")
def test_this_browsers_webcam_is_a_source_in_every_view(store: VisitStore, camera: list[str]) -> None:
    page = submit(open_page("Recording"), "Use this webcam")
    assert "recording begins in a moment" in text(page)
    show(page, lambda: store.latest())
    for view in VIEWS:
        drawn = len(camera)
        choose(page, "visitors_view", view)
        assert "Recording Webcam" in text(page)
        assert len(camera) == drawn + 1, "a camera that is not drawn is ended by the browser"
    assert (store.latest()[0].source, store.latest()[0].ethnicity) == ("Webcam", None)
    stream = webcam_of(page).stream
    press(page, "visitors_stop_all")
    wait_for(lambda: store.latest()[0].ended)
    for _ in range(30):  # what the browser sends until it has closed the camera
        stream.on_frame(portrait())
        time.sleep(0.05)
    assert len(store.latest()) == 1
    stream.on_ended()
    assert "visitors_webcam" not in page.session_state
    assert "Recording is off" in text(page)


@pytest.mark.usefixtures("here", "camera")
def test_what_is_not_stored_is_not_estimated(store: VisitStore) -> None:
    page = submit(open_page("Recording"), "Use this webcam")
    assert webcam_of(page).stream.analysis.traits == ("age", "gender", "expression")
    press(page, "visitors_webcam_close")
    store.save_settings(Settings(ethnicity=True))
    submit(page, "Use this webcam")
    assert webcam_of(page).stream.analysis.traits == ("age", "gender", "ethnicity", "expression")


@pytest.mark.usefixtures("here", "camera")
def test_a_webcam_follows_settings_that_are_changed_while_it_records(store: VisitStore) -> None:
    page = submit(open_page("Recording"), "Use this webcam")
    analysis = webcam_of(page).stream.analysis
    store.save_settings(Settings(away_s=30.0, ethnicity=True))
    page.run()
    assert webcam_of(page).stream.analysis is analysis
    assert analysis.traits == ("age", "gender", "ethnicity", "expression")
    assert analysis.keep_s == 30.0


@pytest.mark.usefixtures("here", "camera")
def test_a_webcam_needs_a_name_of_its_own(store: VisitStore) -> None:
    first = submit(open_page("Recording"), "Use this webcam")
    show(first, lambda: store.latest())
    second = submit(open_page("Recording"), "Use this webcam")
    assert "There is a source named Webcam already" in text(second)
    assert "visitors_webcam" not in second.session_state


@pytest.mark.usefixtures("here", "camera")
def test_one_camera_too_many_gets_a_polite_word(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Viewers, "full", lambda self, stream, limit: True)
    page = submit(open_page("Recording"), "Use this webcam")
    assert "No place is free just now" in text(page)


# -------------------------------------------------------------------------------------------------------------- trouble


@pytest.mark.usefixtures("here")
def test_a_log_that_cannot_be_opened_is_a_sentence_and_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    works = cached.get_store

    def fails() -> VisitStore:
        raise StoreError("The database of the shop does not answer.")

    monkeypatch.setattr("ui.visitors.cached.get_store", fails)
    page = open_page()
    assert "The visitor log cannot be opened The database of the shop does not answer." in text(page)
    monkeypatch.setattr("ui.visitors.cached.get_store", works)
    submit(page, "Try again")
    assert "Recording is off" in text(page)


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("view", VIEWS)
def test_a_log_that_fails_later_is_a_sentence_too(shop: VisitStore, monkeypatch: pytest.MonkeyPatch, view: str) -> None:
    page = open_page(view)

    def fails(*arguments: object) -> None:
        raise StoreError("The disk is full.")

    for name in ("current", "latest", "count", "frame", "version", "settings", "mark"):
        monkeypatch.setattr(shop, name, fails)
    page.run()
    assert [error.value for error in page.exception] == []
    assert "The visitor log does not answer The disk is full." in text(page)


@pytest.mark.usefixtures("here")
def test_faulty_models_are_reported_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(profile: str = "accurate") -> None:
        raise ModelIntegrityError("The model file a.tflite was changed.")

    monkeypatch.setattr("ui.kit.analyzers.get_analyzer", fail)
    page = open_page("Recording")
    submit(page, "Use this webcam")
    assert "The networks cannot be loaded The model file a.tflite was changed." in text(page)


@pytest.mark.usefixtures("here", "shop")
def test_nothing_is_opened_by_pages_that_do_not_need_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = tmp_path / "other.db"
    monkeypatch.setenv("FACETRAITS_DB", f"sqlite:///{other}")
    page = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60).run()
    assert not page.exception
    assert not other.exists()
