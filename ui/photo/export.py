"""Downloads of results, as CSV and JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from facetraits.tables import csv_text, picture_record
from ui.photo.session import Outcome


def records(outcomes: Iterable[tuple[str, Outcome]]) -> list[dict[str, Any]]:
    """One record per (name, outcome), with the keys that the command line writes."""
    return [picture_record(name, outcome.result, outcome.error) for name, outcome in outcomes]


def to_json(outcomes: Iterable[tuple[str, Outcome]]) -> str:
    """All pictures as a JSON array of records."""
    return json.dumps(records(outcomes), ensure_ascii=False, allow_nan=False, indent=2) + "\n"


def to_csv(outcomes: Iterable[tuple[str, Outcome]]) -> bytes:
    """One row per face; encoded so that spreadsheets read every letter of a file's name."""
    return csv_text(records(outcomes)).encode("utf-8-sig")
