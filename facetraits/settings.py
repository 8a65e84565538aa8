"""All settings: where each is read, what it means and what holds where it is not set.

A variable of the environment wins over ``.streamlit/secrets.toml``; an empty one counts as not set, because compose
passes variables that are not set as empty ones. docs/deploy.md explains each setting; a test holds it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

SECRETS_FILE: Final = ".streamlit/secrets.toml"
_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting.

    Attributes:
        variable: of the environment.
        meaning: in a few words.
        section, name: of ``.streamlit/secrets.toml``; "" where it can only come from the environment.
    """

    variable: str
    meaning: str
    section: str = ""
    name: str = ""

    @property
    def in_environment(self) -> str:
        """How a sentence names it there."""
        return f"The environment variable {self.variable}"

    @property
    def in_file(self) -> str:
        """How a sentence names it there."""
        return f"The setting {self.name} in [{self.section}] of {SECRETS_FILE}"


CONNECTION: Final = "webrtc"
VISITORS: Final = "visitors"

DATA: Final = Setting("FACETRAITS_DATA", "the folder that holds the data sets")
DATABASE: Final = Setting("FACETRAITS_DB", "where the visitors' log is kept, a database URL of SQLAlchemy")
CAMERAS: Final = Setting("FACETRAITS_CAMERAS", "the cameras that `watch` counts before, where it is given none")
PASSWORD: Final = Setting("FACETRAITS_VISITORS_PASSWORD", "opens the page Visitors", VISITORS, "password")
TURN_URLS: Final = Setting("FACETRAITS_TURN_URLS", "TURN servers that share TURN_SECRET", CONNECTION, "turn_urls")
TURN_SECRET: Final = Setting("FACETRAITS_TURN_SECRET", "coturn's static-auth-secret", CONNECTION, "turn_secret")
ICE_SERVERS: Final = Setting(
    "FACETRAITS_ICE_SERVERS", "STUN and TURN servers with a fixed username and credential", CONNECTION, "ice_servers"
)
RELAY_ONLY: Final = Setting("FACETRAITS_RELAY_ONLY", "the browser uses no way but the relay", CONNECTION, "relay_only")
SERVER_BEHIND_NAT: Final = Setting(
    "FACETRAITS_SERVER_BEHIND_NAT", "the app asks for a relay, too", CONNECTION, "server_behind_nat"
)
UPLOADS_MB: Final = Setting("FACETRAITS_UPLOADS_MB", "how many MB of uploads are held for all visitors together")
VIEWERS: Final = Setting("FACETRAITS_VIEWERS", "how many may stream at once", CONNECTION, "viewers")

SETTINGS: Final = (
    DATA,
    DATABASE,
    CAMERAS,
    PASSWORD,
    ICE_SERVERS,
    TURN_URLS,
    TURN_SECRET,
    RELAY_ONLY,
    SERVER_BEHIND_NAT,
    VIEWERS,
    UPLOADS_MB,
)

_ROOT: Final = Path(__file__).parent.parent


class SettingsReader:
    """Reads settings and notes what is wrong with them.

    Args:
        secrets: sections of ``.streamlit/secrets.toml`` by name; None for a section that cannot be read.
        environ: the environment.

    Attributes:
        problems: one sentence each, for whoever runs the server. They say what is expected and never what was found,
            which may be a password.
    """

    def __init__(self, secrets: Mapping[str, Any], environ: Mapping[str, str]) -> None:
        self.problems: list[str] = []
        self._secrets, self._environ = secrets, environ

    def check_section(self, name: str) -> None:
        """Note a section of the secrets that cannot be read, and settings in it that there are not."""
        section = self._secrets.get(name, {})
        if not isinstance(section, Mapping):
            self.problems.append(f"The section [{name}] of {SECRETS_FILE} cannot be read.")
            return
        known = {setting.name for setting in SETTINGS if setting.section == name}
        self.problems += [
            f"The section [{name}] of {SECRETS_FILE} has no setting {other}." for other in section if other not in known
        ]

    def read(self, setting: Setting, parse: Callable[[Any], _Value], default: _Value) -> _Value:
        """The value of a setting; the default, and a problem, where it is wrong.

        Args:
            setting: which.
            parse: turns what is written there into the value; raises ValueError with what is expected.
            default: what holds where it is not set.
        """
        raw: Any = self._environ.get(setting.variable, "").strip()
        place = setting.in_environment
        if not raw:
            section = self._secrets.get(setting.section, {})
            raw, place = (section.get(setting.name, "") if isinstance(section, Mapping) else ""), setting.in_file
        if raw in ("", [], None):
            return default
        try:
            return parse(raw)
        except ValueError as error:
            self.problems.append(f"{place} {error}.")
            return default


def text(raw: Any) -> str:
    """A setting that is a text.

    Raises:
        ValueError: it is something else.
    """
    if not isinstance(raw, str):
        raise ValueError("must be a text in quotation marks")
    return raw


def data_folder() -> Path:
    """The folder that holds ``utkface/``, ``fer2013/`` and the others."""
    return SettingsReader({}, os.environ).read(DATA, Path, Path("data"))


def database_url() -> str:
    """The database of the visitors' log."""
    return SettingsReader({}, os.environ).read(DATABASE, text, f"sqlite:///{_ROOT / 'data' / 'visitors.db'}")


def camera_list() -> tuple[str, ...]:
    """The cameras of ``CAMERAS``, each an address or NAME=ADDRESS."""
    return tuple(SettingsReader({}, os.environ).read(CAMERAS, text, "").split())
