"""A visitor of the Webcam page in a real browser."""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from tests.browser.conftest import Watched
from tests.camera import Scene, read_counter
from tests.drawn_boxes import best_overlap, drawn_boxes

if TYPE_CHECKING:
    from playwright.sync_api import Frame, FrameLocator, Locator

# Whoever has no permission is refused at once. mDNS would hide this machine's addresses from it.
ARGUMENTS = ("--deny-permission-prompts", "--disable-features=WebRtcHideLocalIpsWithMdns")
FAKE = "--use-fake-device-for-media-stream"

# Tells how connections were set up, and counts what is sent to Streamlit.
REMEMBER = """
window.configurations = [];
if (window.RTCPeerConnection) window.RTCPeerConnection = class extends window.RTCPeerConnection {
  constructor(...given) { super(...given); window.configurations.push(given[0]); }
};
window.messages = 0;
window.WebSocket = class extends window.WebSocket {
  send(...given) { window.messages += 1; return super.send(...given); }
};
"""
SHOWS_VIDEO = """() => {
  const video = document.querySelector('video');
  return Boolean(video?.srcObject) && video.videoWidth > 0 && video.currentTime > 0;
}"""
PICTURE = """() => {
  const video = document.querySelector('video'), canvas = document.createElement('canvas');
  canvas.width = video.videoWidth; canvas.height = video.videoHeight;
  canvas.getContext('2d').drawImage(video, 0, 0);
  return canvas.toDataURL('image/png').split(',')[1];
}"""


class Visitor:
    """Somebody at the Webcam page."""

    def __init__(self, watched: Watched, allowed: bool = True) -> None:
        self.watched = watched
        self.page = watched.page
        self.page.context.set_default_timeout(60_000)
        self.page.context.add_init_script(REMEMBER)
        if allowed:
            self.page.context.grant_permissions(["camera"])
        self.watched.visit("Webcam")

    @property
    def component(self) -> FrameLocator:
        return self.page.frame_locator("iframe[title*=webrtc_streamer]")

    @property
    def frame(self) -> Frame:
        return next(frame for frame in self.page.frames if "webrtc_streamer" in frame.url)

    @property
    def video(self) -> Locator:
        return self.component.locator("video")

    @property
    def cards(self) -> Locator:
        return self.page.locator(".ft-card[data-track]")

    def start(self) -> None:
        self.component.get_by_role("button", name="Start camera").click()

    def wait_for_video(self) -> None:
        self.component.get_by_role("button", name="Stop camera").wait_for()
        self.frame.wait_for_function(SHOWS_VIDEO)

    def play(self) -> None:
        """Start, and wait for the first card."""
        self.start()
        self.wait_for_video()
        self.cards.first.wait_for()

    def stop(self) -> None:
        self.component.get_by_role("button", name="Stop camera").click()
        self.page.get_by_text("The camera is off").wait_for()

    def picture(self) -> NDArray[np.uint8]:
        """What the video shows, before CSS mirrors it."""
        data = np.frombuffer(base64.b64decode(self.frame.evaluate(PICTURE)), dtype=np.uint8)
        return np.ascontiguousarray(cv2.imdecode(data, cv2.IMREAD_COLOR)[:, :, ::-1])

    def overlaps(self, scene: Scene, pictures: int) -> list[float]:
        """How well every face in some pictures fits the box drawn on it."""
        found: list[float] = []
        while pictures:
            self.page.wait_for_timeout(150)
            picture = self.picture()
            number = read_counter(picture)
            if number is None:  # the first pictures of a connection are blurred
                continue
            zoom = picture.shape[1] / scene.size_wh[0]
            drawn = drawn_boxes(picture)
            found += [best_overlap(box * zoom, drawn) for box in scene.boxes(number)]
            pictures -= 1
        return found

    def first_card_box(self) -> dict[str, float]:
        """Read in one go, because cards are drawn anew twice a second."""
        return self.page.evaluate(
            "() => { const box = document.querySelector('.ft-card[data-track]').getBoundingClientRect();"
            " return { x: box.x, y: box.y, width: box.width }; }"
        )

    def figure(self, name: str) -> float:
        return float(self.page.locator(f"[data-figure={name}]").inner_text())

    def text(self) -> str:
        return re.sub(r"\s+", " ", self.page.locator(".stMain").inner_text())

    def notice(self, title: str) -> Locator:
        return self.page.locator(".ft-notice", has_text=title)

    def switch(self, label: str) -> None:
        self.page.get_by_text(label, exact=True).click()
        self.watched.settle()
