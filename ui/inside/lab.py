"""Requests to the process with Keras, with a message while it loads."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from facetraits.inside.requests import Forward
from facetraits.inside.worker import InsideError
from ui.inside import cached
from ui.inside.session import Network, Subject
from ui.kit.components import notice

# The most that the page shows of a layer.
MOST_MAPS: Final = 16


def ask(request: str, **arguments: Any) -> Any:
    """Like ``InsideWorker.ask``, with a message while waiting.

    Raises:
        InsideError: see there.
    """
    worker = cached.get_worker()
    if not worker.ready:
        with st.spinner("Starting the process for looking into networks. This takes a few seconds, once …"):
            worker.ask("hello")
    with st.spinner("Looking into the network …"):
        return worker.ask(request, **arguments)


def forward(subject: Subject, network: Network) -> Forward:
    """What the network makes of the face, layer by layer; kept.

    Raises:
        InsideError: the networks cannot be examined here.
    """
    first = network.layers.first_filters
    found: Forward = subject.cached(
        (network.name, "forward"),
        lambda: ask(
            "forward",
            member=network.name,
            crop=subject.crops[network.entry.crop],
            count=MOST_MAPS,
            whole=(first.name, first.inputs[0]),
        ),
    )
    return found


def served(subject: Subject, network: Network) -> dict[str, NDArray[np.float32]]:
    """What the served network by itself says of the face: output name to (C,) probabilities; kept."""
    crop = subject.crops[network.entry.crop]

    def predict() -> dict[str, NDArray[np.float32]]:
        answers = cached.get_member(network.entry).predict(crop[None])
        return {name: values[0] for name, values in answers.items()}

    return subject.cached((network.name, "served"), predict)


def show_unavailable(error: InsideError) -> None:
    """Show why the networks cannot be examined."""
    notice(
        "hint",
        "Looking inside is not possible",
        str(error),
        ("“Try to fool it” and “Architecture” work without it.",),
    )


def served_line(subject: Subject, network: Network) -> None:
    """Whether what is shown is the network that is served: the largest difference between the two on this face.

    Raises:
        InsideError: the networks cannot be examined here.
    """
    rebuilt, answers = forward(subject, network).outputs, served(subject, network)
    difference = max(float(np.abs(rebuilt[name] - values).max()) for name, values in answers.items())
    count = sum(values.size for values in answers.values())
    entry = network.entry
    st.subheader("Is this really the served network?", anchor=False)
    st.html(
        '<p class="ft-explain">Yes. For looking inside, the network was built once more in Keras, layer by layer, from '
        f"the file that the app serves. On this face, the {count} probabilities of the two differ by "
        f"<strong>{_small(difference)}</strong> at most. File: {entry.name}/{entry.path.name}, sha256 "
        f"{entry.sha256[:12]}…</p>"
        if difference < 1e-3
        else f'<p class="ft-explain">Not quite: on this face the copy that is shown and the served network '
        f"{entry.name} differ by up to <strong>{difference:.1%}</strong> in a probability. Treat the pictures above "
        "with caution.</p>"
    )


def _small(difference: float) -> str:
    """As in "0.0000003"; nothing at all is said so."""
    return f"{difference:.7f}".rstrip("0") if difference >= 1e-7 else "less than 0.0000001"
