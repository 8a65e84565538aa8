"""Merges the lines of each receipt into one sale, and subtracts refunds from their sales."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Final, NamedTuple

_ONE_SALE: Final = timedelta(minutes=10)
# Receipt numbers restart every day. A number that repeats sooner is something else, such as the number of a till.
_ANEW: Final = timedelta(hours=12)
_SEVERAL_RECEIPTS: Final = 2
_MANY_LINES: Final = 3


class Line(NamedTuple):
    """One line of the export.

    Attributes:
        number: of the line, the first is 1.
        time: aware, in UTC.
        amount: None where the line has none; what a refund gives back is negative.
        receipt: its number, or "".
        original: number of the receipt that a refund belongs to, or "".
    """

    number: int
    time: datetime
    amount: Decimal | None
    receipt: str
    original: str = ""


def merge_receipts(lines: Sequence[Line], names_totals: bool) -> tuple[list[Line], str]:
    """Merge the lines of each receipt into one sale, at the earliest of their times.

    Lines belong together where they have the same number of a receipt, within ten minutes. Either every one of them
    repeats the receipt's total, or each has the price of one article, which are added.

    Args:
        lines: of the file.
        names_totals: the name of the column of amounts says that they are totals.

    Returns:
        The sales, and a note if any lines were made one.
    """
    numbers = [line.receipt for line in lines if line.receipt]
    if len(set(numbers)) == len(numbers):
        return list(lines), ""
    receipts = list(_receipts(lines))
    several = [receipt for receipt in receipts if len(receipt) > 1]
    if not several:
        return list(lines), ""
    totals = all(_is_repeated(receipt) for receipt in several) and (
        names_totals or sum(len(receipt) >= _MANY_LINES for receipt in several) >= _SEVERAL_RECEIPTS
    )
    sales = []
    for receipt in receipts:
        known = [line.amount for line in receipt if line.amount is not None]
        amount = (known[0] if totals else sum(known, Decimal(0))) if known else None
        sales.append(receipt[0]._replace(amount=amount))
    at_once = all(line.time == receipt[0].time for receipt in several for line in receipt)
    which = "and time" if at_once else "within 10 minutes"
    how = "each line repeats its total" if totals else "with the sum of their amounts"
    return sales, f"Lines with the same receipt number {which} were merged into one sale, {how}."


def apply_refunds(sales: Sequence[Line], refunds: Sequence[Line]) -> tuple[list[Line], list[tuple[int, str]]]:
    """Subtract refunds from the sales that they refer to.

    A refund names its sale by the number of the original receipt, else by its own, which counts only where no number
    comes again in the file: tills that begin anew every day give it to somebody else.

    Args:
        sales: one each; amounts are not negative.
        refunds: lines that give money back; without an amount they give back all.

    Returns:
        The sales of which something is left, and number and reason of every line that is no sale.
    """
    if not refunds:
        return list(sales), []
    left = {sale.number: sale for sale in sales}
    by_receipt: dict[str, list[Line]] = {}
    for sale in sales:
        if sale.receipt:
            by_receipt.setdefault(sale.receipt, []).append(sale)
    come_again = any(len(same) > 1 for same in by_receipt.values())
    skipped: list[tuple[int, str]] = []
    for refund in refunds:
        named = refund.original or ("" if come_again else refund.receipt)
        before = [sale for sale in by_receipt.get(named, ()) if sale.time <= refund.time and sale.number in left]
        if not before:
            skipped.append((refund.number, "a refund"))
            continue
        sale = left[max(before, key=lambda line: line.time).number]
        rest = Decimal(0) if refund.amount is None or sale.amount is None else sale.amount - abs(refund.amount)
        if rest > 0:
            left[sale.number] = sale._replace(amount=rest)
            skipped.append((refund.number, f"a refund, subtracted from the sale of line {sale.number}"))
        else:
            del left[sale.number]
            skipped.append((refund.number, f"a refund of the sale of line {sale.number}"))
            skipped.append((sale.number, f"refunded in line {refund.number}"))
    return list(left.values()), skipped


def _is_repeated(receipt: Sequence[Line]) -> bool:
    amounts = {line.amount for line in receipt}
    return len(amounts) == 1 and None not in amounts


def _receipts(lines: Iterable[Line]) -> Iterable[list[Line]]:
    """The lines of each receipt by time; a line without a number is a receipt of its own."""
    by_number: dict[object, list[Line]] = {}
    for line in lines:
        by_number.setdefault(line.receipt or line.number, []).append(line)
    for same in by_number.values():
        same.sort(key=lambda line: (line.time, line.number))
        found = _parts(same, _ONE_SALE)
        starts = [part[0].time for part in found]
        if any(later - earlier < _ANEW for earlier, later in pairwise(starts)):
            found = _parts(same, timedelta(0))
        yield from found


def _parts(lines: Iterable[Line], longest: timedelta) -> list[list[Line]]:
    parts: list[list[Line]] = []
    for line in lines:
        if parts and line.time - parts[-1][0].time <= longest:
            parts[-1].append(line)
        else:
            parts.append([line])
    return parts
