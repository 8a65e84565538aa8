"""Time and memory of photos and of a folder of them, side by side with two packages that answer part of the same.

``make benchmark``, or ``python -m benchmarks.photo [--quick] [--skip-peers]``. Everything is measured in one run and in
turns, A B A B, so that whatever else the machine does meets all alike; ratios travel to other machines, times do not.
The pictures are drawn from a public-domain portrait. Every program keeps its own defaults, its number of threads too.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks.peers import PEERS, ROOT, Process, Program, ProgramError, install, program_of
from benchmarks.reporting import table, this_machine, write_results
from facetraits.ensemble import Ensemble
from facetraits.faces.alignment import CROPS
from facetraits.registry import DEFAULT_MODELS_DIR, PROFILES, load_manifest
from tests.builders import photo_of_many

RESULTS = ROOT / "benchmarks" / "results" / "photo.json"
BATCHES = (1, 8)
OWN_PACKAGES = ("ai-edge-litert", "onnxruntime", "opencv-python-headless", "numpy", "pillow")


# ----------------------------------------------------------------------------------------------------------- programs


def own_programs(models: Path) -> list[Program]:
    command = (sys.executable, "-m", "benchmarks.peer_facetraits", str(models))
    return [Program(f"facetraits {name}", (*command, name)) for name in PROFILES]


def peer_programs(trial: Path) -> list[Program]:
    """Those peers that can be installed and analyse the picture ``trial``; of the others stderr tells why not."""
    programs = []
    for name in PEERS:
        try:
            program = program_of(name, install(name))
            with Process(program) as process:
                _time(process, trial, calls=1)
        except ProgramError as error:
            print(f"skipped: {error}", file=sys.stderr)
        else:
            programs.append(program)
    return programs


def _time(process: Process, picture: Path, calls: int) -> dict[str, Any]:
    """Seconds of each call, faces found and the peak memory so far; see ``peer_loop.serve``."""
    return process.ask({"path": str(picture), "calls": calls})


# ----------------------------------------------------------------------------------------------------------- pictures


def draw_pictures() -> dict[str, tuple[int, NDArray[np.uint8]]]:
    """Name to the number of faces and the picture."""
    pictures = {f"{n} face{'s' * (n > 1)}": (n, photo_of_many(n, face_px=90, width=1280)) for n in (1, 5, 20)}
    group = photo_of_many(5, face_px=280, width=4000)
    large = cv2.copyMakeBorder(group, 0, 3000 - len(group), 0, 0, cv2.BORDER_REPLICATE).astype(np.int16)
    # As of a sensor: a smooth picture would decode faster than a photo.
    large += np.random.default_rng(0).integers(-4, 5, large.shape, dtype=np.int16)
    pictures["5 faces, 12 megapixels"] = (5, np.clip(large, 0, 255).astype(np.uint8))
    return pictures


def write_folder(folder: Path, count: int) -> None:
    """JPEGs with one to five faces in turn."""
    folder.mkdir()
    for i in range(count):
        _write(folder / f"{i:03}.jpg", photo_of_many(1 + i % 5, face_px=90, width=1280))


def _write(path: Path, image: NDArray[np.uint8]) -> Path:
    Image.fromarray(image).save(path, quality=92)
    return path


# ------------------------------------------------------------------------------------------------------- measurements


def measure_warm(
    programs: Sequence[Program], paths: dict[str, Path], rounds: int
) -> dict[tuple[str, str], dict[str, Any]]:
    """Program and picture to the median seconds per picture and the faces found, all loaded and warmed up."""
    seconds: dict[tuple[str, str], list[float]] = {(program.name, what): [] for what in paths for program in programs}
    faces: dict[tuple[str, str], int] = {}
    with ExitStack() as stack:
        processes = {program.name: stack.enter_context(Process(program)) for program in programs}
        for _ in range(rounds):
            for what, path in paths.items():
                for who, process in processes.items():
                    # The first call of a turn finds the processor's caches full of the others' data.
                    answer = _time(process, path, calls=2)
                    seconds[who, what].append(answer["seconds"][1])
                    faces[who, what] = answer["faces"]
    return {key: {"seconds": median(times), "faces": faces[key]} for key, times in seconds.items()}


def measure_cold(
    programs: Sequence[Program], paths: dict[str, Path], rounds: int
) -> dict[tuple[str, str], dict[str, Any]]:
    """Program and picture to the median seconds from the start of a process to its first result, and its peak memory.

    The time includes the interpreter's start, imports, loading and decoding; the files lie in the system's cache.
    """
    keys = [(program.name, what) for program in programs for what in paths]
    seconds: dict[tuple[str, str], list[float]] = {key: [] for key in keys}
    peaks: dict[tuple[str, str], list[float]] = {key: [] for key in keys}
    for _ in range(rounds):
        for what, path in paths.items():
            for program in programs:
                started = time.perf_counter()
                with Process(program) as process:
                    answer = _time(process, path, calls=1)
                    seconds[program.name, what].append(time.perf_counter() - started)
                if answer["peak_mb"] is not None:
                    peaks[program.name, what].append(answer["peak_mb"])
    return {
        key: {"seconds": median(seconds[key]), "peak_mb": median(peaks[key]) if peaks[key] else None} for key in keys
    }


def measure_networks(models: Path, rounds: int) -> list[dict[str, Any]]:
    """One row per number of faces: each profile's networks alone, all traits, without the search for faces."""
    manifest = load_manifest(models)
    ensembles = {name: Ensemble(manifest, manifest.profiles[name]) for name in PROFILES}
    portrait = photo_of_many(1, face_px=90, width=320)
    rows: list[dict[str, Any]] = []
    for count in BATCHES:
        crops = {
            spec.name: np.repeat(cv2.resize(portrait, (spec.side_px, spec.side_px))[None], count, axis=0)
            for spec in CROPS.values()
        }
        seconds: dict[str, list[float]] = {name: [] for name in PROFILES}
        for _ in range(rounds):
            for name, ensemble in ensembles.items():
                for call in range(3):  # the first of a turn finds the processor's caches full of the others' data
                    started = time.perf_counter()
                    ensemble.predict(crops, ensemble.outputs)
                    if call:
                        seconds[name].append(time.perf_counter() - started)
        ms = {name: 1e3 * median(times) / count for name, times in seconds.items()}
        row: dict[str, Any] = {"faces_at_once": count}
        row |= {f"{name}_ms_per_face": round(value, 2) for name, value in ms.items()}
        rows.append(row | {"accurate_over_fast": round(ms["accurate"] / ms["fast"], 2)})
    return rows


def measure_folder(folder: Path, rounds: int) -> list[dict[str, Any]]:
    """One row per profile: ``python -m facetraits analyze`` on the folder, its start included."""
    seconds: dict[str, list[float]] = {profile: [] for profile in PROFILES}
    faces = {}
    for _ in range(rounds):
        for profile in PROFILES:
            out = folder.parent / f"{profile}.jsonl"
            command = (sys.executable, "-m", "facetraits", "analyze", str(folder), "--force", "--out", str(out))
            started = time.perf_counter()
            subprocess.run((*command, "--profile", profile), cwd=ROOT, check=True)
            seconds[profile].append(time.perf_counter() - started)
            faces[profile] = sum(len(json.loads(line)["faces"]) for line in out.read_text().splitlines())
    count = len(list(folder.iterdir()))
    return [
        {
            "program": f"facetraits {profile}",
            "pictures": count,
            "faces_found": faces[profile],
            "seconds": round(median(times), 2),
            "pictures_per_second": round(count / median(times), 1),
        }
        for profile, times in seconds.items()
    ]


def rows_of(
    warm: dict[tuple[str, str], dict[str, Any]], cold: dict[tuple[str, str], dict[str, Any]]
) -> list[dict[str, Any]]:
    """One row per program and picture; ``ms_per_face`` counts the faces found and is None without one."""
    rows = []
    for (who, what), measured in warm.items():
        ms, faces = measured["seconds"] * 1e3, measured["faces"]
        started = cold[who, what]
        rows.append(
            {
                "program": who,
                "picture": what,
                "faces_found": faces,
                "ms_per_picture": round(ms, 2),
                "ms_per_face": round(ms / faces, 2) if faces else None,
                "cold_seconds": round(started["seconds"], 2),
                "peak_mb": None if started["peak_mb"] is None else round(started["peak_mb"]),
            }
        )
    return rows


def ratios_of(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """How many times as long both peers together take as facetraits with all traits; empty unless both were there."""
    by_key = {(row["program"], row["picture"]): row for row in rows}
    if not all(any(row["program"] == peer for row in rows) for peer in PEERS):
        return []
    ratios = []
    for profile in PROFILES:
        for what in dict.fromkeys(row["picture"] for row in rows):
            ours = by_key[f"facetraits {profile}", what]
            peers = [by_key[peer, what] for peer in PEERS]
            ratio: dict[str, Any] = {"picture": what, "profile": profile}
            for unit in ("ms_per_picture", "ms_per_face"):
                values = [row[unit] for row in (ours, *peers)]
                known = None not in values
                name = unit.replace("ms", "peers_over_facetraits")
                ratio[name] = round(sum(values[1:]) / values[0], 2) if known else None
            ratios.append(ratio)
    return ratios


# ------------------------------------------------------------------------------------------------------------- report


def report(results: dict[str, Any]) -> str:
    """All tables of the results as Markdown."""
    machine, settings = results["machine"], results["settings"]
    parts = [
        f"# Photos\n\n{machine['cpu_count']} cores ({machine['machine']}), Python {machine['python']}, load "
        f"{machine['load_average']} at the start; medians of {settings['rounds']} rounds "
        f"(cold start, memory and folder: {settings['cold_rounds']}).",
        table(results["rows"]),
    ]
    if results["ratios"]:
        parts += ["## Both peers together over facetraits with all traits", table(results["ratios"])]
    parts += ["## The networks alone", table(results["networks"])]
    if results["folder"]:
        parts += ["## A folder through `python -m facetraits analyze`", table(results["folder"])]
    return "\n\n".join(parts)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, help="where the results go as JSON (default: beside this script)")
    parser.add_argument("--quick", action="store_true", help="one round, a small folder; written only with --out")
    parser.add_argument("--skip-peers", action="store_true", help="facetraits alone")
    parser.add_argument("--models", type=Path, help="other models than the committed ones; leaves the folder out")
    return parser.parse_args()


def main() -> None:
    arguments = _arguments()
    rounds, cold_rounds, folder_pictures = (1, 1, 8) if arguments.quick else (7, 3, 40)
    machine = this_machine()
    drawn = draw_pictures()
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        paths = {what: _write(scratch / f"{i}.png", image) for i, (what, (_, image)) in enumerate(drawn.items())}
        jpegs = {what: _write(scratch / f"{i}.jpg", image) for i, (what, (_, image)) in enumerate(drawn.items())}
        programs = own_programs(arguments.models or DEFAULT_MODELS_DIR)
        if not arguments.skip_peers:
            programs += peer_programs(next(iter(paths.values())))
        rows = rows_of(measure_warm(programs, paths, rounds), measure_cold(programs, jpegs, cold_rounds))
        folder = []
        if arguments.models is None:
            write_folder(scratch / "folder", folder_pictures)
            folder = measure_folder(scratch / "folder", cold_rounds)
    results = {
        "machine": machine,
        "versions": {package: version(package) for package in OWN_PACKAGES}
        | {"peers": [PEERS[program.name].package for program in programs if program.name in PEERS]},
        "settings": {"rounds": rounds, "cold_rounds": cold_rounds},
        "pictures": {
            what: {"faces": faces, "width": image.shape[1], "height": image.shape[0]}
            for what, (faces, image) in drawn.items()
        },
        "rows": rows,
        "ratios": ratios_of(rows),
        "networks": measure_networks(arguments.models or DEFAULT_MODELS_DIR, 3 * rounds),
        "folder": folder,
    }
    out = arguments.out or (None if arguments.quick else RESULTS)
    write_results(results, out)
    print(report(results))


if __name__ == "__main__":
    try:
        main()
    except ProgramError as error:
        sys.exit(str(error))
