"""What is trained: one recipe per network, everything about it in one place."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import MISSING, asdict, dataclass, fields
from typing import Any, Final, Literal, get_args

from facetraits.age import AGE_GROUP_7_NAMES, AGE_GROUP_NAMES
from facetraits.faces.augmentation import VARIATIONS, Variation
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
_Dataset = Literal["utkface", "all-age-faces", "fer2013", "raf-db", "faceres"]
_DATASETS: Final[tuple[_Dataset, ...]] = get_args(_Dataset)
# The set that a head learns from where a recipe does not name its data sets.
DATASET_OF_HEAD: Final[Mapping[str, _Dataset]] = {
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


def _sorted_datasets(names: Collection[str]) -> tuple[_Dataset, ...]:
    return tuple(name for name in _DATASETS if name in names)


# What the networks on EfficientNet-Lite0 were trained with, the first of them without a camera's noise and compression.
_WITHOUT_CAMERA: Final[tuple[Variation, ...]] = (
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
_CAMERA: Final[tuple[Variation, ...]] = (*_WITHOUT_CAMERA[:-1], "noise", "jpeg", "erase")


@dataclass(frozen=True, slots=True)
class Recipe:
    """How one network is made.

    Attributes:
        name: of the network, its folder and its command.
        heads: outputs, each a key of ``HEAD_CLASSES``.
        shares: data sets, and how many of the pictures of each an epoch shows; () for all pictures of the sets that
            ``DATASET_OF_HEAD`` names for the heads.
        evenness: 0 shows pictures as often as they occur; 1 shows the groups of a data set (ages, expressions) equally
            often; in between, as often as their number to the power of what is left to 1.
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
        keep: the weights that count: those of the epoch with the lowest validation loss, or the last ones. At the end
            of a cosine the answers are better and too sure of themselves; the calibration puts the latter right.
        crop: name of the crop geometry.
        source: the reference system that the network comes from; "" for our own.
        serve: precision of the file that is served, None for recipes that only others start or learn from. Networks in
            integers weigh half and are two to three times as fast; those in floating point can be looked into.
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
    variations: tuple[Variation, ...] = _WITHOUT_CAMERA
    mixup: float = 0.0
    dropout: float = 0.3
    stochastic_depth: float = 0.0
    start: str = ""
    teachers: tuple[str, ...] = ()
    pseudo_labels: tuple[tuple[_Dataset, str], ...] = ()
    precision: Literal["float32", "mixed_bfloat16"] = "float32"
    patience: int | None = 4
    keep: Literal["best", "last"] = "best"
    seed: int = 1
    crop: str = "face-v1"
    source: str = ""
    shares: tuple[tuple[_Dataset, float], ...] = ()
    evenness: float = 0.0
    loss_weights: tuple[tuple[str, float], ...] = ()
    serve: Literal["float16", "int8"] | None = None
    fast: tuple[str, ...] = ()

    @property
    def weights_file(self) -> str:
        """Of a finished run, the file with the weights that count."""
        return f"{self.keep}.keras"

    @property
    def datasets(self) -> tuple[_Dataset, ...]:
        """Data sets whose pictures it is shown."""
        if self.shares:
            return _sorted_datasets([name for name, _ in self.shares])
        return _sorted_datasets({DATASET_OF_HEAD[head] for head in self.heads})

    @property
    def learned_from(self) -> tuple[_Dataset, ...]:
        """Data sets that its weights come from: also those of the networks that it starts and learns from."""
        others = {dataset for name in self.ancestors for dataset in RECIPES[name].learned_from}
        return _sorted_datasets({*self.datasets, *others, *([FACE_NETWORK] if self.start == FACE_NETWORK else [])})

    @property
    def ancestors(self) -> tuple[str, ...]:
        """Recipes that have to be finished before this one: where it starts, and who teaches it."""
        started = [self.start] if self.start not in ("", FACE_NETWORK) else []
        return tuple(dict.fromkeys([*started, *self.teachers, *(name for _, name in self.pseudo_labels)]))


_TRAITS: Final = ("age", "gender", "ethnicity")
_EXPRESSIONS: Final = ("expression", "expression_fer2013")
# For long schedules: UTKFace has few pictures, and without these a network of 18 epochs knows them by heart.
_STRONG: Final[Mapping[str, Any]] = {
    "patience": None,
    "keep": "last",
    "strength": 1.25,
    "mixup": 0.5,
    "dropout": 0.4,
    "stochastic_depth": 0.2,
    "weight_decay": 0.05,
}
# A second training of networks that were served before: fewer layers, so that a CPU gets further, softer targets from
# what was known already, and the noise of cameras, which the first training had not.
_AGAIN: Final[Mapping[str, Any]] = {
    **_STRONG,
    "mixup": 0.3,
    "variations": _CAMERA,
    "train_depthwise": False,
}
# For networks that have seen their pictures for thirty epochs under those and still know few of them by heart (77% of
# FER2013's training pictures, 70% of those held back).
_AGAIN_MILDER: Final[Mapping[str, Any]] = {
    **_AGAIN,
    "strength": 1.0,
    "mixup": 0.2,
    "dropout": 0.3,
    "stochastic_depth": 0.1,
}
_EXPRESSION_TEACHERS: Final = (
    "expression-lite0-96-forehead-long",
    "expression-lite0-80-strong",
    "expression-lite0-96-long",
    "expression-lite0-96-camera",
)
_TRAITS_TEACHERS: Final = (
    "traits-lite0-112",
    "traits-wide-lite0-128",
    "traits-wide-lite0-128-noise",
    "traits-wide-lite0-128-camera",
)
# Networks for all traits, from one that knows faces. Of their two crops one shows hair and chin, the other does not.
_ALL_TRAITS: Final[Mapping[str, Any]] = {
    "network": "face",
    "learning_rate": 8e-4,
    "weight_decay": 0.02,
    # Not "erase": a patch on a face would count as clear for the head that learns what is covered.
    "variations": tuple(kind for kind in VARIATIONS if kind != "erase"),
    "start": FACE_NETWORK,
    "patience": None,
    "keep": "last",
    "loss_weights": (
        ("gender", 3.0),
        ("ethnicity", 1.5),
        ("expression", 1.5),
        ("expression_fer2013", 0.5),
        (VIEW, 0.5),
    ),
}
# They go on from there. Where pictures have no label for a trait, the first two give one: so gender is learned from
# RAF-DB and the expression from All-Age-Faces.
_AGAIN_FROM_FACES: Final[Mapping[str, Any]] = {
    "learning_rate": 5e-4,
    "pseudo_labels": tuple(
        (dataset, name) for dataset in ("raf-db", "all-age-faces") for name in ("face-wide-112", "face-tight-96")
    ),
}


def _face(name: str, input_px: int, epochs: int, crop: str, expressions: tuple[str, ...], **more: Any) -> Recipe:
    """A network for all traits that starts from one that knows faces."""
    return Recipe(
        name,
        heads=(*_TRAITS, *expressions, VIEW),
        input_px=input_px,
        epochs=epochs,
        crop=crop,
        evenness=0.35,
        **{**_ALL_TRAITS, **more},
    )


def _traits(name: str, input_px: int, epochs: int, crop: str = "face-wide-v1", **more: Any) -> Recipe:
    """EfficientNet-Lite0 for age, gender and ethnicity."""
    return Recipe(name, heads=_TRAITS, input_px=input_px, epochs=epochs, crop=crop, **more)


def _expressions(name: str, input_px: int, epochs: int, crop: str = "face-tight-v1", **more: Any) -> Recipe:
    """EfficientNet-Lite0 for facial expressions, in grey."""
    return Recipe(name, heads=_EXPRESSIONS, input_px=input_px, epochs=epochs, grey=True, crop=crop, **more)


RECIPES: Final = {
    recipe.name: recipe
    for recipe in (
        _face(
            "face-wide-112",
            112,
            6,
            "face-wide-v1",
            ("expression",),
            seed=21,
            shares=(("utkface", 1.0), ("all-age-faces", 1.0), ("raf-db", 0.8)),
        ),
        _face(
            "face-tight-96",
            96,
            6,
            "face-tight-v1",
            _EXPRESSIONS,
            seed=22,
            shares=(("utkface", 0.8), ("all-age-faces", 0.8), ("raf-db", 1.2), ("fer2013", 0.5)),
        ),
        _face(
            "face-wide-112-long",
            112,
            7,
            "face-wide-v1",
            ("expression",),
            **_AGAIN_FROM_FACES,
            start="face-wide-112",
            seed=23,
            shares=(("utkface", 1.0), ("all-age-faces", 1.0), ("raf-db", 0.8)),
            serve="float16",
            fast=("age", "gender", "ethnicity", VIEW),
        ),
        _face(
            "face-tight-96-long",
            96,
            6,
            "face-tight-v1",
            _EXPRESSIONS,
            **_AGAIN_FROM_FACES,
            start="face-tight-96",
            teachers=("expression-lite0-112-forehead",),
            seed=24,
            shares=(("utkface", 0.8), ("all-age-faces", 0.8), ("raf-db", 1.2), ("fer2013", 0.8)),
            serve="float16",
            fast=("expression", "expression_fer2013"),
        ),
        _traits("traits-lite0-112", 112, 18, crop="face-v1", patience=None, keep="last", seed=2),
        _traits("traits-wide-lite0-128", 128, 14, **_STRONG, seed=3),
        _expressions("expression-lite0-96", 96, 10, **_STRONG, start="traits-lite0-112", seed=2),
        _expressions("expression-lite0-80", 80, 7),
        _traits(
            "traits-wide-lite0-128-noise",
            128,
            4,
            learning_rate=3e-4,
            **_AGAIN,
            start="traits-wide-lite0-128",
            teachers=("traits-wide-lite0-128", "traits-lite0-112"),
            seed=4,
        ),
        _expressions(
            "expression-lite0-96-long",
            96,
            9,
            trained_from="block2_expand",
            learning_rate=6e-4,
            **_AGAIN,
            start="expression-lite0-96",
            teachers=("expression-lite0-96", "expression-lite0-80"),
            seed=4,
        ),
        _traits(
            "traits-wide-lite0-128-camera",
            128,
            11,
            batch_norm=False,
            learning_rate=7e-4,
            **_AGAIN,
            start="traits-lite0-112",
            seed=5,
        ),
        _expressions(
            "expression-lite0-96-camera",
            96,
            6,
            train_depthwise=False,
            batch_norm=False,
            # Without batch normalisation 1e-3 undoes more than it teaches.
            learning_rate=2e-4,
            variations=_CAMERA,
            mixup=0.2,
            stochastic_depth=0.1,
            start="expression-lite0-80",
            patience=None,
            keep="last",
            seed=5,
        ),
        _expressions("expression-lite0-80-strong", 80, 16, train_depthwise=False, **_STRONG, seed=6),
        _expressions(
            "expression-lite0-96-forehead",
            96,
            13,
            crop="face-v1",
            trained_from="block2_expand",
            **_AGAIN,
            start="traits-lite0-112",
            teachers=("expression-lite0-96-long", "expression-lite0-96-camera"),
            seed=7,
        ),
        _expressions(
            "expression-lite0-96-forehead-long",
            96,
            14,
            crop="face-v1",
            trained_from="block2_expand",
            learning_rate=6e-4,
            **_AGAIN,
            start="expression-lite0-96-forehead",
            teachers=(
                "expression-lite0-96-forehead",
                "expression-lite0-80-strong",
                "expression-lite0-96-long",
                "expression-lite0-96-camera",
            ),
            seed=8,
        ),
        _traits(
            "traits-wide-lite0-160",
            160,
            8,
            crop="face-wide-160-v1",
            trained_from="block2_expand",
            learning_rate=6e-4,
            **_AGAIN,
            start="traits-wide-lite0-128-noise",
            teachers=_TRAITS_TEACHERS,
            seed=9,
            serve="int8",
        ),
        _expressions(
            "expression-lite0-112-forehead",
            112,
            17,
            crop="face-v1",
            trained_from="block2_expand",
            learning_rate=5e-4,
            **_AGAIN_MILDER,
            start="expression-lite0-96-forehead-long",
            teachers=_EXPRESSION_TEACHERS,
            seed=10,
            serve="int8",
        ),
    )
}


def same_recipe(recorded: Mapping[str, Any], recipe: Recipe) -> bool:
    """Whether a run's record holds a recipe; what it could not say yet when it was made had today's default.

    How a network is served is no part of its training.
    """
    defaults = {field.name: field.default for field in fields(Recipe) if field.default is not MISSING}
    unlike = {"serve", "fast"}
    as_recorded, wanted = (
        {key: json.loads(json.dumps(value)) for key, value in values.items() if key not in unlike}
        for values in (defaults | dict(recorded), asdict(recipe))
    )
    return as_recorded == wanted


def with_ancestors(names: Iterable[str], served: Collection[str] = ()) -> list[str]:
    """Names of recipes, each once and after those that it starts and learns from.

    Those are added where they are neither named nor among the ``served``.
    """
    found: dict[str, None] = {}
    for name in names:
        recipe = RECIPES.get(name)
        if recipe is not None:
            found |= dict.fromkeys(with_ancestors((one for one in recipe.ancestors if one not in served), served))
        found[name] = None
    return list(found)
