"""`python -m facetraits analyze`: pictures, folders of pictures and videos, as JSON lines or CSV."""

from __future__ import annotations

import argparse
import csv
import io
import json
import math
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, TextIO

from tqdm import tqdm

from facetraits.analyzer import FaceAnalyzer, load_analyzer
from facetraits.cli.files import LeftOut, Picture, is_one_of, pictures
from facetraits.errors import EXIT_DONE, EXIT_SOME_UNREADABLE, UserError
from facetraits.faces.images import SUPPORTED_SUFFIXES, ImageDecodeError, decode
from facetraits.registry import PROFILES
from facetraits.tables import csv_cell, csv_line, csv_lines, json_lines, picture_record
from facetraits.traits import TRAITS, TraitName
from facetraits.video.sources import VIDEO_SUFFIXES, Frame, VideoError, VideoFile, read_file
from facetraits.video.timeline import error_record, person_records, timeline_csv_lines

_FORMATS: Final[tuple[str, ...]] = ("jsonl", "csv")
_LARGEST_FILE: Final = 1_000_000_000  # 120 megapixels of 16 bits, not compressed


def add_analyze(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "analyze",
        help="analyse pictures, folders of pictures, and videos",
        description="Analyse pictures and videos; folders are searched, with all folders in them, for files that hold "
        "pictures, whatever their names. Every picture gives a result, and every person in a video a "
        "time line: one that cannot be read, or has no face, a row with the reason.",
        epilog="Results are written as they come, to a file into FILE.part until all are there; a run that was stopped "
        "goes on with --resume. Exit codes: 0 all done, 1 some files could not be read, 2 nothing done, 3 models "
        "missing or damaged, 130 stopped by Ctrl-C.",
    )
    parser.add_argument("paths", nargs="+", metavar="PATH", help="a picture, a folder of pictures, or a video")
    parser.add_argument(
        "--format",
        choices=_FORMATS,
        help="jsonl: one JSON object per picture, or person of a video, and line; csv: one row per face, or person and "
        "second (default: csv where FILE ends in .csv, jsonl otherwise)",
    )
    parser.add_argument("--out", metavar="FILE", type=Path, help="write there instead of to the terminal")
    parser.add_argument("--force", action="store_true", help="replace FILE where it is there already")
    parser.add_argument("--resume", action="store_true", help="go on where a run that was stopped has left FILE.part")
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
    incomplete: int = 0


def _analyze(arguments: argparse.Namespace) -> int:
    traits = _traits(arguments.traits)
    out: Path | None = arguments.out
    left_out = LeftOut()
    found = list(pictures(arguments.paths, left_out))
    if out is not None and (out.suffix.lower() in (*SUPPORTED_SUFFIXES, *VIDEO_SUFFIXES) or is_one_of(out, found)):
        kind = "video" if out.suffix.lower() in VIDEO_SUFFIXES else "picture"
        raise UserError(f"--out names a {kind}, {out}, which would be overwritten; name another file")
    for note in left_out.notes():
        print(f"facetraits: {note}", file=sys.stderr)
    if not found:
        raise UserError(f"no pictures found in {', '.join(arguments.paths)}")
    form = arguments.format or ("csv" if out is not None and out.suffix.lower() == ".csv" else "jsonl")
    videos = sum(picture.is_video for picture in found)
    if form == "csv" and 0 < videos < len(found):
        raise UserError("pictures and videos have different columns; write two CSV files, or --format jsonl")
    done = _checked_output(out, form, arguments)
    lines_of = json_lines if form == "jsonl" else timeline_csv_lines if videos else csv_lines
    analyzer = load_analyzer(profile=arguments.profile)
    tally = _Tally()
    left = [picture for picture in found if _as_written(picture.path) not in done]
    with _output(out, append=bool(done)) as stream, _progress(left, stream) as progress:
        lines = iter(lines_of(_records(progress, analyzer, traits, tally)))
        if done and form == "csv":
            next(lines)  # the names of the columns are there
        for piece in lines:
            stream.write(piece)
            stream.flush()
    if tally.incomplete:
        one = tally.incomplete == 1
        print(
            f"facetraits: the file of {tally.incomplete} picture{'' if one else 's'} is incomplete; what is missing of "
            f"{'it' if one else 'them'} is grey",
            file=sys.stderr,
        )
    if tally.unreadable:
        kind = "files" if 0 < videos < len(found) else "videos" if videos else "pictures"
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


def _records(
    pictures: Iterable[Picture], analyzer: FaceAnalyzer, traits: tuple[TraitName, ...], tally: _Tally
) -> Iterator[dict[str, Any]]:
    for picture in pictures:
        tally.files += 1
        if picture.is_video:
            yield from _people(picture.path, analyzer, traits, tally)
            continue
        record = _record(picture, analyzer, traits)
        tally.unreadable += record["width"] is None
        tally.incomplete += record["incomplete"] is True
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


def _record(picture: Picture, analyzer: FaceAnalyzer, traits: tuple[TraitName, ...]) -> dict[str, Any]:
    if picture.error is not None:
        return picture_record(picture.path, None, picture.error)
    try:
        decoded = decode(_bytes_of(picture.path))
        result = replace(analyzer.analyze(decoded.pixels, traits), incomplete=decoded.incomplete)
        return picture_record(picture.path, result, None)
    except ImageDecodeError as error:
        return picture_record(picture.path, None, str(error))
    except MemoryError:
        return picture_record(picture.path, None, "the picture needs more memory than this machine has free")
    except OSError as error:
        return picture_record(picture.path, None, f"the file could not be read: {error.strerror}")


def _bytes_of(path: str) -> bytes:
    """What a file holds.

    Raises:
        ImageDecodeError: it is larger than any picture that is read.
        OSError: it cannot be read.
    """
    if os.path.getsize(path) > _LARGEST_FILE:
        raise ImageDecodeError(f"the file is larger than {_LARGEST_FILE // 10**6} MB, which no picture should be")
    return Path(path).read_bytes()


def _part_of(out: Path) -> Path:
    """Where results go until all are there, so that an old file stays whole until then; a device is what it is."""
    return out if out.exists() and not out.is_file() else out.with_name(f"{out.name}.part")


def _checked_output(out: Path | None, form: str, arguments: argparse.Namespace) -> frozenset[str]:
    """The paths whose results a run that was stopped has left; its file is cut after them.

    Raises:
        UserError: the file is there already, or there is no run to go on with.
    """
    if out is None:
        if arguments.resume or arguments.force:
            raise UserError("--resume and --force need --out FILE")
        return frozenset()
    if out.is_dir():
        raise UserError(f"cannot write to {out}: it is a folder")
    if not arguments.resume:
        if out.is_file() and not arguments.force:
            raise UserError(f"{out} is there already; --force replaces it")
        return frozenset()
    part = _part_of(out)
    if not part.exists():
        raise UserError(f"there is no {part}, in which a run that was stopped leaves its results")
    return _cut_to_finished(part, form)


def _cut_to_finished(part: Path, form: str) -> frozenset[str]:
    """Take the last path's results, which may be incomplete, out of a file; the paths of those that stay."""
    try:
        with part.open(encoding="utf-8", newline="") as stream:
            if form == "csv":
                columns, *rows = csv.reader(stream)
                head = csv_line(columns)
                found = [(row[0], csv_line(row)) for row in rows]
            else:
                head = ""
                found = [(json.loads(line)["path"], line) for line in stream if line.endswith("\n")]
    except (OSError, ValueError, KeyError, TypeError, IndexError, csv.Error) as error:
        raise UserError(f"{part} cannot be read as the results of a run that was stopped") from error
    last = found[-1][0] if found else ""
    kept = [(path, line) for path, line in found if path != last]
    if kept:
        part.write_text(head + "".join(line for _, line in kept), encoding="utf-8", newline="")
    return frozenset(_as_written(path) for path, _ in kept)


def _as_written(path: str) -> str:
    """A path as CSV shows it: bytes that are no text escaped, and what looks like a formula quoted."""
    return str(csv_cell(path.encode("utf-8", "backslashreplace").decode("utf-8")))


@contextmanager
def _output(path: Path | None, append: bool) -> Iterator[TextIO]:
    """The stream for results: UTF-8 with plain line ends everywhere; bytes of a path that are no text are escaped.

    A file gets its name when all results are in it.
    """
    if path is None:
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace", newline="\n")
        try:
            yield sys.stdout
        except BrokenPipeError:
            raise
        except OSError as error:
            raise UserError(f"the results cannot be written: {error.strerror}") from error
        return
    part = _part_of(path)
    try:
        with part.open("a" if append else "w", encoding="utf-8", errors="backslashreplace", newline="\n") as stream:
            yield stream
        if part != path:
            part.replace(path)
    except OSError as error:
        raise UserError(f"cannot write to {path}: {error.strerror}") from error
    except KeyboardInterrupt:
        print(f"facetraits: the results so far are in {part}; --resume goes on from there", file=sys.stderr)
        raise


@contextmanager
def _progress(pictures: Sequence[Picture], stream: TextIO) -> Iterator[Iterable[Picture]]:
    """The pictures with a bar on stderr, unless a single one, no terminal, or the results themselves show there."""
    hidden = len(pictures) < 2 or not sys.stderr.isatty() or stream.isatty()
    with tqdm(pictures, desc="Analysing", unit=" pictures", disable=hidden) as bar:
        yield bar
