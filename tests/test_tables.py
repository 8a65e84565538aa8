import csv
import io
import json
from dataclasses import replace

import numpy as np
import pytest

from facetraits.tables import NO_FACE, csv_columns, csv_lines, csv_text, json_lines, picture_record
from facetraits.traits import TRAITS
from facetraits.types import AgePrediction, FaceDetection, FaceResult, FaceTraits
from tests.builders import (
    AGE_GROUP_NAMES,
    ETHNICITIES,
    EXPRESSIONS,
    GENDERS,
    make_classes,
    make_detection,
    make_face,
    make_result,
    make_traits,
)

PATHS = [
    "photo.jpg",
    "a,b.jpg",
    'say "cheese".jpg',
    "two\nlines.jpg",
    "a\rb.jpg",
    "windows\r\nline.jpg",
    "semi;colon.jpg",
    " spaces .jpg",
    "Zoë – 家族.jpg",
    "''.jpg",
]


def record_of(*faces, path="photo.jpg"):
    return picture_record(path, make_result(*faces), None)


def rows_of(*records):
    """What a reader of CSV gets back."""
    return list(csv.DictReader(io.StringIO(csv_text(records), newline="")))


def test_record_of_a_picture_with_faces():
    record = record_of(make_face(), make_face(left=300))
    assert list(record) == ["path", "width", "height", "error", "incomplete", "faces"]
    assert (record["path"], record["width"], record["height"], record["error"]) == ("photo.jpg", 640, 480, None)
    assert [face["box_xyxy"][0] for face in record["faces"]] == [100, 300]
    assert list(record["faces"][0]) == ["box_xyxy", "score", "landmarks", "quality", *TRAITS, "mood"]


def test_record_of_a_picture_without_a_face():
    found = {"path": "photo.jpg", "width": 640, "height": 480, "error": NO_FACE, "incomplete": False, "faces": []}
    assert record_of() == found


def test_record_of_a_picture_that_cannot_be_read():
    record = picture_record("photo.jpg", None, "The file is empty.")
    reason = {"path": "photo.jpg", "error": "The file is empty."}
    assert record == reason | {"width": None, "height": None, "incomplete": None, "faces": []}


def test_a_picture_whose_file_breaks_off_says_so():
    result = replace(make_result(), incomplete=True)
    record = picture_record("photo.jpg", result, None)
    assert record["incomplete"] is True
    assert rows_of(record)[0]["incomplete"] == "true"


@pytest.mark.parametrize(("result", "error"), [(None, None), (make_result(), "broken")])
def test_a_record_has_either_a_result_or_an_error(result, error):
    with pytest.raises(ValueError, match="either a result or an error"):
        picture_record("photo.jpg", result, error)


def test_classes_are_those_of_the_contract():
    assert {t.key: t.classes for t in TRAITS.values() if t.classes} == {
        "gender": GENDERS,
        "ethnicity": ETHNICITIES,
        "expression": EXPRESSIONS,
    }


@pytest.mark.parametrize("path", PATHS)
def test_json_has_one_line_per_picture_and_round_trips(path):
    records = [record_of(make_face(), path=path), record_of(path=path), picture_record(path, None, "broken")]
    text = "".join(json_lines(records))
    assert text.count("\n") == len(records)
    assert text.endswith("\n")
    assert [json.loads(line) for line in text.splitlines()] == records


def test_json_keeps_letters_readable():
    assert "Zoë – 家族" in "".join(json_lines([record_of(path="Zoë – 家族.jpg")]))


def test_csv_columns_are_the_contract():
    text = csv_text([])
    assert text == ",".join(csv_columns()) + "\n"
    assert len(set(csv_columns())) == len(csv_columns())
    expected = (
        *("path", "width", "height", "face", "error", "incomplete"),
        *("box_x1", "box_y1", "box_x2", "box_y2", "score", "quality"),
        *("age", "age_low", "age_high", "age_unsure", "age_group"),
        *("gender", "gender_confidence", "gender_unsure", "p_male", "p_female"),
        *("ethnicity", "ethnicity_confidence", "ethnicity_unsure"),
        *("p_white", "p_black", "p_asian", "p_indian", "p_other"),
        *("expression", "expression_confidence", "expression_unsure", "p_neutral", "p_happy", "p_surprise", "p_sad"),
        *("p_angry", "p_disgust", "p_fear", "p_contempt"),
        *("mood", "mood_confidence", "mood_unsure"),
    )
    assert expected == csv_columns()


def test_a_face_fills_every_column_but_the_error():
    (row,) = rows_of(record_of(make_face(quality=("too small", "blurred"))))
    assert [name for name, cell in row.items() if not cell] == ["error"]
    expected = {
        "path": "photo.jpg",
        "width": "640",
        "height": "480",
        "face": "1",
        "box_x1": "100.0",
        "box_y2": "200.0",
        "score": "0.95",
        "quality": "too small;blurred",
        "age": "34.0",
        "age_low": "28.0",
        "age_high": "40.0",
        "age_unsure": "false",
        "age_group": "21-40",
        "gender": "female",
        "gender_confidence": "0.9",
        "gender_unsure": "false",
        "p_male": "0.1",
        "p_white": "0.9",
        "p_happy": "0.9",
        "mood": "positive",
    }
    assert {name: row[name] for name in expected} == expected


def test_unsure_is_said_in_the_words_of_json():
    (row,) = rows_of(record_of(make_face(confidence=0.4)))
    assert row["ethnicity_unsure"] == row["expression_unsure"] == "true"


def test_an_age_that_is_unsure_says_so():
    age = AgePrediction(21.3, (9, 52), 0.8, make_classes(AGE_GROUP_NAMES, "0-20", 0.6), 30.0)
    (row,) = rows_of(record_of(FaceResult(make_detection(), (), FaceTraits(age=age))))
    assert [row[name] for name in ("age", "age_low", "age_high", "age_unsure", "age_group")] == [
        *("21.3", "9", "52", "true", "21-40")
    ]


def test_one_row_per_face_numbered_from_one():
    group = record_of(make_face(), make_face(left=300), make_face(left=450), path="group.jpg")
    rows = rows_of(group, record_of(make_face(), path="one.jpg"))
    assert [(row["path"], row["face"]) for row in rows] == [
        ("group.jpg", "1"),
        ("group.jpg", "2"),
        ("group.jpg", "3"),
        ("one.jpg", "1"),
    ]
    assert [row["box_x1"] for row in rows] == ["100.0", "300.0", "450.0", "100.0"]


def test_a_picture_without_a_face_has_one_row_with_its_size():
    (row,) = rows_of(record_of())
    filled = {name: cell for name, cell in row.items() if cell}
    assert filled == {"path": "photo.jpg", "width": "640", "height": "480", "error": NO_FACE, "incomplete": "false"}


def test_a_picture_that_cannot_be_read_has_one_row_with_the_reason():
    (row,) = rows_of(picture_record("photo.jpg", None, "The file is empty."))
    assert {name: cell for name, cell in row.items() if cell} == {"path": "photo.jpg", "error": "The file is empty."}


def test_traits_that_were_not_asked_for_are_empty():
    (row,) = rows_of(record_of(make_face(traits=("gender",))))
    filled = {name for name, cell in row.items() if cell}
    assert filled == {
        *("path", "width", "height", "face", "incomplete", "box_x1", "box_y1", "box_x2", "box_y2", "score"),
        *("gender", "gender_confidence", "gender_unsure", "p_male", "p_female"),
    }


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n"])
def test_a_path_that_begins_like_a_formula_is_guarded(start):
    path = start + 'HYPERLINK("http://example.org";"x").jpg'
    (row,) = rows_of(record_of(make_face(), path=path))
    assert row["path"] == "'" + path


def test_numbers_below_zero_stay_numbers():
    detection = make_detection(left=-12.5)
    (row,) = rows_of(record_of(FaceResult(detection, (), make_traits())))
    assert row["box_x1"] == "-12.5"


@pytest.mark.parametrize("path", PATHS)
def test_paths_come_back_from_csv_as_they_were(path):
    rows = rows_of(record_of(make_face(), make_face(left=300), path=path), record_of(path="next.jpg"))
    assert [row["path"] for row in rows] == [path, path, "next.jpg"]
    assert all(None not in row and len(row) == len(csv_columns()) for row in rows)


def test_csv_agrees_with_json():
    points = np.array([[20, 40], [40, 40], [30, 50], [22, 65], [38, 65]])
    face = FaceResult(FaceDetection((10.26, 20.04, 50.5, 80.0), points, 0.87654), ("too dark",), make_traits())
    record = record_of(face)
    (found,), (row,) = record["faces"], rows_of(record)
    assert [float(row[f"box_{name}"]) for name in ("x1", "y1", "x2", "y2")] == found["box_xyxy"]
    assert float(row["score"]) == found["score"]
    for trait, classes in ((t.key, t.classes) for t in TRAITS.values() if t.classes):
        assert row[trait] == found[trait]["top1"]
        assert float(row[f"{trait}_confidence"]) == found[trait]["confidence"]
        assert {name: float(row[f"p_{name}"]) for name in classes} == found[trait]["probabilities"]


def test_csv_comes_in_one_piece_per_picture_without_reading_ahead():
    def records():
        yield record_of(make_face(), make_face(left=300), path="group.jpg")
        raise AssertionError("the second picture was asked for before the first was handed over")

    pieces = csv_lines(records())
    assert next(pieces).startswith("path,")
    assert next(pieces).count("\n") == 2
