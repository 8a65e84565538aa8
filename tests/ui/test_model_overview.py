"""Figures on Home and About are those of the reports, from whole pictures."""

from __future__ import annotations

from dataclasses import replace

import pytest

from facetraits.reports.evaluation_report import EvaluationReport
from facetraits.reports.metrics import AgeErrors, ClassCounts
from ui.performance.overview import headline_tiles


def counts(right: int, wrong: int, undetected: int = 0) -> ClassCounts:
    return ClassCounts(("x", "y"), ((right, wrong), (0, 0)), (0,), (0,), (0.0,), 0.0, 0.0, undetected)


REPORT = EvaluationReport(
    model="accurate",
    dataset="utkface",
    split="test",
    protocol="crops",
    weights_sha256={"small/network.tflite": "b" * 64},
    classes={"gender": counts(1880, 100, undetected=20), "age_group": counts(1, 1)},
    ages={"all": AgeErrors(n=1980, absolute=9306.0, signed=0.0, within=1600, by_error=(1980,))},
)


def test_tiles_say_what_they_are_based_on() -> None:
    assert headline_tiles((REPORT,)) == [
        ("Apparent age", "4.70 years", "mean error on 1,980 test faces of UTKFace"),
        ("Apparent gender", "94.0%", "right on 2,000 test faces of UTKFace"),
    ]


@pytest.mark.parametrize("change", [{"split": "validation"}, {"model": "fast"}, {"protocol": "photos"}])
def test_what_is_no_headline_is_left_out(change: dict[str, str]) -> None:
    assert headline_tiles((replace(REPORT, **change),)) == []
