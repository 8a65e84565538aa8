"""Evidence that two faces belong to the same person, from appearance and traits."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from facetraits.faces.alignment import CROPS
from facetraits.traits import TRAITS
from facetraits.types import ClassPrediction, FaceTraits

# Appearance. The slope and the neutral similarity come from a logistic regression on half of 1,500 UTKFace
# validation pictures, each shown to the serving detector clean and 10 times changed; what follows holds for all.
#   Similarity 0.56 or less: 0.1% of small changes (turned 4 degrees, moved, noise, JPEG), 0.1% of opened mouths, 0.2%
#   of blurred and 0.1% of small and noisy faces, 1.6% in other light (gain 0.6 to 1.4, side light, colour), 2.9% with a
#   hand on the face, 8% of heads turned at once by 12 to 25 degrees and 55% by 25 to 40 - but 97.2% of different
#   people, 94% of those of the same gender, ethnicity and age (8 years). 97.9% of the pairs among the 100 real faces
#   that scikit-image carries, too.
#   Similarity 0.68 or more (evidence 2): 94% of the changed faces, heads turned by more than 25 degrees left out; 0.2%
#   of different people, 0.8% of look-alikes.
LOOK_CROP: Final = CROPS["face-v1"]
_NEUTRAL_SIMILARITY: Final = 0.56
_LOOK_SLOPE: Final = 17.0
_MOST_LOOK: Final = 3.0
# Traits, from the same pictures and the `fast` profile. Evidence below 0: 0.4% of small changes, 5% of all, 92% of
# different people. Bounded, because what degrades the appearance also degrades the traits, and many people share
# traits.
_EQUAL_TRAIT: Final = 1.3
_AGE_SLOPE: Final = 4.0  # per width of the age's interval, which is wide where the age is hard to tell,
_NARROWEST_AGE: Final = 3.0  # but never so narrow that noise counts
_LEAST_TRAITS: Final = -2.0
_MOST_TRAITS: Final = 1.0
_LOOK_PX: Final = 32
_GREY_PX: Final = 16
_CELL_PX: Final = 4
_DIRECTIONS: Final = 6
_DIRECTION_NUMBERS: Final = np.arange(_DIRECTIONS, dtype=np.float32)[:, None, None]
_LEAST_DETAIL: Final = 0.1
# The middle of the crop has the largest weight, because the rim shows hair and background. The weights sum to 1.
_MIDDLE: Final = np.outer(
    cv2.getGaussianKernel(_GREY_PX, 0.35 * _GREY_PX), cv2.getGaussianKernel(_GREY_PX, 0.28 * _GREY_PX)
).astype(np.float32)
_MIDDLE_ROOT: Final = np.sqrt(_MIDDLE)


def trait_evidence(known: FaceTraits, seen: FaceTraits) -> float:
    """Evidence, in log odds, of the traits that both have; 0 where they share none.

    Traits that change, such as the expression, are not used.
    """
    evidence = 0.0
    if known.age is not None and seen.age is not None:
        widths = [high - low for low, high in (known.age.interval, seen.age.interval)]
        evidence += _EQUAL_TRAIT - _AGE_SLOPE * abs(known.age.years - seen.age.years) / max(
            sum(widths) / 2, _NARROWEST_AGE
        )
    for trait in TRAITS.values():
        if trait.unlikeness is not None:
            evidence += _class_likeness(known.classes(trait.key), seen.classes(trait.key), trait.unlikeness)
    return max(_LEAST_TRAITS, min(_MOST_TRAITS, evidence))


def _class_likeness(known: ClassPrediction | None, seen: ClassPrediction | None, slope: float) -> float:
    if known is None or seen is None or known.classes != seen.classes:
        return 0.0
    return _EQUAL_TRAIT - slope * float(np.abs(known.probabilities - seen.probabilities).sum()) / 2


def appearance_evidence(similarity: float) -> float:
    """Evidence, in log odds, of two looks' similarity in [-1, 1]."""
    return max(-_MOST_LOOK, min(_MOST_LOOK, _LOOK_SLOPE * (similarity - _NEUTRAL_SIMILARITY)))


def appearance_of(crop: NDArray[np.uint8]) -> NDArray[np.float32] | None:
    """Appearance vector of length 1; the dot product of two vectors is their similarity.

    Half of it is the grey picture, the other half is edge strength by place and direction.

    Args:
        crop: (S, S, 3) RGB, an aligned face.

    Returns:
        None for a crop without any detail.
    """
    grey = cv2.resize(cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY), (_LOOK_PX, _LOOK_PX), interpolation=cv2.INTER_AREA)
    fine = grey.astype(np.float32)
    coarse = cv2.resize(fine, (_GREY_PX, _GREY_PX), interpolation=cv2.INTER_AREA)
    light = (coarse - (coarse * _MIDDLE).sum()) * _MIDDLE_ROOT
    edges = _edges(fine)
    edges -= edges.mean()
    lengths = np.linalg.norm(light), np.linalg.norm(edges)
    if min(lengths) < _LEAST_DETAIL:
        return None
    return np.concatenate([light.ravel() / lengths[0], edges.ravel() / lengths[1]]) * np.float32(0.5**0.5)


def _edges(grey: NDArray[np.float32]) -> NDArray[np.float32]:
    """(directions, cells, cells) mean strength of edges, the root of their contrast."""
    contrast, angle = cv2.cartToPolar(cv2.Sobel(grey, cv2.CV_32F, 1, 0), cv2.Sobel(grey, cv2.CV_32F, 0, 1))
    direction = angle * np.float32(_DIRECTIONS / np.pi)
    off = np.abs(direction - _DIRECTION_NUMBERS) % _DIRECTIONS
    strength = np.maximum(0, 1 - np.minimum(off, _DIRECTIONS - off)) * np.sqrt(contrast)
    cells = _LOOK_PX // _CELL_PX
    means: NDArray[np.float32] = strength.reshape(_DIRECTIONS, cells, _CELL_PX, cells, _CELL_PX).mean(axis=(2, 4))
    return means
