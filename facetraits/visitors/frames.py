"""Visits as a table for calculations: read straight from the database, because a visit at a time takes seconds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import (
    BigInteger,
    Boolean,
    ColumnElement,
    Connection,
    Float,
    Integer,
    String,
    Uuid,
    case,
    cast,
    extract,
    func,
    select,
    type_coerce,
)

from facetraits.visitors.schema import Money, UtcDateTime, visits
from facetraits.visitors.visit import LARGEST_BASKET, OUTCOMES, VISIT_CLASSES

if TYPE_CHECKING:
    import pandas as pd

_CLASSES: Final = {**{str(trait): classes for trait, classes in VISIT_CLASSES.items()}, "bought": tuple(OUTCOMES)}
_WRITTEN_TIME: Final = "????-??-?? ??:??:??.??????".replace("?", "[0-9]")  # how SQLAlchemy has SQLite keep a time
# First place and length of the parts of an identifier, 32 digits that SQLite keeps without the dashes.
_PARTS_OF_ID: Final = ((1, 8), (9, 4), (13, 4), (17, 4), (21, 12))


def visits_frame(connection: Connection, conditions: Sequence[ColumnElement[bool]]) -> pd.DataFrame:
    """One row per visit, the oldest first.

    Returns:
        The fields of ``Visit`` in these columns: ``id`` as text, ``started`` and ``sold_at`` as datetime64 in UTC (NaT:
        none), ``source``, traits and ``bought`` as category (NaN: none; the categories of traits and ``bought`` are all
        their classes in order), confidences, ``duration_s`` in seconds, ``age`` in years and ``basket`` as float (NaN:
        none), ``sale_guessed``, ``ended`` and ``corrected`` as bool, ``entries`` and ``exits`` as Int64 (NA:
        no line).

    Raises:
        ValueError, TypeError: a row is not a valid visit.
    """
    # Imported here: it takes half a second and 60 MB, which a program that only counts does not need.
    import pandas as pd

    columns = [plain(column, connection.dialect.name) for column in visits.c]
    statement = select(*columns).where(*conditions).order_by(visits.c.started, visits.c.id)
    row = np.dtype([(column.name, _kept_as(column)) for column in visits.c])
    # Row by row into numbers: a list of all rows would be hundreds of megabytes of objects for a moment.
    rows: Any = connection.execute(statement).cursor
    cells = np.fromiter(rows, dtype=row)
    _check(cells)
    return pd.DataFrame({column.name: _typed(column, cells[column.name], pd) for column in visits.c})


def check_counted(cells: NDArray[Any]) -> None:
    """Raise ``ValueError`` if this program wrote no such row; of what visits are counted by."""
    texts = all(type(text) is str for text in cells["source"])
    lasting = (cells["duration_s"] >= 0) & np.isfinite(cells["duration_s"])
    paid = cells["basket"]
    wrong = (paid < 0) | (paid > float(LARGEST_BASKET)) | (cells["bought"] < 0)
    wrong |= (cells["entries"] < 0) | (cells["exits"] < 0)
    if not (texts and _dated(cells["started"]) and lasting.all()) or np.isnat(cells["started"]).any() or wrong.any():
        raise ValueError("a row is no visit")


def _check(cells: NDArray[Any]) -> None:
    """Raise ``ValueError`` if a row was not written by this program."""
    check_counted(cells)
    texts = all(type(text) is str for text in cells["id"])
    years_old = cells["age"]
    if not (texts and _dated(cells["sold_at"])) or ((years_old < 0) | np.isinf(years_old)).any():
        raise ValueError("a row is no visit")


def _dated(moments: NDArray[np.datetime64]) -> bool:
    """None is beyond the calendar."""
    years = moments[~np.isnat(moments)].astype("datetime64[Y]").astype(int) + 1970
    return bool(((years >= 1) & (years <= 9999)).all())


def plain(column: ColumnElement[Any], dialect: str) -> ColumnElement[Any]:
    """The column as the database hands it out without work for Python."""
    kind = column.type
    if column.name in _CLASSES:
        return case({name: code for code, name in enumerate(_CLASSES[column.name])}, value=column, else_=-1)
    if dialect == "sqlite":
        text = type_coerce(column, String)
        if isinstance(kind, Uuid):
            parts = [func.substr(text, *part) for part in _PARTS_OF_ID]
            return parts[0] + "-" + parts[1] + "-" + parts[2] + "-" + parts[3] + "-" + parts[4]
        if isinstance(kind, UtcDateTime):  # NumPy reads more than that, and warns of some
            return case((column.is_(None) | text.op("GLOB")(_WRITTEN_TIME), text), else_="no time")
        return text
    if isinstance(kind, UtcDateTime):
        return cast(extract("epoch", column) * 1_000_000, BigInteger)
    if isinstance(kind, Uuid):
        return cast(column, String)
    return cast(column, Float(53)) if isinstance(kind, Money) else column


def _kept_as(column: ColumnElement[Any]) -> str:
    kind = column.type
    if isinstance(kind, UtcDateTime):
        return "datetime64[us]"
    if isinstance(kind, Boolean):
        return "bool"
    if column.name in _CLASSES:
        return "int8"
    return "float64" if isinstance(kind, Float | Money | Integer) else "object"


def _typed(column: ColumnElement[Any], cells: NDArray[Any], pd: Any) -> Any:
    if isinstance(column.type, UtcDateTime):
        return pd.Series(cells).dt.tz_localize("UTC")
    if isinstance(column.type, Integer):
        return pd.array(cells, dtype="Int64")
    if column.name in _CLASSES:
        return pd.Categorical.from_codes(cells, categories=list(_CLASSES[column.name]))
    if cells.dtype == object:
        return pd.Series(cells, dtype="category" if column.name == "source" else "str")
    return cells
