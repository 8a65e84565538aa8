"""How smooth, quick and steady the page "Webcam" is in a real browser, beside a page that only passes video through.

``python -m benchmarks.webcam [--quick] [--parts video memory connects]``. Chromium plays videos of a real face as its
camera. Both pages are measured in one run and in turns, A B A B, each with the machine to itself, so that whatever else
the machine does meets both alike; what one page takes more than the other travels to other machines, times do not.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

import cv2
import numpy as np
from playwright.sync_api import Browser, Frame, Locator, Page, sync_playwright
from playwright.sync_api import Error as BrowserError

from benchmarks.reporting import table, this_machine, write_results
from tests.browser.conftest import CHROMIUM_ARGUMENTS, FAKE_CAMERA_ARGUMENTS
from tests.camera import MOVING_SPEED, PLAYBACK_FPS, Scene, five_faces, moving_face, read_counter, write_mjpeg
from tests.drawn_boxes import best_overlap, drawn_boxes

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "results" / "webcam.json"
PACKAGES = ("streamlit", "streamlit-webrtc", "aiortc", "av", "opencv-python-headless", "onnxruntime", "numpy")

PARTS = ("video", "memory", "connects")
START, STOP = "Start camera", "Stop camera"
LEAST_IOU = 0.6
MOST_FOR_OTHERS = 0.3  # processor cores; more disturbs what is measured
GRABS_PER_SECOND = 4.0
CONNECTION_TIMEOUT_S = 60.0
RAMP_UP_S = 10.0  # a connection begins with a low bit rate
SESSION_FORGOTTEN_S = 130.0  # Streamlit keeps what a closed tab leaves behind for two minutes

CAMERA_ARGUMENTS = (*CHROMIUM_ARGUMENTS, *FAKE_CAMERA_ARGUMENTS, "--disable-features=WebRtcHideLocalIpsWithMdns")


class BenchmarkError(Exception):
    """Something that is needed is absent or does not run; the message is one line."""


@dataclass(frozen=True)
class App:
    """A page with a button to start the camera: ``script`` is what Streamlit runs, ``path`` where the page lies."""

    name: str
    script: Path
    path: str
    other_page: str | None = None  # label of a link in the page that leads away from it


PASSTHROUGH = App("pass-through", ROOT / "benchmarks" / "webcam_passthrough.py", "/")
FACETRAITS = App("facetraits", ROOT / "app.py", "/Webcam", other_page="About")


# ------------------------------------------------------------------------------------------------------------- server


# Streamlit as its command starts it, with the names of the threads on demand: the system knows only their number.
_LAUNCHER = """
import signal, sys, threading
from pathlib import Path
names = Path(sys.argv.pop(1))
def tell(*_):
    unfinished = names.with_suffix(".part")
    unfinished.write_text("\\n".join(thread.name for thread in threading.enumerate()))
    unfinished.rename(names)
signal.signal(signal.SIGUSR1, tell)
from streamlit.web.cli import main
main()
"""


class Server:
    """A running app in a process of its own."""

    def __init__(self, app: App, scratch: Path) -> None:
        self._names = scratch / "threads.txt"
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.url = f"http://localhost:{port}{app.path}"
        arguments = ["run", str(app.script), "--server.port", str(port), "--server.address", "127.0.0.1"]
        self._log = (scratch / "server.log").open("w+")
        self._process = subprocess.Popen(
            [sys.executable, "-c", _LAUNCHER, str(self._names), *arguments],
            cwd=ROOT,
            # Visitors come and go faster than people do: none is to be turned away.
            env={**os.environ, "CUDA_VISIBLE_DEVICES": "", "FACETRAITS_VIEWERS": "99"},
            stdout=self._log,
            stderr=self._log,
        )

    def __enter__(self) -> Server:
        deadline = time.monotonic() + CONNECTION_TIMEOUT_S
        health = self.url[: self.url.index("/", len("http://"))] + "/_stcore/health"
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                with urllib.request.urlopen(health, timeout=1):
                    return self
            except (urllib.error.URLError, OSError):
                time.sleep(0.1)
        self._log.seek(0)
        raise BenchmarkError(f"the server did not start: {self._log.read().strip()[-200:]!r}")

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        try:
            self._process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()

    def resident_mb(self) -> float:
        """Resident memory in MB (10^6 bytes)."""
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        kib = re.search(r"^VmRSS:\s+(\d+) kB$", status, re.MULTILINE)
        assert kib is not None
        return int(kib[1]) * 1024 / 1e6

    def threads(self) -> int:
        return len(os.listdir(f"/proc/{self._process.pid}/task"))

    def thread_names(self) -> Counter[str]:
        """Python's threads by name, numbers left out: "Thread-# (run)". Libraries have more of their own."""
        self._names.unlink(missing_ok=True)
        os.kill(self._process.pid, signal.SIGUSR1)
        deadline = time.monotonic() + 10
        while not self._names.exists():
            if time.monotonic() > deadline:
                raise BenchmarkError("the server does not tell its threads")
            time.sleep(0.05)
        number = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|\d+"
        return Counter(re.sub(number, "#", name) for name in self._names.read_text().splitlines())


# ------------------------------------------------------------------------------------------------------------ browser


# Keeps the camera's picture for comparison, and the browser from sending a smaller one while it still believes that the
# connection is slow: times at different sizes say nothing.
_PREPARE = """(() => {
  if (!navigator.mediaDevices) return;
  const get = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
  navigator.mediaDevices.getUserMedia = async wanted => window.ftCamera = await get(wanted);
  const connect = RTCPeerConnection.prototype.setRemoteDescription;
  RTCPeerConnection.prototype.setRemoteDescription = async function (description) {
    await connect.call(this, description);
    for (const sender of this.getSenders().filter(s => s.track?.kind === 'video'))
      await sender.setParameters({...sender.getParameters(), degradationPreference: 'maintain-resolution'});
  };
})();"""

_IS_SHOWING = """() =>
  [...document.querySelectorAll('video')].some(v => v.srcObject && v.videoWidth > 0 && v.currentTime > 0)"""

# Reads the counter of every frame of the camera and of the video that comes back, when it is presented; now and then
# keeps a whole picture of the latter. A counter that cannot be read is -1.
_WATCH = """async ([seconds, grabsPerSecond]) => {
  const shown = [...document.querySelectorAll('video')].find(v => v.srcObject && v.videoWidth);
  const camera = document.createElement('video');
  camera.muted = true; camera.srcObject = window.ftCamera.clone(); await camera.play();
  const context = (width, height) => {
    const canvas = document.createElement('canvas'); canvas.width = width; canvas.height = height;
    return canvas.getContext('2d', {willReadFrequently: true});
  };
  const counter = (cx, video) => {
    cx.drawImage(video, 0, 0, video.videoWidth, video.videoHeight * 0.1, 0, 0, 160, 16);
    const row = cx.getImageData(0, 8, 160, 1).data;
    let number = 0;
    for (let bit = 0; bit < 10; bit++) {
      const level = row[(bit * 16 + 8) * 4];
      if (level > 64 && level < 191) return -1;
      if (level > 127) number |= 1 << bit;
    }
    return number;
  };
  const pictures = [];
  let stopped = false, lastGrab = -1e9, whole = null;
  const grab = now => {
    if (!grabsPerSecond || now - lastGrab < 1000 / grabsPerSecond) return;
    lastGrab = now;
    const [width, height] = [shown.videoWidth, shown.videoHeight];
    if (!whole || whole.canvas.width !== width) whole = context(width, height);
    whole.drawImage(shown, 0, 0);
    pictures.push(whole.getImageData(0, 0, width, height));
  };
  const follow = (video, after) => {
    const cx = context(160, 16), seen = [];
    const step = (now, frame) => {
      if (stopped) return;
      seen.push([frame.presentationTime, counter(cx, video)]);
      after(now);
      video.requestVideoFrameCallback(step);
    };
    video.requestVideoFrameCallback(step);
    return seen;
  };
  const result = {camera: follow(camera, () => {}), shown: follow(shown, grab)};
  await new Promise(done => setTimeout(done, seconds * 1000));
  stopped = true;
  camera.srcObject.getTracks().forEach(track => track.stop());
  const asPng = picture => {
    const cx = context(picture.width, picture.height);
    cx.putImageData(picture, 0, 0);
    return cx.canvas.toDataURL('image/png').split(',')[1];
  };
  return {...result, size: [shown.videoWidth, shown.videoHeight], pictures: pictures.map(asPng)};
}"""

_FIGURES = """() => Object.fromEntries(
  [...document.querySelectorAll('[data-figure]')].map(e => [e.dataset.figure, parseFloat(e.textContent)]))"""


@contextmanager
def chromium(camera: Path) -> Iterator[Browser]:
    """A browser whose camera plays ``camera``."""
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if path is None:
        raise BenchmarkError("no Chromium is installed")
    arguments = [*CAMERA_ARGUMENTS, f"--use-file-for-fake-video-capture={camera}"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=arguments)
        try:
            yield browser
        finally:
            browser.close()


class Visitor:
    """A tab of the browser that looks at an app."""

    def __init__(self, browser: Browser, app: App, server: Server) -> None:
        self._app = app
        self._url = server.url
        self._context = browser.new_context(viewport={"width": 1280, "height": 1000})
        self._context.set_default_timeout(CONNECTION_TIMEOUT_S * 1000)
        self._context.add_init_script(_PREPARE)
        self.page = self._open()

    def close(self) -> None:
        self._context.close()

    def _open(self) -> Page:
        page = self._context.new_page()
        page.goto(self._url)
        return page

    def start(self) -> float:
        """Press the button to start.

        Returns:
            When it was pressed, on the monotonic clock.
        """
        self._button(START)
        self._settle()
        button = self._button(START)  # the script may have drawn it anew
        pressed = time.monotonic()
        button.click()
        return pressed

    def wait_for_video(self) -> Frame:
        """The frame of the page that shows the video that comes back."""
        return self._until(lambda: next((f for f in self.page.frames if f.evaluate(_IS_SHOWING)), None), "a video")

    def wait_for_card(self) -> None:
        self.page.wait_for_selector("li.ft-card", state="attached")

    def watch(self, seconds: float, grabs_per_second: float = 0.0) -> dict[str, Any]:
        """What ``_WATCH`` sees."""
        return self.wait_for_video().evaluate(_WATCH, [seconds, grabs_per_second])

    def figures(self) -> dict[str, float]:
        """The figures that the page tells of itself."""
        return self.page.evaluate(_FIGURES)

    def stop(self) -> None:
        self._button(STOP).click()
        self._button(START)

    def leave(self) -> None:
        """Go to another page of the app, or to none where there is only one, and come back."""
        if self._app.other_page is None:
            self.page.goto("about:blank")
        else:
            link = self.page.get_by_role("link", name=self._app.other_page, exact=True).first
            link.click()
            self.page.get_by_role("heading", level=1, name=self._app.other_page).wait_for()
        self.page.goto(self._url)

    def reload(self) -> None:
        self.page.reload()

    def close_tab(self) -> None:
        self.page.close()
        self.page = self._open()

    def _button(self, name: str) -> Locator:
        """Wait for a button, in the page or in one of its frames."""

        def visible() -> Locator | None:
            buttons = (frame.get_by_role("button", name=name, exact=True).first for frame in self.page.frames)
            return next((button for button in buttons if button.is_visible() and button.is_enabled()), None)

        return self._until(visible, f"the button {name!r}")

    def _settle(self) -> None:
        """Wait until the page's script has run to its end."""
        self.page.wait_for_function("document.querySelector('[data-test-script-state=notRunning]') !== null")

    def _until(self, find: Callable[[], Any], what: str) -> Any:
        deadline = time.monotonic() + CONNECTION_TIMEOUT_S
        while time.monotonic() < deadline:
            try:
                found = find()
            except BrowserError:  # a frame that was replaced meanwhile
                found = None
            if found is not None:
                return found
            self.page.wait_for_timeout(20)
        told = self.page.locator("[data-testid=stException], .ft-notice").all_inner_texts()
        raise BenchmarkError(" / ".join([f"{self._app.name} does not show {what}", *" ".join(told).splitlines()]))


def processor_seconds() -> tuple[float, float]:
    """For how long the processors have worked so far: for everybody, and for this program with all that it started."""
    ticks = os.sysconf("SC_CLK_TCK")
    user, nice, system, _, _, irq, softirq, steal = map(int, Path("/proc/stat").read_text().split()[1:9])
    parents, worked = {}, {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:  # it has ended
            continue
        pid = int(stat.parent.name)
        parents[pid], worked[pid] = int(fields[1]), int(fields[11]) + int(fields[12])

    def is_own(pid: int) -> bool:
        return pid == os.getpid() or (pid in parents and is_own(parents[pid]))

    own = sum(time for pid, time in worked.items() if is_own(pid))
    return (user + nice + system + irq + softirq + steal) / ticks, own / ticks


# -------------------------------------------------------------------------------------------------------------- video


def video_figures(watched: dict[str, Any], scene: Scene) -> dict[str, Any]:
    """Rates and delays from what ``_WATCH`` saw in less time than the scene takes.

    A frame's delay is the time from its presentation as the camera's picture to its presentation as what came back, in
    the same browser. ``shown_fps`` counts different pictures.
    """
    sent, shown = first_times(watched["camera"]), first_times(watched["shown"])
    delays = [shown[number] - sent[number] for number in shown if number in sent]
    if len(delays) < 2:
        raise BenchmarkError("the pictures that come back are not those of the camera")
    first, last = (end(sent.items(), key=lambda item: item[1]) for end in (min, max))
    times = sorted(shown.values())
    return {
        "camera_fps": round((last[0] - first[0]) % scene.frames / (last[1] - first[1]) * 1000, 2),
        "shown_fps": round((len(times) - 1) / (times[-1] - times[0]) * 1000, 2),
        "delay_ms_median": round(float(np.median(delays)), 1),
        "delay_ms_p95": round(float(np.percentile(delays, 95)), 1),
        "gap_ms_p95": round(float(np.percentile(np.diff(times), 95)), 1),
        "frames": len(times),
        "unread_counters": sum(number < 0 for _, number in watched["shown"]),
        "size_wh": watched["size"],
    }


def first_times(seen: Sequence[Sequence[float]]) -> dict[int, float]:
    """Number of a frame to the ms at which it was first seen."""
    times: dict[int, float] = {}
    for time_ms, number in seen:
        if number >= 0:
            times.setdefault(int(number), time_ms)
    return times


def box_figures(pictures: Sequence[str], scene: Scene) -> dict[str, Any]:
    """How well the drawn boxes fit the face in base64 PNGs of shown frames of a scene with one face.

    A picture without a box counts as a miss. One whose counter cannot be read is left out, and counted.
    """
    overlaps: list[float] = []
    for encoded in pictures:
        data = np.frombuffer(base64.b64decode(encoded), dtype=np.uint8)
        picture = np.ascontiguousarray(cv2.imdecode(data, cv2.IMREAD_COLOR)[:, :, ::-1])
        number = read_counter(picture)
        if number is not None:
            (true_box,) = scene.boxes(number) * (picture.shape[1] / scene.size_wh[0])
            overlaps.append(best_overlap(true_box, drawn_boxes(picture)))
    if not overlaps:
        raise BenchmarkError("no picture with a readable counter came back")
    return {
        "pictures": len(overlaps),
        "on_face_share": round(float(np.mean([overlap >= LEAST_IOU for overlap in overlaps])), 4),
        "iou_median": round(median(overlaps), 3),
        "iou_p5": round(float(np.percentile(overlaps, 5)), 3),
        "without_box": sum(overlap == 0 for overlap in overlaps),
        "unread_counters": len(pictures) - len(overlaps),
    }


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


def summary_of(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Medians over the rounds by scene: facetraits beside pass-through."""

    def values(app: App, scene: str, key: str) -> list[float]:
        return [row[key] for row in rows if row["app"] == app.name and row["scene"] == scene]

    summary: dict[str, Any] = {}
    for scene in ("one face", "five faces"):
        ours, theirs = (
            {key: median(values(app, scene, key)) for key in ("shown_fps", "delay_ms_median", "delay_ms_p95")}
            for app in (FACETRAITS, PASSTHROUGH)
        )
        summary[scene] = {
            "shown_fps_share_of_passthrough": round(ours["shown_fps"] / theirs["shown_fps"], 3),
            "added_delay_ms_median": round(ours["delay_ms_median"] - theirs["delay_ms_median"], 1),
            "added_delay_ms_p95": round(ours["delay_ms_p95"] - theirs["delay_ms_p95"], 1),
            "analyses_per_second": median(values(FACETRAITS, scene, "analyses_per_second")),
            "first_result_s": median(values(FACETRAITS, scene, "first_result_s")),
        }
    boxes = [row["boxes"] for row in rows if "boxes" in row]
    pictures = sum(row["pictures"] for row in boxes)
    on_face = sum(row["on_face_share"] * row["pictures"] for row in boxes)
    speeds = [fps / PLAYBACK_FPS * MOVING_SPEED for fps in values(FACETRAITS, "one face", "camera_fps")]
    summary["one face"] |= {
        "boxes_on_face_share": round(on_face / pictures, 3),
        "boxes_pictures": pictures,
        "face_widths_per_second": round(median(speeds), 2),
    }
    return summary


# ------------------------------------------------------------------------------------------------- memory and threads


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


# ------------------------------------------------------------------------------------------------------------- report


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
