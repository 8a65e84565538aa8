"""Results that are kept for a picture, and the process with Keras."""

from __future__ import annotations

import subprocess
import sys

from facetraits.faces.alignment import CROPS
from tests.builders import (
    ROOT,
    FakeAnalyzer,
    photo_of_many,
    photo_of_one,
    photo_without_faces,
    png,
)
from ui.inside import cached
from ui.inside.session import InsideSession
from ui.photo.session import Picture


def test_results_are_kept_for_a_picture_and_forgotten_with_it() -> None:
    session, analyzer, made = InsideSession(), FakeAnalyzer(), []
    one = Picture("one", "one", lambda: png(photo_of_one()))
    many = Picture("many", "many", lambda: png(photo_of_many(2)))
    session.look(one, analyzer)
    for _ in range(2):
        session.look(one, analyzer)
        assert session.cached(("a",), lambda: made.append(1) or len(made)) == 1
    assert len(analyzer.calls) == 1
    crops = session.look(many, analyzer).crops
    assert {name: stack.shape for name, stack in crops.items()} == {
        name: (2, spec.side_px, spec.side_px, 3) for name, spec in CROPS.items()
    }
    assert not session.is_cached(("a",))


def test_the_session_stays_small() -> None:
    session = InsideSession()
    for i in range(200):
        session.cached(i, lambda i=i: i)
    assert sum(session.is_cached(i) for i in range(200)) < 60
    assert session.is_cached(199) and not session.is_cached(0)


def test_a_picture_without_faces_or_sense_is_an_outcome() -> None:
    session, analyzer = InsideSession(), FakeAnalyzer()
    cup = session.look(Picture("cup", "cup", lambda: png(photo_without_faces())), analyzer)
    assert cup.outcome.error is None and cup.outcome.result.faces == () and cup.crops == {}
    broken = session.look(Picture("x", "x", lambda: b"x"), analyzer)
    assert broken.outcome.error.endswith(".")


def test_the_page_brings_no_keras_into_the_app() -> None:
    modules = ", ".join(f"ui.inside.{path.stem}" for path in sorted((ROOT / "ui" / "inside").glob("[a-z]*.py")))
    code = f"import sys, {modules}; print('keras' in sys.modules or 'tensorflow' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert modules.count("ui.") >= 10
    assert done.stdout.strip() == "False"


def test_the_process_with_keras_is_one_and_waits_for_its_first_question() -> None:
    assert cached.get_worker() is cached.get_worker()
    assert not cached.get_worker().ready
