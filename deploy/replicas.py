"""Run several replicas of the app behind one port: ``python -m deploy.replicas [--replicas N] [--port PORT]``.

Caddy sends each browser to the same replica as long as that one lives, and then to another. A replica that ends is
started again.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
_CADDYFILE: Final = ROOT / "deploy" / "Caddyfile.replicas"
_START_S: Final = 60.0
_LOOK_EVERY_S: Final = 0.5
_STOP_S: Final = 10.0
_SHORT_LIFE_S: Final = 30.0  # a replica that ends sooner is started again after a pause, which doubles each time
_FIRST_PAUSE_S: Final = 1.0
_LONGEST_PAUSE_S: Final = 60.0


class Replicas:
    """The processes; use it in a ``with`` statement.

    Args:
        count: replicas, at least 1.
        port: of the proxy, on all addresses.

    Attributes:
        ports: of the replicas, on the loopback interface only.
        processes: of the replicas, in the order of ``ports``.

    Raises:
        SystemExit: Caddy is not installed, or a program does not start; it says so in one sentence.
    """

    def __init__(self, count: int, port: int) -> None:
        caddy = shutil.which("caddy")
        if caddy is None:
            raise SystemExit("Caddy is not installed: on Debian and Ubuntu, apt install caddy")
        self.port = port
        self.ports = _free_ports(count)
        self._caddy = caddy
        self._stack = ExitStack()
        self.processes: list[subprocess.Popen[bytes]] = []
        self._started_s = [0.0] * count
        self._pauses_s = [0.0] * count

    def __enter__(self) -> Replicas:
        try:
            self.processes = [self._started(place) for place in range(len(self.ports))]
            for process, port in zip(self.processes, self.ports, strict=True):
                _wait(process, port, "A replica of the app")
            self._proxy = self._started_proxy()
            _wait(self._proxy, self.port, "Caddy")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def watch(self) -> None:
        """Start replicas again that have ended; call it now and then.

        Raises:
            SystemExit: Caddy has ended.
        """
        if self._proxy.poll() is not None:
            raise SystemExit(f"Caddy has ended with code {self._proxy.returncode}")
        now = time.monotonic()
        for place, process in enumerate(self.processes):
            lived_s = now - self._started_s[place]
            if process.poll() is None:
                if lived_s > _SHORT_LIFE_S:
                    self._pauses_s[place] = 0.0
            elif lived_s >= self._pauses_s[place]:
                print(f"Replica {place + 1} has ended with code {process.returncode} and is started again", flush=True)
                self._pauses_s[place] = min(max(_FIRST_PAUSE_S, 2 * self._pauses_s[place]), _LONGEST_PAUSE_S)
                self.processes[place] = self._started(place)

    def _started(self, place: int) -> subprocess.Popen[bytes]:
        self._started_s[place] = time.monotonic()
        port = self.ports[place]
        command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.address", "127.0.0.1"]
        return self._run([*command, "--server.port", str(port)])

    def _started_proxy(self) -> subprocess.Popen[bytes]:
        folder = self._stack.enter_context(tempfile.TemporaryDirectory(prefix="facetraits-caddy-"))
        upstreams = " ".join(f"127.0.0.1:{port}" for port in self.ports)
        settings = {"FACETRAITS_REPLICAS": upstreams, "FACETRAITS_PORT": str(self.port)}
        settings |= {"XDG_DATA_HOME": folder, "XDG_CONFIG_HOME": folder}
        command = [self._caddy, "run", "--config", str(_CADDYFILE), "--adapter", "caddyfile"]
        return self._run(command, settings)

    def _run(self, command: Sequence[str], settings: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(command, cwd=ROOT, env={**os.environ, **(settings or {})}, start_new_session=True)
        self._stack.callback(_end, process)
        return process


def _free_ports(count: int) -> list[int]:
    with ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [int(one.getsockname()[1]) for one in sockets]


def _wait(process: subprocess.Popen[bytes], port: int, name: str) -> None:
    deadline_s = time.monotonic() + _START_S
    while time.monotonic() < deadline_s and process.poll() is None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=2):
                return
        except OSError:
            time.sleep(_LOOK_EVERY_S / 2)
    raise SystemExit(f"{name} does not start on port {port}; its output above says why")


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is not None:
        return
    process.terminate()
    try:
        process.wait(_STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def main() -> None:
    """Run until Ctrl-C or SIGTERM."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--replicas", type=int, default=3, metavar="N", help="how many (default: 3)")
    parser.add_argument("--port", type=int, default=8501, help="where browsers find them (default: 8501)")
    asked = parser.parse_args()
    if asked.replicas < 1:
        parser.error("--replicas must be at least 1")

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, stop)
    try:
        with Replicas(asked.replicas, asked.port) as replicas:
            print(f"{asked.replicas} replicas at http://localhost:{asked.port}", flush=True)
            while True:
                replicas.watch()
                time.sleep(_LOOK_EVERY_S)
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)


if __name__ == "__main__":
    main()
