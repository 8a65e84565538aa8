"""What a recipe says about a network, and the heads and data sets that it may name."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import MISSING, asdict, dataclass, fields
from typing import Any, Final, Literal, get_args

from facetraits.age import AGE_GROUP_7_NAMES, AGE_GROUP_NAMES
from facetraits.faces.augmentation import Variation
from facetraits.training.data.datasets import (
    FER2013_CLASSES,
    RAF_DB_CLASSES,
    SMILE_CLASSES,
)
from facetraits.training.networks.architectures import AGE_BINS
from facetraits.traits import MOOD, TRAITS
from facetraits.types import VIEW, VIEWS

CLASS_NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    "age": tuple(str(year) for year in range(AGE_BINS)),
    "age_group": AGE_GROUP_NAMES,
    "age_group_7": AGE_GROUP_7_NAMES,
    **{trait.key: trait.classes for trait in TRAITS.values() if trait.classes},
    "expression_fer2013": FER2013_CLASSES,
    "mood": MOOD.classes,
    "smile": SMILE_CLASSES,
    VIEW: VIEWS,
}
HEAD_CLASSES: Final = {head: len(names) for head, names in CLASS_NAMES.items()}
# Also what follows from an answer, as reports count it.
COUNTED_CLASSES: Final[Mapping[str, tuple[str, ...]]] = {**CLASS_NAMES, "expression_raf_db": RAF_DB_CLASSES}
Dataset = Literal["utkface", "all-age-faces", "fer2013", "raf-db", "faceres"]
_DATASETS: Final[tuple[Dataset, ...]] = get_args(Dataset)
# The set that a head learns from where a recipe does not name its data sets.
DATASET_OF_HEAD: Final[Mapping[str, Dataset]] = {
    "age": "utkface",
    "age_group": "utkface",
    "age_group_7": "utkface",
    "gender": "utkface",
    "ethnicity": "utkface",
    "expression": "fer2013",
    "expression_fer2013": "fer2013",
    "mood": "fer2013",
    "smile": "fer2013",
}
FACE_NETWORK: Final = "faceres"  # as `start`: the network that was trained on faces


def sorted_datasets(names: Collection[str]) -> tuple[Dataset, ...]:
    """Each of ``names`` once, in the order in which data sets are always listed."""
    return tuple(name for name in _DATASETS if name in names)


# Variations for networks on EfficientNet-Lite0. The first ones were trained without a camera's noise and compression.
WITHOUT_CAMERA: Final[tuple[Variation, ...]] = (
    "flip",
    "rotate",
    "shear",
    "zoom",
    "shift",
    "resolution",
    "grey",
    "light",
    "erase",
)
WITH_CAMERA: Final[tuple[Variation, ...]] = (*WITHOUT_CAMERA[:-1], "noise", "jpeg", "erase")


@dataclass(frozen=True, slots=True)
class Recipe:
    """How one network is made.

    Attributes:
        name: of the network, its folder and its command.
        heads: outputs, each a key of ``HEAD_CLASSES``.
        shares: data sets, and how many of the pictures of each an epoch shows; () for all pictures of the sets that
            ``DATASET_OF_HEAD`` names for the heads.
        evenness: class balancing. 0 shows pictures as often as they occur; 1 shows the groups of a data set (ages,
            expressions) equally often; in between, groups are weighted by their size to the power 1 - evenness.
        loss_weights: heads and what their loss is multiplied by; 1 for those that are not named.
        input_px: side that the crop is scaled to inside the graph.
        network: "face" (MobileNetV1), "lite0" (EfficientNet-Lite0), "lite0-transfer" (the same under the head of
            emotion-race-gender-cnn), or a key of ``REFERENCE_CNNS``.
        trained_from: of networks on EfficientNet-Lite0, the first layer that training changes; "" for all.
        train_depthwise, batch_norm: as of ``build_network``; without batch normalisation a network has to start from
            one that is served, whose statistics its kernels hold.
        grey: the network sees grey only.
        epochs, batch_size: length of the schedule.
        optimizer: "adamw": the learning rate falls along a cosine over all of the schedule; "adam": it stays.
        learning_rate: its highest value; with "adamw" reached after ``warmup_steps``.
        weight_decay: of "adamw", on kernels only.
        loss: of all heads but "age".
        augmentation: "online": every epoch sees other variations of ``augment``; "none"; "tenfold": each picture and
            nine variations that stay the same, as if the set had been enlarged before training.
        strength, variations: of the augmentation, as of ``augment``.
        mixup: share of the batches whose pictures are blended in pairs, with their targets (Zhang et al. 2018).
        stochastic_depth: as of ``efficientnet_lite0``.
        start: a recipe whose finished network gives the first weights, those of the heads that both have included; ""
            for ImageNet's, ``FACE_NETWORK`` for those of the network that was trained on faces.
        teachers: recipes whose served networks answer the training pictures of their data sets beforehand; of the
            heads that they have, their mean is half of every target (Hinton et al. 2015).
        pseudo_labels: pairs of a data set and a recipe whose served network answers its training pictures; for
            the heads that the set does not label, the mean of those answers is the target (Xie et al. 2020).
        precision: Keras's dtype policy while training; weights and the served file do not depend on it.
        patience: epochs without a better validation loss after which training stops; None for never.
        keep: which weights are kept: those of the epoch with the lowest validation loss, or the last ones. At the end
            of a cosine schedule the answers are better but overconfident; calibration corrects the latter.
        crop: name of the crop geometry.
        source: the reference system that the network comes from; "" for our own.
        serve: precision of the served file; None for recipes that are only used to train others. Networks in integers
            have half the size and are two to three times as fast; networks in floating point have gradients for the
            page "Inside the CNN".
        fast: heads that the profile "fast" asks this network for, in 8-bit integers: it has the lowest error of age, or
            log-loss, on validation.
    """

    name: str
    heads: tuple[str, ...]
    input_px: int
    network: str = "lite0"
    trained_from: str = ""
    train_depthwise: bool = True
    batch_norm: bool = True
    grey: bool = False
    epochs: int = 8
    batch_size: int = 64
    optimizer: Literal["adamw", "adam"] = "adamw"
    learning_rate: float = 1e-3
    warmup_steps: int = 200
    weight_decay: float = 0.02
    loss: Literal["categorical_crossentropy", "mean_squared_error"] = "categorical_crossentropy"
    augmentation: Literal["online", "none", "tenfold"] = "online"
    strength: float = 1.0
    variations: tuple[Variation, ...] = WITHOUT_CAMERA
    mixup: float = 0.0
    dropout: float = 0.3
    stochastic_depth: float = 0.0
    start: str = ""
    teachers: tuple[str, ...] = ()
    pseudo_labels: tuple[tuple[Dataset, str], ...] = ()
    precision: Literal["float32", "mixed_bfloat16"] = "float32"
    patience: int | None = 4
    keep: Literal["best", "last"] = "best"
    seed: int = 1
    crop: str = "face-v1"
    source: str = ""
    shares: tuple[tuple[Dataset, float], ...] = ()
    evenness: float = 0.0
    loss_weights: tuple[tuple[str, float], ...] = ()
    serve: Literal["float16", "int8"] | None = None
    fast: tuple[str, ...] = ()

    @property
    def weights_file(self) -> str:
        """File name of the kept weights of a finished run."""
        return f"{self.keep}.keras"

    @property
    def datasets(self) -> tuple[Dataset, ...]:
        """Data sets that it is trained on."""
        if self.shares:
            return sorted_datasets([name for name, _ in self.shares])
        return sorted_datasets({DATASET_OF_HEAD[head] for head in self.heads})

    @property
    def ancestors(self) -> tuple[str, ...]:
        """Recipes that must be finished before this one: its start and its teachers."""
        started = [self.start] if self.start not in ("", FACE_NETWORK) else []
        return tuple(dict.fromkeys([*started, *self.teachers, *(name for _, name in self.pseudo_labels)]))


def same_recipe(recorded: Mapping[str, Any], recipe: Recipe) -> bool:
    """Whether the record of a run describes this recipe.

    Fields that did not exist when the record was written count as today's defaults. How a network is served is ignored.
    """
    defaults = {field.name: field.default for field in fields(Recipe) if field.default is not MISSING}
    unlike = {"serve", "fast"}
    as_recorded, wanted = (
        {key: json.loads(json.dumps(value)) for key, value in values.items() if key not in unlike}
        for values in (defaults | dict(recorded), asdict(recipe))
    )
    return as_recorded == wanted
