"""Several pictures at once in one process, in their order, within a bound of memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final, TypeVar

_AHEAD: Final = 2  # items in work or waiting to be fetched, per thread

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


def in_order(items: Iterable[_Item], work: Callable[[_Item], _Result], threads: int) -> Iterator[_Result]:
    """``work`` of every item, in the order of the items, on several threads.

    No more than two items per thread are taken before the results of the first have been fetched. An exception of
    ``work`` is raised in its place; items that have begun are then waited for, and no other begins. So it is where the
    iterator is closed.

    Args:
        items: they are taken on the caller's thread.
        work: what is done with each; it may be called on several threads at once.
        threads: how many; at least 1.
    """
    source = iter(items)
    waiting: deque[Future[_Result]] = deque()
    with ThreadPoolExecutor(threads, thread_name_prefix="analyze") as pool:
        try:
            for item in source:
                waiting.append(pool.submit(work, item))
                if len(waiting) >= threads * _AHEAD:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for each in waiting:
                each.cancel()
