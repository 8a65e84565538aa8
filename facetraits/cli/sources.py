"""Which pictures `analyze --engine ray` reads: folders here and in object stores, files, and lists of addresses."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence

from facetraits.batch.catalog import Input, chunks
from facetraits.batch.storage import Storage, check_address, is_remote
from facetraits.cli.files import LeftOut, Picture, in_folder, suffix_of
from facetraits.errors import UserError
from facetraits.faces.images import SNIFFED_BYTES, SUPPORTED_SUFFIXES, is_picture
from facetraits.video.sources import VIDEO_SUFFIXES

_CHUNK = 256  # files whose first bytes are asked for at once


def inputs(sources: Iterable[str], storage: Storage, left_out: LeftOut) -> Iterator[Input]:
    """Every picture of the sources, in their order; one that two sources name comes twice.

    Args:
        sources: folders, pictures, and text files with one address or path a line; local, or of an object store or a
            web server.
        storage: what reads them.
        left_out: what they hold beside pictures is added here.

    Raises:
        UserError: there is no such source, or it cannot be read, or it is a video.
    """
    for source in sources:
        check_address(source)
        try:
            yield from _of_one(source, storage, left_out)
        except UnicodeDecodeError as error:
            raise UserError(f"{source} is neither a picture nor a list of addresses in UTF-8") from error
        except OSError as error:
            raise UserError(f"{source} cannot be read: {_reason(error)}") from error


def _of_one(source: str, storage: Storage, left_out: LeftOut) -> Iterator[Input]:
    if is_remote(source):
        if source.endswith("/") or storage.is_folder(source):
            yield from _in_remote_folder(source, storage, left_out)
            return
    elif os.path.isdir(source):
        yield from (_local(picture) for picture in in_folder(source, left_out))
        return
    elif not os.path.exists(source):
        raise UserError(f"there is no file or folder {source}")
    elif not os.path.isfile(source):
        yield Input(source, None, "this is a pipe or a device and no file")
        return
    if suffix_of(source) in VIDEO_SUFFIXES:
        raise UserError(f"--engine ray reads pictures only; analyse the video {source} without it")
    if _is_list(source, storage.head(source, SNIFFED_BYTES)):
        yield from _in_list(storage.lines(source), left_out)
    else:
        yield _local(Picture(source)) if not is_remote(source) else Input(source, storage.sizes([source])[0])


def _is_list(source: str, head: bytes) -> bool:
    """Whether a file with these first bytes is a list of addresses and not a picture, whole or broken."""
    return bool(head) and not is_picture(head) and suffix_of(source) not in SUPPORTED_SUFFIXES and b"\0" not in head


def _in_list(lines: Iterable[str], left_out: LeftOut) -> Iterator[Input]:
    for line in lines:
        if suffix_of(line) in VIDEO_SUFFIXES:
            left_out.videos.append(line)
            continue
        try:
            check_address(line)
        except UserError as error:
            yield Input(line, None, str(error))
        else:
            yield Input(line, None)


def _in_remote_folder(folder: str, storage: Storage, left_out: LeftOut) -> Iterator[Input]:
    if folder.partition("://")[0].lower() in ("https", "http"):
        raise UserError(f"{folder}: a web server does not list its files; name a list of addresses")
    for chunk in chunks(storage.files(folder), _CHUNK):
        yield from _pictures_of(chunk, storage, left_out)


def _pictures_of(files: Sequence[tuple[str, int]], storage: Storage, left_out: LeftOut) -> Iterator[Input]:
    """Those that are called a picture, and those that are one by their first bytes."""
    unclear = [name for name, _ in files if suffix_of(name) not in (*SUPPORTED_SUFFIXES, *VIDEO_SUFFIXES)]
    heads = dict(zip(unclear, storage.heads(unclear, SNIFFED_BYTES), strict=True))
    for name, size in files:
        if suffix_of(name) in VIDEO_SUFFIXES:
            left_out.videos.append(name)
        elif name not in heads or is_picture(heads[name]):
            yield Input(name, size)
        else:
            left_out.no_pictures += 1


def _local(picture: Picture) -> Input:
    if picture.error is not None:
        return Input(picture.path, None, picture.error)
    try:
        return Input(picture.path, os.path.getsize(picture.path))
    except OSError:
        return Input(picture.path, None)


def _reason(error: OSError) -> str:
    lines = str(error).strip().splitlines()
    return error.strerror or (lines[0][:200] if lines else type(error).__name__)
