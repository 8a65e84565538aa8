"""A network as a table: every layer's shape, weights, work and what it can see, generated from the network's file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Final

from facetraits.inside.layers import NetworkLayers
from facetraits.inside.reading import read_network
from facetraits.json_text import json_text
from facetraits.registry import Manifest, sha256_of

FILE: Final = "layers.json"


@dataclass(frozen=True, slots=True)
class LayerRow:
    """One layer; each field is that of the same name of ``layers.Layer``."""

    name: str
    kind: str
    inputs: tuple[str, ...]
    shape: tuple[int, ...]
    activation: str
    kernel_hw: tuple[int, int]
    stride_hw: tuple[int, int]
    parameters: int
    multiply_adds: int
    receptive_px: int


@dataclass(frozen=True, slots=True)
class Architecture:
    """One network.

    Attributes:
        name: of the member or reference model.
        sha256: of the file that it was read from.
        outputs: output name to the layer that gives it.
        rows: in the order of computation.
    """

    name: str
    sha256: str
    outputs: Mapping[str, str]
    rows: tuple[LayerRow, ...]

    @property
    def parameters(self) -> int:
        """Learned weights; batch normalisation is folded into the layer before it where the file has it so."""
        return sum(row.parameters for row in self.rows)

    @property
    def multiply_adds(self) -> int:
        """For one crop."""
        return sum(row.multiply_adds for row in self.rows)


def architecture_of(name: str, network: NetworkLayers, sha256: str) -> Architecture:
    """The table of a network that was read."""
    names = [field.name for field in fields(LayerRow)]
    rows = (LayerRow(**{name: getattr(layer, name) for name in names}) for layer in network.layers)
    return Architecture(name, sha256, dict(network.outputs), tuple(rows))


def served_architectures(manifest: Manifest) -> tuple[Architecture, ...]:
    """Every member of the manifest that is no copy, by name.

    Raises:
        ModelIntegrityError: a file is missing or was changed.
    """
    found = []
    for name, entry in sorted(manifest.originals.items()):
        found.append(architecture_of(name, read_network(entry.path, entry.sha256), entry.sha256))
    return tuple(found)


def write_architecture(name: str, network: Path, folder: Path) -> Path:
    """Write the table of a network whose file is not kept, into the folder of its record.

    Raises:
        ModelIntegrityError: the network cannot be read.
    """
    table = asdict(architecture_of(name, read_network(network), sha256_of(network)))
    path = folder / FILE
    path.write_text(json_text(table), encoding="utf-8")
    return path


def reference_architectures(models_dir: Path) -> tuple[Architecture, ...]:
    """Every reference model that has a table, by name; none where there is no such folder.

    Raises:
        ValueError: a table is malformed.
    """
    return tuple(_loaded(path) for path in sorted((models_dir / "references").glob(f"*/{FILE}")))


def _loaded(path: Path) -> Architecture:
    try:
        raw: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        rows = tuple(_row(row) for row in raw["rows"])
        return Architecture(raw["name"], raw["sha256"], raw["outputs"], rows)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path} cannot be read ({error!r})") from error


def _row(raw: Mapping[str, Any]) -> LayerRow:
    values: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in raw.items()}
    return LayerRow(**values)
