"""The Model performance page in a real browser, with the committed reports."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from tests.builders import MODELS

if TYPE_CHECKING:
    from tests.browser.conftest import Watched

    OpenBrowser = Callable[..., Watched]

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def report() -> dict[str, Any]:
    path = MODELS / "reports" / "accurate-utkface-test-crops.json"
    if not path.is_file():
        pytest.skip(f"{path.name} is missing")
    return json.loads(path.read_text(encoding="utf-8"))


def choose(browser: Watched, name: str) -> None:
    """One segment of a row of buttons."""
    browser.page.get_by_role("radio", name=name, exact=True).click()
    # The script may not have begun yet.
    browser.page.wait_for_timeout(300)
    browser.settle()


def open_matrix(browser: Watched, trait: str) -> None:
    browser.visit("Model performance")
    choose(browser, trait)
    choose(browser, "Confusion matrix")
    browser.page.locator("[data-testid=stVegaLiteChart] svg").first.wait_for()


def cell(browser: Watched, said: str) -> Any:
    """The square of the matrix that screen readers hear as ``said``."""
    return browser.page.locator(f'svg [aria-label="{said}"]')


def texts(browser: Watched) -> list[str]:
    """What is written in the cells, row by row."""
    return browser.page.locator("[data-testid=stVegaLiteChart] svg .role-mark.mark-text text").all_text_contents()


def test_a_cell_equals_the_report(open_browser: OpenBrowser, report: dict[str, Any]) -> None:
    counts = report["classes"]["ethnicity"]
    classes = counts["classes"]
    truth, answer = classes.index("asian"), classes.index("white")
    n, row = counts["confusion"][truth][answer], counts["confusion"][truth]
    said = f"Of {sum(row):,} faces labelled asian, {n:,} ({n / sum(row):.0%}) were taken for white."
    browser = open_browser()
    open_matrix(browser, "Ethnicity")

    square = cell(browser, said)
    square.click()
    browser.page.locator(".ft-says[role=status]", has_text=said).wait_for()
    assert browser.page.locator(".ft-says[role=status]").inner_text() == said

    choose(browser, "Number of faces")
    assert texts(browser) == [f"{count:,}" for line in counts["confusion"] for count in line]


def test_the_matrix_can_be_normalised(open_browser: OpenBrowser, report: dict[str, Any]) -> None:
    confusion = report["classes"]["gender"]["confusion"]
    browser = open_browser()
    open_matrix(browser, "Apparent gender")
    assert texts(browser) == [f"{n / sum(row):.0%}" for row in confusion for n in row]
    choose(browser, "Share of each answer (precision)")
    columns = [sum(column) for column in zip(*confusion, strict=True)]
    assert texts(browser) == [f"{n / columns[j]:.0%}" for row in confusion for j, n in enumerate(row)]


def test_what_is_shown_can_be_taken_home(open_browser: OpenBrowser, report: dict[str, Any]) -> None:
    browser = open_browser()
    open_matrix(browser, "Apparent gender")
    with browser.page.expect_download() as download:
        browser.page.get_by_role("button", name="JSON").click()
    assert json.loads(Path(download.value.path()).read_text(encoding="utf-8")) == report
    with browser.page.expect_download() as download:
        browser.page.get_by_role("button", name="CSV").click()
    with Path(download.value.path()).open(newline="", encoding="utf-8-sig") as file:
        rows = list(csv.reader(file))
    assert [[int(n) for n in row[1:]] for row in rows[1:]] == report["classes"]["gender"]["confusion"]


def test_the_origin_names_the_whole_checksum(open_browser: OpenBrowser, report: dict[str, Any]) -> None:
    browser = open_browser()
    open_matrix(browser, "Apparent gender")
    name, sha = next((n, s) for n, s in report["weights_sha256"].items() if n.endswith(".tflite"))
    assert sha[:12] in browser.page.locator(".ft-origin").inner_text()
    browser.page.get_by_role("button", name="Where the numbers come from").click()
    facts = browser.page.locator(".ft-facts-list").first
    facts.wait_for()
    assert name in facts.inner_text()
    assert sha in facts.inner_text()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_view_fits_a_phone(open_browser: OpenBrowser, scheme: str) -> None:
    browser = open_browser(390, 844, scheme)
    browser.visit("Model performance")
    segments = browser.page.get_by_role("radiogroup", name="View").get_by_role("radio")
    segments.first.wait_for()
    views = segments.all_inner_texts()
    assert views[0] == "Leaderboard"
    for view in views:
        choose(browser, view)
        browser.page.locator("[data-testid=stVegaLiteChart] svg").first.wait_for()
        wide, room = browser.page.locator("[data-testid=stMain]").evaluate("e => [e.scrollWidth, e.clientWidth]")
        assert wide <= room, view
        drawn = browser.page.locator("[data-testid=stVegaLiteChart] svg").evaluate_all(
            "all => all.map(svg => svg.getBoundingClientRect().right)"
        )
        assert max(drawn) <= 390, view


def test_an_address_leads_to_a_view(open_browser: OpenBrowser) -> None:
    browser = open_browser()
    browser.visit("Model performance")
    choose(browser, "Apparent gender")
    choose(browser, "Fairness")
    address = browser.page.url
    assert urlsplit(address).query == "trait=Apparent+gender&view=Fairness"
    # Streamlit looks for its server beside the page first and the console tells of it: not a page that is watched.
    visitor = browser.page.context.browser.new_page()
    visitor.goto(address)
    for name in ("Apparent gender", "Fairness"):
        visitor.get_by_role("radio", name=name, exact=True, checked=True).wait_for()
    visitor.get_by_text("Worst for").wait_for()
    visitor.close()
