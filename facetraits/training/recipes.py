"""What is trained: one recipe per network, everything about it in one place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from facetraits.training.datasets import ETHNICITIES, FER2013_CLASSES, FERPLUS_CLASSES, GENDERS
from facetraits.training.networks import AGE_BINS

HEAD_CLASSES: Final = {
    "age": AGE_BINS,
    "gender": len(GENDERS),
    "ethnicity": len(ETHNICITIES),
    "expression": len(FERPLUS_CLASSES),
    "expression_fer2013": len(FER2013_CLASSES),
}
DATASET_OF_HEAD: Final = {
    "age": "utkface",
    "gender": "utkface",
    "ethnicity": "utkface",
    "expression": "fer2013",
    "expression_fer2013": "fer2013",
}


@dataclass(frozen=True, slots=True)
class Recipe:
    """How one network is made.

    Attributes:
        name: of the network, its folder and its command.
        heads: outputs, each a key of ``HEAD_CLASSES``; the data sets follow from them.
        input_px: side that the crop is scaled to inside the graph.
        grey: the network sees grey only.
        epochs, batch_size: length of the schedule; the learning rate falls along a cosine over all of it.
        learning_rate: its highest value, reached after ``warmup_steps``.
        weight_decay: of AdamW, on kernels only.
        patience: epochs without a better validation loss after which training stops.
        crop: name of the crop geometry.
    """

    name: str
    heads: tuple[str, ...]
    input_px: int
    grey: bool = False
    epochs: int = 8
    batch_size: int = 64
    learning_rate: float = 1e-3
    warmup_steps: int = 200
    weight_decay: float = 0.02
    dropout: float = 0.3
    patience: int = 4
    seed: int = 1
    crop: str = "face-v1"

    @property
    def datasets(self) -> tuple[Literal["utkface", "fer2013"], ...]:
        """Data sets that the heads need."""
        needed = {DATASET_OF_HEAD[head] for head in self.heads}
        return tuple(name for name in ("utkface", "fer2013") if name in needed)


RECIPES: Final = {
    recipe.name: recipe
    for recipe in (
        Recipe("traits-lite0-96", heads=("age", "gender", "ethnicity"), input_px=96, epochs=7),
        Recipe(
            "expression-lite0-80",
            heads=("expression", "expression_fer2013"),
            input_px=80,
            grey=True,
            epochs=7,
            crop="face-tight-v1",
        ),
        Recipe("all-lite0-56", heads=tuple(HEAD_CLASSES), input_px=56, epochs=4),
    )
}
