"""The files for running the app elsewhere agree with each other, with the code and with docs/deploy.md."""

from __future__ import annotations

import ipaddress
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import yaml  # comes with pre-commit
from sqlalchemy import make_url

from deploy import replicas
from facetraits.cli.watch import _STOP_S
from facetraits.settings import SETTINGS
from tests.builders import ROOT
from ui.live.connection import DEFAULT_VIEWERS, SETTING_NAMES, connection_settings

DOCUMENT = (ROOT / "docs" / "deploy.md").read_text()
DOCKERFILE = (ROOT / "Dockerfile").read_text()
COMPOSE_TEXT = (ROOT / "compose.yaml").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load(COMPOSE_TEXT)
SERVICES: dict[str, Any] = COMPOSE["services"]
CADDYFILE = (ROOT / "deploy" / "Caddyfile").read_text()
SECRETS_EXAMPLE = (ROOT / ".streamlit" / "secrets.toml.example").read_text()


def assignments(text: str, separator: str = "=") -> list[tuple[str, str]]:
    """Lines NAME=VALUE; a name alone has the value ""."""
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [(name, value) for name, _, value in (line.partition(separator) for line in lines)]


TURNSERVER = assignments((ROOT / "deploy" / "turnserver.conf").read_text())
ENVIRONMENT_EXAMPLE = dict(assignments((ROOT / "deploy" / "example.env").read_text()))


def instructions(name: str) -> list[str]:
    """Arguments of every such instruction in the Dockerfile, lines that go on joined."""
    joined = re.sub(r"\\\n\s*", "", DOCKERFILE)
    return [line.removeprefix(f"{name} ") for line in joined.splitlines() if line.startswith(f"{name} ")]


def copied() -> list[str]:
    return [source.rstrip("/") for line in instructions("COPY") for source in line.split()[:-1]]


def host_address(service: str) -> str:
    return SERVICES[service]["networks"]["inside"]["ipv4_address"]


class TestImage:
    def test_what_it_copies_is_there_and_passes_the_ignore_file(self):
        ignore = (ROOT / ".dockerignore").read_text().splitlines()
        assert ignore[ignore.index("*") - 1].startswith("#")  # everything is left out, then some is let in
        let_in = [line[1:].rstrip("/") for line in ignore if line.startswith("!")]
        assert sorted(let_in) == sorted(copied())
        for source in copied():
            assert (ROOT / source).exists(), source

    def test_no_secret_and_no_training_gets_in(self):
        assert [source for source in copied() if source.startswith(".streamlit")] == [".streamlit/config.toml"]
        assert "facetraits/training/" in (ROOT / ".dockerignore").read_text().splitlines()

    def test_every_local_import_of_the_app_is_copied(self):
        packages = {path.name for path in ROOT.iterdir() if (path / "__init__.py").is_file()}
        pattern = re.compile(r"^(?:from|import) (\w+)", re.MULTILINE)
        files = [ROOT / "app.py", *(p for name in ("pages", "ui", "facetraits") for p in (ROOT / name).rglob("*.py"))]
        used = {name for path in files for name in pattern.findall(path.read_text())} & packages
        assert used <= set(copied())

    def test_installs_the_serving_requirements_and_nothing_else(self):
        command, *others = instructions("RUN")
        assert command.endswith("-r requirements-serving.txt")
        assert not any("install -r" in other or "apt-get" in other for other in others)
        assert "--only-binary=:all:" in command
        assert "tensorflow" not in (ROOT / "requirements-serving.txt").read_text()

    def test_python_is_one_that_the_requirements_name(self):
        (image,) = instructions("FROM")
        version = re.fullmatch(r"python:(3\.\d+)-slim-bookworm", image)[1]
        checked = re.search(r"Checked on Python (.*)\.", (ROOT / "pyproject.toml").read_text())[1]
        assert version in re.findall(r"3\.\d+", checked)

    def test_does_not_run_as_root(self):
        (user,) = instructions("USER")
        assert int(user) > 0

    def test_the_log_of_visitors_lies_in_a_volume_that_the_user_may_write(self):
        (user,) = instructions("USER")
        folder = instructions("RUN")[-1].split()
        assert folder[:4] == ["install", "-d", "-o", user]
        url = make_url(SERVICES["app"]["environment"]["FACETRAITS_DB"])
        assert Path(url.database).parent == Path(folder[-1])
        assert f"visitors:{folder[-1]}" in SERVICES["app"]["volumes"]

    def test_listens_where_it_is_looked_for(self):
        (port,) = instructions("EXPOSE")
        (command,) = instructions("CMD")
        (health,) = instructions("HEALTHCHECK")
        assert f'"--server.port={port}"' in command
        assert '"--server.address=0.0.0.0"' in command
        assert f"http://127.0.0.1:{port}/_stcore/health" in health
        assert re.search(rf"dynamic a {{\s+name app\s+port {port}\s", CADDYFILE)


class TestCompose:
    def test_services(self):
        assert set(SERVICES) == {"app", "camera", "relay", "proxy"}

    def test_the_camera_writes_into_the_apps_log_and_starts_only_when_asked_for(self):
        camera, app = SERVICES["camera"], SERVICES["app"]
        assert camera["profiles"] == ["camera"]
        assert camera["environment"]["FACETRAITS_DB"] == app["environment"]["FACETRAITS_DB"]
        assert camera["volumes"] == app["volumes"]
        assert "ports" not in camera
        assert camera["environment"]["FACETRAITS_CAMERAS"] == "${FACETRAITS_CAMERAS:-}"
        assert "FACETRAITS" not in " ".join(camera["command"]), "everybody can see command lines"
        program, flag, package, *arguments = camera["command"]
        assert (program, flag, package) == ("python", "-m", "facetraits")
        done = subprocess.run(
            [sys.executable, "-m", "facetraits", *arguments, "--help"], cwd=ROOT, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr

    def test_images_are_pinned(self):
        for service in ("relay", "proxy"):
            assert re.fullmatch(r"[a-z/]+:\d+\.\d+\.\d+-[a-z0-9]+", SERVICES[service]["image"])

    def test_mounted_files_are_there(self):
        mounts = [mount.split(":") for service in SERVICES.values() for mount in service.get("volumes", ())]
        files = [source for source, *_ in mounts if source.startswith(".")]
        assert len(files) == 2
        for source in files:
            assert (ROOT / source).is_file()
        assert {source for source, *_ in mounts if not source.startswith(".")} == set(COMPOSE["volumes"])
        assert all(mount[-1] == "ro" for mount in mounts if mount[0].startswith("."))

    def test_the_proxy_reads_the_mounted_caddyfile(self):
        assert "./deploy/Caddyfile:/etc/caddy/Caddyfile:ro" in SERVICES["proxy"]["volumes"]

    def test_the_relay_reads_the_mounted_settings_and_its_secret(self):
        (mount,) = SERVICES["relay"]["volumes"]
        (script,) = SERVICES["relay"]["command"]
        assert f"cat {mount.split(':')[1]};" in script
        assert "$$FACETRAITS_TURN_SECRET" in script
        assert "FACETRAITS_TURN_SECRET" in SERVICES["relay"]["environment"]

    def test_the_relay_starts_with_a_file_that_ends_in_the_secret(self, tmp_path):
        """The script runs here with its paths moved and the program replaced."""
        (script,) = SERVICES["relay"]["command"]
        target = tmp_path / "turnserver.conf"
        script = script.replace("$$", "$").replace("/etc/facetraits", str(ROOT / "deploy"))
        script = script.replace("/tmp/turnserver.conf", str(target)).replace("exec turnserver", "exec echo")
        environment = {"PATH": os.environ["PATH"], "FACETRAITS_TURN_SECRET": "50%s \\n$x"}
        done = subprocess.run(["/bin/sh", "-c", script], env=environment, capture_output=True, text=True, check=True)
        assert done.stdout == f"-c {target}\n"
        assert target.read_text().endswith("\nstatic-auth-secret=50%s \\n$x\n")
        assert target.stat().st_mode & 0o777 == 0o600

    def test_only_relay_and_proxy_can_be_reached(self):
        published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
        assert published == {
            "relay": ["3478:3478/udp", "3478:3478/tcp"],
            "proxy": ["80:80/tcp", "443:443/tcp", "443:443/udp"],
        }
        for ports in published.values():
            for port in ports:
                assert f"| {port.split(':')[0]} |" in DOCUMENT

    def test_the_app_has_no_way_out(self):
        assert set(SERVICES["app"]["networks"]) == {"inside"}
        assert COMPOSE["networks"]["inside"]["internal"] is True

    def test_nobody_has_more_rights_than_needed(self):
        for service in SERVICES.values():
            assert service["cap_drop"] == ["ALL"]
            assert service["security_opt"] == ["no-new-privileges:true"]
        assert SERVICES["app"]["read_only"]
        assert "cap_add" not in SERVICES["app"]

    def test_the_relay_serves_the_app_and_nobody_else(self):
        (inside,) = COMPOSE["networks"]["inside"]["ipam"]["config"]
        of_app = ipaddress.ip_network(inside["ip_range"])
        assert of_app.subnet_of(ipaddress.ip_network(inside["subnet"]))
        assert SERVICES["app"]["networks"]["inside"] == {}, "any number of containers, each with an address of its own"
        for service in ("relay", "proxy"):
            address = ipaddress.ip_address(host_address(service))
            assert address in ipaddress.ip_network(inside["subnet"])
            assert address not in of_app
        allowed = [value for name, value in TURNSERVER if name == "allowed-peer-ip"]
        assert allowed == [f"{of_app.network_address}-{of_app.broadcast_address}"]
        assert [value for name, value in TURNSERVER if name == "relay-ip"] == [host_address("relay")]
        denied = [value for name, value in TURNSERVER if name == "denied-peer-ip"]
        assert denied == ["0.0.0.0-255.255.255.255", "::-" + ":".join(["ffff"] * 8)]

    def test_the_relay_listens_where_browsers_are_sent(self):
        port = dict(TURNSERVER)["listening-port"]
        urls = interpolated(SERVICES["app"]["environment"]["FACETRAITS_TURN_URLS"], {}).split()
        assert len(urls) == 2
        for url, transport in zip(urls, ("udp", "tcp"), strict=True):
            assert url.endswith(f":{port}?transport={transport}")
            assert f"{port}:{port}/{transport}" in SERVICES["relay"]["ports"]

    def test_the_apps_environment_is_one_without_problems(self):
        values = {"FACETRAITS_DOMAIN": "facetraits.example", "FACETRAITS_TURN_SECRET": "s" * 64}
        environment = {name: interpolated(text, values) for name, text in SERVICES["app"]["environment"].items()}
        settings = connection_settings({}, environment)
        assert settings.problem is None
        assert settings.turn_urls[0] == "turn:facetraits.example:3478?transport=udp"
        assert settings.turn_secret == "s" * 64
        assert settings.relay_only
        assert settings.viewers == DEFAULT_VIEWERS
        assert settings.server() == {"iceServers": []}

    def test_what_it_takes_from_env_is_in_the_example_and_nothing_needed_has_a_default(self):
        used = re.findall(r"(?<!\$)\$\{(\w+)([^}]*)\}", COMPOSE_TEXT)
        assert {name for name, _ in used} == set(ENVIRONMENT_EXAMPLE)
        needed = {name for name, rest in used if rest == ":?set it in .env"}
        optional = {
            "FACETRAITS_VIEWERS",
            "FACETRAITS_VISITORS_PASSWORD",
            "FACETRAITS_CAMERAS",
            "FACETRAITS_UPLOADS_MB",
        }
        assert {name for name, rest in used if rest == ":-"} == optional
        assert needed == set(ENVIRONMENT_EXAMPLE) - optional

    def test_compose_itself_accepts_it(self):
        command = ["docker", "compose", "-f", str(ROOT / "compose.yaml"), "config", "--quiet"]
        if (
            not shutil.which("docker")
            or subprocess.run(["docker", "compose", "version"], capture_output=True).returncode
        ):
            pytest.skip("no docker compose is installed")
        values = dict.fromkeys(ENVIRONMENT_EXAMPLE, "x")
        done = subprocess.run(command, env={**os.environ, **values}, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr


def interpolated(text: str, values: dict[str, str]) -> str:
    return re.sub(r"\$\{(\w+)[^}]*\}", lambda found: values.get(found[1], ""), text)


class TestCaddyfile:
    def test_variables_are_those_that_compose_passes(self):
        used = set(re.findall(r"\{\$(\w+)\}", CADDYFILE))
        assert used == set(SERVICES["proxy"]["environment"])

    @pytest.mark.parametrize("tls", ["internal", "somebody@facetraits.example"])
    def test_caddy_itself_accepts_it(self, tls):
        if not shutil.which("caddy"):
            pytest.skip("no caddy is installed")
        done = subprocess.run(
            ["caddy", "adapt", "--config", str(ROOT / "deploy" / "Caddyfile")],
            env={**os.environ, "FACETRAITS_DOMAIN": "facetraits.example", "FACETRAITS_TLS": tls},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        assert "facetraits.example" in done.stdout


class TestSecrets:
    def test_the_example_gives_what_it_shows(self):
        section = tomllib.loads(SECRETS_EXAMPLE)["webrtc"]
        section["turn_secret"] = "filled in"
        settings = connection_settings({"webrtc": section}, {})
        assert settings.problem is None
        assert len(settings.turn_urls) == 2
        assert not settings.relay_only
        assert not settings.server_behind_nat
        assert settings.viewers == DEFAULT_VIEWERS

    def test_what_it_has_in_comments_is_right_too(self):
        text = re.sub(r"^# (?=\[\[|urls|username|credential)", "", SECRETS_EXAMPLE, flags=re.MULTILINE)
        servers = tomllib.loads(text)["webrtc"]["ice_servers"]
        for server in servers:
            server.update({name: "filled in" for name in ("username", "credential") if name in server})
        settings = connection_settings({"webrtc": {"ice_servers": servers}}, {})
        assert settings.problem is None
        assert len(settings.ice_servers) == 2

    def test_it_shows_every_setting(self):
        text = re.sub(r"^# (?=\[\[)", "", SECRETS_EXAMPLE, flags=re.MULTILINE)
        assert set(tomllib.loads(text)["webrtc"]) == set(SETTING_NAMES)

    def test_examples_hold_no_secret(self):
        section = tomllib.loads(SECRETS_EXAMPLE)["webrtc"]
        assert section["turn_secret"] == ""
        assert set(ENVIRONMENT_EXAMPLE.values()) == {""}
        assert "static-auth-secret" not in dict(TURNSERVER)
        for name in ("user", "lt-cred-mech", "no-auth"):
            assert name not in dict(TURNSERVER)

    def test_filled_in_copies_are_not_committed(self):
        ignored = (ROOT / ".gitignore").read_text().splitlines()
        assert ".streamlit/secrets.toml" in ignored
        assert "/.env" in ignored


class TestDocument:
    def test_every_setting_is_explained_with_its_variable(self):
        for name in SETTING_NAMES:
            assert f"| `{name}` | `FACETRAITS_{name.upper()}` |" in DOCUMENT
        for name in ENVIRONMENT_EXAMPLE:
            assert f"`{name}`" in DOCUMENT

    def test_files_that_it_names_are_there(self):
        links = re.findall(r"\]\((?!https?:)([^)#]+)\)", DOCUMENT)
        assert {"../compose.yaml", "../Dockerfile", "../deploy/turnserver.conf", "../deploy/Caddyfile"} <= set(links)
        for link in links:
            assert (ROOT / "docs" / link).exists(), link

    def test_links_within_it_lead_somewhere(self):
        headings = re.findall(r"^#+ (.*)$", DOCUMENT, re.MULTILINE)
        anchors = {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
        assert set(re.findall(r"\]\(#([^)]+)\)", DOCUMENT)) <= anchors


def test_no_address_of_a_machine_is_in_these_files():
    """Only compose.yaml's private network, an address for documents, everything, nothing and this machine itself."""
    texts = [DOCUMENT, DOCKERFILE, COMPOSE_TEXT, CADDYFILE, SECRETS_EXAMPLE]
    texts += [path.read_text() for path in Path(ROOT / "deploy").iterdir()]
    found = {address for text in texts for address in re.findall(r"\b\d{1,3}(?:\.\d{1,3}){3}\b", text)}
    allowed = {"0.0.0.0", "127.0.0.1", "255.255.255.255", "192.0.2.7", "203.0.113.1"}
    assert {address for address in found if not address.startswith("10.213.57.")} <= allowed


WATCH_ENVIRONMENT = dict(assignments((ROOT / "deploy" / "watch.env.example").read_text()))


class TestService:
    """The systemd unit of `watch`."""

    UNIT = ROOT / "deploy" / "facetraits-watch.service"

    def values(self, name: str) -> list[str]:
        return [value for key, value in assignments(self.UNIT.read_text()) if key == name]

    def test_it_runs_a_command_that_there_is(self):
        (command,) = self.values("ExecStart")
        program, *arguments = command.split()
        assert program == f"{self.values('WorkingDirectory')[0]}/.venv/bin/python"
        done = subprocess.run([sys.executable, *arguments, "--help"], cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert f"watch {' '.join(arguments[3:])}" in DOCUMENT

    def test_its_settings_are_known_and_its_log_lies_where_it_may_write(self):
        known = {setting.variable for setting in SETTINGS}
        assert set(WATCH_ENVIRONMENT) == {"FACETRAITS_CAMERAS", "FACETRAITS_DB"} <= known
        folder = Path(make_url(WATCH_ENVIRONMENT["FACETRAITS_DB"]).database).parent
        assert folder == Path("/var/lib") / self.values("StateDirectory")[0]
        assert WATCH_ENVIRONMENT["FACETRAITS_CAMERAS"] == ""

    def test_it_ends_in_order_and_starts_again_after_a_failure_alone(self):
        assert self.values("Restart") == ["on-failure"]
        assert int(self.values("TimeoutStopSec")[0]) > 2 * _STOP_S
        for path in (self.UNIT.name, "watch.env.example", self.values("EnvironmentFile")[0]):
            assert path in DOCUMENT

    def test_systemd_understands_it(self, tmp_path):
        if shutil.which("systemd-analyze") is None:
            pytest.skip("there is no systemd-analyze")
        unit = tmp_path / self.UNIT.name
        here = self.UNIT.read_text().replace("/opt/facetraits/.venv/bin/python", sys.executable)
        unit.write_text(here.replace("/opt/facetraits", str(ROOT)))
        done = subprocess.run(
            ["systemd-analyze", "verify", "--man=no", unit], capture_output=True, text=True, timeout=60
        )
        about_it = [line for line in (done.stdout + done.stderr).splitlines() if self.UNIT.name in line]
        assert about_it == []


def test_a_replica_that_ends_at_once_is_started_less_and_less_often(monkeypatch):
    now, starts = 0.0, []
    ended = SimpleNamespace(poll=lambda: 1, returncode=1)
    monkeypatch.setattr(replicas, "shutil", SimpleNamespace(which=lambda _: "caddy"))
    monkeypatch.setattr(replicas, "time", SimpleNamespace(monotonic=lambda: now))
    running = replicas.Replicas(1, 8501)
    running._proxy = SimpleNamespace(poll=lambda: None)
    monkeypatch.setattr(running, "_run", lambda command: starts.append(now) or ended)
    running.processes = [running._started(0)]
    while now < 200:
        now += 0.5
        running.watch()
    assert np.diff(starts).tolist() == [0.5, 1, 2, 4, 8, 16, 32, 60, 60]
