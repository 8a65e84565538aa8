"""What `python -m facetraits watch` is to watch: sources, their names and their inputs."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

from facetraits.errors import UserError
from facetraits.settings import CAMERAS, camera_list
from facetraits.visitors.visit import LONGEST_SOURCE

if TYPE_CHECKING:
    from facetraits.visitors.inputs import FrameSource
    from facetraits.visitors.layout import Layout

_NAMED: Final = re.compile(r"([^:/=]+)=(.+)")  # a scheme or a path has one of these signs before any "="


def sources_of(arguments: argparse.Namespace) -> list[tuple[str, FrameSource]]:
    """Name and input of every source.

    Raises:
        UserError: there is none, or one of them cannot be watched.
    """
    given, names = list(arguments.source), list(arguments.name)
    if not given:
        named = [_NAMED.fullmatch(camera) for camera in camera_list()]
        given = [camera if of is None else of[2] for camera, of in zip(camera_list(), named, strict=True)]
        names = names or _unique([of[1] if of else _default_name(c) for c, of in zip(given, named, strict=True)])
    if not given:
        raise UserError(f"name a camera or a video to watch, or set {CAMERAS.variable}")
    if names and len(names) != len(given):
        raise UserError(f"--name has to be given once for each source: {len(names)} for {len(given)}")
    if len(given) > 1:
        for option, value in (("--line", arguments.line), ("--ignore", arguments.ignore), ("--began", arguments.began)):
            if value:
                raise UserError(f"{option} is for one source; lines of several are drawn on the page Visitors")
    names = names or _unique([_default_name(source) for source in given])
    if len(set(names)) < len(names):
        raise UserError("two sources have the same name")
    return [(name, _input(source, arguments)) for name, source in zip(names, given, strict=True)]


def layout_given(arguments: argparse.Namespace) -> Layout | None:
    """What the command line draws; None where it draws nothing, so that the line in the database counts.

    Raises:
        UserError: it is no line or area.
    """
    from facetraits.visitors.layout import layout_of

    if arguments.line is None and not arguments.ignore:
        return None
    try:
        return layout_of(arguments.line, arguments.ignore)
    except ValueError as error:
        raise UserError(str(error)) from error


def _unique(names: Sequence[str]) -> list[str]:
    """The names, with a number after those that occur again: two cameras of one recorder have the same host."""
    unique: list[str] = []
    for name in names:
        free, number = name, 2
        while free in unique:
            free, number = f"{name[: LONGEST_SOURCE - 5]} {number}", number + 1
        unique.append(free)
    return unique


def _input(source: str, arguments: argparse.Namespace) -> FrameSource:
    """What is to be watched."""
    from facetraits.video.cameras import is_address
    from facetraits.video.sources import read_file
    from facetraits.visitors.inputs import CameraInput, FileInput

    if is_address(source):
        if arguments.began is not None:
            raise UserError("--began is for video files; a camera shows the present")
        return CameraInput(source, arguments.aspect)
    path = Path(source)
    if arguments.aspect is not None:
        raise UserError("--aspect is for cameras; a video file states its own")
    with read_file(path) as video:
        began: datetime | None = arguments.began or video.recorded_at
        duration_s = video.duration_s or 0.0
    if began is not None:
        return FileInput(path, began)
    taken = "it is treated as if it had ended just now"
    print(f"facetraits: the video does not say when it was recorded; {taken} (see --began)", file=sys.stderr)
    try:
        return FileInput(path, datetime.now(UTC) - timedelta(seconds=duration_s), began_is_known=False)
    except OverflowError:  # a broken file may hold any value
        return FileInput(path, datetime.now(UTC), began_is_known=False)


def _default_name(source: str) -> str:
    from facetraits.video.cameras import host_of, is_address

    if source.startswith("/dev/"):
        name = source
    else:
        name = (host_of(source) or "camera") if is_address(source) else Path(source).name
    return "".join(sign if sign.isprintable() else "?" for sign in name)[:LONGEST_SOURCE]
