"""Counting lines of recorded videos: who comes in and who goes out."""

from __future__ import annotations

from pathlib import Path

import pytest

from facetraits import load_analyzer
from facetraits.visitors.inputs import FileInput
from facetraits.visitors.layout import Layout, layout_of
from tests.builders import ROOT, FakeAnalyzer
from tests.videos import two_cross, write_video
from tests.visitors.memory_store import MemoryStore
from tests.visitors.recording.helpers import BEGAN, Start, is_over, status, wait_for


@pytest.fixture(scope="module")
def crossing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two people walk past each other, one from left to right and one from right to left."""
    return write_video(tmp_path_factory.mktemp("video") / "cross.mp4", two_cross().pictures(), fps=10)


@pytest.mark.parametrize(
    ("line", "crossings", "visitors"),
    [
        ((0.5, 1.0, 0.5, 0.0), (1, 1), 1),
        ((0.5, 0.0, 0.5, 1.0), (1, 1), 1),
        ((0.5, 0.2, 0.5, 0.0), (0, 0), 0),  # they walk past its end
        ((0.95, 1.0, 0.95, 0.0), (0, 0), 0),
    ],
)
def test_who_crosses_is_counted_by_direction(
    record: Start,
    store: MemoryStore,
    detecting: FakeAnalyzer,
    crossing: Path,
    line: tuple[float, ...],
    crossings: tuple[int, int],
    visitors: int,
) -> None:
    store.drawn["door"] = layout_of(line, ())
    recording = record(detecting)
    recording.start("door", FileInput(crossing, BEGAN))
    wait_for(is_over(recording))
    assert status(recording).crossings == crossings
    assert status(recording).visits == visitors
    recording.stop_all()
    assert sorted((visit.entries, visit.exits) for visit in store.visits()) == sorted(
        [(1, 0), (0, 1)] if visitors else []
    )


def test_an_ignored_half_of_the_picture_counts_nobody(
    record: Start, store: MemoryStore, detecting: FakeAnalyzer, crossing: Path
) -> None:
    everything = Layout(ignored=(((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)),))
    recording = record(detecting, layouts=lambda: {"door": everything})
    recording.start("door", FileInput(crossing, BEGAN))
    wait_for(is_over(recording))
    assert (status(recording).visits, status(recording).crossings) == (0, None)


@pytest.mark.slow
def test_one_of_two_real_people_walks_over_a_line(record: Start, store: MemoryStore) -> None:
    """A woman and a man come towards the camera; only he moves to the left on the way."""
    clip = ROOT / "tests" / "cases" / "walking.mp4"
    recording = record(load_analyzer(profile="fast"))
    store.drawn["door"] = layout_of((0.44, 0.0, 0.44, 1.0), ())
    recording.start("door", FileInput(clip, BEGAN))
    wait_for(is_over(recording))
    assert status(recording).crossings == (1, 0)
    recording.stop_all()
    (man,) = store.visits()
    assert (man.entries, man.exits) == (1, 0)
