"""How tests drive the page "Visitors" and read it."""

from __future__ import annotations

import html
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from streamlit.testing.v1 import AppTest

from facetraits.visitors.visit import Visit
from tests.builders import ROOT
from tests.visitors.made_visits import make_visit

PAGE = "pages/3_Visitors.py"
VIEWS = ("Now", "Visits", "Patterns", "Recording", "Data")


def in_view(source: str) -> Visit:
    return make_visit(datetime.now(UTC) - timedelta(seconds=60), source=source, duration_s=60.0, ended=False)


def open_page(view: str = "Now", code: str | None = None) -> AppTest:
    page = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60).switch_page(PAGE)
    if code is not None:
        page.query_params["code"] = code
    page.run()
    assert [error.value for error in page.exception] == []
    return page if view == "Now" else choose(page, "visitors_view", view)


def group(page: AppTest, key: str) -> Any:
    return next(widget for widget in page.get("button_group") if widget.key == key)


def choose(page: AppTest, key: str, value: Any) -> AppTest:
    group(page, key).set_value(value)
    page.run()
    assert [error.value for error in page.exception] == []
    return page


def choose_box(page: AppTest, label: str, value: Any) -> AppTest:
    next(box for box in page.selectbox if box.label == label).set_value(value).run()
    assert [error.value for error in page.exception] == []
    return page


def press(page: AppTest, key: str) -> AppTest:
    page.button(key=key).click().run()
    assert [error.value for error in page.exception] == []
    return page


def submit(page: AppTest, label: str) -> AppTest:
    next(button for button in page.button if button.label == label).click().run()
    assert [error.value for error in page.exception] == []
    return page


def text(page: AppTest) -> str:
    raw = " ".join(piece.body for piece in page.html)
    return re.sub(r"\s+", " ", html.unescape(re.sub("<[^>]+>", " ", raw)))


def labels(page: AppTest) -> list[str]:
    return [button.label for button in page.button]


def charts(page: AppTest) -> int:
    return len(page.get("arrow_vega_lite_chart")) + len(page.get("vega_lite_chart"))


def wait_for(so: Callable[[], object]) -> None:
    deadline = time.monotonic() + 20
    while not so():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.05)
