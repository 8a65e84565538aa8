"""Who may import whom: the directions that keep the core free of the app and the app free of the training framework."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FRAMEWORKS = ("av", "keras", "ray", "tensorflow", "torch")  # seconds to import, and Keras slows Streamlit down
APP = ("streamlit", "streamlit_webrtc", "ui", "pages", "app")
PAGES_MAY = ("streamlit", "ui", "facetraits")


@dataclass(frozen=True)
class Import:
    """One imported module; ``lazy`` where the import only happens when a function is called."""

    module: str
    lazy: bool

    def is_of(self, *packages: str) -> bool:
        return any(self.module == package or self.module.startswith(package + ".") for package in packages)


def imports_of(source: str, path: str) -> list[Import]:
    """All imports in ``source``, a file at ``path`` (relative to the root), except those for type checkers only."""
    package = path.removesuffix(".py").split("/")[:-1]
    return list(_walk(ast.parse(source), package, lazy=False))


def _walk(node: ast.AST, package: list[str], lazy: bool) -> Iterator[Import]:
    if isinstance(node, ast.Import):
        yield from (Import(alias.name, lazy) for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        parents = package[: len(package) + 1 - node.level] if node.level else []
        module = ".".join([*parents, *(node.module or "").split(".")]).strip(".")
        # `from package import name` may import the module package.name
        yield from (Import(f"{module}.{alias.name}", lazy) for alias in node.names)
    elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
        yield from (found for child in node.orelse for found in _walk(child, package, lazy))
    else:
        lazy = lazy or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        yield from (found for child in ast.iter_child_nodes(node) for found in _walk(child, package, lazy))


def violations(source: str, path: str) -> list[str]:
    """What ``source`` imports although a file at ``path`` must not."""
    return [f"{path} imports {i.module}: {why}" for i in imports_of(source, path) if (why := _forbidden(i, path))]


def _forbidden(found: Import, path: str) -> str | None:
    in_training = path.startswith("facetraits/training/")
    if found.is_of("tests", "benchmarks"):
        return "the product does not depend on its tests"
    if (
        found.is_of("facetraits.training")
        and not in_training
        and not (path == "facetraits/cli/train.py" and found.lazy)
    ):
        return "training is imported only inside functions of cli/train.py"
    if path.startswith("facetraits/"):
        if found.is_of(*APP):
            return "the core knows nothing of the app"
        if found.is_of(*FRAMEWORKS) and not in_training and not found.lazy:
            return "the core loads without frameworks"
    elif path.startswith("ui/"):
        if found.is_of("keras", "tensorflow", "torch"):
            return "Streamlit clears the session after every run once Keras is loaded"
    elif found.module.split(".")[0] not in sys.stdlib_module_names and not found.is_of(*PAGES_MAY):
        return "pages import only streamlit, ui and facetraits"
    return None


def product_files() -> list[Path]:
    files = [ROOT / "app.py", *(p for folder in ("facetraits", "pages", "ui") for p in (ROOT / folder).rglob("*.py"))]
    return sorted(p for p in files if p.exists())


@pytest.mark.parametrize("path", product_files(), ids=lambda p: p.relative_to(ROOT).as_posix())
def test_file_imports_only_what_it_may(path: Path) -> None:
    assert violations(path.read_text(encoding="utf-8"), path.relative_to(ROOT).as_posix()) == []


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("facetraits/analyzer.py", "import streamlit as st"),
        ("facetraits/analyzer.py", "def f():\n    import streamlit"),
        ("facetraits/analyzer.py", "from ui import shell"),
        ("facetraits/analyzer.py", "import torch"),
        ("facetraits/analyzer.py", "try:\n    import tensorflow as tf\nexcept ImportError:\n    tf = None"),
        ("facetraits/analyzer.py", "class A:\n    from keras import layers"),
        ("facetraits/analyzer.py", "from facetraits import training"),
        ("facetraits/analyzer.py", "def f():\n    from .training import networks"),
        ("facetraits/analyzer.py", "from tests.builders import make_result"),
        ("facetraits/cli/train.py", "from facetraits.training.train import train"),
        ("facetraits/training/train.py", "import streamlit"),
        ("ui/kit/charts.py", "def f():\n    import keras"),
        ("ui/kit/charts.py", "from facetraits.training import datasets"),
        ("pages/1_Photo.py", "import numpy as np"),
        ("app.py", "import altair"),
    ],
)
def test_forbidden_import_is_found(path: str, source: str) -> None:
    assert len(violations(source, path)) == 1


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("facetraits/analyzer.py", "from facetraits.types import TRAITS"),
        ("facetraits/analyzer.py", "from . import alignment"),
        ("facetraits/gradients.py", "def f():\n    import keras"),
        ("facetraits/gradients.py", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import keras"),
        ("facetraits/cli/train.py", "def train():\n    from facetraits.training.train import train"),
        ("facetraits/training/train.py", "import keras\nfrom facetraits.faces.alignment import align_faces"),
        ("ui/live/stream.py", "import av\nimport numpy\nfrom facetraits import load_analyzer"),
        ("pages/1_Photo.py", "import json\nimport streamlit as st\nfrom ui import components"),
    ],
)
def test_allowed_import_passes(path: str, source: str) -> None:
    assert violations(source, path) == []


def _loaded_after(statement: str) -> set[str]:
    """Names in ``sys.modules`` of a fresh interpreter that has run ``statement``."""
    code = f"import sys\n{statement}\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def _core_modules() -> list[str]:
    names = [p.relative_to(ROOT).with_suffix("").as_posix().replace("/", ".") for p in product_files()]
    core = [n for n in names if n.startswith("facetraits.") and not n.startswith("facetraits.training")]
    return [n for n in core if not n.endswith(("__init__", "__main__"))]


@pytest.mark.parametrize(
    "statement", ["import facetraits", "import " + ", ".join(_core_modules())], ids=["package", "all"]
)
def test_core_loads_neither_app_nor_frameworks(statement: str) -> None:
    loaded = _loaded_after(statement)

    assert "facetraits" in loaded
    assert loaded.isdisjoint({*APP, *FRAMEWORKS, "facetraits.training"})


def test_detector_reports_nothing_home(tmp_path: Path) -> None:
    """ONNX Runtime keeps a number for this machine in the home folder when it is about to report."""
    code = (
        "import sys; sys.path.insert(0, '.'); import numpy as np; from facetraits import load_analyzer;"
        "load_analyzer(profile='fast').analyze(np.zeros((64, 64, 3), dtype=np.uint8))"
    )
    environment = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    environment |= {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")}

    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, env=environment)

    assert list(tmp_path.rglob("*")) == []
