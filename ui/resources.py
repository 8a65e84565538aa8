"""What all visitors share: the loaded networks, and nothing that comes from a visitor's pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

import facetraits

if TYPE_CHECKING:
    from facetraits import FaceAnalyzer
    from facetraits.registry import ProfileName


@st.cache_resource(show_spinner="Loading the networks …", max_entries=2)
def get_analyzer(profile: ProfileName = "accurate") -> FaceAnalyzer:
    """The analyzer of a profile, loaded once for all sessions; it may be used from several threads at once.

    Raises:
        ModelIntegrityError: a model's file is missing or was changed.
    """
    return facetraits.load_analyzer(profile=profile)
