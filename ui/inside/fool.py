"""How stable the ensemble's answers are when the face is augmented as in training, or degraded step by step."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from facetraits.age import median_years
from facetraits.faces.alignment import CROPS
from facetraits.faces.augmentation import Variation, augment
from facetraits.inside.probing import Spoiling, spoiled_series
from facetraits.traits import TRAITS, TraitName
from facetraits.types import AgePrediction, ClassPrediction, FaceTraits
from ui.inside.session import Subject
from ui.inside.words import SPOILING_WORDS
from ui.kit.components import listed

STEPS: Final = 32  # two whole batches of the ensemble: another number of pictures costs a network half a second
_MIN_STEPS: Final = 3  # steps in a row
_HARDLY: Final = 0.05  # above the threshold
CLASS_TRAITS: Final[tuple[TraitName, ...]] = ("gender", "ethnicity", "expression")
Stacks = Mapping[str, NDArray[np.uint8]]
Answers = Mapping[str, NDArray[np.float32]]


def ensemble_answers(subject: Subject, stacks: Stacks) -> Answers:
    """What the ensemble says: trait to (N, C), of geometry to (N, S, S, 3) crops of the same N variants."""
    return subject.analyzer.ensemble.predict(stacks, TRAITS)


# --------------------------------------------------------------------------------------------------------- augmentation


class Variants(NamedTuple):
    """Variants of a face and what the ensemble says of each; the first is the face as it is.

    Attributes:
        crops: (1 + N, S, S, 3) RGB, to be shown.
        answers: trait to (1 + N, C).
    """

    crops: NDArray[np.uint8]
    answers: Answers


def varied(
    crops: Mapping[str, NDArray[np.uint8]], kinds: Collection[Variation], strength: float, count: int, seed: int
) -> Stacks:
    """The crops of a face, each with ``count`` variants as in training.

    All geometries get the same random variations; otherwise one network would see the face mirrored and another would
    not.
    """
    stacks = {}
    for name, crop in crops.items():
        same = np.repeat(crop[None], count, axis=0)
        some = augment(same, np.random.default_rng(seed), strength, kinds, CROPS[name])
        stacks[name] = np.concatenate([crop[None], some])
    return stacks


def variants(
    subject: Subject, kinds: Collection[Variation], strength: float, count: int, seed: int, shown: str
) -> Variants:
    """Vary a face and ask the ensemble; ``shown`` is the geometry of the crops that are kept to be shown."""
    stacks = varied(subject.crops, kinds, strength, count, seed)
    return Variants(stacks[shown], ensemble_answers(subject, stacks))


class Steadiness(NamedTuple):
    """Stability of one trait over the variants: a headline for tiles.

    Attributes:
        label: of the trait; value: in short; basis: what that means.
    """

    label: str
    value: str
    basis: str


def steadiness(face: FaceTraits, answers: Answers) -> list[Steadiness]:
    """One headline per trait."""
    found = []
    years = median_years(answers["age"])
    found.append(
        Steadiness(
            TRAITS["age"].label,
            f"{years[1:].min():.0f} to {years[1:].max():.0f} years",
            f"{years[0]:.0f} for the original face; the variants vary by {years[1:].std():.1f} years",
        )
    )
    for trait in CLASS_TRAITS:
        prediction = _classes(face, trait)
        rows = answers[trait]
        same = int((rows[1:].argmax(axis=1) == rows[0].argmax()).sum())
        unsure = int((rows[1:].max(axis=1) < prediction.unsure_below).sum())
        basis = f"say {prediction.classes[int(rows[0].argmax())]}, as for the original face"
        found.append(
            Steadiness(
                TRAITS[trait].label,
                f"{same} of {len(rows) - 1}",
                f"{basis}; {unsure} of them unsure" if unsure else basis,
            )
        )
    return found


def variant_words(face: FaceTraits, answers: Answers, place: int) -> tuple[str, bool]:
    """What the ensemble says of one variant in a line, and whether a class is another than for the face as it is."""
    parts = [f"{median_years(answers['age'][place : place + 1])[0]:.0f} years"]
    changed = False
    for trait in CLASS_TRAITS:
        prediction, row = _classes(face, trait), answers[trait][place]
        name = prediction.classes[int(row.argmax())]
        parts.append(f"{name}?" if float(row.max()) < prediction.unsure_below else name)
        changed |= int(row.argmax()) != int(answers[trait][0].argmax())
    return ", ".join(parts), changed


# ------------------------------------------------------------------------------------------------------------- spoiling


class Course(NamedTuple):
    """The answers for one trait while the face gets worse.

    Attributes:
        trait: which; answer: the class, or "31 years".
        values: (STEPS,) probability of that class, or years.
        gone: (STEPS,) whether the answer is another or unsure (for age: outside of the interval that was given for the
            face as it is) for as long as ``lasting`` asks for.
        how: what happens where the answer first breaks; "" if it never does.
        start: what is to be known of the face as it is, such as "was hardly sure from the start"; mostly "".
        judged: False if the answer can neither hold nor break.
    """

    trait: TraitName
    answer: str
    values: NDArray[np.floating]
    gone: NDArray[np.bool_]
    how: str
    start: str = ""
    judged: bool = True

    @property
    def broke(self) -> int | None:
        """Index of the first amount at which the answer is gone; None where it holds to the end."""
        return int(self.gone.argmax()) if self.gone.any() else None

    @property
    def turns(self) -> tuple[int, ...]:
        """Indices after that at which it is back, then gone again, and so on."""
        changes = np.flatnonzero(np.diff(self.gone)) + 1
        return tuple(int(place) for place in changes if self.broke is not None and place > self.broke)


class Spoiled(NamedTuple):
    """A face that gets worse step by step.

    Attributes:
        kind: in which way; amounts: (STEPS,) in its own measure.
        crops: (STEPS, S, S, 3) RGB, to be shown.
        courses: by trait.
    """

    kind: Spoiling
    amounts: NDArray[np.float64]
    crops: NDArray[np.uint8]
    courses: Mapping[TraitName, Course]


def spoil(subject: Subject, kind: Spoiling, shown: str) -> Spoiled:
    """Spoil a face and ask the ensemble at each step.

    Args:
        subject: the face.
        kind: how.
        shown: geometry of the crops that are kept to be shown.
    """
    series = {name: spoiled_series(crop, kind, STEPS) for name, crop in subject.crops.items()}
    answers = ensemble_answers(subject, {name: crops for name, (_, crops) in series.items()})
    amounts, crops = series[shown]
    courses: dict[TraitName, Course] = {"age": years_course(subject.face.traits, answers["age"])}
    for trait in CLASS_TRAITS:
        courses[trait] = class_course(trait, _classes(subject.face.traits, trait), answers[trait])
    return Spoiled(kind, amounts, crops, courses)


def spoiled_words(found: Spoiled) -> str:
    """Which answer breaks first and where, and what holds."""
    words = SPOILING_WORDS[found.kind]
    courses = found.courses.values()
    broken = sorted((course for course in courses if course.broke is not None), key=lambda c: (c.broke, c.trait))
    held = [TRAITS[course.trait].label.lower() for course in courses if course.judged and course.broke is None]
    lines = []
    for place, course in enumerate(broken):
        assert course.broke is not None
        at = words.written(float(found.amounts[course.broke]))
        first = " breaks first" if place == 0 else ""
        back = "".join(
            f", at {words.written(float(found.amounts[turn]))} it is {('back', 'gone again')[number % 2]}"
            for number, turn in enumerate(course.turns)
        )
        lines.append(f"{TRAITS[course.trait].label}{first}: at {at} {course.how}{back}.")
    if not broken:
        end = words.written(float(found.amounts[-1]))
        which = "all four answers" if len(held) == len(TRAITS) else listed(held)
        lines.append(f"Nothing breaks: {which} {_hold(held)} up to {end}.")
    elif held:
        lines.append(f"{listed(held).capitalize()} {_hold(held)} to the end.")
    lines += [f"{TRAITS[course.trait].label} {course.start}." for course in courses if course.start]
    return " ".join(lines)


def answers_held_at(found: Spoiled, place: int) -> tuple[int, int]:
    """How many answers hold at a step, and how many could."""
    judged = [course for course in found.courses.values() if course.judged]
    return sum(not course.gone[place] for course in judged), len(judged)


def only_lasting(gone: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Keep only runs of at least ``_MIN_STEPS`` steps, or up to the end: near a threshold a single step is not
    significant.
    """
    kept = np.zeros_like(gone)
    edges = np.flatnonzero(np.diff(gone.astype(int), prepend=0, append=0))
    for first, end in zip(edges[::2], edges[1::2], strict=True):
        kept[first:end] = end - first >= _MIN_STEPS or end == len(gone)
    return kept


def _hold(answers: list[str]) -> str:
    return "holds" if len(answers) == 1 else "hold"


def years_course(face: FaceTraits, rows: NDArray[np.float32]) -> Course:
    """The course of the age; ``rows`` as of ``class_course``."""
    age = face.age
    assert isinstance(age, AgePrediction)
    years = median_years(rows)
    low, high = age.interval
    outside = (years < low) | (years > high)
    course = Course("age", f"{age.years:.0f} years", years, only_lasting(outside), "")
    if outside[0]:
        start = "lay outside of its own interval from the start, and so cannot leave it"
        return course._replace(gone=np.zeros_like(outside), start=start, judged=False)
    if course.broke is None:
        return course
    leaves = f"the estimate leaves the interval of {low:.0f} to {high:.0f} years ({years[course.broke]:.1f})"
    return course._replace(how=leaves)


def class_course(trait: TraitName, prediction: ClassPrediction, rows: NDArray[np.float32]) -> Course:
    """The course of a trait with classes.

    Args:
        trait: which.
        prediction: its classes, and what is unsure.
        rows: (STEPS, C) probabilities; the first are of the face as it is.
    """
    answer = int(rows[0].argmax())
    best, sure = rows.argmax(axis=1), rows.max(axis=1) >= prediction.unsure_below
    # An answer that was unsure from the start cannot become unsure.
    gone = only_lasting((best != answer) | (~sure & bool(sure[0])))
    course = Course(trait, prediction.classes[answer], rows[:, answer], gone, "", _start(rows[0], prediction))
    broke = course.broke
    if broke is None:
        return course
    if best[broke] == answer:
        return course._replace(how="the answer becomes unsure")
    unsure = "" if sure[broke] else " (unsure)"
    return course._replace(how=f"the answer becomes {prediction.classes[best[broke]]}{unsure}")


def _start(first: NDArray[np.floating], prediction: ClassPrediction) -> str:
    best = float(first.max())
    if best < prediction.unsure_below:
        return f"was unsure from the start ({best:.0%})"
    return f"was hardly sure from the start ({best:.0%})" if best < prediction.unsure_below + _HARDLY else ""


def _classes(face: FaceTraits, trait: TraitName) -> ClassPrediction:
    prediction: Any = getattr(face, trait)
    assert isinstance(prediction, ClassPrediction)
    return prediction
