"""Wrong requests, help, and an installation without what trains."""

import os
import subprocess
import sys

import pytest

from facetraits.cli import main
from tests.builders import ROOT


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--traits", "height"), "unknown trait 'height'; the traits are age, gender, ethnicity, expression"),
        (("--traits", "age,Gender"), "unknown trait 'Gender'"),
        (("--traits", " , "), "--traits names none; the traits are age, gender, ethnicity, expression"),
        (("--out", "holiday.JPG"), "--out names a picture, holiday.JPG, which would be overwritten"),
        (("nowhere.png",), "there is no file or folder nowhere.png"),
        (("s3://bucket/",), "s3://bucket/ is not on this machine; --engine ray reads it"),
        (("--address", "127.0.0.1:6379"), "--address needs --engine ray"),
    ],
)
def test_wrong_requests_do_nothing_and_say_why(analyze, put, loaded, tmp_path, monkeypatch, options, message):
    path = put("coffee.png", "in/a.png")
    monkeypatch.chdir(tmp_path)
    code, records, err = analyze(path, *options)
    assert (code, records, loaded) == (2, [], [])
    assert err.startswith(f"facetraits: {message}")
    assert os.listdir(tmp_path) == ["in"]


def test_a_folder_without_pictures_is_said(analyze, tmp_path, loaded):
    (tmp_path / "notes.txt").write_text("nothing here")
    code, records, err = analyze(tmp_path)
    assert (code, records, loaded) == (2, [], [])
    assert err.splitlines() == [
        "facetraits: 1 file is no picture and was left out",
        f"facetraits: no pictures found in {tmp_path}",
    ]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "required: COMMAND"),
        (["analyse"], "invalid choice"),
        (["analyze"], "required: PATH"),
        (["analyze", "a.png", "--format", "xml"], "invalid choice: 'xml'"),
        (["analyze", "a.png", "--profile", "slow"], "invalid choice: 'slow'"),
    ],
)
def test_wrong_usage_exits_with_two(capsys, arguments, words):
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2
    assert words in capsys.readouterr().err


def test_help_names_the_exit_codes(capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["analyze", "--help"])
    assert stopped.value.code == 0
    assert "3 models missing or damaged" in " ".join(capsys.readouterr().out.split())


def test_the_engine_for_clusters_says_what_it_needs(analyze, put, monkeypatch, tmp_path):
    path = put("coffee.png", "in/a.png")
    monkeypatch.setattr("facetraits.cli.analyze.find_spec", lambda name: None)
    code, records, err = analyze(path, "--engine", "ray", "--out", tmp_path / "out")
    assert (code, records) == (2, [])
    assert err == ("facetraits: --engine ray needs the package ray; install what requirements-distributed.txt lists\n")
    assert os.listdir(tmp_path) == ["in"]


def test_an_installation_that_cannot_train_does_all_else(put, tmp_path):
    """The image that only serves has no package that trains."""
    code = (
        "import sys\n"
        "class Absent:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.startswith('facetraits.training'):\n"
        "            raise ModuleNotFoundError(f'No module named {name!r}', name=name)\n"
        "sys.meta_path.insert(0, Absent())\n"
        "from facetraits.cli import main\n"
        "sys.exit(main(sys.argv[1:]))"
    )

    def run(*arguments):
        done = subprocess.run(
            [sys.executable, "-c", code, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=120
        )
        assert "Traceback" not in done.stderr
        return done

    shown = run("--help")
    assert shown.returncode == 0
    assert "watch" in shown.stdout and "analyze" in shown.stdout and "train" not in shown.stdout
    assert run("watch", str(tmp_path / "gone.mp4")).stderr == f"facetraits: There is no file {tmp_path / 'gone.mp4'}.\n"
    assert run("train").returncode == 2
