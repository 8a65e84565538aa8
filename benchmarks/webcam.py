"""How smooth, quick and steady the page "Webcam" is in a real browser, beside a page that only passes video through.

``python -m benchmarks.webcam [--quick] [--parts video memory connects]``. Chromium plays videos of a real face as its
camera. Both pages are measured in one run and in turns, A B A B, each with the machine to itself, so that whatever else
the machine does meets both alike; what one page takes more than the other travels to other machines, times do not.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from playwright.sync_api import Browser

from benchmarks.reporting import table, this_machine, write_results
from benchmarks.webcam_browser import Visitor, chromium
from benchmarks.webcam_figures import box_figures, first_times, summary_of, video_figures
from benchmarks.webcam_server import FACETRAITS, PASSTHROUGH, ROOT, App, BenchmarkError, Server, processor_seconds
from tests.camera import Scene, five_faces, moving_face, write_mjpeg

RESULTS = ROOT / "benchmarks" / "results" / "webcam.json"
PACKAGES = ("streamlit", "streamlit-webrtc", "aiortc", "av", "opencv-python-headless", "onnxruntime", "numpy")
PARTS = ("video", "memory", "connects")
MOST_FOR_OTHERS = 0.3  # processor cores; more disturbs what is measured
GRABS_PER_SECOND = 4.0
RAMP_UP_S = 10.0  # a connection begins with a low bit rate
SESSION_FORGOTTEN_S = 130.0  # Streamlit keeps what a closed tab leaves behind for two minutes


@dataclass(frozen=True)
class Videos:
    """The scenes that are played, as files."""

    moving: Path
    five: Path


def measure_video(
    apps: Sequence[App], videos: Videos, scratch: Path, rounds: int, seconds: float
) -> list[dict[str, Any]]:
    """One row per round, app and scene, in turns. A server and a browser serve one row only."""
    rows = []
    for turn in range(rounds):
        for app in apps:
            with Server(app, scratch) as server:
                for scene_name, video, scene in (
                    ("one face", videos.moving, moving_face()),
                    ("five faces", videos.five, five_faces()),
                ):
                    row = {"round": turn + 1, "app": app.name, "scene": scene_name}
                    try:
                        with chromium(video) as browser:
                            row |= _measure_scene(browser, app, server, scene, seconds)
                    except BenchmarkError:  # one connection in some fifty hangs, that of pass-through too
                        with chromium(video) as browser:
                            row |= _measure_scene(browser, app, server, scene, seconds)
                        row["second_attempt"] = True
                    rows.append(row)
                    _progress(row)
    return rows


def _measure_scene(browser: Browser, app: App, server: Server, scene: Scene, seconds: float) -> dict[str, Any]:
    visitor = Visitor(browser, app, server)
    analyses = app == FACETRAITS
    visitor.start()  # cold: it loads the networks and whatever else only the first visitor waits for
    visitor.wait_for_video()
    if analyses:
        visitor.wait_for_card()
    visitor.reload()
    pressed = visitor.start()
    row: dict[str, Any] = {}
    if analyses:
        visitor.wait_for_card()
        row["first_result_s"] = round(time.monotonic() - pressed, 2)
    visitor.wait_for_video()
    row["connected_s"] = round(time.monotonic() - pressed, 2)
    visitor.page.wait_for_timeout(RAMP_UP_S * 1000)
    everybody, own = processor_seconds()
    row |= video_figures(visitor.watch(seconds), scene)
    everybody, own = np.subtract(processor_seconds(), (everybody, own)) / seconds
    row |= {"cores": round(float(own), 2), "others_cores": round(float(everybody - own), 2)}
    if analyses:
        row["analyses_per_second"] = _analyses_per_second(visitor, seconds / 2)
        if len(scene.people) == 1:
            row["boxes"] = box_figures(visitor.watch(seconds, GRABS_PER_SECOND)["pictures"], scene)
    visitor.close()
    return row


def _analyses_per_second(visitor: Visitor, seconds: float) -> float:
    """Median of what the page tells."""
    told = []
    for _ in range(max(1, round(seconds))):
        visitor.page.wait_for_timeout(1000)
        told.append(visitor.figures()["analyses"])
    return round(median(told), 1)


def measure_memory(
    app: App, video: Path, scratch: Path, seconds: float, step_s: float, skip_s: float
) -> dict[str, Any]:
    """The server's resident memory while one visitor streams; the slope leaves the first ``skip_s`` out."""
    samples: list[tuple[float, float]] = []
    with Server(app, scratch) as server, chromium(video) as browser:
        visitor = Visitor(browser, app, server)
        visitor.start()
        visitor.wait_for_video()
        began = time.monotonic()
        while (elapsed := time.monotonic() - began) <= seconds:
            samples.append((round(elapsed, 1), round(server.resident_mb(), 2)))
            visitor.page.wait_for_timeout(step_s * 1000)
        still_shown = len(first_times(visitor.watch(2.0)["shown"]))
    times, sizes = np.array([sample for sample in samples if sample[0] >= skip_s]).T
    return {
        "app": app.name,
        "seconds": round(seconds),
        "mb_at_start": samples[0][1],
        "mb_at_end": samples[-1][1],
        "mb_per_10_minutes": round(float(np.polyfit(times, sizes, 1)[0]) * 600, 2),
        "shown_fps_at_end": still_shown / 2,
        "samples": samples,
    }


def measure_connects(app: App, video: Path, scratch: Path, connects: int, settle_s: float) -> dict[str, Any]:
    """Threads and memory that remain of visitors who came and went in every way that there is."""
    with Server(app, scratch) as server, chromium(video) as browser:
        visitor = Visitor(browser, app, server)
        ways = (visitor.stop, visitor.leave, visitor.reload, visitor.close_tab)

        def connect(count: int) -> dict[str, Any]:
            for i in range(count):
                visitor.start()
                visitor.wait_for_video()
                visitor.page.wait_for_timeout(1000)
                ways[i % len(ways)]()
            visitor.reload()  # the last visitor too is gone ...
            time.sleep(settle_s)
            visitor.reload()  # ... and this makes Streamlit look for whom it can forget
            time.sleep(5)
            return {"mb": round(server.resident_mb(), 1), "threads": server.threads(), "names": server.thread_names()}

        before = connect(2 * len(ways))  # pools of threads and of memory are filled then
        after = connect(connects)
        visitor.close()
    return {
        "app": app.name,
        "connects": connects,
        "mb_before": before["mb"],
        "mb_after": after["mb"],
        "threads_before": before["threads"],
        "threads_after": after["threads"],
        "new_threads": dict(after["names"] - before["names"]),
    }


def _progress(row: dict[str, Any]) -> None:
    print(json.dumps(row), file=sys.stderr, flush=True)


def report(results: dict[str, Any]) -> str:
    """All tables of the results as Markdown."""
    machine, settings = results["machine"], results["settings"]
    parts = [
        f"# Webcam\n\n{machine['cpu_count']} cores ({machine['machine']}), Python {machine['python']}, load "
        f"{machine['load_average']} at the start; Chromium on the same machine; medians of {settings['rounds']} rounds."
    ]
    if "video" in results:
        named = {
            scene: [{"figure": key, "value": value} for key, value in figures.items()]
            for scene, figures in results["video"]["summary"].items()
        }
        parts += [f"## {scene}, 640 x 480\n\n{table(rows)}" for scene, rows in named.items()]
        shown = ("round", "app", "scene", "camera_fps", "shown_fps", "delay_ms_median", "delay_ms_p95", "connected_s")
        cores = ("cores", "others_cores")
        rows = [{key: row[key] for key in (*shown, *cores)} for row in results["video"]["rows"]]
        parts += ["## Every round", table(rows)]
        if max(row["others_cores"] for row in rows) > MOST_FOR_OTHERS:
            parts += ["**Something else was busy on this machine: these figures mean little.**"]
    if "memory" in results:
        row = {key: value for key, value in results["memory"].items() if key != "samples"}
        parts += ["## Memory of the server while one visitor streams", table([row])]
    if "connects" in results:
        rows = [row | {"new_threads": row["new_threads"] or None} for row in results["connects"]]
        parts += ["## What visitors leave behind", table(rows)]
    return "\n\n".join(parts)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, help="where the results go as JSON (default: beside this script)")
    parser.add_argument("--quick", action="store_true", help="everything once and short; written only with --out")
    parser.add_argument(
        "--parts", nargs="+", choices=PARTS, default=PARTS, help="measure these alone; the file keeps the others"
    )
    parser.add_argument("--rounds", type=int, default=3, help="how often each video is measured in each app")
    parser.add_argument(
        "--app", choices=("both", FACETRAITS.name), default="both", help="whose visitors' remains are measured"
    )
    return parser.parse_args()


def main() -> None:
    arguments = _arguments()
    quick = arguments.quick
    rounds, seconds = (1, 8.0) if quick else (arguments.rounds, 20.0)
    results: dict[str, Any] = {
        "machine": this_machine(),
        "versions": {package: version(package) for package in PACKAGES},
        "settings": {"rounds": rounds, "seconds": seconds, "quick": quick},
    }
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        videos = Videos(
            write_mjpeg(moving_face(), scratch / "moving.mjpeg"), write_mjpeg(five_faces(), scratch / "five.mjpeg")
        )
        if "video" in arguments.parts:
            rows = measure_video((PASSTHROUGH, FACETRAITS), videos, scratch, rounds, seconds)
            results["video"] = {"summary": summary_of(rows), "rows": rows}
        if "memory" in arguments.parts:
            times = (60.0, 2.0, 20.0) if quick else (600.0, 10.0, 60.0)
            results["memory"] = measure_memory(FACETRAITS, videos.moving, scratch, *times)
        if "connects" in arguments.parts:
            times = (8, 10.0) if quick else (50, SESSION_FORGOTTEN_S)
            results["connects"] = [
                measure_connects(app, videos.moving, scratch, *times)
                for app in (PASSTHROUGH, FACETRAITS)
                if arguments.app in ("both", app.name)
            ]
    out = arguments.out or (None if quick else RESULTS)
    kept = json.loads(out.read_text()) if out is not None and out.exists() else {}
    write_results(kept | results, out)
    print(report(results))


if __name__ == "__main__":
    try:
        main()
    except BenchmarkError as error:
        sys.exit(str(error))
