"""Every way in which a browser keeps its camera, as Python hears of it; in a small page with nothing else on it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

from tests.browser.conftest import running_app
from tests.builders import ROOT

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, FrameLocator, Page

    LaunchChromium = Callable[..., Browser]

pytestmark = pytest.mark.browser

SCRIPT = """
import streamlit as st
from streamlit_webrtc import webrtc_streamer

from ui.live.camera_watch import camera_problem

st.session_state["runs"] = st.session_state.get("runs", 0) + 1
video, watch = st.checkbox("Video", value=True), st.checkbox("Watch", value=True)
st.html('<p class="above">Above</p>')
problem = camera_problem("watch") if watch else "not watched"
st.html(f'<p class="runs">{st.session_state["runs"]}</p><p class="problem">{problem}</p>')
st.html(f'<p class="reports">{dict(st.session_state["watch"]) if watch else ""}</p>')
if video:
    webrtc_streamer(
        "camera",
        rtc_configuration={"iceServers": []},
        media_stream_constraints={"video": True, "audio": False},
        translations={"start": "Start camera", "stop": "Stop camera"},
    )
"""

# Runs in the page and in its iframes before their own scripts. Each attempt takes the next outcome that the test has
# laid out: the name of an error, or null for a camera.
CAMERA = """(() => {
  if (!window.MediaDevices) return;
  try { window.top.outcomes ??= []; window.top.attempts ??= 0; } catch { return; }  // the page is of another origin
  const native = MediaDevices.prototype.getUserMedia;
  MediaDevices.prototype.getUserMedia = async function (...constraints) {
    window.top.attempts += 1;
    const outcome = window.top.outcomes.shift();
    if (!outcome) return native.apply(this, constraints);
    const [name, constraint] = outcome.split(' ');
    if (name === 'OverconstrainedError') throw new OverconstrainedError(constraint, 'as the test wants it');
    throw name === 'TypeError' ? new TypeError('as the test wants it') : new DOMException('as the test wants it', name);
  };
  MediaDevices.prototype.getUserMedia.native = true;
})();"""
IFRAME = "iframe[title*=webrtc_streamer]"


class Visit:
    """The small page in a browser."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        page.goto(url)
        self.video.get_by_role("button", name="Start camera").wait_for()
        self.quiet()

    @property
    def video(self) -> FrameLocator:
        return self.page.frame_locator(IFRAME)

    @property
    def problem(self) -> str:
        return self.page.locator(".problem").inner_text()

    @property
    def runs(self) -> int:
        return int(self.page.locator(".runs").inner_text())

    def outcomes(self, *names: str | None) -> None:
        self.page.evaluate("names => { window.outcomes = names }", list(names))

    def start(self) -> None:
        self.video.get_by_role("button", name="Start camera").click()

    def wait_for(self, problem: str) -> None:
        self.page.locator(".problem", has_text=problem).wait_for()
        self.quiet()

    def quiet(self) -> None:
        """Wait until the script has rested for longer than the watcher waits with a report."""
        runs = -1
        while runs != (runs := self.runs):
            self.page.wait_for_timeout(700)

    def tick(self, label: str) -> None:
        self.page.get_by_text(label, exact=True).click()
        self.quiet()


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("camera_watch")
    script = folder / "page.py"
    script.write_text(SCRIPT, encoding="utf-8")
    # Streamlit answers pages of the named address, which a test below resolves to this machine.
    settings = ("--browser.serverAddress", "facetraits.test")
    with running_app(folder / "log.txt", {"PYTHONPATH": str(ROOT)}, str(script), settings) as url:
        yield url


@pytest.fixture(scope="module")
def browser(launch_chromium: LaunchChromium) -> Iterator[Browser]:
    """A browser with a camera, whose user refuses it to every page that has no permission yet."""
    browser = launch_chromium(
        "--use-fake-device-for-media-stream",
        "--deny-permission-prompts",
        "--disable-features=WebRtcHideLocalIpsWithMdns",
        "--host-resolver-rules=MAP facetraits.test 127.0.0.1",
    )
    yield browser
    browser.close()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context(viewport={"width": 1000, "height": 900})
    context.set_default_timeout(20_000)
    context.add_init_script(CAMERA)
    yield context
    context.close()


@pytest.fixture
def visit(context: BrowserContext, url: str) -> Visit:
    return Visit(context.new_page(), url)


def test_nothing_happens_before_the_visitor_asks(visit: Visit) -> None:
    assert visit.problem == "None"
    assert visit.page.evaluate("attempts") == 0, "the watcher must not ask for the camera"


def test_a_refusal_is_reported_once_and_cleared_when_the_visitor_allows_it(visit: Visit) -> None:
    before = visit.runs
    visit.start()
    visit.wait_for("refused")
    assert visit.runs == before + 1
    own = visit.video.get_by_text("NotAllowedError")
    own.wait_for(state="attached")  # streamlit-webrtc got the rejection as it was
    assert not own.is_visible(), "the page says it once, in its own words"
    visit.start()
    visit.quiet()
    assert visit.runs == before + 1, "known already"
    visit.page.context.grant_permissions(["camera"])
    visit.wait_for("None")
    assert visit.runs == before + 2


def test_a_camera_that_works_clears_the_problem(visit: Visit) -> None:
    visit.outcomes("NotReadableError")
    visit.page.context.grant_permissions(["camera"])
    visit.start()
    visit.wait_for("busy")
    visit.start()
    visit.video.get_by_role("button", name="Stop camera").wait_for()
    visit.wait_for("None")


def test_a_camera_that_works_at_once_is_not_worth_a_report(visit: Visit) -> None:
    visit.page.context.grant_permissions(["camera"])
    visit.start()
    visit.video.get_by_role("button", name="Stop camera").wait_for()
    visit.quiet()
    assert visit.page.locator(".reports").inner_text() == "{}"


def test_each_error_of_a_browser_is_one_problem(visit: Visit) -> None:
    for error, problem in (
        ("NotAllowedError", "refused"),
        ("NotFoundError", "missing"),
        ("SecurityError", "refused"),
        ("NotReadableError", "busy"),
        ("OverconstrainedError deviceId", "missing"),
        ("AbortError", "busy"),
        ("OverconstrainedError width", "other"),
        ("NotSupportedError", "unsupported"),
        ("TypeError", "other"),
        ("NotReadableError", "busy"),
        ("InvalidStateError", "other"),
    ):
        before = visit.runs
        visit.outcomes(error)
        visit.start()
        visit.wait_for(problem)
        assert visit.runs == before + 1, error
        visit.video.get_by_text(f"{error.split()[0]}: as the test wants it").wait_for(state="attached")


def test_a_failure_followed_by_a_better_attempt_is_not_reported(visit: Visit) -> None:
    """streamlit-webrtc tries again without the camera it remembers where that is gone."""
    visit.page.context.grant_permissions(["camera"])
    visit.outcomes("NotFoundError", None)
    before = visit.runs
    visit.page.frames[1].evaluate(
        """async () => {
          const devices = navigator.mediaDevices;
          try {
            await devices.getUserMedia({ video: true });
          } catch {
            await new Promise(done => setTimeout(done, 100));
            await devices.getUserMedia({ video: true });
          }
        }"""
    )
    visit.quiet()
    assert visit.page.evaluate("attempts") == 2
    assert (visit.problem, visit.runs) == ("None", before)


def test_no_camera(launch_chromium: LaunchChromium, url: str) -> None:
    browser = launch_chromium("--use-fake-device-for-media-stream=device-count=0")
    try:
        context = browser.new_context(permissions=["camera"])
        context.set_default_timeout(20_000)
        visit = Visit(context.new_page(), url)
        visit.start()
        visit.wait_for("missing")
    finally:
        browser.close()


def test_an_address_that_gets_no_camera_is_told_at_once(context: BrowserContext, url: str) -> None:
    visit = Visit(context.new_page(), url.replace("127.0.0.1", "facetraits.test"))
    visit.wait_for("insecure")
    once = visit.runs
    visit.start()
    visit.quiet()
    assert (visit.problem, visit.runs) == ("insecure", once)


def test_a_browser_without_live_video_is_told_at_once(context: BrowserContext, url: str) -> None:
    context.add_init_script("delete window.RTCPeerConnection")
    visit = Visit(context.new_page(), url)
    assert visit.problem == "unsupported"


def test_a_video_that_is_mounted_again_is_watched_again(visit: Visit) -> None:
    visit.tick("Video")
    assert visit.page.locator(IFRAME).count() == 0
    visit.tick("Video")
    visit.start()
    visit.wait_for("refused")


def test_a_watcher_that_is_mounted_after_the_video_watches_it(visit: Visit) -> None:
    visit.tick("Watch")
    visit.tick("Watch")
    visit.start()
    visit.wait_for("refused")


def test_getusermedia_is_wrapped_once_and_given_back(visit: Visit) -> None:
    own = "() => Object.getOwnPropertyDescriptor(navigator.mediaDevices, 'getUserMedia')?.value"
    frame = visit.page.frames[1]
    wrapper = frame.evaluate_handle(own)
    visit.start()
    visit.wait_for("refused")  # a report makes Streamlit call the component again
    assert frame.evaluate("wrapper => wrapper === navigator.mediaDevices.getUserMedia", wrapper)
    visit.tick("Watch")
    assert visit.problem == "not watched"
    assert frame.evaluate("() => navigator.mediaDevices.getUserMedia.native") is True
    assert frame.evaluate("wrapper => wrapper !== undefined && wrapper.native === undefined", wrapper)
    before = visit.runs
    visit.start()
    visit.quiet()
    assert visit.runs == before


def test_a_wrapper_under_somebody_elses_is_left_and_silent(visit: Visit) -> None:
    frame = visit.page.frames[1]
    frame.evaluate(
        """() => {
          const devices = navigator.mediaDevices, below = devices.getUserMedia;
          devices.getUserMedia = (...constraints) => below.apply(devices, constraints);
          devices.getUserMedia.somebody = true;
        }"""
    )
    visit.tick("Watch")
    assert frame.evaluate("() => navigator.mediaDevices.getUserMedia.somebody") is True
    before = visit.runs
    visit.start()
    visit.video.get_by_text("NotAllowedError").wait_for(state="attached")
    visit.quiet()
    assert visit.runs == before


def test_an_iframe_of_another_origin_does_no_harm(visit: Visit, url: str) -> None:
    errors: list[str] = []
    visit.page.on("pageerror", lambda error: errors.append(str(error)))
    with visit.page.expect_event("framenavigated"):
        visit.page.evaluate(
            """address => {
              const frame = document.createElement('iframe');
              frame.src = `${address}/streamlit_webrtc.component.webrtc_streamer`;
              document.body.append(frame);
            }""",
            url.replace("127.0.0.1", "localhost"),
        )
    visit.start()
    visit.wait_for("refused")
    assert errors == []


def test_it_takes_no_room(visit: Visit) -> None:
    def top(selector: str) -> float:
        return visit.page.locator(selector).bounding_box()["y"]

    watched = top(".runs") - top(".above")
    visit.tick("Watch")
    assert top(".runs") - top(".above") == watched


def test_nothing_is_asked_of_other_machines(context: BrowserContext, url: str) -> None:
    page = context.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    visit = Visit(page, url)
    visit.start()
    visit.wait_for("refused")
    assert [address for address in asked if not address.startswith((url, "data:", "blob:"))] == []
