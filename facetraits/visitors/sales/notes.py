"""Notes about assumptions made for a sales file, and about possible problems with it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import tzinfo
from typing import Final

from facetraits.visitors.sales.table import Cells, Table
from facetraits.visitors.sales.zones import zone_in_name, zone_words

_CENTS: Final = re.compile(r"\d\d")


def notes_on(cells: Cells, table: Table, home: tzinfo) -> tuple[str, ...]:
    """Sentences on a table; some are "".

    Args:
        cells: of the table.
        table: the columns are known.
        home: the zone of times that name none.
    """
    return _zone_note(table, home), _cents_note(cells, table), _no_amount_note(table), _mended_note(cells.mended)


def _zone_note(table: Table, home: tzinfo) -> str:
    """In which zone times were read, where a name or a column says it; else ""."""
    if table.columns.zone is not None:
        return f'Times were read in the time zones of the column "{table.header[table.columns.zone]}".'
    for place in table.columns.moment:
        if zone := zone_in_name(table.header[place], home):
            return f'Times were read in {zone_words(zone)}, as the column "{table.header[place]}" says.'
    return ""


def _cents_note(cells: Cells, table: Table) -> str:
    """That the next column may hold the cents of the amounts, cut off at a decimal comma; else ""."""
    place = table.columns.amount
    if place is None or table.dialect.delimiter != ",":
        return ""
    behind = [row[place + 1].strip() if place + 1 < len(row) else "" for row in table.first]
    amounts = [cell for cell in cells.columns[place] if cell]
    if not amounts or not all(map(str.isdigit, amounts)) or not all(map(_CENTS.fullmatch, behind)):
        return ""
    return (
        f'Amounts such as "{amounts[0]}" have no cents, and the next cells have two digits each '
        f'("{behind[0]}"): if these are cents, export the file with semicolons between the columns.'
    )


def _no_amount_note(table: Table) -> str:
    """That no amounts were found beside columns of other things; else ""."""
    used = {*table.columns.moment, *table.columns.status, table.columns.receipt, table.columns.zone}
    others = [name for place, name in enumerate(table.header) if place not in used and name]
    if table.columns.amount is not None or not others:
        return ""
    return f"No column was taken for the amount; the file also has: {', '.join(others[:10])}."


def _mended_note(lines: Sequence[int]) -> str:
    """That quotation marks are not closed; else ""."""
    if not lines:
        return ""
    if len(lines) == 1:
        return f"Line {lines[0]} has invalid quotation marks; it was split at every separator."
    return (
        f"{len(lines):,} lines have invalid quotation marks, the first is line {lines[0]}; they were split at every "
        "separator."
    )
