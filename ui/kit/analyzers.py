"""The loaded networks, which all visitors share; nothing of a visitor's pictures stays in them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

import streamlit as st

import facetraits

if TYPE_CHECKING:
    from facetraits import FaceAnalyzer
    from facetraits.registry import ProfileName

# One call is 25% slower on one thread than on two, but takes 20% less of the processors, and live video needs them.
_THREADS: Final[Mapping[ProfileName, int]] = {"accurate": 2, "fast": 1}


@st.cache_resource(show_spinner="Loading the networks …", max_entries=2)
def get_analyzer(profile: ProfileName = "accurate") -> FaceAnalyzer:
    """The analyzer of a profile, loaded once for all sessions; it may be used from several threads at once.

    Raises:
        ModelIntegrityError: a model's file is missing or was changed.
    """
    return facetraits.load_analyzer(profile=profile, threads=_THREADS[profile])
