"""Visits counted from the columns of their days: by any selection, on the clocks of any time zone.

What is read are rows of ``visit_days``, one for each day, some hundred thousand visits at a time. Each visit is counted
by itself, so that spans of time may begin and end anywhere, and zones may be any number of seconds away from UTC.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, text

from facetraits.visitors.counts import CELLS, Counts
from facetraits.visitors.day_columns import (
    BINS,
    DAY_US,
    KINDS,
    LEFT,
    LINE,
    PAID,
    VISITORS,
    DayColumns,
    read_days,
)
from facetraits.visitors.offsets import Stretch, stretch_from
from facetraits.visitors.visit import OUTCOME_FILTERS, OUTCOMES, VISIT_CLASSES, Outcome, Selection

_FIRST_DAY, _LAST_DAY = np.datetime64("0001-01-01"), np.datetime64("9999-12-31")
_HOUR_US: Final = 3600 * 10**6
_HOURS_OF_WEEK: Final = 7 * 24
_MONDAY: Final = 3 * 24  # hours from a Monday to the beginning of 1970
_TOUCHED: Final = 25  # hours of the clocks that a day in UTC may touch
_FILTERS: Final = len(OUTCOME_FILTERS)
_FAR_S: Final = 2**40  # beyond the calendar
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
# What each outcome filter stands for, as a place in ``OUTCOMES``.
_OUTCOME_OF: Final = tuple(OUTCOMES.index(outcome) for outcome in ("yes", "yes", "no", "unknown"))
_BINS_AT_ONCE: Final = 500_000


def count_visits(connection: Connection, chosen: Selection, zone: tzinfo) -> Counts:
    """Everything that the patterns need.

    Args:
        connection: in a transaction that has not read anything yet.
        chosen: which visits.
        zone: of hours and days.
    """
    _see_one_state(connection)
    tally = _Tally(chosen)
    clock = _Clock(zone)
    for day in read_days(connection, ("times", "bins", "cents", "crossings"), chosen.since, chosen.until):
        for stretch in clock.stretches_of(day.day):
            tally.add(day, _inside(day, chosen, stretch), stretch.offset_s)
    return tally.counts(connection)


def count_outcomes(connection: Connection, chosen: Selection) -> dict[Outcome, int]:
    """How many visits there are with each outcome."""
    _see_one_state(connection)
    visitors = _visitors_of(chosen)
    numbers = np.zeros(VISITORS + 1, dtype=np.int64)
    for day in read_days(connection, _times_for(chosen), chosen.since, chosen.until):
        numbers += np.bincount(_only(visitors[day.kinds], _inside(day, chosen), VISITORS), minlength=VISITORS + 1)
    by_outcome = _by_outcome(numbers[:-1].reshape(-1, _FILTERS).sum(axis=0))
    return {outcome: int(number) for outcome, number in zip(OUTCOMES, by_outcome, strict=True)}


def count_crossings(connection: Connection, chosen: Selection) -> tuple[int, int] | None:
    """How often counting lines were crossed to come in and to go out; None where no visit has seen a line."""
    _see_one_state(connection)
    crossing, found, seen = _crossing(chosen), np.zeros(2, dtype=np.int64), False
    for day in read_days(connection, ("crossings", *_times_for(chosen)), chosen.since, chosen.until):
        assert day.crossings is not None
        if len(day.crossings):
            wanted = _only(crossing[day.kinds], _inside(day, chosen), False)[day.kinds >= LINE]
            found += day.crossings[wanted].sum(axis=0, dtype=np.int64)
            seen |= bool(wanted.any())
    return (int(found[0]), int(found[1])) if seen else None


def count_spans(
    connection: Connection, chosen: Selection, zone: tzinfo, spans: Sequence[tuple[datetime, datetime]]
) -> NDArray[np.int64]:
    """(spans, 3) visits by outcome that began while the clocks of the zone showed these times.

    Args:
        connection: in a transaction that has not read anything yet.
        chosen: which visits; its own span of time does not count.
        zone: of the clocks.
        spans: from the one to before the other, both without a zone.
    """
    _see_one_state(connection)
    found = np.zeros((len(spans), VISITORS + 1), dtype=np.int64)
    chosen = replace(chosen, since=None, until=None)
    visitors, clock = _visitors_of(chosen), _Clock(zone)
    if not spans:
        return np.zeros((0, len(OUTCOMES)), dtype=np.int64)
    bounds = [(_microseconds(since), _microseconds(until)) for since, until in spans]
    # Clocks are less than a day away from UTC.
    since, until = (
        _EPOCH + edge(bound[side] for bound in bounds) * _MICROSECOND + timedelta(days=2 * side - 1)
        for side, edge in enumerate((min, max))
    )
    for day in read_days(connection, ("times",), since, until):
        for stretch in clock.stretches_of(day.day):
            began_us = day.day * DAY_US + stretch.offset_s * 10**6
            some = _only(visitors[day.kinds], _inside(day, chosen, stretch), VISITORS)
            for label, (since_us, until_us) in enumerate(bounds):
                if began_us < until_us and began_us + DAY_US > since_us:
                    there = some[_between(day, since_us - began_us, until_us - began_us)]
                    found[label] += np.bincount(there, minlength=VISITORS + 1)
    return _by_outcome(found[:, :-1].reshape(len(spans), -1, _FILTERS).sum(axis=1))


class _Tally:
    """Counts that grow by a day at a time."""

    def __init__(self, chosen: Selection) -> None:
        self._chosen = chosen
        self._visitors = _visitors_of(chosen)
        self._crossing = _crossing(chosen)
        self._cells = np.zeros((_HOURS_OF_WEEK, VISITORS), dtype=np.int64)
        self._days: dict[int, NDArray[np.int64]] = {}
        self._sources: dict[str, NDArray[np.int64]] = {}
        self._baskets = self._cents = 0
        self._bins = np.zeros(BINS, dtype=np.int64)
        self._waiting: list[NDArray[np.uint16]] = []
        self._number_waiting = 0
        self._crossings = np.zeros((24, 2), dtype=np.int64)
        self._seen_lines = False

    def add(self, day: DayColumns, inside: NDArray[np.bool_] | None, offset_s: int) -> None:
        """Count the visits inside, where the clocks are so far from UTC."""
        assert day.times is not None and day.bins is not None and day.cents is not None and day.crossings is not None
        visitors = _only(self._visitors[day.kinds], inside, VISITORS)
        first_hour, beyond_s = day.day * 24 + offset_s // 3600, offset_s % 3600
        hours = (day.times + beyond_s * 10**6) // _HOUR_US
        hours_here = first_hour + np.arange(_TOUCHED)

        there = np.bincount(hours * (VISITORS + 1) + visitors, minlength=_TOUCHED * (VISITORS + 1))
        there = there.reshape(_TOUCHED, VISITORS + 1)[:, :VISITORS]
        self._cells[(hours_here + _MONDAY) % _HOURS_OF_WEEK] += there
        tomorrow = 24 - first_hour % 24
        for number, some in enumerate((there[:tomorrow], there[tomorrow:]), start=first_hour // 24):
            if some.any():
                _add(self._days, number, some.reshape(-1, _FILTERS).sum(axis=0))

        outcomes = np.where(visitors < VISITORS, visitors % _FILTERS, _FILTERS)
        number = len(day.sources)
        of_sources = np.bincount(day.of_source() * (_FILTERS + 1) + outcomes, minlength=number * (_FILTERS + 1))
        of_sources = of_sources.reshape(number, _FILTERS + 1)[:, :_FILTERS]
        for place in np.flatnonzero(of_sources.any(axis=1)).tolist():
            _add(self._sources, day.sources[place], of_sources[place])

        paid = day.cents[visitors[day.kinds % LINE >= PAID] < VISITORS]
        self._baskets += len(paid)
        self._cents += int(paid.sum())
        self._add_bins(day.bins[visitors < VISITORS])
        if len(day.crossings):
            crossing = day.kinds >= LINE
            wanted = _only(self._crossing[day.kinds], inside, False)[crossing]
            np.add.at(self._crossings, (first_hour + hours[crossing][wanted]) % 24, day.crossings[wanted])
            self._seen_lines |= bool(wanted.any())

    def counts(self, connection: Connection) -> Counts:
        """All of them, and the median of the durations."""
        numbers = sorted(self._days)
        dates = np.array(numbers, dtype=np.int64).astype("datetime64[D]")
        if len(dates) and not (dates[0] >= _FIRST_DAY and dates[-1] <= _LAST_DAY):
            raise ValueError("a day is beyond the calendar")
        names = tuple(sorted(self._sources))
        self._add_bins(None)
        return Counts(
            cells=_by_outcome(self._cells.reshape(*CELLS[:-1], _FILTERS)),
            days=dates,
            of_days=_by_outcome(_stacked([self._days[number] for number in numbers])),
            sources=names,
            of_sources=_by_outcome(_stacked([self._sources[name] for name in names])),
            baskets=self._baskets,
            cents=self._cents,
            median_duration_s=_median_duration(connection, self._chosen, self._bins),
            crossings=self._crossings if self._seen_lines else None,
        )

    def _add_bins(self, more: NDArray[np.uint16] | None) -> None:
        """Count them once there are many: there are more bins than visits in a day."""
        if more is not None:
            self._waiting.append(more)
            self._number_waiting += len(more)
        if self._waiting and (more is None or self._number_waiting > _BINS_AT_ONCE):
            self._bins += np.bincount(np.concatenate(self._waiting), minlength=BINS)
            self._waiting, self._number_waiting = [], 0


class _Clock:
    """How far the clocks of a zone are from UTC, asked for one day after the other."""

    def __init__(self, zone: tzinfo) -> None:
        self._zone = zone
        self._stretch = Stretch(0, 0, 0)

    def stretches_of(self, day: int) -> Iterator[Stretch]:
        """The day, cut where the clocks change."""
        at_s, after_s = day * 86_400, (day + 1) * 86_400
        while at_s < after_s:
            if not self._stretch.since_s <= at_s < self._stretch.until_s:
                self._stretch = stretch_from(self._zone, at_s, _FAR_S)
            until_s = min(after_s, self._stretch.until_s)
            yield Stretch(at_s, until_s, self._stretch.offset_s)
            at_s = until_s


def _see_one_state(connection: Connection) -> None:
    """Let all statements of the transaction see the log as it is now; SQLite always does."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))


def _times_for(chosen: Selection) -> tuple[str, ...]:
    """The column that is needed where the selection begins or ends within a day."""
    return () if chosen.since is None and chosen.until is None else ("times",)


def _microseconds(moment: datetime) -> int:
    """Since 1970; of a moment without a zone, on its own clocks."""
    return (moment - (_EPOCH if moment.tzinfo else _EPOCH.replace(tzinfo=None))) // _MICROSECOND


def _inside(day: DayColumns, chosen: Selection, stretch: Stretch | None = None) -> NDArray[np.bool_] | None:
    """(visits,) whether they are of the chosen sources and time; None where all are."""
    since_us, until_us, began_us = 0, DAY_US, day.day * DAY_US
    if stretch is not None:
        since_us, until_us = (at_s * 10**6 - began_us for at_s in stretch[:2])
    if chosen.since is not None:
        since_us = max(since_us, _microseconds(chosen.since) - began_us)
    if chosen.until is not None:
        until_us = min(until_us, _microseconds(chosen.until) - began_us)
    inside = None if since_us <= 0 and until_us >= DAY_US else _between(day, since_us, until_us)
    if chosen.sources is not None:
        wanted = np.repeat([source in chosen.sources for source in day.sources], day.of_sources)
        inside = wanted if inside is None else inside & wanted
    return inside


def _between(day: DayColumns, since_us: int, until_us: int) -> NDArray[np.bool_]:
    assert day.times is not None
    return (day.times >= since_us) & (day.times < until_us)


def _only(values: NDArray[Any], inside: NDArray[np.bool_] | None, other: int) -> NDArray[Any]:
    """The values of the visits inside, and another one for the others."""
    return values if inside is None else np.where(inside, values, values.dtype.type(other))


def _visitors_of(chosen: Selection, leavers: bool = False) -> NDArray[np.int64]:
    """(KINDS,) the visitor that a kind stands for; ``VISITORS`` for one that the filters leave out, or that only left.

    Args:
        chosen: the filters.
        leavers: those who only left count, too.
    """
    visitors = np.arange(KINDS) % LEFT
    there = np.ones(KINDS, dtype=bool) if leavers else np.arange(KINDS) % PAID < LEFT
    listed: tuple[tuple[Sequence[str], Sequence[str] | None, int], ...] = (
        (OUTCOME_FILTERS, chosen.outcomes, 0),
        (VISIT_CLASSES["mood"], chosen.moods, 1),
        (VISIT_CLASSES["gender"], chosen.genders, 1),
        (VISIT_CLASSES["age_group"], chosen.age_groups, 1),
    )
    rest = visitors
    for known, wanted, unknown in listed:
        rest, places = np.divmod(rest, len(known) + unknown)
        if wanted is not None:
            there &= np.isin(places, [place for place, name in enumerate(known) if name in wanted])
    return np.where(there, visitors, VISITORS)


def _crossing(chosen: Selection) -> NDArray[np.bool_]:
    """(KINDS,) whether the crossings of visits of a kind count."""
    crossing: NDArray[np.bool_] = (_visitors_of(chosen, leavers=True) < VISITORS) & (np.arange(KINDS) >= LINE)
    return crossing


def _add(found: dict[Any, NDArray[np.int64]], key: object, more: NDArray[np.int64]) -> None:
    if key in found:
        found[key] += more
    else:
        found[key] = more.copy()


def _stacked(rows: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    return np.array(rows, dtype=np.int64).reshape(len(rows), _FILTERS)


def _by_outcome(by_filter: NDArray[np.int64]) -> NDArray[np.int64]:
    """The last axis, which is of ``OUTCOME_FILTERS``, as one of ``OUTCOMES``."""
    summed = np.zeros((*by_filter.shape[:-1], len(OUTCOMES)), dtype=np.int64)
    for place, outcome in enumerate(_OUTCOME_OF):
        summed[..., outcome] += by_filter[..., place]
    return summed


def _median_duration(connection: Connection, chosen: Selection, bins: NDArray[np.int64]) -> float | None:
    """Exact: the durations in the bins of the median are read, the others are only counted."""
    number, up_to = int(bins.sum()), np.cumsum(bins)
    if not number:
        return None
    ranks = [(number - 1) // 2, number // 2]
    first, last = np.searchsorted(up_to, ranks, side="right")
    visitors, near = _visitors_of(chosen), []
    for day in read_days(connection, ("bins", "durations", *_times_for(chosen)), chosen.since, chosen.until):
        assert day.bins is not None and day.durations is not None
        wanted = (day.bins >= first) & (day.bins <= last)
        wanted &= _only(visitors[day.kinds], _inside(day, chosen), VISITORS) < VISITORS
        near.append(np.unique(day.durations[wanted], return_counts=True))
    durations, numbers = (np.concatenate(parts) for parts in zip(*near, strict=True))
    order = np.argsort(durations)
    places = np.searchsorted(np.cumsum(numbers[order]), [rank - up_to[first] + bins[first] for rank in ranks], "right")
    return float(np.mean(durations[order][places]))
