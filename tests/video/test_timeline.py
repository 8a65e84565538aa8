"""Time lines: who was in a video, from when to when, and what was seen of them."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet
import pytest
from numpy.typing import NDArray

from facetraits.cli import main
from facetraits.tables import NO_FACE
from facetraits.traits import TRAITS, TraitName
from facetraits.types import AnalysisResult, FaceResult
from facetraits.video import timeline
from facetraits.video.live import Analyzer
from facetraits.video.sources import Frame
from facetraits.video.timeline import SAME_PERSON_S, error_record, person_records, timeline_columns, timeline_csv_lines
from facetraits.video.tracked import TrackedFace
from tests.builders import FakeAnalyzer, make_detection, make_face, make_result, make_traits
from tests.videos import comes_and_goes, write_sound, write_video

IMAGE = np.zeros((480, 640, 3), dtype=np.uint8)
KEYS = ["path", "error", "person", "first_s", "last_s", "seen_s"]


class Script:
    """An analyzer that sees in each frame, in turn, what it is told to."""

    def __init__(self, *results: AnalysisResult) -> None:
        self._results = iter(results)

    def analyze(self, image: NDArray[np.uint8], traits: Collection[TraitName] = TRAITS) -> AnalysisResult:
        return next(self._results)


def records(analyzer: Analyzer, times_s: Collection[float]) -> list[dict[str, Any]]:
    frames: Iterator[Frame] = (Frame(IMAGE, float(time_s)) for time_s in times_s)
    return list(person_records("a.mp4", frames, analyzer))


def test_each_second_and_the_whole_stay_are_told() -> None:
    happy, sad = make_result(make_face(expression="happy", years=30)), make_result(make_face(expression="sad"))
    times = np.arange(25) / 5

    (person,) = records(Script(*[happy] * 15, *[sad] * 10), times)

    assert list(person) == [*KEYS, "age", "gender", "ethnicity", "expression", "mood", "timeline"]
    assert [person[key] for key in KEYS] == ["a.mp4", None, 1, 0.0, 4.8, 4.8]
    assert (person["expression"]["top1"], person["mood"]["top1"]) == ("happy", "positive")
    assert person["expression"]["confidence"] == pytest.approx((14 * 0.9 + 10 * 0.1 / 7) / 24, abs=0.1)
    assert [second["time_s"] for second in person["timeline"]] == [0, 1, 2, 3, 4]
    assert [second["mood"]["top1"] for second in person["timeline"]] == ["positive"] * 3 + ["negative"] * 2
    assert list(person["timeline"][0]) == ["time_s", "age", "gender", "ethnicity", "expression", "mood"]
    assert list(person["age"]) == ["years", "interval", "coverage", "unsure", "group", "groups"]
    assert list(person["timeline"][0]["gender"]) == ["top1", "confidence", "unsure", "probabilities"]


def test_absences_are_left_out_of_the_time_line() -> None:
    face, nobody = make_result(make_face()), make_result()
    times = np.arange(40) / 5

    (person,) = records(Script(*[face] * 10, *[nobody] * 15, *[face] * 15), times)

    assert (person["first_s"], person["last_s"]) == (0.0, 7.8)
    assert person["seen_s"] == pytest.approx(1.8 + 2.8)
    assert [second["time_s"] for second in person["timeline"]] == [0, 1, 5, 6, 7]


def test_number_that_is_taken_back_is_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    face = make_face()

    class Doubting:
        """A tracker that takes number 1 for somebody else from 3 to 4.6 s."""

        def __init__(self, keep_s: float) -> None:
            pass

        def update(self, result: object, time_s: float, image: object) -> tuple[TrackedFace, ...]:
            if time_s < 1.9:
                return (TrackedFace(1, face, 0.0, time_s, 1),)
            if 3 <= time_s < 4.6:
                return (TrackedFace(2, face, 3.0, time_s, 1),)
            return (TrackedFace(1, face, 0.0, time_s, 1, (2,)),) if 4.6 <= time_s < 6 else ()

    monkeypatch.setattr(timeline, "FaceTracker", Doubting)

    (person,) = records(Script(*[make_result()] * 75), np.arange(75) / 5)

    assert [person[key] for key in KEYS] == ["a.mp4", None, 1, 0.0, 5.8, pytest.approx(1.8 + 1.2 + 2.8)]
    assert [second["time_s"] for second in person["timeline"]] == [0, 1, 3, 4, 5]


def test_who_comes_back_too_late_is_somebody_else_and_who_left_is_told_first() -> None:
    face, nobody = make_result(make_face()), make_result()
    away = round(SAME_PERSON_S) + 2
    analyzer = Script(*[face] * 5, *[nobody] * away, *[face] * 5)
    told: list[tuple[int, float]] = []

    def frames() -> Iterator[Frame]:
        for number in range(10 + away):
            told.append((-1, number))
            yield Frame(IMAGE, number if 5 <= number < 5 + away else number + 0.0)

    for record in person_records("a.mp4", frames(), analyzer):
        told.append((record["person"], record["last_s"]))

    people = [entry for entry in told if entry[0] > 0]
    assert people == [(1, 4.0), (2, float(9 + away))]
    assert told.index((1, 4.0)) < told.index((-1, 9 + away)), "the first was told only at the end"


def test_people_at_the_end_are_told_in_the_order_of_their_numbers() -> None:
    def both(number: int) -> AnalysisResult:
        faces = [FaceResult(make_detection(left), (), make_traits()) for left in ((400, 100) if number > 2 else (400,))]
        return make_result(*faces)

    people = records(Script(*map(both, range(20))), np.arange(20) / 5)

    assert [person["person"] for person in people] == [1, 2]
    assert [person["first_s"] for person in people] == [0.0, 0.6]


def test_traits_that_were_not_asked_for_are_absent() -> None:
    face = make_result(make_face(traits=("gender",)))
    (person,) = records(Script(*[face] * 5), np.arange(5) / 5)

    assert list(person) == [*KEYS, "gender", "timeline"]
    assert list(person["timeline"][0]) == ["time_s", "gender"]


def test_nobody_is_a_result() -> None:
    assert records(Script(*[make_result()] * 5), range(5)) == [error_record("a.mp4", NO_FACE)]


def test_csv_has_a_row_per_person_and_second() -> None:
    (person,) = records(Script(*[make_result(make_face())] * 15), np.arange(15) / 5)

    text = "".join(timeline_csv_lines([person, error_record("=evil.mp4", "The file is empty.")]))

    rows = list(csv.DictReader(io.StringIO(text)))
    assert tuple(rows[0]) == timeline_columns()
    assert [row["time_s"] for row in rows] == ["0", "1", "2", ""]
    assert (rows[1]["person"], rows[1]["age_group"], rows[1]["mood"]) == ("1", "21-40", "positive")
    assert rows[1]["gender_unsure"] == "false" and float(rows[1]["p_happy"]) == pytest.approx(0.9)
    assert (rows[3]["path"], rows[3]["error"], rows[3]["person"]) == ("'=evil.mp4", "The file is empty.", "")


# ------------------------------------------------------------------------------------------------------- command line


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    scene = comes_and_goes((1, 3.5), seconds=4)
    return write_video(tmp_path_factory.mktemp("video") / "shop.mp4", scene.pictures())


@pytest.fixture(scope="module")
def fake() -> FakeAnalyzer:
    return FakeAnalyzer()


@pytest.fixture(autouse=True)
def _loaded(monkeypatch: pytest.MonkeyPatch, fake: FakeAnalyzer) -> None:
    monkeypatch.setattr("facetraits.cli.analyze.load_analyzer", lambda **_: fake)


def test_video_is_analysed(video: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["analyze", str(video), "--traits", "age,expression"]) == 0
    out, err = capsys.readouterr()

    (person,) = map(json.loads, out.splitlines())
    assert err == ""
    assert [person[key] for key in ("path", "person")] == [str(video), 1]
    assert person["first_s"] == pytest.approx(1.0, abs=0.25)
    assert person["last_s"] == pytest.approx(3.4, abs=0.25)
    assert [second["time_s"] for second in person["timeline"]] == [1, 2, 3]
    assert "gender" not in person and person["age"]["years"] == 34.0


def test_csv_of_a_video(video: Path, tmp_path: Path) -> None:
    out = tmp_path / "people.csv"

    assert main(["analyze", str(video), "--out", str(out)]) == 0

    rows = list(csv.DictReader(out.open(encoding="utf-8")))
    assert [(row["person"], row["time_s"]) for row in rows] == [("1", "1"), ("1", "2"), ("1", "3")]


def test_parquet_of_a_video_has_the_rows_of_csv(video: Path, tmp_path: Path) -> None:
    for name in ("people.parquet", "people.csv"):
        assert main(["analyze", str(video), "--out", str(tmp_path / name)]) == 0

    table = pyarrow.parquet.read_table(tmp_path / "people.parquet")
    rows = list(csv.DictReader((tmp_path / "people.csv").open(encoding="utf-8")))
    assert tuple(table.column_names) == timeline_columns()
    assert [(row["person"], row["time_s"], row["age"]) for row in table.to_pylist()] == [
        (int(row["person"]), float(row["time_s"]), float(row["age"])) for row in rows
    ]


def test_videos_without_a_result_have_a_reason(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paths = [tmp_path / name for name in ("empty.mp4", "broken.mkv", "sound.mp4", "nobody.avi")]
    paths[0].write_bytes(b"")
    paths[1].write_bytes(b"no video" * 100)
    write_sound(paths[2])
    write_video(paths[3], comes_and_goes(seconds=1).pictures())

    assert main(["analyze", *map(str, paths)]) == 1
    out, err = capsys.readouterr()

    found = [json.loads(line) for line in out.splitlines()]
    assert [record["path"] for record in found] == [str(path) for path in paths]
    for record, words in zip(found, ("empty", "not a video", "only sound", NO_FACE), strict=True):
        assert words in record["error"]
        assert (record["person"], record["timeline"]) == (None, [])
    assert err == "facetraits: 3 of 4 videos could not be read; their rows say why\n"


def test_pictures_and_videos_do_not_fit_into_one_csv(
    video: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.png").write_bytes(b"")
    paths = [str(video), str(tmp_path / "a.png")]

    assert main(["analyze", *paths, "--format", "csv"]) == 2
    assert "pictures and videos have different columns" in capsys.readouterr().err
    assert main(["analyze", *paths]) == 1
    out, err = capsys.readouterr()
    assert [json.loads(line)["path"] for line in out.splitlines()] == paths
    assert "1 of 2 files" in err


def test_a_video_is_never_overwritten(video: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = video.read_bytes()

    assert main(["analyze", str(video), "--out", str(video)]) == 2

    assert "names a video" in capsys.readouterr().err
    assert video.read_bytes() == before
