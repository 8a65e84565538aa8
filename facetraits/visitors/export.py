"""Export of visits: CSV for spreadsheets, Parquet for programs."""

from __future__ import annotations

import io
from datetime import tzinfo
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from facetraits.tables import CSV_LINE_END, csv_cell

_TIMES: Final = ("started", "sold_at")
_FLAGS: Final = ("sale_guessed", "ended", "corrected")
_COUNTS: Final = ("entries", "exits")
_DECIMALS: Final = {"duration_s": 1, "age": 1, "basket": 2} | {
    f"{trait}_confidence": 4 for trait in ("age", "gender", "ethnicity", "mood")
}


def to_csv(frame: pd.DataFrame, zone: tzinfo) -> bytes:
    """The visits as CSV in UTF-8 with a byte order mark, which spreadsheets need to see that it is UTF-8.

    Times are ISO 8601 on the clocks of ``zone`` with their offset, to the second. Texts that look like formulas get an
    apostrophe. An empty cell means unknown.

    Args:
        frame: visits, as of ``VisitStore.frame()``.
        zone: in which times are written.
    """
    cells = frame.copy(deep=False)
    for name in _TIMES:
        cells[name] = _iso(frame[name], zone)
    for name in _FLAGS:
        cells[name] = np.where(frame[name].to_numpy(dtype=bool), "true", "false")
    for name in _COUNTS:
        cells[name] = [None if value is pd.NA else str(value) for value in pd.array(frame[name], dtype="Int64")]
    for name, decimals in _DECIMALS.items():
        cells[name] = _fixed(frame[name], decimals)
    cells["source"] = _unquoted(frame["source"])
    text: str = cells.to_csv(index=False, lineterminator=CSV_LINE_END)
    return text.replace(CSV_LINE_END, "\r\n").encode("utf-8-sig")


def to_parquet(frame: pd.DataFrame) -> bytes:
    """The visits as Parquet, with the types of the columns."""
    stream = io.BytesIO()
    frame.to_parquet(stream, index=False, engine="pyarrow")
    return stream.getvalue()


def _iso(column: Any, zone: tzinfo) -> NDArray[np.object_]:
    """E.g. 2026-05-04T14:05:09+02:00; None where there is no time."""
    utc = pd.to_datetime(column, utc=True).dt.floor("s")
    local = utc.dt.tz_convert(zone).dt.tz_localize(None).to_numpy().astype("datetime64[s]")
    offsets = (local - utc.dt.tz_localize(None).to_numpy().astype("datetime64[s]")).astype(np.int64)
    text: NDArray[np.object_] = np.datetime_as_string(local).astype(object)
    missing = np.isnat(local)
    for offset in np.unique(offsets[~missing]):
        here = (offsets == offset) & ~missing
        text[here] = text[here] + _offset(int(offset))
    text[missing] = None
    return text


def _offset(seconds: int) -> str:
    hours, minutes = divmod(abs(seconds) // 60, 60)
    return f"{'-' if seconds < 0 else '+'}{hours:02}:{minutes:02}"


def _fixed(column: Any, decimals: int) -> list[str | None]:
    values = column.to_numpy(dtype=np.float64, na_value=np.nan)
    return [None if value != value else f"{value:.{decimals}f}" for value in values.tolist()]


def _unquoted(column: Any) -> Any:
    """Names that no spreadsheet runs."""
    names = {name: csv_cell(name) for name in column.unique()}
    return column.astype(object).map(names)
