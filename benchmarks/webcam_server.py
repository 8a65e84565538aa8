"""The two apps that are compared, each in a process of its own."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
CONNECTION_TIMEOUT_S = 60.0


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
