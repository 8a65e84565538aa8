"""`python -m facetraits analyze`: pictures, folders of pictures and videos, as JSON lines, CSV or Parquet."""

from __future__ import annotations

import argparse
import math
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from itertools import groupby
from pathlib import Path
from typing import Any, TextIO

from tqdm import tqdm

from facetraits.analyzer import FaceAnalyzer, load_analyzer
from facetraits.batch.formats import FORMATS, Format, check_parquet
from facetraits.batch.pipeline import in_order
from facetraits.batch.records import read_local, record_of, room_for
from facetraits.batch.storage import is_remote
from facetraits.cli.files import LeftOut, Picture, is_one_of, pictures
from facetraits.cli.notes import notes_of
from facetraits.cli.output import as_written, checked_output, output
from facetraits.errors import EXIT_DONE, EXIT_SOME_UNREADABLE, UserError
from facetraits.faces.budget import PixelBudget
from facetraits.faces.images import SUPPORTED_SUFFIXES
from facetraits.registry import PROFILES
from facetraits.tables import csv_lines, json_lines, picture_record
from facetraits.traits import TRAITS, TraitName
from facetraits.video.sources import VIDEO_SUFFIXES, Frame, VideoError, VideoFile, read_file
from facetraits.video.timeline import error_record, person_records, timeline_csv_lines


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
        choices=FORMATS,
        help="jsonl: one JSON object per picture, or person of a video, and line; csv and parquet: one row per face, "
        "or person and second (default: what FILE ends in, otherwise jsonl; with --engine ray parquet)",
    )
    parser.add_argument(
        "--out", metavar="FILE", type=Path, help="write there instead of to the terminal; with --engine ray a folder"
    )
    parser.add_argument(
        "--engine",
        choices=("local", "ray"),
        default="local",
        help="local: this process (default); ray: all processors of this machine, or of the cluster at --address; it "
        "also reads folders s3:// and gs://, and text files, here or there or at https://, with one address a line",
    )
    parser.add_argument("--address", help="of a running Ray cluster, as `ray start` shows it")
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
    if arguments.engine == "ray":
        return _on_cluster(arguments, traits)
    if arguments.address is not None:
        raise UserError("--address needs --engine ray")
    if remote := next(filter(is_remote, arguments.paths), None):
        raise UserError(f"{remote} is not on this machine; --engine ray reads it")
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
    form = _format(arguments.format, out)
    videos = sum(picture.is_video for picture in found)
    if form != "jsonl" and 0 < videos < len(found):
        raise UserError("pictures and videos have different columns; write two files, or --format jsonl")
    done = checked_output(out, form, arguments.resume, arguments.force)
    lines_of = json_lines if form != "csv" else timeline_csv_lines if videos else csv_lines
    left = [picture for picture in found if as_written(picture.path) not in done]
    # Many pictures share the processors; one picture, or a video, has them all to itself.
    threads = _threads() if len(left) - videos > 1 else 1
    analyzer = load_analyzer(profile=arguments.profile, threads=2 if threads == 1 else 1, callers=threads)
    tally = _Tally()
    with output(out, bool(done), form, bool(videos)) as stream, _progress(left, stream) as progress:
        lines = iter(lines_of(_records(progress, analyzer, traits, tally, threads)))
        if done and form == "csv":
            next(lines)  # the names of the columns are there
        for piece in lines:
            stream.write(piece)
            stream.flush()
    kind = "files" if 0 < videos < len(found) else "videos" if videos else "pictures"
    for note in notes_of(tally.files, tally.unreadable, tally.incomplete, kind):
        print(f"facetraits: {note}", file=sys.stderr)
    return EXIT_SOME_UNREADABLE if tally.unreadable else EXIT_DONE


def _format(asked: Format | None, out: Path | None) -> Format:
    """The format that was asked for, or that the file's name shows."""
    suffix = "" if out is None else out.suffix.lower().removeprefix(".")
    by_name: Format = next((each for each in FORMATS if each == suffix), "jsonl")
    form = asked or by_name
    if form == "parquet":
        check_parquet()
    return form


def _on_cluster(arguments: argparse.Namespace, traits: tuple[TraitName, ...]) -> int:
    if find_spec("ray") is None:
        raise UserError("--engine ray needs the package ray; install what requirements-distributed.txt lists")
    from facetraits.cli.on_cluster import analyze_on_cluster

    form: Format = arguments.format or "parquet"
    if form == "parquet":
        check_parquet()
    job = {"profile": arguments.profile, "traits": traits, "form": form}
    return analyze_on_cluster(arguments.paths, arguments.out, arguments.address, arguments.resume, arguments.force, job)


def _traits(listed: str) -> tuple[TraitName, ...]:
    asked = {name.strip() for name in listed.split(",")} - {""}
    if unknown := sorted(asked - set(TRAITS)):
        raise UserError(f"unknown trait {unknown[0]!r}; the traits are {', '.join(TRAITS)}")
    if not asked:
        raise UserError(f"--traits names none; the traits are {', '.join(TRAITS)}")
    return tuple(trait for trait in TRAITS if trait in asked)


def _records(
    pictures: Iterable[Picture], analyzer: FaceAnalyzer, traits: tuple[TraitName, ...], tally: _Tally, threads: int
) -> Iterator[dict[str, Any]]:
    room = room_for(threads)
    for is_video, group in groupby(pictures, key=lambda picture: picture.is_video):
        if is_video:
            for video in group:
                tally.files += 1
                yield from _people(video.path, analyzer, traits, tally)
            continue
        for record in in_order(group, lambda picture: _record(picture, analyzer, traits, room), threads):
            tally.files += 1
            tally.unreadable += record["width"] is None
            tally.incomplete += record["incomplete"] is True
            yield record


def _threads() -> int:
    """How many pictures are analysed at once: one per processor, because a picture alone does not keep two busy."""
    return os.cpu_count() or 1


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


def _record(
    picture: Picture, analyzer: FaceAnalyzer, traits: tuple[TraitName, ...], room: PixelBudget
) -> dict[str, Any]:
    if picture.error is not None:
        return picture_record(picture.path, None, picture.error)
    return record_of(picture.path, partial(read_local, picture.path), analyzer, traits, room)[0]


@contextmanager
def _progress(pictures: Sequence[Picture], stream: TextIO) -> Iterator[Iterable[Picture]]:
    """The pictures with a bar on stderr, unless a single one, no terminal, or the results themselves show there."""
    hidden = len(pictures) < 2 or not sys.stderr.isatty() or stream.isatty()
    with tqdm(pictures, desc="Analysing", unit=" pictures", disable=hidden) as bar:
        yield bar
