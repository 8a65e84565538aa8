"""Files by address: local ones, those of web servers, and those of a bucket."""

from types import SimpleNamespace

import pytest

from facetraits.batch import records, storage
from facetraits.batch.storage import Storage, check_address, is_remote
from facetraits.errors import UserError
from facetraits.faces.images import ImageDecodeError
from tests.batch.servers import serving

FILES = {
    "bucket/a b.jpg": b"one",
    "bucket/list.txt": "s3://bucket/a b.jpg\n\n  Zoë.jpg \n".encode(),
    "bucket/sub/c+d.png": b"three",
    "bucket/sub/.hidden.png": b"x",
    "bucket/.trash/e.png": b"x",
    "bucket/zero": b"",
}


@pytest.fixture(scope="module")
def bucket():
    """``FILES`` as a bucket of S3."""
    pytest.importorskip("pyarrow.fs")
    with serving(FILES) as (address, _), pytest.MonkeyPatch.context() as patch:
        for name, value in {
            "AWS_ENDPOINT_URL": address,
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }.items():
            patch.setenv(name, value)
        yield Storage()


@pytest.fixture
def web():
    """``FILES`` on a web server: a storage, the server's address and what it was asked."""
    pytest.importorskip("aiohttp")
    pytest.importorskip("fsspec")
    with serving(FILES) as (address, asked):
        yield Storage(), address, asked


@pytest.mark.parametrize(
    ("address", "remote"),
    [("s3://b/a.jpg", True), ("gs://b/a", True), ("https://h/a", True), ("a.jpg", False), ("/s3/a.jpg", False)],
)
def test_an_address_is_known_by_its_scheme(address, remote):
    assert is_remote(address) is remote


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("ftp://host/a.jpg", "ftp:// is not read; name a path, s3://, gs:// or https://"),
        ("https://me:secret@host/a.jpg", "must not hold a password"),
        ("s3://key:secret@bucket/a.jpg", "must not hold a password"),
    ],
)
def test_addresses_that_are_refused_are_said_without_their_password(address, words):
    with pytest.raises(UserError, match=words) as refused:
        check_address(address)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("address", ["gs://anonymous@bucket/a.jpg", "https://host/a@b.jpg", "a@b.jpg", "s3://b/x@y"])
def test_addresses_that_are_accepted(address):
    check_address(address)


def test_files_of_a_bucket_are_read(bucket):
    assert bucket.read("s3://bucket/a b.jpg") == b"one"
    assert bucket.read("s3://bucket/sub/c+d.png") == b"three"
    assert bucket.read("s3://bucket/zero") == b""
    assert bucket.head("s3://bucket/a b.jpg", 2) == b"on"
    assert bucket.sizes(["s3://bucket/a b.jpg", "s3://bucket/gone", "s3://bucket/zero"]) == [3, None, 0]
    assert list(bucket.lines("s3://bucket/list.txt")) == ["s3://bucket/a b.jpg", "Zoë.jpg"]
    with pytest.raises(FileNotFoundError):
        bucket.read("s3://bucket/gone.jpg")


def test_a_bucket_is_searched_in_order_without_what_is_hidden(bucket):
    assert bucket.is_folder("s3://bucket/sub")
    assert not bucket.is_folder("s3://bucket/a b.jpg")
    assert list(bucket.files("s3://bucket/")) == [
        ("s3://bucket/a b.jpg", 3),
        ("s3://bucket/list.txt", len(FILES["bucket/list.txt"])),
        ("s3://bucket/zero", 0),
        ("s3://bucket/sub/c+d.png", 5),
    ]


def test_files_of_a_bucket_of_google_are_read(monkeypatch):
    pytest.importorskip("pyarrow.fs")
    with serving(FILES) as (address, _):
        monkeypatch.setenv("CLOUD_STORAGE_EMULATOR_ENDPOINT", address)
        store = Storage()
        assert store.read("gs://anonymous@bucket/sub/c+d.png") == b"three"
        assert store.head("gs://anonymous@bucket/a b.jpg", 2) == b"on"
        assert store.sizes(["gs://anonymous@bucket/a b.jpg"]) == [3]
        assert list(store.lines("gs://anonymous@bucket/list.txt")) == ["s3://bucket/a b.jpg", "Zoë.jpg"]
        assert store.is_folder("gs://anonymous@bucket/sub")
        assert list(store.files("gs://anonymous@bucket/sub")) == [("gs://anonymous@bucket/sub/c+d.png", 5)]


def test_files_of_a_web_server_are_read(web):
    store, address, _ = web
    assert store.read(f"{address}/bucket/a%20b.jpg") == b"one"
    assert store.head(f"{address}/bucket/sub/c+d.png", 3) == b"thr"
    assert store.sizes([f"{address}/bucket/a%20b.jpg", f"{address}/gone"]) == [3, None]
    assert list(store.lines(f"{address}/bucket/list.txt")) == ["s3://bucket/a b.jpg", "Zoë.jpg"]
    with pytest.raises(FileNotFoundError):
        store.read(f"{address}/gone.jpg")


def test_a_picture_is_fetched_once(web):
    store, address, asked = web
    store.read(f"{address}/bucket/sub/c+d.png")
    assert asked == ["bucket/sub/c+d.png"]


def test_a_server_that_is_not_there_is_an_error_after_some_attempts(monkeypatch):
    pytest.importorskip("aiohttp")
    pauses = []
    monkeypatch.setattr(storage, "time", SimpleNamespace(sleep=pauses.append))  # other threads sleep as they do
    with serving({}) as (address, _):
        pass
    with pytest.raises(OSError, match="Cannot connect"):
        Storage().read(f"{address}/a.jpg")
    assert pauses == [0.5, 1.0]


@pytest.mark.parametrize("where", ["local", "bucket", "web"])
def test_what_is_too_large_for_a_picture_is_not_read(where, request, tmp_path, monkeypatch):
    monkeypatch.setattr(records, "LARGEST_FILE", 4)
    monkeypatch.setattr(storage, "LARGEST_FILE", 4)
    store, address = Storage(), tmp_path / "a.jpg"
    address.write_bytes(b"three")
    if where == "bucket":
        store, address = request.getfixturevalue("bucket"), "s3://bucket/sub/c+d.png"
    elif where == "web":
        store, address, _ = request.getfixturevalue("web")
        address = f"{address}/bucket/sub/c+d.png"
    with pytest.raises(ImageDecodeError, match="which no picture should be"):
        store.read(str(address))
