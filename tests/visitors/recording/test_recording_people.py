"""Real people on video: as many visits as there are people, each with one number."""

from __future__ import annotations

from pathlib import Path

import pytest

from facetraits import load_analyzer
from facetraits.analyzer import FaceAnalyzer
from facetraits.video.sources import read_file
from facetraits.video.timeline import person_records
from facetraits.visitors.inputs import FileInput
from tests.builders import ROOT
from tests.visitors.memory_store import MemoryStore
from tests.visitors.recording.helpers import BEGAN, Start, is_over, wait_for

CLIPS = {
    "ui/visitors/example/walk-and-pause.mp4": 3,
    "tests/cases/walking.mp4": 2,
    "tests/cases/heads.mp4": 2,
    "tests/cases/two-at-a-desk.mkv": 2,
}


@pytest.fixture(scope="module")
def analyzer() -> FaceAnalyzer:
    return load_analyzer(profile="fast")


@pytest.mark.slow
@pytest.mark.parametrize(("clip", "people"), CLIPS.items(), ids=[Path(clip).stem for clip in CLIPS])
def test_visits_of_real_people(
    record: Start, store: MemoryStore, analyzer: FaceAnalyzer, clip: str, people: int
) -> None:
    recording = record(analyzer)
    recording.start("door", FileInput(ROOT / clip, BEGAN))
    wait_for(is_over(recording))
    recording.stop_all()
    assert len(store.visits()) == people
    with read_file(ROOT / clip) as video:
        records = list(person_records(clip, iter(video), analyzer))
    assert [record["person"] for record in records] == list(range(1, people + 1))
