"""Controls shared by the pages that analyse faces: choice of traits, and loading of the networks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from facetraits.registry import ModelIntegrityError
from facetraits.traits import TRAITS, TraitName
from ui.kit import analyzers
from ui.kit.components import notice

if TYPE_CHECKING:
    from facetraits import FaceAnalyzer
    from facetraits.registry import ProfileName


def choose_traits(key: str) -> list[TraitName]:
    """Pills to switch traits off and on, all on at first; remembered under ``key`` while the session lasts."""
    return st.pills(
        "What to estimate",
        tuple(TRAITS),
        selection_mode="multi",
        default=tuple(TRAITS),
        format_func=lambda trait: TRAITS[trait].label,
        key=key,
        persist_state="session",
        help="Traits that are switched off are neither computed nor shown.",
        wrap=True,
    )


def choose_networks(key: str) -> ProfileName:
    """Which networks are asked: all of them at first; remembered under ``key`` while the session lasts."""
    profiles: dict[str, ProfileName] = {"All": "accurate", "Small": "fast"}
    chosen: str = st.segmented_control(
        "Networks",
        tuple(profiles),
        default="All",
        required=True,
        key=key,
        persist_state="session",
        help="All networks give the best answers. The small ones alone are faster, which helps with many faces.",
    )
    return profiles[chosen]


def loaded_analyzer(profile: ProfileName) -> FaceAnalyzer | None:
    """The analyzer of a profile; None where it cannot be loaded, which the page then says."""
    try:
        return analyzers.get_analyzer(profile)
    except ModelIntegrityError as error:
        notice("error", "The networks cannot be loaded", str(error), ("Get a fresh copy of the models folder.",))
        return None
