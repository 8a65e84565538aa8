"""Results as records, JSON lines and CSV: the contract that docs/conventions.md describes."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from facetraits.types import AnalysisResult

NO_FACE: Final = "no face found"

# The classes of the contract, in its order; what the manifest of the models names must agree.
CLASSES: Final[Mapping[str, tuple[str, ...]]] = {
    "gender": ("male", "female"),
    "ethnicity": ("white", "black", "asian", "indian", "other"),
    "expression": ("neutral", "happy", "surprise", "sad", "angry", "disgust", "fear", "contempt"),
}

_LOCATION_COLUMNS: Final = ("box_x1", "box_y1", "box_x2", "box_y2")
_AGE_COLUMNS: Final = ("age", "age_low", "age_high", "age_unsure", "age_group")
TRAIT_COLUMNS: Final[tuple[str, ...]] = (
    *_AGE_COLUMNS,
    *(
        column
        for trait, classes in CLASSES.items()
        for column in (trait, f"{trait}_confidence", f"{trait}_unsure", *(f"p_{name}" for name in classes))
    ),
    *("mood", "mood_confidence", "mood_unsure"),
)
CSV_COLUMNS: Final[tuple[str, ...]] = (
    *("path", "width", "height", "face", "error", *_LOCATION_COLUMNS, "score", "quality"),
    *TRAIT_COLUMNS,
)

# A spreadsheet takes a cell that begins with one of these for a formula and would run it.
FORMULA_STARTS: Final = ("=", "+", "-", "@", "\t", "\r", "\n")


def picture_record(path: str, result: AnalysisResult | None, error: str | None) -> dict[str, Any]:
    """One picture as ``path``, ``width``, ``height``, ``error`` and ``faces``, ready for JSON.

    Args:
        path: the picture's path or file name, as the user gave it.
        result: what was found; None where the picture could not be read.
        error: why the picture could not be read; None where it could.

    Returns:
        An unreadable picture has neither width nor height. A picture without a face has both, and ``NO_FACE`` as its
        error.

    Raises:
        ValueError: not exactly one of ``result`` and ``error`` is given.
    """
    if (result is None) == (error is None):
        raise ValueError("a picture has either a result or an error")
    if result is None:
        return {"path": path, "width": None, "height": None, "error": error, "faces": []}
    found = result.to_dict()
    return {
        "path": path,
        "width": found["width"],
        "height": found["height"],
        "error": None if found["faces"] else NO_FACE,
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
    yield csv_head(CSV_COLUMNS)
    for record in records:
        yield csv_piece(_csv_rows(record), CSV_COLUMNS)


def csv_text(records: Iterable[Mapping[str, Any]]) -> str:
    """The records of ``picture_record`` as one CSV table with the columns ``CSV_COLUMNS``."""
    return "".join(csv_lines(records))


def csv_head(columns: Sequence[str]) -> str:
    """The line of column names with its line end."""
    return csv_piece([dict(zip(columns, columns, strict=True))], columns)


def csv_piece(rows: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> str:
    """Rows as lines of CSV, each with its line end; what a row lacks is empty, and nothing is run as a formula."""
    return "".join(_csv_line({name: _cell(value) for name, value in row.items()}, columns) for row in rows)


def _csv_line(cells: Mapping[str, object], columns: Sequence[str]) -> str:
    stream = io.StringIO()
    # The writer quotes only line ends that its own consist of: with a lone "\n", a "\r" in a path would split the row.
    csv.DictWriter(stream, columns, lineterminator="\r\n").writerow(cells)
    return stream.getvalue().removesuffix("\r\n") + "\n"


def _cell(value: object) -> object:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str) and value.startswith(FORMULA_STARTS):
        return "'" + value
    return value


def _csv_rows(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    picture = {name: record[name] for name in ("path", "width", "height", "error")}
    if not record["faces"]:
        return [picture]
    return [{**picture, "face": number, **_face_cells(face)} for number, face in enumerate(record["faces"], start=1)]


def _face_cells(face: Mapping[str, Any]) -> dict[str, Any]:
    cells: dict[str, Any] = dict(zip(_LOCATION_COLUMNS, face["box_xyxy"], strict=True))
    cells |= {"score": face["score"], "quality": ";".join(face["quality"])}
    return cells | trait_cells(face)


def trait_cells(face: Mapping[str, Any]) -> dict[str, Any]:
    """The cells of ``TRAIT_COLUMNS`` for the traits that ``face`` has, as ``FaceResult.to_dict`` gives them."""
    cells: dict[str, Any] = {}
    if "age" in face:
        age = face["age"]
        cells |= dict(zip(_AGE_COLUMNS, (age["years"], *age["interval"], age["unsure"], age["group"]), strict=True))
    for trait in (*CLASSES, "mood"):
        if trait in face:
            answer = face[trait]
            cells |= {trait: answer["top1"], f"{trait}_confidence": answer["confidence"]}
            cells[f"{trait}_unsure"] = answer["unsure"]
        if trait in face and trait in CLASSES:
            cells |= {f"p_{name}": p for name, p in face[trait]["probabilities"].items()}
    return cells
