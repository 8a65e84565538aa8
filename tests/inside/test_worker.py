"""The process with Keras, and what it does when something goes wrong."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from facetraits.ensemble import Member
from facetraits.inside.worker import InsideError, InsideWorker, _read, _write, serve
from facetraits.registry import load_manifest
from tests.builders import MODELS

CROP = np.random.default_rng(5).integers(0, 256, (112, 112, 3), dtype=np.uint8)
MEMBER = "all-lite0-56"


@pytest.fixture(scope="module")
def worker():
    pytest.importorskip("keras", reason="TensorFlow is not installed")
    worker = InsideWorker(MODELS)
    yield worker
    worker.close()


def test_its_answers_are_the_served_networks(worker: InsideWorker) -> None:
    answers = worker.ask("forward", member=MEMBER, crop=CROP, count=0).outputs
    served = Member(load_manifest(MODELS).members[MEMBER]).predict(CROP[None])
    assert set(answers) == set(served)
    assert max(np.abs(answers[name] - served[name][0]).max() for name in answers) < 1e-5
    assert worker.running


def test_the_strongest_maps_are_those_of_a_forward_pass(worker: InsideWorker) -> None:
    seen = worker.ask("forward", member=MEMBER, crop=CROP, count=4, whole=("block3_expand", "shrink"))
    strongest, every = seen.strongest["block3_expand"], seen.whole["block3_expand"]

    strengths = np.sqrt((every**2).mean(axis=(0, 1)))
    assert strongest.channels == tuple(np.argsort(-strengths)[:4])
    assert strongest.total == every.shape[2]
    for channel, shown in zip(strongest.channels, strongest.maps, strict=True):
        assert np.allclose(shown, every[:, :, channel], atol=1e-6)
    assert set(seen.whole) == {"block3_expand", "shrink"}
    assert seen.whole["shrink"].shape == (56, 56, 3)


def test_a_request_that_fails_is_told_and_the_next_one_is_answered(worker: InsideWorker) -> None:
    with pytest.raises(InsideError, match="could not be looked into"):
        worker.ask("forward", member="nobody", crop=CROP, count=4)
    assert worker.ask("hello").count(".") == 2


def test_a_process_that_was_killed_is_started_again(worker: InsideWorker) -> None:
    worker.ask("hello")
    os.kill(worker._process.pid, signal.SIGKILL)
    worker._process.wait()
    assert not worker.running
    assert set(worker.ask("forward", member=MEMBER, crop=CROP, count=0).outputs) >= {"age", "gender"}


def test_without_tensorflow_it_says_so() -> None:
    assert served(lambda name, arguments: __import__("no_such_package_of_ours")) == (
        False,
        "This installation has no TensorFlow, which looking into the networks needs.",
    )


def test_it_ends_when_nobody_asks() -> None:
    reading, _writing = os.pipe()
    started = time.monotonic()
    with os.fdopen(reading, "rb", buffering=0) as requests, open(os.devnull, "wb") as answers:
        serve(lambda name, arguments: None, requests, answers, idle_s=0.2)
    assert 0.1 < time.monotonic() - started < 5
    os.close(_writing)


def test_spare_time_is_used_step_by_step_until_somebody_asks() -> None:
    steps: list[int] = []

    def spare():
        for number in range(3):
            steps.append(number)
            yield

    asked_read, asked_write = os.pipe()
    told_read, told_write = os.pipe()
    with (
        os.fdopen(asked_read, "rb", buffering=0) as requests,
        os.fdopen(asked_write, "wb", buffering=0) as asking,
        os.fdopen(told_read, "rb", buffering=0) as answers,
        os.fdopen(told_write, "wb", buffering=0) as telling,
    ):
        thread = threading.Thread(
            target=serve, args=(lambda name, arguments: len(steps), requests, telling, 5.0, spare())
        )
        thread.start()
        for _ in range(2):
            _write(asking, ("anything", {}))
        assert [_read(answers, 5.0) for _ in range(2)] == [(True, 0), (True, 0)], "two questions at once leave no time"
        deadline = time.monotonic() + 10
        while len(steps) < 3 and time.monotonic() < deadline:
            time.sleep(0.05)
        _write(asking, ("anything", {}))
        assert _read(answers, 5.0) == (True, 3)
        asking.close()
        thread.join()


def test_the_app_itself_never_loads_keras() -> None:
    code = (
        "import sys; from pathlib import Path; from facetraits.inside.worker import InsideWorker;"
        "from facetraits.inside import architecture, layers, probing, requests;"
        "print('keras' in sys.modules or 'tensorflow' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=MODELS.parent, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def served(answer) -> object:
    """What ``serve`` sends for one request."""
    asked_read, asked_write = os.pipe()
    told_read, told_write = os.pipe()
    with (
        os.fdopen(asked_read, "rb", buffering=0) as requests,
        os.fdopen(asked_write, "wb", buffering=0) as asking,
        os.fdopen(told_read, "rb", buffering=0) as answers,
        os.fdopen(told_write, "wb", buffering=0) as telling,
    ):
        thread = threading.Thread(target=serve, args=(answer, requests, telling, 5.0))
        thread.start()
        _write(asking, ("anything", {}))
        result = _read(answers, 5.0)
        asking.close()
        thread.join()
    return result
