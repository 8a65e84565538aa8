import csv
import io
import json
import os
import shutil
import subprocess
import sys

import cv2
import pytest
from PIL import Image

from facetraits.cli import main
from facetraits.registry import ModelIntegrityError
from facetraits.tables import NO_FACE, csv_columns
from facetraits.traits import TRAITS
from tests.builders import ROOT, FakeAnalyzer, photo_of_many, photo_of_one, photo_without_faces


@pytest.fixture(scope="module")
def fake():
    return FakeAnalyzer()


@pytest.fixture(autouse=True)
def loaded(monkeypatch, fake):
    """The stand-in is what the command loads; the list holds the profiles that were asked for."""
    profiles = []

    def load(models_dir=None, profile="accurate"):
        profiles.append(profile)
        return fake

    fake.calls.clear()
    monkeypatch.setattr("facetraits.cli.analyze.load_analyzer", load)
    return profiles


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """One small file of each kind, to be copied where a test wants it."""
    folder = tmp_path_factory.mktemp("photos")
    Image.fromarray(photo_of_one()[:290, 80:370]).save(folder / "face.jpg", quality=95)
    Image.fromarray(photo_of_many(2, width=640)).save(folder / "group.png")
    Image.fromarray(cv2.resize(photo_without_faces(), (150, 100))).save(folder / "coffee.png")
    (folder / "broken.jpg").write_bytes((folder / "face.jpg").read_bytes()[:600])
    return folder


@pytest.fixture
def put(photos, tmp_path):
    """Put one of ``photos`` at a path below ``tmp_path``."""

    def copy(name, path=None):
        target = tmp_path / (path or name)
        target.parent.mkdir(parents=True, exist_ok=True)
        return shutil.copy(photos / name, target)

    return copy


@pytest.fixture
def analyze(capsys):
    """Run the command; exit code, the objects of its lines and what it says on stderr."""

    def run(*arguments):
        code = main(["analyze", *map(str, arguments)])
        out, err = capsys.readouterr()
        return code, [json.loads(line) for line in out.splitlines()], err

    return run


def table(text):
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert tuple(csv.DictReader(io.StringIO(text)).fieldnames) == csv_columns()
    return rows


def names_in(folder):
    return sorted(os.listdir(folder))


def test_one_picture_is_one_line_with_the_keys_of_the_contract(analyze, put):
    path = put("face.jpg")
    code, (record,), err = analyze(path)
    assert (code, err) == (0, "")
    assert list(record) == ["path", "width", "height", "error", "faces"]
    assert (record["path"], record["width"], record["height"], record["error"]) == (str(path), 290, 290, None)
    (face,) = record["faces"]
    assert list(face) == ["box_xyxy", "score", "landmarks", "quality", *TRAITS, "mood"]
    assert list(face["age"]) == ["years", "interval", "coverage", "unsure", "group", "groups"]
    for trait in ("gender", "ethnicity", "expression", "mood"):
        assert list(face[trait]) == ["top1", "confidence", "unsure", "probabilities"]


def test_every_face_of_a_group_is_listed(analyze, put):
    code, (record,), _ = analyze(put("group.png"))
    assert code == 0
    assert len(record["faces"]) == 2


def test_a_picture_without_a_face_is_a_result(analyze, put):
    code, (record,), err = analyze(put("coffee.png"))
    assert (code, err) == (0, "")
    assert record["error"] == NO_FACE
    assert (record["width"], record["height"], record["faces"]) == (150, 100, [])


def test_what_cannot_be_read_has_a_reason_and_the_batch_goes_on(analyze, put, tmp_path):
    put("broken.jpg", "a.jpg")
    (tmp_path / "b.png").write_bytes(b"")
    (tmp_path / "c.png").write_text("no picture at all")
    (tmp_path / "d.png").symlink_to(tmp_path / "gone.png")
    put("coffee.png", "e.png")
    put("face.jpg", "f.jpg")
    code, records, err = analyze(tmp_path)
    assert code == 1
    assert err == "facetraits: 4 of 6 pictures could not be read; their rows say why\n"
    assert [os.path.basename(record["path"]) for record in records] == names_in(tmp_path)
    reasons = [record["error"] for record in records]
    for reason, words in zip(reasons[:4], ("JPEG picture is broken", "empty", "not a picture", "No such"), strict=True):
        assert words in reason
    assert reasons[4:] == [NO_FACE, None]
    assert all(record["width"] is None and record["faces"] == [] for record in records[:4])
    assert len(records[5]["faces"]) == 1


def test_nothing_but_broken_pictures_is_not_nothing_done(analyze, put):
    code, records, err = analyze(put("broken.jpg"))
    assert (code, len(records)) == (1, 1)
    assert "1 of 1 pictures" in err


def test_folders_are_walked_in_order_without_what_is_hidden(analyze, put, tmp_path):
    visible = ["Z.PNG", "b.png", "b10.jpeg", "sub/a.png", "sub/deeper/x.webp", "tub/a.bmp"]
    for name in (*reversed(visible), ".hidden.png", ".git/a.png", "sub/.thumbs/a.png", "notes.txt", "png"):
        put("coffee.png", name)
    code, records, _ = analyze(tmp_path)
    assert code == 0
    assert [os.path.relpath(record["path"], tmp_path) for record in records] == visible


def test_named_paths_keep_their_order_and_need_no_ending(analyze, put):
    paths = [put("coffee.png", name) for name in ("z.png", "a.png", ".hidden.png", "picture.dat")]
    code, records, _ = analyze(*paths)
    assert code == 0
    assert [record["path"] for record in records] == [str(path) for path in paths]
    assert {record["error"] for record in records} == {NO_FACE}


def test_a_picture_that_is_named_twice_is_analysed_once(analyze, put, fake, tmp_path):
    path = put("coffee.png", "a.png")
    (tmp_path / "b.png").symlink_to(path)
    _, records, _ = analyze(path, tmp_path, path)
    assert [record["path"] for record in records] == [str(path)]
    assert len(fake.calls) == 1


def test_a_folder_that_cannot_be_opened_is_a_row(analyze, put, tmp_path, monkeypatch):
    put("coffee.png", "a.png")
    put("coffee.png", "closed/b.png")
    scandir = os.scandir

    def guarded(path):
        if os.fspath(path).endswith("closed"):
            raise PermissionError(13, "Permission denied", os.fspath(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", guarded)
    code, records, _ = analyze(tmp_path)
    assert code == 1
    assert records[0]["error"] == NO_FACE
    assert records[1]["path"] == str(tmp_path / "closed")
    assert records[1]["error"] == "the folder could not be opened: Permission denied"


def test_paths_that_are_odd_survive(analyze, put):
    path = put("coffee.png", 'Zoë, "家族"\n.png')
    _, (record,), _ = analyze(path)
    assert record["path"] == str(path)


def test_a_path_that_is_no_text_is_written_nevertheless(analyze, put, tmp_path):
    path = os.fsencode(tmp_path) + b"/caf\xe9.png"
    try:
        shutil.copy(os.fsencode(put("coffee.png", "x/a.png")), path)
    except OSError:
        pytest.skip("this file system takes only names that are text")
    code, (record,), _ = analyze(os.fsdecode(path))
    assert code == 0
    assert record["path"].endswith("caf\udce9.png")


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


@pytest.mark.parametrize(
    ("listed", "traits"),
    [
        ("gender", ("gender",)),
        ("gender,age", ("age", "gender")),
        (" expression , ethnicity,", ("ethnicity", "expression")),
        ("age,age", ("age",)),
        (",".join(TRAITS), tuple(TRAITS)),
    ],
)
def test_only_traits_that_were_asked_for(analyze, put, fake, listed, traits):
    code, (record,), _ = analyze(put("face.jpg"), "--traits", listed)
    mood = ("mood",) if "expression" in traits else ()
    assert code == 0
    assert fake.calls == [traits]
    assert list(record["faces"][0]) == ["box_xyxy", "score", "landmarks", "quality", *traits, *mood]


def test_all_traits_and_the_accurate_profile_by_default(analyze, put, fake, loaded):
    path = put("coffee.png")
    analyze(path)
    analyze(path, "--profile", "fast")
    assert fake.calls == [tuple(TRAITS)] * 2
    assert loaded == ["accurate", "fast"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--traits", "height"), "unknown trait 'height'; the traits are age, gender, ethnicity, expression"),
        (("--traits", "age,Gender"), "unknown trait 'Gender'"),
        (("--traits", " , "), "--traits names none; the traits are age, gender, ethnicity, expression"),
        (("--out", "holiday.JPG"), "--out names a picture, holiday.JPG, which would be overwritten"),
        (("nowhere.png",), "there is no file or folder nowhere.png"),
    ],
)
def test_wrong_requests_do_nothing_and_say_why(analyze, put, loaded, tmp_path, monkeypatch, options, message):
    path = put("coffee.png", "in/a.png")
    monkeypatch.chdir(tmp_path)
    code, records, err = analyze(path, *options)
    assert (code, records, loaded) == (2, [], [])
    assert err.startswith(f"facetraits: {message}")
    assert names_in(tmp_path) == ["in"]


def test_a_folder_without_pictures_is_said(analyze, tmp_path, loaded):
    (tmp_path / "notes.txt").write_text("nothing here")
    code, records, err = analyze(tmp_path)
    assert (code, records, loaded) == (2, [], [])
    assert err == f"facetraits: no pictures found in {tmp_path}\n"


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
    def load(models_dir=None, profile="accurate"):
        raise ModelIntegrityError("The model models/age/network.tflite was changed.")

    monkeypatch.setattr("facetraits.cli.analyze.load_analyzer", load)
    out = tmp_path / "out.jsonl"
    out.write_text("earlier")
    code, records, err = analyze(put("coffee.png"), "--out", out, "--force")
    assert (code, records) == (3, [])
    assert err == "facetraits: The model models/age/network.tflite was changed.\n"
    assert out.read_text() == "earlier"


def test_stopping_keeps_what_was_finished(analyze, put, tmp_path, fake, monkeypatch):
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
def test_a_run_that_was_stopped_goes_on_where_it_was(analyze, put, tmp_path, fake, monkeypatch, form):
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


def test_pipes_devices_and_huge_files_are_said_and_end_nothing(analyze, put, tmp_path):
    put("coffee.png", "in/a.png")
    os.mkfifo(tmp_path / "in" / "b.png")
    with (tmp_path / "in" / "c.jpg").open("wb") as stream:
        stream.truncate(60 * 10**9)  # sparse: it takes no room
    (tmp_path / "in" / "d.png").symlink_to("/dev/zero")
    code, records, err = analyze(tmp_path / "in")
    assert code == 1
    assert [record["error"] for record in records] == [
        "no face found",
        "this is a pipe or a device and no file",
        "the file is larger than 1000 MB, which no picture should be",
        "this is a pipe or a device and no file",
    ]
    assert err == "facetraits: 3 of 4 pictures could not be read; their rows say why\n"
    os.mkfifo(tmp_path / "pipe.mp4")
    code, (record,), _ = analyze(tmp_path / "pipe.mp4")
    assert (code, record["error"]) == (1, "this is a pipe or a device and no file")


def test_a_picture_that_needs_too_much_memory_ends_nothing(analyze, put, tmp_path, fake, monkeypatch):
    for name in ("a.png", "b.png"):
        put("coffee.png", name)
    really = fake.analyze

    def short_of_memory(image, traits=TRAITS):
        if not fake.calls:
            fake.calls.append(())
            raise MemoryError
        return really(image, traits)

    monkeypatch.setattr(fake, "analyze", short_of_memory)
    code, records, _ = analyze(tmp_path)
    assert code == 1
    assert [record["error"] for record in records] == [
        "the picture needs more memory than this machine has free",
        "no face found",
    ]


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
        "analyze.load_analyzer = lambda profile: FakeAnalyzer(); sys.exit(main(['analyze', sys.argv[1]]))"
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
