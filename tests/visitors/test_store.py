"""What is written to the visitors' database is what is read, on SQLite and on PostgreSQL."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from uuid import uuid4

import pytest

from facetraits.visitors.identity import RecordingIds
from facetraits.visitors.store import StoreError, VisitStore, open_store
from facetraits.visitors.visit import LARGEST_BASKET, Outcome, Settings
from tests.visitors.conftest import BARE, FULL, NOON, visit


class TestWriting:
    def test_what_is_added_is_read(self, store: VisitStore):
        store.add([FULL, BARE])
        assert store.latest() == (BARE, FULL)

    @pytest.mark.parametrize("amount", ["0", "0.01", "0.07", "1234567.89", str(LARGEST_BASKET)])
    def test_an_amount_stays_exact(self, store: VisitStore, amount: str):
        store.add([visit(basket=Decimal(amount))])
        (read,) = store.latest()
        assert (str(read.basket), read.basket) == (f"{Decimal(amount):.2f}", Decimal(amount))

    def test_times_of_any_zone_are_read_in_utc(self, store: VisitStore):
        there = timezone(timedelta(hours=5, minutes=45))
        store.add([replace(BARE, started=NOON.astimezone(there), sold_at=NOON.astimezone(there))])
        (read,) = store.latest()
        assert (read.started, read.sold_at) == (NOON, NOON)
        assert read.started.tzinfo is UTC

    @pytest.mark.parametrize("moment", [datetime(1970, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, tzinfo=UTC)])
    def test_dates_of_cameras_without_a_clock(self, store: VisitStore, moment: datetime):
        store.add([replace(BARE, started=moment)])
        assert store.latest()[0].started == moment
        assert store.frame()["started"][0].to_pydatetime() == moment

    def test_adding_again_changes_nothing(self, store: VisitStore):
        store.add([BARE])
        store.mark([BARE.id], "yes")
        version = store.version()
        store.add([replace(BARE, duration_s=99.0), FULL])
        assert store.latest() == (replace(BARE, bought="yes"), FULL)
        assert store.version() > version

    def test_nothing_to_write(self, store: VisitStore):
        store.add([])
        store.update(iter(()))
        assert (store.mark([], "yes"), store.delete([]), store.attach_sales([])) == (0, 0, 0)
        assert store.version() == 0

    def test_update_writes_what_a_source_learned(self, store: VisitStore):
        store.add([BARE, FULL])
        learned = replace(FULL, id=BARE.id, started=BARE.started, source=BARE.source, corrected=False)
        store.update([learned])
        kept = {"bought": "unknown", "basket": None, "sold_at": None}
        assert store.latest() == (replace(learned, **kept), FULL)

    def test_update_leaves_what_was_corrected(self, store: VisitStore):
        store.add([FULL])
        store.update([replace(BARE, id=FULL.id, duration_s=40.0, ended=False)])
        assert store.latest() == (replace(FULL, duration_s=40.0, ended=False, entries=None, exits=None),)

    def test_update_does_not_bring_back_what_was_deleted(self, store: VisitStore):
        store.add([BARE, FULL])
        store.delete([BARE.id])
        version = store.version()
        store.update([BARE])
        assert (store.latest(), store.version()) == ((FULL,), version)

    def test_mark(self, store: VisitStore):
        store.add([BARE, FULL])
        assert store.mark([BARE.id, FULL.id, uuid4()], "no") == 2
        assert {v.bought for v in store.latest()} == {"no"}
        assert store.mark([BARE.id], "unknown") == 1
        assert store.latest()[0] == BARE

    @pytest.mark.parametrize("bought", ["no", "unknown"])
    def test_who_did_not_buy_keeps_no_sale(self, store: VisitStore, bought: Outcome):
        store.add([FULL])
        store.mark([FULL.id], "yes")
        assert store.latest() == (FULL,)
        store.mark([FULL.id], bought)
        assert store.latest() == (replace(FULL, bought=bought, basket=None, sold_at=None),)

    def test_visits_that_were_none_are_gone(self, store: VisitStore):
        whole, part, kept, sold = visit(0), visit(1), visit(2, bought="no"), visit(3, bought="yes", basket=Decimal(5))
        store.add([whole, part, kept, sold])
        before = store.version()
        store.withdraw({part.id: whole.id, sold.id: kept.id, uuid4(): whole.id})
        assert store.latest() == (kept, whole)
        assert store.version() == before + 1
        store.withdraw({part.id: whole.id})
        assert store.version() == before + 1

    def test_outcome_of_a_visit_that_was_none_goes_over(self, store: VisitStore):
        whole = visit(0)
        part = visit(1, bought="yes", basket=Decimal("3.50"), sold_at=NOON + timedelta(minutes=9))
        store.add([whole, part])
        store.withdraw({part.id: whole.id})
        assert store.latest() == (replace(part, id=whole.id, started=whole.started),)

    def test_edit(self, store: VisitStore):
        store.add([BARE])
        by_hand = replace(FULL, id=BARE.id)
        assert store.edit(by_hand)
        source_knows = {
            name: getattr(BARE, name) for name in ("started", "source", "duration_s", "ended", "entries", "exits")
        }
        assert store.latest() == (replace(by_hand, **source_knows),)

    def test_edit_of_a_deleted_visit(self, store: VisitStore):
        assert not store.edit(BARE)
        assert store.latest() == ()

    def test_sales_are_attached(self, store: VisitStore):
        known = [visit(i, bought=bought) for i, bought in enumerate(("unknown", "no", "unknown", "yes", "no"))]
        store.add(known)
        sales = [(known[0].id, NOON, Decimal("3.50")), (known[1].id, NOON, None), (uuid4(), NOON, Decimal(1))]
        assert store.attach_sales(sales, others_no=[v.id for v in known[2:]]) == 2
        read = store.latest()[::-1]
        assert [v.bought for v in read] == ["yes", "yes", "no", "yes", "no"]
        assert [v.basket for v in read] == [Decimal("3.50"), None, None, None, None]
        assert [v.sold_at for v in read] == [NOON, NOON, None, None, None]

    def test_sales_are_attached_all_or_none(self, store: VisitStore):
        store.add([BARE, FULL])
        before = store.latest(), store.version()
        with pytest.raises(StoreError, match="failed") as caught:
            store.attach_sales([(BARE.id, NOON, Decimal(5)), (FULL.id, NOON, Decimal(-5))])
        # Not even a traceback in a log says whose row it was.
        assert "parameters hidden" in str(caught.value.__cause__)
        assert (store.latest(), store.version()) == before

    def test_more_visits_than_a_statement_takes(self, store: VisitStore):
        many = [visit(i / 60) for i in range(2100)]
        store.add(many)
        ids = [v.id for v in many]
        assert store.mark(ids, "no") == 2100
        assert store.attach_sales([(i, NOON, None) for i in ids[:1100]], ids) == 1100
        assert store.count() == {"yes": 1100, "no": 1000, "unknown": 0}
        assert store.delete(ids) == 2100


class TestSettings:
    def test_those_of_the_program_at_first(self, store: VisitStore):
        assert store.settings() == Settings()

    def test_are_kept(self, store: VisitStore, store_url: str):
        chosen = Settings(enter_s=0.5, away_s=33.3, ethnicity=True, retention_days=None)
        store.save_settings(chosen)
        with closing(open_store(store_url)) as other:
            assert other.settings() == chosen


def test_the_visits_of_a_recording_are_counted(store: VisitStore) -> None:
    ids, others = RecordingIds(b"recorded"), RecordingIds(b"another!")
    store.add([*(visit(id=ids.of(track, 3.5)) for track in range(3)), visit(id=others.of(1, 2.0)), visit(id=uuid4())])
    assert store.count_of_recording(ids) == 3
    assert store.count_of_recording(others) == 1
    assert store.count_of_recording(RecordingIds(b"recordee")) == 0
