"""Folders are searched by what files hold; what is left out is counted and said."""

import os
from pathlib import Path

import pytest
from PIL import Image

from facetraits.cli.files import LeftOut, pictures
from facetraits.errors import UserError

JPEG = Image.new("RGB", (16, 16), "red")


def put(folder: Path, name: str, data: bytes | None = None) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if data is None:
        JPEG.save(path, "JPEG")
    else:
        path.write_bytes(data)
    return path


def found(*paths: Path) -> tuple[list[str], list[str]]:
    """Names of the pictures, and the notes."""
    left_out = LeftOut()
    names = [os.path.basename(picture.path) for picture in pictures(map(str, paths), left_out)]
    return names, list(left_out.notes())


def test_a_picture_counts_whatever_it_is_called(tmp_path: Path):
    for name in ("a.mpo", "b.jpe", "c", "d.txt", "e.JPG_original", "sub/f.dat"):
        put(tmp_path, name)
    assert found(tmp_path) == (["a.mpo", "b.jpe", "c", "d.txt", "e.JPG_original", "f.dat"], [])


def test_what_is_called_a_picture_counts_too_so_that_its_row_says_what_is_wrong(tmp_path: Path):
    put(tmp_path, "a.jpg", b"")
    put(tmp_path, "b.png", b"no picture")
    assert found(tmp_path) == (["a.jpg", "b.png"], [])


def test_what_is_no_picture_is_counted(tmp_path: Path):
    for number in range(12):
        put(tmp_path, f"{number}.txt", b"notes")
    put(tmp_path, "photo")
    assert found(tmp_path) == (["photo"], ["12 files are no pictures and were left out"])
    (one,) = found(tmp_path / "0.txt", tmp_path)[0][:1]
    assert one == "0.txt", "a file that is named is read, whatever it holds"


def test_videos_are_named_with_what_reads_them(tmp_path: Path):
    put(tmp_path, "clip.MP4", b"\0\0\0\x18ftypisom")
    put(tmp_path, "frames.mjpeg")
    names, (note,) = found(tmp_path)
    assert names == []
    assert note.startswith(f"2 videos were left out ({tmp_path / 'clip.MP4'}, {tmp_path / 'frames.mjpeg'})")
    assert note.endswith("name them to analyse, or count visitors with the command watch")


def test_of_many_videos_three_are_named(tmp_path: Path):
    for number in range(5):
        put(tmp_path, f"{number}.mov", b"")
    assert "2.mov and others)" in found(tmp_path)[1][0]


def test_a_pipe_in_a_folder_is_not_opened(tmp_path: Path):
    os.mkfifo(tmp_path / "pipe")
    os.mkfifo(tmp_path / "pipe.jpg")
    left_out = LeftOut()
    (picture,) = pictures([str(tmp_path)], left_out)
    assert picture.error == "this is a pipe or a device and no file"
    assert left_out.no_pictures == 1


def test_only_the_first_bytes_of_a_file_are_read(tmp_path: Path):
    path = put(tmp_path, "huge.bin", b"")
    os.truncate(path, 1 << 40)  # takes no room, and no memory could hold it
    assert found(tmp_path) == ([], ["1 file is no picture and was left out"])


def test_a_path_that_is_not_there_is_said(tmp_path: Path):
    with pytest.raises(UserError, match="there is no file or folder"):
        found(tmp_path / "gone")
