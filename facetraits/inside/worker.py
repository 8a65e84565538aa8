"""Keras in a separate process, accessed through pipes, so that pictures stay in memory.

``InsideWorker`` is the client, used by the app. ``python -m facetraits.inside.worker`` is the server: it reads requests
from its standard input, and ends when that closes or after some time without a request.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import subprocess
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import IO, Any, Final

from facetraits.errors import UserError

_LOG: Final = logging.getLogger(__name__)
_IDLE_S: Final = 900.0  # Keras holds 700 MB
_START_S: Final = 120.0
_ANSWER_S: Final = 60.0
_REFUSED_S: Final = 60.0  # after a start that failed
_SPARE_S: Final = 0.3  # idle time after which the process may do background work
_LAST_LINES: Final = 30
_LONGEST_LINE: Final = 400
_LONGEST_REASON: Final = 400
_ROOT: Final = Path(__file__).parent.parent.parent
_FAILED: Final = "The networks could not be examined because of a bug in this program. See its log for details."
_ENDED: Final = "The networks could not be examined: their process has ended."
_NO_START: Final = "The process that examines the networks could not be started."
_NO_TENSORFLOW: Final = "This installation has no TensorFlow, which is needed to examine the networks."
# Numbers in a row may be pixels, which have no place in a log.
_NUMBERS: Final = re.compile(r"(?:-?\d[\d.e+-]*[\s,\[\]()]+){6,}")


class InsideError(UserError):
    """The networks cannot be examined; the message is one sentence for the user."""


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
        self._ready = False
        self._said: deque[str] = deque(maxlen=_LAST_LINES)  # what the process wrote last to its standard error
        self._listener: threading.Thread | None = None
        self._closings = 0
        self._refused: tuple[float, str] | None = None  # until when no start is tried again, and why

    @property
    def ready(self) -> bool:
        """Whether the next request is answered without waiting for Keras to load."""
        process = self._process
        return self._ready and process is not None and process.poll() is None

    def ask(self, request: str, /, **arguments: Any) -> Any:
        """What ``requests.REQUESTS[request]`` returns for the arguments.

        Raises:
            InsideError: TensorFlow is not installed, or the process has failed. A start that failed is not tried
                again for a minute.
        """
        with self._lock:
            try:
                return self._answer(request, arguments)
            except InsideError:  # told by the process, which has nothing more to say, or after its end
                raise
            except Exception as error:
                _LOG.exception("the process for %s failed", request)
                self._stop()
                raise InsideError(_FAILED) from error
            except BaseException:
                self._stop()  # an unread answer would be taken for the next one
                raise

    def close(self) -> None:
        """End the process at once, even one that is answering; the next request starts another."""
        self._closings += 1
        process = self._process
        if process is not None:
            process.kill()
        if self._lock.acquire(blocking=False):  # otherwise the thread that holds the lock notices
            try:
                self._stop()
            finally:
                self._lock.release()

    def _answer(self, request: str, arguments: dict[str, Any]) -> Any:
        closings = self._closings
        fresh = not self.ready
        if fresh:
            self._start()
        try:
            return self._exchange(request, arguments)
        except (OSError, EOFError) as error:
            # It may have ended just now after its idle time. If a new process ends too, it has failed.
            again = not (fresh or isinstance(error, TimeoutError) or self._closings != closings)
            self._stop()
            if not again:
                self._log_end(f"the process for {request} has ended: {error!r}")
                raise InsideError(_ENDED) from error
        self._start()
        try:
            return self._exchange(request, arguments)
        except (OSError, EOFError) as error:
            self._stop()
            self._log_end(f"the process for {request} has ended again: {error!r}")
            raise InsideError(_ENDED) from error

    def _start(self) -> None:
        """Start the process and wait until Keras is loaded.

        Raises:
            InsideError: it could not be started, now or within the last minute.
        """
        self._stop()
        if self._refused is not None:
            until, why = self._refused
            if time.monotonic() < until:
                raise InsideError(why)
        closings = self._closings
        try:
            self._process = self._spawned()
            self._exchange("hello", {}, _START_S)
            self._ready, self._refused = True, None
        except (OSError, EOFError, InsideError) as error:
            self._stop()
            self._log_end(f"the process could not be started: {error!r}")
            why = str(error) if isinstance(error, InsideError) else _NO_START
            if self._closings == closings:
                self._refused = time.monotonic() + _REFUSED_S, why
            raise InsideError(why) from error

    def _spawned(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "facetraits.inside.worker", str(self._models_dir), str(self._idle_s)]
        environment = {
            **os.environ,
            "KERAS_BACKEND": "tensorflow",
            "TF_CPP_MIN_LOG_LEVEL": "3",
            "CUDA_VISIBLE_DEVICES": "",
        }
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=_ROOT,
            env=environment,
        )
        self._said.clear()
        self._listener = threading.Thread(target=_listen, args=(process.stderr, self._said), daemon=True)
        self._listener.start()
        return process

    def _exchange(self, request: str, arguments: dict[str, Any], timeout_s: float = _ANSWER_S) -> Any:
        process = self._process
        assert process is not None and process.stdin is not None and process.stdout is not None
        _write(process.stdin, (request, arguments))
        succeeded, answer, trace = _read(process.stdout, timeout_s)
        if not succeeded:
            _LOG.warning("the request %s failed:\n%s", request, trace)
            raise InsideError(answer)
        return answer

    def _log_end(self, what: str) -> None:
        if self._listener is not None:
            self._listener.join(0.5)
        _LOG.warning("%s%s", what, "".join(f"\n    {line}" for line in tuple(self._said)))

    def _stop(self) -> None:
        process, self._process, self._ready = self._process, None, False
        if process is None:
            return
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):  # what was not sent will never be
                    pipe.close()


def _listen(pipe: IO[bytes], lines: deque[str]) -> None:
    """Keep the last lines until the other side closes the pipe."""
    with pipe:
        for line in pipe:
            lines.append(line[:_LONGEST_LINE].decode("utf-8", "replace").rstrip())


def _write(pipe: IO[bytes], message: Any) -> None:
    with Connection(os.dup(pipe.fileno()), readable=False) as connection:
        connection.send(message)


def _read(pipe: IO[bytes], timeout_s: float) -> Any:
    """The next message.

    Raises:
        TimeoutError: nothing came for so long.
        EOFError: the other side has closed the pipe.
    """
    with Connection(os.dup(pipe.fileno()), writable=False) as connection:
        if not connection.poll(max(0.0, timeout_s)):
            raise TimeoutError("no answer in time")
        return connection.recv()


def _has_news(pipe: IO[bytes], timeout_s: float) -> bool:
    """Whether data arrives in time, or the other side has closed the pipe."""
    with Connection(os.dup(pipe.fileno()), writable=False) as connection:
        return connection.poll(timeout_s)


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
        answer: gives the result of a request; an ``InsideError`` is told to the user as it is. What is sent is
            (True, the result, "") or (False, a sentence for the user, how it came about for the log).
        requests, answers: unbuffered ends of two pipes.
        idle_s: in seconds.
        spare: background work; one step is run whenever no request waits.
    """
    steps = iter(spare)
    while True:
        try:
            name, arguments = _read(requests, idle_s)
        except (EOFError, TimeoutError):
            return
        try:
            result = True, answer(name, arguments), ""
        except Exception as error:
            result = False, _word(error), _trace(error)
        _write(answers, result)
        _use_spare_time(requests, steps)


def _word(error: Exception) -> str:
    if isinstance(error, InsideError):
        return str(error)
    if isinstance(error, ModuleNotFoundError) and (error.name or "").split(".")[0] in ("tensorflow", "keras"):
        return _NO_TENSORFLOW
    return f"The networks could not be examined ({type(error).__name__})."


def _trace(error: Exception) -> str:
    """Where an error came from, without what may be a picture's pixels."""
    lines = "".join(traceback.format_tb(error.__traceback__))
    reason = _NUMBERS.sub("… ", str(error)[:_LONGEST_REASON])
    return f"{lines}{type(error).__name__}: {reason}"


def _use_spare_time(requests: IO[bytes], steps: Iterator[None]) -> None:
    """Run background steps until a request arrives or all are done."""
    while not _has_news(requests, _SPARE_S):
        if next(steps, _THROUGH) is _THROUGH:
            return


def main() -> None:
    """Serve on this process's standard streams."""
    requests = os.fdopen(os.dup(0), "rb", buffering=0)
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)  # printed output must not mix with the answers
    from facetraits.inside.requests import Requests

    served = Requests(Path(sys.argv[1]))
    serve(served.answer, requests, answers, float(sys.argv[2]), served.prepare())


if __name__ == "__main__":
    main()
