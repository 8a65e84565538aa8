"""The CNNs of the reference systems, layer for layer, to be trained on our splits and judged like ours.

Each maps (N, S, S, 1) grey values in [0, 1] to (N, C) probabilities. Where a description leaves a number open, the
docstring says what stands here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import keras
from keras import layers


def feature_interpretor_age(side_px: int, classes: int) -> keras.Sequential:
    """Age CNN of feature-interpretor (200 px, 7 classes: 422,695 parameters), and of age-gender-mood.

    The latter gives the same layers and no picture size.
    """
    body: list[Any] = []
    for filters in (32, 64, 128, 256):
        body += [layers.Conv2D(filters, 3, activation="relu"), layers.AveragePooling2D(2)]
    body += [
        layers.GlobalAveragePooling2D(),
        layers.Dense(132, activation="relu"),
        layers.Dense(classes, activation="softmax"),
    ]
    return _sequential(side_px, body)


def feature_interpretor_dropout(side_px: int, classes: int) -> keras.Sequential:
    """Gender (100 px, 2 classes: 1,567,874 parameters) and emotion CNN (48 px, 3: 683,267) of feature-interpretor.

    The rates of dropout are not given; here 0.1 after convolutions and 0.2 after the dense layer.
    """
    body: list[Any] = []
    for filters in (32, 64, 128, 256):
        body += [
            layers.Conv2D(filters, 3, padding="same"),
            layers.Dropout(0.1),
            layers.Activation("relu"),
            layers.MaxPooling2D(2),
        ]
    body += [
        layers.Flatten(),
        layers.Dense(128, activation="relu"),
        layers.Dropout(0.2),
        layers.Dense(classes, activation="softmax"),
    ]
    return _sequential(side_px, body)


def upload_predictor(side_px: int, classes: int) -> keras.Sequential:
    """CNN of upload-predictor (48 px): softmax for age and ethnicity; for two classes a sigmoid of one neuron."""
    body: list[Any] = []
    for filters in (64, 128, 256):
        body += [layers.Conv2D(filters, 3, padding="same", activation="relu"), layers.MaxPooling2D(2)]
    body += [layers.Flatten(), layers.Dense(128, activation="relu"), layers.Dense(64, activation="relu")]
    body.append(layers.Dense(1, activation="sigmoid") if classes == 2 else layers.Dense(classes, activation="softmax"))
    return _sequential(side_px, body)


def basic_cnn(side_px: int, classes: int) -> keras.Sequential:
    """Basic CNN of emotion-race-gender-cnn: its layers as listed, once; the number of filters is not given, here 32."""
    return _sequential(
        side_px,
        [
            layers.Conv2D(32, 3, padding="same", activation="relu"),
            layers.BatchNormalization(),
            layers.MaxPooling2D(2),
            layers.Dropout(0.5),
            layers.Flatten(),
            layers.Dense(classes, activation="softmax"),
        ],
    )


def deep_cnn(side_px: int, classes: int) -> keras.Sequential:
    """Deep CNN of emotion-race-gender-cnn: its block as listed, three times with 32, 64, 128 filters (not given)."""
    body: list[Any] = []
    for filters in (32, 64, 128):
        for _ in range(2):
            body += [
                layers.Conv2D(filters, 3, padding="same"),
                layers.Activation("relu"),
                layers.BatchNormalization(),
            ]
        body += [layers.MaxPooling2D(2), layers.Dropout(0.5)]
    body += [layers.Flatten(), layers.Dense(classes, activation="softmax")]
    return _sequential(side_px, body)


def _sequential(side_px: int, body: list[Any]) -> keras.Sequential:
    return keras.Sequential([keras.Input((side_px, side_px, 1)), *body], name="cnn")


REFERENCE_CNNS: Final[Mapping[str, Callable[[int, int], keras.Sequential]]] = {
    "feature-interpretor-age": feature_interpretor_age,
    "feature-interpretor-dropout": feature_interpretor_dropout,
    "upload-predictor": upload_predictor,
    "basic-cnn": basic_cnn,
    "deep-cnn": deep_cnn,
}
