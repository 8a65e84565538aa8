"""Seeded damage to documents and files: the same number always does the same."""

from __future__ import annotations

import copy
import json
import random
from typing import Any

ODD_VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 3.5, -0.0, 1e308, 1e-320, 10**400, float("nan"), float("inf"), -float("inf")),
    *(
        "",
        " ",
        "0",
        "accurate",
        "..",
        "../../etc/passwd",
        "/etc/passwd",
        "a\\b",
        "a\x00b",
        "a\nb",
        "\ud800",
        "x" * 5000,
    ),
    *([], {}, [None], [[]], ["a", "a"], [1, "a"], {"": None}, {"a": {"a": {}}}, [0] * 3000),
)


def damaged_document(document: Any, seed: int) -> bytes:
    """JSON of the document with one to three faults in it, most of them in its meaning and some in its bytes."""
    draw = random.Random(seed)
    whole = copy.deepcopy(document)
    if draw.random() < 0.75:
        for _ in range(draw.choice((1, 1, 1, 2, 3))):
            whole = _with_a_fault(whole, draw)
        return json.dumps(whole).encode()
    return _broken_text(json.dumps(whole).encode(), draw)


def _with_a_fault(document: Any, draw: random.Random) -> Any:
    places = list(_places(document))
    if not places:
        return draw.choice(ODD_VALUES)
    parent, key = draw.choice(places)
    kind = draw.choice(("replace", "replace", "replace", "remove", "wrap", "swap", "rename", "stretch"))
    if kind == "replace":
        parent[key] = copy.deepcopy(draw.choice(ODD_VALUES))
    elif kind == "remove":
        del parent[key]
    elif kind == "wrap":
        parent[key] = draw.choice(([parent[key]], {"a": parent[key]}))
    elif kind == "swap":
        other, place = draw.choice(places)
        parent[key] = copy.deepcopy(other.get(place) if isinstance(other, dict) else dict(enumerate(other)).get(place))
    elif kind == "rename" and isinstance(parent, dict):
        parent[draw.choice(("", "a", "../x", "name", "x" * 300, "a\nb"))] = parent.pop(key)
    elif isinstance(parent[key], int | float) and not isinstance(parent[key], bool):
        parent[key] *= draw.choice((-1, 0, 0.5, 10, 1e6, 1e300))
    elif isinstance(parent[key], list):
        parent[key] = parent[key] * 2
    return document


def _places(value: Any) -> Any:
    """Every container with the keys of what it holds."""
    for key in list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        yield value, key
        yield from _places(value[key])


def _broken_text(text: bytes, draw: random.Random) -> bytes:
    start = draw.randrange(len(text))
    return {
        "empty": b"",
        "cut": text[:start],
        "not a text file": text[:start] + bytes([draw.randrange(128, 256)]) + text[start:],
        "other bytes": text[:start] + draw.randbytes(draw.randrange(1, 20)) + text[start + 4 :],
        "deep": b"[" * 100_000 + b"]" * draw.choice((0, 100_000)),
        "deep inside": text[:-1] + b', "x": ' + b'{"a":' * 50_000 + b"1" + b"}" * 50_001,
        "twice": text[:-1] + b', "format": 1, "members": []}',
        "twice inside": text.replace(b'"flip": ', b'"flip": true, "flip": ', 1),
        "not a number": text.replace(b'"temperature": ', b'"temperature": NaN, "was": ', 1),
        "too large": text.replace(b'"temperature": ', b'"temperature": 1e999, "was": ', 1),
        "many digits": text.replace(b'"temperature": ', b'"temperature": ' + b"9" * 5000 + b', "was": ', 1),
        "other alphabet": text.decode().encode("utf-16"),
        "zeros": bytes(len(text)),
        "twice over": text + text,
    }[
        draw.choice(
            (
                *("empty", "cut", "not a text file", "other bytes", "deep", "deep inside", "twice", "twice inside"),
                *("not a number", "too large", "many digits", "other alphabet", "zeros", "twice over"),
            )
        )
    ]


def damaged_database(data: bytes, page: int, draw: random.Random) -> bytes:
    """A database file with one kind of fault in it."""
    whole = bytearray(data)
    place = draw.randrange(len(whole))
    pages = len(whole) // page
    kind = draw.choice(("cut", "bytes", "bytes", "bytes", "header", "zeros", "swap", "noise", "all zeros", "longer"))
    if kind == "cut":
        del whole[draw.choice((place, place // page * page)) :]
    elif kind == "bytes":
        for _ in range(draw.choice((1, 10, 100, 1000))):
            whole[draw.randrange(len(whole))] = draw.randrange(256)
    elif kind == "header":
        whole[draw.randrange(16, 100)] = draw.randrange(256)
    elif kind == "swap":
        one, other = (draw.randrange(pages) * page for _ in range(2))
        whole[one : one + page], whole[other : other + page] = whole[other : other + page], whole[one : one + page]
    elif kind in ("zeros", "noise"):
        start = draw.randrange(pages) * page
        whole[start : start + page] = bytes(page) if kind == "zeros" else draw.randbytes(page)
    elif kind == "all zeros":
        whole[:] = bytes(len(whole))
    else:
        whole += draw.randbytes(draw.randrange(1, 3 * page))
    return bytes(whole)
