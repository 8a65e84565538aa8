"""Tables that a page shows and offers as CSV."""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from typing import Any, Final, NamedTuple

from facetraits.tables import csv_cell, csv_line

_SHORT: Final = 24


class Column(NamedTuple):
    """Of a table: its title, and how its values are written for people."""

    title: str
    written: Callable[[Any], str] = str


class Table(NamedTuple):
    """Numbers that are shown as HTML and taken home as CSV.

    Attributes:
        caption: what the table holds.
        columns: the first one names the rows.
        rows: bare values, None for what does not exist.
    """

    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Any, ...], ...]

    def to_html(self) -> str:
        """With heads that screen readers announce; a wide one scrolls by itself."""
        head = "".join(f"<th scope='col'>{escape(column.title)}</th>" for column in self.columns)
        body = "".join(self._html_row(row) for row in self.rows)
        return (
            f"<div class='ft-table' tabindex='0' role='region' aria-label='{escape(self.caption, quote=True)}'>"
            f"<table><caption>{escape(self.caption)}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody>"
            "</table></div>"
        )

    def _html_row(self, row: tuple[Any, ...]) -> str:
        cells = []
        for index, (column, value) in enumerate(zip(self.columns, row, strict=True)):
            text = escape("–" if value is None else column.written(value))
            # A short name stays on one line; numbers stand below each other.
            shape = "ft-cell" if isinstance(value, int | float) or len(text) < _SHORT else "ft-long"
            cell = f"<td class='{shape}'>{text}</td>" if index else f"<th scope='row' class='{shape}'>{text}</th>"
            cells.append(cell)
        return f"<tr>{''.join(cells)}</tr>"

    def to_csv(self) -> bytes:
        """Bare values with titles; encoded so that spreadsheets read every letter."""
        rows: list[list[Any]] = [[column.title for column in self.columns]]
        rows += [[round(value, 6) if isinstance(value, float) else value for value in row] for row in self.rows]
        lines = [csv_line([csv_cell(value) for value in row]) for row in rows]
        return "".join(line.removesuffix("\n") + "\r\n" for line in lines).encode("utf-8-sig")


def percent(value: float) -> str:
    """A share, to a tenth of a percent."""
    return f"{value:.1%}"


def thousands(value: int) -> str:
    """A count."""
    return f"{value:,}"


def years(value: float) -> str:
    """A number of years, to a hundredth."""
    return f"{value:.2f}"


def share(part: float, whole: float) -> float:
    """Their quotient; 0 of nothing is 0."""
    return part / whole if whole else 0.0


def code_words(commit: str) -> str:
    """The version of the code, short; says so where it had changes that were not committed."""
    short = commit.removesuffix("-dirty")[:7]
    return (f"{short} with later changes" if commit.endswith("-dirty") else short) or "of an unknown version"
