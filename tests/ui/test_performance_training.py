"""Learning curves and what the data sets hold."""

from __future__ import annotations

import json
from dataclasses import replace

from facetraits.reports.history import TrainingRun
from tests.builders import GENDERS
from tests.evidence import (
    drawn_counts,
    peer_report,
    summary,
)
from ui.performance import training


def run(validation: tuple[float, ...], heads: tuple[str, ...] = ("age", "gender")) -> TrainingRun:
    training = tuple(2.0 / (i + 1) for i in range(len(validation)))
    columns = {"loss": training, "val_loss": validation, "gender_categorical_accuracy": training}
    columns |= {
        "val_gender_categorical_accuracy": validation,
        "age_age_error": training,
        "val_age_age_error": validation,
    }
    columns |= {"learning_rate": training, "seconds": training}
    return TrainingRun("net", columns, {"recipe": {"heads": list(heads)}})


def test_over_training_is_said_where_the_curve_shows_it() -> None:
    over = training.curve_sentence(run((3.0, 1.0, 2.0)))
    assert "lowest (1.000) at epoch 2 of 3" in over
    assert (
        "From epoch 3 on it over-fits: by epoch 3 it rose to 2.000 while the loss on training pictures fell on" in over
    )
    assert over.endswith("The weights of epoch 2 were kept.")
    assert "does not reach" in training.curve_sentence(run((3.0, 1.0)))


def test_weights_of_the_last_epoch_are_said_to_be_so() -> None:
    plain = run((3.0, 1.0, 2.0))
    last = replace(plain, record={"recipe": {"heads": ["age"], "keep": "last"}})
    assert (plain.kept_epoch, last.kept_epoch, last.best_epoch) == (2, 3, 2)
    assert "The weights of epoch 3 were kept: when the learning rate falls to zero" in training.curve_sentence(last)


def test_metrics_are_those_of_the_trait() -> None:
    trained = run((1.0,))
    assert training.metrics_of(trained, "gender") == ["loss", "gender_categorical_accuracy"]
    assert training.metrics_of(trained, "age") == ["loss", "age_age_error"]
    words = [training.metric_words(name, trained) for name in trained.metrics]
    assert words == [
        "Loss (what training minimises)",
        "Error in years, apparent age",
        "Right answers, two genders",
    ]
    assert training.runs_of("expression", [trained]) == []


def test_a_metric_finds_its_counterpart_in_a_network_with_one_output() -> None:
    alone = TrainingRun(
        "alone",
        {"loss": (1.0,), "val_loss": (1.0,), "categorical_accuracy": (1.0,), "val_categorical_accuracy": (1.0,)},
        {},
    )
    assert training.counterpart("gender_categorical_accuracy", alone) == "categorical_accuracy"
    assert training.counterpart("age_age_error", alone) is None
    table = training.curve_table([run((1.0, 0.5)), alone], "gender_categorical_accuracy")
    assert [row[:2] for row in table.rows] == [("net", 1), ("net", 2), ("alone", 1)]
    assert json.loads(training.record_json([alone]))[0]["history"]["loss"] == [1.0]


def test_distributions_add_up() -> None:
    distribution = summary().distributions["gender"]
    used, raw = training.stacked(distribution)
    assert [bar["end"] for bar in used if bar["name"] == "male"] == [40, 50, 62]
    assert [tick["n"] for tick in raw] == [70, 50]
    assert training.distribution_table(distribution, "gender").rows[0] == ("male", 70, 40, 10, 12, 62 / 110)
    assert "110 of 120 labelled pictures are used" in training.distribution_sentence(distribution)
    assert training.removed_table(summary()).rows == (("No face was found", 10, "training"),)


def test_drawn_counts_are_confident_unless_told_otherwise() -> None:
    assert drawn_counts(GENDERS).confident
    assert not peer_report().classes["gender"].confident
