"""Settings for all tests."""

from collections.abc import Iterator

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
