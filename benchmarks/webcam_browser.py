"""A browser with a fake camera, and a visitor who looks at an app in it."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Frame, Locator, Page, sync_playwright
from playwright.sync_api import Error as BrowserError

from benchmarks.webcam_server import CONNECTION_TIMEOUT_S, App, BenchmarkError, Server
from tests.browser.conftest import CHROMIUM_ARGUMENTS, FAKE_CAMERA_ARGUMENTS

START, STOP = "Start camera", "Stop camera"
CAMERA_ARGUMENTS = (*CHROMIUM_ARGUMENTS, *FAKE_CAMERA_ARGUMENTS, "--disable-features=WebRtcHideLocalIpsWithMdns")

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
