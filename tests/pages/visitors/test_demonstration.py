"""The demonstration log of an empty log: marked on every view, apart from real visits, and deleted in one click."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from facetraits.visitors.demonstration import SOURCES, demonstration_store, demonstration_visits
from facetraits.visitors.export import to_csv
from facetraits.visitors.store import VisitStore
from tests.pages.visitors.helpers import VIEWS, charts, choose, open_page, press, text
from tests.visitors.made_visits import BERLIN, make_visit

NOW = datetime(2026, 5, 6, 15, 30, tzinfo=BERLIN)


def test_it_is_the_same_whenever_it_is_made() -> None:
    visits = demonstration_visits(NOW)
    assert demonstration_visits(NOW) == visits
    assert demonstration_visits(NOW, seed=1) != visits
    later = demonstration_visits(NOW + timedelta(days=1))
    assert len({visit.id for visit in visits} & {visit.id for visit in later}) > 0.9 * len(visits)


def test_it_is_a_plausible_shop_up_to_now() -> None:
    everybody = demonstration_visits(NOW)
    with_sales = [visit for visit in everybody if visit.entries]
    assert 0.8 < (len(everybody) - len(with_sales)) / len(with_sales) < 0.9, "most are seen leaving"
    assert 1500 < len(with_sales) < 3000
    assert max(visit.started for visit in with_sales) < NOW
    yesterday = [visit for visit in with_sales if visit.started.astimezone(BERLIN).date() < NOW.date()]
    assert {visit.bought for visit in yesterday} == {"yes", "no"}
    assert any(visit.sale_guessed for visit in yesterday)
    assert all((visit.basket is not None) == (visit.bought == "yes") for visit in yesterday)
    assert {9 <= visit.started.astimezone(BERLIN).hour < 20 for visit in with_sales} == {True}


def test_every_row_of_an_export_says_what_it_is() -> None:
    frame = demonstration_store(NOW).frame(leavers=True)
    lines = to_csv(frame, BERLIN).decode("utf-8-sig").splitlines()[1:]
    assert len(lines) == len(frame)
    assert all("Demonstration" in line for line in lines)
    assert all(name.startswith("Demonstration") for name in SOURCES)


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("first", ["Now", "Visits", "Patterns"])
def test_an_empty_log_offers_it_and_every_view_is_marked(store: VisitStore, first: str) -> None:
    page = open_page(first)
    assert "Demonstration data" not in text(page)
    press(page, "visitors_demonstrate")
    for view in VIEWS:
        assert "Demonstration data. " in text(choose(page, "visitors_view", view))
    assert sum(store.count().values()) == 0
    choose(page, "visitors_view", "Patterns")
    assert charts(page) == 4
    assert " entered and " in text(page)
    assert "€" in text(page)
    press(page, "visitors_demonstration_delete")
    assert "Demonstration data" not in text(page)
    assert "No visits to find patterns in yet" in text(page)


@pytest.mark.usefixtures("here")
def test_real_visits_are_not_mixed_with_it(store: VisitStore) -> None:
    page = press(open_page(), "visitors_demonstrate")
    store.add([make_visit(datetime.now(UTC) - timedelta(minutes=1), source="cellar")])
    page.run()
    assert "Your own log holds 1 visit, which the demonstration hides." in text(page)
    assert "cellar" not in text(page)
    choose(page, "visitors_view", "Data")
    press(page, "visitors_delete_ask")
    press(page, "visitors_delete_all")
    assert sum(store.count().values()) == 1, "what is deleted is the demonstration"
    press(page, "visitors_demonstration_delete")
    assert "1 visit, of all sources and times." in text(page)


@pytest.mark.usefixtures("here")
def test_another_browser_sees_nothing_of_it() -> None:
    press(open_page(), "visitors_demonstrate")
    assert "No visits yet" in text(open_page())
