"""The view "Recording": video files, network cameras and settings."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from facetraits.visitors.inputs import FileInput
from facetraits.visitors.store import StoreError, VisitStore
from facetraits.visitors.visit import Settings, Visit
from tests.pages.visitors.helpers import PAGE, choose, labels, open_page, press, submit, text, wait_for
from tests.videos import comes_and_goes, write_sound, write_video
from ui.visitors import cached
from ui.visitors.recording import began_at


@pytest.mark.usefixtures("here")
def test_a_video_is_counted_at_the_time_it_was_recorded(store: VisitStore, tmp_path: Path) -> None:
    began = datetime.now(UTC).replace(microsecond=0) - timedelta(days=2)
    scene = comes_and_goes((0.6, 3.0), seconds=4)
    video = write_video(tmp_path / "Door.mp4", scene.pictures(), metadata={"creation_time": began.isoformat()})
    page = choose(open_page("Recording"), "visitors_kind", "Video file")
    page.file_uploader[0].set_value(("Door.mp4", video.read_bytes(), "video/mp4")).run()
    assert [error.value for error in page.exception] == []
    submit(page, "Count the visitors")
    wait_for(lambda: [status.state for status in cached.get_recording().statuses()] == ["ended"])
    wait_for(lambda: len(store.latest()) == 1)
    (visit,) = store.latest()
    assert (visit.source, visit.ended) == ("Door", True)
    assert timedelta() < visit.started - began.replace(second=0) < timedelta(seconds=62)
    page.run()
    assert "Door video file, finished 1 visit" in text(page)
    assert "Recording is off" in text(page)
    press(page, "visitors_stop_Door")
    assert "Door" not in text(page)


@pytest.mark.usefixtures("here")
def test_a_video_that_does_not_say_when_it_was_recorded_has_ended_by_now(tmp_path: Path) -> None:
    video = write_video(tmp_path / "Door.mp4", comes_and_goes(seconds=150).pictures()).read_bytes()
    page = choose(open_page("Recording"), "visitors_kind", "Video file")
    page.file_uploader[0].set_value(("Door.mp4", video, "video/mp4")).run()
    assert [error.value for error in page.exception] == []
    began = page.get("date_time_input")[0].value.replace(tzinfo=UTC)
    assert timedelta(seconds=150) <= datetime.now(UTC) - began < timedelta(seconds=240)


@pytest.mark.usefixtures("here")
def test_a_video_of_the_future_is_a_sentence(tmp_path: Path) -> None:
    video = write_video(tmp_path / "Door.mp4", comes_and_goes(seconds=1).pictures()).read_bytes()
    page = choose(open_page("Recording"), "visitors_kind", "Video file")
    page.file_uploader[0].set_value(("Door.mp4", video, "video/mp4")).run()
    page.get("date_time_input")[0].set_value(datetime.now(UTC).replace(tzinfo=None) + timedelta(days=1))
    submit(page, "Count the visitors")
    assert "The video was not started" in text(page)
    assert cached.get_recording().statuses() == ()


def test_a_video_never_begins_in_the_future() -> None:
    now = datetime(2026, 5, 4, 12, tzinfo=UTC)
    assert began_at(None, 90.0, now) == now - timedelta(seconds=90)
    assert began_at(None, None, now) == began_at(now + timedelta(hours=1), 90.0, now) == now
    assert began_at(now - timedelta(days=1), 90.0, now) == now - timedelta(days=1)
    assert began_at(None, 1e15, now) == now


@pytest.mark.usefixtures("here")
def test_a_video_that_is_older_than_what_is_kept_is_not_counted_in_vain(store: VisitStore, tmp_path: Path) -> None:
    video = write_video(
        tmp_path / "old.mp4", comes_and_goes(seconds=1).pictures(), metadata={"creation_time": "2020-05-04"}
    )
    page = choose(open_page("Recording"), "visitors_kind", "Video file")
    page.file_uploader[0].set_value(("old.mp4", video.read_bytes(), "video/mp4")).run()
    submit(page, "Count the visitors")
    assert "older than the 90 days that visits are kept" in text(page)
    assert cached.get_recording().statuses() == ()
    store.save_settings(Settings(retention_days=None))
    submit(page, "Count the visitors")
    assert [status.name for status in cached.get_recording().statuses()] == ["old"]


@pytest.mark.usefixtures("here")
def test_while_a_camera_records_every_page_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    page = choose(open_page("Recording"), "visitors_kind", "Network camera")
    page.text_input(key="visitors_name_Entrance").set_value("Yard")
    page.text_input(key="visitors_address").set_value("http://user:geheim@127.0.0.1:9/video")
    submit(page, "Start this camera")
    assert "Recording Yard (connecting …)" in text(page)
    assert "geheim" not in text(page)
    page.switch_page("app.py").run()
    assert "Recording visitors" in text(page)
    assert "Yard" not in text(page), "where from is for the owner only"
    page.switch_page(PAGE).run()
    press(page, "visitors_stop_all")
    assert "Recording is off" in text(page)
    assert cached.recording_sources() == ()
    assert "Recording visitors" not in text(page)


@pytest.mark.usefixtures("here")
def test_a_camera_that_never_was_there_says_why() -> None:
    page = choose(open_page("Recording"), "visitors_kind", "Network camera")
    page.text_input(key="visitors_address").set_value("http://user:geheim@127.0.0.1:9/video")
    submit(page, "Start this camera")
    recording = cached.get_recording()
    wait_for(lambda: recording.statuses()[0].detail)
    (status,) = recording.statuses()
    assert status.state == "connecting"
    page.run()
    assert f"What is wrong {status.detail}" in text(page)
    assert "geheim" not in text(page)


class ForgetfulStore:
    """Stands in the way of a log that works, as long as ``broken``."""

    def __init__(self, store: VisitStore, monkeypatch: pytest.MonkeyPatch) -> None:
        self.broken = True
        for name in ("add", "update"):
            monkeypatch.setattr(store, name, self._unless_broken(getattr(store, name)))

    def _unless_broken(self, works: Callable[..., None]) -> Callable[..., None]:
        def write(visits: Iterable[Visit]) -> None:
            if self.broken:
                raise StoreError("The disk is full.")
            works(visits)

        return write


@pytest.mark.usefixtures("here")
def test_visits_that_wait_are_said_also_of_a_file_that_is_over_and_after_the_stop(
    store: VisitStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = ForgetfulStore(store, monkeypatch)
    recording = cached.get_recording()
    video = write_video(tmp_path / "a.mp4", comes_and_goes((0.6, 3.0), seconds=4).pictures())
    recording.start("Door", FileInput(video, datetime.now(UTC) - timedelta(hours=1)))
    wait_for(lambda: [(s.state, s.unwritten) for s in recording.statuses()] == [("ended", 1)])
    page = open_page("Recording")
    assert "Recording is off" in text(page)
    assert "1 visit could not be written yet. Unwritten visits are kept" in text(page)
    assert "What is wrong The disk is full." in text(page)
    recording.stop_all()
    assert recording.statuses() == ()
    assert "could not be written yet" not in text(page.run()), "what is new may wait for a moment"
    monkeypatch.setattr("ui.visitors.sign._PATIENCE_S", 0.0)
    assert "1 visit could not be written yet. Unwritten visits are kept" in text(page.run())
    disk.broken = False
    wait_for(lambda: not recording.unwritten())
    assert "could not be written yet" not in text(page.run())
    assert len(store.latest()) == 1


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(("name", "address"), [("Yard", "camera"), ("Yard", "ftp://camera/video"), ("", "rtsp://a/b")])
def test_a_camera_that_cannot_be_started_is_a_sentence(name: str, address: str) -> None:
    page = choose(open_page("Recording"), "visitors_kind", "Network camera")
    page.text_input(key="visitors_name_Entrance").set_value(name)
    page.text_input(key="visitors_address").set_value(address)
    submit(page, "Start this camera")
    assert ("The camera was not started" if name else "The source needs a name") in text(page)
    assert cached.recording_sources() == ()


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(("kind", "said"), [("sound", "only sound"), ("empty", "empty"), ("broken", "not a video")])
def test_a_file_without_pictures_is_a_sentence(tmp_path: Path, kind: str, said: str) -> None:
    data = {"empty": b"", "broken": b"no video at all"}.get(kind)
    if data is None:
        data = write_sound(tmp_path / "sound.mp4").read_bytes()
    page = choose(open_page("Recording"), "visitors_kind", "Video file")
    page.file_uploader[0].set_value(("Door.mp4", data, "video/mp4")).run()
    assert [error.value for error in page.exception] == []
    assert said in text(page)
    assert "Count the visitors" not in labels(page)


@pytest.mark.usefixtures("here")
def test_settings_are_saved(store: VisitStore) -> None:
    page = open_page("Recording")
    page.number_input(key="visitors_enter").set_value(2.5)
    page.number_input(key="visitors_away").set_value(20.0)
    page.toggle(key="visitors_ethnicity").set_value(True)
    submit(page, "Save")
    assert store.settings() == Settings(2.5, 20.0, True, 90)
    assert "ethnicity, mood" in text(page)
    assert "Active sources use the new settings within a few seconds." in text(page)
