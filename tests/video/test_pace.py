"""Rests, rates and growing pauses."""

import pytest

from facetraits.video.pace import BackOff, Pace, RateCounter


def test_a_worker_rests_half_of_what_an_analysis_took_and_is_no_faster_than_helps():
    pace = Pace(0.1)
    assert pace.rest_after(0.02) == pytest.approx(0.08)
    assert pace.rest_after(0.4) == pytest.approx(0.2)


def test_a_single_failure_is_nobodys_business_and_a_row_of_them_is_told_once():
    pace = Pace(0.1)
    told = []
    for _ in range(4):
        assert pace.failed() == 0.5
        told.append((pace.failing, pace.begins_to_fail))
    assert told == [(False, False), (True, True), (True, False), (True, False)]
    pace.succeeded()
    assert (pace.failing, pace.failures) == (False, 4)


def test_a_rate_is_that_of_the_last_seconds():
    rate = RateCounter(100.0)
    for i in range(20):
        rate.count(100.0 + i * 0.1)
    assert rate.per_second(102.0) == pytest.approx(10)
    assert rate.per_second(104.0) == pytest.approx(10 / 3, abs=0.4)
    assert (rate.per_second(110.0), rate.total, rate.last_s) == (0, 20, pytest.approx(101.9))


def test_pauses_grow_to_half_a_minute_and_begin_anew():
    back_off = BackOff()
    assert [back_off.next_pause_s() for _ in range(7)] == [1, 2, 4, 8, 16, 30, 30]
    back_off.reset()
    assert back_off.next_pause_s() == 1
