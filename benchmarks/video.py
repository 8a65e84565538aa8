"""How fast videos are watched: the time that a made 1280 x 720 video with one and with five faces takes.

``python -m benchmarks.video [--quick] [--out FILE]``. Decoding alone and both profiles are measured in one run and in
turns, so that whatever else the machine does meets all alike; ratios travel to other machines, times do not. Watching
is what the page and ``python -m facetraits watch`` do: decode, find and follow faces ten times a second, count visits,
write them into an SQLite file.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from math import inf
from pathlib import Path
from statistics import median
from typing import Any, Final

from benchmarks.reporting import table, this_machine, write_results
from facetraits import load_analyzer
from facetraits.registry import PROFILES
from facetraits.video.sources import EVERY_S, read_file
from facetraits.visitors.inputs import FileInput
from facetraits.visitors.recording import Recording
from facetraits.visitors.store import open_store
from facetraits.visitors.visit import Settings
from tests.builders import ROOT
from tests.camera import Scene, five_faces, moving_face
from tests.videos import write_video

RESULTS: Final = ROOT / "benchmarks" / "results" / "video.json"
SIZE_WH: Final = (1280, 720)
FPS: Final = 30
SCENES: Final[Mapping[str, tuple[int, Callable[[tuple[int, int]], Scene]]]] = {
    "1 face": (1, moving_face),
    "5 faces": (5, five_faces),
}
DECODING: Final = ("every picture decoded", "decoded, ten a second as RGB")
PACKAGES: Final = ("av", "ai-edge-litert", "onnxruntime", "opencv-python-headless", "numpy")


def write_scene(path: Path, scene: Scene, seconds: float) -> Path:
    pictures = (scene.frame(number % scene.frames) for number in range(round(seconds * FPS)))
    return write_video(path, pictures, fps=FPS, codec="libx264")


def decode(path: Path, every_s: float) -> int:
    """Read the video to its end; gives the number of pictures."""
    with read_file(path, every_s) as video:
        return sum(1 for _ in video)


class Watching:
    """One profile, loaded and warmed up."""

    def __init__(self, profile: str, folder: Path) -> None:
        self._analyzer = load_analyzer(profile=profile, threads=2)  # type: ignore[arg-type]
        self._store = open_store(f"sqlite:///{folder / profile}.db")
        self._store.save_settings(Settings(retention_days=None))

    def watch(self, path: Path) -> int:
        """Watch the video to its end; gives the number of visits."""
        recording = Recording(self._store, self._analyzer)
        recording.start("video", FileInput(path, datetime.now(UTC)))
        while recording.statuses()[0].state not in ("ended", "failed"):
            time.sleep(0.005)
        (status,) = recording.statuses()
        assert status.state == "ended", status.detail
        recording.stop_all()
        return status.visits


def measure(paths: Mapping[str, Path], seconds: float, rounds: int, folder: Path) -> list[dict[str, Any]]:
    """One row per video and way; the factor says how many seconds of video one second of work does."""
    watching = {profile: Watching(profile, folder) for profile in PROFILES}
    ways: dict[str, Callable[[Path], int]] = {
        DECODING[0]: lambda path: decode(path, inf),
        DECODING[1]: lambda path: decode(path, EVERY_S),
        **{f"watched, {profile}": watcher.watch for profile, watcher in watching.items()},
    }
    times: dict[tuple[str, str], list[float]] = {(what, way): [] for what in paths for way in ways}
    counts = {}
    for number in range(rounds + 1):
        for what, path in paths.items():
            for way, run in ways.items():
                started = time.perf_counter()
                counts[what, way] = run(path)
                if number > 0 or rounds == 1:  # the first round warms up
                    times[what, way].append(time.perf_counter() - started)
    return [
        {
            "video": what,
            "way": way,
            "seconds": round(median(values), 2),
            "real_time_factor": round(seconds / median(values), 2),
            "visits": counts[what, way] if way not in DECODING else None,
        }
        for (what, way), values in times.items()
    ]


def ratios_of(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """How many times as long watching takes as decoding alone."""
    seconds = {(row["video"], row["way"]): row["seconds"] for row in rows}
    return [
        {
            "video": what,
            "profile": profile,
            "watched_over_decoded": round(seconds[what, f"watched, {profile}"] / seconds[what, DECODING[1]], 2),
        }
        for what in SCENES
        for profile in PROFILES
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, help="where the results go as JSON (default: beside this script)")
    parser.add_argument("--quick", action="store_true", help="one round, short videos; written only with --out")
    arguments = parser.parse_args()
    seconds, rounds = (3.0, 1) if arguments.quick else (12.0, 3)
    machine = this_machine()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        paths = {
            what: write_scene(folder / f"{faces}.mp4", make(SIZE_WH), seconds) for what, (faces, make) in SCENES.items()
        }
        rows = measure(paths, seconds, rounds, folder)
    results = {
        "machine": machine,
        "versions": {package: version(package) for package in PACKAGES},
        "settings": {"rounds": rounds, "seconds": seconds, "size_wh": SIZE_WH, "fps": FPS, "every_s": EVERY_S},
        "rows": rows,
        "ratios": ratios_of(rows),
    }
    out = arguments.out or (None if arguments.quick else RESULTS)
    write_results(results, out)
    print(f"# Videos\n\n{table(rows)}\n\n{table(results['ratios'])}")  # type: ignore[arg-type]


if __name__ == "__main__":
    main()
