"""Provenance of results."""

from __future__ import annotations

import subprocess
from functools import cache
from pathlib import Path
from typing import Final

_ROOT: Final = Path(__file__).parent.parent.parent
_CODE: Final = ("facetraits", "benchmarks")


@cache
def code_commit() -> str:
    """Hash of the commit that this program was started from; "" outside a git checkout.

    Ends with "-dirty" if the code differed from the commit. Call it at the start of a program: the result is cached, so
    later commits do not change it.
    """
    head = _git("rev-parse", "--verify", "--quiet", "HEAD")
    return f"{head}-dirty" if head and _git("status", "--porcelain", "--", *_CODE) else head


def _git(*arguments: str) -> str:
    command = ("git", "-C", str(_ROOT), *arguments)
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
