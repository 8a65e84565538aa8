"""Learning curves: what `python -m facetraits train` wrote after every epoch, and where over-training starts."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


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
        """The epoch, from 1, with the lowest validation loss: its weights are kept."""
        losses = self.columns["val_loss"]
        return 1 + losses.index(min(losses))

    @property
    def over_training_from(self) -> int | None:
        """The first epoch, from 1, after which training no longer helps: validation loss has passed its lowest point.

        None where the last epoch was the best: the curve does not show where over-training starts.
        """
        return self.best_epoch + 1 if self.best_epoch < self.epochs else None

    @property
    def metrics(self) -> tuple[str, ...]:
        """Columns that exist for training and validation alike, the loss first."""
        both = [name for name in self.columns if f"val_{name}" in self.columns]
        return tuple(sorted(both, key=lambda name: (name != "loss", name)))


def load_runs(models_dir: Path) -> tuple[TrainingRun, ...]:
    """All runs with a history: of the served networks, then of the references."""
    folders = [file.parent for pattern in ("*", "references/*") for file in models_dir.glob(f"{pattern}/history.csv")]
    served_first = sorted(folders, key=lambda folder: (folder.parent != models_dir, folder.name))
    return tuple(_load_run(folder) for folder in served_first)


def _load_run(folder: Path) -> TrainingRun:
    with (folder / "history.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    columns = {name: tuple(float(row[name]) for row in rows) for name in rows[0] if name != "epoch"}
    return TrainingRun(folder.name, columns, json.loads((folder / "record.json").read_text(encoding="utf-8")))
