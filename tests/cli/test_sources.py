"""What the engine for clusters reads: folders here and in buckets, pictures, and lists of addresses."""

import os
from pathlib import Path

import pytest
from PIL import Image

from facetraits.batch.storage import Storage
from facetraits.cli.files import LeftOut
from facetraits.cli.sources import inputs
from facetraits.errors import UserError
from tests.batch.servers import serving


def put(path: Path, data: bytes | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    if data is None:
        Image.new("RGB", (16, 16), "red").save(path, "JPEG")
    else:
        path.write_bytes(data)
    return path


def found(*sources):
    """Path, size and error of the inputs, and the notes."""
    left_out = LeftOut()
    listed = [(each.path, each.size, each.error) for each in inputs(map(str, sources), Storage(), left_out)]
    return listed, list(left_out.notes())


def test_a_folder_is_searched_as_without_a_cluster(tmp_path):
    for name in ("a.jpg", "sub/b", "clip.mp4", ".hidden.jpg"):
        put(tmp_path / name)
    put(tmp_path / "notes.txt", b"notes")
    size = os.path.getsize(tmp_path / "a.jpg")
    listed, notes = found(tmp_path)
    assert listed == [(str(tmp_path / "a.jpg"), size, None), (str(tmp_path / "sub" / "b"), size, None)]
    assert notes[0] == "1 file is no picture and was left out"
    assert notes[1].startswith("1 video was left out")


def test_a_list_names_paths_and_addresses(tmp_path):
    lines = b"\xef\xbb\xbfa.jpg\r\n\ns3://bucket/b c.jpg\nclip.mov\nftp://host/d.jpg\nhttps://me:secret@host/e.jpg\n"
    listed, notes = found(put(tmp_path / "list.txt", lines))
    assert [(path, size) for path, size, _ in listed] == [
        ("a.jpg", None),
        ("s3://bucket/b c.jpg", None),
        ("ftp://host/d.jpg", None),
        ("https://me:secret@host/e.jpg", None),
    ]
    assert [error is None for _, _, error in listed] == [True, True, False, False]
    assert notes[0].startswith("1 video was left out (clip.mov)")


def test_a_picture_that_is_named_is_no_list_whatever_it_holds(tmp_path):
    assert found(put(tmp_path / "photo.txt"))[0][0][0] == str(tmp_path / "photo.txt")
    broken = put(tmp_path / "broken.jpg", b"no picture\n")
    assert found(broken)[0] == [(str(broken), 11, None)]
    empty = put(tmp_path / "empty.txt", b"")
    assert found(empty)[0] == [(str(empty), 0, None)]


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("list.txt", b"caf\xe9.jpg\n", "is neither a picture nor a list of addresses in UTF-8"),
        ("clip.mp4", b"\0\0\0\x18ftypisom", "reads pictures only; analyse the video"),
    ],
)
def test_sources_that_cannot_be_used_are_said(tmp_path, name, data, words):
    with pytest.raises(UserError, match=words):
        found(put(tmp_path / name, data))


def test_a_source_that_is_not_there_is_said():
    with pytest.raises(UserError, match="there is no file or folder gone"):
        found("gone")


def test_a_list_on_a_web_server(tmp_path):
    pytest.importorskip("aiohttp")
    picture = put(tmp_path / "a.jpg").read_bytes()
    with serving({"list.txt": b"https://host/a.jpg\nb.jpg\n", "a": picture}) as (address, _):
        assert [path for path, _, _ in found(f"{address}/list.txt")[0]] == ["https://host/a.jpg", "b.jpg"]
        assert found(f"{address}/a")[0] == [(f"{address}/a", len(picture), None)]
        with pytest.raises(UserError, match="gone cannot be read"):
            found(f"{address}/gone")
        with pytest.raises(UserError, match="a web server does not list its files"):
            found(f"{address}/folder/")


def test_a_bucket_is_searched_by_what_files_hold(tmp_path, monkeypatch):
    pytest.importorskip("pyarrow.fs")
    picture = put(tmp_path / "a.jpg").read_bytes()
    files = {"b/in/a": picture, "b/in/b.txt": b"notes", "b/in/c.jpg": b"broken", "b/in/d.mp4": b"", "b/e.jpg": picture}
    with serving(files) as (address, _):
        monkeypatch.setenv("AWS_ENDPOINT_URL", address)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        listed, notes = found("s3://b/in")
        assert listed == [("s3://b/in/a", len(picture), None), ("s3://b/in/c.jpg", 6, None)]
        assert notes[0] == "1 file is no picture and was left out"
        assert notes[1].startswith("1 video was left out (s3://b/in/d.mp4)")
        assert found("s3://b/e.jpg")[0] == [("s3://b/e.jpg", len(picture), None)]
