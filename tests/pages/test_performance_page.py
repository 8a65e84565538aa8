"""The page "Model performance" with drawn numbers: every trait and view, and what is missing or damaged."""

from __future__ import annotations

import html
import re
from dataclasses import replace
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from facetraits.traits import TRAITS, TraitName
from tests.builders import ROOT
from tests.evidence import WEIGHTS_FILE, evidence_folder, utkface_report, write_report
from ui.performance.evidence import read_evidence

PAGE = "pages/4_Model_performance.py"
VIEWS = ("Leaderboard", "Confusion matrix", "Confidence", "Age error", "Fairness", "Learning curves", "Data")


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("ui.performance.cached.DEFAULT_MODELS_DIR", tmp_path)
    return evidence_folder(tmp_path)


def open_page(trait: TraitName = "age", view: str = "Leaderboard") -> AppTest:
    page = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60).run().switch_page(PAGE).run()
    group(page, "trait").set_value(trait)
    page.run()
    if view != "Leaderboard":
        group(page, "view").set_value(view)
        page.run()
    assert [error.value for error in page.exception] == []
    return page


def group(page: AppTest, key: str):  # type: ignore[no-untyped-def]
    return next(widget for widget in page.get("button_group") if widget.key == key)


def raw(page: AppTest) -> str:
    return html.unescape(" ".join(piece.body for piece in page.html))


def charts(page: AppTest) -> int:
    return len(page.get("arrow_vega_lite_chart")) + len(page.get("vega_lite_chart"))


@pytest.mark.usefixtures("models")
@pytest.mark.parametrize("trait", TRAITS)
@pytest.mark.parametrize("view", VIEWS)
def test_every_view_opens(trait: TraitName, view: str) -> None:
    if view == "Age error" and trait != "age":
        assert view not in group(open_page(trait), "view").options
        return
    page = open_page(trait, view)
    assert page.title[0].value == "Model performance"
    if view == "Fairness" and trait == "expression":
        assert "FER2013 and RAF-DB, the sets of pictures for facial expressions, have no labels" in raw(page)
    elif view == "Data" and trait != "gender":
        assert "have not been summarised yet" in raw(page)  # the drawn data set has genders only
    else:
        assert charts(page) >= 1
        assert "ft-origin" in raw(page)
        assert {"JSON", "CSV"} <= {button.label for button in page.get("download_button")}


@pytest.mark.usefixtures("models")
def test_headlines_are_those_of_the_report() -> None:
    report = utkface_report()
    assert f"<strong>{report.ages['all'].mae:.2f} years</strong>" in raw(open_page("age"))
    assert f"<strong>{report.classes['gender'].accuracy:.1%}</strong>" in raw(open_page("gender"))


@pytest.mark.usefixtures("models")
def test_a_model_can_be_chosen_and_one_without_confidence_says_so() -> None:
    page = open_page("gender", "Confidence")
    page.selectbox(key="model").set_value("other-package").run()
    assert not page.exception
    assert "gives no probabilities" in raw(page)


@pytest.mark.usefixtures("models")
def test_people_can_be_grouped_and_children_left_out() -> None:
    page = open_page("gender", "Fairness")
    everybody = raw(page)
    page.toggle(key="adults").set_value(True).run()
    assert not page.exception
    assert raw(page) != everybody
    group(page, "axes").set_value("Ethnicity")
    page.toggle(key="adults").set_value(False).run()
    assert not page.exception
    assert "fewer than 30 people" in raw(page)


def test_children_cannot_be_left_out_where_groups_were_not_counted_by_age(models: Path) -> None:
    """As in reports of references and single networks."""
    (report,) = [r for r in read_evidence(models).reports if (r.model, r.dataset) == ("small", "utkface")]
    singles = tuple(group for group in utkface_report().subgroups if len(group.of) == 1)
    write_report(models, replace(report, subgroups=singles))
    page = open_page("gender", "Fairness")
    page.toggle(key="adults").set_value(True).run()
    page.selectbox(key="model").set_value("small").run()
    assert not page.exception
    assert page.toggle(key="adults").disabled
    assert "Worst for" in raw(page)


@pytest.mark.usefixtures("models")
@pytest.mark.parametrize("view", VIEWS)
def test_choices_that_another_trait_lacks_are_forgotten(view: str) -> None:
    """Whatever was chosen for age, nothing breaks when the visitor turns to the facial expression."""
    page = open_page("age", view)
    for box in page.selectbox:
        box.set_value(box.options[-1])
        page.run()
        assert not page.exception
    group(page, "trait").set_value("expression")
    page.run()
    assert not page.exception
    assert group(page, "view").value == ("Leaderboard" if view == "Age error" else view)


@pytest.mark.usefixtures("models")
def test_two_trainings_can_be_compared() -> None:
    page = open_page("age", "Learning curves")
    page.selectbox(key="second").set_value("age-upload-predictor").run()
    assert not page.exception
    assert "age-upload-predictor: the loss on validation pictures was lowest (1.000) at epoch 2 of 4" in raw(page)
    assert "small: the loss on validation pictures was lowest (1.500) at epoch 3 of 3, the last one" in raw(page)


def test_without_reports_every_view_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ui.performance.cached.DEFAULT_MODELS_DIR", tmp_path)
    for view in VIEWS:
        page = open_page("age", view)
        assert charts(page) == 0
        assert "ft-hint" in re.sub(r"<style>.*?</style>", "", raw(page), flags=re.DOTALL), view
        assert ("There is no report of the app's own networks for this trait" in raw(page)) == (view == "Leaderboard")


def test_reports_of_other_weights_are_not_shown_as_ours(models: Path) -> None:
    (models / WEIGHTS_FILE).write_bytes(b"other weights")
    page = open_page("gender")
    assert "measured with networks or settings other than the installed ones" in raw(page)
    assert "facetraits (accurate)" not in raw(page)
    assert "other-package" in raw(page)  # a peer has no weights here


def test_a_damaged_report_is_named_and_the_others_are_shown(models: Path) -> None:
    (models / "reports" / "broken.json").write_text("{", encoding="utf-8")
    page = open_page("gender")
    assert "cannot be read: broken.json" in raw(page)
    assert charts(page) == 1


def test_changed_files_are_noticed(models: Path) -> None:
    page = open_page("gender")
    assert "other-package" in raw(page)
    (models / "reports" / "other-package-utkface-test-crops.json").unlink()
    assert "other-package" not in raw(page.run())
