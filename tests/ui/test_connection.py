"""Where the settings of the live video come from, what they become, and what is said when they are wrong."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import streamlit
from aiortc import RTCIceTransportPolicy
from aiortc.rtcicetransport import connection_kwargs
from hypothesis import given
from hypothesis import strategies as st
from streamlit import config
from streamlit.runtime.secrets import AttrDict, Secrets
from streamlit.testing.v1 import AppTest
from streamlit_webrtc.component import _resolve_server_rtc_configuration, enhance_frontend_rtc_configuration

from ui.live.connection import (
    DEFAULT_VIEWERS,
    SETTING_NAMES,
    ConnectionSettings,
    connection_settings,
    keep_transport_policy,
    turn_credentials,
)

SECRET = "correct-horse-battery-staple"
TURN = {"turn_urls": ["turn:turn.example.org:3478?transport=udp"], "turn_secret": SECRET}


def webrtc(**settings: object) -> ConnectionSettings:
    """From the section of a secrets file."""
    return connection_settings({"webrtc": settings}, {})


def variables(**settings: str) -> ConnectionSettings:
    """From the environment."""
    return connection_settings({}, {f"FACETRAITS_{name.upper()}": value for name, value in settings.items()})


class TestDefaults:
    def test_no_server_is_asked(self):
        settings = connection_settings({}, {})
        assert settings == ConnectionSettings()
        assert settings.browser() == {"iceServers": []}
        assert settings.server() == {"iceServers": []}

    def test_streamlit_webrtc_fills_in_no_server_of_its_own(self):
        settings = ConnectionSettings()
        assert enhance_frontend_rtc_configuration(settings.browser()) == {"iceServers": []}
        server = _resolve_server_rtc_configuration(settings.server())
        assert server.iceServers == []
        assert connection_kwargs(server.iceServers) == {}  # what aiortc hands to its ICE agent

    def test_two_viewers_and_no_complaint(self):
        settings = connection_settings({}, {})
        assert (settings.viewers, settings.relay_only, settings.problem) == (2, False, None)

    @pytest.mark.parametrize("name", SETTING_NAMES)
    def test_an_empty_variable_counts_as_not_set(self, name):
        assert variables(**{name: " "}) == ConnectionSettings()

    def test_other_sections_and_variables_are_not_ours(self):
        assert connection_settings({"auth": {"x": 1}, "viewers": 9}, {"VIEWERS": "9"}) == ConnectionSettings()


class TestSources:
    def test_secrets_file(self):
        settings = webrtc(**TURN, relay_only=True, server_behind_nat=True, viewers=5)
        assert settings.problem is None
        assert settings.turn_urls == ("turn:turn.example.org:3478?transport=udp",)
        assert (settings.relay_only, settings.server_behind_nat, settings.viewers) == (True, True, 5)

    def test_streamlits_own_kind_of_section(self):
        secrets = {"webrtc": AttrDict({**TURN, "ice_servers": [AttrDict({"urls": "stun:stun.example.org"})]})}
        settings = connection_settings(secrets, {})
        assert settings.problem is None
        assert [server.urls for server in settings.ice_servers] == [("stun:stun.example.org",)]

    def test_environment_gives_the_same_as_the_file(self):
        servers = [{"urls": ["turn:a.example:3478"], "username": "ann", "credential": "pw"}]
        from_file = webrtc(**TURN, ice_servers=servers, relay_only=True, server_behind_nat=True, viewers=3)
        from_environment = variables(
            turn_urls=TURN["turn_urls"][0],
            turn_secret=SECRET,
            ice_servers=json.dumps(servers),
            relay_only="true",
            server_behind_nat="1",
            viewers="3",
        )
        assert from_environment == from_file
        assert from_file.problem is None

    def test_environment_wins_setting_by_setting(self):
        settings = connection_settings(
            {"webrtc": {**TURN, "viewers": 3, "relay_only": True}},
            {"FACETRAITS_VIEWERS": "7", "FACETRAITS_RELAY_ONLY": "no"},
        )
        assert (settings.viewers, settings.relay_only) == (7, False)
        assert settings.turn_secret == SECRET

    @pytest.mark.parametrize("text", ["turn:a,turns:b:443", "turn:a turns:b:443", " turn:a, \n turns:b:443, "])
    def test_urls_in_one_variable(self, text):
        assert variables(turn_urls=text, turn_secret=SECRET).turn_urls == ("turn:a", "turns:b:443")


class TestConfigurations:
    def test_shared_secret_becomes_a_password_that_ends(self):
        now = 1_800_000_123.4
        entry = webrtc(**TURN).browser(now)["iceServers"][0]
        expiry, user = entry["username"].split(":")
        assert 12 * 3600 <= int(expiry) - now <= 13 * 3600
        assert user == "facetraits"
        expected = hmac.new(SECRET.encode(), entry["username"].encode(), hashlib.sha1).digest()
        assert base64.b64decode(entry["credential"]) == expected
        assert entry["urls"] == TURN["turn_urls"]

    def test_known_answer(self):
        # Computed with: printf '%s' 1700046000:facetraits | openssl dgst -sha1 -hmac north -binary | base64
        assert turn_credentials("north", 1_700_000_000) == ("1700046000:facetraits", "DSo41bLACx3pK1U2XEU5y1QRyUw=")

    def test_a_page_drawn_again_gets_the_same_credentials(self):
        settings = webrtc(**TURN)
        assert settings.browser(1_800_000_100.0) == settings.browser(1_800_000_900.0)
        assert settings.browser(1_800_000_100.0) != settings.browser(1_800_003_700.0)

    def test_the_present_is_the_default(self, monkeypatch):
        monkeypatch.setattr("time.time", lambda: 1_800_000_123.0)
        assert webrtc(**TURN).browser() == webrtc(**TURN).browser(1_800_000_123.0)

    def test_relay_only_holds_for_the_server_where_it_asks_for_a_relay_itself(self):
        reached = webrtc(**TURN, relay_only=True)
        assert reached.browser()["iceTransportPolicy"] == "relay"
        assert set(reached.server()) == {"iceServers"}
        assert webrtc(**TURN, relay_only=True, server_behind_nat=True).server()["iceTransportPolicy"] == "relay"
        free = webrtc(**TURN, server_behind_nat=True)
        assert "iceTransportPolicy" not in free.browser() | free.server()

    def test_the_server_uses_the_relay_only_behind_nat(self):
        assert webrtc(**TURN).server() == {"iceServers": []}
        settings = webrtc(**TURN, server_behind_nat=True)
        assert settings.server(5.0)["iceServers"] == settings.browser(5.0)["iceServers"]

    def test_fixed_servers_come_first_and_as_they_are(self):
        named = {"urls": "turns:b.example:443?transport=tcp", "username": "ann", "credential": "pw"}
        entries = webrtc(**TURN, ice_servers=[{"urls": ["stun:a.example"]}, named]).browser()["iceServers"]
        assert entries[:2] == [{"urls": ["stun:a.example"]}, {**named, "urls": [named["urls"]]}]
        assert len(entries) == 3

    def test_aiortc_understands_what_it_gets(self):
        settings = webrtc(ice_servers=[{"urls": "stun:a.example"}], **TURN, server_behind_nat=True)
        server = _resolve_server_rtc_configuration(settings.server(5.0))
        understood = connection_kwargs(server.iceServers)
        assert understood["stun_server"] == ("a.example", 3478)
        assert understood["turn_server"] == ("turn.example.org", 3478)
        assert (understood["turn_username"], understood["turn_password"]) == turn_credentials(SECRET, 5.0)
        assert server.iceTransportPolicy is RTCIceTransportPolicy.ALL
        keep_transport_policy()
        server = _resolve_server_rtc_configuration(webrtc(**TURN, relay_only=True, server_behind_nat=True).server(5.0))
        assert connection_kwargs(server.iceServers)["turn_server"] == ("turn.example.org", 3478)
        assert server.iceTransportPolicy is RTCIceTransportPolicy.RELAY
        assert _resolve_server_rtc_configuration(settings.server(5.0)).iceTransportPolicy is RTCIceTransportPolicy.ALL


WRONG = [
    ({"viewers": 0}, "whole number from 1 to 100"),
    ({"viewers": 101}, "whole number from 1 to 100"),
    ({"viewers": True}, "whole number from 1 to 100"),
    ({"viewers": 2.5}, "whole number from 1 to 100"),
    ({"viewers": "many"}, "whole number from 1 to 100"),
    ({"relay_only": "perhaps"}, "true or false"),
    ({"relay_only": True}, "needs a TURN server"),
    ({"relay_only": True, "ice_servers": [{"urls": "stun:a.example"}]}, "needs a TURN server"),
    ({"server_behind_nat": True}, "needs ICE servers"),
    ({"turn_urls": ["turn:a.example"]}, "Only one of"),
    ({"turn_secret": "hush"}, "Only one of"),
    ({"turn_secret": 5, "turn_urls": ["turn:a.example"]}, "quotation marks"),
    ({**TURN, "turn_urls": ["stun:a.example"]}, "addresses such as turn:"),
    ({**TURN, "turn_urls": ["turn:hush@a.example"]}, "addresses such as turn:"),
    ({**TURN, "turn_urls": ["turn:a.example:70000"]}, "addresses such as turn:"),
    ({**TURN, "turn_urls": ["turn:a.example?transport=sctp"]}, "addresses such as turn:"),
    ({**TURN, "turn_urls": ["https://a.example"]}, "addresses such as turn:"),
    ({**TURN, "turn_urls": {"a": "turn:a.example"}}, "addresses such as turn:"),
    ({**TURN, "turn_urls": [3]}, "addresses such as turn:"),
    ({"ice_servers": "{hush"}, "list of servers"),
    ({"ice_servers": {"urls": "stun:a.example"}}, "list of servers"),
    ({"ice_servers": ["stun:a.example"]}, "list of servers"),
    ({"ice_servers": [{"urls": "stun:a.example", "password": "hush"}]}, "list of servers"),
    ({"ice_servers": [{"username": "ann", "credential": "hush"}]}, "give every server urls"),
    ({"ice_servers": [{"urls": []}]}, "give every server urls"),
    ({"ice_servers": [{"urls": "stun:a.example?transport=udp"}]}, "give every server urls"),
    ({"ice_servers": [{"urls": "turn:a.example", "username": "ann"}]}, "a username and a credential"),
    (
        {"ice_servers": [{"urls": "turn:a.example", "username": "", "credential": "hush"}]},
        "a username and a credential",
    ),
    ({"turn_url": "turn:a.example"}, "no setting turn_url"),
]


class TestWrongSettings:
    @pytest.mark.parametrize(("section", "words"), WRONG, ids=lambda value: value if isinstance(value, str) else "")
    def test_one_sentence_and_defaults(self, section, words):
        settings = webrtc(**section)
        assert words in settings.problem
        assert settings.problem.endswith(".")
        assert settings.problem.count(". ") == 0
        assert not settings.relay_only
        assert settings.viewers == DEFAULT_VIEWERS
        assert settings.server() == {"iceServers": []}
        assert "hush" not in settings.problem + repr(settings)

    def test_the_place_is_named(self):
        assert variables(viewers="x").problem == (
            "The environment variable FACETRAITS_VIEWERS must be a whole number from 1 to 100."
        )
        assert webrtc(viewers="x").problem == (
            "The setting viewers in [webrtc] of .streamlit/secrets.toml must be a whole number from 1 to 100."
        )

    def test_the_rest_still_holds(self):
        settings = webrtc(**TURN, viewers=-1)
        assert settings.problem is not None
        assert settings.turn_urls
        assert settings.viewers == DEFAULT_VIEWERS

    @pytest.mark.parametrize("section", [None, "text", 3, ["list"]])
    def test_a_section_that_is_none(self, section):
        settings = connection_settings({"webrtc": section}, {"FACETRAITS_VIEWERS": "4"})
        assert settings.problem == "The section [webrtc] of .streamlit/secrets.toml cannot be read."
        assert settings.viewers == 4

    json_values = st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
        max_leaves=6,
    )

    @given(
        st.dictionaries(st.sampled_from([*SETTING_NAMES, "other"]), json_values),
        st.dictionaries(st.sampled_from(SETTING_NAMES), st.text(max_size=20)),
    )
    def test_nothing_raises(self, section, environment):
        environ = {f"FACETRAITS_{name.upper()}": value for name, value in environment.items()}
        settings = connection_settings({"webrtc": section}, environ)
        browser, server = settings.browser(), settings.server()
        assert isinstance(browser["iceServers"], list)
        connection_kwargs(_resolve_server_rtc_configuration(server).iceServers)
        json.dumps(browser)  # how Streamlit sends it to the component
        assert 1 <= settings.viewers <= 100

    @given(st.text(min_size=1, max_size=24))
    def test_any_accepted_url_is_one_that_aiortc_reads(self, text):
        settings = webrtc(turn_urls=["turn:" + text], turn_secret=SECRET, server_behind_nat=True)
        connection_kwargs(_resolve_server_rtc_configuration(settings.server()).iceServers)


def test_repr_shows_no_credential():
    servers = [{"urls": "turn:a.example", "username": "ann", "credential": "hush"}]
    text = repr(webrtc(**TURN, ice_servers=servers))
    assert "turn:a.example" in text
    assert SECRET not in text
    assert "hush" not in text
    assert "ann" not in text


class TestSecretsFile:
    """`load_secrets` in a page's run."""

    PAGE = """
import streamlit as st
from ui.live.connection import connection_settings, load_secrets

settings = connection_settings(load_secrets(), {})
st.text(f"{settings.viewers} {settings.problem}")
"""
    UNREADABLE = "2 The section [webrtc] of .streamlit/secrets.toml cannot be read."

    @pytest.fixture
    def file(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
        path = tmp_path / "secrets.toml"
        before = config.get_option("secrets.files")
        config.set_option("secrets.files", [str(path)])
        monkeypatch.setattr(streamlit, "secrets", Secrets())
        yield path
        config.set_option("secrets.files", before)

    def shown(self) -> str:
        page = AppTest.from_string(self.PAGE).run(timeout=20)
        assert [len(page.exception), len(page.error), len(page.warning)] == [0, 0, 0]
        return page.text[0].value

    @pytest.mark.parametrize(
        ("content", "shown"),
        [
            (None, "2 None"),
            ("", "2 None"),
            ("[other]\nviewers = 5", "2 None"),
            ("[webrtc]\nviewers = 5", "5 None"),
            ("[webrtc\nviewers = 5", UNREADABLE),
            ("webrtc = 5", UNREADABLE),
        ],
    )
    def test_what_the_page_sees(self, file, content, shown):
        if content is not None:
            file.write_text(content)
        assert self.shown() == shown

    def test_bytes_that_are_no_text(self, file):
        file.write_bytes(b"\xff\xfe\xfa")
        assert self.shown() == self.UNREADABLE

    def test_a_file_that_must_not_be_read(self, file):
        file.mkdir()  # opening it fails for root, too
        assert self.shown() == self.UNREADABLE
