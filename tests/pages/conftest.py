"""What tests of several pages use."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator

import pytest


@pytest.fixture
def written_files() -> Iterator[list[str]]:
    """Paths that this process opens for writing while a test runs; Python's own byte code aside."""
    paths: list[str] = []
    watching = True

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        if watching and event == "open":
            path, _mode, flags = arguments
            for_writing = isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
            if for_writing and isinstance(path, str) and not path.endswith(".pyc") and ".pyc." not in path:
                paths.append(path)

    sys.addaudithook(hook)  # can never be removed, only told to stop
    yield paths
    watching = False
