"""`python -m facetraits watch`: count the visitors of one source on a machine without a screen."""

from __future__ import annotations

import argparse
import math
import os
import signal
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, Final, Self

from tqdm import tqdm

from facetraits.errors import EXIT_DONE, EXIT_INTERRUPTED, UserError
from facetraits.registry import PROFILES
from facetraits.settings import DATABASE, database_url
from facetraits.visitors.visit import LONGEST_SOURCE, Settings

if TYPE_CHECKING:
    from facetraits.visitors.inputs import FrameSource
    from facetraits.visitors.layout import Layout
    from facetraits.visitors.recording import Recording, SourceStatus

_LOOK_EVERY_S: Final = 0.5
_LINE_EVERY_S: Final = 60.0  # where stderr is no terminal
_STOP_S: Final = 10.0
_STATE_WORDS: Final = {"connecting": "connecting", "live": "watching", "lost": "trying again", "ended": "done"}


def add_watch(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command; what it needs is imported when it runs."""
    parser = commands.add_parser(
        "watch",
        help="count the visitors in front of a camera or in a video",
        description="Count the people seen by a camera or in a video, and write their visits into a database: time, "
        "duration, apparent age and gender, and mood, but no picture. A camera is watched until the command is stopped "
        "(Ctrl-C or SIGTERM), and reconnected after every loss. A video is watched to its end.",
        epilog="Exit codes: 0 done or stopped by SIGTERM, 2 the source or the database cannot be used, 3 models "
        "missing or damaged, 130 stopped by Ctrl-C; in all cases the visits so far are written.",
    )
    parser.add_argument("source", metavar="SOURCE", help="rtsp://..., http://..., /dev/videoN, or a video file")
    parser.add_argument(
        "--db", metavar="URL", help=f"the database (default: ${DATABASE.variable}, else data/visitors.db)"
    )
    parser.add_argument("--name", help="name of the source in the log (default: its file or its host)")
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

    layout = _layout(arguments)
    frames = _input(arguments)
    analyzer = load_analyzer(profile=arguments.profile, threads=min(2, os.cpu_count() or 1))
    try:
        store = open_store(arguments.db or database_url())
        _chosen(store.settings(), arguments)
    except ValueError as error:
        raise UserError(str(error)) from error
    name = arguments.name if arguments.name is not None else _default_name(arguments.source)
    recording = Recording(
        store,
        analyzer,
        settings=lambda: _chosen(store.settings(), arguments),
        layouts=None if layout is None else lambda: {name: layout},
    )
    with _Signals() as signals:
        try:
            _start(recording, name, frames)
            _follow(recording, name, arguments.duration, signals)
        finally:
            ended = recording.stop_all(_STOP_S)  # which may count somebody still
            unwritten = recording.unwritten()
            store.close()
    if unwritten:
        raise UserError(f"{_counted(unwritten)} could not be written because the database does not respond")
    print(f"{name}: {_counted(sum(status.visits for status in ended))} written{_crossed(ended)}", file=sys.stderr)
    return EXIT_INTERRUPTED if signals.interrupted else EXIT_DONE


def _layout(arguments: argparse.Namespace) -> Layout | None:
    """What the command line draws; None where it draws nothing, so that the line in the database counts."""
    from facetraits.visitors.layout import layout_of

    if arguments.line is None and not arguments.ignore:
        return None
    try:
        return layout_of(arguments.line, arguments.ignore)
    except ValueError as error:
        raise UserError(str(error)) from error


def _input(arguments: argparse.Namespace) -> FrameSource:
    """What is to be watched."""
    from facetraits.video.cameras import is_address
    from facetraits.video.sources import read_file
    from facetraits.visitors.inputs import CameraInput, FileInput

    if is_address(arguments.source):
        if arguments.began is not None:
            raise UserError("--began is for video files; a camera shows the present")
        return CameraInput(arguments.source, arguments.aspect)
    path = Path(arguments.source)
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


def _default_name(source: str) -> str:
    from facetraits.video.cameras import host_of, is_address

    if source.startswith("/dev/"):
        name = source
    else:
        name = (host_of(source) or "camera") if is_address(source) else Path(source).name
    return "".join(sign if sign.isprintable() else "?" for sign in name)[:LONGEST_SOURCE]


def _start(recording: Recording, name: str, frames: FrameSource) -> None:
    try:
        known = recording.start(name, frames)
    except ValueError as error:
        raise UserError(str(error)) from error
    if known:
        print(
            f"facetraits: {_counted(known)} of this recording {'is' if known == 1 else 'are'} in the log already; "
            "nobody is counted twice",
            file=sys.stderr,
        )


def _follow(recording: Recording, name: str, duration_s: float | None, signals: _Signals) -> None:
    """Show progress until it is over.

    Raises:
        UserError: the source cannot be used. A camera that worked once is retried forever.
    """
    until = math.inf if duration_s is None else time.monotonic() + duration_s
    due_s = -math.inf
    # No progress bar, because a camera has no end. Without a terminal, print one line a minute.
    with tqdm(bar_format="{desc}", disable=None, leave=False, dynamic_ncols=True) as line:
        while True:
            (status,) = recording.statuses()
            if status.state == "failed" or (status.state == "connecting" and status.detail):
                raise UserError(status.detail)
            if status.state == "ended" or signals.stopped.is_set() or time.monotonic() >= until:
                return
            if not line.disable:
                line.set_description_str(_words(status))
            elif time.monotonic() >= due_s:
                due_s = time.monotonic() + _LINE_EVERY_S
                print(_words(status), file=sys.stderr, flush=True)
            signals.stopped.wait(min(_LOOK_EVERY_S, max(0.0, until - time.monotonic())))


def _words(status: SourceStatus) -> str:
    parts = [_STATE_WORDS[status.state]]
    if status.progress is not None:
        parts = [f"{status.progress:.0%}"]
    parts += [f"{status.in_view} in view", _counted(status.visits), f"{status.analyses_per_second:.1f} pictures/s"]
    if status.crossings is not None:
        parts.append("{} entered, {} left".format(*status.crossings))
    if status.unwritten:
        parts.append(f"{status.unwritten} not written yet")
    return f"{status.name}: {', '.join(parts)}" + (f" ({status.detail})" if status.detail else "")


def _crossed(ended: Sequence[SourceStatus]) -> str:
    crossed = [status.crossings for status in ended if status.crossings is not None]
    return "".join(f"; {entries} entered, {exits} left" for entries, exits in crossed)


def _counted(visits: int) -> str:
    return "1 visit" if visits == 1 else f"{visits} visits"


class _Signals:
    """SIGTERM and Ctrl-C end the program cleanly; a second one ends it at once.

    Attributes:
        stopped: set by either.
        interrupted: it was Ctrl-C.
    """

    def __init__(self) -> None:
        self.stopped = threading.Event()
        self.interrupted = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        for number in (signal.SIGTERM, signal.SIGINT):
            self._before[number] = signal.signal(number, self._stop)
        return self

    def __exit__(self, *of_error: object) -> None:
        self._restore()

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self.interrupted = number == signal.SIGINT
        self.stopped.set()
        self._restore()

    def _restore(self) -> None:
        for number, before in self._before.items():
            signal.signal(number, before)
