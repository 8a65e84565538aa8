"""Visits as rows of an editable table, and the effect of an edited cell on a visit."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal, InvalidOperation
from typing import Any, Final
from zoneinfo import ZoneInfo

import pandas as pd

from facetraits.types import whole_years
from facetraits.visitors.visit import CONFIDENCE_OF, OUTCOMES, VISIT_CLASSES, Visit, VisitTrait, checked_basket
from ui.visitors.marking import tap_label

DELETE: Final = "Delete"
BOUGHT: Final = "Bought"
BASKET: Final = "Basket"
SALE: Final = "Sale"
TAP: Final = "Mark"
# Title of the column of each trait that can be put right.
TRAIT_COLUMNS: Final[Mapping[str, VisitTrait]] = {
    "Age group": "age_group",
    "Gender": "gender",
    "Ethnicity": "ethnicity",
    "Mood": "mood",
}


def visit_rows(
    visits: Sequence[Visit], zone: ZoneInfo, several_sources: bool, ticked: Collection[int] = ()
) -> pd.DataFrame:
    """A row per visit, with times on the clocks of ``zone``; columns without any value are left out.

    Args:
        visits: from top to bottom.
        zone: of the owner.
        several_sources: whether the source needs a column.
        ticked: rows that are ticked to be deleted.
    """
    columns: dict[str, Any] = {
        "Time": pd.to_datetime([visit.started for visit in visits], utc=True).tz_convert(zone).tz_localize(None),
        TAP: [tap_label(visit) for visit in visits],
        BOUGHT: [visit.bought for visit in visits],
        BASKET: pd.array([None if v.basket is None else float(v.basket) for v in visits], dtype="Float64"),
        SALE: ["" if v.sold_at is None else "guessed" if v.sale_guessed else "from the till" for v in visits],
        **{
            title: [getattr(v, trait) for v in visits] for title, trait in TRAIT_COLUMNS.items() if title != "Ethnicity"
        },
        "Age": pd.array([None if v.age is None else whole_years(v.age) for v in visits], dtype="Int64"),
        "Minutes": [round(visit.duration_s / 60, 1) for visit in visits],
    }
    if not any(columns[SALE]):
        del columns[SALE]
    if any(visit.ethnicity for visit in visits):
        columns["Ethnicity"] = [visit.ethnicity for visit in visits]
    if several_sources:
        columns["Source"] = [visit.source for visit in visits]
    columns[DELETE] = [place in ticked for place in range(len(visits))]
    return pd.DataFrame(columns)


def edited(visit: Visit, changes: Mapping[str, Any]) -> Visit:
    """The visit with changed cells.

    A trait entered by hand has no confidence, and an age group entered by hand has no years. A basket marks the visitor
    as a buyer, unless the same edit says otherwise. Only buyers have a basket and a time of sale.

    Args:
        visit: as it is in the log.
        changes: title of a column to the value that the table holds.

    Raises:
        ValueError: a value is invalid; the message is one sentence for the owner.
    """
    for title, value in changes.items():
        if title in TRAIT_COLUMNS:
            visit = _with_trait(visit, TRAIT_COLUMNS[title], value)
    if BASKET in changes:
        amount = _amount(changes[BASKET])
        if amount is not None and visit.bought != "yes" and BOUGHT not in changes:
            visit = replace(visit, bought="yes")
        visit = replace(visit, basket=amount)
    if BOUGHT in changes:
        bought = changes[BOUGHT] or "unknown"
        if bought not in OUTCOMES:
            raise ValueError(f"“{bought}” is not one of {', '.join(OUTCOMES)}.")
        if bought != "yes" and changes.get(BASKET) is not None:
            raise ValueError("A visitor who did not buy cannot have a basket: clear the basket, or set Bought to yes.")
        visit = replace(visit, bought=bought)
    if visit.bought != "yes":
        visit = replace(visit, basket=None, sold_at=None, sale_guessed=False)
    return visit


def shows(cells: Mapping[str, Any], visit: Visit) -> bool:
    """Whether the cells of a row (column title to value) match the visit."""
    stored: dict[str, Any] = {title: getattr(visit, trait) for title, trait in TRAIT_COLUMNS.items()}
    stored |= {BOUGHT: visit.bought, BASKET: None if visit.basket is None else float(visit.basket)}
    return all(stored[title] == (None if value == "" else value) for title, value in cells.items())


def _with_trait(visit: Visit, trait: VisitTrait, value: Any) -> Visit:
    if value == "":
        value = None
    if value is not None and value not in VISIT_CLASSES[trait]:
        raise ValueError(f"“{value}” is not one of {', '.join(VISIT_CLASSES[trait])}.")
    if value == getattr(visit, trait):
        return visit
    changes: dict[str, Any] = {trait: value, CONFIDENCE_OF[trait]: None, "corrected": True}
    if trait == "age_group":
        changes["age"] = None
    return replace(visit, **changes)


def _amount(value: Any) -> Decimal | None:
    if value is None or value == "":
        return None
    try:
        return checked_basket(Decimal(str(value)))
    except (InvalidOperation, ValueError):
        raise ValueError(f"“{value}” is not a valid basket: enter an amount of 0 or more.") from None
