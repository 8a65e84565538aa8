"""The Webcam page in a real browser whose camera plays a video of faces at known places, with the real networks."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from facetraits.faces.images import decode_image
from tests.browser.conftest import Watched, no_file_can_grow, running_app
from tests.browser.webcam_visitor import ARGUMENTS, FAKE, SHOWS_VIDEO, Visitor
from tests.camera import Scene, five_faces, moving_face, still_face, write_mjpeg
from tests.drawn_boxes import best_overlap, drawn_boxes

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    LaunchChromium = Callable[..., Browser]

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture(scope="module")
def still() -> Scene:
    return still_face()


@pytest.fixture(scope="module")
def chromium(
    launch_chromium: LaunchChromium, tmp_path_factory: pytest.TempPathFactory, still: Scene
) -> Iterator[Browser]:
    """Plays one face that does not move; takes the place of the browser without a camera."""
    video = write_mjpeg(still, tmp_path_factory.mktemp("camera") / "still.mjpeg")
    browser = launch_chromium(*ARGUMENTS, FAKE, f"--use-file-for-fake-video-capture={video}")
    yield browser
    browser.close()


@pytest.fixture(scope="module")
def app_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An app with a place for everybody: tests that follow each other quickly are no crowd. It can write no file."""
    log = tmp_path_factory.mktemp("app") / "log.txt"
    with running_app(log, {"FACETRAITS_VIEWERS": "50"}, before=no_file_can_grow) as url:
        yield url


@pytest.fixture
def visit(open_browser: Callable[..., Watched]) -> Callable[..., Visitor]:
    return lambda allowed=True, **look: Visitor(open_browser(**look), allowed)


def watch_scene(
    launch_chromium: LaunchChromium, url: str, folder: Path, scene: Scene, look: Callable[[Visitor], None]
) -> None:
    """Let ``look`` see the page in a browser whose camera plays ``scene``."""
    video = write_mjpeg(scene, folder / "scene.mjpeg")
    browser = launch_chromium(*ARGUMENTS, FAKE, f"--use-file-for-fake-video-capture={video}")
    try:
        watched = Watched(browser.new_page(viewport={"width": 1280, "height": 1000}), url)
        visitor = Visitor(watched)
        visitor.play()
        look(visitor)
        assert (watched.foreign_requests, watched.console_errors) == ([], [])
    finally:
        browser.close()


def test_a_face_gets_a_box_in_its_place_and_a_card(visit: Callable[..., Visitor], still: Scene) -> None:
    visitor = visit()
    visitor.play()
    assert min(visitor.overlaps(still, pictures=5)) >= 0.6
    assert visitor.cards.count() == 1
    read = re.sub(r"\s+", " ", visitor.cards.inner_text())
    assert read.startswith("Face 1 ")
    assert re.search(r"Apparent age \d+ years? \d+ to \d+ \(80% interval\)", read), read
    for label in ("Apparent gender", "Ethnicity", "Facial expression", "Mood: "):
        assert label in read
    assert visitor.figure("fps") > 3
    assert visitor.figure("analyses") > 0.5
    assert 0 < visitor.figure("delay") < 5000
    visitor.page.get_by_role("heading", name="Facial expression, last minute").wait_for()
    visitor.page.locator(".stVegaLiteChart canvas, .stVegaLiteChart svg").first.wait_for()


def test_no_server_helps_to_connect(visit: Callable[..., Visitor]) -> None:
    visitor = visit()
    visitor.start()
    visitor.wait_for_video()
    assert [c["iceServers"] for c in visitor.frame.evaluate("configurations")] == [[]]


def test_a_moving_face_keeps_its_box_and_its_number(
    launch_chromium: LaunchChromium, app_url: str, tmp_path: Path
) -> None:
    scene = moving_face()

    def look(visitor: Visitor) -> None:
        overlaps = visitor.overlaps(scene, pictures=20)
        assert np.median(overlaps) >= 0.6, overlaps
        assert visitor.cards.count() == 1
        assert visitor.cards.get_attribute("data-track") == "1"

    watch_scene(launch_chromium, app_url, tmp_path, scene, look)


def test_five_faces_get_five_boxes_and_five_cards(
    launch_chromium: LaunchChromium, app_url: str, tmp_path: Path
) -> None:
    scene = five_faces()

    def look(visitor: Visitor) -> None:
        visitor.page.wait_for_function("document.querySelectorAll('.ft-card[data-track]').length >= 5")
        overlaps = np.array(visitor.overlaps(scene, pictures=8)).reshape(-1, 5)
        assert np.median(overlaps, axis=0).min() >= 0.6, overlaps
        numbers = [card.get_attribute("data-track") for card in visitor.cards.all()]
        assert len(set(numbers)) == len(numbers)

    watch_scene(launch_chromium, app_url, tmp_path, scene, look)


def test_the_mirror_turns_the_picture_at_once_and_goes_on(visit: Callable[..., Visitor], still: Scene) -> None:
    visitor = visit()
    visitor.play()
    transform = "getComputedStyle(document.querySelector('video')).transform"
    before = visitor.video.evaluate_handle("video => video.srcObject")
    assert visitor.frame.evaluate(transform) == "matrix(-1, 0, 0, 1, 0, 0)"
    visitor.switch("Mirror")
    visitor.frame.wait_for_function(f"{transform} === 'none'")
    assert visitor.video.evaluate("(video, before) => video.srcObject === before", before), "the video was interrupted"
    assert min(visitor.overlaps(still, pictures=3)) >= 0.6
    visitor.switch("Mirror")
    visitor.frame.wait_for_function(f"{transform} === 'matrix(-1, 0, 0, 1, 0, 0)'")


def test_a_trait_can_be_switched_off_while_the_camera_is_on(visit: Callable[..., Visitor]) -> None:
    visitor = visit()
    visitor.play()
    visitor.cards.get_by_text("Ethnicity").wait_for()
    visitor.page.get_by_role("button", name="Ethnicity").click()
    visitor.cards.get_by_text("Ethnicity").wait_for(state="detached")
    assert visitor.cards.get_by_text("Apparent age").is_visible()
    visitor.page.get_by_role("button", name="Ethnicity").click()
    visitor.cards.get_by_text("Ethnicity").wait_for()
    assert visitor.frame.evaluate(SHOWS_VIDEO)


def test_a_picture_can_be_frozen_and_taken_home(visit: Callable[..., Visitor], still: Scene) -> None:
    visitor = visit()
    visitor.play()
    visitor.page.get_by_role("button", name="Freeze").click()
    visitor.page.get_by_role("button", name="Continue").wait_for()
    with visitor.page.expect_download() as waiting:
        visitor.page.get_by_role("button", name="Download", exact=True).click()
    assert waiting.value.suggested_filename.endswith(".jpg")
    frozen = decode_image(Path(waiting.value.path()).read_bytes())
    width = frozen.shape[1]
    left, top, right, bottom = still.boxes(0)[0] * (width / still.size_wh[0])
    mirrored = np.array([width - right, top, width - left, bottom])
    assert best_overlap(mirrored, drawn_boxes(frozen)) >= 0.6
    visitor.page.get_by_role("button", name="Continue").click()
    visitor.page.get_by_role("button", name="Freeze").wait_for()
    assert visitor.frame.evaluate(SHOWS_VIDEO), "the video goes on"


def test_stop_and_start_again(visit: Callable[..., Visitor], still: Scene) -> None:
    visitor = visit()
    for _ in range(2):
        visitor.play()
        assert min(visitor.overlaps(still, pictures=2)) >= 0.6
        assert visitor.page.get_by_role("combobox", name="Resolution").is_disabled()
        visitor.stop()
        visitor.cards.first.wait_for(state="detached")
        assert visitor.page.locator("[data-figure]").count() == 0


def test_leave_the_page_and_come_back(visit: Callable[..., Visitor]) -> None:
    visitor = visit()
    visitor.play()
    visitor.page.get_by_role("link", name="About", exact=True).click()
    visitor.page.get_by_role("heading", level=1, name="About").wait_for()
    visitor.watched.settle()
    visitor.page.get_by_role("link", name="Webcam", exact=True).click()
    visitor.page.get_by_role("heading", level=1, name="Webcam").wait_for()
    visitor.page.get_by_text("The camera is off").wait_for()
    assert visitor.cards.count() == 0
    visitor.play()
    assert visitor.cards.count() == 1


def test_reload_while_the_camera_is_on(visit: Callable[..., Visitor]) -> None:
    visitor = visit()
    visitor.play()
    missing: list[str] = []
    visitor.page.on("response", lambda answer: missing.append(answer.url) if answer.status == 404 else None)
    visitor.page.reload()
    visitor.page.get_by_text("The camera is off").wait_for()
    visitor.play()
    assert visitor.cards.count() == 1
    # Streamlit looks for itself below the page's own address first, and says so in the console.
    assert all("/Webcam/_stcore/" in address for address in missing), missing
    assert len(visitor.watched.console_errors) == len(missing)
    visitor.watched.console_errors.clear()


def test_two_tabs_at_once(visit: Callable[..., Visitor]) -> None:
    first, second = visit(), visit()
    first.play()
    second.play()
    for visitor in (first, second):
        visitor.page.bring_to_front()
        assert visitor.frame.evaluate(SHOWS_VIDEO)
        assert visitor.cards.count() == 1
        assert visitor.cards.get_attribute("data-track") == "1", "each has its own numbers"
    first.stop()
    second.page.wait_for_timeout(1500)
    assert second.cards.count() == 1


def test_the_one_too_many_waits_for_a_place(chromium: Browser, tmp_path: Path) -> None:
    with running_app(tmp_path / "log.txt", {"FACETRAITS_VIEWERS": "1"}) as url:
        first = Visitor(Watched(chromium.new_page(), url))
        first.play()
        second = Visitor(Watched(chromium.new_page(), url))
        second.notice("No place is free at the moment").wait_for()
        assert second.page.locator("iframe").count() == 0
        first.page.context.close()
        for _ in range(40):
            second.page.get_by_role("button", name="Try again").click()
            second.page.wait_for_timeout(1500)
            if not second.notice("No place is free at the moment").is_visible():
                break
        second.play()
        second.page.context.close()


def test_a_refused_camera_is_told_and_may_be_allowed(visit: Callable[..., Visitor]) -> None:
    visitor = visit(allowed=False)
    visitor.start()
    refused = visitor.notice("The camera is not allowed")
    refused.wait_for()
    assert refused.get_attribute("role") == "alert"
    assert refused.get_by_text("Safari").first.is_visible()
    visitor.page.context.grant_permissions(["camera"])
    refused.wait_for(state="detached")
    visitor.play()


def test_no_camera_is_told(launch_chromium: LaunchChromium, app_url: str) -> None:
    browser = launch_chromium(*ARGUMENTS, f"{FAKE}=device-count=0")
    try:
        visitor = Visitor(Watched(browser.new_page(), app_url))
        visitor.start()
        visitor.notice("No camera was found").wait_for()
        assert visitor.watched.console_errors == []
    finally:
        browser.close()


def test_a_page_that_is_only_looked_at_is_quiet(visit: Callable[..., Visitor]) -> None:
    visitor = visit()
    visitor.component.get_by_role("button", name="Start camera").wait_for()
    visitor.page.wait_for_timeout(2000)
    sent = visitor.page.evaluate("messages")
    visitor.page.wait_for_timeout(4000)
    assert visitor.page.evaluate("messages") == sent


def test_a_phone_shows_it_all_without_scrolling_sideways(visit: Callable[..., Visitor]) -> None:
    visitor = visit(width=390, height=844)
    assert visitor.page.evaluate("document.documentElement.scrollWidth") <= 390
    visitor.play()
    assert visitor.page.evaluate("document.documentElement.scrollWidth") <= 390
    video, card = visitor.video.bounding_box(), visitor.first_card_box()
    assert video["width"] > 330
    assert video["y"] + video["height"] <= card["y"], "cards stand below the video"
    assert card["width"] > 330
    assert visitor.component.get_by_role("button", name="Stop camera").is_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_cards_stand_beside_the_video_on_a_wide_screen(visit: Callable[..., Visitor], scheme: str) -> None:
    visitor = visit(scheme=scheme)
    visitor.play()
    video, card = visitor.video.bounding_box(), visitor.first_card_box()
    assert video["x"] + video["width"] <= card["x"]
    assert video["width"] / video["height"] == pytest.approx(4 / 3, rel=0.03), "the picture is not distorted"
