"""Many cameras in one process: pictures, delays and exact numbers of visits.

``python -m benchmarks.cameras [--cameras N] [--seconds S] [--quick]``. The cameras are simulated, half of them MJPEG
over HTTP and half RTSP. Each sends a picture in which the same face is seen for ``STAY_S`` of every ``PERIOD_S``
seconds, each camera at other times. They run in a process of their own. ``python -m facetraits watch`` looks at all of
them with the networks of the ``fast`` profile, beside one more that is dead. Its log is on PostgreSQL.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

from benchmarks.reporting import table, this_machine, write_results
from facetraits.visitors.store import open_store
from tests.camera import Person, Pose, Scene
from tests.videos import Camera, http_camera, jpeg, rtsp_camera
from tests.visitors.servers import postgresql_server

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "results" / "cameras.json"
FPS = 10.0
PERIOD_S, STAY_S = 60.0, 30.0
AWAY_S = 12.0
DEAD = "rtsp://127.0.0.1:1/stream"
SAMPLE = re.compile(r'(\w+)\{(?:le="([^"]+)",)?source="([^"]+)"(?:,le="([^"]+)")?\} (\S+)')


# ---------------------------------------------------------------------------------------------------------- the cameras


def run_cameras(number: int, seconds: float) -> None:
    """Runs in a process of its own: prints the addresses, then serves them until its input ends."""
    size = (320, 240)
    there = jpeg(Scene((Person(lambda t: Pose(0.5, 0.55, 0.3)),), frames=1, size_wh=size, fps=1).frame(0))
    empty = jpeg(Scene((Person(lambda t: Pose(2.0, 0.55, 0.3)),), frames=1, size_wh=size, fps=1).frame(0))
    began: list[float] = []

    def picture(camera: int) -> bytes:
        if not began:
            return empty
        time_s = time.monotonic() - began[0] - PERIOD_S / 2 * camera / number
        return there if 0 <= time_s < seconds and time_s % PERIOD_S < STAY_S else empty

    with ExitStack() as held:
        for camera in range(number):
            serve = rtsp_camera if camera % 2 else http_camera
            print(held.enter_context(serve(Camera(lambda camera=camera: picture(camera), FPS))), flush=True)
        for line in sys.stdin:
            if line.strip() == "begin":
                began.append(time.monotonic())


# -------------------------------------------------------------------------------------------------------- measurements


def read_metrics(port: int) -> dict[tuple[str, str, str], float]:
    """Metric, source and upper end of a class of delays ("" for others) to value."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=60) as answer:
        found = SAMPLE.findall(answer.read().decode())
    return {(name, source, before or after): float(value) for name, before, source, after, value in found}


def wait_until_all_are_live(port: int, names: list[str]) -> None:
    """Return as soon as every camera has been looked at."""
    until = time.monotonic() + 180
    while time.monotonic() < until:
        try:
            metrics = read_metrics(port)
        except OSError:
            metrics = {}
        if all(metrics.get(("facetraits_pictures_analysed_total", name, ""), 0) > 0 for name in names):
            return
        time.sleep(1)
    sys.exit("Not all cameras were looked at within three minutes.")


def delay_below(metrics: dict[tuple[str, str, str], float], share: float) -> float | None:
    """The end of the class of delays below which so large a share of all pictures lies; None beyond the last one."""
    ends: dict[float, float] = {}
    for (name, _, end), value in metrics.items():
        if name == "facetraits_answer_delay_seconds_bucket":
            ends[float(end)] = ends.get(float(end), 0) + value
    most = max(ends.values())
    found = min(end for end, value in ends.items() if value >= share * most)
    return None if found == float("inf") else found


def measure(number: int, seconds: float, url: str) -> dict[str, Any]:
    """Watch so many cameras for so long."""
    names = [f"camera {i + 1}" for i in range(number)]
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    simulation = [sys.executable, "-m", "benchmarks.cameras", "--serve", str(number), "--seconds", str(seconds)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(simulation, cwd=ROOT, **pipes) as cameras:  # type: ignore[call-overload]
        try:
            addresses = [cameras.stdout.readline().strip() for _ in range(number)]
            command = [sys.executable, "-m", "facetraits", "watch", *addresses, DEAD, "--db", url]
            for name in (*names, "dead"):
                command += ["--name", name]
            command += ["--metrics", str(port), "--away", str(AWAY_S)]
            with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) as watch:
                try:
                    wait_until_all_are_live(port, names)
                    cameras.stdin.write("begin\n")
                    cameras.stdin.flush()
                    first, started = read_metrics(port), time.monotonic()
                    used_s = _processor_s(watch.pid)
                    time.sleep(seconds + PERIOD_S / 2 + AWAY_S + 5)
                    last, wall_s = read_metrics(port), time.monotonic() - started
                    used_s = _processor_s(watch.pid) - used_s
                    memory_mb = _peak_mb(watch.pid)
                    watch.send_signal(signal.SIGTERM)
                    _, said = watch.communicate(timeout=120)
                finally:
                    watch.kill()
        finally:
            cameras.kill()
    with closing(open_store(url)) as store:
        counted = store.frame()["source"].value_counts()
    expected = -(-seconds // PERIOD_S)

    def of(name: str, source: str) -> float:
        key = (f"facetraits_{name}", source, "")
        return last[key] - first.get(key, 0.0)

    analysed = [of("pictures_analysed_total", name) for name in names]
    dropped = [of("pictures_dropped_total", name) for name in names]
    return {
        "cameras": number,
        "seconds": round(wall_s),
        "people_expected": int(expected * number),
        "visits_counted": int(sum(counted.get(name, 0) for name in names)),
        "cameras_counted_exactly": sum(int(counted.get(name, 0)) == expected for name in names),
        "analysed_per_second": round(sum(analysed) / wall_s, 2),
        "analysed_least_of_a_camera": int(min(analysed)),
        "analysed_most_of_a_camera": int(max(analysed)),
        "dropped_share": round(sum(dropped) / (sum(dropped) + sum(analysed)), 3),
        "half_answered_within_s": delay_below(last, 0.5),
        "answered_within_s_95": delay_below(last, 0.95),
        "failed_pictures": int(sum(of("pictures_failed_total", name) for name in names)),
        "losses_of_live_cameras": int(sum(of("connections_lost_total", name) for name in names)),
        "losses_of_the_dead_one": int(last["facetraits_connections_lost_total", "dead", ""]),
        "processors_used": round(used_s / wall_s, 2),
        "peak_mb": memory_mb,
        "exit_code": watch.returncode,
        "said_at_the_end": said.count(" written"),
    }


def _processor_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _peak_mb(pid: int) -> int:
    return int(Path(f"/proc/{pid}/status").read_text().split("VmHWM:")[1].split()[0]) // 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cameras", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=120.0)
    parser.add_argument("--out", type=Path, help="where the results go as JSON (default: beside this script)")
    parser.add_argument("--quick", action="store_true", help="two cameras for a few seconds; written only with --out")
    parser.add_argument("--serve", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        run_cameras(arguments.serve, arguments.seconds)
        return
    number, seconds = (2, 20.0) if arguments.quick else (arguments.cameras, arguments.seconds)
    machine = this_machine()
    with postgresql_server() as server:
        measured = measure(number, seconds, server.url("visitors"))
    settings = {"pictures_per_second": FPS, "period_s": PERIOD_S, "stay_s": STAY_S, "away_s": AWAY_S}
    results = {"machine": machine, "settings": settings, "result": measured}
    write_results(results, arguments.out or (None if arguments.quick else RESULTS))
    print(table([{"figure": name.replace("_", " "), "value": value} for name, value in measured.items()]))
    print(json.dumps(machine))


if __name__ == "__main__":
    main()
