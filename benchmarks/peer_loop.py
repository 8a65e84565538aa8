"""What every compared program runs: one process that loads once and answers about the pictures it is asked for.

Runs in the peers' own environments as well, so it needs nothing but Python and NumPy, which all of them bring.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO

import numpy as np

# The argument that makes a peer's script ``judge`` rather than ``serve``.
JUDGE = "judge"


def serve(decode: Callable[[str], Any], count_faces: Callable[[Any], int]) -> None:
    """Time pictures: answer requests, one JSON object per line, until stdin ends.

    A request ``{"path": ..., "calls": N}`` is answered with ``{"seconds": [N times], "faces": ..., "peak_mb": ...}``.
    Decoding is left out of the times.

    Args:
        decode: path of a picture to what the program takes.
        count_faces: analyses a decoded picture; how many faces it found.
    """
    answers = _answers()
    for line in sys.stdin:
        request = json.loads(line)
        picture = decode(request["path"])
        seconds, faces = [], 0
        for _ in range(request["calls"]):
            started = time.perf_counter()
            faces = count_faces(picture)
            seconds.append(time.perf_counter() - started)
        print(json.dumps({"seconds": seconds, "faces": faces, "peak_mb": _peak_mb()}), file=answers)


def judge(faces_of: Callable[[Any, list[int] | None], list[dict[str, Any]]]) -> None:
    """Tell what is in pictures, which come through stdin so that none is written anywhere, until it ends.

    A request is a line ``{"shape": [H, W, 3], "box": [left, top, right, bottom] or null}`` and the picture's H x W x 3
    bytes, RGB; it is answered with ``{"faces": [...]}``.

    Args:
        faces_of: what the program says of the faces in an (H, W, 3) array; with a box, of the face in it alone. Each
            has at least "box": left, top, right, bottom.
    """
    answers = _answers()
    while line := sys.stdin.buffer.readline():
        request = json.loads(line)
        height, width, channels = request["shape"]
        pixels = np.frombuffer(sys.stdin.buffer.read(height * width * channels), dtype=np.uint8)
        faces = faces_of(pixels.reshape(height, width, channels), request["box"])
        print(json.dumps({"faces": faces}), file=answers)


def _answers() -> TextIO:
    """What was stdout. Some packages print there; only answers may go to it."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    return answers


def _peak_mb() -> float | None:
    """Peak resident memory of this process in MB; None where the system has no ``/proc``.

    Not ``ru_maxrss``: on Linux that starts at what the process held that started this one.
    """
    status = Path("/proc/self/status")
    if not status.exists():
        return None
    (line,) = (line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024 / 1e6
