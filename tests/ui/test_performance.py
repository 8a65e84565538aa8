"""What the page "Model performance" says: sentences, tables, origin; and what it leaves out, with the reason."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from pathlib import Path

import pytest

from facetraits.reports.comparison import FIGURE, GroupRow, Measured, largest_gap, leaderboard
from facetraits.reports.history import TrainingRun
from facetraits.reports.metrics import ClassCounts
from tests.builders import GENDERS
from tests.evidence import (
    WEIGHTS_FILE,
    drawn_counts,
    evidence_folder,
    fer2013_report,
    peer_report,
    reference_report,
    summary,
    utkface_report,
    write_report,
)
from ui.kit.tables import Column, Table, code_words, percent
from ui.performance import answers, training
from ui.performance.evidence import fingerprint, read_evidence
from ui.performance.models import (
    choice_words,
    fairness_sentence,
    fairness_table,
    group_dots,
    leaderboard_dots,
    leaderboard_sentence,
    leaderboard_table,
    provenance,
    report_key,
    reports_of,
    row_name,
    unfinished_sentence,
)

# 10 sad and 40 happy faces, 3 of the sad ones taken for happy.
COUNTS = ClassCounts(("sad", "happy"), ((7, 3), (0, 40)), (0, 50), (0, 47), (0.0, 45.0), 5.0, 6.0)


@pytest.fixture
def models(tmp_path: Path) -> Path:
    return evidence_folder(tmp_path)


# ------------------------------------------------------------------------------------------------------------- loading


def test_everything_is_read(models: Path) -> None:
    evidence = read_evidence(models)
    assert [report.model for report in evidence.reports] == [
        "accurate",
        "accurate",
        "age-upload-predictor",
        "other-package",
        "small",
    ]
    assert [run.name for run in evidence.runs] == ["small", "age-upload-predictor"]
    assert evidence.systems == {"age-upload-predictor": "upload-predictor"}
    assert [summary.name for summary in evidence.summaries] == ["utkface"]
    assert [published.name for published in evidence.published] == ["Somebody"]
    assert evidence.problems == ()


def test_an_empty_folder_is_no_problem(tmp_path: Path) -> None:
    evidence = read_evidence(tmp_path)
    assert evidence.reports == evidence.runs == evidence.summaries == evidence.published == evidence.problems == ()


def test_other_weights_than_the_installed_ones_are_left_out(models: Path) -> None:
    (models / WEIGHTS_FILE).write_bytes(b"other weights")
    evidence = read_evidence(models)
    assert {report.kind for report in evidence.reports} == {"reference", "peer"}
    assert len(evidence.problems) == 1
    assert "measured with other networks or settings than those that are here" in evidence.problems[0]
    assert evidence.problems[0].startswith("3 reports are not shown")


def test_missing_weights_count_as_other_weights(models: Path) -> None:
    (models / WEIGHTS_FILE).unlink()
    assert {report.kind for report in read_evidence(models).reports} == {"reference", "peer"}


@pytest.mark.parametrize("text", ["", "[]", "{}", "nothing", '{"model": "a", "classes": []}'])
def test_a_damaged_report_is_named(models: Path, text: str) -> None:
    (models / "reports" / "damaged.json").write_text(text, encoding="utf-8")
    evidence = read_evidence(models)
    assert len(evidence.reports) == 5
    assert evidence.problems == ("One report is not shown because it cannot be read: damaged.json.",)


@pytest.mark.parametrize(
    ("file", "what"),
    [
        ("published.json", "The published figures cannot be read"),
        ("datasets.json", "The description of the data sets cannot be read"),
        ("small/history.csv", "The learning curves cannot be read"),
        ("small/record.json", "The learning curves cannot be read"),
    ],
)
def test_other_damaged_files_are_a_sentence(models: Path, file: str, what: str) -> None:
    (models / file).write_text("nothing,of\nthe", encoding="utf-8")
    evidence = read_evidence(models)
    assert len(evidence.reports) == 5
    assert [problem.split(" (")[0] for problem in evidence.problems] == [what]


def test_the_fingerprint_notices_a_change(models: Path) -> None:
    before = fingerprint(models)
    assert before == fingerprint(models)
    write_report(models, replace(utkface_report(), date="2026-02-03T00:00"))
    assert before != fingerprint(models)


# -------------------------------------------------------------------------------------------------------------- tables


def test_csv_holds_bare_values_and_html_written_ones() -> None:
    table = Table("Shares <all>", (Column("Name"), Column("Right", percent)), (("a, b", 0.123456789), ("c", None)))
    assert list(csv.reader(io.StringIO(table.to_csv().decode("utf-8-sig")))) == [
        ["Name", "Right"],
        ["a, b", "0.123457"],
        ["c", ""],
    ]
    html = table.to_html()
    assert ">12.3%</td>" in html
    assert "<th scope='row' class='ft-cell'>a, b</th>" in html
    assert "<caption>Shares &lt;all&gt;</caption>" in html
    assert ">–</td>" in html


# -------------------------------------------------------------------------------------------------------------- origin


def test_provenance_names_data_protocol_weights_date_and_code() -> None:
    report = utkface_report()
    sha = report.weights_sha256[WEIGHTS_FILE]
    told = provenance(report)
    for part in ("facetraits (accurate)", "UTKFace", "test split", "300 pictures", "2026-01-02", "0123456", sha[:12]):
        assert part in told.line
    assert sha not in told.line
    facts = dict(told.facts)
    assert facts[f"Checksum (SHA-256) of {WEIGHTS_FILE}"] == sha
    assert facts["Version of the code"] == report.commit
    assert "protocol crops" in facts["How it was measured"]


def test_models_are_listed_ours_first() -> None:
    reports = [peer_report(), reference_report(), utkface_report("small", "member"), utkface_report()]
    names = [choice_words(report) for report in reports_of(reports, ["gender"])]
    assert names == ["facetraits (accurate)", "small", "other-package 1.2.3"]
    photos = replace(utkface_report(), protocol="photos")
    assert choice_words(photos) == "facetraits (accurate), whole pictures"
    assert report_key(photos) != report_key(utkface_report())
    assert reports_of([replace(utkface_report(), split="validation")], ["gender"]) == []


# --------------------------------------------------------------------------------------------------------- leaderboard


def test_the_leaderboard_tells_who_leads_and_where_we_stand(models: Path) -> None:
    evidence = read_evidence(models)
    figure = FIGURE["gender"]
    rows = leaderboard(figure, evidence.reports, evidence.published)
    sentence = leaderboard_sentence(rows, figure)
    measured = [row for row in rows if row.report is not None]
    assert f"of {len(measured)} models measured on the same pictures, {row_name(measured[0])} does" in sentence
    assert "(higher is better)" in sentence
    assert [dot.kind for dot in leaderboard_dots(rows, figure, {})] == [row.kind for row in rows]
    assert "Nobody" in leaderboard_sentence([], figure)
    assert "only" in leaderboard_sentence(measured[:1], figure)


def test_published_figures_are_marked_and_have_no_interval(models: Path) -> None:
    evidence = read_evidence(models)
    rows = leaderboard(FIGURE["gender"], evidence.reports, evidence.published)
    table = leaderboard_table(rows, FIGURE["gender"], evidence.systems, {})
    (published,) = [row for row in table.rows if row[0] == "Somebody"]
    assert published[1:] == (
        "Published by others, not measured here",
        0.97,
        None,
        None,
        None,
        "their pictures (a paper)",
    )
    said = next(dot.said for dot in leaderboard_dots(rows, FIGURE["gender"], {}) if dot.kind == "published")
    assert "not measured here" in said


def test_a_reference_model_names_its_system(models: Path) -> None:
    evidence = read_evidence(models)
    rows = leaderboard(FIGURE["age_group"], evidence.reports)
    table = leaderboard_table(rows, FIGURE["age_group"], evidence.systems, {})
    assert {row[0]: row[-1] for row in table.rows}["age-upload-predictor"] == "from upload-predictor"
    unfinished = {"age-upload-predictor": "still improving"}
    table = leaderboard_table(rows, FIGURE["age_group"], evidence.systems, unfinished)
    assert {row[0]: row[-1] for row in table.rows}["age-upload-predictor"] == "from upload-predictor; still improving"
    assert "age-upload-predictor" in unfinished_sentence(rows, unfinished)
    assert unfinished_sentence(rows, {}) == ""
    for system, shown in (("upload-predictor", "age-upload-predictor"), ("other", "age-upload-predictor (of other)")):
        dots = leaderboard_dots(rows, FIGURE["age_group"], {"age-upload-predictor": system})
        assert shown in [dot.name for dot in dots]


@pytest.mark.parametrize(
    ("commit", "words"),
    [("0123456789", "0123456"), ("0123456789-dirty", "0123456 with later changes"), ("", "of an unknown version")],
)
def test_the_code_is_named_with_whether_it_was_changed(commit: str, words: str) -> None:
    assert code_words(commit) == words


# ---------------------------------------------------------------------------------------------------- confusion matrix


@pytest.mark.parametrize(
    ("truth", "answer", "norm", "sentence"),
    [
        ("sad", "happy", "rows", "Of 10 faces labelled sad, 3 (30%) were taken for happy."),
        ("sad", "sad", "counts", "Of 10 faces labelled sad, 7 (70%) were recognised."),
        ("sad", "happy", "columns", "Of 43 faces answered with happy, 3 (7%) were in truth labelled sad."),
        ("sad", "sad", "columns", "Of 7 faces answered with sad, 7 (100%) were indeed labelled so."),
    ],
)
def test_a_cell_is_a_sentence(truth: str, answer: str, norm: str, sentence: str) -> None:
    assert answers.cell_sentence(COUNTS, truth, answer, norm) == sentence


@pytest.mark.parametrize(
    ("norm", "shares"),
    [("counts", [7 / 40, 3 / 40, 0, 1]), ("rows", [0.7, 0.3, 0, 1]), ("columns", [1, 3 / 43, 0, 40 / 43])],
)
def test_cells_are_normalised(norm: str, shares: list[float]) -> None:
    cells = answers.cells(COUNTS, norm)
    assert [cell["n"] for cell in cells] == [7, 3, 0, 40]
    assert [cell["share"] for cell in cells] == pytest.approx(shares)


def test_a_class_that_never_occurs_divides_by_nothing() -> None:
    counts = ClassCounts(("a", "b"), ((5, 0), (0, 0)), (5,), (5,), (5.0,), 0.0, 0.0)
    assert [cell["share"] for cell in answers.cells(counts, "columns")] == [1, 0, 0, 0]
    assert answers.most_confused(counts) is None


def test_the_most_frequent_mistake_is_one_of_a_class_with_enough_faces() -> None:
    counts = replace(COUNTS, confusion=((7, 3), (4, 36)))
    assert answers.most_confused(counts) == ("happy", "sad")


def test_undetected_faces_are_mentioned() -> None:
    assert "no face was found" not in answers.confusion_sentence(COUNTS)
    told = answers.confusion_sentence(replace(COUNTS, undetected=50))
    assert told.startswith("47.0% of 100 faces")
    assert "In 50 pictures no face was found" in told


def test_the_tables_of_the_matrix_equal_its_counts() -> None:
    assert answers.confusion_table(COUNTS).rows == (("sad", 7, 3), ("happy", 0, 40))
    assert answers.class_table(COUNTS).rows[0] == ("sad", 0.7, 1.0, pytest.approx(14 / 17), 10)


# ---------------------------------------------------------------------------------------------------------- confidence


def test_bins_hold_claim_and_truth() -> None:
    (bin_,) = answers.reliability_bins(COUNTS)
    assert (bin_["low"], bin_["high"], bin_["n"]) == (0.5, 1.0, 50)
    assert (bin_["confidence"], bin_["accuracy"]) == (0.9, 0.94)
    assert answers.reliability_table([bin_]).rows == ((0.5, 1.0, 50, 0.9, 0.94),)


@pytest.mark.parametrize(
    ("claimed", "verdict"), [(45.0, "too little"), (49.0, "too much"), (47.2, "neither too much nor too little")]
)
def test_confidence_is_judged(claimed: float, verdict: str) -> None:
    assert f"claims {verdict}" in answers.confidence_sentence(replace(COUNTS, bin_confidence=(0.0, claimed)))


# ----------------------------------------------------------------------------------------------------------------- age


def test_ages_are_binned_by_label_and_estimate() -> None:
    spread, means = answers.age_cells([(1, 2, 8), (3, 12, 2), (100, 99, 1)], 5)
    assert [(c["truth"], c["estimate"], c["n"], c["share"]) for c in spread] == [
        (0, 0, 8, 0.8),
        (0, 10, 2, 0.2),
        (95, 95, 1, 1.0),
    ]
    assert means == [{"truth": 2.5, "estimate": 4.0}]  # one face of 100 years is no mean
    assert "95 or older" in spread[-1]["said"]
    assert sum(row[4] for row in answers.age_cell_table(spread, 5).rows) == 11


def test_the_age_table_equals_the_report() -> None:
    report = utkface_report()
    rows = {row[0]: row for row in answers.age_table(report.ages).rows}
    assert rows["All ages"][1] == report.ages["all"].mae
    assert rows["Ages 21-60"][-1] == report.ages["21-60"].n
    assert f"{report.ages['all'].mae:.1f} years on average" in answers.age_sentence(report.ages)
    points = answers.score_points([report, fer2013_report()])
    assert answers.score_table(points).rows[0][3] == report.ages["all"].cumulative_score(5)
    assert {point["model"] for point in points} == {"facetraits (accurate)"}


@pytest.mark.parametrize(("trait", "word"), [("age", "five years at most"), ("gender", "of 100 faces get the gender")])
def test_the_headline_needs_no_statistics(trait: str, word: str) -> None:
    assert word in answers.plain_words(utkface_report(), trait)


# ------------------------------------------------------------------------------------------------------------ fairness


def group(name: str, value: float, n: int, width: float = 0.01) -> GroupRow:
    return GroupRow({"gender": name}, Measured(value, value - width, value + width, n), n >= 30)


def test_the_worst_group_is_named_and_small_ones_are_not_compared() -> None:
    rows = [group("a", 0.9, 100), group("b", 0.8, 50), group("c", 0.1, 5)]
    figure = FIGURE["gender"]
    gap = largest_gap(rows, figure)
    sentence = fairness_sentence(gap, figure, compared=2)
    assert sentence.startswith("Worst for b: 80.0%; best for a: 90.0%. The largest gap is 10.0 percentage points.")
    assert "chance alone hardly explains it" in sentence
    assert "ends of 25 groups" in fairness_sentence(gap, figure, compared=25)
    assert [dot.kind for dot in group_dots(rows, figure, gap)] == ["group", "worst", "few"]
    assert [row[-1] for row in fairness_table(rows, figure).rows] == [True, True, False]
    assert "no, too few" in fairness_table(rows, figure).to_html()


def test_a_gap_within_the_intervals_may_be_chance() -> None:
    gap = largest_gap([group("a", 0.9, 100, 0.1), group("b", 0.8, 50, 0.1)], FIGURE["gender"])
    assert "chance may explain it" in fairness_sentence(gap, FIGURE["gender"], 2)
    assert "enough people" in fairness_sentence(None, FIGURE["gender"], 0)


# ------------------------------------------------------------------------------------------------------ training, data


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
    assert "The weights of epoch 3 were kept: at the end" in training.curve_sentence(last)


def test_metrics_are_those_of_the_trait() -> None:
    trained = run((1.0,))
    assert training.metrics_of(trained, "gender") == ["loss", "gender_categorical_accuracy"]
    assert training.metrics_of(trained, "age") == ["loss", "age_age_error"]
    words = [training.metric_words(name, trained) for name in trained.metrics]
    assert words == [
        "Loss (what training makes small)",
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
