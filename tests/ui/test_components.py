"""Names of files, which come from outside, in labels."""

from __future__ import annotations

import pytest
from markdown_it import MarkdownIt

from ui.kit.components import distinct_names, plain_label


@pytest.mark.parametrize(
    "name",
    [
        *(
            "portrait.png",
            "IMG_0001_*b*.jpg",
            "![x](y.png)",
            "[link](http://x)",
            "`a`.png",
            "~~old~~.jpg",
            "<b>a</b>.png",
        ),
        *("# a", "1. a", "2) a", "- a", "+ a", "> a", "a &amp; b", "\\*a", "😀 a.png", "| a | b |"),
    ],
)
def test_labels_show_names_as_they_are(name: str) -> None:
    (block, inline, _) = MarkdownIt("gfm-like", {"linkify": False}).parse(plain_label(name))
    assert block.type == "paragraph_open"
    assert [token.type for token in inline.children or []] == ["text"]
    assert (inline.children or [])[0].content == name


@pytest.mark.parametrize("name", [":smile:", ":red[a]", ":material/face:", "$a$", "a\nb"])
def test_labels_have_none_of_streamlits_own_signs(name: str) -> None:
    label = plain_label(name)
    assert label.replace("\\", "") == name.replace("\n", " ")
    assert label.count(":") == label.count("\\:") and label.count("$") == label.count("\\$")


def test_names_that_occur_again_get_a_number() -> None:
    assert distinct_names(["a", "b", "a", "a"]) == ["a", "b", "a (2)", "a (3)"]
    found = distinct_names(["a", "a", "a (2)", "a"])
    assert found[0] == "a" and found[2] == "a (2)" and len(set(found)) == 4
    assert distinct_names([]) == []
