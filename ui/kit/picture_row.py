"""A row of pictures to choose one of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import streamlit as st

from ui.kit.components import address_of_jpeg, distinct_names, plain_label


def choose_picture(label: str, names: Mapping[str, str], thumbnails: Sequence[bytes], key: str) -> str:
    """Show a row of pictures, the first one chosen until another is pressed; returns the id of the chosen one.

    To keyboards and screen readers it is a choice of one among several; style.css makes pictures of the words.

    Args:
        label: over the row.
        names: by id; what each picture is called.
        thumbnails: a JPEG for each.
        key: remembers the choice in the session. The row stands in the container ``pictures_`` + key.
    """
    ids = tuple(names)
    labels = dict(zip(ids, map(plain_label, distinct_names(tuple(names.values()))), strict=True))
    with st.container(key=f"pictures_{key}"):
        st.html(_backgrounds(key, thumbnails))
        chosen: str = st.pills(
            label, ids, default=ids[0], required=True, key=key, width="stretch", format_func=lambda one: labels[one]
        )
    return chosen


def _backgrounds(key: str, thumbnails: Sequence[bytes]) -> str:
    rules = (
        f".st-key-pictures_{key} [role=radiogroup] > :nth-child({number}) "
        f'{{ background-image: url("{address_of_jpeg(thumbnail)}") }}'
        for number, thumbnail in enumerate(thumbnails, start=1)
    )
    return f"<style>{''.join(rules)}</style>"
