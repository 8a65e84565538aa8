"""Figures on the pages come from reports that belong to the installed weights."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from facetraits.metrics import AgeErrors, ClassCounts, EvaluationReport
from facetraits.registry import Manifest, MemberEntry
from ui.model_overview import headline_figures

MEMBER = MemberEntry("small", Path("small/network.tflite"), "b" * 64, "face-v1", ("age", "gender"), "MIT", ("UTKFace",))
MANIFEST = Manifest(Path(), Path("d.onnx"), "a" * 64, {"small": MEMBER}, {})


def counts(right: int, wrong: int, undetected: int = 0) -> ClassCounts:
    return ClassCounts(("x", "y"), ((right, wrong), (0, 0)), (0,), (0,), (0.0,), 0.0, undetected)


REPORT = EvaluationReport(
    model="accurate",
    dataset="utkface",
    split="test",
    protocol="photos",
    weights_sha256={"centerface/network.onnx": "a" * 64, "small/network.tflite": "b" * 64},
    classes={"gender": counts(1880, 100, undetected=20), "age_group": counts(1, 1)},
    ages={"all": AgeErrors(n=1980, absolute=9306.0, signed=0.0, within=1600)},
)


def test_figures_say_what_they_are_based_on() -> None:
    assert headline_figures(MANIFEST, (REPORT,)) == [
        ("Apparent age", "± 4.7 years", "mean error on 1,980 test faces of UTKFace"),
        ("Apparent gender", "94.0%", "right on 2,000 test faces of UTKFace"),
    ]


@pytest.mark.parametrize(
    "change",
    [
        {"weights_sha256": {"small/network.tflite": "c" * 64}},
        {"split": "validation"},
        {"model": "fast"},
        {"protocol": "crops"},
    ],
)
def test_what_says_nothing_of_the_installed_networks_is_left_out(change: dict[str, object]) -> None:
    assert headline_figures(MANIFEST, (replace(REPORT, **change),)) == []
