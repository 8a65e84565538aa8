"""Learning curves: what `python -m facetraits train` wrote after every epoch, and where over-training starts."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

_CLEAR_RISE: Final = 0.02  # less is noise on a few thousand validation pictures


@dataclass(frozen=True, slots=True)
class TrainingRun:
    """One finished training.

    Attributes:
        name: of the network.
        columns: name of a column of ``history.csv`` to its values, one per epoch; "val_" in front is validation.
        record: what ``record.json`` says: recipe, data, environment, seconds, commit.
    """

    name: str
    columns: Mapping[str, tuple[float, ...]]
    record: Mapping[str, Any]

    @property
    def epochs(self) -> int:
        """How many were run."""
        return len(self.columns["loss"])

    @property
    def step(self) -> str:
        """What one row of the history is: "epoch", or "fit" of what has no epochs, on more and more pictures."""
        return str(self.record.get("recipe", {}).get("step", "epoch"))

    @property
    def best_epoch(self) -> int:
        """The epoch, from 1, with the lowest validation loss."""
        losses = self.columns["val_loss"]
        return 1 + losses.index(min(losses))

    @property
    def kept_epoch(self) -> int:
        """The epoch, from 1, whose weights are used: the best, or the last where the recipe says so."""
        return self.epochs if self.record.get("recipe", {}).get("keep") == "last" else self.best_epoch

    @property
    def over_training_from(self) -> int | None:
        """The epoch, from 1, after the best, where from there on the network only learned its training pictures.

        None where the curve does not show that: validation loss must end clearly above its lowest value, by
        ``_CLEAR_RISE``, while training loss fell on.
        """
        training, validation = self.columns["loss"], self.columns["val_loss"]
        rose = validation[-1] > (1 + _CLEAR_RISE) * min(validation)
        return self.best_epoch + 1 if rose and training[-1] < training[self.best_epoch - 1] else None

    @property
    def still_improving(self) -> bool:
        """Whether the last epoch was the best: more of them might have helped."""
        return self.best_epoch == self.epochs

    @property
    def metrics(self) -> tuple[str, ...]:
        """Columns that exist for training and validation alike, the loss first."""
        both = [name for name in self.columns if f"val_{name}" in self.columns]
        return tuple(sorted(both, key=lambda name: (name != "loss", name)))


def load_runs(models_dir: Path) -> tuple[TrainingRun, ...]:
    """All runs with a history: of the served networks, then of the references.

    Raises:
        ValueError: a history or a record is malformed.
    """
    folders = [file.parent for pattern in ("*", "references/*") for file in models_dir.glob(f"{pattern}/history.csv")]
    served_first = sorted(folders, key=lambda folder: (folder.parent != models_dir, folder.name))
    return tuple(_load_run(folder) for folder in served_first)


def read_record(folder: Path) -> dict[str, Any]:
    """What ``record.json`` in the folder of a network or a run says.

    Raises:
        OSError: there is none.
        ValueError: it is not JSON.
    """
    record: dict[str, Any] = json.loads((folder / "record.json").read_text(encoding="utf-8"))
    return record


def _load_run(folder: Path) -> TrainingRun:
    with (folder / "history.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    columns = {name: tuple(float(row[name]) for row in rows) for name in rows[0] if name != "epoch"}
    record = read_record(folder)
    if not {"loss", "val_loss"} <= set(columns) or not isinstance(record, dict):
        raise ValueError(f"the history or the record of {folder.name} is malformed")
    return TrainingRun(folder.name, columns, record)
