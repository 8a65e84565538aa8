"""Pieces of a page. They take plain text and escape it: names of files come from outside."""

from __future__ import annotations

import base64
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from html import escape
from typing import Final, Literal

import streamlit as st


def lead(text: str) -> None:
    """The sentence under a page's title."""
    st.html(f'<p class="ft-lead">{escape(text)}</p>')


def privacy_line() -> None:
    """What happens to a visitor's pictures."""
    st.html(
        '<p class="ft-privacy">Your pictures stay on the machine that runs this page. They are kept '
        "in memory only, and are deleted soon after you close the page.</p>"
    )


def notice(kind: Literal["error", "hint"], title: str, text: str, advice: Sequence[str] = ()) -> None:
    """A short message; errors are announced by screen readers at once.

    Args:
        kind: "error" where something failed, "hint" where nothing did.
        title: what it is about, such as a file's name.
        text: one sentence.
        advice: what the visitor can do, a line each.
    """
    items = "".join(f"<li>{escape(line)}</li>" for line in advice)
    role = "alert" if kind == "error" else "status"
    st.html(
        f'<div class="ft-notice ft-{kind}" role="{role}"><p><strong>{escape(title)}</strong></p><p>{escape(text)}</p>'
        f"{f'<ul>{items}</ul>' if items else ''}</div>"
    )


def address_of_jpeg(jpeg: bytes) -> str:
    """A picture as a "data:" address, for HTML and style sheets."""
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode('ascii')}"


def incomplete_notice() -> None:
    """Beside a picture whose file breaks off."""
    notice(
        "hint",
        "The file is incomplete",
        "What is missing of the picture is grey, or less sharp than the rest; faces there are not found.",
        ("Copy or download the file once more, if it is whole elsewhere.",),
    )


def picture_heading(name: str, facts: str) -> None:
    """Name of a picture and what was found in it."""
    st.html(f'<h2 class="ft-picture">{escape(name)}</h2><p class="ft-facts" role="status">{escape(facts)}</p>')


def steps(items: Sequence[tuple[str, str]]) -> None:
    """Numbered (title, text) pairs beside each other, below each other on a phone."""
    body = "".join(f"<li><strong>{escape(title)}</strong><span>{escape(text)}</span></li>" for title, text in items)
    st.html(f'<ol class="ft-steps">{body}</ol>')


def listed(names: Sequence[str]) -> str:
    """As in "Door", "Door and Till" and "Door, Till and Yard"; "" for none."""
    return " and ".join(filter(None, (", ".join(names[:-1]), *names[-1:])))


def plain_label(text: str) -> str:
    """A text for labels that Streamlit reads as Markdown, so that it is shown as it is."""
    return _MARKDOWN.sub(r"\\\g<0>", " ".join(text.split()))


_MARKDOWN: Final = re.compile(r"[\\`*_\[\]~$:<&]|^[#+>-]|(?<=\d)[.)](?=\s)")


def distinct_names(names: Sequence[str]) -> list[str]:
    """The names, those that occur again with a number behind: Streamlit takes choices with one label for one choice."""
    taken, seen = set(names), Counter[str]()
    found = []
    for name in names:
        seen[name] += 1
        distinct = name
        while seen[name] > 1 and distinct in taken:
            distinct = f"{name} ({seen[name]})"
            seen[name] += distinct in taken
        taken.add(distinct)
        found.append(distinct)
    return found


def counted(number: int, noun: str) -> str:
    """As in "1 face" and "5 faces"; "no face" for none."""
    return f"{number or 'no'} {noun}{'s' if number > 1 else ''}"


def ordinal(number: int) -> str:
    """As in "second", "third", "11th" and "21st"; ``number`` is at least 1."""
    if number in _ORDINALS:
        return _ORDINALS[number]
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


_ORDINALS: Final[Mapping[int, str]] = {1: "first", 2: "second", 3: "third"}
