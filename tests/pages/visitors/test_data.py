"""The view "Data": sales from the till, how long visits are kept, export and deletion."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from facetraits.visitors.store import VisitStore
from facetraits.visitors.visit import Settings
from tests.pages.visitors.helpers import choose, choose_box, open_page, press, text
from tests.visitors.made_visits import make_visit


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
    assert "5 visits are as they were before it. 2 were changed or deleted since and not restored." in text(page)
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
    assert "Saving deletes 1 visit now" in text(page)
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
    assert "302 visits deleted for good." in text(page)
    assert shop.latest(1) == ()


UNKNOWN_COLUMNS = b"Kiedy;Ile\n2026-05-04 10:10:00;5,00\n2026-05-04 10:15:00;7,50\n"


@pytest.mark.usefixtures("here")
def test_the_owner_says_which_columns_they_are_and_is_remembered(store: VisitStore) -> None:
    store.add([make_visit(came) for came in CAME[:2]])
    page = open_page("Data")
    assert "names no column for the time of the sales" in import_file(page, UNKNOWN_COLUMNS)
    boxes = {box.label: box for box in page.selectbox}
    assert boxes["Time, or date"].value == "Kiedy"
    boxes["Amount"].set_value("Ile")
    next(button for button in page.button if button.label == "Read it like this").click().run()
    assert "Matched with visits 2" in text(page)
    assert "Matched with visits 2" in import_file(open_page("Data"), UNKNOWN_COLUMNS), "the next time by itself"
    press(page, "visitors_apply_sales")
    assert sorted(visit.basket for visit in store.latest() if visit.basket) == [Decimal("5.00"), Decimal("7.50")]


@pytest.mark.usefixtures("here")
def test_a_guessed_sale_stays_marked_in_the_log(store: VisitStore) -> None:
    store.add([make_visit(CAME[0])])
    page = open_page("Data")
    import_file(page, b"time;amount\n2026-05-04 10:40:00;5,00\n")
    next(box for box in page.checkbox if "guessed" in box.label).check().run()
    press(page, "visitors_apply_sales")
    (visit,) = store.latest()
    assert visit.sale_guessed and visit.bought == "yes"


@pytest.mark.usefixtures("here")
def test_the_currency_of_a_file_becomes_that_of_the_log(store: VisitStore) -> None:
    store.add([make_visit(CAME[0]), make_visit(CAME[1])])
    page = open_page("Data")
    said = import_file(page, b"time;amount\n2026-05-04 10:10:00;CHF 1234,50\n")
    assert "CHF\xa01,234.50" in said.replace(" 1,2", "\xa01,2")
    press(page, "visitors_apply_sales")
    assert store.settings().currency == "CHF"
    said = import_file(page, "time;amount\n2026-05-04 10:15:00;€5,00\n".encode())
    assert "The file is in EUR, Euro (€), the log in CHF, Swiss Franc. Amounts are not converted" in said


@pytest.mark.usefixtures("here")
def test_a_currency_is_chosen_once_and_shown_everywhere(store: VisitStore) -> None:
    store.add([make_visit(datetime.now(UTC) - timedelta(minutes=1), bought="yes", basket=Decimal("1234.5"))])
    page = choose_box(open_page("Data"), "Currency of all amounts", "USD")
    press(page, "visitors_currency_save")
    assert store.settings() == Settings(currency="USD")
    for view in ("Now", "Patterns"):
        assert "$1,234.50" in text(choose(page, "visitors_view", view))
