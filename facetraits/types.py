"""Result types: what every part of facetraits produces or consumes.

All arrays hold pixels of the upright picture: x grows to the right, y downwards, the origin is the centre of the
top-left pixel. Types that hold arrays compare by identity (``eq=False``); the arrays are made read-only.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from math import floor
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from facetraits.traits import TRAITS, Trait, TraitName

LANDMARK_NAMES: Final = (
    "image-left eye",
    "image-right eye",
    "nose tip",
    "image-left mouth corner",
    "image-right mouth corner",
)

# Upper bounds (inclusive, in whole years) of the five age groups, and their names.
AGE_GROUPS: Final = (("0-20", 20), ("21-40", 40), ("41-60", 60), ("61-80", 80), ("81+", None))

# How a face shows itself; only the first can be trusted. Profiles may answer it under this name; it is no trait.
VIEW: Final = "view"
VIEWS: Final = ("clear", "covered", "upside down")

QualityIssue = Literal[
    "too small", "blurred", "too dark", "too bright", "turned away", "cut by the edge", "covered", "upside down"
]


def age_group(years: float) -> str:
    """Name of the age group that ``years`` falls in.

    Ages are completed years, so 20.7 counts as 20 and belongs to "0-20".

    Raises:
        ValueError: ``years`` is negative or not finite.
    """
    if not np.isfinite(years) or years < 0:
        raise ValueError(f"age must be a finite number of years >= 0, got {years}")
    for name, upper in AGE_GROUPS:
        if upper is None or int(years) <= upper:
            return name
    raise AssertionError("unreachable: the last age group is open")


def whole_years(years: float) -> int:
    """An estimate of the age as it is shown: in whole years, half a year and more rounded up.

    Year k stands for [k - 0.5, k + 0.5). Stored are tenths of years, so they are rounded first: whoever rounds what is
    stored gets what is shown.

    Args:
        years: finite, >= 0.
    """
    return floor(round(years, 1) + 0.5)


def _frozen(values: object, shape: tuple[int, ...], name: str) -> NDArray[np.float32]:
    array = np.array(values, dtype=np.float32)
    if array.shape != shape:
        raise ValueError(f"{name} must have shape {shape}, got {array.shape}")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} must be finite")
    array.setflags(write=False)
    return array


@dataclass(frozen=True, slots=True, eq=False)
class FaceDetection:
    """One face that the detector found.

    Attributes:
        box_xyxy: (4,) left, top, right, bottom in px; may reach beyond the picture.
        landmarks: (5, 2) x, y in px, in the order of ``LANDMARK_NAMES``.
        score: the detector's confidence in [0, 1].
    """

    box_xyxy: NDArray[np.float32]
    landmarks: NDArray[np.float32]
    score: float

    def __post_init__(self) -> None:
        box = _frozen(self.box_xyxy, (4,), "box_xyxy")
        if box[2] <= box[0] or box[3] <= box[1]:
            raise ValueError(f"box_xyxy must have left < right and top < bottom, got {box.tolist()}")
        if not 0 <= self.score <= 1:
            raise ValueError(f"score must lie in [0, 1], got {self.score}")
        object.__setattr__(self, "box_xyxy", box)
        object.__setattr__(self, "landmarks", _frozen(self.landmarks, (5, 2), "landmarks"))
        object.__setattr__(self, "score", float(self.score))

    @property
    def size_px(self) -> float:
        """Geometric mean of the box's width and height, in px."""
        x1, y1, x2, y2 = (float(v) for v in self.box_xyxy)
        return float(np.sqrt((x2 - x1) * (y2 - y1)))


@dataclass(frozen=True, slots=True, eq=False)
class ClassPrediction:
    """Probabilities over a fixed list of classes.

    Attributes:
        classes: names, in the order of ``probabilities``.
        probabilities: (C,) in [0, 1], summing to 1.
        unsure_below: a ``confidence`` under this value is called unsure; in [0, 1].
    """

    classes: tuple[str, ...]
    probabilities: NDArray[np.float32]
    unsure_below: float = 0.0

    def __post_init__(self) -> None:
        probabilities = _frozen(self.probabilities, (len(self.classes),), "probabilities")
        if (probabilities < 0).any() or abs(float(probabilities.sum()) - 1) > 1e-3:
            raise ValueError(f"probabilities must be >= 0 and sum to 1, got {probabilities.tolist()}")
        if not 0 <= self.unsure_below <= 1:
            raise ValueError(f"unsure_below must lie in [0, 1], got {self.unsure_below}")
        object.__setattr__(self, "probabilities", probabilities)

    @property
    def top1(self) -> str:
        """The most probable class."""
        return self.classes[int(self.probabilities.argmax())]

    @property
    def confidence(self) -> float:
        """Probability of ``top1``, in [0, 1]."""
        return float(self.probabilities.max())

    @property
    def unsure(self) -> bool:
        """True where ``confidence`` is too low to answer with one class."""
        return self.confidence < self.unsure_below

    def ranked(self) -> tuple[tuple[str, float], ...]:
        """All (class, probability) pairs, the most probable first."""
        order = np.argsort(-self.probabilities, kind="stable")
        return tuple((self.classes[i], float(self.probabilities[i])) for i in order)

    def to_dict(self) -> dict[str, Any]:
        """``top1``, ``confidence``, ``unsure`` and ``probabilities`` by class, ready for JSON."""
        return {
            "top1": self.top1,
            "confidence": round(self.confidence, 4),
            "unsure": self.unsure,
            "probabilities": {
                name: round(float(p), 4) for name, p in zip(self.classes, self.probabilities, strict=True)
            },
        }


@dataclass(frozen=True, slots=True, eq=False)
class AgePrediction:
    """Apparent age.

    Attributes:
        years: median of the age distribution, in years, >= 0.
        interval: (low, high) in years; holds the true age in ``coverage`` of validation faces.
        coverage: nominal coverage of ``interval``, in (0, 1).
        groups: probability of each of the five age groups.
        unsure_wider_than: an interval that is wider, in years, is called unsure; None where no width is; > 0.
        clear: False where the face is covered or upside down, so that the networks never learned from its like.
    """

    years: float
    interval: tuple[float, float]
    coverage: float
    groups: ClassPrediction
    unsure_wider_than: float | None = None
    clear: bool = True

    def __post_init__(self) -> None:
        low, high = self.interval
        if not (np.isfinite(self.years) and self.years >= 0):
            raise ValueError(f"years must be a finite number >= 0, got {self.years}")
        if not 0 <= low <= high < np.inf:
            raise ValueError(f"interval must satisfy 0 <= low <= high and be finite, got {self.interval}")
        if not 0 < self.coverage < 1:
            raise ValueError(f"coverage must lie in (0, 1), got {self.coverage}")
        if self.unsure_wider_than is not None and not self.unsure_wider_than > 0:
            raise ValueError(f"unsure_wider_than must be > 0 or None, got {self.unsure_wider_than}")

    @property
    def unsure(self) -> bool:
        """True where the interval is too wide, or the view of the face too poor, to answer with one number."""
        low, high = self.interval
        return not self.clear or (self.unsure_wider_than is not None and high - low > self.unsure_wider_than)

    @property
    def group(self) -> str:
        """The age group of the years as they are shown.

        Where the distribution straddles a border it may be the less probable of two.
        """
        return age_group(whole_years(self.years))

    @property
    def group_confidence(self) -> float:
        """Probability of ``group``, in [0, 1]."""
        return float(self.groups.probabilities[self.groups.classes.index(self.group)])

    def to_dict(self) -> dict[str, Any]:
        """``years``, ``interval``, ``coverage``, ``unsure``, ``group`` and ``groups``, ready for JSON."""
        return {
            "years": round(self.years, 1),
            "interval": [round(v, 1) for v in self.interval],
            "coverage": self.coverage,
            "unsure": self.unsure,
            "group": self.group,
            "groups": self.groups.to_dict()["probabilities"],
        }


Answer = AgePrediction | ClassPrediction


class FaceTraits:
    """What the ensemble says of one face: an answer for each trait that was asked for.

    Args:
        age, gender, ethnicity, expression: their answers; None where a trait was not asked for.
        others: answers by the keys of other traits in ``TRAITS``.

    Raises:
        ValueError: there is no such trait.
    """

    __slots__ = ("_answers",)

    def __init__(
        self,
        age: AgePrediction | None = None,
        gender: ClassPrediction | None = None,
        ethnicity: ClassPrediction | None = None,
        expression: ClassPrediction | None = None,
        **others: Answer | None,
    ) -> None:
        given = {"age": age, "gender": gender, "ethnicity": ethnicity, "expression": expression, **others}
        if unknown := sorted(set(given) - set(TRAITS)):
            raise ValueError(f"unknown traits {unknown}; there are {list(TRAITS)}")
        self._answers: dict[TraitName, Answer] = {
            key: answer for key in TRAITS if (answer := given.get(key)) is not None
        }

    @property
    def age(self) -> AgePrediction | None:
        """Apparent age."""
        answer = self._answers.get("age")
        return answer if isinstance(answer, AgePrediction) else None

    @property
    def gender(self) -> ClassPrediction | None:
        """Apparent gender."""
        return self.classes("gender")

    @property
    def ethnicity(self) -> ClassPrediction | None:
        """Ethnicity."""
        return self.classes("ethnicity")

    @property
    def expression(self) -> ClassPrediction | None:
        """Facial expression."""
        return self.classes("expression")

    @property
    def mood(self) -> ClassPrediction | None:
        """Positive, neutral or negative: the expression's probabilities summed; None without an expression."""
        return self.summed("expression")

    def classes(self, trait: TraitName) -> ClassPrediction | None:
        """The answer for a trait with classes; None where it was not asked for."""
        answer = self._answers.get(trait)
        return answer if isinstance(answer, ClassPrediction) else None

    def summed(self, trait: TraitName) -> ClassPrediction | None:
        """The answer in the coarser classes of a trait; None where it has none or was not asked for."""
        answer, sums = self.classes(trait), TRAITS[trait].sums
        if answer is None or sums is None:
            return None
        shares = dict.fromkeys(sums.classes, 0.0)
        for name, p in zip(answer.classes, answer.probabilities, strict=True):
            shares[sums.class_of[name]] += float(p)
        return ClassPrediction(sums.classes, np.array(list(shares.values()), dtype=np.float32), answer.unsure_below)

    def answers(self) -> Iterator[tuple[Trait, Answer]]:
        """Traits that were asked for, in the order of ``TRAITS``, with their answers."""
        return ((TRAITS[key], answer) for key, answer in self._answers.items())

    def only(self, traits: Collection[TraitName]) -> FaceTraits:
        """Without the answers for other traits."""
        return FaceTraits(**{key: answer for key, answer in self._answers.items() if key in traits})  # type: ignore[arg-type]

    def with_answers(self, answers: Mapping[TraitName, Answer | None]) -> FaceTraits:
        """With other answers for some traits; None takes one away."""
        return FaceTraits(**{**self._answers, **answers})  # type: ignore[arg-type]

    def to_dict(self) -> dict[str, Any]:
        """Each answer by its trait's key, then the coarser classes by theirs, ready for JSON."""
        out = {trait.key: answer.to_dict() for trait, answer in self.answers()}
        for trait, _ in self.answers():
            if trait.sums is not None and (summed := self.summed(trait.key)) is not None:
                out[trait.sums.key] = summed.to_dict()
        return out


@dataclass(frozen=True, slots=True, eq=False)
class FaceResult:
    """One face: where it is, how well it can be seen, what it looks like.

    Attributes:
        detection: box, landmarks and score.
        quality: what makes the answer less reliable; empty when nothing does.
        traits: the estimates.
    """

    detection: FaceDetection
    quality: tuple[QualityIssue, ...]
    traits: FaceTraits

    def to_dict(self) -> dict[str, Any]:
        """One face as documented in docs/conventions.md, ready for JSON; traits that were not computed are absent."""
        return {
            "box_xyxy": [round(float(v), 1) for v in self.detection.box_xyxy],
            "score": round(self.detection.score, 4),
            "landmarks": [[round(float(v), 1) for v in point] for point in self.detection.landmarks],
            "quality": list(self.quality),
            **self.traits.to_dict(),
        }


@dataclass(frozen=True, slots=True, eq=False)
class AnalysisResult:
    """All faces of one picture.

    Attributes:
        size_wh: width and height of the analysed picture in px.
        faces: largest first; empty when no face was found.
        timings_ms: milliseconds by step ("detect", "align", "predict", "total").
        incomplete: the picture's file breaks off, so that a part of the picture, and faces in it, may be missing.
    """

    size_wh: tuple[int, int]
    faces: tuple[FaceResult, ...]
    timings_ms: Mapping[str, float]
    incomplete: bool = False

    def __post_init__(self) -> None:
        if min(self.size_wh) < 1:
            raise ValueError(f"size_wh must be positive, got {self.size_wh}")

    def to_dict(self) -> dict[str, Any]:
        """``width``, ``height``, ``incomplete`` and ``faces``, ready for JSON."""
        return {
            "width": self.size_wh[0],
            "height": self.size_wh[1],
            "incomplete": self.incomplete,
            "faces": [face.to_dict() for face in self.faces],
        }
