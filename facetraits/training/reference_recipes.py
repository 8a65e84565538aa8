"""The reference systems' models, trained on our splits."""

from __future__ import annotations

from typing import Final, Literal

from facetraits.training.recipe import DATASET_OF_HEAD, Recipe


def _reference(
    name: str,
    source: str,
    head: str,
    network: str,
    input_px: int,
    epochs: int,
    augmentation: Literal["online", "none", "tenfold"] = "none",
    loss: Literal["categorical_crossentropy", "mean_squared_error"] = "categorical_crossentropy",
    trained_from: str = "",
) -> Recipe:
    """Adam with a constant learning rate and no early stop, so that the curves show where over-fitting starts."""
    transfer = network == "lite0-transfer"
    return Recipe(
        name=name,
        heads=(head,),
        input_px=input_px,
        network=network,
        trained_from=trained_from,
        grey=True,
        epochs=epochs,
        optimizer="adam",
        # The other networks' learning rate would destroy the ImageNet weights if all layers are trained.
        learning_rate=3e-4 if transfer else 1e-3,
        loss=loss,
        augmentation=augmentation,
        # Twice as fast on the processors that have it. Depthwise convolutions (EfficientNet) are slower with it.
        precision="float32" if transfer else "mixed_bfloat16",
        patience=None,
        crop="face-tight-v1" if DATASET_OF_HEAD[head] == "fer2013" else "face-v1",
        source=source,
    )


# The reference systems' models. Schedules are as long as two processor cores could afford.
_EMOTION: Final = ("emotion-race-gender-cnn", "expression_fer2013")
REFERENCES: Final = {
    recipe.name: recipe
    for recipe in (
        _reference("age-feature-interpretor", "feature-interpretor", "age_group_7", "feature-interpretor-age", 200, 5),
        _reference(
            "gender-feature-interpretor", "feature-interpretor", "gender", "feature-interpretor-dropout", 100, 7
        ),
        _reference("emotion-feature-interpretor", "feature-interpretor", "mood", "feature-interpretor-dropout", 48, 12),
        _reference(
            "age-upload-predictor",
            "upload-predictor",
            "age_group",
            "upload-predictor",
            48,
            12,
            loss="mean_squared_error",
        ),
        _reference("gender-upload-predictor", "upload-predictor", "gender", "upload-predictor", 48, 12),
        _reference(
            "ethnicity-upload-predictor",
            "upload-predictor",
            "ethnicity",
            "upload-predictor",
            48,
            12,
            loss="mean_squared_error",
        ),
        _reference("emotion-basic-cnn", *_EMOTION, "basic-cnn", 48, 10, "online"),
        _reference("emotion-deep-cnn", *_EMOTION, "deep-cnn", 48, 6, "online"),
        _reference("emotion-transfer-frozen", *_EMOTION, "lite0-transfer", 48, 2, "online", trained_from="dropout"),
        _reference(
            "emotion-transfer-last-block", *_EMOTION, "lite0-transfer", 48, 2, "online", trained_from="block15_expand"
        ),
        _reference(
            "emotion-transfer-more-blocks", *_EMOTION, "lite0-transfer", 48, 2, "online", trained_from="block11_expand"
        ),
        _reference(
            "emotion-transfer-all-but-first", *_EMOTION, "lite0-transfer", 48, 2, "online", trained_from="stem_bn"
        ),
        _reference("age-gender-mood", "age-gender-mood", "age_group_7", "feature-interpretor-age", 100, 15),
        _reference(
            "age-gender-mood-tenfold", "age-gender-mood", "age_group_7", "feature-interpretor-age", 100, 2, "tenfold"
        ),
    )
}
# Not a network: `training/smile.py` is its recipe.
SMILE_SVC: Final = "smile-svc"
