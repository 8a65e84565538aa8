"""Parses amounts; ambiguous cells are resolved from the whole column."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from decimal import Decimal
from typing import Final

from facetraits.visitors.sales.text import plain, short
from facetraits.visitors.sales.times import UnreadableError

_NUMBER: Final = re.compile(
    r"(?P<before>[-(]?) ?(?:[^\d\s.,()+-]{1,4}\.?)? ?(?P<inner>[-+]?) ?"
    r"(?P<number>\d[\d.,' ]*|[.,]\d+) ?(?:[^\d\s.,()+-]{1,4}\.?)? ?(?P<after>[-)]?)"
)
_NO_CENTS: Final = re.compile(r"(?<=\d)[.,]-+(?=\D*$)")


class AmountReader:
    """Reads the amounts of one column.

    Args:
        cells: the column, from which it is found whether 1.234 has thousands or decimals.
    """

    def __init__(self, cells: Iterable[str]) -> None:
        marks: Counter[str] = Counter()
        self._amounts: dict[str, Decimal] = {}
        self._example = ""
        for cell, times in Counter(cells).items():
            number = _number(cell)
            if number is None:
                continue
            mark = _decimal_mark(number[1])
            if mark is None:
                self._example = self._example or short(cell)
            elif mark:
                marks[mark] += times
        self._mark = marks.most_common(1)[0][0] if marks else ""

    @property
    def note(self) -> str:
        """A sentence about an assumption, or ""."""
        if self._example and not self._mark:
            return f'Amounts such as "{self._example}" were read with thousands separators, not with decimals.'
        return ""

    def read(self, cell: str) -> Decimal:
        """The amount; negative for a refund.

        Raises:
            UnreadableError: it is no amount.
        """
        if cell not in self._amounts:
            self._amounts[cell] = self._read(cell)
        return self._amounts[cell]

    def _read(self, cell: str) -> Decimal:
        found = _number(cell)
        if found is None:
            raise UnreadableError(f'"{short(cell)}" is no amount')
        negative, number = found
        mark = _decimal_mark(number)
        if mark is None:
            only = "." if "." in number else ","
            mark = only if only == self._mark else ""
        whole, _, cents = number.rpartition(mark) if mark else (number, "", "")
        digits = re.sub(r"[.,]", "", whole)
        amount = Decimal(f"{digits or '0'}.{cents or '0'}")
        return -amount if negative else amount


def _number(cell: str) -> tuple[bool, str] | None:
    """Whether the amount is negative, and its digits with points and commas only."""
    text = _NO_CENTS.sub("", plain(cell).replace("’", "'"))
    found = _NUMBER.fullmatch(text)
    if found is None or (found["before"] == "(") != (found["after"] == ")"):
        return None
    number = re.sub(r"[' ]", "", found["number"]).rstrip(".,")
    if not number:
        return None
    return bool(found["before"] or found["inner"] == "-" or found["after"]), number


def _decimal_mark(number: str) -> str | None:
    """The mark before the decimals, "" if there are none; None where 1.234 may have either."""
    marks = [sign for sign in number if sign in ".,"]
    if len(set(marks)) == 2:
        return marks[-1] if marks.count(marks[-1]) == 1 else ""
    if len(marks) != 1:
        return ""
    whole, _, decimals = number.partition(marks[0])
    may_be_thousands = len(decimals) == 3 and 1 <= len(whole) <= 3 and not whole.startswith("0")
    return None if may_be_thousands else marks[0]
