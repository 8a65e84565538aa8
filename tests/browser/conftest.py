"""The real app on a port of its own, and a real Chromium that looks at it."""

from __future__ import annotations

import os
import resource
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

from tests.builders import MODELS, ROOT

sync_api = pytest.importorskip("playwright.sync_api", reason="browser tests need the package playwright")

# Chromium refuses its sandbox to root, which is who runs containers. The others keep it from calling home.
CHROMIUM_ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
# Green with a clock and a moving pie; whoever asks for the camera gets it.
FAKE_CAMERA_ARGUMENTS = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")


class Watched:
    """A browser page with everything that must not happen on it."""

    def __init__(self, page: sync_api.Page, url: str) -> None:
        self.page = page
        self.url = url
        self.foreign_requests: list[str] = []
        self.console_errors: list[str] = []
        page.on("request", lambda request: self._check(request.url))
        self._asked = 0  # runs of the script that the page asked for
        self._begun = 0  # what was asked for when a run last began
        self._ended = 0  # what was asked for when the run that last ended had begun
        page.on("websocket", self._listen)
        page.on("console", lambda m: self.console_errors.append(m.text) if m.type == "error" else None)
        page.on("pageerror", lambda error: self.console_errors.append(str(error)))

    def _check(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("data", "blob") and parts.hostname not in ("127.0.0.1", "localhost"):
            self.foreign_requests.append(url)

    def _listen(self, socket: sync_api.WebSocket) -> None:
        self._check(socket.url)
        socket.on("framesent", self._sent)
        socket.on("framereceived", self._received)

    def _sent(self, payload: str | bytes) -> None:
        if isinstance(payload, bytes) and BackMsg.FromString(payload).WhichOneof("type") == "rerun_script":
            self._asked += 1

    def _received(self, payload: str | bytes) -> None:
        if isinstance(payload, bytes):
            message = ForwardMsg.FromString(payload)
            if message.WhichOneof("type") == "new_session":
                self._begun = self._asked
            elif message.HasField("script_finished") and message.script_finished != ForwardMsg.FINISHED_EARLY_FOR_RERUN:
                self._ended = self._begun

    def visit(self, label: str) -> None:
        """Open a page of the app through Home and its links, as visitors do."""
        self.page.goto(self.url)
        self.page.get_by_role("heading", level=1).wait_for()
        self.settle()
        if label != "Home":
            link = self.page.get_by_role("link", name=label, exact=True)
            # Until the style sheet is there, a page shows the links of the sidebar and those for phones.
            sync_api.expect(link).to_have_count(1, timeout=20_000)
            link.click()
            self.page.get_by_role("heading", level=1, name=label).wait_for()
            self.settle()

    def upload(self, *files: tuple[str, bytes]) -> None:
        self.page.locator("input[type=file]").set_input_files(
            [{"name": name, "mimeType": "image/png", "buffer": data} for name, data in files]
        )
        self.page.locator(".ft-picture, .ft-error").first.wait_for()
        self.settle()

    def settle(self) -> None:
        """Wait until the script has run to its end, for what was last clicked, too."""
        self.page.wait_for_timeout(20)  # in which the click is heard of
        deadline_s = time.monotonic() + 30
        while self._ended < self._asked:
            assert time.monotonic() < deadline_s, "the script does not end"
            self.page.wait_for_timeout(20)
        self.page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
        self.page.wait_for_function("document.querySelector('[data-test-script-state=notRunning]') !== null")


@pytest.fixture(scope="session")
def launch_chromium() -> Iterator[Callable[..., sync_api.Browser]]:
    """Starts a Chromium; takes further arguments for its command line."""
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if path is None:
        pytest.skip("no Chromium is installed")
    with sync_api.sync_playwright() as playwright:
        yield lambda *arguments: playwright.chromium.launch(
            executable_path=path, args=[*CHROMIUM_ARGUMENTS, *arguments]
        )


@pytest.fixture(scope="session")
def chromium(launch_chromium: Callable[..., sync_api.Browser]) -> Iterator[sync_api.Browser]:
    browser = launch_chromium()
    yield browser
    browser.close()


@pytest.fixture(scope="session")
def app_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running_app(tmp_path_factory.mktemp("app") / "log.txt") as url:
        yield url


@contextmanager
def running_app(
    log: Path,
    environment: Mapping[str, str] | None = None,
    script: str | Path = "app.py",
    settings: Sequence[str] = (),
    before: Callable[[], None] | None = None,
) -> Iterator[str]:
    """The app's address while it runs; in the end there must be no traceback in its log.

    Args:
        log: file that takes what the app prints.
        environment: variables to set on top of ours.
        script: what to run, if not the app itself.
        settings: more of Streamlit's command line.
        before: is called in the app's process when it begins.
    """
    if not (MODELS / "manifest.json").is_file():
        pytest.skip("no networks are installed (models/manifest.json is missing)")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "streamlit", "run", str(script), "--server.port", str(port), *settings]
    # Through a pipe: an app that may write no file can still say something.
    with log.open("wb") as file, subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=file) as output:
        process = subprocess.Popen(
            [*command, "--server.address", "127.0.0.1"],
            cwd=ROOT,
            # A log of visitors for each app: what one test counts must not surprise another.
            env={**os.environ, "FACETRAITS_DB": f"sqlite:///{log.with_name('visitors.db')}", **(environment or {})},
            stdout=output.stdin,
            stderr=output.stdin,
            preexec_fn=before,
        )
        try:
            _wait_until_up(url, process, log)
            yield url
        finally:
            process.terminate()
            process.wait(timeout=20)
    assert "Traceback" not in log.read_text(encoding="utf-8", errors="replace")


def no_file_can_grow() -> None:
    """For ``before``: the app's process can write no byte to any file, on a disk or in memory."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))


def _wait_until_up(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(f"{url}/_stcore/health", timeout=1):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    pytest.fail(f"the app did not start:\n{log.read_text(encoding='utf-8', errors='replace')[-2000:]}")


@pytest.fixture
def open_browser(chromium: sync_api.Browser, app_url: str) -> Iterator[Callable[..., Watched]]:
    """Opens browser pages; at the end each must have kept to this machine and without errors."""
    opened: list[Watched] = []

    def open_one(width: int = 1280, height: int = 900, scheme: str = "light") -> Watched:
        context = chromium.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
        context.set_default_timeout(20_000)
        opened.append(Watched(context.new_page(), app_url))
        return opened[-1]

    yield open_one
    for watched in opened:
        watched.page.context.close()
        assert watched.foreign_requests == []
        assert watched.console_errors == []
