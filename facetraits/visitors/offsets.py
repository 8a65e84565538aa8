"""Stretches of time in which the clocks of a zone keep the same distance from UTC."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final, NamedTuple

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST_S: Final = -62_135_596_800  # of year 1
_AFTER_S: Final = 253_402_300_800  # the first second after year 9999
_STEP_S: Final = 7 * 86_400  # no zone has changed its clocks twice within a week and gone back
_LONGEST_S: Final = 3653 * 86_400
_MARGIN_S: Final = 86_400  # clocks may be up to a day away from UTC, which must not leave the calendar


class Stretch(NamedTuple):
    """``since_s`` to before ``until_s``, in seconds since 1970; ``offset_s`` is what the clocks add to UTC."""

    since_s: int
    until_s: int
    offset_s: int


def stretch_from(zone: tzinfo, since_s: int, until_s: int) -> Stretch:
    """The stretch that begins at ``since_s``, up to ``until_s`` or ten years at the most."""
    offset_s, before_s = _offset_s(zone, since_s), since_s
    until_s = min(until_s, since_s + _LONGEST_S)
    for seen_s in (*range(since_s + _STEP_S, until_s, _STEP_S), until_s - 1):
        if _offset_s(zone, seen_s) != offset_s:
            return Stretch(since_s, _change(zone, before_s, seen_s), offset_s)
        before_s = seen_s
    return Stretch(since_s, until_s, offset_s)


def _change(zone: tzinfo, before_s: int, after_s: int) -> int:
    """The first second with another offset than ``before_s``."""
    offset_s = _offset_s(zone, before_s)
    while after_s - before_s > 1:
        middle_s = (before_s + after_s) // 2
        if _offset_s(zone, middle_s) == offset_s:
            before_s = middle_s
        else:
            after_s = middle_s
    return after_s


def _offset_s(zone: tzinfo, time_s: int) -> int:
    inside_s = min(max(time_s, _FIRST_S + _MARGIN_S), _AFTER_S - 1 - _MARGIN_S)
    offset = (_EPOCH + timedelta(seconds=inside_s)).astimezone(zone).utcoffset()
    assert offset is not None
    return round(offset.total_seconds())
