"""A folder of results: whatever moment a run is killed at, the next one finds neither half a part nor a row twice."""

import contextlib
import csv
import json
import os
from pathlib import Path

import pytest

pytest.importorskip("filelock", reason="the extra `distributed` is not installed")

import pyarrow.parquet

from facetraits.batch import parts
from facetraits.batch.formats import FORMATS, as_text, encoded
from facetraits.batch.parts import Results, Rows
from facetraits.errors import UserError
from facetraits.tables import picture_record
from tests.builders import make_face, make_result

ASKED = {"profile": "fast", "traits": ("age", "gender")}


def rows(form, *names, faces=1):
    """Rows of pictures, each with so many faces, and as size the length of the name."""
    records = [
        picture_record(name, make_result(*(make_face(left=90 * i) for i in range(faces))), None) for name in names
    ]
    return Rows([(name, len(name)) for name in names], encoded(records, form))


def opened(folder, form="jsonl", **options):
    return Results(folder, form, ASKED, **{"part_inputs": 2, "part_s": 1e9, **options})


def paths_in(folder, form):
    """The path of each row, of all parts."""
    found = []
    for part in sorted(folder.glob(f"part-*.{form}")):
        if form == "parquet":
            found += pyarrow.parquet.read_table(part)["path"].to_pylist()
        elif form == "csv":
            found += [row["path"] for row in csv.DictReader(part.open(newline=""))]
        else:
            records = map(json.loads, part.open())
            found += [record["path"] for record in records for _ in record["faces"]]
    return found


def finished(folder, form="jsonl"):
    with opened(folder, form, resume=True) as results:
        return {name: size for _, inputs in results.finished() for name, size in inputs}


@pytest.mark.parametrize("form", FORMATS)
def test_parts_are_written_when_they_are_full_and_at_the_end(tmp_path, form):
    out = tmp_path / "out"
    with opened(out, form) as results:
        results.add(rows(form, "a.jpg"))
        assert paths_in(out, form) == []
        results.add(rows(form, "bb.jpg", faces=2))
        assert paths_in(out, form) == ["a.jpg", "bb.jpg", "bb.jpg"]
        results.add(rows(form, "c.jpg"))
    assert paths_in(out, form) == ["a.jpg", "bb.jpg", "bb.jpg", "c.jpg"]
    assert finished(out, form) == {"a.jpg": 5, "bb.jpg": 6, "c.jpg": 5}


def test_a_folder_of_parquet_is_read_as_one_table(tmp_path):
    with opened(tmp_path / "out", "parquet") as results:
        for name in "abc":
            results.add(rows("parquet", name))
    table = pyarrow.parquet.read_table(tmp_path / "out")
    assert table["path"].to_pylist() == ["a", "b", "c"]


def test_time_ends_a_part_too(tmp_path):
    with opened(tmp_path / "out", part_inputs=1000, part_s=-1) as results:
        results.add(rows("jsonl", "a.jpg"))
        assert paths_in(tmp_path / "out", "jsonl") == ["a.jpg"]


@pytest.mark.parametrize("form", FORMATS)
def test_rows_of_changed_files_are_taken_out(tmp_path, form):
    out = tmp_path / "out"
    with opened(out, form, part_inputs=9) as results:
        results.add(rows(form, "a.jpg", "=b.jpg", "caf\udce9.jpg", "d.jpg", faces=2))
    with opened(out, form, resume=True) as results:
        ((part, _),) = results.finished()
        results.drop(part, {"=b.jpg", "caf\udce9.jpg"})
        results.add(rows(form, "=b.jpg"))
    shown = "'=b.jpg" if form == "csv" else "=b.jpg"
    assert sorted(paths_in(out, form)) == sorted(["a.jpg", "a.jpg", "d.jpg", "d.jpg", shown])
    assert finished(out, form) == {"a.jpg": 5, "d.jpg": 5, "=b.jpg": 6}


class Killed(BaseException):
    """The process is gone: nothing that would follow happens."""


def _killed_at(monkeypatch, work, step, out):
    """Do ``work``, of which the process is killed before a step that changes the file system; gives the steps done."""
    done = 0

    def counted(really):
        def change(*arguments, **options):
            nonlocal done
            if done == step:
                raise Killed
            done += 1
            return really(*arguments, **options)

        return change

    with monkeypatch.context() as patch:
        for name in ("replace", "unlink"):
            patch.setattr(Path, name, counted(getattr(Path, name)))
        patch.setattr(Path, "write_bytes", counted(Path.write_bytes))
        patch.setattr(parts, "write_part", counted(parts.write_part))
        patch.setattr(Results, "__exit__", lambda self, *_: self._lock.release())  # nobody tidies up after a kill
        with contextlib.suppress(Killed):
            work(out)
    return done


@pytest.mark.parametrize("form", FORMATS)
def test_a_run_that_is_killed_anywhere_leaves_no_gap_and_no_double(tmp_path, monkeypatch, form):
    def first(out):
        with opened(out, form) as results:
            for names in (("a.jpg", "bb.jpg"), ("c.jpg", "dd.jpg")):
                results.add(rows(form, *names))

    steps = _killed_at(monkeypatch, first, 1_000, tmp_path / "whole")
    assert steps > 8
    for step in range(steps):
        out = tmp_path / f"out-{step}"
        _killed_at(monkeypatch, first, step, out)
        resume = (out / "_run.json").exists()
        with opened(out, form, resume=resume) as results:
            there = {name for _, inputs in results.finished() for name, _ in inputs}
            results.add(rows(form, *({"a.jpg", "bb.jpg", "c.jpg", "dd.jpg"} - there)))
        assert sorted(paths_in(out, form)) == ["a.jpg", "bb.jpg", "c.jpg", "dd.jpg"], step
        assert not list(out.glob("_writing*"))


def test_rows_that_are_replaced_while_the_run_is_killed_are_neither_lost_nor_doubled(tmp_path, monkeypatch):
    def drop(out):
        with opened(out, resume=True) as results:
            ((part, _),) = results.finished()
            results.drop(part, {"a.jpg"})

    seen = []
    for step in range(100):
        out = tmp_path / f"out-{step}"
        with opened(out, part_inputs=9) as results:
            results.add(rows("jsonl", "a.jpg", "bb.jpg"))
        steps = _killed_at(monkeypatch, drop, step, out)
        listed = finished(out)
        assert sorted(paths_in(out, "jsonl")) == sorted(listed), "every row has its input in a list, once"
        seen.append(sorted(listed))
        if steps < step:
            break
    assert seen == sorted(seen), "first the old rows, then the new ones"
    assert (seen[0], seen[-1]) == (["a.jpg", "bb.jpg"], ["bb.jpg"])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "holds results already; --resume goes on with them, --force replaces them"),
        ({"resume": True, "form": "csv"}, "were made with another choice of format; repeat the command"),
    ],
)
def test_results_that_are_there_are_kept(tmp_path, options, words):
    with opened(tmp_path / "out") as results:
        results.add(rows("jsonl", "a.jpg"))
    with pytest.raises(UserError, match=words):
        opened(tmp_path / "out", **options)
    assert paths_in(tmp_path / "out", "jsonl") == ["a.jpg"]


def test_another_request_does_not_go_on(tmp_path):
    with opened(tmp_path / "out"):
        pass
    with pytest.raises(UserError, match="another choice of profile and traits"):
        Results(tmp_path / "out", "jsonl", {"profile": "accurate", "traits": ("age",)}, resume=True)


def test_force_replaces_results_and_nothing_else(tmp_path):
    with opened(tmp_path / "out") as results:
        results.add(rows("jsonl", "a.jpg"))
    (tmp_path / "out" / "notes.txt").touch()
    with opened(tmp_path / "out", force=True) as results:
        results.add(rows("jsonl", "b.jpg"))
    assert paths_in(tmp_path / "out", "jsonl") == ["b.jpg"]
    assert (tmp_path / "out" / "notes.txt").exists()


def test_a_folder_with_other_files_is_left_alone(tmp_path):
    (tmp_path / "photo.jpg").touch()
    with pytest.raises(UserError, match="holds other files; name a new folder"):
        opened(tmp_path)
    with pytest.raises(UserError, match="holds no results of a run that was stopped"):
        opened(tmp_path, resume=True)
    with pytest.raises(UserError, match="it is a file"):
        opened(tmp_path / "photo.jpg")
    assert os.listdir(tmp_path) == ["photo.jpg"]


def test_a_run_that_found_nothing_is_in_nobodys_way(tmp_path):
    with opened(tmp_path / "out"):
        pass
    with opened(tmp_path / "out", "csv") as results:
        results.add(rows("csv", "a.jpg"))
    assert paths_in(tmp_path / "out", "csv") == ["a.jpg"]


def test_one_run_at_a_time(tmp_path):
    with opened(tmp_path / "out"), pytest.raises(UserError, match="another run writes to"):
        opened(tmp_path / "out", resume=True)


def test_a_list_that_is_damaged_is_said(tmp_path):
    with opened(tmp_path / "out") as results:
        results.add(rows("jsonl", "a.jpg"))
    (listed,) = (tmp_path / "out" / "_finished").iterdir()
    listed.write_bytes(b"no list")
    with pytest.raises(UserError, match=r"json\.gz is damaged"):
        opened(tmp_path / "out", resume=True)


def test_a_path_that_is_no_text_is_escaped():
    assert as_text("caf\udce9.jpg") == "caf\\udce9.jpg"
