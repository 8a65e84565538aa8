"""The picture as the interface: boxes lead to cards and cards to boxes; zoom, full screen, keys."""

from __future__ import annotations

import base64
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from playwright.sync_api import Browser

from tests.browser.conftest import Watched
from tests.builders import photo_of_many, photo_of_one, png

pytestmark = [pytest.mark.browser, pytest.mark.slow]

OpenBrowser = Callable[..., Watched]


def open_group(open_browser: OpenBrowser, **look: object) -> Watched:
    """The page Photo with the sample of eight people."""
    browser = open_browser(**look)
    browser.visit("Photo")
    browser.page.get_by_role("radio", name="Sample", exact=True).click()
    browser.page.locator(".st-key-samples").get_by_role("radio").last.click()
    browser.page.locator(".ft-picture").get_by_text("All eight").wait_for()
    browser.settle()
    browser.page.locator("[role=button][data-face='8']").wait_for()
    return browser


def box_of(browser: Watched, number: int) -> dict[str, float]:
    found = browser.page.locator(f"[data-face='{number}'] .line").bounding_box()
    assert found is not None
    return dict(found)


def test_a_box_leads_to_its_card_and_a_card_to_its_box(open_browser: OpenBrowser) -> None:
    browser = open_group(open_browser)
    page = browser.page
    marks = page.locator("[role=button][data-face]")
    assert marks.count() == 8
    assert marks.nth(2).get_attribute("aria-label") == page.locator(".ft-card > details > summary img").nth(2).evaluate(
        "img => `Face 3: ${img.closest('summary').querySelector('.ft-headline').textContent}`"
    )
    page.locator("[data-face='5'] .line").click()
    chosen = page.locator(".ft-chosen")
    assert chosen.locator(".ft-number").inner_text() == "Face 5"
    assert chosen.locator("details").first.get_attribute("open") is not None
    assert marks.nth(4).get_attribute("aria-pressed") == "true"
    page.locator(".ft-card > details > summary").nth(1).click()
    assert marks.nth(1).get_attribute("aria-pressed") == "true"
    assert page.locator(".ft-chosen .ft-number").all_inner_texts() == ["Face 2"]


def test_numbers_run_in_reading_order(open_browser: OpenBrowser) -> None:
    browser = open_group(open_browser)
    places = [box_of(browser, number) for number in range(1, 9)]
    assert all(a["x"] < b["x"] for row in (places[:4], places[4:]) for a, b in pairwise(row))
    assert max(place["y"] for place in places[:4]) < min(place["y"] for place in places[4:])


def test_keys_choose_a_face(open_browser: OpenBrowser) -> None:
    browser = open_group(open_browser)
    mark = browser.page.locator("[role=button][data-face='3']")
    mark.focus()
    browser.page.keyboard.press("Enter")
    assert browser.page.locator(".ft-chosen .ft-number").inner_text() == "Face 3"
    browser.page.keyboard.press("Escape")
    assert browser.page.locator(".ft-chosen").count() == 0


def test_zoom_moves_boxes_with_the_picture_and_hides_none_for_good(open_browser: OpenBrowser) -> None:
    browser = open_group(open_browser)
    page = browser.page
    before, image = box_of(browser, 2), page.locator(".st-key-picture_frame img")
    width = image.bounding_box()["width"]
    page.get_by_role("button", name="Zoom in").click()
    assert image.bounding_box()["width"] == pytest.approx(1.5 * width, rel=0.01)
    assert box_of(browser, 2)["width"] == pytest.approx(1.5 * before["width"], rel=0.02)
    page.get_by_role("button", name="Zoom out").click()
    assert box_of(browser, 2)["x"] == pytest.approx(before["x"], abs=1)
    page.get_by_role("button", name="Hide or show the boxes").click()
    assert not page.locator("[data-face='2'] .line").is_visible()


def test_full_screen_works_by_mouse(open_browser: OpenBrowser) -> None:
    browser = open_group(open_browser)
    page = browser.page
    before = box_of(browser, 1)
    page.get_by_role("button", name="Full screen").click()
    page.wait_for_function("document.fullscreenElement?.matches('.st-key-picture_frame')")
    page.wait_for_timeout(300)
    assert box_of(browser, 1)["width"] > 1.2 * before["width"]
    page.keyboard.press("Escape")


def test_on_a_phone_a_tap_leads_to_the_card(open_browser: OpenBrowser) -> None:
    browser = open_group(open_browser, width=390, height=844)
    browser.page.locator("[data-face='6'] .line").click()
    card = browser.page.locator(".ft-chosen")
    assert card.locator(".ft-number").inner_text() == "Face 6"
    browser.page.wait_for_function(
        "() => { const r = document.querySelector('.ft-chosen').getBoundingClientRect();"
        " return r.top < innerHeight && r.bottom > 0 }"
    )


DROP = """files => {
  const data = new DataTransfer();
  for (const [name, bytes] of files)
    data.items.add(new File([Uint8Array.from(atob(bytes), c => c.charCodeAt(0))], name, { type: "image/png" }));
  const target = document.querySelector("h1");
  for (const type of ["dragenter", "dragover", "drop"])
    target.dispatchEvent(new DragEvent(type, { bubbles: true, cancelable: true, dataTransfer: data }));
}"""
PASTE = DROP.replace(
    "new DragEvent(type, { bubbles: true, cancelable: true, dataTransfer: data })",
    "new ClipboardEvent(type, { bubbles: true, cancelable: true, clipboardData: data })",
).replace('["dragenter", "dragover", "drop"]', '["paste"]')


def encoded(picture: NDArray[np.uint8]) -> str:
    return base64.b64encode(png(picture)).decode()


def test_of_a_crowd_a_box_without_a_card_brings_it(open_browser: OpenBrowser) -> None:
    browser = open_browser()
    browser.visit("Photo")
    browser.upload(("crowd.png", png(photo_of_many(15))))
    cards = browser.page.locator(".ft-card")
    assert cards.count() == 12
    browser.page.locator("[data-face='14'] .line").click()
    chosen = browser.page.locator(".ft-chosen[data-face='14']")
    chosen.wait_for()
    browser.settle()
    assert chosen.get_by_text("Apparent age").is_visible()
    assert cards.count() == 13


@pytest.mark.parametrize("start", ["Home", "Photo", "sample"])
@pytest.mark.parametrize("event", [DROP, PASTE], ids=["dropped", "pasted"])
def test_files_may_come_anywhere_on_the_page(open_browser: OpenBrowser, start: str, event: str) -> None:
    browser = open_browser()
    page = browser.page
    browser.visit("Home" if start == "Home" else "Photo")
    if start == "sample":
        page.get_by_role("radio", name="Sample", exact=True).click()
        page.locator(".ft-picture").get_by_text("Sample 1").wait_for()
        browser.settle()
    page.locator(".drop[data-listens]").wait_for(state="attached")
    page.evaluate(event, [["family.png", encoded(photo_of_many(5))]])
    page.locator(".ft-picture").get_by_text("family.png").wait_for()
    browser.settle()
    assert page.locator(".ft-card").count() == 5


def test_of_a_folder_all_pictures_are_taken_and_of_the_page_itself_none(
    open_browser: OpenBrowser, tmp_path: Path
) -> None:
    (tmp_path / "holiday" / "more").mkdir(parents=True)
    (tmp_path / "holiday" / "image.png").write_bytes(png(photo_of_one()))
    (tmp_path / "holiday" / "more" / "image.png").write_bytes(png(photo_of_one()))
    (tmp_path / "holiday" / ".hidden").write_bytes(b"a note of the system")
    browser = open_browser()
    page = browser.page
    browser.visit("Photo")
    devtools = page.context.new_cdp_session(page)
    dropped = {"items": [], "files": [str(tmp_path / "holiday")], "dragOperationsMask": 1}
    for event in ("dragEnter", "dragOver", "drop"):
        devtools.send("Input.dispatchDragEvent", {"type": event, "x": 700, "y": 60, "data": dropped})
    row = page.get_by_role("radiogroup", name="2 pictures, 2 faces: choose one to look at")
    row.wait_for()
    browser.settle()
    assert [one.inner_text() for one in row.get_by_role("radio").all()] == [
        "image.png, 1 face",
        "image.png, 1 face (2)",
    ]

    link = "const data = new DataTransfer(); data.setData('text/uri-list', 'http://127.0.0.1/away');"
    prevented = (
        f"() => {{ {link} return ['dragover', 'drop'].map((type) => !document.querySelector('h1').dispatchEvent("
    )
    prevented += "new DragEvent(type, { bubbles: true, cancelable: true, dataTransfer: data }))) }"
    assert page.evaluate(prevented) == [True, True]

    page.locator(".ft-crop").first.drag_to(page.locator("h1"))
    browser.settle()
    assert row.get_by_role("radio").count() == 2
    assert not page.get_by_text("Drop the pictures here").is_visible()


def test_two_pictures_stand_in_a_row_and_one_is_pressed(open_browser: OpenBrowser) -> None:
    browser = open_browser(width=390, height=844)
    page = browser.page
    browser.visit("Photo")
    browser.upload(("family.png", png(photo_of_many(5))), ("portrait.png", png(photo_of_one())))
    row = page.get_by_role("radiogroup", name="2 pictures, 6 faces: choose one to look at")
    assert [one.inner_text() for one in row.get_by_role("radio").all()] == [
        "family.png, 5 faces",
        "portrait.png, 1 face",
    ]
    row.get_by_role("radio", name="portrait.png").click()
    page.locator(".ft-picture").get_by_text("portrait.png").wait_for()
    browser.settle()
    assert page.locator(".ft-card").count() == 1
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_a_camera_that_is_refused_gets_the_help_of_the_webcam(
    launch_chromium: Callable[..., Browser], app_url: str
) -> None:
    chromium = launch_chromium("--use-fake-device-for-media-stream", "--deny-permission-prompts")
    try:
        context = chromium.new_context(viewport={"width": 1280, "height": 900})
        context.set_default_timeout(20_000)
        browser = Watched(context.new_page(), app_url)
        browser.visit("Photo")
        browser.page.wait_for_function("navigator.mediaDevices.getUserMedia.name === 'overheard'")
        browser.page.get_by_role("radio", name="Camera", exact=True).click()
        notice = browser.page.locator(".ft-notice", has_text="The camera is not allowed")
        notice.get_by_text("Load this page again").wait_for()
    finally:
        chromium.close()
