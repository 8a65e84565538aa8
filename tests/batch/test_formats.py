"""The same columns and values in every format."""

import csv
import io
import json

import pyarrow
import pyarrow.parquet
import pytest

from facetraits.batch.formats import FORMATS, encoded, parquet_from_json_lines, write_part
from facetraits.tables import arrow_schema, csv_cell, csv_columns, csv_text, face_rows, json_lines, picture_record
from facetraits.video.timeline import timeline_columns
from tests.builders import make_face, make_result

RECORDS = [
    picture_record("=a.jpg", make_result(make_face(quality=("too dark", "blurred")), make_face(left=300)), None),
    picture_record("b.jpg", make_result(), None),
    picture_record("caf\udce9.jpg", None, "The file is empty."),
    picture_record("c.jpg", make_result(make_face(traits=("gender",))), None),
]


def read(path, form):
    """The rows of a file; values as its format gives them."""
    if form == "parquet":
        return pyarrow.parquet.read_table(path).to_pylist()
    text = path.read_bytes().decode()
    if form == "csv":
        return list(csv.DictReader(io.StringIO(text, newline="")))
    return [json.loads(line) for line in text.splitlines()]


@pytest.mark.parametrize("form", FORMATS)
def test_pieces_are_put_after_each_other(tmp_path, form):
    write_part(tmp_path / "whole", [encoded(RECORDS, form)], form)
    write_part(tmp_path / "pieces", [encoded([record], form) for record in RECORDS], form)
    assert read(tmp_path / "pieces", form) == read(tmp_path / "whole", form)


@pytest.mark.parametrize("form", FORMATS)
def test_a_part_without_pieces_is_whole_too(tmp_path, form):
    write_part(tmp_path / "part", [], form)
    assert read(tmp_path / "part", form) == []


def test_lines_are_those_of_the_engine_that_needs_no_cluster(tmp_path):
    for form, text in (("csv", csv_text(RECORDS)), ("jsonl", "".join(json_lines(RECORDS)))):
        write_part(tmp_path / form, [encoded(RECORDS, form)], form)
        assert (tmp_path / form).read_bytes() == text.encode("utf-8", "backslashreplace")


def test_parquet_has_the_columns_and_values_of_csv(tmp_path):
    write_part(tmp_path / "part", [encoded(RECORDS, "parquet")], "parquet")
    table = pyarrow.parquet.read_table(tmp_path / "part")
    assert tuple(table.column_names) == csv_columns()
    wanted = [row for record in RECORDS for row in face_rows(record)]
    for found, row in zip(table.to_pylist(), wanted, strict=True):
        assert found["path"] == row["path"].encode("utf-8", "backslashreplace").decode()
        assert {**found, "path": None} == {**dict.fromkeys(csv_columns()), **row, "path": None}
    assert table["path"][0].as_py() == "=a.jpg" != csv_cell("=a.jpg"), "no apostrophe: nothing runs a Parquet file"


def test_types_are_those_of_the_contract():
    types = {field.name: field.type for field in arrow_schema()}
    expected = {
        pyarrow.string(): ("path", "error", "quality", "age_group", "gender", "ethnicity", "expression", "mood"),
        pyarrow.bool_(): ("incomplete", "age_unsure", "gender_unsure", "mood_unsure"),
        pyarrow.int32(): ("width", "height", "face"),
        pyarrow.float64(): ("box_x1", "score", "age", "age_low", "gender_confidence", "p_male", "p_contempt"),
    }
    assert {name: kind for kind, names in expected.items() for name in names}.items() <= types.items()
    videos = {field.name: field.type for field in arrow_schema(timeline_columns())}
    assert videos["person"] == pyarrow.int32()
    assert videos["first_s"] == videos["time_s"] == pyarrow.float64()


def test_a_table_of_many_rows_is_written_in_groups(tmp_path):
    lines = tmp_path / "lines"
    lines.write_text("".join(json_lines(RECORDS)) * 4_000, encoding="utf-8", errors="backslashreplace")
    parquet_from_json_lines(lines, tmp_path / "table", face_rows, csv_columns())
    file = pyarrow.parquet.ParquetFile(tmp_path / "table")
    assert file.metadata.num_rows == 5 * 4_000
    assert file.metadata.num_row_groups == 2
