"""The question that heat-maps explain."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from facetraits.age import median_years
from facetraits.inside.requests import YEARS
from ui.inside.words import sure
from ui.kit.components import ordinal

# Of the output "expression_fer2013", which is no trait of the app.
FER2013_CLASSES: Final = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")


class Question(NamedTuple):
    """The question that the heat-maps explain.

    Attributes:
        trait: an output of the network; classes: of that output; probabilities: (C,) that the network gives.
        target: index of a class, or ``YEARS``.
    """

    trait: str
    classes: tuple[str, ...]
    probabilities: NDArray[np.float32]
    target: int | str

    @property
    def rival(self) -> int:
        """The class to compare with: the second, or the first if the question is about another class."""
        return next(int(i) for i in np.argsort(-self.probabilities, kind="stable") if i != self.target)

    @property
    def targets(self) -> tuple[int, int] | str:
        """What the two heat-maps are of, as ``requests.Requests.heat`` takes it."""
        return YEARS if self.is_years else (int(self.target), self.rival)

    @property
    def years(self) -> float:
        """The apparent age."""
        return float(median_years(self.probabilities[None])[0])

    def name(self, index: int) -> str:
        """Of a class."""
        return f"{self.classes[index]} years" if self.trait == "age" else self.classes[index]

    @property
    def is_years(self) -> bool:
        """Whether it asks for what makes older and what younger."""
        return self.target == YEARS

    def value(self, outputs: dict[str, NDArray[np.float32]]) -> NDArray[np.floating]:
        """(N,) what covering watches: the class's probability, or the years."""
        rows = outputs[self.trait]
        return median_years(rows) if self.is_years else rows[:, int(self.target)]

    def titles(self) -> tuple[str, str]:
        """Above the two heat-maps."""
        if self.is_years:
            return "What makes it older", "What makes it younger"
        return f"For {self.name(int(self.target))}", f"For {self.name(self.rival)}"

    def texts(self) -> tuple[str, str]:
        """Below them."""
        if self.is_years:
            return f"This network by itself says {self.years:.1f} years.", "In the same colours."
        return self._place(int(self.target)), self._place(self.rival)

    def _place(self, index: int) -> str:
        rank = int((self.probabilities > self.probabilities[index]).sum())
        place = f"came {ordinal(rank + 1)}" if rank else "the answer"
        return f"{sure(float(self.probabilities[index]))} by this network alone: {place}."
