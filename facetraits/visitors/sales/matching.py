"""Matches sales with visits: the best assignment by time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final, NamedTuple
from uuid import UUID

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from facetraits.visitors.sales.certainty import Certainty, certainties

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LARGEST: Final = 2**62
_EARLIER: Final = 2


class Sale(NamedTuple):
    """One purchase at the till.

    Attributes:
        time: aware, in UTC.
        amount: what was paid, > 0, two decimal places; None where the file does not say.
        line: in the file, the first is 1.
    """

    time: datetime
    amount: Decimal | None
    line: int


@dataclass(frozen=True, slots=True)
class MatchRule:
    """How a visit and its sale lie in time.

    Attributes:
        longest_s: a sale comes at most so long after the visitor came into view, in seconds, > 0.
        typical_s: usual time from coming into view to paying, in seconds, 0 to ``longest_s``.
    """

    longest_s: float = 3600
    typical_s: float = 600

    def __post_init__(self) -> None:
        if not 0 < self.longest_s <= 86_400:
            raise ValueError(f"longest_s must lie above 0 and be at most a day, got {self.longest_s}")
        if not 0 <= self.typical_s <= self.longest_s:
            raise ValueError(f"typical_s must lie between 0 and longest_s, got {self.typical_s}")


@dataclass(frozen=True, slots=True)
class Matching:
    """The result of matching the sales of a file with visits.

    Attributes:
        pairs: id of a visit and the sale that it is matched with.
        unmatched: sales for which there is no visit.
        known: sales that a visit has already, from an earlier import.
        others: ids of visits with unknown outcome and no sale, although they would have paid within the file's period.
        certainty: how sure each of ``pairs`` is.
    """

    pairs: tuple[tuple[UUID, Sale], ...]
    unmatched: tuple[Sale, ...]
    known: tuple[Sale, ...]
    others: tuple[UUID, ...]
    certainty: tuple[Certainty, ...]

    @property
    def guessed(self) -> frozenset[UUID]:
        """Ids of the visits whose sale may be somebody else's."""
        return frozenset(visit for (visit, _), how in zip(self.pairs, self.certainty, strict=True) if how == "guessed")

    def without_guesses(self) -> Matching:
        """The matches without guesses; visits of guessed matches keep their outcome."""
        kept = [pair for pair, how in zip(self.pairs, self.certainty, strict=True) if how != "guessed"]
        guessed = [sale for (_, sale), how in zip(self.pairs, self.certainty, strict=True) if how == "guessed"]
        return replace(
            self,
            pairs=tuple(kept),
            unmatched=tuple(sorted((*self.unmatched, *guessed), key=lambda sale: (sale.time, sale.line))),
            certainty=tuple(how for how in self.certainty if how != "guessed"),
        )


def match_sales(sales: Sequence[Sale], visits: pd.DataFrame, rule: MatchRule) -> Matching:
    """The best assignment of sales to visits in time.

    A sale can belong to a visit that began at most ``longest_s`` before it, that has no sale yet, and of which nobody
    said that nothing was bought; an earlier import that marked its ``others`` said so, too. No visit gets two. Of all
    such assignments one is taken that has, in this order, as many sales as possible, as many visits as possible that
    were marked as buyers already, and the smallest sum of the distances of (sale - coming into view) from
    ``typical_s``. It is exact, to the millisecond.

    A sale is known where a visit has its time and amount (its time, if it has no amount). Where a visit marked by hand
    has a basket and the sale no amount, the sale takes the basket's, so that nothing is lost.

    How sure each match is, ``certainties`` says; sales that are far from every visit are matches, too, until
    ``Matching.without_guesses`` takes these away.

    ``others`` are visits whose typical time of paying lies between the first and the last sale: for these the file
    would have their sale.

    Args:
        sales: in any order.
        visits: as of ``VisitStore.frame()``.
        rule: how a visit and its sale lie in time.
    """
    known, new = _split_known(sorted(sales, key=lambda sale: (sale.time, sale.line)), visits)
    started, bought = _milliseconds(visits["started"]), visits["bought"].astype(object).to_numpy()
    free = visits["sold_at"].isna().to_numpy(dtype=bool) & (bought != "no")
    eligible = _eligible(started, free)
    times = np.array([_to_milliseconds(sale.time) for sale in new], dtype=np.int64)
    longest, typical = round(rule.longest_s * 1000), round(rule.typical_s * 1000)
    chosen = assign(times, started[eligible], (bought == "yes")[eligible], longest, typical)
    # The place -1 finds the row that is added for it.
    rows = np.append(eligible, -1)[chosen].tolist()
    ids, baskets = visits["id"].to_numpy(dtype=object), visits["basket"].to_numpy(dtype=np.float64, na_value=np.nan)
    pairs = [(row, sale) for row, sale in zip(rows, new, strict=True) if row >= 0]
    idle = free & (bought != "yes") & _within(sales, started, rule)
    idle[[row for row, _ in pairs]] = False
    return Matching(
        pairs=tuple((UUID(ids[row]), _with_amount(sale, baskets[row])) for row, sale in pairs),
        unmatched=tuple(sale for row, sale in zip(rows, new, strict=True) if row < 0),
        known=known,
        others=tuple(map(UUID, ids[idle])),
        certainty=certainties(times[chosen >= 0], chosen[chosen >= 0].tolist(), started[eligible], longest, typical),
    )


def _eligible(started: NDArray[np.int64], free: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Rows of the visits that a sale may be given to, by time."""
    eligible = np.flatnonzero(free)
    return eligible[np.argsort(started[eligible], kind="stable")]


def _within(sales: Sequence[Sale], started: NDArray[np.int64], rule: MatchRule) -> NDArray[np.bool_]:
    """(visits,) their typical time of paying lies between the first and the last sale."""
    if not sales:
        return np.zeros(len(started), dtype=bool)
    times = [_to_milliseconds(sale.time) for sale in sales]
    pays = started + round(rule.typical_s * 1000)
    return (pays >= min(times)) & (pays <= max(times))


def assign(
    sales: NDArray[np.int64], visits: NDArray[np.int64], marked: NDArray[np.bool_], longest: int, typical: int
) -> NDArray[np.int64]:
    """(sales,) the place of the visit that each sale is assigned to, -1 where there is none; see ``match_sales``.

    All windows are equally long and the cost of a pair is convex in the time between, so that among the best
    assignments there is one that keeps the order: the earlier of two sales has the earlier of their visits. That one
    is found by dynamic programming over sales and the visits in their windows.

    Args:
        sales: (sales,) times in ms, ascending.
        visits: (visits,) times in ms, ascending.
        marked: (visits,) these are preferred.
        longest, typical: in ms.
    """
    low = np.searchsorted(visits, sales - longest, side="left")
    high = np.searchsorted(visits, sales, side="right")
    chosen = np.full(len(sales), -1, dtype=np.int64)
    for first, after in _blocks(low, high):
        block = slice(first, after)
        chosen[block] = _assign_block(sales[block], low[block], high[block], visits, marked, longest, typical)
    return chosen


def _blocks(low: NDArray[np.int64], high: NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    """Runs of sales that share no visit with the sales before and after."""
    if len(low):
        starts = [0, *(np.flatnonzero(low[1:] >= high[:-1]) + 1).tolist()]
        yield from zip(starts, [*starts[1:], len(low)], strict=True)


def _assign_block(
    sales: NDArray[np.int64],
    low: NDArray[np.int64],
    high: NDArray[np.int64],
    visits: NDArray[np.int64],
    marked: NDArray[np.bool_],
    longest: int,
    typical: int,
) -> NDArray[np.int64]:
    # One unmarked visit costs more than all distances together, one sale without visit more than all of both. Sums of
    # some ten thousand connected sales would not fit into 64 bits in ms: their distances are rounded.
    n = len(sales)
    unit = 1 + (n + 1) ** 2 * n * (longest + 1) // _LARGEST
    not_marked = n * (longest // unit + 1) + 1
    left_over = (n + 1) * not_marked
    # best[k]: cheapest way to place the sales so far among the visits before low + k.
    best = np.zeros(1, dtype=np.int64)
    steps: list[NDArray[np.int8]] = []
    before = int(low[0])
    for sale, first, after in zip(sales.tolist(), low.tolist(), high.tolist(), strict=True):
        best = best[np.minimum(np.arange(first, after + 1) - before, len(best) - 1)]
        window = slice(first, after)
        cost = np.abs(sale - visits[window] - typical) // unit + np.where(marked[window], 0, not_marked)
        without = best + left_over
        placed = best[:-1] + cost
        step = np.zeros(after - first + 1, dtype=np.int8)
        step[1:] = placed < without[1:]
        np.minimum(without[1:], placed, out=without[1:])
        best = np.minimum.accumulate(without)
        step[best < without] = _EARLIER
        steps.append(step)
        before = first
    return _trace(steps, low, high)


def _trace(steps: Sequence[NDArray[np.int8]], low: NDArray[np.int64], high: NDArray[np.int64]) -> NDArray[np.int64]:
    """The choices that led to the cheapest end. A step is 0: sale left over, 1: has the last visit, 2: look earlier."""
    chosen = np.full(len(steps), -1, dtype=np.int64)
    visit = int(high[-1])
    for i in reversed(range(len(steps))):
        place = min(visit, int(high[i])) - int(low[i])
        while steps[i][place] == _EARLIER:
            place -= 1
        visit = int(low[i]) + place
        if steps[i][place]:
            visit -= 1
            chosen[i] = visit
    return chosen


# ------------------------------------------------------------------------------------------------------ sales and rows


def _split_known(sales: Sequence[Sale], visits: pd.DataFrame) -> tuple[tuple[Sale, ...], list[Sale]]:
    """Sales that visits have already, one each, and the new ones."""
    sold = visits[visits["sold_at"].notna()]
    at = pd.to_datetime(sold["sold_at"], utc=True).dt.to_pydatetime()
    cents = _cents_of(sold["basket"].to_numpy(dtype=np.float64, na_value=np.nan))
    exact = Counter(zip(at, cents, strict=True))
    by_time = Counter(at)
    known, new = [], []
    for sale in sales:
        key = (sale.time, None if sale.amount is None else int(sale.amount * 100))
        if by_time[sale.time] and (sale.amount is None or exact[key] > 0):
            by_time[sale.time] -= 1
            exact[key] -= 1
            known.append(sale)
        else:
            new.append(sale)
    return tuple(known), new


def _cents_of(baskets: NDArray[np.float64]) -> list[int | None]:
    return [None if basket != basket else round(basket * 100) for basket in baskets.tolist()]


def _with_amount(sale: Sale, basket: float) -> Sale:
    if sale.amount is None and basket == basket:
        return sale._replace(amount=Decimal(round(basket * 100)) / 100)
    return sale


def _milliseconds(column: pd.Series) -> NDArray[np.int64]:
    utc = pd.to_datetime(column, utc=True).dt.tz_localize(None).to_numpy()
    return np.asarray(utc.astype("datetime64[ms]").astype(np.int64))


def _to_milliseconds(time: datetime) -> int:
    return (time - _EPOCH) // timedelta(milliseconds=1)
