"""The page "Visitors" in a real browser: from a camera to a marked buyer, a video file, the table, phones, the dark."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from facetraits.visitors.store import VisitStore, open_store
from tests.browser.conftest import Watched, running_app
from tests.browser.test_photo import CONTRAST
from tests.browser.webcam_visitor import ARGUMENTS, FAKE
from tests.camera import still_face, write_mjpeg
from tests.videos import comes_and_goes, two_cross, write_video
from tests.visitors.made_visits import make_frame, make_visit, visits_of

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Dialog, Locator

pytestmark = [pytest.mark.browser, pytest.mark.slow]

PASSWORD = "a password of the shop"
VIEWS = ("Now", "Visits", "Patterns", "Recording", "Data")


@pytest.fixture(scope="module")
def chromium(launch_chromium: Callable[..., Browser], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """Plays one face that does not move."""
    video = write_mjpeg(still_face((320, 240)), tmp_path_factory.mktemp("camera") / "still.mjpeg")
    browser = launch_chromium(*ARGUMENTS, FAKE, f"--use-file-for-fake-video-capture={video}")
    yield browser
    browser.close()


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("log") / "visitors.db"


@pytest.fixture(scope="module")
def app_url(tmp_path_factory: pytest.TempPathFactory, log: Path) -> Iterator[str]:
    environment = {
        "FACETRAITS_DB": f"sqlite:///{log}",
        "FACETRAITS_VIEWERS": "50",
        "FACETRAITS_VISITORS_PASSWORD": PASSWORD,
    }
    with running_app(tmp_path_factory.mktemp("app") / "log.txt", environment) as url:
        yield url


@pytest.fixture
def store(log: Path) -> Iterator[VisitStore]:
    """The app's log, emptied."""
    opened = open_store(f"sqlite:///{log}")
    opened.delete_all()
    yield opened
    opened.close()


class Owner:
    """Somebody at the page."""

    def __init__(self, watched: Watched) -> None:
        self.watched = watched
        self.page = watched.page
        self.page.context.set_default_timeout(30_000)
        self.page.context.grant_permissions(["camera"])
        watched.visit("Visitors")
        self.page.get_by_role("textbox", name="Password").fill(PASSWORD)
        self.press("Open the log")

    def view(self, name: str) -> None:
        self.page.get_by_role("radio", name=name, exact=True).click()
        self.watched.settle()

    def press(self, name: str) -> None:
        self.page.get_by_role("button", name=name).first.click()
        self.watched.settle()

    def figure(self, label: str) -> Locator:
        return self.page.locator(".ft-figures li", has_text=label).locator("strong")

    def wait_for_row(self, place: int, bought: str, basket: str) -> None:
        """Wait until the table shows this of a visit; it draws itself, and tells screen readers what it has drawn."""
        self.page.wait_for_function(
            """([place, bought, basket]) => {
                const row = document.querySelectorAll('[data-testid=stDataFrame] canvas table tbody tr')[place];
                const cells = row ? [...row.querySelectorAll('td')].map((cell) => cell.textContent) : [];
                return cells[2] === bought && cells[3] === basket;
            }""",
            arg=[place, bought, basket],
        )

    def text(self) -> str:
        return re.sub(r"\s+", " ", self.page.locator(".stMain").inner_text())


@pytest.fixture
def owner(open_browser: Callable[..., Watched]) -> Callable[..., Owner]:
    return lambda **look: Owner(open_browser(**look))


def shop(store: VisitStore, number: int = 400) -> None:
    """Visits up to this moment."""
    frame = make_frame(number, days=28, unknown=0.1)
    frame["started"] += datetime.now(UTC) - timedelta(minutes=2) - frame["started"].max()
    store.add(visits_of(frame))


def test_from_the_webcam_to_a_marked_buyer(owner: Callable[..., Owner], store: VisitStore) -> None:
    me = owner()
    assert "Recording is off. Nothing is stored until you start it." in me.text()
    me.press("Start recording")
    me.press("Use this webcam")
    me.page.frame_locator("iframe[title*=webrtc_streamer]").get_by_role("button", name="Start camera").click()
    me.view("Now")
    me.page.locator(".ft-visit", has_text="in view").wait_for()
    me.page.locator(".ft-sign-on", has_text="Recording Webcam").wait_for()
    assert me.figure("In view now").inner_text() == "1"
    me.page.locator("h1").click()
    me.page.keyboard.press("b")
    me.page.locator(".ft-bought-yes").wait_for()
    assert store.count()["yes"] == 1
    me.press("Undo")
    me.page.locator(".ft-bought-unknown").wait_for()
    me.view("Patterns")
    assert me.page.locator("iframe[title*=webrtc_streamer]").count() == 1, "the camera goes on in every view"
    me.press("Stop recording")
    me.page.get_by_text("Recording is off").wait_for()
    (visit,) = store.latest()
    assert visit.ended
    assert visit.source == "Webcam"
    assert visit.gender is not None and visit.mood is not None and visit.ethnicity is None


def test_leaving_the_page_is_asked_about_and_ends_the_recording(owner: Callable[..., Owner], store: VisitStore) -> None:
    me = owner()
    me.press("Start recording")
    me.press("Use this webcam")
    me.page.frame_locator("iframe[title*=webrtc_streamer]").get_by_role("button", name="Start camera").click()
    me.view("Now")
    sign = me.page.locator(".stSidebar .ft-sign-on")
    sign.wait_for()
    deadline_s = time.monotonic() + 30
    while not store.latest():  # until whoever is in view has stayed long enough
        assert time.monotonic() < deadline_s
        me.page.wait_for_timeout(100)
    asked: list[str] = []
    answer = [False]

    def answer_question(dialog: Dialog) -> None:
        asked.append(dialog.message)
        (dialog.accept if answer[0] else dialog.dismiss)()

    me.page.on("dialog", answer_question)
    me.page.get_by_role("link", name="About", exact=True).click()
    assert asked == ["The webcam stops recording when you leave this page. Leave it?"]
    me.watched.settle()
    me.page.get_by_role("heading", level=1, name="Visitors").wait_for()
    assert sign.count() == 1
    answer[0] = True
    me.page.get_by_role("link", name="About", exact=True).click()
    me.page.get_by_role("heading", level=1, name="About").wait_for()
    sign.wait_for(state="detached")
    (visit,) = store.latest()
    assert visit.source == "Webcam"
    me.page.get_by_role("link", name="Photo", exact=True).click()
    me.page.get_by_role("heading", level=1, name="Photo").wait_for()
    assert len(asked) == 2, "nothing is asked where nothing records"


def test_a_video_file_is_counted(owner: Callable[..., Owner], store: VisitStore, tmp_path: Path) -> None:
    scene = comes_and_goes((0.6, 3.0), (12.0, 15.0), seconds=16)
    video = write_video(tmp_path / "Door.mp4", scene.pictures())
    me = owner()
    me.view("Recording")
    me.page.get_by_role("radio", name="Video file").click()
    me.page.locator("input[type=file]").set_input_files(video)
    me.press("Count the visitors")
    me.page.locator(".ft-source-ended", has_text="2 visits").wait_for()
    assert {visit.source for visit in store.latest()} == {"Door"}
    assert store.count()["unknown"] == 2
    me.press("Remove")
    me.page.locator(".ft-source-ended").wait_for(state="detached")


@pytest.mark.parametrize(("width", "touch"), [(1280, False), (390, True)])
def test_a_line_is_drawn_and_counted_with(
    owner: Callable[..., Owner], store: VisitStore, tmp_path: Path, width: int, touch: bool
) -> None:
    """One of two people who walk past each other comes in, whichever way the line is turned."""
    name = f"Door {width}"
    video = write_video(tmp_path / f"{name}.mp4", two_cross().pictures(), fps=10)
    me = owner(width=width)
    me.view("Recording")
    me.page.get_by_role("radio", name="Video file").click()
    me.page.locator("input[type=file]").set_input_files(video)
    me.page.get_by_text("Draw a counting line or areas to ignore").click()
    picture = me.page.get_by_role("group", name="Counting line and areas to ignore")
    picture.wait_for()
    picture.scroll_into_view_if_needed()
    me.page.wait_for_function("document.querySelector('[class*=st-key-visitors_line_]') !== null")
    draw(me, picture, (0.5, 0.95), (0.5, 0.05), touch)
    me.page.get_by_role("button", name="Turn direction").click()
    end = me.page.get_by_role("button", name="End 1 of the counting line")
    end.focus()
    me.page.keyboard.press("ArrowUp")
    me.press("Area to ignore")
    draw(me, picture, (0.01, 0.01), (0.1, 0.2), touch)
    me.press("Save the drawing")
    me.page.get_by_text("Saved for this video. It has a counting line and 1 area to ignore.").wait_for()
    me.press("Count the visitors")
    me.page.locator(".ft-source-ended", has_text="1 visit · 1 entered, 1 left").wait_for()
    drawn = store.layout(name)
    assert drawn.line is not None
    assert [value for point in drawn.line for value in point] == pytest.approx([0.5, 0.04, 0.5, 0.95], abs=0.011)
    assert [value for point in drawn.ignored[0] for value in point] == pytest.approx(
        [0.01, 0.01, 0.1, 0.01, 0.1, 0.2, 0.01, 0.2], abs=0.011
    )
    me.view("Now")
    assert me.figure("Entered / left today").inner_text() == "1 / 1"


def draw(me: Owner, picture: Locator, start: tuple[float, float], end: tuple[float, float], touch: bool) -> None:
    """Drag from one place of the picture to another, with the mouse or a finger."""
    box = picture.bounding_box()
    assert box is not None
    (x1, y1), (x2, y2) = ((box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in (start, end))
    if not touch:
        me.page.mouse.move(x1, y1)
        me.page.mouse.down()
        me.page.mouse.move((x1 + x2) / 2, (y1 + y2) / 2)
        me.page.mouse.move(x2, y2)
        me.page.mouse.up()
        return
    finger = me.page.context.new_cdp_session(me.page)
    for kind, x, y in (("Start", x1, y1), ("Move", (x1 + x2) / 2, (y1 + y2) / 2), ("Move", x2, y2), ("End", x2, y2)):
        points = [] if kind == "End" else [{"x": x, "y": y}]
        finger.send("Input.dispatchTouchEvent", {"type": f"touch{kind}", "touchPoints": points})


def test_a_cell_is_changed_and_saved_at_once(owner: Callable[..., Owner], store: VisitStore) -> None:
    store.add([make_visit(datetime.now(UTC) - timedelta(minutes=minute)) for minute in (5, 10)])
    me = owner()
    me.view("Visits")
    table = me.page.locator("[data-testid=stDataFrame]")
    table.locator("canvas").first.wait_for()
    me.page.wait_for_timeout(500)  # it is drawn in steps
    box = table.bounding_box()
    assert box is not None
    me.page.mouse.click(box["x"] + 30, box["y"] + 35 * 2 + 17)  # the time of the second visit
    for key in ("ArrowRight", "ArrowRight", "ArrowRight", "Enter"):
        me.page.keyboard.press(key)
    cell = me.page.locator("#portal input")
    cell.wait_for()
    me.page.keyboard.type("12.5", delay=60)
    me.page.wait_for_timeout(300)
    me.page.keyboard.press("Enter")
    cell.wait_for(state="detached")
    me.wait_for_row(1, "yes", "12.5")
    assert [(visit.bought, str(visit.basket)) for visit in store.latest()] == [("unknown", "None"), ("yes", "12.50")]
    me.page.mouse.click(box["x"] + 30, box["y"] + 35 * 2 + 17)
    for key in ("ArrowRight", "ArrowRight", "Enter"):
        me.page.keyboard.press(key)
    me.page.locator("#portal input").wait_for()
    me.page.keyboard.type("no", delay=60)
    me.page.wait_for_timeout(300)
    me.page.keyboard.press("Enter")
    me.wait_for_row(1, "no", "")  # who did not buy has no basket, in the table and in the log
    assert [(visit.bought, str(visit.basket)) for visit in store.latest()] == [("unknown", "None"), ("no", "None")]
    me.page.mouse.click(box["x"] + 160 + 38, box["y"] + 35 * 2 + 17)  # the button of the row
    me.wait_for_row(1, "yes", "")
    me.page.mouse.click(box["x"] + 160 + 38, box["y"] + 35 * 2 + 17)
    me.wait_for_row(1, "no", "")
    store.add([make_visit(datetime.now(UTC))])
    me.page.wait_for_timeout(300)
    assert "2 visits" in me.text(), "no row moves under the owner's hands"
    me.press("Refresh")
    me.page.get_by_text("3 visits").wait_for()


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_every_view_fits_and_can_be_read(
    owner: Callable[..., Owner], store: VisitStore, width: int, scheme: str
) -> None:
    shop(store)
    store.add([make_visit(datetime.now(UTC) - timedelta(seconds=60), duration_s=7200.0, ended=False, bought="yes")])
    me = owner(width=width, scheme=scheme)
    me.page.locator(".ft-visit").first.wait_for()
    words = me.page.locator(
        ":is(.ft-sign, .ft-sign strong, .ft-explain, .ft-figures span, .ft-share span, .ft-visit span)"
    ).all()
    assert len(words) > 40
    contrasts = {word.inner_text(): word.evaluate(CONTRAST) for word in words}
    assert min(contrasts.values()) >= 4.5, contrasts
    for view in VIEWS:
        me.view(view)
        assert me.page.evaluate("document.documentElement.scrollWidth") <= width, view
        assert me.page.evaluate("document.querySelector('.stMain').scrollWidth") <= width, view
    me.view("Patterns")
    for name, charts in (("Times", 3), ("People", 1), ("Moods", 1), ("Buyers", 1)):
        me.page.get_by_role("radio", name=name).click()
        me.watched.settle()
        me.page.wait_for_function(f"document.querySelectorAll('.stVegaLiteChart svg').length === {charts}")
        for chart in me.page.locator(".stVegaLiteChart").all():
            assert chart.get_attribute("aria-label") or chart.locator("[aria-label]").count()


def test_the_visits_can_be_taken_home(owner: Callable[..., Owner], store: VisitStore) -> None:
    shop(store, 50)
    me = owner()
    store.add([make_visit(datetime.now(UTC) - timedelta(days=80))])
    me.view("Data")
    with me.page.expect_download() as waiting:
        me.page.get_by_role("button", name="CSV", exact=True).click()
    lines = Path(waiting.value.path()).read_text(encoding="utf-8-sig").splitlines()
    assert len(lines) == 52
    with me.page.expect_download() as waiting:
        me.page.get_by_role("button", name="Parquet", exact=True).click()
    assert Path(waiting.value.path()).read_bytes()[:4] == b"PAR1"
    me.page.get_by_role("radio", name="Only some, by filters").click()
    me.page.get_by_text("Only what fits the filters: 50 of 51 visits.").wait_for()
    me.press("Delete all visits")
    with me.page.expect_download() as waiting:
        me.page.get_by_role("button", name="Download all of them").click()
    assert len(Path(waiting.value.path()).read_text(encoding="utf-8-sig").splitlines()) == 52
