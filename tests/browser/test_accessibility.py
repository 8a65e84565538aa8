"""No page has a fault that axe-core calls serious or critical, wide and light or on a phone and dark."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.browser.conftest import Watched
from ui.shell import PAGES

pytestmark = pytest.mark.browser

OpenBrowser = Callable[..., Watched]
_SERIOUS = {"serious", "critical"}


def faults(browser: Watched) -> list[str]:
    violations = Axe().run(browser.page).response["violations"]
    return [f"{fault['id']}: {fault['nodes'][0]['html']}" for fault in violations if fault["impact"] in _SERIOUS]


@pytest.mark.parametrize(("width", "scheme"), [(1440, "light"), (390, "dark")])
def test_no_page_has_a_serious_fault(open_browser: OpenBrowser, width: int, scheme: str) -> None:
    browser = open_browser(width=width, height=900, scheme=scheme)
    found = {}
    for page in PAGES:
        browser.visit(page.label)
        found[page.label] = faults(browser)
    for view in ("Confusion matrix", "Confidence", "Age error", "Fairness", "Steadiness", "Learning curves", "Data"):
        browser.visit("Model performance")
        browser.page.get_by_role("radio", name=view, exact=True).click()
        browser.settle()
        found[view] = faults(browser)
    browser.visit("Photo")
    browser.page.get_by_role("radio", name="Sample", exact=True).click()
    browser.page.get_by_role("radio", name="All eight").click()
    browser.page.locator(".ft-picture").get_by_text("All eight").wait_for()
    browser.settle()
    found["a picture with faces"] = faults(browser)
    assert {place: seen for place, seen in found.items() if seen} == {}
