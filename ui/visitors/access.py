"""Who may see the visitor log, which all who open the page share.

With a password the page asks for it, once per browser session. Without one it opens only in a browser on the machine
that runs the app: a log of people is nobody else's business until its owner says so.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import time
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import streamlit as st

from facetraits import settings
from ui.kit.components import lead, notice
from ui.live.connection import load_secrets

_LOCAL_NAMES: Final = ("localhost", "127.0.0.1", "[::1]")
# Any of these says that a proxy brought the request: whoever sits behind it only seems to be on this machine.
_PROXY_HEADERS: Final = ("Forwarded", "Via", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-IP")
_PAUSE_S: Final = 1.0  # after a wrong password: guessing many takes long


class Protection(NamedTuple):
    """What stands before the log.

    Attributes:
        password: "" where none is set.
        problem: why the settings cannot be trusted, in one sentence; None if they can.
    """

    password: str
    problem: str | None = None


def protection(secrets: Mapping[str, Any], environ: Mapping[str, str]) -> Protection:
    """Read the password. A setting that cannot be read is a problem and never an open door.

    Args:
        secrets: whose section "visitors" may hold ``password``; the page passes `load_secrets`.
        environ: whose variable FACETRAITS_VISITORS_PASSWORD wins; the page passes ``os.environ``.
    """
    password = environ.get(settings.PASSWORD.variable, "")
    if password:
        return Protection(password)
    if secrets.get(settings.CONNECTION, {}) is None:  # so load_secrets says that the file is there and broken
        return Protection("", f"The file {settings.SECRETS_FILE} cannot be read.")
    reader = settings.SettingsReader(secrets, {})
    reader.section(settings.VISITORS)
    password = reader.read(settings.PASSWORD, settings.text, "")
    return Protection("", reader.problems[0]) if reader.problems else Protection(password)


def on_this_machine(ip_address: str | None, headers: Mapping[str, str]) -> bool:
    """Whether the browser runs where the app runs.

    Args:
        ip_address: of the browser; None for this machine itself, as ``st.context`` gives it.
        headers: of its request. ``Host`` must be a name of this machine, which no other site can make a browser send.
    """
    if ip_address is not None or any(headers.get(name) for name in _PROXY_HEADERS):
        return False
    name, _, port = (headers.get("Host") or "").lower().rpartition(":")
    if not port.isdigit():  # no port: "localhost", or "[::1]", which has colons of its own
        name = (headers.get("Host") or "").lower()
    return name in _LOCAL_NAMES


def admitted() -> bool:
    """Whether this browser session may see the log; where it may not (yet), the page says what to do."""
    found = protection(load_secrets(), os.environ)
    if found.problem is not None:
        notice("error", "The password's setting needs mending", found.problem, ("Until then the log stays closed.",))
        return False
    if found.password:
        return _knows(found.password)
    if _is_local():
        return True
    notice(
        "hint",
        "The visitor log is closed here",
        "Without a password it opens only in a browser on the computer that runs facetraits.",
        (
            f"Set a password: the environment variable {settings.PASSWORD.variable}, or {settings.PASSWORD.name} in "
            f"the section [{settings.VISITORS}] of {settings.SECRETS_FILE}. Then start facetraits again.",
            "Or open this page on that computer itself, as http://localhost with the same number behind the colon.",
        ),
    )
    return False


def _is_local() -> bool:
    return on_this_machine(st.context.ip_address, st.context.headers)


def _knows(password: str) -> bool:
    # Not the password itself; and who knew an older one is asked again.
    mark = hashlib.sha256(password.encode()).hexdigest()
    if st.session_state.get("visitors_opened") == mark:
        return True
    lead("The visitor log is for the people of this shop.")
    with st.form("visitors_password", width=420):
        given = st.text_input(
            "Password", type="password", autocomplete="current-password", key="visitors_password_given"
        )
        pressed = st.form_submit_button("Open the log", type="primary")
    if not pressed:
        return False
    if hmac.compare_digest(given.encode(), password.encode()):
        st.session_state["visitors_opened"] = mark
        st.rerun()
    time.sleep(_PAUSE_S)
    notice("error", "That is not the password", "Try again; capital and small letters differ.")
    return False
