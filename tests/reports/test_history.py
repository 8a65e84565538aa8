"""Learning curves as they lie in the models' folder."""

from __future__ import annotations

import json
from pathlib import Path

from facetraits.registry import load_manifest
from facetraits.reports.history import load_runs
from tests.builders import MODELS


def write(folder: Path, val_losses: list[float]) -> None:
    folder.mkdir(parents=True)
    lines = ["epoch,loss,learning_rate,seconds,val_loss"]
    lines += [f"{i},{1 / (i + 1)},0.001,9.5,{loss}" for i, loss in enumerate(val_losses)]
    (folder / "history.csv").write_text("\n".join(lines) + "\n")
    (folder / "record.json").write_text(json.dumps({"recipe": {"name": folder.name}}))


def test_the_best_epoch_and_what_comes_after(tmp_path: Path) -> None:
    write(tmp_path / "references" / "over", [0.9, 0.5, 0.4, 0.6, 0.8])
    write(tmp_path / "served", [0.9, 0.7, 0.6])
    served, over = load_runs(tmp_path)
    assert (served.name, served.epochs, served.best_epoch, served.over_training_from) == ("served", 3, 3, None)
    assert (over.name, over.best_epoch, over.over_training_from) == ("over", 3, 4)
    assert over.columns["val_loss"] == (0.9, 0.5, 0.4, 0.6, 0.8)
    assert over.metrics == ("loss",), "what is measured on both, not the seconds"
    assert over.record["recipe"]["name"] == "over"


def test_a_folder_without_histories_has_no_runs(tmp_path: Path) -> None:
    assert load_runs(tmp_path) == ()


def test_every_served_network_has_its_curve() -> None:
    names = {run.name for run in load_runs(MODELS)}
    assert set(load_manifest(MODELS).originals) <= names
