"""Inside the CNN: what a network sees, where it looks, what confuses it, and how it is built."""

from __future__ import annotations

from typing import Final

import streamlit as st

from facetraits.registry import Manifest, ModelIntegrityError, load_manifest
from ui.inside import cached
from ui.inside.architecture_views import show_architecture
from ui.inside.face import choose_face, choose_network, choose_picture, forget, show_answer
from ui.inside.fool_views import show_fooling
from ui.inside.heat import show_heat
from ui.inside.layers import show_layers
from ui.inside.session import InsideSession, Network, Subject
from ui.kit.components import lead, notice, privacy_line
from ui.kit.controls import loaded_analyzer
from ui.shell import start_page

LAYERS, HEAT, FOOL, ARCHITECTURE = "Layer by layer", "Where it looks", "Try to fool it", "Architecture"
_WORDS: Final = {
    LAYERS: "What does each layer of the network make of this face?",
    HEAT: "Which parts of the face support an answer, and which oppose it?",
    FOOL: "How much can the face change before the answer does?",
    ARCHITECTURE: "What is the network made of, and what does it cost?",
}


def choose_view() -> str:
    view = st.segmented_control(
        "View",
        tuple(_WORDS),
        default=LAYERS,
        required=True,
        key="view",
        bind="query-params",
        label_visibility="collapsed",
        wrap=True,
    )
    st.header(_WORDS[view], anchor=False)
    return view


def chosen_subject() -> Subject | None:
    picture = choose_picture()
    analyzer = loaded_analyzer("accurate")
    if picture is None:
        forget()
        notice("hint", "No face yet", "Choose a picture with a face. “Architecture” works without one.")
    if picture is None or analyzer is None:
        return None
    session: InsideSession = st.session_state.setdefault("inside_session", InsideSession())
    with st.spinner("Looking for faces …"):
        looked = session.look(picture, analyzer)
    subject = choose_face(session, picture, analyzer)
    if subject is not None:
        show_answer(subject, looked.outcome.crops[subject.number])
    return subject


def show(manifest: Manifest) -> None:
    subject = chosen_subject()
    privacy_line()
    view = choose_view()
    if view == ARCHITECTURE:
        show_architecture(manifest)
    elif subject is None:
        st.caption("Choose a picture with a face above to use this view.")
    elif view == FOOL:
        show_fooling(subject)
    else:
        entry = choose_network(manifest)
        network = Network(entry, cached.get_layers(entry))
        (show_layers if view == LAYERS else show_heat)(subject, network)


def show_page() -> None:
    start_page("Inside the CNN", "🧠", layout="wide")
    st.title("Inside the CNN", anchor=False)
    lead("See a face through the network’s eyes: its layers at work, where it looks, and what confuses it.")
    try:
        models = load_manifest()
        show(models)
    except ModelIntegrityError as error:
        notice("error", "The networks cannot be loaded", str(error), ("Get a fresh copy of the models folder.",))


show_page()
