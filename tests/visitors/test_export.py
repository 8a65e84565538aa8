from __future__ import annotations

import csv
import io
import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pandas as pd
import pyarrow.parquet as pq
import pytest

from facetraits.visitors.export import to_csv, to_parquet
from facetraits.visitors.store import VisitStore
from tests.visitors.made_visits import BERLIN, MONDAY_NOON, frame_of, make_frame, make_visit, visits_of


def rows_of(frame: pd.DataFrame, zone: ZoneInfo = BERLIN) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(to_csv(frame, zone).decode("utf-8-sig"), newline="")))


def test_csv_says_everything_of_a_visit() -> None:
    visit = make_visit(
        MONDAY_NOON + timedelta(milliseconds=1900),
        bought="yes",
        basket=Decimal("12.5"),
        sold_at=datetime(2026, 12, 4, 12, tzinfo=UTC),
        entries=1,
        exits=0,
    )

    assert rows_of(frame_of([visit])) == [
        {
            "id": str(visit.id),
            "started": "2026-05-04T14:00:01+02:00",
            "source": "door",
            "duration_s": "240.0",
            "age": "34.0",
            "age_group": "21-40",
            "age_confidence": "0.8000",
            "gender": "female",
            "gender_confidence": "0.9000",
            "ethnicity": "",
            "ethnicity_confidence": "",
            "mood": "neutral",
            "mood_confidence": "0.7000",
            "bought": "yes",
            "basket": "12.50",
            "sold_at": "2026-12-04T13:00:00+01:00",
            "sale_guessed": "false",
            "ended": "true",
            "corrected": "false",
            "entries": "1",
            "exits": "0",
        }
    ]


def test_csv_begins_with_a_byte_order_mark_and_has_one_kind_of_line_end() -> None:
    data = to_csv(frame_of([make_visit()]), BERLIN)

    assert data.startswith(b"\xef\xbb\xbfid,")
    assert data.count(b"\r\n") == data.count(b"\n") == data.count(b"\r") == 2


@pytest.mark.parametrize(
    ("zone", "started"),
    [
        ("UTC", "2026-05-04T12:00:00+00:00"),
        ("America/St_Johns", "2026-05-04T09:30:00-02:30"),
        ("Asia/Kathmandu", "2026-05-04T17:45:00+05:45"),
    ],
)
def test_times_have_the_offset_of_their_zone(zone: str, started: str) -> None:
    assert rows_of(frame_of([make_visit()]), ZoneInfo(zone))[0]["started"] == started


def test_hour_that_clocks_show_twice_is_told_apart() -> None:
    moments = [datetime(2026, 10, 25, hour, 30, tzinfo=UTC) for hour in (0, 1)]

    started = [row["started"] for row in rows_of(frame_of([make_visit(moment) for moment in moments]))]

    assert started == ["2026-10-25T02:30:00+02:00", "2026-10-25T02:30:00+01:00"]
    assert [datetime.fromisoformat(text) for text in started] == moments


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@sum(a1)", "\t=1", "\n=1", "\r=1"])
def test_names_that_look_like_formulas_are_quoted(name: str) -> None:
    # A visit takes no unprintable names, but another program may have written to the database.
    frame = frame_of([make_visit()]).assign(source=name)

    # Also after what may begin another cell: a tab or a line.
    assert rows_of(frame)[0]["source"] == "'" + re.sub(r"^([\t\n\r])", r"\1'", name)


@pytest.mark.parametrize("name", ['door, "left"; 1', "Tür", "two\nlines", "入口", " 'door'"])
def test_other_names_stay_as_they_are(name: str) -> None:
    frame = frame_of([make_visit(), make_visit()]).assign(source=[name, "back"])

    assert rows_of(frame)[0]["source"] == name


def test_frame_is_left_as_it_was() -> None:
    frame = make_frame(20, unknown=0.2)
    before = frame.copy()

    to_csv(frame, BERLIN)
    to_parquet(frame)

    pd.testing.assert_frame_equal(frame, before)


def test_parquet_reads_back_equal() -> None:
    frame = make_frame(500, seed=1, unknown=0.2)

    pd.testing.assert_frame_equal(pd.read_parquet(io.BytesIO(to_parquet(frame))), frame)


def test_parquet_has_types_that_other_programs_know() -> None:
    schema = pq.read_schema(io.BytesIO(to_parquet(make_frame(3))))

    kinds = {name: str(schema.field(name).type) for name in ("started", "duration_s", "ended")}
    assert kinds == {"started": "timestamp[us, tz=UTC]", "duration_s": "double", "ended": "bool"}


def test_empty_log_has_its_columns() -> None:
    empty = frame_of([])

    assert to_csv(empty, BERLIN).decode("utf-8-sig").strip().split(",") == list(empty.columns)
    read = pd.read_parquet(io.BytesIO(to_parquet(empty)))
    assert (list(read.columns), len(read)) == (list(empty.columns), 0)


def test_what_a_store_holds_is_exported_whole(store: VisitStore) -> None:
    made = make_frame(300, seed=2, unknown=0.1)
    store.add(visits_of(made))

    frame = store.frame()

    pd.testing.assert_frame_equal(frame, made)
    assert [row["id"] for row in rows_of(frame)] == list(made["id"])
    pd.testing.assert_frame_equal(pd.read_parquet(io.BytesIO(to_parquet(frame))), made)


def test_empty_store_is_exported(store: VisitStore) -> None:
    assert rows_of(store.frame()) == []
    assert len(pd.read_parquet(io.BytesIO(to_parquet(store.frame())))) == 0
