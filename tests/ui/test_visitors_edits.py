"""What a changed cell of the table of visits means, and that it is saved at once and to the right visit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from facetraits.visitors.store import VisitStore, open_store
from facetraits.visitors.visit import EVERYTHING, Visit
from tests.visitors.made_visits import MONDAY_NOON, make_visit
from ui.visitors.edits import BASKET, BOUGHT, DELETE, TAP, edited, visit_rows
from ui.visitors.visits import VisitTable, save_changes, tap_row

BERLIN = ZoneInfo("Europe/Berlin")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[VisitStore]:
    opened = open_store(f"sqlite:///{tmp_path / 'visitors.db'}")
    yield opened
    opened.close()


@pytest.fixture
def table(store: VisitStore) -> VisitTable:
    """Three visits, the newest first."""
    store.add([make_visit(MONDAY_NOON + timedelta(minutes=minute)) for minute in range(3)])
    return VisitTable(EVERYTHING, list(store.latest()), 3, 0)


def stored(store: VisitStore, visit: Visit) -> Visit:
    return next(v for v in store.latest() if v.id == visit.id)


# ---------------------------------------------------------------------------------------------------------------- cells


def test_a_trait_put_in_by_hand_has_no_confidence() -> None:
    visit = edited(make_visit(), {"Gender": "male"})
    assert (visit.gender, visit.gender_confidence, visit.corrected) == ("male", None, True)
    assert (visit.age, visit.age_confidence, visit.mood_confidence) == (34.0, 0.8, 0.7)


def test_an_age_group_put_in_by_hand_has_no_years() -> None:
    visit = edited(make_visit(), {"Age group": "61-80"})
    assert (visit.age_group, visit.age, visit.age_confidence, visit.corrected) == ("61-80", None, None, True)


@pytest.mark.parametrize(("age", "shown"), [(20.4, 20), (20.46, 21), (20.5, 21), (34.0, 34)])
def test_years_are_rounded_as_their_group_is(age: float, shown: int) -> None:
    assert visit_rows([make_visit(age=age)], BERLIN, False)["Age"].tolist() == [shown]


def test_a_trait_can_be_emptied_and_one_that_stays_is_no_correction() -> None:
    visit = edited(make_visit(), {"Mood": None, "Gender": "female"})
    assert (visit.mood, visit.mood_confidence) == (None, None)
    assert visit.gender_confidence == 0.9
    assert not edited(make_visit(), {"Gender": "female"}).corrected


def test_a_basket_means_that_something_was_bought() -> None:
    visit = edited(make_visit(), {BASKET: 12.5})
    assert (visit.bought, visit.basket, visit.corrected) == ("yes", Decimal("12.50"), False)
    assert edited(visit, {BASKET: None}).basket is None


def test_who_did_not_buy_has_no_basket_and_no_sale() -> None:
    buyer = make_visit(bought="yes", basket=Decimal("9.90"), sold_at=MONDAY_NOON)
    visit = edited(buyer, {BOUGHT: "no"})
    assert (visit.bought, visit.basket, visit.sold_at) == ("no", None, None)
    with pytest.raises(ValueError, match="cannot have a basket"):
        edited(buyer, {BOUGHT: "no", BASKET: 3.0})


def test_of_whom_it_is_not_known_there_is_no_basket_either() -> None:
    buyer = make_visit(bought="yes", basket=Decimal("9.90"), sold_at=MONDAY_NOON)
    visit = edited(buyer, {BOUGHT: "unknown"})
    assert (visit.bought, visit.basket, visit.sold_at) == ("unknown", None, None)
    with pytest.raises(ValueError, match="cannot have a basket"):
        edited(buyer, {BOUGHT: "unknown", BASKET: 3.0})


@pytest.mark.parametrize(
    "changes",
    [{BASKET: -1}, {BASKET: "much"}, {BASKET: float("nan")}, {BASKET: 1e12}, {BOUGHT: "perhaps"}, {"Mood": "x"}],
)
def test_what_cannot_be_is_said_in_a_sentence(changes: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"^“.*” .*\.$"):
        edited(make_visit(), changes)


def test_rows_show_local_times_and_only_columns_that_say_something() -> None:
    rows = visit_rows([make_visit(basket=Decimal("3.20"), bought="yes"), make_visit(age=None)], BERLIN, False)
    assert str(rows["Time"][0]) == "2026-05-04 14:00:00"
    assert "Ethnicity" not in rows and "Source" not in rows
    assert rows[BASKET].tolist()[0] == 3.2
    assert rows["Age"].isna().tolist() == [False, True]
    assert list(rows.columns)[-1] == DELETE
    several = visit_rows([make_visit(ethnicity="asian")], BERLIN, True)
    assert (several["Ethnicity"][0], several["Source"][0]) == ("asian", "door")
    assert visit_rows([make_visit(), make_visit()], BERLIN, False, {1})[DELETE].tolist() == [False, True]


# --------------------------------------------------------------------------------------------------------------- saving


def test_changes_are_saved_to_their_rows(store: VisitStore, table: VisitTable) -> None:
    newest, middle, oldest = table.visits
    save_changes(store, table, {0: {BOUGHT: "yes"}, 2: {"Gender": "male", DELETE: True}})
    assert stored(store, newest).bought == "yes"
    assert stored(store, middle) == middle
    assert stored(store, oldest) == replace(oldest, gender="male", gender_confidence=None, corrected=True)
    assert table.problems == {}


def test_only_new_changes_are_written(store: VisitStore, table: VisitTable) -> None:
    save_changes(store, table, {0: {BOUGHT: "yes"}})
    store.mark([table.visits[0].id], "no")  # by somebody else, meanwhile
    save_changes(store, table, {0: {BOUGHT: "yes"}, 1: {BOUGHT: "yes"}})
    assert [visit.bought for visit in store.latest()] == ["no", "yes", "unknown"]


def test_a_bad_value_is_a_problem_of_its_row_until_it_is_put_right(store: VisitStore, table: VisitTable) -> None:
    save_changes(store, table, {0: {BASKET: -5}, 1: {BASKET: 7}})
    assert list(table.problems) == [0]
    assert [visit.basket for visit in store.latest()] == [None, Decimal("7.00"), None]
    save_changes(store, table, {0: {BASKET: 5}, 1: {BASKET: 7}})
    assert table.problems == {}
    assert stored(store, table.visits[0]).basket == Decimal("5.00")


def test_what_the_source_learned_meanwhile_is_kept(store: VisitStore, table: VisitTable) -> None:
    store.update([replace(table.visits[0], duration_s=900.0, mood="positive", mood_confidence=0.99)])
    save_changes(store, table, {0: {BOUGHT: "no"}})
    visit = stored(store, table.visits[0])
    assert (visit.bought, visit.mood, visit.mood_confidence, visit.duration_s) == ("no", "positive", 0.99, 900.0)


def test_a_visit_that_is_gone_is_said(store: VisitStore, table: VisitTable) -> None:
    store.delete([table.visits[1].id])
    save_changes(store, table, {1: {BOUGHT: "yes"}})
    assert table.problems == {1: "It was deleted meanwhile."}
    assert len(store.latest()) == 2


@pytest.mark.parametrize("before", ["unknown", "no"])
def test_a_tap_marks_a_buyer_and_another_one_undoes_it(store: VisitStore, table: VisitTable, before: str) -> None:
    store.mark([table.visits[1].id], before)  # type: ignore[arg-type]
    key = table.key
    tap_row(store, table, 1, {0: {DELETE: True}})
    assert [visit.bought for visit in store.latest()] == ["unknown", "yes", "unknown"]
    assert visit_rows(table.visits, BERLIN, False, table.ticked)[TAP].tolist() == ["Bought", "Undo", "Bought"]
    assert table.key == key, "the table stays where the owner has scrolled to"
    tap_row(store, table, 1, {})
    assert stored(store, table.visits[1]).bought == before


def test_a_tap_shows_through_an_older_change_of_the_row(store: VisitStore, table: VisitTable) -> None:
    edits = {0: {DELETE: True}, 1: {BOUGHT: "no"}}
    save_changes(store, table, edits)
    key = table.key
    tap_row(store, table, 1, edits)
    assert stored(store, table.visits[1]).bought == "yes"
    assert table.key != key
    assert table.ticked == {0}, "rows stay ticked"


def test_a_tap_loses_no_sale_and_says_who_is_gone(store: VisitStore, table: VisitTable) -> None:
    store.attach_sales([(table.visits[0].id, MONDAY_NOON, Decimal("9.90"))])
    store.delete([table.visits[1].id])
    for place in (0, 1):
        tap_row(store, table, place, {})
    assert stored(store, table.visits[0]).basket == Decimal("9.90")
    assert visit_rows(table.visits, BERLIN, False)[TAP].tolist()[0] == ""
    assert table.problems == {1: "It was deleted meanwhile."}


# -------------------------------------------------------------------------------------------------- table and log agree


class Editor:
    """Shows a table as Streamlit's editor does: what was typed into it lies over the rows until it is drawn afresh."""

    def __init__(self, store: VisitStore, table: VisitTable) -> None:
        self.store, self.table = store, table
        self.key, self.edits = table.key, dict[int, dict[str, Any]]()

    def type(self, place: int, title: str, value: Any) -> None:
        self.edits.setdefault(place, {})[title] = value
        save_changes(self.store, self.table, self.edits)
        if self.table.key != self.key:
            self.key, self.edits = self.table.key, {}

    def shown(self, place: int) -> tuple[str, float | None]:
        rows = visit_rows(self.table.visits, BERLIN, False, self.table.ticked)
        cells = rows.astype(object).where(rows.notna(), None).loc[place].to_dict() | self.edits.get(place, {})
        return cells[BOUGHT], cells[BASKET]


@pytest.mark.parametrize(
    "typed",
    [
        [(BASKET, 5.0), (BOUGHT, "no"), (BOUGHT, "yes")],
        [(BASKET, 5.0), (BOUGHT, "unknown"), (BOUGHT, "yes"), (BASKET, 7.0)],
        [(BOUGHT, "no"), (BASKET, 5.0), (BASKET, None), (BOUGHT, "no"), (BASKET, 5.0)],
        [(BOUGHT, "yes"), (BASKET, 2.345), ("Mood", "positive"), (BOUGHT, "unknown"), (BOUGHT, "unknown")],
    ],
)
def test_the_table_always_shows_what_the_log_says(
    store: VisitStore, table: VisitTable, typed: list[tuple[str, Any]]
) -> None:
    editor = Editor(store, table)
    for title, value in typed:
        editor.type(1, title, value)
        visit = stored(store, table.visits[1])
        basket = None if visit.basket is None else float(visit.basket)
        assert editor.shown(1) == (visit.bought, basket), (title, value)
    assert table.problems == {}


def test_only_an_editor_that_shows_something_else_is_drawn_afresh(store: VisitStore, table: VisitTable) -> None:
    editor = Editor(store, table)
    key = table.key
    editor.type(0, DELETE, True)
    for title, value in ((BASKET, 5.0), (BASKET, None), (BOUGHT, "no"), (BOUGHT, "yes"), ("Gender", "")):
        editor.type(1, title, value)
    assert table.key == key, "the table stays where the owner has scrolled to"
    editor.type(1, BASKET, 5.0)
    ids = [visit.id for visit in table.visits]
    editor.type(1, BOUGHT, "no")
    assert table.key != key
    assert [visit.id for visit in table.visits] == ids, "no row moves"
    assert table.ticked_now(editor.edits) == {0}, "rows stay ticked"
    editor.type(0, DELETE, False)
    assert table.ticked_now(editor.edits) == frozenset()
