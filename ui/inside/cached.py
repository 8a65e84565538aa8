"""What all visitors of the page "Inside the CNN" share: the process with Keras, and the networks taken apart."""

from __future__ import annotations

import atexit
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from facetraits.ensemble import Member
from facetraits.inside.worker import InsideWorker
from facetraits.registry import DEFAULT_MODELS_DIR, Manifest, MemberEntry

if TYPE_CHECKING:
    from facetraits.inside.architecture import Architecture
    from facetraits.inside.layers import NetworkLayers


@st.cache_resource(show_spinner=False)
def get_worker() -> InsideWorker:
    """The process with Keras, one for all sessions; it starts at its first request and keeps nothing of a picture."""
    worker = InsideWorker(DEFAULT_MODELS_DIR)
    atexit.register(worker.close)
    return worker


def get_member(entry: MemberEntry) -> Member:
    """One served network by itself.

    Raises:
        ModelIntegrityError: its file is missing or was changed.
    """
    return _member(entry.sha256, entry)


@st.cache_resource(show_spinner=False, max_entries=8)
def _member(sha256: str, _entry: MemberEntry) -> Member:
    return Member(_entry)


def get_layers(entry: MemberEntry) -> NetworkLayers:
    """The layers of a served network.

    Raises:
        ModelIntegrityError: its file is missing, was changed or cannot be read.
    """
    return _layers(entry.sha256, entry)


@st.cache_resource(show_spinner=False, max_entries=8)
def _layers(sha256: str, _entry: MemberEntry) -> NetworkLayers:
    # Reading networks takes a sixth of a second to import, which other pages need not wait for.
    from facetraits.inside.reading import read_network

    return read_network(_entry.path, sha256)


def get_architectures(manifest: Manifest) -> tuple[tuple[Architecture, ...], tuple[Architecture, ...]]:
    """Tables of the served networks, and of the reference models.

    Raises:
        ModelIntegrityError: a served network's file is missing, was changed or cannot be read.
        ValueError: a reference model's table is malformed.
    """
    return _architectures(str(manifest.models_dir), tuple(m.sha256 for m in manifest.originals.values()), manifest)


@st.cache_resource(show_spinner=False, max_entries=2)
def _architectures(
    models_dir: str, checksums: tuple[str, ...], _manifest: Manifest
) -> tuple[tuple[Architecture, ...], tuple[Architecture, ...]]:
    from facetraits.inside.architecture import reference_architectures, served_architectures

    return served_architectures(_manifest), reference_architectures(Path(models_dir))
