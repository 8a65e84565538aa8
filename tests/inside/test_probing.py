from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from facetraits.inside.probing import SPOILINGS, STRONGEST, Spoiling, occlusion, spoiled, spoiled_series
from tests.builders import photo_of_one
from tests.inside.drawn_network import grey_with

FACE = np.ascontiguousarray(photo_of_one()[80:192, 170:282])


def redness(crops: NDArray[np.uint8]) -> NDArray[np.floating]:
    return (crops[..., 0].astype(float) - crops[..., 1]).clip(0).mean(axis=(1, 2)) / 255


def test_hiding_what_the_score_needs_costs_most() -> None:
    *_, last = occlusion(grey_with(red=(4, 20)), redness, patch_px=6, stride_px=2)

    top, left = np.unravel_index(last.drop.argmax(), last.drop.shape)
    assert 4 <= top < 10 and 20 <= left < 26
    assert last.drop[:16, :14].max() < last.drop.max() / 4
    assert last.done == 1


def test_a_patch_over_the_whole_face_costs_the_whole_score() -> None:
    crop = grey_with(red=(4, 20))
    (only,) = occlusion(crop, lambda crops: np.array([1.0 if (c == crop).all() else 0.0 for c in crops]), 32, 1)
    assert (only.drop == 1).all()


def test_progress_grows_and_every_pixel_is_covered() -> None:
    steps = list(occlusion(FACE, redness, patch_px=20, stride_px=11))
    assert [step.done for step in steps] == sorted({step.done for step in steps})
    covered = np.zeros(FACE.shape[:2])
    starts = sorted({*range(0, 92, 11), 92})
    for top in starts:
        covered[top : top + 20, :] += 1
    assert covered.min() > 0 and len(steps) == -(-(len(starts) ** 2) // 16)


@pytest.mark.parametrize(("patch", "stride"), [(0, 1), (33, 1), (4, 0)])
def test_patches_have_limits(patch: int, stride: int) -> None:
    with pytest.raises(ValueError, match="patch_px"):
        next(occlusion(grey_with(), redness, patch, stride))


@pytest.mark.parametrize("kind", SPOILINGS)
def test_level_zero_changes_nothing_and_more_changes_more(kind: Spoiling) -> None:
    amounts, crops = spoiled_series(FACE, kind, 5)

    assert (crops[0] == FACE).all()
    assert (amounts[0], amounts[-1]) == (0, STRONGEST[kind])
    differences = [np.abs(crop.astype(int) - FACE).mean() for crop in crops]
    assert differences[:3] == sorted(differences[:3])  # a face turned by 70 degrees may be nearer than one by 45
    assert min(differences[1:]) > 3 and differences[-1] > 10
    assert crops.dtype == np.uint8 and crops.shape == (5, *FACE.shape)


def test_a_turn_by_a_right_angle_is_one() -> None:
    crop = FACE.copy()
    assert np.abs(spoiled(crop, "rotation", 1).astype(int) - np.rot90(crop)).max() <= 1
    assert (crop == FACE).all()


def test_half_of_the_light_is_not_half_of_the_value() -> None:
    """What lies at 188 of 255 in sRGB has half the light of white."""
    white = np.full((4, 4, 3), 255, dtype=np.uint8)
    halved = [int(spoiled(white, "darkness", n / STRONGEST["darkness"])[0, 0, 0]) for n in range(4)]
    assert halved == [255, 188, 137, 99]
    assert spoiled(np.full((1, 1, 3), 8, np.uint8), "darkness", 1 / STRONGEST["darkness"])[0, 0, 0] == 4


@pytest.mark.parametrize(("kind", "level"), [("blur", -0.1), ("noise", 1.1), ("rotation", -0.1)])
def test_levels_have_limits(kind: Spoiling, level: float) -> None:
    with pytest.raises(ValueError, match=kind):
        spoiled(FACE, kind, level)
