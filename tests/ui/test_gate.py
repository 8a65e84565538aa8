"""Places for streams: a limit, and no place that stays taken."""

from __future__ import annotations

import gc

import pytest

from facetraits.video.live import LiveAnalysis
from tests.video.test_live import Scripted, frame
from ui.live import gate
from ui.live.gate import Viewers


def analysis() -> LiveAnalysis:
    return LiveAnalysis(Scripted())


def test_one_too_many_is_turned_away_until_somebody_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    places = Viewers()
    first, second, third = analysis(), analysis(), analysis()

    assert places.enter(first, 2) and places.enter(second, 2)
    assert not places.enter(third, 2)
    assert places.full(third, 2)
    assert not places.full(first, 2), "who has a place keeps it"
    assert places.enter(first, 2), "starting again needs no second place"

    monkeypatch.setattr(gate, "_CONNECTING_S", 0.0)  # neither of the two ever sent a frame
    assert places.enter(third, 2)


def test_place_is_kept_while_frames_come_and_free_when_they_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate, "_CONNECTING_S", 0.0)
    places = Viewers()
    first, second = analysis(), analysis()
    assert places.enter(first, 1)

    first.add_frame(frame())
    assert places.full(second, 1)

    first.end()
    assert not places.full(second, 1)


def test_visitor_who_vanished_takes_no_place() -> None:
    places = Viewers()
    gone = analysis()
    assert places.enter(gone, 1)

    del gone
    gc.collect()

    assert places.enter(analysis(), 1)


def test_place_that_is_given_back_is_free_at_once() -> None:
    places = Viewers()
    first, second = analysis(), analysis()
    assert places.enter(first, 1)
    assert not places.enter(second, 1)

    places.leave(first)
    places.leave(first)

    assert places.enter(second, 1)
