"""One short training: what it writes, and how it goes on after it was killed."""

import csv
import dataclasses
import json

import keras
import numpy as np
import pytest

from facetraits.training import train as training


def history(run):
    with (run / "history.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_training_writes_a_row_an_epoch_the_best_network_and_a_record(short, tmp_path):
    run = training.train(short, tmp_path, tmp_path, runs=tmp_path)
    rows = history(run)
    assert [row["epoch"] for row in rows] == ["0", "1"]
    assert {"loss", "val_loss", "learning_rate", "seconds"} <= set(rows[0])
    record = json.loads((run / "record.json").read_text())
    assert record["epochs_run"] == 2 and record["recipe"]["seed"] == short.seed
    assert record["samples"] == {"train": 128, "validation": 128}
    assert record["data"] == {"drawn": "0"}
    for file in ("best.keras", "last.keras"):
        answers = keras.models.load_model(run / file, compile=False).predict(
            np.zeros((1, 112, 112, 3), np.uint8), verbose=0
        )
        assert answers["gender"].shape == (1, 2)


def test_a_finished_run_is_left_alone_and_one_of_another_recipe_refused(short, tmp_path):
    run = training.train(short, tmp_path, tmp_path, runs=tmp_path)
    before = {file.name: file.read_bytes() for file in run.iterdir() if file.is_file()}
    assert training.train(short, tmp_path, tmp_path, runs=tmp_path) == run
    assert {file.name: file.read_bytes() for file in run.iterdir() if file.is_file()} == before
    with pytest.raises(training.UnlikeRunError, match="another recipe"):
        training.train(dataclasses.replace(short, epochs=3), tmp_path, tmp_path, runs=tmp_path)


def test_a_killed_run_goes_on_where_it_stopped(short, tmp_path, monkeypatch):
    class Killed(Exception):
        pass

    class KillInSecondEpoch(training.EpochFacts):
        def on_epoch_begin(self, epoch, logs=None):
            super().on_epoch_begin(epoch, logs)
            if epoch == 1:
                raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(training, "EpochFacts", KillInSecondEpoch)
        with pytest.raises(Killed):
            training.train(short, tmp_path, tmp_path, runs=tmp_path)
    assert [row["epoch"] for row in history(tmp_path / "short")] == ["0"]
    run = training.train(short, tmp_path, tmp_path, runs=tmp_path)
    assert [row["epoch"] for row in history(run)] == ["0", "1"]
