"""What the process with Keras can be asked for."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from facetraits.inside.heat import Heat, HeatMethod
from facetraits.inside.layers import NetworkLayers
from facetraits.inside.reading import read_network
from facetraits.inside.rebuilt import keras_model
from facetraits.registry import load_manifest

REQUESTS: Final = ("hello", "forward", "heat")
YEARS: Final = "years"


class StrongestMaps(NamedTuple):
    """The feature maps of a layer that answer most strongly to a crop.

    Attributes:
        channels: their numbers in the layer, the strongest first.
        maps: (K, H, W).
        total: number of maps that the layer has.
    """

    channels: tuple[int, ...]
    maps: NDArray[np.float32]
    total: int


class Forward(NamedTuple):
    """What a network makes of one crop.

    Attributes:
        outputs: output name to (C,) probabilities.
        strongest: the strongest maps of every layer that has any, by the layer's name.
        whole: all (H, W, C) feature maps of the layers that were asked for.
    """

    outputs: dict[str, NDArray[np.float32]]
    strongest: dict[str, StrongestMaps]
    whole: dict[str, NDArray[np.float32]]


class Requests:
    """Answers requests about the members of ``models_dir``; each network is rebuilt when it is first asked for."""

    def __init__(self, models_dir: Path) -> None:
        self._models_dir = models_dir
        self._networks: dict[str, tuple[NetworkLayers, Any]] = {}

    def answer(self, name: str, arguments: Mapping[str, Any]) -> Any:
        """The result of the method of that name."""
        if name not in REQUESTS:
            raise ValueError(f"there is no request {name!r}")
        return getattr(self, name)(**arguments)

    def prepare(self) -> Iterator[None]:
        """Rebuild one network after the other, so that the first question about each is answered sooner."""
        for member in load_manifest(self._models_dir).differentiable:
            with contextlib.suppress(Exception):  # whoever asks for it is told
                network, _ = self._network(member)
                # The first pass of each takes longer than those after it.
                self.forward(member, np.zeros(network.layers[0].shape, np.uint8), 0)
            yield

    def hello(self) -> str:
        """Load Keras; its version."""
        import keras

        return str(keras.__version__)

    def forward(self, member: str, crop: NDArray[np.uint8], count: int, whole: Sequence[str] = ()) -> Forward:
        """One pass of a (S, S, 3) RGB crop through a network.

        Args:
            member: the network's name.
            crop: as the network takes it.
            count: so many of the strongest maps of each layer.
            whole: layers of which all maps are wanted.
        """
        network, model = self._network(member)
        results = {
            name: np.asarray(values)[0] for name, values in model(crop[None].astype(np.float32), training=False).items()
        }
        return Forward(
            {output: results[layer] for output, layer in network.outputs.items()},
            {layer.name: _strongest(results[layer.name], count) for layer in network.maps},
            {name: results[name] for name in whole},
        )

    def heat(
        self,
        member: str,
        crop: NDArray[np.uint8],
        output: str,
        targets: Sequence[int] | str,
        layer: str,
        method: HeatMethod,
    ) -> tuple[NDArray[np.float32], ...]:
        """The heat-maps of classes by their indices, or of what makes older and what younger for ``YEARS``."""
        network, model = self._network(member)
        heat = Heat(network, model)
        if isinstance(targets, str):
            return heat.of_years(crop, layer, method)
        return heat.of_classes(crop, output, targets, layer, method)

    def _network(self, member: str) -> tuple[NetworkLayers, Any]:
        if member not in self._networks:
            entry = load_manifest(self._models_dir).members[member]
            network = read_network(entry.path, entry.sha256)
            self._networks[member] = network, keras_model(network)
        return self._networks[member]


def _strongest(maps: NDArray[np.float32], count: int) -> StrongestMaps:
    strengths = np.sqrt((maps**2).mean(axis=(0, 1)))
    order = np.argsort(-strengths, kind="stable")[:count]
    chosen = np.ascontiguousarray(maps[:, :, order].transpose(2, 0, 1))
    return StrongestMaps(tuple(int(i) for i in order), chosen, maps.shape[2])
