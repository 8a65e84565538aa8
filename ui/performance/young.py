"""How far off the ages of children and young people are, in fine groups."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from facetraits.age import YOUTH_GROUPS
from facetraits.reports.metrics import AgeErrors, sum_of_errors
from ui.kit import charts
from ui.kit.figure import draw, explain, numbers, sentence, subheading
from ui.performance import answers

AgePairs = Sequence[tuple[int, int, int]]
_FIRST_YEARS: Final = (0, *(last + 1 for _, last in YOUTH_GROUPS[:-1]))


def youth_errors(pairs: AgePairs) -> dict[str, AgeErrors]:
    """The errors of each of ``YOUTH_GROUPS`` with faces, from estimates in whole years.

    Args:
        pairs: (true age, estimate in whole years, faces).
    """
    ages, estimates, faces = np.array(pairs, dtype=np.int64).reshape(-1, 3).T
    found = {}
    for first, (name, last) in zip(_FIRST_YEARS, YOUTH_GROUPS, strict=True):
        inside = (ages >= first) & (ages <= last)
        if faces[inside].sum():
            labels, answered = (np.repeat(values[inside], faces[inside]) for values in (ages, estimates))
            found[name] = sum_of_errors(labels, answered.astype(np.float64), None)
    return found


def show_young(pairs: AgePairs) -> None:
    """A row per group; nothing where no child was estimated."""
    groups = youth_errors(pairs) if pairs else {}
    if not groups:
        return
    subheading("Children and young people")
    said = answers.age_sentence(groups, groups)
    sentence(said)
    draw(charts.dot_plot(answers.age_dots(groups), "Mean absolute error (years)", False, dense=True), said)
    explain("Counted from estimates in whole years.")
    numbers(answers.age_table(groups), "The groups as a table")
