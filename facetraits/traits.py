"""The traits of a face, each declared once: what results, tables, tracks, cards and training have to know of it.

A new trait is a call of ``declare``. It is then asked for, written to JSON and CSV, combined over the frames of a video
and shown on cards like the others; a profile of ``models/manifest.json`` has to answer it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

TraitName = str  # the key of a trait in ``TRAITS``


@dataclass(frozen=True, slots=True)
class Sums:
    """Coarser classes that follow from those of a trait: their probabilities are sums.

    Attributes:
        key: in results, JSON and CSV.
        label: what it is called to a user.
        classes: names, in order.
        class_of: each class of the trait, and the class that it counts for.
    """

    key: str
    label: str
    classes: tuple[str, ...]
    class_of: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Trait:
    """What is estimated of a face.

    Attributes:
        key: in results, JSON, CSV, the models' manifest, and as the output of a network.
        label: what it is called to a user.
        classes: names, in the order of the networks' outputs; () for a number of years. No two traits share a name,
            because CSV has a column for each.
        memory_s: the answer about a person before a camera is as steady as a mean over so many seconds; > 0.
        lasting: it stays the same while somebody is in view, so that the answer for a whole stay is the one known at
            its end; of what changes it is the mean.
        unlikeness: how much a difference says against two faces being the same person's: log odds for each unit of
            probability that lies on other classes; None where it says nothing.
        in_label: the answer stands beside the box in pictures where there is room.
        sums: coarser classes, shown beside it; None where there are none.
    """

    key: TraitName
    label: str
    classes: tuple[str, ...] = ()
    memory_s: float = 30.0
    lasting: bool = True
    unlikeness: float | None = None
    in_label: bool = False
    sums: Sums | None = None


_declared: Final[dict[TraitName, Trait]] = {}
# In the order in which they are shown and written.
TRAITS: Final[Mapping[TraitName, Trait]] = MappingProxyType(_declared)


def declare(trait: Trait) -> None:
    """Add a trait.

    Raises:
        ValueError: its name, or that of one of its classes, is taken.
    """
    taken = {name for other in TRAITS.values() for name in (other.key, *other.classes)}
    if twice := taken & {trait.key, *trait.classes}:
        raise ValueError(f"the name {min(twice)!r} of the trait {trait.key!r} is taken")
    _declared[trait.key] = trait


def withdraw(key: TraitName) -> None:
    """Remove a trait.

    Raises:
        KeyError: there is none of that name.
    """
    del _declared[key]


MOOD: Final = Sums(
    "mood",
    "Mood",
    ("positive", "neutral", "negative"),
    {
        "happy": "positive",
        "surprise": "positive",
        "neutral": "neutral",
        "sad": "negative",
        "angry": "negative",
        "disgust": "negative",
        "fear": "negative",
        "contempt": "negative",
    },
)

declare(Trait("age", "Apparent age"))
declare(Trait("gender", "Apparent gender", ("male", "female"), unlikeness=4.7, in_label=True))
declare(Trait("ethnicity", "Ethnicity", ("white", "black", "asian", "indian", "other"), unlikeness=5.4))
declare(
    Trait(
        "expression",
        "Facial expression",
        ("neutral", "happy", "surprise", "sad", "angry", "disgust", "fear", "contempt"),
        memory_s=0.8,  # one that is over must not linger
        lasting=False,
        in_label=True,
        sums=MOOD,
    )
)
