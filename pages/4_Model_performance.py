"""Model performance: how good the networks are, on what, compared with whom, for whom worse, and how they learned."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import streamlit as st

from facetraits.traits import TRAITS, TraitName
from ui.kit.components import lead, notice
from ui.performance import cached, fairness, report_views, steadiness, training_views
from ui.performance.evidence import Evidence
from ui.shell import start_page

_OVERVIEW: Final = "Leaderboard"  # the view that begins with the app's own figures
_VIEWS: Final[Mapping[str, Callable[[Evidence, TraitName], None]]] = {
    _OVERVIEW: report_views.show_leaderboard,
    "Confusion matrix": report_views.show_confusion,
    "Confidence": report_views.show_confidence,
    "Age error": fairness.show_age_error,
    "Fairness": fairness.show_fairness,
    "Steadiness": steadiness.show_steadiness,
    "Learning curves": training_views.show_curves,
    "Data": training_views.show_data,
}


def choose_trait() -> TraitName:
    return st.segmented_control(
        "Trait",
        tuple(TRAITS),
        default=next(iter(TRAITS)),
        required=True,
        format_func=lambda trait: TRAITS[trait].label,
        key="trait",
        bind="query-params",
        label_visibility="collapsed",
    )


def choose_view(trait: TraitName) -> str:
    return st.segmented_control(
        "View",
        [view for view in _VIEWS if view != "Age error" or trait == "age"],
        default=_OVERVIEW,
        required=True,
        key="view",
        bind="query-params",
        label_visibility="collapsed",
    )


def show_page() -> None:
    start_page("Model performance", "📊", layout="wide")
    st.title("Model performance", anchor=False)
    with st.container(key="performance_lead"):
        lead(
            "How good are the networks, how do they compare with others, for whom are they worse, and is their "
            "confidence reliable? Every figure was measured on held-out pictures and names its source."
        )
    evidence = cached.get_evidence()
    for problem in evidence.problems:
        notice("hint", "Left out", problem)
    trait = choose_trait()
    view = choose_view(trait)
    if view == _OVERVIEW:
        report_views.headlines(evidence, trait)
    _VIEWS[view](evidence, trait)


show_page()
