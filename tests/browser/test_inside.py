"""The page "Inside the CNN" in a real browser, with the real networks and the real process with Keras."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from tests.builders import photo_of_many, photo_without_faces, png

if TYPE_CHECKING:
    from tests.browser.conftest import Watched

    OpenBrowser = Callable[..., Watched]

pytestmark = pytest.mark.browser
needs_keras = pytest.mark.skipif(importlib.util.find_spec("keras") is None, reason="TensorFlow is not installed")
TITLE = "Inside the CNN"


def choose(browser: Watched, name: str) -> None:
    browser.page.get_by_role("radio", name=name, exact=True).click()
    # The script may not have begun yet.
    browser.page.wait_for_timeout(300)
    browser.settle()


def fits(browser: Watched) -> bool:
    wide, room = browser.page.locator("[data-testid=stMain]").evaluate("e => [e.scrollWidth, e.clientWidth]")
    return wide <= room


@needs_keras
@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_a_student_sees_how_the_answer_came_about(open_browser: OpenBrowser, width: int, scheme: str) -> None:
    browser = open_browser(width, 900, scheme)
    page = browser.page
    page.context.set_default_timeout(60_000)  # Keras loads
    browser.visit(TITLE)

    page.get_by_role("heading", name="Is this really the served network?").wait_for()
    assert page.locator(".ft-filters li").count() == 32
    map_button = page.get_by_role("button", name=re.compile(r"^Map \d+$")).nth(9)
    picture = map_button.evaluate("e => getComputedStyle(e).backgroundImage")
    assert picture.startswith('url("data:image/png;base64,')
    assert fits(browser)

    map_button.focus()
    page.keyboard.press("Enter")
    page.get_by_role("dialog").get_by_text("The map itself").wait_for()
    assert page.get_by_role("dialog").locator("img").count() == 2
    page.keyboard.press("Escape")
    page.get_by_role("dialog").wait_for(state="hidden")

    choose(browser, "Where it looks")
    choose(browser, "Apparent gender")
    page.get_by_text(re.compile("by this network alone: came second")).wait_for()
    choose(browser, "Large")
    page.get_by_role("button", name="Cover the face piece by piece").click()
    page.get_by_text(re.compile(r"Grad-CAM and covering .* \(correlation -?\d\.\d\d\)")).wait_for()
    assert fits(browser)

    choose(browser, "Try to fool it")
    page.locator("[data-testid=stVegaLiteChart] svg").nth(1).wait_for()
    choose(browser, "Rotation")
    page.get_by_text(re.compile("breaks first: at")).wait_for()
    assert page.locator(".ft-seen-small").first.locator("img").count() == 16
    assert fits(browser)

    choose(browser, "Architecture")
    page.locator(".ft-net").wait_for()
    assert page.locator(".ft-net li").count() > 20
    page.locator("[data-testid=stVegaLiteChart] svg").first.wait_for()
    assert fits(browser)
    assert page.locator("img:not([alt])").count() == 0


def test_a_picture_without_a_face_gets_a_clear_word_and_a_crowd_a_choice(open_browser: OpenBrowser) -> None:
    browser = open_browser()
    page = browser.page
    page.context.set_default_timeout(60_000)
    browser.visit(TITLE)
    choose(browser, "Architecture")
    choose(browser, "Upload")
    files = page.locator("input[type=file]")
    files.set_input_files([{"name": "cup.png", "mimeType": "image/png", "buffer": png(photo_without_faces())}])
    page.get_by_text("This picture seems to show no face").wait_for()

    files.set_input_files([{"name": "group.png", "mimeType": "image/png", "buffer": png(photo_of_many(3))}])
    page.get_by_role("button", name="Face 3").click()
    page.locator('.st-key-inside_face_2 button[kind="primary"]').wait_for()
    assert page.locator(".st-key-inside_faces button").count() == 3
