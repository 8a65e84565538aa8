"""`python -m facetraits watch`: visits of a camera or a video in a database, and an orderly end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import pytest

from facetraits.cli import main
from facetraits.registry import ModelIntegrityError
from facetraits.visitors.layout import layout_of
from facetraits.visitors.recording import Recording, SourceStatus
from facetraits.visitors.store import VisitStore, open_store
from facetraits.visitors.visit import Settings, Visit
from tests.builders import ROOT, FakeAnalyzer
from tests.videos import Bright, Camera, comes_and_goes, http_camera, jpeg, lit, two_cross, write_sound, write_video

COUNTED = ("--enter", "0.4", "--away", "2")


@pytest.fixture(autouse=True)
def _loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("facetraits.analyzer.load_analyzer", lambda profile, threads: Bright())


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Somebody is there from 0.6 to 2 s, and from 4.6 to 6 s."""
    pictures = [lit(3 <= number < 10 or 23 <= number < 30) for number in range(35)]
    return write_video(tmp_path_factory.mktemp("video") / "shop.mp4", pictures)


@pytest.fixture
def db(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'visitors.db'}"


def visits(url: str) -> list[Visit]:
    store = open_store(url)
    try:
        return sorted(store.latest(), key=lambda visit: visit.started)
    finally:
        store.close()


def test_video_is_counted_into_both_databases(store_url: str, video: Path, capsys: pytest.CaptureFixture[str]) -> None:
    began = datetime.now(timezone(timedelta(hours=2))) - timedelta(days=1)

    code = main(["watch", str(video), "--db", store_url, *COUNTED, "--began", began.isoformat()])

    assert code == 0
    assert "shop.mp4: 2 visits written" in capsys.readouterr().err
    first, second = visits(store_url)
    np.testing.assert_allclose(
        [(visit.started - began).total_seconds() for visit in (first, second)], [0.6, 4.6], atol=0.25
    )
    np.testing.assert_allclose([first.duration_s, second.duration_s], [1.2, 1.2], atol=0.25)
    assert first.ended and second.ended
    assert (first.source, first.age_group, first.gender, first.ethnicity, first.mood) == (
        *("shop.mp4", "21-40", "female", None),
        "positive",
    )


def test_name_and_ethnicity_can_be_chosen(db: str, video: Path) -> None:
    assert main(["watch", str(video), "--db", db, *COUNTED, "--name", "door", "--ethnicity"]) == 0

    assert {(visit.source, visit.ethnicity) for visit in visits(db)} == {("door", "white")}


def test_settings_are_those_of_the_database(db: str, video: Path) -> None:
    store = open_store(db)
    store.save_settings(Settings(enter_s=0.4, away_s=10.0))
    store.close()

    assert main(["watch", str(video), "--db", db]) == 0

    (visit,) = visits(db)
    assert visit.duration_s == pytest.approx(5.2, abs=0.25)


def test_unknown_time_of_recording_is_said(db: str, video: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["watch", str(video), "--db", db, *COUNTED]) == 0

    assert "does not say when it was recorded" in capsys.readouterr().err
    found = visits(db)
    assert all(abs(visit.started - datetime.now(UTC)) < timedelta(minutes=1) for visit in found)
    assert all(visit.started + timedelta(seconds=visit.duration_s) < datetime.now(UTC) for visit in found)


def test_video_of_unknown_time_has_ended_just_now(
    db: str, video: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    taken: list[datetime] = []
    monkeypatch.setattr(Recording, "start", lambda self, name, frames: taken.append(frames.began))
    monkeypatch.setattr("facetraits.cli.watch._follow", lambda *_: None)
    before = datetime.now(UTC)

    main(["watch", str(video), "--db", db])

    assert "as if it had ended just now" in capsys.readouterr().err
    assert timedelta(seconds=-0.1) < taken[0] + timedelta(seconds=7) - before < timedelta(seconds=30)


def test_who_is_counted_while_it_stops_is_counted_too(
    db: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    picture = jpeg(lit(True))
    # It is asked to stop before anybody is there for long enough, and waits in vain for a moment.
    monkeypatch.setattr("facetraits.cli.watch._follow", lambda *_: None)
    stop_all = Recording.stop_all

    def stop_late(self: Recording, timeout_s: float) -> tuple[SourceStatus, ...]:
        wait_for(lambda: any(status.visits for status in self.statuses()))
        return stop_all(self, timeout_s)

    monkeypatch.setattr(Recording, "stop_all", stop_late)
    with http_camera(Camera(lambda: picture)) as address:
        assert main(["watch", address, "--db", db, *COUNTED]) == 0

    assert "1 visit written" in capsys.readouterr().err


def test_old_visits_are_deleted_at_the_start(db: str, video: Path) -> None:
    store = open_store(db)
    store.add([Visit(datetime.now(UTC) - timedelta(days=400), "old", 1.0, ended=True)])
    store.close()

    assert main(["watch", str(video), "--db", db, *COUNTED]) == 0

    assert {visit.source for visit in visits(db)} == {"shop.mp4"}


def test_camera_is_watched_for_as_long_as_asked(db: str, capsys: pytest.CaptureFixture[str]) -> None:
    picture = jpeg(lit(True))
    with http_camera(Camera(lambda: picture)) as address:
        started = time.monotonic()
        secret = address.replace("://", "://me:s3cret@")
        assert main(["watch", secret, "--db", db, *COUNTED, "--duration", "3"]) == 0
        assert 3 <= time.monotonic() - started < 8

    (visit,) = visits(db)
    assert visit.ended and visit.source in address
    assert visit.duration_s > 1
    assert "s3cret" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["gone.mp4"], "no file gone.mp4"),
        (["sound.mp4"], "only sound"),
        (["http://127.0.0.1:1/video"], "cannot be reached"),
        (["rtsp://me:s3cret@127.0.0.1:1/user=me_password=s3cret"], "rtsp://127.0.0.1:1 cannot be reached"),
        (["/dev/video97"], "no camera /dev/video97"),
        (["ftp://camera/video"], "looks like rtsp"),
        (["http://127.0.0.1:1/video", "--began", "2026-05-04"], "--began is for video files"),
        (["shop.mp4", "--away", "0.5"], "away_s must lie between"),
        (["shop.mp4", "--name", ""], "1 to 80 characters"),
        (["shop.mp4", "--began", "1999-12-31"], "visits are kept for 90 days only"),
        (["shop.mp4", "--began", "2999-12-31T10:00"], "cannot begin on 2999-12-31 at 10:00, in the future"),
        (["shop.mp4", "--db", "nothing"], ""),
        (["shop.mp4", "--db", "sqlite:////proc/none/visitors.db"], ""),
    ],
)
def test_what_cannot_be_watched_is_said_in_a_sentence(
    arguments: list[str],
    words: str,
    db: str,
    video: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    write_sound(tmp_path / "sound.mp4")
    (tmp_path / "shop.mp4").symlink_to(video)

    assert main(["watch", "--db", db, *arguments]) == 2

    said = [line for line in capsys.readouterr().err.splitlines() if "does not say when" not in line]
    assert len(said) <= 2 and said[-1].startswith("facetraits: ")
    assert words in said[-1]
    assert "s3cret" not in " ".join(said)


@pytest.mark.parametrize("option", [["--duration", "-1"], ["--enter", "soon"], ["--began", "yesterday"]])
def test_options_that_make_no_sense_are_refused(option: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["watch", "shop.mp4", *option])

    assert caught.value.code == 2
    assert option[0] in capsys.readouterr().err


def test_models_that_are_missing_have_a_code_of_their_own(
    db: str, video: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def load(profile: str, threads: int) -> None:
        raise ModelIntegrityError("A network is missing.")

    monkeypatch.setattr("facetraits.analyzer.load_analyzer", load)

    assert main(["watch", str(video), "--db", db]) == 3
    assert capsys.readouterr().err.endswith("facetraits: A network is missing.\n")


def test_database_that_fails_at_the_end_is_said(
    db: str, video: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from facetraits.visitors.store import StoreError

    def fail(self: VisitStore, visits: object) -> None:
        raise StoreError("The database does not answer.")

    monkeypatch.setattr(VisitStore, "add", fail)
    monkeypatch.setattr("facetraits.cli.watch._STOP_S", 1.0)

    assert main(["watch", str(video), "--db", db, *COUNTED]) == 2
    assert "2 visits could not be written" in capsys.readouterr().err


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.1)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_a_signal_ends_visits_in_order(number: signal.Signals, code: int, db: str) -> None:
    picture = jpeg(comes_and_goes((0, 9), seconds=1).frame(0))
    with http_camera(Camera(lambda: picture)) as address:
        process = subprocess.Popen(
            [sys.executable, "-m", "facetraits", "watch", address, "--db", db, *COUNTED],
            cwd=ROOT,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
            stderr=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        said: list[str] = []
        assert process.stderr is not None
        reader = threading.Thread(target=said.extend, args=(process.stderr,), daemon=True)
        reader.start()
        try:
            wait_for(lambda: bool(visits(db)) or process.poll() is not None)
            (visit,) = visits(db)
            assert not visit.ended
            process.send_signal(number)
            assert process.wait(20) == code
        finally:
            process.kill()
            process.wait()
        reader.join(5)

    (visit,) = visits(db)
    assert visit.ended
    assert any("1 visit written" in line for line in said)
    assert not any("Traceback" in line for line in said)
    assert any("watching" in line or "connecting" in line for line in said), "there is a progress line"


def test_a_line_counts_only_who_crosses_it(
    db: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("facetraits.analyzer.load_analyzer", lambda profile, threads: FakeAnalyzer())
    crossing = write_video(tmp_path / "door.mp4", two_cross().pictures(), fps=10)

    assert main(["watch", str(crossing), "--db", db, "--line", "0.5,1,0.5,0"]) == 0

    assert "door.mp4: 1 visit written; 1 entered, 1 left" in capsys.readouterr().err
    (visit,) = visits(db)
    assert (visit.entries, visit.exits) == (1, 0)


def test_an_ignored_area_counts_nobody(db: str, video: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["watch", str(video), "--db", db, *COUNTED, "--ignore", "0,0,1,0,1,1,0,1"]) == 0

    assert "shop.mp4: 0 visits written" in capsys.readouterr().err
    assert visits(db) == []


def test_the_line_in_the_database_counts_unless_another_is_given(db: str, video: Path) -> None:
    everything = layout_of(None, [(0, 0, 1, 0, 1, 1, 0, 1)])
    store = open_store(db)
    store.save_layout("shop.mp4", everything)
    store.close()

    assert main(["watch", str(video), "--db", db, *COUNTED]) == 0
    assert visits(db) == []
    assert main(["watch", str(video), "--db", db, *COUNTED, "--ignore", "0,0,0.01,0,0.01,0.01"]) == 0
    assert len(visits(db)) == 2


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("--line=0.5,1,0.5", "A counting line has four numbers: x1,y1,x2,y2."),
        ("--line=0.5,1,0.5,2", "all numbers must be from 0 to 1."),
        ("--line=a,b", "numbers look like 0.1,0.5,0.9,0.5, got a,b"),
        ("--ignore=0,0,1,1", "of 3 to 40 corners each."),
    ],
)
def test_lines_that_are_none_are_refused(
    db: str, video: Path, option: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        code = main(["watch", str(video), "--db", db, option])
    except SystemExit as ended:
        code = ended.code
    assert code == 2
    assert said in capsys.readouterr().err
