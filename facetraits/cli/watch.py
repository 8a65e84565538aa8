"""`python -m facetraits watch`: count the visitors of cameras or videos on a machine without a screen."""

from __future__ import annotations

import argparse
import math
import os
import sys
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Final

from facetraits.cli.watch_progress import Progress, Signals, counted, crossed
from facetraits.cli.watch_sources import layout_given, sources_of
from facetraits.errors import EXIT_DONE, EXIT_INTERRUPTED, EXIT_SOME_UNREADABLE, UserError
from facetraits.registry import PROFILES
from facetraits.settings import CAMERAS, DATABASE, database_url
from facetraits.visitors.visit import Settings

if TYPE_CHECKING:
    from facetraits.visitors.inputs import FrameSource
    from facetraits.visitors.recording import Recording, SourceStatus

_LOOK_EVERY_S: Final = 0.5
_STOP_S: Final = 10.0


def add_watch(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command; what it needs is imported when it runs."""
    parser = commands.add_parser(
        "watch",
        help="count the visitors in front of cameras or in videos",
        description="Count the people seen by cameras or in videos, and write their visits into a database: time, "
        "duration, apparent age and gender, and mood, but no picture. A camera is watched until the command is stopped "
        "(Ctrl-C or SIGTERM), and reconnected after every loss. A video is watched to its end. Several sources share "
        "the networks and take turns; one that fails does not stop the others.",
        epilog="Exit codes: 0 done or stopped by SIGTERM, 1 some of several sources failed, 2 no source or the "
        "database cannot be used, 3 models missing or damaged, 130 stopped by Ctrl-C; in all cases the visits so far "
        "are written.",
    )
    parser.add_argument(
        "source",
        metavar="SOURCE",
        nargs="*",
        help=f"rtsp://..., http://..., /dev/videoN, or a video file (default: ${CAMERAS.variable}, addresses or "
        "NAME=ADDRESS with spaces between them)",
    )
    parser.add_argument(
        "--db", metavar="URL", help=f"the database (default: ${DATABASE.variable}, else data/visitors.db)"
    )
    parser.add_argument(
        "--name",
        action="append",
        default=[],
        help="name of the source in the log (default: its file or its host); with several sources, one for each in "
        "their order",
    )
    parser.add_argument(
        "--metrics",
        metavar="PORT",
        type=_port,
        help="show figures of all sources to Prometheus at http://127.0.0.1:PORT/metrics (default: do not)",
    )
    parser.add_argument("--duration", metavar="S", type=_seconds, help="stop after this many seconds")
    parser.add_argument("--profile", choices=PROFILES, default="fast", help="networks (default: fast)")
    parser.add_argument("--ethnicity", action="store_true", help="estimate and store the ethnicity too")
    parser.add_argument("--enter", metavar="S", type=_seconds, help="a person who stays for S seconds is a visitor")
    parser.add_argument("--away", metavar="S", type=_seconds, help="a visitor has left after S seconds out of view")
    parser.add_argument("--began", metavar="TIME", type=_moment, help="for a file: when it was recorded, as ISO time")
    parser.add_argument(
        "--aspect",
        metavar="W:H",
        type=_aspect,
        help="for a camera that shows people too wide or narrow: 16:9 or 4:3",
    )
    parser.add_argument(
        "--line",
        metavar="X1,Y1,X2,Y2",
        type=_numbers,
        help="count only people who cross this line from its left to its right side, as seen from the first point to "
        "the second; numbers from 0 to 1 are shares of the picture's width and height, from its top left corner",
    )
    parser.add_argument(
        "--ignore",
        metavar="X1,Y1,X2,Y2,...",
        type=_numbers,
        action="append",
        default=[],
        help="do not count faces in this area, given by its corners as in --line; may be given several times",
    )
    parser.set_defaults(run=_watch)


def _seconds(text: str) -> float:
    value = float(text)
    if not math.isfinite(value) or value < 0:
        raise argparse.ArgumentTypeError(f"seconds must be 0 or more, got {text}")
    return value


def _port(text: str) -> int:
    try:
        port = int(text)
    except ValueError:
        port = -1
    if not 1 <= port <= 65535:
        raise argparse.ArgumentTypeError(f"a port is a number from 1 to 65535, got {text}")
    return port


def _aspect(text: str) -> float:
    width, _, height = text.partition(":")
    try:
        aspect = float(width) / float(height or 1)
    except (ValueError, ZeroDivisionError):
        aspect = 0.0
    if not 0.25 <= aspect <= 4:
        raise argparse.ArgumentTypeError(f"an aspect looks like 16:9 or 4:3, got {text}")
    return aspect


def _numbers(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"numbers look like 0.1,0.5,0.9,0.5, got {text}") from None


def _moment(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text).astimezone()  # without an offset it is meant as this machine shows it
    except (ValueError, OverflowError):
        raise argparse.ArgumentTypeError(f"a time looks like 2026-05-04T09:00, got {text}") from None


def _watch(arguments: argparse.Namespace) -> int:
    from facetraits.analyzer import load_analyzer
    from facetraits.visitors.recording import Recording
    from facetraits.visitors.store import open_store

    layout = layout_given(arguments)
    sources = sources_of(arguments)
    processors = os.cpu_count() or 1
    # Several sources are analysed at the same time, each by one thread, which is less work in all.
    analyzer = load_analyzer(profile=arguments.profile, threads=1 if len(sources) > 1 else min(2, processors))
    try:
        store = open_store(arguments.db or database_url())
        _chosen(store.settings(), arguments)
    except ValueError as error:
        raise UserError(str(error)) from error
    recording = Recording(
        store,
        analyzer,
        settings=lambda: _chosen(store.settings(), arguments),
        layouts=None if layout is None else lambda: {sources[0][0]: layout},
    )
    metrics: AbstractContextManager[object] = nullcontext()
    if arguments.metrics is not None:
        from facetraits.visitors.metrics import serve_metrics

        metrics = serve_metrics(arguments.metrics, recording.figures)
    with Signals() as signals:
        try:
            with metrics:
                for name, frames in sources:
                    _start(recording, name, frames)
                _follow(recording, arguments.duration, signals)
        finally:
            ended = recording.stop_all(_STOP_S)  # which may count somebody still
            unwritten = recording.unwritten()
            store.close()
    if unwritten:
        raise UserError(f"{counted(unwritten)} could not be written because the database does not respond")
    for status in ended:
        print(f"{status.name}: {counted(status.visits)} written{crossed([status])}", file=sys.stderr)
    if signals.interrupted:
        return EXIT_INTERRUPTED
    return EXIT_SOME_UNREADABLE if any(status.state == "failed" for status in ended) else EXIT_DONE


def _chosen(settings: Settings, arguments: argparse.Namespace) -> Settings:
    """The settings of the database, overridden by the command line.

    Raises:
        ValueError: a value is out of its range.
    """
    return replace(
        settings,
        enter_s=settings.enter_s if arguments.enter is None else arguments.enter,
        away_s=settings.away_s if arguments.away is None else arguments.away,
        ethnicity=settings.ethnicity or arguments.ethnicity,
    )


def _start(recording: Recording, name: str, frames: FrameSource) -> None:
    try:
        known = recording.start(name, frames)
    except ValueError as error:
        raise UserError(str(error)) from error
    if known:
        print(
            f"facetraits: {counted(known)} of this recording {'is' if known == 1 else 'are'} in the log already; "
            "nobody is counted twice",
            file=sys.stderr,
        )


def _follow(recording: Recording, duration_s: float | None, signals: Signals) -> None:
    """Show progress until it is over.

    Raises:
        UserError: no source can be used. A camera that worked once, or beside others, is retried forever.
    """
    until = math.inf if duration_s is None else time.monotonic() + duration_s
    with Progress() as progress:
        while True:
            statuses = recording.statuses()
            _check_usable(statuses)
            if signals.stopped.is_set() or time.monotonic() >= until or not any(s.at_work for s in statuses):
                return
            progress.show(statuses)
            signals.stopped.wait(min(_LOOK_EVERY_S, max(0.0, until - time.monotonic())))


def _check_usable(statuses: Sequence[SourceStatus]) -> None:
    """Raise UserError if every source has failed, or could not be reached at all."""
    if all(status.state == "failed" or (status.state == "connecting" and status.detail) for status in statuses):
        told = [status.detail if len(statuses) == 1 else f"{status.name}: {status.detail}" for status in statuses]
        raise UserError(" ".join(told))
