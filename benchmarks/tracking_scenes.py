"""Scenes drawn by chance, so that a tracker is not judged by those alone that it was made with."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import pi, sin
from typing import Final

import numpy as np

from tests.camera import PLAYBACK_FPS, Person, Pose, Scene

_COUNT: Final = 6
_SEED: Final = 2026


def scenes_by_chance() -> Iterator[tuple[str, Scene]]:
    """Scenes of three kinds, with the name of the kind; always the same."""
    rng = np.random.default_rng(_SEED)
    for kind, draw in _KINDS.items():
        for _ in range(_COUNT):
            yield kind, draw(rng)


def _crossing(rng: np.random.Generator) -> Scene:
    """Two walk to and fro, not quite in step."""
    period, behind, before, lower, lag = (float(rng.uniform(*r)) for r in _RANGES)
    tint = (float(rng.uniform(0.65, 1.1)), float(rng.uniform(0.65, 1.1)), float(rng.uniform(0.65, 1.1)))
    people = (
        Person(lambda t: Pose(0.5 - 0.28 * _wave(t / period + 0.25), 0.52, behind), mirrored=True, tint=tint),
        Person(lambda t: Pose(0.5 + 0.28 * _wave(t / period + 0.25 + lag), 0.54 + lower, before)),
    )
    return Scene(people, _frames(2 * period))


# Seconds for one turn, sizes of both faces over the picture's height, how much lower the one in front is, and its lag.
_RANGES: Final = ((5, 14), (0.14, 0.26), (0.14, 0.26), (-0.1, 0.1), (0, 0.05))


def _leaving(rng: np.random.Generator) -> Scene:
    """One leaves by an edge and comes back after 1 to 9 seconds, twice."""
    away, width, walk = float(rng.uniform(1, 9)), float(rng.uniform(0.15, 0.32)), float(rng.uniform(1.2, 3))
    side, turn = float(rng.choice([-0.9, 0.9])), 3 + walk + away

    def pose(t: float) -> Pose:
        gone = _share((t % turn - 1.5) / walk) - _share((t % turn - 1.5 - away) / walk)
        return Pose(0.5 + side * gone, 0.52, width)

    return Scene((Person(pose),), _frames(2 * turn))


def _passing(rng: np.random.Generator) -> Scene:
    """One walks to and fro before two who stand close together."""
    width, period = float(rng.uniform(0.14, 0.2)), float(rng.uniform(5, 12))
    apart = float(rng.uniform(0.375, 0.6)) * width
    people = (
        Person(lambda _: Pose(0.5 - apart, 0.5, width)),
        Person(lambda _: Pose(0.5 + apart, 0.5, width), mirrored=True, tint=(0.8, 0.75, 0.7)),
        Person(lambda t: Pose(0.5 + 0.36 * _wave(t / period + 0.25), 0.6, 1.3 * width), tint=(1.1, 1.05, 1.0)),
    )
    return Scene(people, _frames(1.5 * period))


_KINDS: Final[dict[str, Callable[[np.random.Generator], Scene]]] = {
    "crossing, by chance": _crossing,
    "leaving, by chance": _leaving,
    "passing before two, by chance": _passing,
}


def _frames(seconds: float) -> int:
    return int(seconds * PLAYBACK_FPS)


def _wave(turns: float) -> float:
    return sin(2 * pi * turns)


def _share(share: float) -> float:
    """From 0 to 1, slow at both ends."""
    share = min(max(share, 0.0), 1.0)
    return share * share * (3 - 2 * share)
