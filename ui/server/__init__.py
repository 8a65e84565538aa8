"""Middleware between the network and Streamlit: uploads, media and ended sessions."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.middleware import Middleware

from ui.server.answers import PrivateAnswers
from ui.server.sessions import ending_left_sessions
from ui.server.uploads import UploadGuard, limits_from

__all__ = ["ending_left_sessions", "middleware"]


def middleware(environ: Mapping[str, str]) -> list[Middleware]:
    """What every request passes.

    Args:
        environ: holds the settings; the app passes ``os.environ``.

    Raises:
        SystemExit: a setting is wrong; it says so in one sentence.
    """
    return [Middleware(PrivateAnswers), Middleware(UploadGuard, limits=limits_from(environ))]
