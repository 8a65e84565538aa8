"""Settings for all tests."""

from collections.abc import Iterator

import pylibsrtp  # noqa: F401  streamlit-webrtc loads it, and crashes where TensorFlow was loaded before
import pytest
from hypothesis import settings

# A machine that is busy with something else is no defect of the code under test.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")


@pytest.fixture(scope="session", autouse=True)
def _no_real_log(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Whatever opens the visitors' log opens one that nobody needs, also in programs that tests start."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FACETRAITS_DB", f"sqlite:///{tmp_path_factory.mktemp('log') / 'visitors.db'}")
        patch.delenv("FACETRAITS_VISITORS_PASSWORD", raising=False)
        yield


@pytest.fixture(scope="session", autouse=True)
def _no_keras_beside_pages() -> Iterator[None]:
    """Tests of training load Keras into this process, where Streamlit would clear its session after every script run.

    The app's process never loads it (tests/test_imports.py), so that costs nothing there; here it takes minutes.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("streamlit.runtime.scriptrunner.script_runner._clean_problem_modules", lambda: None)
        yield
