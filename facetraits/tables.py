"""Results as records, JSON lines, CSV and Arrow tables (for Parquet): the contract of docs/conventions.md."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from facetraits.traits import TRAITS, Sums
from facetraits.types import AnalysisResult

if TYPE_CHECKING:
    import pyarrow

NO_FACE: Final = "no face found"

_LOCATION_COLUMNS: Final = ("box_x1", "box_y1", "box_x2", "box_y2")
_PICTURE_COLUMNS: Final = (
    *("path", "width", "height", "face", "error", "incomplete"),
    *(*_LOCATION_COLUMNS, "score", "quality"),
)
_WHOLE_NUMBERS: Final = frozenset({"width", "height", "face", "person"})


def trait_columns() -> tuple[str, ...]:
    """The columns of all traits: of classes with a column for each class, then the coarser classes."""
    columns: list[str] = []
    for trait in TRAITS.values():
        if trait.classes:
            columns += [*_class_columns(trait.key), *(f"p_{name}" for name in trait.classes)]
        else:
            columns += _number_columns(trait.key)
    return (*columns, *(name for sums in _all_sums() for name in _class_columns(sums.key)))


def csv_columns() -> tuple[str, ...]:
    """The columns of the table of faces."""
    return (*_PICTURE_COLUMNS, *trait_columns())


def _class_columns(key: str) -> tuple[str, ...]:
    return (key, f"{key}_confidence", f"{key}_unsure")


def _number_columns(key: str) -> tuple[str, ...]:
    return (key, f"{key}_low", f"{key}_high", f"{key}_unsure", f"{key}_group")


def _all_sums() -> list[Sums]:
    return [trait.sums for trait in TRAITS.values() if trait.sums is not None]


# What a spreadsheet would run: a sign that begins a formula, narrow or wide, at the start of a cell. Where cells start
# depends on its country: at commas, semicolons, tabs, bars or lines, within quotation marks too where these are not the
# first of a cell; spaces, invisible signs and quotation marks before the formula do not help.
_FORMULA: Final = re.compile(
    r"""(?:\A|(?<=[;,|\t\r\n]))(?=[\s"\u200b-\u200f\u2060\ufeff]*[=+\-@\uff1d\uff0b\uff0d\uff20])|\A(?=[\t\r\n])"""
)
# ``csv.writer`` quotes cells with any sign of its line end: with this one, those that other countries would split.
CSV_LINE_END: Final = ";\t|\r\n"


def picture_record(path: str, result: AnalysisResult | None, error: str | None) -> dict[str, Any]:
    """One picture as ``path``, ``width``, ``height``, ``error``, ``incomplete`` and ``faces``, ready for JSON.

    Args:
        path: the picture's path or file name, as the user gave it.
        result: what was found; None where the picture could not be read.
        error: why the picture could not be read; None where it could.

    Returns:
        An unreadable picture has neither width nor height, nor is it said to be complete or not. A picture without a
        face has both, and ``NO_FACE`` as its error.

    Raises:
        ValueError: not exactly one of ``result`` and ``error`` is given.
    """
    if (result is None) == (error is None):
        raise ValueError("a picture has either a result or an error")
    if result is None:
        return {"path": path, "width": None, "height": None, "error": error, "incomplete": None, "faces": []}
    found = result.to_dict()
    return {
        "path": path,
        "width": found["width"],
        "height": found["height"],
        "error": None if found["faces"] else NO_FACE,
        "incomplete": found["incomplete"],
        "faces": found["faces"],
    }


def json_lines(records: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """One line of JSON per picture, each with its line end."""
    for record in records:
        yield json.dumps(record, ensure_ascii=False, allow_nan=False) + "\n"


def csv_lines(records: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """The line of column names, then for each picture its lines in one piece, each with its line end.

    A picture has one line per face, or one line with its ``error`` where it has no face.
    """
    columns = csv_columns()
    yield csv_head(columns)
    for record in records:
        yield csv_piece(face_rows(record), columns)


def csv_text(records: Iterable[Mapping[str, Any]]) -> str:
    """The records of ``picture_record`` as one CSV table with the columns ``csv_columns``."""
    return "".join(csv_lines(records))


def arrow_schema(columns: Sequence[str] | None = None) -> pyarrow.Schema:
    """The names and types of a table of faces, or of people and seconds in videos.

    Texts are ``string``, truth values ``bool``, whole numbers ``int32``, other numbers ``float64``; every value may be
    null.

    Args:
        columns: of the table; ``csv_columns`` where None.
    """
    import pyarrow

    texts = {"path", "error", "quality", *(f"{trait.key}_group" for trait in TRAITS.values() if not trait.classes)}
    texts |= {trait.key for trait in TRAITS.values() if trait.classes} | {sums.key for sums in _all_sums()}

    def type_of(name: str) -> pyarrow.DataType:
        if name in texts:
            return pyarrow.string()
        if name == "incomplete" or name.endswith("_unsure"):
            return pyarrow.bool_()
        return pyarrow.int32() if name in _WHOLE_NUMBERS else pyarrow.float64()

    return pyarrow.schema([(name, type_of(name)) for name in (columns or csv_columns())])


def arrow_table(rows: Iterable[Mapping[str, Any]], columns: Sequence[str] | None = None) -> pyarrow.Table:
    """Rows as one Arrow table; what a row lacks is null.

    Args:
        rows: as ``face_rows`` gives them, or those of a time line.
        columns: of the table; ``csv_columns`` where None.
    """
    import pyarrow

    schema = arrow_schema(columns)
    listed = [{name: _as_text(value) for name, value in row.items()} for row in rows]
    return pyarrow.Table.from_pylist(listed, schema=schema)


def _as_text(value: object) -> object:
    """Texts with bytes of a path that are no text escaped, as in the other formats."""
    return value.encode("utf-8", "backslashreplace").decode("utf-8") if isinstance(value, str) else value


def csv_head(columns: Sequence[str]) -> str:
    """The line of column names with its line end."""
    return csv_piece([dict(zip(columns, columns, strict=True))], columns)


def csv_piece(rows: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> str:
    """Rows as lines of CSV, each with its line end; what a row lacks is empty, and nothing is run as a formula."""
    return "".join(csv_line([csv_cell(row.get(name)) for name in columns]) for row in rows)


def csv_line(cells: Sequence[object]) -> str:
    """Cells as ``csv_cell`` gives them, or as they were read from such a line, as one line with its end."""
    stream = io.StringIO()
    csv.writer(stream, lineterminator=CSV_LINE_END).writerow(cells)
    return stream.getvalue().removesuffix(CSV_LINE_END) + "\n"


def csv_cell(value: object) -> object:
    """A value as CSV shows it: truth in words, and an apostrophe before whatever a spreadsheet would run of a text."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return _FORMULA.sub("'", value) if isinstance(value, str) else value


def face_rows(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A picture as rows by the names of ``csv_columns``: one per face, or one with its ``error`` where it has none."""
    picture = {name: record[name] for name in ("path", "width", "height", "error", "incomplete")}
    if not record["faces"]:
        return [picture]
    return [{**picture, "face": number, **_face_cells(face)} for number, face in enumerate(record["faces"], start=1)]


def _face_cells(face: Mapping[str, Any]) -> dict[str, Any]:
    cells: dict[str, Any] = dict(zip(_LOCATION_COLUMNS, face["box_xyxy"], strict=True))
    cells |= {"score": face["score"], "quality": ";".join(face["quality"])}
    return cells | trait_cells(face)


def trait_cells(face: Mapping[str, Any]) -> dict[str, Any]:
    """The cells of ``trait_columns`` for the traits that ``face`` has, as ``FaceTraits.to_dict`` gives them."""
    cells: dict[str, Any] = {}
    for key in (*TRAITS, *(sums.key for sums in _all_sums())):
        answer = face.get(key)
        if answer is None:
            continue
        if "years" in answer:
            values = (answer["years"], *answer["interval"], answer["unsure"], answer["group"])
            cells |= dict(zip(_number_columns(key), values, strict=True))
            continue
        values = (answer["top1"], answer["confidence"], answer["unsure"])
        cells |= dict(zip(_class_columns(key), values, strict=True))
        if key in TRAITS:
            cells |= {f"p_{name}": p for name, p in answer["probabilities"].items()}
    return cells
