"""The figures that others published, as they are committed."""

from __future__ import annotations

import pytest

from facetraits.reports.comparison import FIGURE, Published, load_published
from tests.builders import MODELS

PUBLISHED = load_published(MODELS)


@pytest.mark.parametrize("published", PUBLISHED, ids=lambda p: f"{p.figure}-{p.name}")
def test_a_published_figure_is_complete_and_possible(published: Published) -> None:
    low, high = (1, 20) if FIGURE[published.figure].in_years else (0.3, 1)
    assert low < published.value < high  # years as years, and shares not as percents
    for text in (published.name, published.note, published.source):
        assert text and text == text.strip() and "http" not in text


def test_nobody_is_listed_twice_for_a_figure() -> None:
    assert len({(p.figure, p.name) for p in PUBLISHED}) == len(PUBLISHED)


def test_the_reference_systems_own_figures_are_there() -> None:
    told = {(p.name, p.figure): p.value for p in PUBLISHED}
    assert told["upload-predictor", "age_group"] == 0.79
    assert told["upload-predictor", "gender"] == 0.91
    assert told["emotion-race-gender-cnn", "expression_fer2013"] == 0.6641
