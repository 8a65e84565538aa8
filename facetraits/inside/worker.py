"""Keras in a process of its own, asked over a pipe: pictures of networks at work go back and forth in memory only.

``InsideWorker`` is the asking side, for the app. ``python -m facetraits.inside.worker`` is the other one: it reads one
request after another from its standard input, and ends when that closes or nobody asked for a while.
"""

from __future__ import annotations

import logging
import os
import pickle
import select
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO, Any, Final

_LOG: Final = logging.getLogger(__name__)
_LENGTH: Final = struct.Struct(">Q")
_IDLE_S: Final = 900.0  # Keras holds 700 MB
_START_S: Final = 120.0
_ANSWER_S: Final = 60.0
_SPARE_S: Final = 0.3  # without a question for so long, there is time for something else
_ROOT: Final = Path(__file__).parent.parent.parent


class InsideError(Exception):
    """The networks cannot be looked into; the message is one sentence for the user."""


class InsideWorker:
    """Starts the process when it is first needed, and again after it ended. May be used from several threads at once.

    Args:
        models_dir: folder of the models.
        idle_s: the process ends when it was not asked for so long, in seconds.
    """

    def __init__(self, models_dir: Path, idle_s: float = _IDLE_S) -> None:
        self._models_dir = models_dir
        self._idle_s = idle_s
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def running(self) -> bool:
        """Whether the next request is answered without waiting for Keras to load."""
        process = self._process
        return process is not None and process.poll() is None

    def ask(self, request: str, /, **arguments: Any) -> Any:
        """What ``requests.REQUESTS[request]`` returns for the arguments.

        Raises:
            InsideError: TensorFlow is not installed, or the process has failed.
        """
        with self._lock:
            for attempt in (1, 2):
                fresh = not self.running
                if fresh:
                    self._start()
                try:
                    return self._exchange(request, arguments)
                except (OSError, EOFError) as error:
                    self._stop()
                    # It may have ended just now for want of questions; a fresh one that ends has failed.
                    if fresh or attempt == 2:
                        _LOG.warning("the process for %s has ended: %r", request, error)
                        raise InsideError("The networks could not be looked into: their process has ended.") from error
        raise AssertionError("unreachable: the second attempt returns or raises")

    def close(self) -> None:
        """End the process; the next request starts another."""
        with self._lock:
            self._stop()

    def _start(self) -> None:
        self._stop()
        command = [sys.executable, "-m", "facetraits.inside.worker", str(self._models_dir), str(self._idle_s)]
        environment = {
            **os.environ,
            "KERAS_BACKEND": "tensorflow",
            "TF_CPP_MIN_LOG_LEVEL": "3",
            "CUDA_VISIBLE_DEVICES": "",
        }
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=_ROOT,
            env=environment,
        )
        try:
            self._exchange("hello", {}, _START_S)
        except (OSError, EOFError) as error:
            self._stop()
            raise InsideError("The process that looks into the networks could not be started.") from error

    def _exchange(self, request: str, arguments: dict[str, Any], timeout_s: float = _ANSWER_S) -> Any:
        process = self._process
        assert process is not None and process.stdin is not None and process.stdout is not None
        _write(process.stdin, (request, arguments))
        succeeded, answer = _read(process.stdout, timeout_s)
        if not succeeded:
            raise InsideError(answer)
        return answer

    def _stop(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                try:
                    pipe.close()
                except OSError:  # what was not sent will never be
                    continue


def _write(pipe: IO[bytes], message: Any) -> None:
    data = pickle.dumps(message, protocol=pickle.HIGHEST_PROTOCOL)
    pipe.write(_LENGTH.pack(len(data)) + data)
    pipe.flush()


def _read(pipe: IO[bytes], timeout_s: float) -> Any:
    """The next message.

    Raises:
        TimeoutError: nothing came for so long.
        EOFError: the other side has closed the pipe.
    """
    deadline = time.monotonic() + timeout_s
    (length,) = _LENGTH.unpack(_take(pipe, _LENGTH.size, deadline))
    return pickle.loads(_take(pipe, length, deadline))


def _take(pipe: IO[bytes], count: int, deadline: float) -> bytes:
    parts: list[bytes] = []
    while count:
        ready, _, _ = select.select([pipe], [], [], max(0.0, deadline - time.monotonic()))
        if not ready:
            raise TimeoutError("no answer in time")
        part = os.read(pipe.fileno(), count)
        if not part:
            raise EOFError("the pipe was closed")
        parts.append(part)
        count -= len(part)
    return b"".join(parts)


_THROUGH: Final = object()


def serve(
    answer: Callable[[str, dict[str, Any]], Any],
    requests: IO[bytes],
    answers: IO[bytes],
    idle_s: float,
    spare: Iterable[None] = (),
) -> None:
    """Answer until the pipe closes or nobody asks for ``idle_s``.

    Args:
        answer: gives the result of a request; an ``InsideError`` is told to the user as it is.
        requests, answers: unbuffered ends of two pipes.
        idle_s: in seconds.
        spare: takes a step after an answer whenever nobody asks, until it is through.
    """
    steps = iter(spare)
    while True:
        try:
            name, arguments = _read(requests, idle_s)
        except (EOFError, TimeoutError):
            return
        try:
            result = True, answer(name, arguments)
        except InsideError as error:
            result = False, str(error)
        except ImportError:
            result = False, "This installation has no TensorFlow, which looking into the networks needs."
        except Exception as error:
            result = False, f"The networks could not be looked into ({type(error).__name__})."
        _write(answers, result)
        _use_spare_time(requests, steps)


def _use_spare_time(requests: IO[bytes], steps: Iterator[None]) -> None:
    """Take steps until somebody asks or all is done."""
    while not select.select([requests], [], [], _SPARE_S)[0]:
        if next(steps, _THROUGH) is _THROUGH:
            return


def main() -> None:
    """Serve on this process's standard streams."""
    requests = os.fdopen(os.dup(0), "rb", buffering=0)
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)  # whatever prints must not get between the answers
    from facetraits.inside.requests import Requests

    served = Requests(Path(sys.argv[1]))
    serve(served.answer, requests, answers, float(sys.argv[2]), served.prepare())


if __name__ == "__main__":
    main()
