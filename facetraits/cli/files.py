"""Which files `python -m facetraits analyze` reads: those that are named, and of folders all that hold a picture."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from facetraits.errors import UserError
from facetraits.faces.images import SNIFFED_BYTES, SUPPORTED_SUFFIXES, is_picture
from facetraits.video.sources import VIDEO_SUFFIXES

_NAMED: Final = 3  # left-out videos whose names are said


@dataclass(frozen=True, slots=True)
class Picture:
    """A file to analyse, or what cannot be read and why."""

    path: str
    error: str | None = None

    @property
    def is_video(self) -> bool:
        """By its name; a video is only read where it was named itself."""
        return suffix_of(self.path) in VIDEO_SUFFIXES and self.error is None


@dataclass(slots=True)
class LeftOut:
    """What was found in folders and is not analysed."""

    no_pictures: int = 0
    videos: list[str] = field(default_factory=list)

    def notes(self) -> Iterator[str]:
        """A sentence for each kind."""
        if self.no_pictures:
            one = self.no_pictures == 1
            yield f"{self.no_pictures} file{' is no picture and was' if one else 's are no pictures and were'} left out"
        if self.videos:
            names = ", ".join(self.videos[:_NAMED]) + (" and others" if len(self.videos) > _NAMED else "")
            one = len(self.videos) == 1
            yield (
                f"{len(self.videos)} video{' was' if one else 's were'} left out ({names}): name "
                f"{'it' if one else 'them'} to analyse, or count visitors with the command watch"
            )


def pictures(paths: Iterable[str], left_out: LeftOut) -> Iterator[Picture]:
    """Every picture once: files as named, folders in order of their names with all that is not hidden.

    A file in a folder counts as a picture by its first bytes, whatever it is called, and by its name, so that one that
    is broken is said.

    Args:
        paths: files and folders.
        left_out: what folders hold beside pictures is added here.

    Raises:
        UserError: there is no such path.
    """
    seen = set()
    for path in paths:
        if not os.path.exists(path):
            raise UserError(f"there is no file or folder {path}")
        for picture in in_folder(path, left_out) if os.path.isdir(path) else [_file(path)]:
            if (real := os.path.realpath(picture.path)) not in seen:
                seen.add(real)
                yield picture


def is_one_of(path: str | os.PathLike[str], found: Iterable[Picture]) -> bool:
    """True where ``path`` is the file of a picture, whatever either is called."""
    real = os.path.realpath(path)
    return any(os.path.realpath(picture.path) == real for picture in found)


def in_folder(folder: str, left_out: LeftOut) -> Iterator[Picture]:
    """The pictures of a folder and of all folders in it, as ``pictures`` gives them."""
    closed: list[OSError] = []
    for parent, folders, files in os.walk(folder, onerror=closed.append):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            if name.startswith("."):
                continue
            path = os.path.join(parent, name)
            if suffix_of(name) in VIDEO_SUFFIXES:
                left_out.videos.append(path)
            elif suffix_of(name) in SUPPORTED_SUFFIXES or _holds_picture(path):
                yield _file(path)
            else:
                left_out.no_pictures += 1
    for error in closed:
        yield Picture(str(error.filename), f"the folder could not be opened: {error.strerror}")


def _file(path: str) -> Picture:
    """A file to analyse; a pipe or a device is none, because it may have no end."""
    endless = os.path.exists(path) and not os.path.isfile(path)
    return Picture(path, "this is a pipe or a device and no file" if endless else None)


def _holds_picture(path: str) -> bool:
    """By the first bytes; False for what is no file, which might have none, and for what may not be opened."""
    try:
        if not os.path.isfile(path):
            return False
        with open(path, "rb", buffering=0) as stream:
            return is_picture(stream.read(SNIFFED_BYTES))
    except OSError:
        return False


def suffix_of(path: str) -> str:
    """As in ".jpg", in small letters; "" for none."""
    return os.path.splitext(path)[1].lower()
