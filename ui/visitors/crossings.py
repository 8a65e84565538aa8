"""What is said and drawn of crossings of counting lines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from facetraits.visitors.patterns import CrossingRow
from ui.kit.tables import Column, Table, thousands
from ui.visitors.answers import hour_words


def crossings_sentence(hours: Sequence[CrossingRow]) -> str:
    """How many came in and went out, and when most came."""
    entries, exits = sum(row.entries for row in hours), sum(row.exits for row in hours)
    most = max(hours, key=lambda row: row.entries)
    when = f" Most enter from {hour_words(most.hour)}: {most.entries:,}." if entries else ""
    return f"{entries:,} entered and {exits:,} left.{when}"


def crossing_rows(hours: Sequence[CrossingRow], shown: tuple[int, int]) -> list[dict[str, Any]]:
    """For ``visit_charts.crossings_by_hour``.

    Args:
        hours: all.
        shown: first and last hour of the visitors; hours in which somebody leaves are shown too.
    """
    busy = [row.hour for row in hours if row.entries or row.exits]
    first, last = min(shown[0], *busy), max(shown[1], *busy)
    return [
        {
            "hour": row.hour,
            "way": way,
            "n": n,
            "said": f"{hour_words(row.hour)}: {row.entries:,} entered, {row.exits:,} left",
        }
        for row in hours[first : last + 1]
        for way, n in (("entered", row.entries), ("left", row.exits))
    ]


def crossings_table(hours: Sequence[CrossingRow]) -> Table:
    """A row per hour in which somebody crossed."""
    columns = (Column("Hour"), Column("Entered", thousands), Column("Left", thousands))
    body = tuple((hour_words(row.hour), row.entries, row.exits) for row in hours if row.entries or row.exits)
    return Table("Entered and left by hour of the day", columns, body)
