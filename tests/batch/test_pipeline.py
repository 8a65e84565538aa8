"""Several items at once, in their order, never more than the bound."""

import threading

import pytest

from facetraits.batch.pipeline import in_order


def test_results_come_in_the_order_of_the_items():
    second_began = threading.Event()

    def work(item):
        if item == 1:
            second_began.set()
        if item == 0:
            assert second_began.wait(60), "two items are in work at once"
        return item * 10

    assert list(in_order(range(20), work, 2)) == [item * 10 for item in range(20)]


def test_nothing():
    assert list(in_order([], str, 3)) == []


def test_no_more_items_are_taken_than_are_needed():
    taken = []

    def items():
        for item in range(100):
            taken.append(item)
            yield item

    results = in_order(items(), str, 2)
    assert taken == []
    assert next(results) == "0"
    assert len(taken) == 4
    assert next(results) == "1"
    assert len(taken) == 5


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_error_comes_in_its_place_and_ends_the_work(error):
    done = []

    def work(item):
        if item == 2:
            raise error
        done.append(item)
        return item

    results = in_order(range(100), work, 2)
    assert [next(results), next(results)] == [0, 1]
    with pytest.raises(error):
        next(results)
    assert len(done) < 10


def test_closing_ends_the_work():
    done = []
    results = in_order(range(100), done.append, 1)
    next(results)
    results.close()
    count = len(done)
    assert count < 10
    assert threading.active_count() >= 1 and len(done) == count
