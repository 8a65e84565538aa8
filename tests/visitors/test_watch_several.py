"""`python -m facetraits watch` with several sources: each is counted, and none holds up another."""

from __future__ import annotations

import re
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from facetraits.cli import main
from facetraits.visitors.metrics import serve_metrics
from facetraits.visitors.recording import Recording
from facetraits.visitors.store import open_store
from facetraits.visitors.visit import Visit
from tests.videos import Bright, Camera, http_camera, jpeg, lit, rtsp_camera, write_video

COUNTED = ("--enter", "0.4", "--away", "2")
DEAD = "rtsp://me:s3cret@127.0.0.1:1/stream"


@pytest.fixture(autouse=True)
def _loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("facetraits.analyzer.load_analyzer", lambda profile, threads: Bright())


@pytest.fixture
def db(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'visitors.db'}"


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Somebody is there from 0.6 to 2 s, and from 4.6 to 6 s."""
    pictures = [lit(3 <= number < 10 or 23 <= number < 30) for number in range(35)]
    return write_video(tmp_path_factory.mktemp("video") / "shop.mp4", pictures)


def visits(url: str) -> list[Visit]:
    store = open_store(url)
    try:
        return list(store.latest())
    finally:
        store.close()


def read_metrics(port: int) -> dict[str, float]:
    """Name and labels to value."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        lines = [line.decode().strip() for line in answer]
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines if not line.startswith("#")}


@contextmanager
def stopped_when(condition: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[dict[str, float]]]:
    """Have the command stop as soon as a metric of that pattern is there, as if by SIGTERM; gives the last metrics."""
    seen: list[dict[str, float]] = []

    def follow(recording: Recording, duration_s: float | None, signals: object) -> None:
        with serve_metrics(0, recording.figures) as port:
            for _ in range(600):
                seen[:] = [read_metrics(port)]
                if all(seen[0].get(name, 0) >= 1 for name in condition.split()):
                    return
                threading.Event().wait(0.1)

    monkeypatch.setattr("facetraits.cli.watch._follow", follow)
    yield seen


def test_cameras_are_counted_beside_a_dead_one(
    db: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    picture = jpeg(lit(True))
    wanted = (
        'facetraits_visits{source="door"} facetraits_visits{source="yard"} '
        'facetraits_connections_lost_total{source="dead"}'
    )
    with ExitStack() as held:
        door = held.enter_context(http_camera(Camera(lambda: picture, fps=30)))
        yard = held.enter_context(rtsp_camera(Camera(lambda: picture, fps=30)))
        seen = held.enter_context(stopped_when(wanted, monkeypatch))
        names = ("--name", "door", "--name", "dead", "--name", "yard")
        assert main(["watch", door, DEAD, yard, "--db", db, *COUNTED, *names]) == 0

    assert {(visit.source, visit.ended) for visit in visits(db)} == {("door", True), ("yard", True)}
    said = capsys.readouterr().err
    assert "door: 1 visit written" in said and "dead: 0 visits written" in said and "yard: 1 visit written" in said
    assert "s3cret" not in said
    (metrics,) = seen
    for source in ("door", "yard"):
        assert metrics[f'facetraits_pictures_analysed_total{{source="{source}"}}'] >= 3
        assert metrics[f'facetraits_pictures_dropped_total{{source="{source}"}}'] > 0, "thirty a second are too many"
        assert metrics[f'facetraits_source_live{{source="{source}"}}'] == 1
        counted = metrics[f'facetraits_answer_delay_seconds_count{{source="{source}"}}']
        assert 0 < counted <= metrics[f'facetraits_pictures_analysed_total{{source="{source}"}}'] + 1
    assert metrics['facetraits_pictures_analysed_total{source="dead"}'] == 0
    assert metrics['facetraits_source_live{source="dead"}'] == 0


def test_a_video_that_fails_does_not_stop_the_others(
    db: str, video: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = write_video(tmp_path / "other.mp4", [lit(3 <= number < 10) for number in range(35)])
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(other.read_bytes())
    with ExitStack() as held:
        patch = held.enter_context(pytest.MonkeyPatch.context())
        patch.setattr("facetraits.visitors.inputs.recording_ids", lambda file, name, began: _break(Path(str(file))))
        code = main(["watch", str(video), str(broken), str(other), "--db", db, *COUNTED])

    said = capsys.readouterr().err
    assert code == 1
    assert "shop.mp4: 2 visits written" in said and "other.mp4: 1 visit written" in said
    assert re.search(r"broken\.mp4: failed, .*\(.+\)", said)


def _break(file: Path) -> None:
    """Damage the file after it was checked."""
    if file.name == "broken.mp4":
        file.write_bytes(b"no video")


def test_where_no_source_can_be_used_nothing_is_done(db: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["watch", DEAD, DEAD, "--db", db]) == 2

    said = capsys.readouterr().err
    assert "127.0.0.1:1: The camera at rtsp://127.0.0.1:1 cannot be reached." in said
    assert "127.0.0.1:1 2: The camera" in said, "each has a name of its own"
    assert "s3cret" not in said


def test_cameras_come_from_the_environment(
    db: str, video: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FACETRAITS_CAMERAS", f"  front={video}  {video} ")
    assert main(["watch", "--db", db, *COUNTED]) == 0
    assert {visit.source for visit in visits(db)} == {"front", "shop.mp4"}

    monkeypatch.setenv("FACETRAITS_CAMERAS", " ")
    assert main(["watch", "--db", db]) == 2
    assert "set FACETRAITS_CAMERAS" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--name", "one"], "--name has to be given once for each source: 1 for 2"),
        (["--name", "one", "--name", "one"], "two sources have the same name"),
        (["--line", "0,1,1,1"], "--line is for one source"),
        (["--ignore", "0,0,1,1,1,0"], "--ignore is for one source"),
        (["--began", "2026-05-04"], "--began is for one source"),
    ],
)
def test_what_does_not_go_with_several_sources(
    arguments: list[str], words: str, db: str, video: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["watch", str(video), str(video), "--db", db, *arguments]) == 2
    assert words in capsys.readouterr().err


def test_metrics_are_served_on_this_machine_alone_and_a_taken_port_is_said(
    db: str, video: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with serve_metrics(0, lambda: ()) as port:
        assert read_metrics(port) == {}
        assert main(["watch", str(video), "--db", db, "--metrics", str(port)]) == 2
    assert f"metrics cannot be served on port {port}: address already in use" in capsys.readouterr().err
    for wrong in ("0", "65536", "http"):
        with pytest.raises(SystemExit):
            main(["watch", str(video), "--metrics", wrong])
