"""``analyze``: where the results go, and what is left when it is stopped or cannot write."""

import csv
import io
import json
import os
import subprocess
import sys

import pyarrow.parquet
import pytest

from facetraits.cli import main
from facetraits.registry import ModelIntegrityError
from facetraits.tables import NO_FACE, csv_cell, csv_columns
from facetraits.traits import TRAITS
from tests.builders import ROOT


def table(text):
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert tuple(csv.DictReader(io.StringIO(text)).fieldnames) == csv_columns()
    return rows


def test_csv_has_a_row_per_face_and_one_for_each_picture_without(put, capsys, tmp_path):
    for name in ("group.png", "coffee.png", "broken.jpg"):
        put(name)
    assert main(["analyze", str(tmp_path), "--format", "csv"]) == 1
    rows = table(capsys.readouterr().out)
    assert [(os.path.basename(row["path"]), row["face"]) for row in rows] == [
        ("broken.jpg", ""),
        ("coffee.png", ""),
        ("group.png", "1"),
        ("group.png", "2"),
    ]
    assert "broken" in rows[0]["error"]
    assert rows[1]["error"] == NO_FACE
    assert rows[2]["gender"] == "female"


@pytest.mark.parametrize(
    ("name", "options", "form"),
    [
        ("out.jsonl", (), "jsonl"),
        ("out", (), "jsonl"),
        ("out.csv", (), "csv"),
        ("OUT.CSV", (), "csv"),
        ("out.txt", ("--format", "csv"), "csv"),
        ("out.csv", ("--format", "jsonl"), "jsonl"),
    ],
)
def test_out_is_written_instead_of_the_terminal(analyze, put, tmp_path, name, options, form):
    out = tmp_path / name
    out.write_text("what was there before " * 1000)
    picture = put("face.jpg", "in/Zoë.jpg")
    code, _, err = analyze(picture, "--out", out, *options)
    assert (code, err) == (2, f"facetraits: {out} is there already; --force replaces it\n")
    assert out.read_text().startswith("what was there before")
    code, records, err = analyze(picture, "--out", out, "--force", *options)
    assert (code, records, err) == (0, [], "")
    text = out.read_bytes().decode("utf-8")
    assert "\r" not in text
    path = table(text)[0]["path"] if form == "csv" else json.loads(text)["path"]
    assert path.endswith("Zoë.jpg")


def test_out_and_the_terminal_get_the_same(put, capsys, tmp_path):
    path, out = str(put("face.jpg")), tmp_path / "out.jsonl"
    main(["analyze", path])
    main(["analyze", path, "--out", str(out)])
    assert out.read_text("utf-8") == capsys.readouterr().out


@pytest.mark.parametrize("where", ["nowhere/out.jsonl", "folder", "a.txt/out.csv"])
def test_an_output_that_cannot_be_written_is_said(analyze, put, tmp_path, fake, where):
    (tmp_path / "folder").mkdir()
    (tmp_path / "a.txt").touch()
    out = tmp_path / where
    code, records, err = analyze(put("coffee.png"), "--out", out)
    assert (code, records, fake.calls) == (2, [], [])
    assert err.startswith(f"facetraits: cannot write to {out}: ")


@pytest.mark.parametrize("as_folder", [False, True])
def test_out_never_overwrites_a_picture_that_is_to_be_read(analyze, put, tmp_path, loaded, as_folder):
    path = put("coffee.png", "picture.dat")
    (tmp_path / "link.png").symlink_to(path)
    before = path.read_bytes()
    code, records, err = analyze(tmp_path if as_folder else path, "--out", path)
    assert (code, records, loaded) == (2, [], [])
    assert err.startswith(f"facetraits: --out names a picture, {path}, which would be overwritten")
    assert path.read_bytes() == before


def test_damaged_models_are_said_and_leave_earlier_results(analyze, put, tmp_path, monkeypatch):
    def load(models_dir=None, profile="accurate", threads=2, callers=1):
        raise ModelIntegrityError("The model models/age/network.tflite was changed.")

    monkeypatch.setattr("facetraits.cli.analyze.load_analyzer", load)
    out = tmp_path / "out.jsonl"
    out.write_text("earlier")
    code, records, err = analyze(put("coffee.png"), "--out", out, "--force")
    assert (code, records) == (3, [])
    assert err == "facetraits: The model models/age/network.tflite was changed.\n"
    assert out.read_text() == "earlier"


def test_stopping_keeps_what_was_finished(analyze, put, tmp_path, fake, monkeypatch, one_thread):
    for name in ("a.png", "b.png", "c.png"):
        put("coffee.png", name)
    really = fake.analyze

    def stopped_at_the_second(image, traits=TRAITS):
        if fake.calls:
            raise KeyboardInterrupt
        return really(image, traits)

    monkeypatch.setattr(fake, "analyze", stopped_at_the_second)
    code, records, err = analyze(tmp_path)
    assert code == 130
    assert [os.path.basename(record["path"]) for record in records] == ["a.png"]
    assert err == "facetraits: stopped; what was finished before has been written\n"


@pytest.mark.parametrize("form", ["jsonl", "csv"])
def test_a_run_that_was_stopped_goes_on_where_it_was(analyze, put, tmp_path, fake, monkeypatch, one_thread, form):
    names = ["=a.png", "b.png", "c.png", "Zoë.png"]
    for name in names:
        put("face.jpg", f"in/{name}")
    whole, out = tmp_path / f"whole.{form}", tmp_path / f"out.{form}"
    assert analyze(tmp_path / "in", "--out", whole)[0] == 0
    really, calls = fake.analyze, []

    def stopped_at_the_third(image, traits=TRAITS):
        calls.append(image)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return really(image, traits)

    monkeypatch.setattr(fake, "analyze", stopped_at_the_third)
    code, _, err = analyze(tmp_path / "in", "--out", out)
    part = tmp_path / f"out.{form}.part"
    assert (code, out.exists(), part.exists()) == (130, False, True)
    assert f"the results so far are in {part}; --resume goes on from there" in err
    with part.open("a") as stream:
        stream.write('{"path": "cut in the mid')  # by the end of the power
    monkeypatch.setattr(fake, "analyze", really)
    before = len(fake.calls)
    assert analyze(tmp_path / "in", "--out", out, "--resume")[0] == 0
    assert out.read_bytes() == whole.read_bytes()
    assert len(fake.calls) - before in (2, 3), "what was finished is not asked again; the last one may be"
    assert not part.exists()


def test_resume_needs_something_to_go_on_with(analyze, put, tmp_path):
    path, out = put("coffee.png"), tmp_path / "out.jsonl"
    assert analyze(path, "--out", out, "--resume")[::2] == (
        2,
        f"facetraits: there is no {out}.part, in which a run that was stopped leaves its results\n",
    )
    assert analyze(path, "--resume")[::2] == (2, "facetraits: --resume and --force need --out FILE\n")
    (tmp_path / "out.jsonl.part").write_text("no results\n")
    assert "cannot be read as the results of a run" in analyze(path, "--out", out, "--resume")[2]


def test_parquet_has_the_rows_of_csv(analyze, put, tmp_path):
    for name in ("group.png", "coffee.png", "broken.jpg"):
        put(name, f"in/{name}")
    out = tmp_path / "out.parquet"
    assert analyze(tmp_path / "in", "--out", out)[0] == 1
    assert main(["analyze", str(tmp_path / "in"), "--out", str(tmp_path / "out.csv")]) == 1
    found = pyarrow.parquet.read_table(out)
    assert tuple(found.column_names) == csv_columns()
    cells = [
        {name: "" if value is None else str(csv_cell(value)) for name, value in row.items()}
        for row in found.to_pylist()
    ]
    assert cells == table((tmp_path / "out.csv").read_text())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "out.csv", "out.parquet"]


def test_a_run_for_parquet_that_was_stopped_goes_on(analyze, put, tmp_path, fake, monkeypatch, one_thread):
    for name in ("a.png", "b.png", "c.png"):
        put("face.jpg", f"in/{name}")
    really, calls = fake.analyze, []

    def stopped_at_the_third(image, traits=TRAITS):
        calls.append(image)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return really(image, traits)

    out = tmp_path / "out.parquet"
    monkeypatch.setattr(fake, "analyze", stopped_at_the_third)
    assert analyze(tmp_path / "in", "--out", out)[0] == 130
    assert not out.exists()
    monkeypatch.setattr(fake, "analyze", really)
    assert analyze(tmp_path / "in", "--out", out, "--resume")[0] == 0
    paths = pyarrow.parquet.read_table(out)["path"].to_pylist()
    assert [os.path.basename(path) for path in paths] == ["a.png", "b.png", "c.png"]


def test_parquet_needs_a_file(analyze, put):
    path = put("coffee.png")
    assert analyze(path, "--format", "parquet")[::2] == (2, "facetraits: --format parquet needs --out FILE\n")
    assert analyze(path, "--format", "parquet", "--out", "/dev/null")[::2] == (
        2,
        "facetraits: cannot write Parquet to /dev/null: it is no file\n",
    )


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no /dev/full")
@pytest.mark.parametrize("to_file", [False, True])
def test_a_full_disk_is_a_sentence(put, to_file):
    command = [sys.executable, "-m", "facetraits", "analyze", str(put("coffee.png")), "--profile", "fast"]
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [*command, *(["--out", "/dev/full"] if to_file else [])],
            cwd=ROOT,
            stdout=subprocess.DEVNULL if to_file else full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=120,
        )
    assert done.returncode == 2
    assert "No space left on device" in done.stderr and "Traceback" not in done.stderr


def test_a_reader_that_goes_away_ends_the_command_quietly(put):
    path = put("coffee.png")
    code = (
        "import sys; from facetraits.cli import analyze, main; from tests.builders import FakeAnalyzer;"
        "analyze.load_analyzer = lambda **_: FakeAnalyzer(); sys.exit(main(['analyze', sys.argv[1]]))"
    )
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = subprocess.run(
            [sys.executable, "-c", code, path], cwd=ROOT, stdout=writing, stderr=subprocess.PIPE, text=True, timeout=120
        )
    finally:
        os.close(writing)
    assert (done.returncode, done.stderr) == (141, "")
