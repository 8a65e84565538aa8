"""The Photo page in a real browser, with the real networks."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from facetraits.faces.images import decode_image
from tests.builders import photo_of_many, photo_of_one, photo_without_faces, png

if TYPE_CHECKING:
    from tests.browser.conftest import Watched

    OpenBrowser = Callable[..., Watched]

pytestmark = pytest.mark.browser

# Contrast of an element's text with the nearest opaque background behind it, as WCAG 2 defines it.
CONTRAST = """element => {
  const parse = colour => {
    const canvas = new OffscreenCanvas(1, 1).getContext('2d');
    canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
    return canvas.getImageData(0, 0, 1, 1).data;
  };
  const luminance = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map(v => v / 255).map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  let behind = element;
  while (parse(getComputedStyle(behind).backgroundColor)[3] < 255) behind = behind.parentElement;
  const a = luminance(parse(getComputedStyle(element).color));
  const b = luminance(parse(getComputedStyle(behind).backgroundColor));
  return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
}"""


def test_five_faces_get_five_cards(open_browser: OpenBrowser) -> None:
    browser = open_browser()
    browser.visit("Photo")
    browser.upload(("family.png", png(photo_of_many(5))))
    cards = browser.page.locator(".ft-card")
    assert cards.count() == 5
    for number, card in enumerate(cards.all(), start=1):
        read = re.sub(r"\s+", " ", card.inner_text())
        assert read.startswith(f"Face {number} ")
        assert re.search(r"Apparent age \d+ years? \d+ to \d+ \(80% interval\)", read), read
        for label in ("Apparent gender", "Ethnicity", "Facial expression", "Mood: "):
            assert label in read
        assert re.search(r"\d+%", read)
    picture = browser.page.locator(".st-key-picture img")
    assert picture.get_attribute("alt").startswith("family.png with 5 numbered faces.")
    assert picture.evaluate("image => image.naturalWidth") == 1280


def test_results_can_be_taken_home(open_browser: OpenBrowser) -> None:
    browser = open_browser()
    browser.visit("Photo")
    browser.upload(("family.png", png(photo_of_many(5))), ("cup.png", png(photo_without_faces())))

    def download(button: str) -> bytes:
        with browser.page.expect_download() as waiting:
            browser.page.get_by_role("button", name=button).click()
        return Path(waiting.value.path()).read_bytes()

    rows = list(csv.DictReader(io.StringIO(download("CSV").decode("utf-8-sig"))))
    assert [(row["path"], row["face"]) for row in rows] == [
        *(("family.png", str(number)) for number in range(1, 6)),
        ("cup.png", ""),
    ]
    family, cup = json.loads(download("JSON"))
    assert [face["age"]["years"] for face in family["faces"]] == [float(row["age"]) for row in rows[:5]]
    assert cup["error"] == "no face found"
    assert decode_image(download("Picture with boxes")).shape == photo_of_many(5).shape


def test_a_broken_file_gives_a_sentence(open_browser: OpenBrowser) -> None:
    browser = open_browser()
    browser.visit("Photo")
    browser.upload(("holiday.png", b"this was never a picture"))
    alert = browser.page.get_by_role("alert")
    assert re.fullmatch(r"holiday\.png\s+[A-Z].+\.", alert.inner_text(), re.DOTALL)


def test_no_face_gives_advice(open_browser: OpenBrowser) -> None:
    browser = open_browser()
    browser.visit("Photo")
    browser.upload(("cup.png", png(photo_without_faces())))
    assert browser.page.get_by_text("No face found").is_visible()
    assert browser.page.locator(".ft-card").count() == 0


def test_a_phone_never_scrolls_sideways(open_browser: OpenBrowser) -> None:
    browser = open_browser(width=390, height=844)
    for label in ("Home", "About", "Photo"):
        browser.visit(label)
        assert browser.page.evaluate("document.documentElement.scrollWidth") <= 390, label
    browser.upload(("family.png", png(photo_of_many(5))))
    assert browser.page.evaluate("document.documentElement.scrollWidth") <= 390
    picture, card = browser.page.locator(".st-key-picture img"), browser.page.locator(".ft-card").first
    assert picture.bounding_box()["y"] < card.bounding_box()["y"], "cards stand below the picture"
    assert card.bounding_box()["width"] > 330


def test_cards_stand_beside_the_picture_and_fold_by_keyboard(open_browser: OpenBrowser) -> None:
    browser = open_browser()
    browser.visit("Photo")
    browser.upload(("portrait.png", png(photo_of_one())))
    card = browser.page.locator(".ft-card")
    picture = browser.page.locator(".st-key-picture img").bounding_box()
    assert picture["x"] + picture["width"] <= card.bounding_box()["x"]
    assert card.get_by_text("Apparent age").is_visible()
    browser.page.get_by_role("button", name="JSON").focus()
    browser.page.keyboard.press("Tab")
    browser.page.keyboard.press("Enter")
    assert not card.get_by_text("Apparent age").is_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_word_is_readable_in_both_themes(open_browser: OpenBrowser, scheme: str) -> None:
    browser = open_browser(scheme=scheme)
    browser.visit("Photo")
    browser.upload(("portrait.png", png(photo_of_one())), ("broken.png", b"x"))
    browser.page.locator(".ft-all summary").first.click()
    words = browser.page.locator(
        ":is(.ft-brand, .ft-tagline, .ft-lead, .ft-privacy, .ft-picture, .ft-facts, .ft-notice p, .ft-number,"
        " .ft-headline, .ft-label, .ft-value, .ft-note, .ft-name, .ft-percent, .ft-ticks span, .ft-all summary)"
    ).all()
    assert len(words) > 20
    contrasts = {word.inner_text(): word.evaluate(CONTRAST) for word in words}
    assert min(contrasts.values()) >= 4.5, contrasts
    dark = browser.page.locator(".stApp").evaluate("app => getComputedStyle(app).colorScheme")
    assert dark == scheme


@pytest.mark.parametrize(
    ("width", "scheme", "rows"),
    [(1280, "light", 1), (1280, "dark", 1), (800, "light", 2), (390, "light", 2), (390, "dark", 2)],
)
def test_the_samples_are_pictures_to_press(open_browser: OpenBrowser, width: int, scheme: str, rows: int) -> None:
    browser = open_browser(width=width, scheme=scheme)
    page = browser.page
    browser.visit("Photo")
    page.get_by_role("radio", name="Sample", exact=True).click()
    heading = page.locator(".ft-picture")
    heading.get_by_text("Sample 1").wait_for()
    browser.settle()
    row = page.get_by_role("radiogroup", name="Press a picture")
    samples = row.get_by_role("radio").all()
    assert [sample.inner_text() for sample in samples] == [*(f"Sample {n}" for n in range(1, 9)), "All eight"]
    boxes = [sample.bounding_box() for sample in samples]
    assert len({box["y"] for box in boxes}) == rows
    assert all(min(box["width"], box["height"]) >= 44 and box["x"] + box["width"] <= width for box in boxes)
    assert boxes[0]["width"] == pytest.approx(boxes[0]["height"], abs=1)
    look = "e => { const s = getComputedStyle(e); return [s.backgroundImage, s.boxShadow] }"
    pictures, rings = zip(*(sample.evaluate(look) for sample in samples), strict=True)
    assert len({picture for picture in pictures if picture.startswith('url("data:image/jpeg;base64,')}) == 9
    assert rings[0] != "none" and set(rings[1:]) == {"none"}, "the chosen one stands out"
    assert page.evaluate("document.documentElement.scrollWidth") <= width

    for word in page.locator(".st-key-samples [data-testid=stCaptionContainer] :is(p, a)").all():
        assert word.evaluate(CONTRAST) >= 4.5
        assert word.evaluate(
            "e => { for (; e; e = e.parentElement) if (getComputedStyle(e).opacity < 1) return false; return true }"
        )

    samples[-1].click()
    heading.get_by_text("All eight").wait_for()
    browser.settle()
    assert page.locator(".ft-card").count() == 8
    assert samples[-1].get_attribute("aria-checked") == "true"
    assert samples[0].get_attribute("aria-checked") == "false"


def test_a_sample_is_chosen_by_keyboard(open_browser: OpenBrowser) -> None:
    browser = open_browser()
    page = browser.page
    browser.visit("Photo")
    page.get_by_role("radio", name="Sample", exact=True).click()
    page.locator(".ft-picture").get_by_text("Sample 1").wait_for()
    page.get_by_role("radio", name="Sample 1", exact=True).focus()
    page.keyboard.press("ArrowRight")
    second = page.get_by_role("radio", name="Sample 2", exact=True)
    assert second.evaluate("e => e === document.activeElement && getComputedStyle(e).outlineStyle") == "solid"
    page.keyboard.press("Enter")
    page.locator(".ft-picture").get_by_text("Sample 2").wait_for()
    browser.settle()
    assert page.locator(".ft-card").count() == 1
