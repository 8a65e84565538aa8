"""Normalises text of sales files: plain characters, lower case, words."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

_LONGEST_SHOWN: Final = 30
_DASHES: Final = re.compile("[\u2010-\u2015\u2212]")
# Letters that are no other letter with a mark.
_LETTERS: Final = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss", "ø": "o", "æ": "ae", "ł": "l"})
_WORD: Final = re.compile(r"[a-z0-9]+")
_NEW_WORD: Final = re.compile(r"(?<=[a-z])(?=[A-Z])")


def plain(cell: str) -> str:
    """With plain spaces, digits and minus signs."""
    if not cell.isascii():
        cell = _DASHES.sub("-", unicodedata.normalize("NFKC", cell))
    return " ".join(cell.split())


def without_accents(text: str) -> str:
    """In small letters, without the marks on them: "Août" is "aout"."""
    text = text.casefold()
    if text.isascii():
        return text
    return "".join(sign for sign in unicodedata.normalize("NFKD", text) if not unicodedata.combining(sign))


def words_of(name: str) -> list[str]:
    """The words in small Latin letters, German umlauts as two: "Sold_at (UTC)" has sold, at and utc."""
    spaced = _NEW_WORD.sub(" ", unicodedata.normalize("NFC", name)).lower()
    return _WORD.findall(without_accents(spaced.translate(_LETTERS)))


def short(cell: str) -> str:
    """The cell in one line of at most 30 characters, to be shown."""
    text = " ".join(cell.split())
    return text if len(text) <= _LONGEST_SHOWN else text[: _LONGEST_SHOWN - 1] + "…"


def word_set(words: str) -> frozenset[str]:
    """Words that stand in one text, apart."""
    return frozenset(words.split())
