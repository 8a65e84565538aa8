"""The registry of recipes: one per network."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final

from facetraits.faces.augmentation import VARIATIONS
from facetraits.training.recipe import FACE_NETWORK, WITH_CAMERA, Dataset, Recipe, sorted_datasets
from facetraits.types import VIEW

_TRAITS: Final = ("age", "gender", "ethnicity")
_EXPRESSIONS: Final = ("expression", "expression_fer2013")
# Regularisation for long schedules: UTKFace is small, and without it a network overfits within 18 epochs.
_STRONG: Final[Mapping[str, Any]] = {
    "patience": None,
    "keep": "last",
    "strength": 1.25,
    "mixup": 0.5,
    "dropout": 0.4,
    "stochastic_depth": 0.2,
    "weight_decay": 0.05,
}
# A second training of networks that were served before: fewer trained layers, to save time on a CPU; softer targets
# from earlier networks; and camera noise, which the first training did not have.
_AGAIN: Final[Mapping[str, Any]] = {
    **_STRONG,
    "mixup": 0.3,
    "variations": WITH_CAMERA,
    "train_depthwise": False,
}
# Weaker regularisation for networks that overfit little after thirty epochs with the settings above (accuracy on
# FER2013: 77% in training, 70% held-out).
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
# Networks for all traits that start from the face network. One of their two crops shows hair and chin, the other does
# not.
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
# Further training of these networks. The first two networks provide pseudo-labels where a data set has no label, so
# that gender is also learned from RAF-DB and expression from All-Age-Faces.
_AGAIN_FROM_FACES: Final[Mapping[str, Any]] = {
    "learning_rate": 5e-4,
    "pseudo_labels": tuple(
        (dataset, name) for dataset in ("raf-db", "all-age-faces") for name in ("face-wide-112", "face-tight-96")
    ),
}


def _face(name: str, input_px: int, epochs: int, crop: str, expressions: tuple[str, ...], **more: Any) -> Recipe:
    """A network for all traits that starts from the face network."""
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
            # Without batch normalisation a learning rate of 1e-3 destroys pretrained features.
            learning_rate=2e-4,
            variations=WITH_CAMERA,
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


def learned_from(recipe: Recipe) -> tuple[Dataset, ...]:
    """Data sets that a network's weights come from: also those of the networks that it starts and learns from."""
    others = {dataset for name in recipe.ancestors for dataset in learned_from(RECIPES[name])}
    return sorted_datasets({*recipe.datasets, *others, *([FACE_NETWORK] if recipe.start == FACE_NETWORK else [])})


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
