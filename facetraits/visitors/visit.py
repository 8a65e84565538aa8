"""The visit and the settings of the visitor log. Nothing here, and nothing that is stored, shows a face."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from math import isfinite
from typing import Final, Literal, get_args
from uuid import UUID, uuid4

from facetraits.traits import MOOD, TRAITS
from facetraits.types import AGE_GROUPS

Outcome = Literal["yes", "no", "unknown"]
OUTCOMES: Final[tuple[Outcome, ...]] = get_args(Outcome)

VisitTrait = Literal["age_group", "gender", "ethnicity", "mood"]
# The values that each trait of a visit may have.
VISIT_CLASSES: Final[Mapping[VisitTrait, tuple[str, ...]]] = {
    "age_group": tuple(name for name, _ in AGE_GROUPS),
    "gender": TRAITS["gender"].classes,
    "ethnicity": TRAITS["ethnicity"].classes,
    "mood": MOOD.classes,
}
# Whether somebody bought, as a filter: purchases that are certain, those that are only guessed, and the others.
OutcomeFilter = Literal["bought", "guessed", "not bought", "not known"]
OUTCOME_FILTERS: Final[tuple[OutcomeFilter, ...]] = get_args(OutcomeFilter)
LONGEST_SOURCE: Final = 80
LARGEST_BASKET: Final = Decimal("99999999.99")
_CURRENCY: Final = re.compile("[A-Z]{3}")


@dataclass(frozen=True, slots=True)
class Visit:
    """One person's stay in view of one source.

    A trait that is None was not estimated. A trait without a confidence was entered by hand.

    Attributes:
        started: when the person came into view; aware, in UTC.
        source: name of the camera or file, 1 to 80 printable characters.
        duration_s: from coming into view until last seen, in seconds, >= 0.
        age: years, >= 0; None where the age group was put in by hand.
        age_group, gender, ethnicity, mood: of ``VISIT_CLASSES``.
        age_confidence, ...: probability of that class, in [0, 1].
        bought: whether the person bought something.
        basket: what was paid, >= 0, two decimal places.
        sold_at: time of the imported sale that the visit was matched with; aware, in UTC.
        sale_guessed: the sale is far from the usual time after coming in, so it may belong to another visitor.
        ended: the person has left. False may also mean that the program stopped before it could write this, for up to
            an hour.
        corrected: traits were entered by hand, so sources no longer change them.
        entries, exits: how often the person crossed the counting line of the source to come in, and to go out, >= 0;
            None where none was drawn. Whoever has no entry is no visitor.
        id: assigned when the visit is first counted.
    """

    started: datetime
    source: str
    duration_s: float
    age: float | None = None
    age_group: str | None = None
    age_confidence: float | None = None
    gender: str | None = None
    gender_confidence: float | None = None
    ethnicity: str | None = None
    ethnicity_confidence: float | None = None
    mood: str | None = None
    mood_confidence: float | None = None
    bought: Outcome = "unknown"
    basket: Decimal | None = None
    sold_at: datetime | None = None
    sale_guessed: bool = False
    ended: bool = False
    corrected: bool = False
    entries: int | None = None
    exits: int | None = None
    id: UUID = field(default_factory=uuid4)

    def __post_init__(self) -> None:
        for name in ("started", "sold_at"):
            moment: datetime | None = getattr(self, name)
            if moment is not None:
                if moment.tzinfo is None:
                    raise ValueError(f"{name} must be aware of its time zone, got {moment}")
                object.__setattr__(self, name, moment.astimezone(UTC))
        if not 1 <= len(self.source) <= LONGEST_SOURCE or not self.source.isprintable():
            raise ValueError(f"source must have 1 to {LONGEST_SOURCE} printable characters, got {self.source!r}")
        for name in ("duration_s", "age"):
            number: float | None = getattr(self, name)
            if number is not None and not (isfinite(number) and number >= 0):
                raise ValueError(f"{name} must be a finite number >= 0, got {number}")
        for name in ("entries", "exits"):
            crossings: int | None = getattr(self, name)
            if crossings is not None and crossings < 0:
                raise ValueError(f"{name} must be >= 0, got {crossings}")
        for trait, classes in VISIT_CLASSES.items():
            self._check_class(trait, classes)
        if self.bought not in OUTCOMES:
            raise ValueError(f"bought must be one of {', '.join(OUTCOMES)}, got {self.bought!r}")
        if self.basket is not None:
            object.__setattr__(self, "basket", checked_basket(self.basket))

    def _check_class(self, trait: VisitTrait, classes: tuple[str, ...]) -> None:
        value: str | None = getattr(self, trait)
        confidence: float | None = getattr(self, CONFIDENCE_OF[trait])
        if value is not None and value not in classes:
            raise ValueError(f"{trait} must be one of {', '.join(classes)}, got {value!r}")
        if confidence is not None and (value is None or not 0 <= confidence <= 1):
            raise ValueError(f"{CONFIDENCE_OF[trait]} must lie in [0, 1] and belong to a {trait}, got {confidence}")


CONFIDENCE_OF: Final[Mapping[VisitTrait, str]] = {
    "age_group": "age_confidence",
    "gender": "gender_confidence",
    "ethnicity": "ethnicity_confidence",
    "mood": "mood_confidence",
}


def checked_basket(value: Decimal) -> Decimal:
    """The amount with two decimal places.

    Raises:
        ValueError: it is negative, larger than ``LARGEST_BASKET`` or no number.
    """
    if not value.is_finite() or not 0 <= value <= LARGEST_BASKET:
        raise ValueError(f"an amount must lie between 0 and {LARGEST_BASKET}, got {value}")
    return value.quantize(Decimal("0.01"))


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings of the log, stored in the database, so that all programs use the same ones.

    Attributes:
        enter_s: a person is a visitor after this long in view, in seconds, 0 to 60.
        away_s: a visitor who was out of view for longer has left, in seconds, 1 to 120.
        ethnicity: estimate and store it.
        retention_days: visits that began earlier are deleted, 1 to 3650; None keeps them.
        currency: of all amounts, three letters of ISO 4217; None while nobody has chosen one.
    """

    enter_s: float = 1.0
    away_s: float = 6.0
    ethnicity: bool = False
    retention_days: int | None = 90
    currency: str | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.enter_s <= 60:
            raise ValueError(f"enter_s must lie between 0 and 60 seconds, got {self.enter_s}")
        if not 1 <= self.away_s <= 120:
            raise ValueError(f"away_s must lie between 1 and 120 seconds, got {self.away_s}")
        if self.retention_days is not None and not 1 <= self.retention_days <= 3650:
            raise ValueError(f"retention_days must lie between 1 and 3650, got {self.retention_days}")
        if self.currency is not None and not _CURRENCY.fullmatch(self.currency):
            raise ValueError(f"currency must be three capital letters of ISO 4217, got {self.currency!r}")


@dataclass(frozen=True, slots=True)
class Selection:
    """A selection of visits; None means no restriction.

    Attributes:
        since, until: the visit began at or after ``since`` and before ``until``; aware.
        sources: names.
        age_groups, genders, moods: classes of ``VISIT_CLASSES``.
        outcomes: of ``OUTCOME_FILTERS``.
    """

    since: datetime | None = None
    until: datetime | None = None
    sources: tuple[str, ...] | None = None
    age_groups: tuple[str, ...] | None = None
    genders: tuple[str, ...] | None = None
    moods: tuple[str, ...] | None = None
    outcomes: tuple[OutcomeFilter, ...] | None = None


EVERYTHING: Final = Selection()
