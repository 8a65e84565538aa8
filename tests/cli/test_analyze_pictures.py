"""``analyze``: which pictures it reads, what it says of them, and what it survives."""

import os
import shutil
import threading

import pytest

from facetraits.tables import NO_FACE
from facetraits.traits import TRAITS


def test_one_picture_is_one_line_with_the_keys_of_the_contract(analyze, put):
    path = put("face.jpg")
    code, (record,), err = analyze(path)
    assert (code, err) == (0, "")
    assert list(record) == ["path", "width", "height", "error", "incomplete", "faces"]
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
    assert [os.path.basename(record["path"]) for record in records] == sorted(os.listdir(tmp_path))
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
    visible = ["Z.PNG", "b.png", "b10.jpeg", "plain", "sub/a.png", "sub/deeper/x.webp", "tub/a.bmp"]
    for name in (*reversed(visible), ".hidden.png", ".git/a.png", "sub/.thumbs/a.png"):
        put("coffee.png", name)
    (tmp_path / "notes.txt").write_text("no picture")
    code, records, err = analyze(tmp_path)
    assert code == 0
    assert err == "facetraits: 1 file is no picture and was left out\n"
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
    # Two pictures are analysed at once: either may be the first.
    assert sorted(record["error"] for record in records) == [
        "no face found",
        "the picture needs more memory than this machine has free",
    ]


def test_a_file_that_breaks_off_is_analysed_with_a_word(analyze, put):
    path = put("group.png")
    with open(path, "r+b") as stream:
        stream.truncate(os.path.getsize(path) * 9 // 10)
    code, (record,), err = analyze(path)
    assert (code, record["incomplete"], record["width"]) == (0, True, 640)
    assert err == "facetraits: the file of 1 picture is incomplete; what is missing of it is grey\n"


def test_several_pictures_are_analysed_at_once_and_come_in_their_order(analyze, put, tmp_path, fake, monkeypatch):
    monkeypatch.setattr("facetraits.cli.analyze._threads", lambda: 2)
    really, second_began = fake.analyze, threading.Event()

    def first_waits(image, traits=TRAITS):
        if image.shape[1] == 640:
            assert second_began.wait(60)
        else:
            second_began.set()
        return really(image, traits)

    monkeypatch.setattr(fake, "analyze", first_waits)
    for path in ("group.png", "coffee.png", "face.jpg"):
        put(path, f"{len(os.listdir(tmp_path))}-{path}")
    code, records, _ = analyze(tmp_path)
    assert code == 0
    assert [record["width"] for record in records] == [640, 150, 290]
