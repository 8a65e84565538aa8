"""Pictures that are small files and large in memory, many at once: everybody gets an answer, and memory is bounded."""

import io
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facetraits.faces.budget import PAGE_MAX_PIXELS, PixelBudget
from facetraits.faces.images import ImageDecodeError, decode_image, picture_pixels
from tests.builders import ROOT

MANY = """
import io, re, sys, threading
import numpy as np
from PIL import Image
from tests.builders import FakeAnalyzer
from ui.photo.session import PhotoSession, Picture

count, side = int(sys.argv[1]), int(sys.argv[2])
file = io.BytesIO()
Image.fromarray(np.zeros((side, side, 4), np.uint8)).save(file, "PNG", compress_level=1)
data, analyzer, outcomes = file.getvalue(), FakeAnalyzer(), []
del file

def visit():
    session, picture = PhotoSession(), Picture("x", "x", lambda: data)
    session.analyze(picture, ("age",), analyzer)
    outcomes.append(session.outcome(picture, ("age",)).error)

threads = [threading.Thread(target=visit) for _ in range(count)]
for thread in threads: thread.start()
for thread in threads: thread.join()
assert outcomes == [None] * count, outcomes
(peak,) = re.findall(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())  # ru_maxrss is also the parent's
print(int(peak) // 1024)
"""


def png(width: int, height: int) -> bytes:
    file = io.BytesIO()
    Image.new("1", (width, height)).save(file, "PNG")
    return file.getvalue()


def test_pages_refuse_more_than_fifty_megapixels_from_the_header():
    data = png(16_000, 7_000)
    assert len(data) < 100_000 and picture_pixels(data) == 112_000_000
    started = time.process_time()
    with pytest.raises(ImageDecodeError, match="at most 50 are accepted"):
        decode_image(data, PAGE_MAX_PIXELS)
    assert time.process_time() - started < 1


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux says how much memory a process has had")
def test_many_large_transparent_pictures_at_once_take_no_more_than_the_budget():
    command = [sys.executable, "-c", MANY, "4", "5000"]  # 2.3 GB where all are decoded at once
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 1500, "MB of the whole process"


def test_room_is_given_in_order_and_never_more_than_there_is():
    budget, at_once, most, order = PixelBudget(100, 0), 0, 0, []
    lock = threading.Lock()

    def work(name: str, data: bytes) -> None:
        nonlocal at_once, most
        with budget.room_for(data):
            with lock:
                at_once += picture_pixels(data)
                most = max(most, at_once)
                order.append(name)
            time.sleep(0.02)
            with lock:
                at_once -= picture_pixels(data)

    threads = []
    for name, size in (("a", (10, 6)), ("large", (10, 10)), ("b", (10, 3)), ("c", (10, 3)), ("none", None)):
        thread = threading.Thread(target=work, args=(name, b"" if size is None else png(*size)))
        thread.start()
        threads.append(thread)
        time.sleep(0.005)
    for thread in threads:
        thread.join(5)
    assert order == ["a", "large", "b", "c", "none"] and most <= 100


def test_what_is_larger_than_all_the_room_waits_for_all_of_it():
    with PixelBudget(50, 0).room_for(png(10, 10)):
        pass


def test_transparent_parts_are_white_in_every_strip():
    pixels = np.zeros((700, 5, 4), np.uint8)
    pixels[::2] = (255, 0, 0, 255)
    pixels[1::4] = (0, 0, 0, 128)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    rgb = decode_image(file.getvalue())
    assert (rgb[::2] == (255, 0, 0)).all() and (rgb[3::4] == 255).all()
    assert (np.abs(rgb[1::4].astype(int) - 127) <= 1).all()
