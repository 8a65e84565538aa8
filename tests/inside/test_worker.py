"""The process with Keras, and what it does when something goes wrong."""

from __future__ import annotations

import logging
import os
import pickle
import resource
import signal
import subprocess
import sys
import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from facetraits.ensemble import Member
from facetraits.inside import worker as module
from facetraits.inside.worker import InsideError, InsideWorker, _read, _write, serve
from facetraits.registry import load_manifest
from tests.builders import FIRST_NETWORK, MODELS

CROP = np.random.default_rng(5).integers(0, 256, (112, 112, 3), dtype=np.uint8)
MEMBER = FIRST_NETWORK


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
    assert worker.ready


def served_maps(*names: str) -> dict[str, np.ndarray]:
    """(H, W, C) maps of layers of the served file itself, as its own interpreter computes them."""
    interpreter = Interpreter(
        str(load_manifest(MODELS).members[MEMBER].path),
        experimental_preserve_all_tensors=True,
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    )
    runner = interpreter.get_signature_runner()
    runner(**dict.fromkeys(runner.get_input_details(), CROP[None]))
    found = {}
    for name in names:
        # The output of the layer is the last tensor of that name with places and channels; the others are weights.
        *_, last = (
            described["index"]
            for described in interpreter.get_tensor_details()
            if f"/{name}_" in described["name"] and len(described["shape"]) == 4 and described["shape"][1] > 5
        )
        found[name] = interpreter.get_tensor(last)[0]
    return found


@pytest.mark.parametrize("name", ["block1_depthwise", "block3_pointwise", "block4_pointwise"])
def test_feature_maps_are_those_of_the_served_file(worker: InsideWorker, name: str) -> None:
    maps = served_maps(name)[name]
    seen = worker.ask("forward", member=MEMBER, crop=CROP, count=4, whole=(name,))

    assert maps.std() > 0.1
    assert np.allclose(seen.whole[name], maps, atol=1e-4)
    strengths = np.sqrt((maps**2).mean(axis=(0, 1)))
    assert seen.strongest[name].channels == tuple(np.argsort(-strengths)[:4])


def test_the_strongest_maps_are_a_choice_of_all(worker: InsideWorker) -> None:
    seen = worker.ask("forward", member=MEMBER, crop=CROP, count=4, whole=("block3_pointwise", "scale"))
    strongest, every = seen.strongest["block3_pointwise"], seen.whole["block3_pointwise"]

    assert strongest.total == every.shape[2]
    for channel, shown in zip(strongest.channels, strongest.maps, strict=True):
        assert np.allclose(shown, every[:, :, channel], atol=1e-6)
    assert set(seen.whole) == {"block3_pointwise", "scale"}
    assert seen.whole["scale"].shape == (112, 112, 3)


def test_a_request_that_fails_is_told_logged_and_the_next_one_is_answered(
    worker: InsideWorker, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(InsideError, match="could not be examined"):
        worker.ask("forward", member="nobody", crop=CROP, count=4)
    assert "in _network" in caplog.text and "KeyError: 'nobody'" in caplog.text
    assert worker.ask("hello").count(".") == 2


def test_both_heat_maps_come_with_one_request(worker: InsideWorker) -> None:
    options = {"member": MEMBER, "crop": CROP, "output": "gender", "layer": "block5_pointwise", "method": "layer-cam"}
    male, female = worker.ask("heat", targets=(0, 1), **options)
    (alone,) = worker.ask("heat", targets=(1,), **options)
    assert np.allclose(female, alone, rtol=1e-4)
    assert not np.allclose(male, female)
    assert len(worker.ask("heat", **{**options, "output": "age"}, targets="years")) == 2


def test_a_process_that_was_killed_is_started_again(worker: InsideWorker) -> None:
    worker.ask("hello")
    os.kill(worker._process.pid, signal.SIGKILL)
    worker._process.wait()
    assert not worker.ready
    assert set(worker.ask("forward", member=MEMBER, crop=CROP, count=0).outputs) >= {"age", "gender"}


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("tensorflow", "This installation has no TensorFlow, which is needed to examine the networks."),
        ("keras.layers", "This installation has no TensorFlow, which is needed to examine the networks."),
        ("absl", "The networks could not be examined (ModuleNotFoundError)."),
    ],
)
def test_only_a_missing_tensorflow_is_called_so(name: str, word: str) -> None:
    def answer(*_: object) -> None:
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    succeeded, said, trace = served(answer)
    assert (succeeded, said) == (False, word)
    assert f"No module named {name!r}" in trace


def test_the_trace_of_a_fault_holds_no_pixels() -> None:
    def answer(*_: object) -> None:
        raise ValueError(f"cannot take {CROP[0, :8].tolist()} of shape (112, 112, 3)")

    _, said, trace = served(answer)
    assert said == "The networks could not be examined (ValueError)."
    assert "in answer" in trace and trace.endswith("ValueError: cannot take [[… of shape (112, 112, 3)")


# ------------------------------------------------------------------------------------------- a process that goes wrong

ECHO = """
import sys, time
from multiprocessing.connection import Connection
asking, telling = Connection(0, writable=False), Connection(1, readable=False)
def read():
    try:
        return asking.recv()
    except EOFError:
        sys.exit()
def write(result):
    telling.send((True, result, ""))
while True:
    name, arguments = read()
    if name == "hello":
        print("loading", file=sys.stderr, flush=True)
        HELLO
        write("1.0")
    elif name == "end":
        print("the last words", file=sys.stderr, flush=True)
        sys.exit(3)
    else:
        time.sleep(arguments.get("seconds", 0))
        write(arguments.get("value"))
"""


@pytest.fixture
def standing_in(monkeypatch: pytest.MonkeyPatch):
    """A process that only repeats stands in for the one with Keras; ``hello`` is what it does before it greets."""
    real, started, workers = subprocess.Popen, [], []

    def make(hello: str = "pass") -> tuple[InsideWorker, list[object]]:
        def spawn(_command: list[str], **options: object) -> subprocess.Popen[bytes]:
            started.append(real([sys.executable, "-c", ECHO.replace("HELLO", hello)], **options))
            return started[-1]

        monkeypatch.setattr(module.subprocess, "Popen", spawn)
        workers.append(InsideWorker(MODELS))
        return workers[-1], started

    yield make
    for worker in workers:
        worker.close()


def test_a_process_that_cannot_be_started_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError("no memory")

    monkeypatch.setattr(module.subprocess, "Popen", fail)
    with pytest.raises(InsideError, match="could not be started"):
        InsideWorker(MODELS).ask("hello")


def test_a_failed_start_is_not_tried_again_at_once(standing_in, monkeypatch: pytest.MonkeyPatch, caplog) -> None:
    worker, started = standing_in("sys.exit(1)")
    for _ in range(3):
        with pytest.raises(InsideError, match="could not be started"):
            worker.ask("hello")
    assert len(started) == 1
    assert "loading" in caplog.text, "what the process said is in the log"
    now = time.monotonic()
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: now + 61))
    with pytest.raises(InsideError):
        worker.ask("hello")
    assert len(started) == 2


@pytest.mark.parametrize("error", [RuntimeError("x"), pickle.UnpicklingError("x"), KeyboardInterrupt()])
def test_an_answer_that_was_not_read_is_nobody_elses(standing_in, monkeypatch: pytest.MonkeyPatch, error) -> None:
    """The only way in which one visitor could get what another one had asked for."""
    worker, _ = standing_in()
    assert worker.ask("mine", value="first") == "first"
    read = module._read

    def fail(pipe: object, timeout_s: float) -> None:
        raise error

    monkeypatch.setattr(module, "_read", fail)
    with pytest.raises(InsideError if isinstance(error, Exception) else KeyboardInterrupt):
        worker.ask("mine", value="second")
    monkeypatch.setattr(module, "_read", read)
    assert not worker.ready
    assert worker.ask("mine", value="third") == "third"


def test_what_cannot_be_sent_is_a_sentence(standing_in, caplog: pytest.LogCaptureFixture) -> None:
    worker, _ = standing_in()
    with pytest.raises(InsideError, match="bug in this program"):
        worker.ask("mine", value=lambda: None)
    assert "Traceback" in caplog.text
    assert worker.ask("mine", value=1) == 1


def test_the_last_words_of_a_process_are_logged(standing_in, caplog: pytest.LogCaptureFixture) -> None:
    worker, started = standing_in()
    with pytest.raises(InsideError, match="has ended"):
        worker.ask("end")
    worker.ask("hello")
    with pytest.raises(InsideError, match="has ended"):
        worker.ask("end")
    assert "the last words" in caplog.text and caplog.records[-1].levelno == logging.WARNING
    assert len(started) == 3, "one that ends at its first request is not asked again, one that had answered is"


def test_it_is_not_ready_before_keras_is_loaded(standing_in) -> None:
    worker, started = standing_in("time.sleep(1.5)")
    thread = threading.Thread(target=worker.ask, args=("hello",))
    thread.start()
    wait_until(lambda: started)
    assert not worker.ready
    thread.join()
    assert worker.ready


def test_closing_ends_at_once_what_still_answers(standing_in) -> None:
    worker, started = standing_in()
    worker.ask("hello")
    told: list[str] = []

    def ask() -> None:
        try:
            worker.ask("mine", seconds=30)
        except InsideError as error:
            told.append(str(error))

    thread = threading.Thread(target=ask)
    thread.start()
    wait_until(worker._lock.locked)
    time.sleep(0.2)
    before = time.monotonic()
    worker.close()
    assert time.monotonic() - before < 1
    thread.join(5)
    assert told == ["The networks could not be examined: their process has ended."]
    assert len(started) == 1, "closed is not failed: nothing is started again"


def test_file_numbers_may_be_large(standing_in) -> None:
    """A server with many visitors has more than 1024 open files and connections."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 1200:
        pytest.skip("this system allows no more files")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 1200), hard))
    some = [os.open(os.devnull, os.O_RDONLY) for _ in range(1050)]
    try:
        worker, _ = standing_in()
        assert worker.ask("mine", value=7) == 7
        worker.close()
    finally:
        for number in some:
            os.close(number)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def wait_until(met, seconds: float = 5.0) -> None:
    deadline = time.monotonic() + seconds
    while not met():
        assert time.monotonic() < deadline
        time.sleep(0.01)


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
        assert [_read(answers, 5.0) for _ in range(2)] == [(True, 0, ""), (True, 0, "")], (
            "two questions at once leave no time"
        )
        deadline = time.monotonic() + 10
        while len(steps) < 3 and time.monotonic() < deadline:
            time.sleep(0.05)
        _write(asking, ("anything", {}))
        assert _read(answers, 5.0) == (True, 3, "")
        asking.close()
        thread.join()


def test_the_app_itself_never_loads_keras() -> None:
    code = (
        "import sys; from pathlib import Path; from facetraits.inside.worker import InsideWorker;"
        "from facetraits.inside import architecture, layers, probing, reading, requests;"
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
