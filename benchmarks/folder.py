"""How fast a folder is analysed, one picture after the other and one per processor; and what takes the time.

``python -m benchmarks.folder [--quick] [--out FILE]``. The ways take turns over the same pictures, so that whatever
else the machine does meets all alike; ratios travel to other machines, times do not. The time that the processors
worked is given beside, because it depends less on who else uses them.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any, Final

import numpy as np

from benchmarks.reporting import table, this_machine, write_results
from benchmarks.scale import SAMPLES, make_pictures
from facetraits.analyzer import FaceAnalyzer, load_analyzer
from facetraits.batch.pipeline import in_order
from facetraits.batch.records import read_local, record_of, room_for
from facetraits.faces.alignment import CROPS, align_faces
from facetraits.faces.images import decode
from facetraits.registry import PROFILES
from facetraits.tables import json_lines
from facetraits.traits import TRAITS
from tests.builders import ROOT

RESULTS: Final = ROOT / "benchmarks" / "results" / "folder.json"
PACKAGES: Final = ("onnxruntime", "ai-edge-litert", "opencv-python-headless", "pillow", "numpy")
BEFORE: Final = "one after the other"
PROCESSORS: Final = os.cpu_count() or 1
# Name to processor threads of a network and pictures at a time.
WAYS: Final = {
    BEFORE: (2, 1),
    "one after the other, one thread": (1, 1),
    "one per processor": (1, PROCESSORS),
}
CROPS_AT_ONCE: Final = 8


def analyzed(paths: Sequence[Path], analyzer: FaceAnalyzer, threads: int) -> str:
    """The lines of all pictures."""
    room = room_for(threads)

    def one(path: Path) -> dict[str, Any]:
        return record_of(path.name, partial(read_local, str(path)), analyzer, TRAITS, room)[0]

    return "".join(json_lines(in_order(paths, one, threads)))


def measure(profile: str, what: str, paths: Sequence[Path], rounds: int) -> list[dict[str, Any]]:
    analyzers = {
        way: load_analyzer(profile=profile, threads=threads, callers=pictures)  # type: ignore[arg-type]
        for way, (threads, pictures) in WAYS.items()
    }
    wall: dict[str, list[float]] = {way: [] for way in WAYS}
    work: dict[str, list[float]] = {way: [] for way in WAYS}
    lines = set()
    for number in range(rounds + 1):
        for way, (_, pictures) in WAYS.items():
            started, worked = time.perf_counter(), time.process_time()
            lines.add(analyzed(paths, analyzers[way], pictures))
            if number > 0:  # the first round warms up
                wall[way].append(time.perf_counter() - started)
                work[way].append(time.process_time() - worked)
    assert len(lines) == 1, "every way gives the same answers, to the last digit"
    return [
        {
            "profile": profile,
            "pictures": what,
            "way": way,
            "pictures_per_second": round(len(paths) / median(wall[way]), 1),
            "times_as_fast": round(median(b / w for b, w in zip(wall[BEFORE], wall[way], strict=True)), 2),
            "processor_ms_per_picture": round(median(work[way]) / len(paths) * 1e3, 1),
        }
        for way in WAYS
    ]


def measure_steps(profile: str, what: str, paths: Sequence[Path], rounds: int) -> dict[str, Any]:
    """Processor time of each step, in milliseconds a picture, with one thread."""
    analyzer = load_analyzer(profile=profile, threads=1)  # type: ignore[arg-type]
    files = [path.read_bytes() for path in paths]
    pictures = [decode(data).pixels for data in files]
    faces = [analyzer.detector.detect(picture) for picture in pictures]
    results = [analyzer.analyze(picture) for picture in pictures]
    steps: dict[str, Callable[[], object]] = {
        "read_and_decode": lambda: [decode(path.read_bytes()) for path in paths],
        "detect": lambda: [analyzer.detector.detect(picture) for picture in pictures],
        "align": lambda: [
            align_faces(picture, found, CROPS[name])
            for picture, found in zip(pictures, faces, strict=True)
            for name in analyzer.ensemble.crop_names
        ],
        "all_after_decoding": lambda: [analyzer.analyze(picture) for picture in pictures],
        "write": lambda: [result.to_dict() for result in results],
    }
    return {"profile": profile, "pictures": what, **{k: _worked_ms(v, rounds, len(paths)) for k, v in steps.items()}}


def measure_batches(profile: str, rounds: int) -> dict[str, Any]:
    """What the networks need per face, for the faces of one picture at a time and of several at once."""
    analyzer = load_analyzer(profile=profile, threads=1)  # type: ignore[arg-type]
    picture = decode((SAMPLES / "portrait.jpg").read_bytes()).pixels
    faces = analyzer.detector.detect(picture)[:1]
    one = {name: align_faces(picture, faces, CROPS[name]) for name in analyzer.ensemble.crop_names}
    many = {name: np.concatenate([crops] * CROPS_AT_ONCE) for name, crops in one.items()}
    alone: list[float] = []
    together: list[float] = []
    for _ in range(rounds + 1):
        alone.append(_worked_ms(lambda: analyzer.ensemble.predict(one, TRAITS), CROPS_AT_ONCE, 1))
        together.append(_worked_ms(lambda: analyzer.ensemble.predict(many, TRAITS), 1, CROPS_AT_ONCE))
    ratio = median(a / b for a, b in zip(alone[1:], together[1:], strict=True))
    return {
        "profile": profile,
        "ms_per_face_alone": round(median(alone[1:]), 2),
        f"ms_per_face_of_{CROPS_AT_ONCE}": round(median(together[1:]), 2),
        "alone_over_together": round(ratio, 2),
    }


def _worked_ms(work: Callable[[], object], rounds: int, count: int) -> float:
    times = []
    for _ in range(rounds):
        started = time.process_time()
        work()
        times.append(time.process_time() - started)
    return round(median(times) / count * 1e3, 2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, help="where the results go as JSON (default: beside this script)")
    parser.add_argument("--quick", action="store_true", help="few pictures, one round; written only with --out")
    arguments = parser.parse_args()
    rounds, count = (1, 9) if arguments.quick else (3, 18)
    machine = this_machine()
    with tempfile.TemporaryDirectory() as name:
        make_pictures(Path(name) / "small", count)
        kinds = {
            "900 px": sorted(SAMPLES.glob("*.jpg")),
            "100 to 270 px": sorted((Path(name) / "small").glob("*.jpg")),
        }
        rows, steps = [], []
        for profile in PROFILES:
            for what, paths in kinds.items():
                rows += measure(profile, what, paths, rounds)
                steps.append(measure_steps(profile, what, paths, rounds))
        batches = [measure_batches(profile, rounds) for profile in PROFILES]
    results = {
        "machine": machine,
        "versions": {package: version(package) for package in PACKAGES},
        "settings": {"rounds": rounds, "processors": PROCESSORS},
        "rows": rows,
        "processor_ms_per_picture": steps,
        "batches": batches,
    }
    write_results(results, arguments.out or (None if arguments.quick else RESULTS))
    print(f"# A folder of pictures\n\n{table(rows)}\n\n{table(steps)}\n\n{table(batches)}")


if __name__ == "__main__":
    main()
