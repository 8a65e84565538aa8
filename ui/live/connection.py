"""How a visitor's video reaches this server: which ICE servers are used, and how many visitors may stream at once.

Without any setting nothing but the visitor's browser and this server take part: both sides get an empty list of ICE
servers, said explicitly, because streamlit-webrtc and aiortc ask public servers where none is given. Every setting can
stand in the section ``[webrtc]`` of ``.streamlit/secrets.toml`` or in the environment, which wins; docs/deploy.md lists
them.
"""

from __future__ import annotations

import base64
import hmac
import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import streamlit as st
from aiortc import RTCConfiguration, RTCIceTransportPolicy
from streamlit_webrtc import component
from streamlit_webrtc.config import compile_rtc_configuration

from facetraits import settings

# Decoding, analysing and encoding one visitor's video keeps about one core busy, and a small server has two.
DEFAULT_VIEWERS: Final = 2
# The browser signs in with what the page held when it was last drawn, which may be long before "start" is pressed. The
# relay asks for nothing new while a video runs.
CREDENTIAL_LIFETIME_S: Final = 12 * 3600

_MOST_VIEWERS: Final = 100
SETTING_NAMES: Final = tuple(setting.name for setting in settings.SETTINGS if setting.section == settings.CONNECTION)
# What browsers and aiortc both accept (RFC 7064 and 7065), with a name or an IPv4 address for the host.
_URL: Final = re.compile(
    r"(?:(?P<turn>turns?)|stuns?):[a-zA-Z0-9](?:[a-zA-Z0-9.-]*[a-zA-Z0-9])?(?::(?P<port>[0-9]{1,5}))?"
    r"(?(turn)(?:\?transport=(?:udp|tcp))?)"
)
_YES: Final = ("1", "on", "true", "yes")
_NO: Final = ("0", "off", "false", "no")


@dataclass(frozen=True, slots=True)
class IceServer:
    """A STUN or TURN server whose credential does not change.

    Attributes:
        urls: such as "stun:stun.example.org" or "turn:turn.example.org:3478?transport=tcp".
        username: None for STUN.
        credential: None for STUN.
    """

    urls: tuple[str, ...]
    username: str | None = field(default=None, repr=False)
    credential: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class ConnectionSettings:
    """What `connection_settings` found, with defaults for what was not set or wrong.

    Attributes:
        ice_servers: servers with credentials of their own.
        turn_urls: TURN servers that share ``turn_secret`` with us.
        turn_secret: the ``static-auth-secret`` of coturn; empty without ``turn_urls``.
        relay_only: the browser offers no address but the relay's; nor does this server where it is behind NAT.
        server_behind_nat: this server, too, needs the ICE servers to be reached.
        viewers: how many may stream at once, at least 1.
        problem: one sentence for whoever runs the server, without any credential; None if all settings are right.
    """

    ice_servers: tuple[IceServer, ...] = ()
    turn_urls: tuple[str, ...] = ()
    turn_secret: str = field(default="", repr=False)
    relay_only: bool = False
    server_behind_nat: bool = False
    viewers: int = DEFAULT_VIEWERS
    problem: str | None = None

    def browser(self, now_s: float | None = None) -> dict[str, Any]:
        """The browser's ``RTCConfiguration``, for ``frontend_rtc_configuration``.

        Args:
            now_s: Unix time that the credentials' lifetime begins at; the present where None.
        """
        policy = {"iceTransportPolicy": "relay"} if self.relay_only else {}
        return {"iceServers": self._entries(now_s), **policy}

    def server(self, now_s: float | None = None) -> dict[str, Any]:
        """This side's configuration, for ``server_rtc_configuration``: mostly an empty list of servers.

        A relay that the browser signed in to reaches this server as any other client would. Only where the relay cannot
        do that, because this server is behind NAT itself, does this side need what the browser needs. Then
        ``relay_only`` holds for it, too: a relay that refuses the first address it is asked for can be quicker than the
        browser reads the second, and streamlit-webrtc stops for good when no way is left for an instant.

        Args:
            now_s: as for `browser`.
        """
        return self.browser(now_s) if self.server_behind_nat else {"iceServers": []}

    def _entries(self, now_s: float | None) -> list[dict[str, Any]]:
        entries = [_entry(server.urls, server.username, server.credential) for server in self.ice_servers]
        if self.turn_urls:
            username, credential = turn_credentials(self.turn_secret, time.time() if now_s is None else now_s)
            entries.append(_entry(self.turn_urls, username, credential))
        return entries


def turn_credentials(secret: str, now_s: float) -> tuple[str, str]:
    """Name and password that a TURN server with the same secret accepts for the next twelve to thirteen hours.

    The scheme is coturn's ``use-auth-secret`` (draft-uberti-behave-turn-rest-00). The end lies on a full hour: a page
    that is drawn again gets the same credentials, so nothing about the video's component changes. The name is the same
    for everybody, because it stands in the relay's log.

    Args:
        secret: shared with the TURN server.
        now_s: Unix time.
    """
    expiry = (int(now_s) // 3600 + 1) * 3600 + CREDENTIAL_LIFETIME_S
    username = f"{expiry}:facetraits"
    digest = hmac.digest(secret.encode(), username.encode(), "sha1")
    return username, base64.b64encode(digest).decode()


def keep_transport_policy() -> None:
    """Have streamlit-webrtc hand a server's ``iceTransportPolicy`` on to aiortc. May be called any number of times."""
    # There is no setting for it: compile_rtc_configuration reads the list of servers and nothing else.
    component.compile_rtc_configuration = _with_transport_policy  # type: ignore[assignment,attr-defined]


def _with_transport_policy(rtc_configuration: dict[str, Any]) -> RTCConfiguration:
    compiled = compile_rtc_configuration(rtc_configuration)
    compiled.iceTransportPolicy = RTCIceTransportPolicy(rtc_configuration.get("iceTransportPolicy", "all"))
    return compiled


def load_secrets() -> Mapping[str, Any]:
    """Streamlit's secrets as `connection_settings` takes them; empty where there is no ``secrets.toml``.

    A file that cannot be read gives a section that is no table, which `connection_settings` reports. Neither raises nor
    writes on the page.
    """
    try:
        if st.secrets.load_if_toml_exists():
            return st.secrets.to_dict()
    except (OSError, UnicodeDecodeError):  # Streamlit lets these pass
        return {settings.CONNECTION: None}
    return {settings.CONNECTION: None} if any(Path(path).exists() for path in st.get_option("secrets.files")) else {}


def connection_settings(secrets: Mapping[str, Any], environ: Mapping[str, str]) -> ConnectionSettings:
    """Read and check the settings. Never raises: a wrong one gives ``problem`` and counts as not set.

    Args:
        secrets: whose section "webrtc" may hold settings; the page passes `load_secrets`.
        environ: whose variables such as FACETRAITS_TURN_URLS win; the page passes ``os.environ``.
    """
    source = settings.SettingsReader(secrets, environ)
    source.check_section(settings.CONNECTION)
    ice_servers: tuple[IceServer, ...] = source.read(settings.ICE_SERVERS, _ice_servers, ())
    turn_urls: tuple[str, ...] = source.read(settings.TURN_URLS, _turn_urls, ())
    turn_secret = source.read(settings.TURN_SECRET, settings.text, "")
    relay_only = source.read(settings.RELAY_ONLY, _flag, False)
    server_behind_nat = source.read(settings.SERVER_BEHIND_NAT, _flag, False)
    viewers = source.read(settings.VIEWERS, _viewers, DEFAULT_VIEWERS)

    if bool(turn_urls) != bool(turn_secret):
        source.problems.append("Only one of the connection settings turn_urls and turn_secret is set; both are needed.")
        turn_urls, turn_secret = (), ""
    urls = [*turn_urls, *(url for server in ice_servers for url in server.urls)]
    if relay_only and not any(map(_is_turn, urls)):
        source.problems.append("The connection setting relay_only needs a TURN server, but none is set.")
        relay_only = False
    if server_behind_nat and not urls:
        source.problems.append("The connection setting server_behind_nat needs ICE servers, but none are set.")
        server_behind_nat = False
    problem = source.problems[0] if source.problems else None
    return ConnectionSettings(ice_servers, turn_urls, turn_secret, relay_only, server_behind_nat, viewers, problem)


def _entry(urls: tuple[str, ...], username: str | None, credential: str | None) -> dict[str, Any]:
    signed_in = {} if username is None else {"username": username, "credential": credential}
    return {"urls": list(urls), **signed_in}


def _is_url(url: Any) -> bool:
    found = _URL.fullmatch(url) if isinstance(url, str) else None
    return found is not None and 1 <= int(found["port"] or 3478) <= 65535


def _is_turn(url: Any) -> bool:
    return _is_url(url) and url.startswith("turn")


def _flag(raw: Any) -> bool:
    word = str(raw).lower()
    if word not in (*_YES, *_NO):
        raise ValueError("must be true or false")
    return word in _YES


def _viewers(raw: Any) -> int:
    text = str(raw)  # true and 2.0 are no counts, and do not look like one
    if not re.fullmatch(r"[0-9]{1,9}", text) or not 1 <= int(text) <= _MOST_VIEWERS:
        raise ValueError(f"must be a whole number from 1 to {_MOST_VIEWERS}")
    return int(text)


def _turn_urls(raw: Any) -> tuple[str, ...]:
    urls = re.split(r"[\s,]+", raw.strip(", ")) if isinstance(raw, str) else raw
    if not isinstance(urls, list) or not all(map(_is_turn, urls)):
        raise ValueError("must list addresses such as turn:turn.example.org:3478?transport=udp")
    return tuple(urls)


def _ice_servers(raw: Any) -> tuple[IceServer, ...]:
    try:
        entries = json.loads(raw) if isinstance(raw, str) else raw
    except ValueError:
        entries = None
    if not isinstance(entries, list):
        raise ValueError("must be a list of servers with urls, username and credential")
    return tuple(map(_ice_server, entries))


def _ice_server(entry: Any) -> IceServer:
    if not isinstance(entry, Mapping) or not set(entry) <= {"urls", "username", "credential"}:
        raise ValueError("must be a list of servers with urls, username and credential")
    urls = [entry["urls"]] if isinstance(entry.get("urls"), str) else entry.get("urls")
    if not isinstance(urls, list) or not urls or not all(map(_is_url, urls)):
        raise ValueError("must give every server urls such as stun:stun.example.org or turn:turn.example.org:3478")
    username, credential = entry.get("username"), entry.get("credential")
    if not any(map(_is_turn, urls)):
        return IceServer(tuple(urls))
    if not (isinstance(username, str) and username and isinstance(credential, str) and credential):
        raise ValueError("must give every TURN server a username and a credential")
    return IceServer(tuple(urls), username, credential)
