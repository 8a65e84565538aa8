"""Statistical findings: groups that bought more or less often than all others, beyond chance."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil, erfc, floor, sqrt
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from facetraits.visitors.counts import grouped
from facetraits.visitors.grouping import ENOUGH, PARTS_OF_DAY, YES, Rate, rate_of

ALPHA: Final = 0.05
_FARTHEST: Final = 40.0  # standard deviations
_FARTHEST_AT_LEAST: Final = 100.0

# Every group that is tested: each class of one of these, and each pair of an age group and a gender.
_TRAITS: Final = ("age_group", "gender", "mood", "weekday", "part_of_day")
_PAIR: Final = ("age_group", "gender")


class Finding(NamedTuple):
    """One group that bought more or less often than all other visitors with the same known traits.

    Attributes:
        sentence: what was found, for the owner.
        traits: what the group has in common, e.g. ``("age_group", "gender")``.
        group: the group's rate; its names are the classes of ``traits``.
        others: the rate of all others; without names.
        p: of Fisher's exact test, two-sided, with Holm's correction for all groups that were compared, in [0, 1].
    """

    sentence: str
    traits: tuple[str, ...]
    group: Rate
    others: Rate
    p: float


def findings(counted: NDArray[np.int64]) -> tuple[Finding, ...]:
    """Groups that stand out, the most significant first; () if there are none.

    Compared are the age groups, genders, moods, weekdays, parts of the day and pairs of age group and gender that have
    ``ENOUGH`` visits inside and outside. If no group differs, the probability of any finding is at most ``ALPHA``,
    provided that visits are independent (a family that shops together is not). A group that differs only because it
    overlaps with a more significant one is not reported.

    Args:
        counted: (7, 24, 6, 3, 4, 3) visits, as of ``Counts.cells``.
    """
    cells = _cells(counted)
    compared = [(group, *_fisher_of(group, cells)) for group in _distinct(_groups(cells), cells)]
    corrected = holm([p for _, p, _ in compared])
    ranked = sorted(zip(corrected, compared, strict=True), key=lambda found: (found[0], found[1][1]))
    reported: list[_Group] = []
    answers = []
    for p, (group, _, more) in ranked:
        if p <= ALPHA and _differs_given_found(group, more, reported, cells):
            reported.append(group)
            answers.append(_finding(group, cells, p))
    return tuple(answers)


def fisher(bought: int, n: int, other_bought: int, other_n: int) -> float:
    """Two-sided p of Fisher's exact test: the chance of a table as rare as this one or rarer.

    Source: R. A. Fisher, "Statistical Methods for Research Workers", 1934.

    Args:
        bought, n: purchases and visits of the group.
        other_bought, other_n: of the others.
    """
    total, purchases = n + other_n, bought + other_bought
    mean = n * purchases / total
    deviation = sqrt(mean * (1 - purchases / total) * other_n / max(1, total - 1))
    # Tables that are farther from the mean than this one by so much are too rare to change any digit.
    reach = abs(bought - mean) + _FARTHEST * deviation + _FARTHEST_AT_LEAST
    least = max(0, purchases - other_n, floor(mean - reach))
    most = min(n, purchases, ceil(mean + reach))
    inside = np.arange(least, most, dtype=np.float64)
    # Each chance divided by the one before it, because factorials of millions have too many digits.
    steps = np.log((n - inside) * (purchases - inside)) - np.log((inside + 1) * (other_n - purchases + inside + 1))
    chances = np.concatenate([[0.0], np.cumsum(steps)])
    chances = np.exp(chances - chances.max())
    # Equally rare tables differ by rounding.
    as_rare = chances <= chances[bought - least] * (1 + 1e-7)
    return float(min(1.0, chances[as_rare].sum() / chances.sum()))


def holm(p_values: Sequence[float]) -> list[float]:
    """The p values corrected for their number, in the same order.

    Source: S. Holm, "A simple sequentially rejective multiple test procedure", 1979.
    """
    corrected = [0.0] * len(p_values)
    largest = 0.0
    for rank, i in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[i]))
        corrected[i] = largest
    return corrected


# ------------------------------------------------------------------------------------------------------------- groups


@dataclass(frozen=True, slots=True, eq=False)
class _Cells:
    """Visits that share the classes of all traits: a few thousand cells stand for any number of visits.

    Attributes:
        classes: of each trait, in the order of ``_TRAITS``.
        codes: per trait (cells,) the place of the class; ``len(classes)`` where it is not known.
        n, bought: (cells,) visits and purchases.
    """

    classes: tuple[tuple[str, ...], ...]
    codes: tuple[NDArray[np.int64], ...]
    n: NDArray[np.int64]
    bought: NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class _Group:
    """A group to compare: (cells,) ``inside``, and ``others`` of whom the same traits are known."""

    traits: tuple[str, ...]
    names: tuple[str, ...]
    inside: NDArray[np.bool_]
    others: NDArray[np.bool_]


def _cells(counted: NDArray[np.int64]) -> _Cells:
    classes, numbers = grouped(counted, _TRAITS)
    n = numbers.sum(axis=-1)
    filled = n.nonzero()
    codes = tuple(code.astype(np.int64) for code in filled)
    return _Cells(classes, codes, n[filled], numbers[..., YES][filled])


def _groups(cells: _Cells) -> Iterator[_Group]:
    for trait, classes, codes in zip(_TRAITS, cells.classes, cells.codes, strict=True):
        known = codes < len(classes)
        for i, name in enumerate(classes):
            yield _Group((trait,), (name,), codes == i, known & (codes != i))
    first, second = (_TRAITS.index(trait) for trait in _PAIR)
    known = (cells.codes[first] < len(cells.classes[first])) & (cells.codes[second] < len(cells.classes[second]))
    for i, name in enumerate(cells.classes[first]):
        for j, other in enumerate(cells.classes[second]):
            inside = (cells.codes[first] == i) & (cells.codes[second] == j)
            yield _Group(_PAIR, (name, other), inside, known & ~inside)


def _distinct(groups: Iterator[_Group], cells: _Cells) -> Iterator[_Group]:
    """Groups with enough visits inside and outside, each comparison once.

    Of two complementary classes, the one that bought more often is kept. If several groups hold the same visits, the
    first is kept.
    """
    seen: dict[tuple[bytes, bytes], _Group] = {}
    for group in groups:
        if min(cells.n[group.inside].sum(), cells.n[group.others].sum()) < ENOUGH:
            continue
        inside, others = group.inside.tobytes(), group.others.tobytes()
        mirrored = seen.get((others, inside))
        if mirrored is None:
            seen.setdefault((inside, others), group)
        elif len(mirrored.traits) == len(group.traits) and _bought_more(group, cells):
            del seen[others, inside]
            seen[inside, others] = group
    yield from seen.values()


def _purchase_counts(group: _Group, cells: _Cells) -> tuple[int, int, int, int]:
    """Purchases and visits of the group, then of the others."""
    return (
        int(cells.bought[group.inside].sum()),
        int(cells.n[group.inside].sum()),
        int(cells.bought[group.others].sum()),
        int(cells.n[group.others].sum()),
    )


def _bought_more(group: _Group, cells: _Cells) -> bool:
    bought, n, other_bought, other_n = _purchase_counts(group, cells)
    return bought * other_n > other_bought * n


def _fisher_of(group: _Group, cells: _Cells) -> tuple[float, bool]:
    return fisher(*_purchase_counts(group, cells)), _bought_more(group, cells)


def _differs_given_found(group: _Group, more: bool, reported: Sequence[_Group], cells: _Cells) -> bool:
    """The group differs in the same direction also among visits that are alike in what was told already.

    Source: the test of N. Mantel and W. Haenszel, "Statistical aspects of the analysis of data ...", 1959, without
    correction for continuity. It only ever takes findings away, so that the error of all together stays as it is.
    """
    if not reported:
        return True
    # Inside, among the others, or not known: what each reported group says about a cell.
    alike = np.array([other.inside + 2 * other.others for other in reported])
    _, strata = np.unique(alike, axis=1, return_inverse=True)
    excess = variance = 0.0
    for stratum in range(int(strata.max()) + 1):
        here = strata == stratum
        n_in, n_out = (int(cells.n[side & here].sum()) for side in (group.inside, group.others))
        n = n_in + n_out
        if n < 2:
            continue
        bought_in, bought_out = (int(cells.bought[side & here].sum()) for side in (group.inside, group.others))
        bought = bought_in + bought_out
        excess += bought_in - n_in * bought / n
        variance += n_in * n_out * bought * (n - bought) / (n * n * (n - 1))
    if variance == 0 or (excess > 0) != more:
        return False
    return erfc(abs(excess) / sqrt(2 * variance)) <= ALPHA


# ---------------------------------------------------------------------------------------------------------- sentences


def _finding(group: _Group, cells: _Cells, p: float) -> Finding:
    bought, n, other_bought, other_n = _purchase_counts(group, cells)
    inside, others = rate_of(group.names, bought, n), rate_of((), other_bought, other_n)
    whom = _describe_group(dict(zip(group.traits, group.names, strict=True)))
    how = "more often" if inside.rate > others.rate else "less often"
    digits = 0 if f"{inside.rate:.0%}" != f"{others.rate:.0%}" else 1
    sentence = (
        f"{whom} bought {how} than the others: {inside.rate:.{digits}%} of {n:,} against "
        f"{others.rate:.{digits}%} of {other_n:,}."
    )
    return Finding(sentence, group.traits, inside, others, p)


def _describe_group(classes: dict[str, str]) -> str:
    """E.g. "Visitors of apparent age 21-40 and apparent gender female"."""
    if "weekday" in classes:
        return f"Visitors who came on a {classes['weekday']}"
    if "part_of_day" in classes:
        part = classes["part_of_day"]
        return f"Visitors who came {'at' if part in ('midday', 'night') else 'in the'} {part} ({_hours(part)})"
    if "mood" in classes:
        return f"Visitors whose mood looked {classes['mood']}"
    words = {"age_group": "apparent age", "gender": "apparent gender"}
    return "Visitors of " + " and ".join(f"{words[trait]} {name}" for trait, name in classes.items())


def _hours(part: str) -> str:
    names = [name for name, _ in PARTS_OF_DAY]
    first, after = (PARTS_OF_DAY[(names.index(part) + step) % len(names)][1] for step in (0, 1))
    return f"{first}:00 to {after}:00"
