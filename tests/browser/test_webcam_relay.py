"""Live video through a relay: a local coturn with the settings we deploy, and a browser that may use no other way."""

from __future__ import annotations

import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from aioice.ice import get_host_addresses

from tests.browser.conftest import FAKE_CAMERA_ARGUMENTS, Watched, running_app
from tests.builders import ROOT

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Frame

pytestmark = [pytest.mark.browser, pytest.mark.slow]

DEPLOYED = ROOT / "deploy" / "turnserver.conf"
# Tells which connections a page has made. The page itself notices nothing.
REMEMBER_CONNECTIONS = """
window.connections = [];
window.RTCPeerConnection = class extends window.RTCPeerConnection {
  constructor(...given) { super(...given); window.connections.push(this); }
};
"""
# The two ends of the way that the video takes, and how many frames came back on it; null without a connection.
WAY = """async () => {
  const connection = (window.connections ?? []).at(-1);
  if (!connection) return null;
  const stats = new Map([...(await connection.getStats()).values()].map(entry => [entry.id, entry]));
  const all = [...stats.values()];
  const pair = stats.get(all.find(entry => entry.type === "transport")?.selectedCandidatePairId);
  const video = all.find(entry => entry.type === "inbound-rtp" && entry.kind === "video");
  return {
    state: connection.connectionState,
    frames: video?.framesDecoded ?? 0,
    offered: all.filter(entry => entry.type === "local-candidate").map(entry => entry.candidateType),
    answered: all.filter(entry => entry.type === "remote-candidate").map(entry => entry.candidateType),
    browser: pair && stats.get(pair.localCandidateId),
    server: pair && stats.get(pair.remoteCandidateId),
  };
}"""


@dataclass(frozen=True)
class Relay:
    port: int
    secret: str
    log: Path

    def read_log(self) -> str:
        return self.log.read_text(errors="replace")

    def wait_until_unused(self) -> None:
        """Wait until every allocation has been given back."""
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            log = self.read_log()
            if 0 < log.count(": new, realm=") == log.count(": delete: realm="):
                return
            time.sleep(0.1)
        pytest.fail(f"something still uses the relay:\n{self.read_log()[-4000:]}")


@contextmanager
def running_relay(folder: Path, address: str) -> Iterator[Relay]:
    """A coturn at ``address`` that relays to ``address`` only, with everything else as deployed."""
    program = shutil.which("turnserver")
    if program is None:
        pytest.skip("no turnserver is installed (Debian's package coturn)")
    relay = Relay(free_port(address), secrets.token_hex(16), folder / "relay.log")
    ours = {
        "listening-ip": address,
        "listening-port": str(relay.port),
        "relay-ip": address,
        "allowed-peer-ip": address,
        "static-auth-secret": relay.secret,
        "pidfile": str(folder / "relay.pid"),
        "userdb": str(folder / "relay.db"),
    }
    kept = [line for line in DEPLOYED.read_text().splitlines() if line.split("=")[0] not in ours]
    loopback = ["allow-loopback-peers"] if address.startswith("127.") else []
    lines = [*kept, *(f"{name}={value}" for name, value in ours.items()), *loopback, "verbose"]
    (folder / "relay.conf").write_text("\n".join(lines) + "\n")
    with relay.log.open("wb") as output:
        process = subprocess.Popen(
            [program, "-c", str(folder / "relay.conf")], cwd=folder, stdout=output, stderr=output
        )
        try:
            wait_for_relay(process, address, relay)
            yield relay
        finally:
            process.terminate()
            process.wait(timeout=20)


def wait_for_relay(process: subprocess.Popen[bytes], address: str, relay: Relay) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with socket.create_connection((address, relay.port), timeout=1):
                return
        except OSError:
            time.sleep(0.1)
    pytest.fail(f"the relay did not start:\n{relay.read_log()[-2000:]}")


def free_port(address: str) -> int:
    with socket.socket() as probe:
        probe.bind((address, 0))
        return probe.getsockname()[1]


def way_of_video(browser: Browser, url: str, relay: Relay) -> dict[str, Any]:
    """Start the camera on the Webcam page, wait for its picture to come back and stop the camera."""
    context = browser.new_context()
    context.set_default_timeout(30_000)
    context.add_init_script(REMEMBER_CONNECTIONS)
    watched = Watched(context.new_page(), url)
    watched.visit("Webcam")
    frame = watched.page.frame_locator("iframe")
    frame.get_by_role("button", name="Start camera").click()
    way: dict[str, Any] | None = None
    deadline = time.monotonic() + 40
    while time.monotonic() < deadline and (way is None or way["frames"] < 10):
        watched.page.wait_for_timeout(250)
        way = next(filter(None, map(look, watched.page.frames)), way)
    assert way is not None, "no connection was tried"
    assert way["frames"] >= 10, f"{way}\n{relay.read_log()[-4000:]}"
    frame.get_by_role("button", name="Stop camera").click()
    # Both ends tell the relay that they are done; an app that ends before it could leaves a traceback in its log.
    relay.wait_until_unused()
    context.close()
    assert watched.foreign_requests == []
    return way


def look(frame: Frame) -> dict[str, Any] | None:
    return frame.evaluate(WAY)


@pytest.fixture
def launch(launch_chromium: Callable[..., Browser]) -> Iterator[Callable[..., Browser]]:
    browsers: list[Browser] = []

    def launch_one(*arguments: str) -> Browser:
        browsers.append(launch_chromium(*FAKE_CAMERA_ARGUMENTS, *arguments))
        return browsers[-1]

    yield launch_one
    for browser in browsers:
        browser.close()


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_video_comes_back_through_the_relay(launch: Callable[..., Browser], tmp_path: Path, transport: str) -> None:
    address = next(iter(get_host_addresses(use_ipv4=True, use_ipv6=False)), None)
    if address is None:
        pytest.skip("this machine has no address but loopback, and aiortc offers no browser that one")
    with running_relay(tmp_path, address) as relay:
        environment = {
            "FACETRAITS_TURN_URLS": f"turn:{address}:{relay.port}?transport={transport}",
            "FACETRAITS_TURN_SECRET": relay.secret,
            "FACETRAITS_RELAY_ONLY": "true",
        }
        with running_app(tmp_path / "app.log", environment) as url:
            way = way_of_video(launch(), url, relay)

    assert set(way["offered"]) == {"relay"}
    assert way["browser"]["candidateType"] == "relay"
    assert way["browser"]["relayProtocol"] == transport
    assert way["server"]["candidateType"] == "host"


def test_a_server_behind_nat_asks_for_a_relay_itself(launch: Callable[..., Browser], tmp_path: Path) -> None:
    """Both ends meet inside the relay: here because it refuses to reach any address of this machine but its own."""
    with running_relay(tmp_path, "127.0.0.1") as relay:
        environment = {
            "FACETRAITS_TURN_URLS": f"turn:127.0.0.1:{relay.port}",
            "FACETRAITS_TURN_SECRET": relay.secret,
            "FACETRAITS_RELAY_ONLY": "true",
            "FACETRAITS_SERVER_BEHIND_NAT": "true",
        }
        with running_app(tmp_path / "app.log", environment) as url:
            # Without other interfaces Chromium would have nothing to send from.
            way = way_of_video(launch("--allow-loopback-in-peer-connection"), url, relay)

    assert set(way["offered"]) == set(way["answered"]) == {"relay"}
    assert way["browser"]["candidateType"] == "relay"
    assert way["server"]["candidateType"] == "relay"
