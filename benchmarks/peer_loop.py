"""What every compared program runs: one process that loads once and times the pictures it is asked for.

Runs in the peers' own environments as well, so it needs nothing but Python.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any


def serve(decode: Callable[[str], Any], count_faces: Callable[[Any], int]) -> None:
    """Answer requests, one JSON object per line, until stdin ends.

    A request ``{"path": ..., "calls": N}`` is answered with ``{"seconds": [N times], "faces": ..., "peak_mb": ...}``.
    Decoding is left out of the times.

    Args:
        decode: path of a picture to what the program takes.
        count_faces: analyses a decoded picture; how many faces it found.
    """
    # Some packages print to stdout; only answers may go there.
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    for line in sys.stdin:
        request = json.loads(line)
        picture = decode(request["path"])
        seconds, faces = [], 0
        for _ in range(request["calls"]):
            started = time.perf_counter()
            faces = count_faces(picture)
            seconds.append(time.perf_counter() - started)
        print(json.dumps({"seconds": seconds, "faces": faces, "peak_mb": _peak_mb()}), file=answers)


def _peak_mb() -> float | None:
    """Peak resident memory of this process in MB; None where the system has no ``/proc``.

    Not ``ru_maxrss``: on Linux that starts at what the process held that started this one.
    """
    status = Path("/proc/self/status")
    if not status.exists():
        return None
    (line,) = (line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024 / 1e6
