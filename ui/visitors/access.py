"""Access to the visitor log, which everybody with access shares.

If a password is set, the page asks for it once per browser session. Otherwise it asks for a random code that this
program shows in its terminal, which only the operator can read. The browser's address is not used, because behind a
proxy every browser seems to be on this machine.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import os
import threading
import time
from collections.abc import Mapping
from secrets import token_urlsafe
from typing import Any, Final, NamedTuple

import streamlit as st

from facetraits import settings
from ui.kit.components import lead, notice
from ui.live.connection import load_secrets

_LOG: Final = logging.getLogger(__name__)

CODE_PARAMETER: Final = "code"  # of the page's address
SHORTEST_PASSWORD: Final = 8
_FREE_GUESSES: Final = 5
_SECONDS_PER_GUESS: Final = 10.0


class Protection(NamedTuple):
    """How the log is protected.

    Attributes:
        password: "" where none is set.
        problem: why the settings are invalid, in one sentence; None if they are valid.
    """

    password: str
    problem: str | None = None


def protection(secrets: Mapping[str, Any], environ: Mapping[str, str]) -> Protection:
    """Read the password. A setting that cannot be read keeps the log closed.

    Args:
        secrets: whose section "visitors" may hold ``password``; the page passes `load_secrets`.
        environ: whose variable FACETRAITS_VISITORS_PASSWORD wins; the page passes ``os.environ``.
    """
    password = environ.get(settings.PASSWORD.variable, "")
    if password:
        return _long_enough(password, settings.PASSWORD.in_environment)
    if secrets.get(settings.CONNECTION, {}) is None:  # load_secrets returns None for a file that cannot be read
        return Protection("", f"The file {settings.SECRETS_FILE} cannot be read.")
    reader = settings.SettingsReader(secrets, {})
    reader.check_section(settings.VISITORS)
    password = reader.read(settings.PASSWORD, settings.text, "")
    if reader.problems:
        return Protection("", reader.problems[0])
    return _long_enough(password, settings.PASSWORD.in_file) if password else Protection("")


def _long_enough(password: str, place: str) -> Protection:
    if len(password) < SHORTEST_PASSWORD:
        return Protection("", f"{place} must have at least {SHORTEST_PASSWORD} characters.")
    return Protection(password)


class Guesses:
    """Rate limit for wrong passwords from all browsers together: a few at once, then one in ten seconds."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._left = float(_FREE_GUESSES)
        self._at_s = time.monotonic()

    def wait_s(self) -> float:
        """Seconds to wait before the next guess; 0 uses up one guess now."""
        with self._lock:
            now_s = time.monotonic()
            self._left = min(_FREE_GUESSES, self._left + (now_s - self._at_s) / _SECONDS_PER_GUESS)
            self._at_s = now_s
            if self._left < 1:
                return (1 - self._left) * _SECONDS_PER_GUESS
            self._left -= 1
            return 0.0

    def right(self) -> None:
        """Give the guess back, because the password was right."""
        with self._lock:
            self._left = min(_FREE_GUESSES, self._left + 1)


@st.cache_resource(show_spinner=False)
def _guesses() -> Guesses:
    return Guesses()


@st.cache_resource(show_spinner=False)
def opening_code() -> str:
    """The code of this run of the program; shown in the terminal once, in an address to open."""
    code = token_urlsafe(12)
    port = st.get_option("server.port")
    print(f"\n  The visitors' log opens with http://localhost:{port}/Visitors?{CODE_PARAMETER}={code}\n", flush=True)
    return code


def admitted() -> bool:
    """Whether this browser session may see the log; if not, the page says what to do."""
    found = protection(load_secrets(), os.environ)
    if found.problem is not None:
        notice(
            "error",
            "The password setting is not valid",
            found.problem,
            ("The log stays closed until it is corrected.",),
        )
        return False
    if found.password:
        return _is_unlocked(found.password, "Password", "password")
    code = opening_code()
    given = st.query_params.get(CODE_PARAMETER)
    if given is not None:
        del st.query_params[CODE_PARAMETER]  # so that it does not stay in history or bookmarks
        if _is_right(given, code):
            st.session_state["visitors_opened"] = _mark(code)
    if _is_unlocked(code, "Code", "code"):
        return True
    notice(
        "hint",
        "The visitor log is locked",
        "The terminal in which facetraits runs shows the code, and an address that opens the log directly.",
        (
            f"To use your own password instead, set the environment variable "
            f"{settings.PASSWORD.variable}, or {settings.PASSWORD.name} in the section [{settings.VISITORS}] of "
            f"{settings.SECRETS_FILE}. Then restart facetraits.",
        ),
    )
    return False


def _mark(secret: str) -> str:
    """Hash kept in the session instead of the password; after a change of password it no longer matches."""
    return hashlib.sha256(secret.encode()).hexdigest()


def _is_right(given: str, secret: str) -> bool:
    """Check a password; a wrong one uses up a guess for all browsers together."""
    wait_s = _guesses().wait_s()
    if wait_s > 0:
        notice("error", "Too many wrong attempts", f"Wait {wait_s:.0f} seconds, then try again.")
        return False
    if hmac.compare_digest(given.encode(), secret.encode()):
        _guesses().right()
        return True
    _LOG.warning("a wrong password for the visitors' log came from %s", st.context.ip_address or "this machine")
    notice("error", "Wrong code or password", "Try again. Upper and lower case matter.")
    return False


def _is_unlocked(secret: str, label: str, key: str) -> bool:
    if hmac.compare_digest(st.session_state.get("visitors_opened", ""), _mark(secret)):
        return True
    lead("The visitor log is for the people of this shop.")
    with st.form("visitors_password", width=420):
        given = st.text_input(label, type="password", autocomplete="current-password", key=f"visitors_{key}_given")
        pressed = st.form_submit_button("Open the log", type="primary")
    if pressed and _is_right(given, secret):
        st.session_state["visitors_opened"] = _mark(secret)
        st.rerun()
    return False
