"""The page "Visitors": every view of an empty and of a full log, and buyers marked by hand."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from facetraits.visitors.store import VisitStore
from tests.pages.visitors.helpers import VIEWS, charts, choose, choose_box, in_view, labels, open_page, press, text
from tests.visitors.made_visits import make_frame, make_visit, visits_of

PATTERNS = ("Times", "People", "Moods", "Buyers")  # "Weeks" has no chart


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("view", VIEWS)
def test_an_empty_log_says_how_to_begin(view: str) -> None:
    page = open_page(view)
    assert "Recording is off. Nothing is stored until you start it." in text(page)
    assert charts(page) == 0
    said = {
        "Now": "No visits yet",
        "Visits": "No visits yet",
        "Patterns": "No visits to find patterns in yet",
        "Recording": "It records while this page is open in that browser.",
        "Data": "There is no visit to delete",
    }
    assert said[view] in text(page)


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("view", VIEWS)
def test_a_single_visit_is_no_pattern(store: VisitStore, view: str) -> None:
    store.add([make_visit(datetime.now(UTC) - timedelta(minutes=5), bought="yes")])
    page = open_page(view)
    if view == "Patterns":
        for name in PATTERNS:
            assert charts(choose(page, "visitors_patterns", name)) >= 1
        assert "There are too few visits to compare yet" in text(page)
        assert "needs two groups with at least 30 visits" in text(page)
    elif view == "Now":
        assert "1 of 1 visitor bought (100%) 95% interval 21% to 100%" in text(page)


@pytest.mark.usefixtures("here", "shop")
@pytest.mark.parametrize("name", PATTERNS)
def test_every_chart_has_a_sentence_and_a_table(name: str) -> None:
    page = choose(open_page("Patterns"), "visitors_patterns", name)
    number = {"Times": 3}.get(name, 1)
    assert charts(page) == number
    assert [expander.label for expander in page.expander] == ["The numbers as a table"] * number
    assert " ".join(piece.body for piece in page.html).count("ft-says") >= number
    assert "Times are those of UTC." in text(page)


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
    assert f"{number} visits. Press “Bought” to mark a buyer. Double-click" in text(page)
    choose(page, "visitors_ages", ["81+"])
    choose(page, "visitors_period", "Today")
    assert "No visit matches these filters." in text(page)


@pytest.mark.usefixtures("here")
def test_current_visitors_become_buyers_and_back(shop: VisitStore) -> None:
    page = open_page()
    assert "Marks 2 visitors in view who have not been marked yet." in text(page)
    assert page.button(key="visitors_mark").proto.shortcut.lower() == "b"
    before = shop.count()
    press(page, "visitors_mark")
    assert shop.count()["yes"] == before["yes"] + 2
    assert "Everybody in view is already marked." in text(page)
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
def test_one_visitor_becomes_a_buyer_with_a_tap_and_back(store: VisitStore) -> None:
    now = datetime.now(UTC)
    outcomes = ("unknown", "no", "yes")
    first, second, sold = (make_visit(now - timedelta(minutes=5 + i), bought=said) for i, said in enumerate(outcomes))
    store.add([first, second, replace(sold, basket=Decimal("9.90"))])
    page = open_page()
    for visit in (first, second):
        press(page, f"visitors_tap_{visit.id}")
        assert store.get(visit.id).bought == "yes"
    assert labels(page).count("Undo") == 2
    for visit in (first, second):
        press(page, f"visitors_tap_{visit.id}")
        assert store.get(visit.id).bought == visit.bought
    assert f"visitors_tap_{sold.id}" not in [button.key for button in page.button], "a tap would lose its sale"


@pytest.mark.usefixtures("here")
def test_the_share_of_buyers_has_the_same_denominator_now_and_in_patterns(store: VisitStore) -> None:
    now = datetime.now(UTC)
    began = [now - timedelta(milliseconds=i) for i in range(10)]  # also just after midnight they are of today
    store.add(
        [make_visit(moment, bought=("yes", "no", "no", "unknown", "unknown")[i % 5]) for i, moment in enumerate(began)]
    )
    page = open_page()
    said = "2 of 10 visitors bought (20%) 95% interval 6% to 51%; of 4 the outcome is not known"
    assert said in text(page)
    choose(page, "visitors_view", "Patterns")
    choose(page, "visitors_period", "Today")
    assert said in text(page)
    choose(page, "visitors_patterns", "Buyers")
    assert "Neutral 10 2 20.0%" in text(choose_box(page, "By", "Mood"))


@pytest.mark.usefixtures("here")
def test_moods_and_outcomes_filter_patterns(store: VisitStore) -> None:
    now = datetime.now(UTC) - timedelta(minutes=1)
    guessed = make_visit(now, bought="yes", sold_at=now, sale_guessed=True, mood="positive")
    store.add([guessed, make_visit(now, bought="yes"), make_visit(now, bought="no"), make_visit(now)])
    page = open_page("Patterns")
    assert "2 of 4 visitors bought (50%)" in text(page)
    choose(page, "visitors_moods", ["positive"])
    assert "1 of 1 visitor bought (100%)" in text(page)
    choose(page, "visitors_moods", [])
    for outcome in ("bought", "guessed", "not bought", "not known"):
        assert "1 visitor with this outcome" in text(choose(page, "visitors_outcomes", [outcome]))
    choose(page, "visitors_patterns", "Weeks")
    assert "Bought this week" not in text(page)
    choose(page, "visitors_patterns", "Buyers")
    assert "With a filter by outcome the shares of buyers say nothing." in text(page)


@pytest.mark.usefixtures("here", "shop")
def test_this_week_is_compared_with_last_week_whatever_the_period() -> None:
    page = choose(open_page("Patterns"), "visitors_patterns", "Weeks")
    assert "This week against last week" in text(page)
    before = text(page).partition("This week against last week")[2]
    choose(page, "visitors_period", "All")
    assert text(page).partition("This week against last week")[2] == before


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
