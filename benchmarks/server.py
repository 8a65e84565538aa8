"""What the server bears: many who only look, many who send photos, and many who send the worst that we know.

``python -m benchmarks.server``. The app runs by itself, and its visitors speak to it without browsers. Memory is the
app's resident set; times are ratios to one visitor alone, in the same run.
"""

from __future__ import annotations

import argparse
import io
import re
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median

import numpy as np
from PIL import Image

from benchmarks.reporting import table, this_machine, write_results
from tests.browser.conftest import running_app
from tests.builders import photo_of_one
from tests.hostile.visitor import Visitor

RESULTS = Path(__file__).parent / "results" / "server.json"
IDLE = 200
ACTIVE = 20
ROUNDS = 5


def jpeg_of(image: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=90)
    return file.getvalue()


def large_when_decoded() -> bytes:
    """A transparent picture of 49 megapixels, small as a file."""
    file = io.BytesIO()
    Image.new("RGBA", (7000, 7000)).save(file, "PNG", compress_level=1)
    return file.getvalue()


class Process:
    """The app's process, as Linux tells of it."""

    def __init__(self, url: str) -> None:
        port = url.rpartition(":")[2].encode()
        lines = ((path, path.read_bytes().split(b"\0")) for path in Path("/proc").glob("[0-9]*/cmdline"))
        (self._folder,) = [path.parent for path, words in lines if b"streamlit" in words and port in words]

    def memory_mb(self) -> float:
        return self._status("VmRSS")

    @contextmanager
    def peak_mb(self) -> Iterator[list[float]]:
        """Gives a list that holds the largest memory of the block when that has ended."""
        peak: list[float] = []
        (self._folder / "clear_refs").write_text("5")  # forget the peak so far
        yield peak
        peak.append(self._status("VmHWM"))

    def _status(self, name: str) -> float:
        (kilobytes,) = re.findall(rf"{name}:\s+(\d+) kB", (self._folder / "status").read_text())
        return int(kilobytes) / 1024


def seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def look(url: str, data: bytes) -> float:
    """How long one who comes, sends a photo and leaves waits for its cards, in seconds."""
    with Visitor(url, "Photo") as visitor:
        taken = seconds(lambda: visitor.look_at(data))
        assert "ft-percent" in visitor.shown, "no answer"
    return taken


def answered(url: str, data: bytes) -> bool:
    with Visitor(url, "Photo") as visitor:
        visitor.look_at(data)
        return "ft-picture" in visitor.shown or "ft-error" in visitor.shown


def measure(url: str, idle: int, active: int) -> Iterator[dict[str, str]]:
    """Rows of what was asked for and what it took."""
    photo, hostile = jpeg_of(photo_of_one()), large_when_decoded()
    app = Process(url)
    look(url, photo)  # loads the networks
    before = app.memory_mb()
    yield {"what": "memory with the networks loaded", "measured": f"{before:.0f} MB"}
    alone = median(look(url, photo) for _ in range(ROUNDS))

    with ExitStack() as pages, ThreadPoolExecutor(active) as together:
        for _ in range(idle):
            pages.enter_context(Visitor(url))
        yield {"what": f"{idle} idle pages", "measured": f"{app.memory_mb() - before:.0f} MB more"}
        beside = median(look(url, photo) for _ in range(ROUNDS))
        yield {"what": f"a photo beside {idle} idle pages, over one alone", "measured": f"{beside / alone:.2f}"}

        with app.peak_mb() as peak:
            taken = list(together.map(lambda _: look(url, photo), range(active)))
        yield {"what": f"{active} photos at once, beside those pages: peak", "measured": f"{peak[0]:.0f} MB"}
        yield {"what": "the slowest of them, over one alone", "measured": f"{max(taken) / alone:.1f}"}

        with app.peak_mb() as peak:
            answers = sum(together.map(lambda _: answered(url, hostile), range(active)))
        yield {
            "what": f"{active} of 49 transparent megapixels at once: peak of memory",
            "measured": f"{peak[0]:.0f} MB",
        }
        yield {"what": "of these answered", "measured": f"{answers} of {active}"}
    yield {"what": "a photo after that, over one before", "measured": f"{look(url, photo) / alone:.2f}"}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--idle", type=int, default=IDLE, help="pages that are open")
    parser.add_argument("--active", type=int, default=ACTIVE, help="visitors who send a picture at once")
    parser.add_argument("--no-results", action="store_true", help="write nothing down")
    asked = parser.parse_args()
    machine = this_machine()
    with tempfile.TemporaryDirectory() as folder, running_app(Path(folder) / "log.txt") as url:
        rows = list(measure(url, asked.idle, asked.active))
    print(table(rows))
    write_results({**machine, "rows": rows}, None if asked.no_results else RESULTS)


if __name__ == "__main__":
    main()
