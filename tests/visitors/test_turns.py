from __future__ import annotations

import threading

from facetraits.visitors.turns import Turn, Turns


def started(work: object) -> threading.Thread:
    thread = threading.Thread(target=work, daemon=True)  # type: ignore[arg-type]
    thread.start()
    return thread


def test_who_waits_longest_comes_next() -> None:
    turns = Turns(1)
    first = Turn(turns)
    assert first.take()
    came: list[int] = []
    threads = []
    for number in range(4):
        turn = Turn(turns)

        def work(turn: Turn = turn, number: int = number) -> None:
            turn.take()
            came.append(number)
            turn.give()

        threads.append(started(work))
        while len(turns._waiting) <= number:
            threads[-1].join(0.01)
    first.give()
    for thread in threads:
        thread.join(30)
    assert came == [0, 1, 2, 3]


def test_as_many_at_once_as_there_may_be() -> None:
    turns = Turns(2)
    one, two, three = (Turn(turns) for _ in range(3))
    assert one.take() and two.take()
    came = threading.Event()
    thread = started(lambda: (three.take(), came.set()))
    assert not came.wait(0.05)
    two.give()
    assert came.wait(30)
    thread.join(30)


def test_a_turn_is_taken_and_given_once() -> None:
    turns = Turns(1)
    turn, other = Turn(turns), Turn(turns)
    assert turn.take() and turn.take()
    turn.give()
    turn.give()
    assert other.take()
    blocked = started(turn.take)
    blocked.join(0.05)
    assert blocked.is_alive(), "there is one turn, not two"
    other.give()
    blocked.join(30)


def test_a_stopped_source_waits_no_longer_and_holds_up_nobody() -> None:
    turns = Turns(1)
    first, stopped, last = (Turn(turns) for _ in range(3))
    assert first.take()
    answers: list[bool] = []
    threads = [started(lambda: answers.append(stopped.take()))]
    while not turns._waiting:
        threads[0].join(0.01)
    stopped.cancel()
    threads[0].join(30)
    assert answers == [False]
    assert not stopped.take()
    first.give()
    assert last.take()
