"""The card of one face as HTML: crop, answers, doubts, bars, warnings.

Colour is never the only carrier of anything: every bar stands beside its number, every warning is a sentence. All text
that is not written here passes through ``html.escape``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from statistics import median
from typing import Final, NamedTuple

from facetraits.traits import Trait
from facetraits.types import (
    AgePrediction,
    AnalysisResult,
    ClassPrediction,
    FaceResult,
    FaceTraits,
    QualityIssue,
    whole_years,
)
from ui.kit.components import address_of_jpeg

# What is wrong, and what to do about it.
QUALITY_ADVICE: Final[Mapping[QualityIssue, tuple[str, str]]] = {
    "too small": ("Small face", "Use a larger picture, or come closer."),
    "blurred": ("Blurred", "Use a sharper picture, or hold the camera still."),
    "too dark": ("Too dark", "Turn the face to a window or lamp, or brighten the picture."),
    "too bright": ("Too bright", "Avoid direct sun and flash, or darken the picture."),
    "turned away": ("Turned away", "Use a picture in which the person looks towards the camera."),
    "cut by the edge": ("Cut by the edge", "Use a picture that shows the whole face."),
    "covered": ("Covered", "Take off mask and sunglasses, and keep hands and microphone away from the face."),
    "upside down": ("Upside down", "Turn the picture so that the face is upright."),
}

_OLDEST_ON_SCALE: Final = 100
_SHOWN_MASS: Final = 0.95  # bars stop once they cover this much probability ...
_MOST_BARS: Final = 3  # ... or at this many; all of them stand under "All probabilities"
FEW_FACES: Final = 6  # of a picture; cards of more start folded


class NumberedFace(NamedTuple):
    """One face with its number in the picture, from 1, and its crop as JPEG."""

    number: int
    face: FaceResult
    crop: bytes


def numbered(faces: Sequence[FaceResult], crops: Sequence[bytes]) -> list[NumberedFace]:
    """The faces of a picture with their numbers and crops, of which there are as many."""
    return [NumberedFace(n, face, crop) for n, (face, crop) in enumerate(zip(faces, crops, strict=True), start=1)]


def face_cards(result: AnalysisResult, crops: Sequence[bytes]) -> str:
    """The cards of all faces; those of a crowd start folded, under one line that sums them up.

    Args:
        result: the picture's faces, with the traits that are to be shown.
        crops: one JPEG per face.
    """
    cards = cards_of(numbered(result.faces, crops), folded=len(result.faces) > FEW_FACES)
    return (summary_line(result.faces) if len(result.faces) > FEW_FACES else "") + cards


def cards_of(faces: Iterable[NumberedFace], folded: bool) -> str:
    """Cards of some faces; folded ones show the answers in one line."""
    cards = (
        f'<li class="ft-card" data-face="{number}">{_card(number, face, crop, not folded)}</li>'
        for number, face, crop in faces
    )
    return f'<ol class="ft-cards{" ft-crowd" if folded else ""}" aria-label="Faces">{"".join(cards)}</ol>'


def summary_line(faces: Sequence[FaceResult]) -> str:
    """``crowd_summary`` as HTML."""
    return f'<p class="ft-summary">{escape(crowd_summary(faces))}</p>'


def crowd_summary(faces: Sequence[FaceResult]) -> str:
    """All faces in one line, as in "69 faces: 41 male, 28 female, median 26 years, mostly neutral".

    Unsure answers are counted like the others. The most frequent expression is named if more than half of the faces
    have it.
    """
    parts = []
    genders = Counter(face.traits.gender.top1 for face in faces if face.traits.gender is not None)
    parts += [f"{count} {name}" for name, count in genders.most_common()]
    years = [face.traits.age.years for face in faces if face.traits.age is not None]
    if years:
        parts.append(f"median {whole_years(median(years))} years")
    moods = Counter(face.traits.expression.top1 for face in faces if face.traits.expression is not None)
    if moods and moods.most_common(1)[0][1] > len(faces) / 2:
        parts.append(f"mostly {moods.most_common(1)[0][0]}")
    words = f": {', '.join(parts)}" if parts else ""
    return f"{len(faces)} faces{words}"


def headline(face: FaceResult) -> str:
    """The answers in one line, as in "34 years, female, happy"; what is unsure says so, an age with its range."""
    words = []
    if face.traits.age is not None:
        words.append(f"{_range(face.traits.age)} (unsure)" if face.traits.age.unsure else _years(face.traits.age))
    for _, answer in face.traits.answers():
        if isinstance(answer, ClassPrediction):
            words.append(f"{answer.top1} (unsure)" if answer.unsure else answer.top1)
    return ", ".join(words)


def _card(number: int, face: FaceResult, crop: bytes, opened: bool) -> str:
    count = len(face.quality)
    flag = f'<span class="ft-flag">{count} warning{"s" if count > 1 else ""}</span>' if count else ""
    return (
        f"<details{' open' if opened else ''}><summary>"
        f"{crop_picture(crop, f'Crop of face {number}')}"
        f'<span class="ft-head"><span class="ft-number">Face {number}</span>{flag}'
        f'<span class="ft-headline">{escape(headline(face)) or "Choose above what to estimate."}</span></span>'
        f"</summary><div class='ft-body'>{warnings(face.quality)}{trait_sections(face)}{_everything(face)}</div>"
        "</details>"
    )


def crop_picture(crop: bytes, alt: str) -> str:
    """A small JPEG as an HTML image."""
    return f'<img class="ft-crop" src="{address_of_jpeg(crop)}" alt="{escape(alt)}">'


def warnings(quality: Iterable[QualityIssue]) -> str:
    """What makes the answers less reliable, with advice, as HTML; empty where nothing does."""
    items = []
    for issue in quality:
        name, advice = QUALITY_ADVICE[issue]
        items.append(f"<li><strong>{name}.</strong> {advice}</li>")
    if not items:
        return ""
    return f'<div class="ft-warnings"><p>Treat these answers with caution:</p><ul>{"".join(items)}</ul></div>'


def trait_sections(face: FaceResult) -> str:
    """Each estimated trait with its value and its bars, as HTML."""
    return "".join(
        _age(trait.label, answer)
        if isinstance(answer, AgePrediction)
        else _classes(trait.label, answer, _sums_note(trait, face.traits))
        for trait, answer in face.traits.answers()
    )


def _age(label: str, age: AgePrediction) -> str:
    low, high = (min(v, _OLDEST_ON_SCALE) for v in age.interval)
    middle = min(age.years, _OLDEST_ON_SCALE)
    scale = (
        '<div class="ft-scale" aria-hidden="true">'
        f'<i class="ft-band" style="left:{low:.1f}%;width:{high - low:.1f}%"></i>'
        f'<i class="ft-dot" style="left:{middle:.1f}%"></i></div>'
        '<div class="ft-ticks" aria-hidden="true"><span>0</span><span>50</span><span>100</span></div>'
    )
    if age.unsure:
        value = f'<span class="ft-unsure">Unsure</span> {_range(age)}?'
        return _trait(label, value, f"{_years(age)} in the middle ({age.coverage:.0%} interval)", scale)
    return _trait(label, _years(age), f"{age_ends(age)} ({age.coverage:.0%} interval)", scale)


def _range(age: AgePrediction) -> str:
    return f"{age_ends(age)} years"


def age_ends(age: AgePrediction) -> str:
    """The ends of an age's interval, as in "28 to 40"."""
    low, high = (whole_years(v) for v in age.interval)
    return f"{low} to {high}"


def _years(age: AgePrediction) -> str:
    years = whole_years(age.years)
    return f"{years} year" if years == 1 else f"{years} years"


def _classes(label: str, prediction: ClassPrediction, note: str = "") -> str:
    shown = _leading(prediction)
    if prediction.unsure:
        names = " or ".join(name.capitalize() if i == 0 else name for i, (name, _) in enumerate(shown[:2]))
        return _trait(label, f'<span class="ft-unsure">Unsure</span> {escape(names)}?', note, _bars(shown))
    return _trait(label, escape(prediction.top1.capitalize()), note, _bars(shown))


def _leading(prediction: ClassPrediction) -> Sequence[tuple[str, float]]:
    """The classes worth a bar, most probable first; one that is unsure always shows its runners-up."""
    ranked = prediction.ranked()
    if prediction.unsure:
        return ranked[:_MOST_BARS]
    shown, mass = [], 0.0
    for name, probability in ranked[:_MOST_BARS]:
        shown.append((name, probability))
        mass += probability
        if mass >= _SHOWN_MASS:
            break
    return shown


def _sums_note(trait: Trait, traits: FaceTraits) -> str:
    summed = traits.summed(trait.key)
    if summed is None or trait.sums is None:
        return ""
    return f"{trait.sums.label}: {'unsure, perhaps ' if summed.unsure else ''}{escape(summed.top1)}"


def _trait(label: str, value: str, note: str, drawing: str) -> str:
    """One trait; ``value`` and ``note`` are HTML."""
    note_html = f'<p class="ft-note">{note}</p>' if note else ""
    return (
        f'<section class="ft-trait"><p class="ft-label">{label}</p><p class="ft-value">{value}</p>{note_html}'
        f"{drawing}</section>"
    )


def bars(rows: Iterable[tuple[str, float, str]]) -> str:
    """A list of names, each with a bar and what it stands for, as HTML.

    Args:
        rows: name, length of the bar in [0, 1], and the number in words.
    """
    items = (
        f'<li><span class="ft-name">{escape(name.capitalize())}</span>'
        f'<span class="ft-track" aria-hidden="true"><i style="width:{length:.1%}"></i></span>'
        f'<span class="ft-percent">{words}</span></li>'
        for name, length, words in rows
    )
    return f'<ul class="ft-bars">{"".join(items)}</ul>'


def _bars(pairs: Iterable[tuple[str, float]]) -> str:
    return bars((name, probability, _percent(probability)) for name, probability in pairs)


def _percent(probability: float) -> str:
    """Whole per cent, without ever claiming certainty."""
    if probability < 0.01:
        return "< 1%"
    return "> 99%" if probability > 0.99 else f"{probability:.0%}"


def _everything(face: FaceResult) -> str:
    groups: list[tuple[str, ClassPrediction]] = []
    for trait, answer in face.traits.answers():
        groups.append(("Age group", answer.groups) if isinstance(answer, AgePrediction) else (trait.label, answer))
        if trait.sums is not None and (summed := face.traits.summed(trait.key)) is not None:
            groups.append((trait.sums.label, summed))
    blocks = "".join(f'<p class="ft-label">{label}</p>{_bars(prediction.ranked())}' for label, prediction in groups)
    return f'<details class="ft-all"><summary>All probabilities</summary>{blocks}</details>' if blocks else ""
