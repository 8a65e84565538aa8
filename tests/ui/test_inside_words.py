"""How the page "Inside the CNN" names layers, amounts and answers."""

from __future__ import annotations

import pytest

from tests.ui.inside_networks import TRAITS_NETWORK
from ui.inside.layers import overview
from ui.inside.words import (
    agreement_words,
    amount_words,
    block_of,
    depth_words,
    kind_words,
    layer_words,
    sure,
)
from ui.kit.components import listed


@pytest.mark.parametrize(
    ("name", "block", "words"),
    [
        ("stem", "stem", "First convolution"),
        ("block3_expand", "block3", "Block 3, widening"),
        ("block12_add", "block12", "Block 12, shortcut added"),
        ("age", "age", "Answer: apparent age"),
        ("age_softmax", "age", "Probabilities: apparent age"),
        ("convolution 2", "convolution 2", "Convolution 2"),
        ("scale", "scale", "Scaling of the pixels"),
        ("scale 2", "scale 2", "Batch normalisation 2"),
        ("dense_2_softmax", "dense 2", "Probabilities"),
        ("expression_fer2013", "expression_fer2013", "Answer: expression in seven classes"),
    ],
)
def test_layers_have_names_for_people(name: str, block: str, words: str) -> None:
    assert (block_of(name), layer_words(name)) == (block, words)


def test_every_layer_says_what_it_does() -> None:
    by_name = TRAITS_NETWORK.by_name
    assert kind_words(by_name["stem"]) == "3 × 3 convolution, every second position, ReLU6"
    assert kind_words(by_name["block4_depthwise"]) == "3 × 3 depthwise convolution, ReLU6"
    assert kind_words(by_name["block1_pointwise"]) == "1 × 1 convolution, ReLU6"
    assert kind_words(by_name["age"]) == "dense"


@pytest.mark.parametrize(
    ("number", "words"), [(0, "0"), (896, "896"), (70_651_872, "70.7 million"), (1.24e9, "1.2 billion")]
)
def test_amounts_are_short(number: float, words: str) -> None:
    assert amount_words(number) == words


def test_depth_is_early_middle_and_late() -> None:
    first = [depth_words(layer.receptive_px, 112).split()[0] for layer in overview(TRAITS_NETWORK)]
    assert first == ["Early", "Early", "Early", "Middle", "Late", "Late"]


def test_small_words() -> None:
    assert [sure(0.001), sure(0.5), sure(0.999)] == ["< 1%", "50%", "> 99%"]
    assert [listed(["a"]), listed(["a", "b", "c"])] == ["a", "a, b and c"]
    assert [agreement_words(r) for r in (0.9, 0.5, 0.0, -0.5)] == [
        "agree well",
        "agree in part",
        "hardly agree",
        "contradict each other",
    ]
