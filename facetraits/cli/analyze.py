"""`python -m facetraits analyze`: pictures, folders of pictures and videos, as JSON lines or CSV."""

from __future__ import annotations

import argparse
import io
import math
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TextIO

from tqdm import tqdm

from facetraits.analyzer import FaceAnalyzer, load_analyzer
from facetraits.errors import EXIT_DONE, EXIT_SOME_UNREADABLE, UserError
from facetraits.faces.images import SUPPORTED_SUFFIXES, ImageDecodeError, decode_image, is_picture_path
from facetraits.registry import PROFILES
from facetraits.tables import csv_lines, json_lines, picture_record
from facetraits.traits import TRAITS, TraitName
from facetraits.video.sources import VIDEO_SUFFIXES, Frame, VideoError, VideoFile, read_file
from facetraits.video.timeline import error_record, person_records, timeline_csv_lines

_FORMATS: Final[tuple[str, ...]] = ("jsonl", "csv")


def add_analyze(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "analyze",
        help="analyse pictures, folders of pictures, and videos",
        description="Analyse pictures and videos; folders are searched for pictures with all folders in them. Every "
        "picture gives a result, and every person in a video a time line: one that cannot be read, or has no face, a "
        "row with the reason.",
        epilog="Results are written as they come, so that stopping the command keeps what is done. Exit codes: 0 all "
        "done, 1 some files could not be read, 2 nothing done, 3 models missing or damaged, 130 stopped by Ctrl-C.",
    )
    parser.add_argument("paths", nargs="+", metavar="PATH", help="a picture, a folder of pictures, or a video")
    parser.add_argument(
        "--format",
        choices=_FORMATS,
        help="jsonl: one JSON object per picture, or person of a video, and line; csv: one row per face, or person and "
        "second (default: csv where FILE ends in .csv, jsonl otherwise)",
    )
    parser.add_argument("--out", metavar="FILE", type=Path, help="write there instead of to the terminal")
    parser.add_argument(
        "--profile",
        choices=PROFILES,
        default="accurate",
        help="accurate: all networks (default); fast: the small ones, for slow machines",
    )
    parser.add_argument(
        "--traits",
        metavar="LIST",
        default=",".join(TRAITS),
        help=f"what to estimate, of {','.join(TRAITS)} (default: all)",
    )
    parser.set_defaults(run=_analyze)


@dataclass(slots=True)
class _Tally:
    """What became of the files so far."""

    files: int = 0
    unreadable: int = 0


def _analyze(arguments: argparse.Namespace) -> int:
    traits = _traits(arguments.traits)
    out: Path | None = arguments.out
    pictures = list(_pictures(arguments.paths))
    if out is not None and (out.suffix.lower() in (*SUPPORTED_SUFFIXES, *VIDEO_SUFFIXES) or _is_one_of(out, pictures)):
        kind = "video" if out.suffix.lower() in VIDEO_SUFFIXES else "picture"
        raise UserError(f"--out names a {kind}, {out}, which would be overwritten; name another file")
    if not pictures:
        raise UserError(f"no pictures found in {', '.join(arguments.paths)}")
    form = arguments.format or ("csv" if out is not None and out.suffix.lower() == ".csv" else "jsonl")
    videos = sum(picture.is_video for picture in pictures)
    if form == "csv" and 0 < videos < len(pictures):
        raise UserError("pictures and videos have different columns; write two CSV files, or --format jsonl")
    lines_of = json_lines if form == "jsonl" else timeline_csv_lines if videos else csv_lines
    analyzer = load_analyzer(profile=arguments.profile)
    tally = _Tally()
    with _output(out) as stream, _progress(pictures, stream) as progress:
        for lines in lines_of(_records(progress, analyzer, traits, tally)):
            stream.write(lines)
            stream.flush()
    if tally.unreadable:
        kind = "files" if 0 < videos < len(pictures) else "videos" if videos else "pictures"
        print(
            f"facetraits: {tally.unreadable} of {tally.files} {kind} could not be read; their rows say why",
            file=sys.stderr,
        )
        return EXIT_SOME_UNREADABLE
    return EXIT_DONE


def _traits(listed: str) -> tuple[TraitName, ...]:
    asked = {name.strip() for name in listed.split(",")} - {""}
    if unknown := sorted(asked - set(TRAITS)):
        raise UserError(f"unknown trait {unknown[0]!r}; the traits are {', '.join(TRAITS)}")
    if not asked:
        raise UserError(f"--traits names none; the traits are {', '.join(TRAITS)}")
    return tuple(trait for trait in TRAITS if trait in asked)


@dataclass(frozen=True, slots=True)
class _Picture:
    """A file to analyse, or a folder that could not be opened and why."""

    path: str
    error: str | None = None

    @property
    def is_video(self) -> bool:
        return os.path.splitext(self.path)[1].lower() in VIDEO_SUFFIXES and self.error is None


def _pictures(paths: Iterable[str]) -> Iterator[_Picture]:
    """Every picture once: files as named, folders in order of their names with all that is not hidden."""
    seen = set()
    for path in paths:
        if not os.path.exists(path):
            raise UserError(f"there is no file or folder {path}")
        for picture in _pictures_of(path) if os.path.isdir(path) else [_Picture(path)]:
            if (real := os.path.realpath(picture.path)) not in seen:
                seen.add(real)
                yield picture


def _is_one_of(path: Path, pictures: Iterable[_Picture]) -> bool:
    """True where ``path`` is the file of a picture, whatever either is called."""
    real = os.path.realpath(path)
    return any(os.path.realpath(picture.path) == real for picture in pictures)


def _pictures_of(folder: str) -> Iterator[_Picture]:
    closed: list[OSError] = []
    for parent, folders, files in os.walk(folder, onerror=closed.append):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            if not name.startswith(".") and is_picture_path(name):
                yield _Picture(os.path.join(parent, name))
    for error in closed:
        yield _Picture(str(error.filename), f"the folder could not be opened: {error.strerror}")


def _records(
    pictures: Iterable[_Picture], analyzer: FaceAnalyzer, traits: tuple[TraitName, ...], tally: _Tally
) -> Iterator[dict[str, Any]]:
    for picture in pictures:
        tally.files += 1
        if picture.is_video:
            yield from _people(picture.path, analyzer, traits, tally)
            continue
        record = _record(picture, analyzer, traits)
        tally.unreadable += record["width"] is None
        yield record


def _people(
    path: str, analyzer: FaceAnalyzer, traits: tuple[TraitName, ...], tally: _Tally
) -> Iterator[dict[str, Any]]:
    """A record for each person in a video, or one with the reason why there is none."""
    try:
        with read_file(Path(path)) as video:
            yield from person_records(path, _shown(video), analyzer, traits)
    except VideoError as error:
        tally.unreadable += 1
        yield error_record(path, str(error))


def _shown(video: VideoFile) -> Iterator[Frame]:
    """The frames, with a bar on stderr where that is a terminal."""
    seconds = None if video.duration_s is None else round(video.duration_s, 1)
    with tqdm(total=seconds, unit="s", disable=not sys.stderr.isatty() or sys.stdout.isatty(), leave=False) as bar:
        for frame in video:
            bar.update(max(0.0, min(frame.time_s, seconds or math.inf) - bar.n))
            yield frame


def _record(picture: _Picture, analyzer: FaceAnalyzer, traits: tuple[TraitName, ...]) -> dict[str, Any]:
    if picture.error is not None:
        return picture_record(picture.path, None, picture.error)
    try:
        image = decode_image(Path(picture.path).read_bytes())
    except ImageDecodeError as error:
        return picture_record(picture.path, None, str(error))
    except OSError as error:
        return picture_record(picture.path, None, f"the file could not be read: {error.strerror}")
    return picture_record(picture.path, analyzer.analyze(image, traits), None)


@contextmanager
def _output(path: Path | None) -> Iterator[TextIO]:
    """The stream for results: UTF-8 with plain line ends everywhere; bytes of a path that are no text are escaped."""
    if path is None:
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace", newline="\n")
        yield sys.stdout
        return
    try:
        with path.open("w", encoding="utf-8", errors="backslashreplace", newline="\n") as stream:
            yield stream
    except OSError as error:
        raise UserError(f"cannot write to {path}: {error.strerror}") from error


@contextmanager
def _progress(pictures: Sequence[_Picture], stream: TextIO) -> Iterator[Iterable[_Picture]]:
    """The pictures with a bar on stderr, unless a single one, no terminal, or the results themselves show there."""
    hidden = len(pictures) < 2 or not sys.stderr.isatty() or stream.isatty()
    with tqdm(pictures, desc="Analysing", unit=" pictures", disable=hidden) as bar:
        yield bar
