"""The words of the page "Inside the CNN": what layers are called, what they do, and what numbers mean."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple, Protocol

from facetraits.faces.augmentation import Variation
from facetraits.inside.heat import HeatMethod
from facetraits.inside.probing import Spoiling
from facetraits.traits import TRAITS
from ui.kit.components import ordinal

OUTPUT_WORDS: Final[Mapping[str, str]] = {
    **{key: trait.label for key, trait in TRAITS.items()},
    "expression_fer2013": "Expression in seven classes",
    "view": "Clear, covered or upside down",
    "age_group": "Age group",
    "age_group_7": "Age in seven groups",
    "mood": "Mood",
}
_STEPS: Final[Mapping[str, str]] = {
    "expand": "widening",
    "depthwise": "filtering",
    "project": "narrowing",
    "pointwise": "mixing",
    "add": "shortcut added",
}
_NAMES: Final[Mapping[str, str]] = {
    "crops": "Face crop",
    "scale": "Scaling of the pixels",
    "grey": "Colours to grey",
    "shrink": "Shrinking",
    "resize": "Resizing",
    "stem": "First convolution",
    "top": "Last convolution",
    "pool": "Mean of each map",
    "other": "The other class",
}
# Early, middle, late: by how much of the crop one position of a layer sees.
_EARLY: Final = 0.25
_MIDDLE: Final = 0.8


class LayerFacts(Protocol):
    """What ``layers.Layer`` and ``architecture.LayerRow`` have in common."""

    @property
    def name(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def activation(self) -> str: ...
    @property
    def kernel_hw(self) -> tuple[int, int]: ...
    @property
    def stride_hw(self) -> tuple[int, int]: ...
    @property
    def parameters(self) -> int: ...
    @property
    def multiply_adds(self) -> int: ...
    @property
    def receptive_px(self) -> int: ...


def block_of(name: str) -> str:
    """The block that a layer belongs to, as in "block3"; a layer outside of blocks is its own."""
    found = re.match(r"block\d+(?=_)", name)
    if found:
        return found.group()
    # "dense_2_softmax" belongs to "dense 2", and "age_softmax" to "age".
    return re.sub(r"^(dense|convolution)_(\d+)$", r"\1 \2", re.sub(r"_(softmax|activation)$", "", name))


def layer_words(name: str) -> str:
    """A layer's name for people: "block3_expand" is "Block 3, widening"."""
    found = re.fullmatch(r"block(\d+)_(\w+)", name)
    if found:
        return f"Block {found.group(1)}, {_STEPS.get(found.group(2), found.group(2))}"
    found = re.fullmatch(r"scale (\d+)", name)  # "scale" alone is the pixels'
    if found:
        return f"Batch normalisation {found.group(1)}"
    if name in OUTPUT_WORDS:
        return f"Answer: {_lower(OUTPUT_WORDS[name])}"
    for ending, words in (("_softmax", "Probabilities"), ("_activation", "Probability")):
        base = name.removesuffix(ending)
        if base != name:
            return f"{words}: {_lower(OUTPUT_WORDS[base])}" if base in OUTPUT_WORDS else words
    return _NAMES.get(name, name.capitalize())


def block_words(block: str) -> str:
    """A block's name for people."""
    found = re.fullmatch(r"block(\d+)", block)
    return f"Block {found.group(1)}" if found else layer_words(block)


def kind_words(layer: LayerFacts) -> str:
    """What a layer does, as in "3 × 3 convolution, every second position, ReLU6"."""
    words = layer.kind if max(layer.kernel_hw) == 1 else f"{layer.kernel_hw[0]} × {layer.kernel_hw[1]} {layer.kind}"
    if layer.kind == "convolution" and max(layer.kernel_hw) == 1:
        words = "1 × 1 convolution"
    if layer.kind == "scale" and layer.parameters:
        words = "batch normalisation: a learned factor and offset for each map"
    parts = [words]
    if max(layer.stride_hw) > 1:
        parts.append(f"every {ordinal(layer.stride_hw[0])} position")
    if layer.activation:
        parts.append({"relu": "ReLU", "relu6": "ReLU6"}.get(layer.activation, layer.activation))
    return ", ".join(parts)


def shape_words(shape: Sequence[int]) -> str:
    """As in "24 × 24 × 144"."""
    return " × ".join(map(str, shape))


def amount_words(number: float) -> str:
    """As in "3,600", "70.7 million", "1.2 billion"."""
    for size, word in ((1e9, "billion"), (1e6, "million")):
        if number >= size:
            return f"{number / size:.1f} {word}"
    return f"{number:,.0f}"


def sure(probability: float) -> str:
    """Whole per cent, without ever claiming certainty."""
    if probability < 0.01:
        return "< 1%"
    return "> 99%" if probability > 0.99 else f"{probability:.0%}"


def depth_words(receptive_px: int, crop_px: int) -> str:
    """What layers tend to answer to that see so much of the crop."""
    share = receptive_px / crop_px
    if share <= _EARLY:
        return (
            "Early layers respond to simple features in small areas: edges, brightness, colours. The face is still "
            "easy to recognise."
        )
    if share < _MIDDLE:
        return (
            "Middle layers respond to patterns of edges: the curve of a brow, the corner of an eye or the mouth, a "
            "hairline. They have fewer positions and more features."
        )
    return (
        "Late layers see the whole face at each position and keep little spatial detail. Their maps say how strongly "
        "a feature is present, such as a smile. The features were learned, and need not have a name."
    )


# ------------------------------------------------------------------------------------------------------------ heat-maps

METHOD_NAMES: Final[Mapping[HeatMethod, str]] = {
    "grad-cam": "Grad-CAM",
    "grad-cam++": "Grad-CAM++",
    "layer-cam": "LayerCAM",
}
METHOD_WORDS: Final[Mapping[HeatMethod, str]] = {
    "grad-cam": "Grad-CAM measures how much the answer gains if a feature map grows a little everywhere. It sums the "
    "maps with these gains as weights, and shows the positive part.",
    "grad-cam++": "Grad-CAM++ works like Grad-CAM, but gives more weight to places that raise the answer, so that "
    "several separate spots become visible.",
    "layer-cam": "LayerCAM weights every place of a map by its own gain, instead of one gain for the whole map. It "
    "stays sharp in earlier layers, where Grad-CAM becomes meaningless.",
}
LIMITS: Final = (
    "It shows **where** the network looked, not **what** it saw there: the mouth may matter for its corners or for "
    "the teeth.",
    "It is **coarse**: a layer of 5 × 5 or 6 × 6 positions cannot tell an eye from its brow, and the picture is "
    "smoothed.",
    "It is **one layer's view** by one method. Another layer or method can look different and be equally valid. A "
    "pattern that all of them show, and that covering the face confirms, is more reliable.",
    "It explains **this answer of this network**. It does not show that the answer is right, or how other faces are "
    "judged.",
    "It shows what the answer **depends on**, not a cause in the world: a network may use the background because it "
    "correlated with the label in the training pictures.",
)


def agreement_words(correlation: float) -> str:
    """What a correlation between two maps means."""
    if correlation >= 0.7:
        return "agree well"
    if correlation >= 0.4:
        return "agree in part"
    if correlation > -0.2:
        return "hardly agree"
    return "contradict each other"


# ---------------------------------------------------------------------------------------------------- trying to fool it

VARIATION_WORDS: Final[Mapping[Variation, str]] = {
    "flip": "Mirror",
    "rotate": "Turn",
    "shear": "Slant",
    "zoom": "Zoom",
    "shift": "Shift",
    "surroundings": "Other surroundings",
    "blur": "Blur",
    "resolution": "Fewer pixels",
    "sharpen": "Sharpen",
    "grey": "No colours",
    "light": "Light",
    "colour": "Colours",
    "noise": "Grain",
    "jpeg": "JPEG and WebP",
    "erase": "Cover a patch",
}


class SpoilingWords(NamedTuple):
    """One way to make a face worse.

    Attributes:
        name: of the way; axis: what its amount measures; unit: after a number; percent: the amount is a share.
        does: what is done, one sentence.
    """

    name: str
    axis: str
    unit: str
    percent: bool
    does: str

    def written(self, amount: float) -> str:
        """As in "2.4 px" and "62%"."""
        number = f"{amount:.0f}" if amount >= 10 else f"{amount:.1f}"
        return f"{amount:.0%}" if self.percent else f"{number}{self.unit}"


SPOILING_WORDS: Final[Mapping[Spoiling, SpoilingWords]] = {
    "blur": SpoilingWords("Blur", "Blur (px)", " px", False, "The crop is blurred, as by a lens out of focus."),
    "noise": SpoilingWords(
        "Noise", "Noise (of 255 levels)", " levels", False, "Every pixel gets random noise, as in a dark room."
    ),
    "darkness": SpoilingWords(
        "Darkness",
        "Times that the light is halved",
        " halvings",
        False,
        "The whole crop gets darker: each step halves the remaining light.",
    ),
    "resolution": SpoilingWords(
        "Resolution",
        "Share of the side's pixels taken away",
        "",
        True,
        "The crop is shrunk and enlarged again, as when a face is far away.",
    ),
    "rotation": SpoilingWords(
        "Rotation", "Turned by (degrees)", "°", False, "The crop is turned after the face was straightened."
    ),
}


def _lower(words: str) -> str:
    return words[0].lower() + words[1:]
