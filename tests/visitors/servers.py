"""A PostgreSQL server of its own for tests and benchmarks."""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import URL

HOST = "127.0.0.1"


class NoServerError(Exception):
    """There is no PostgreSQL that can be started; the message says why."""


@dataclass(frozen=True)
class Server:
    """A PostgreSQL server on this machine."""

    port: int
    password: str

    def url(self, database: str = "postgres", password: str | None = None, user: str = "owner") -> str:
        address = URL.create("postgresql", user, password or self.password, HOST, self.port, database)
        return address.render_as_string(hide_password=False)

    def connect(self, database: str = "postgres") -> psycopg.Connection[Any]:
        return psycopg.connect(self.url(database), autocommit=True, connect_timeout=5)

    def clear(self) -> None:
        """Leave nothing in the database ``visitors``. To make a new one for each test takes ten times as long."""
        with closing(self.connect("visitors")) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
                " AND pid <> pg_backend_pid()"
            )
            connection.execute("DROP SCHEMA public CASCADE")
            connection.execute("CREATE SCHEMA public")


def _programs() -> Path:
    """The folder with PostgreSQL's programs. Debian keeps them by version, out of the path."""
    found = shutil.which("initdb")
    if found is not None:
        return Path(found).parent
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda p: float(p.parts[-3]))
    if not folders:
        raise NoServerError("no PostgreSQL is installed (Debian's package postgresql)")
    return folders[-1].parent


def _somebody() -> str | None:
    """Whom to run the server as: it refuses to be run by root. None: who runs the tests."""
    if os.getuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    found = next((name for name in ("postgres", "nobody") if name in names), None)
    if found is None:
        raise NoServerError("PostgreSQL does not run as root, and there is no user postgres or nobody")
    return found


@contextmanager
def postgresql_server() -> Iterator[Server]:
    """A server with an empty database ``visitors``; it ends, and its files are deleted, at the end.

    Raises:
        NoServerError: none can be started.
    """
    programs, user = _programs(), _somebody()
    account = {} if user is None else {"user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": []}
    # The folders of pytest are closed to other users.
    folder = Path(tempfile.mkdtemp(prefix="facetraits-postgresql-"))
    # With signs that mean something in an address.
    server = Server(_free_port(), f"p@{secrets.token_hex(8)}/%")
    try:
        (folder / "password").write_text(server.password)
        if user is not None:
            for path in (folder, folder / "password"):
                shutil.chown(path, user)
        make = [programs / "initdb", "-D", folder / "data", "-U", "owner", "-A", "scram-sha-256", "--no-sync"]
        make += [f"--pwfile={folder / 'password'}", "--encoding=UTF8", "--locale=C"]
        done = subprocess.run(make, cwd=folder, capture_output=True, text=True, timeout=120, **account)
        if done.returncode:
            raise NoServerError(f"PostgreSQL could not be set up: {done.stderr.strip()}")
        with _running(programs, folder, server, account):
            with closing(server.connect()) as connection:
                connection.execute("CREATE DATABASE visitors")
            yield server
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _running(programs: Path, folder: Path, server: Server, account: dict[str, Any]) -> Iterator[None]:
    settings = {
        "port": server.port,
        "listen_addresses": HOST,
        "unix_socket_directories": "",
        "fsync": "off",  # only a crash of the machine would need it
        "max_connections": 60,
    }
    options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    with (folder / "log").open("wb") as log:
        command = [programs / "postgres", "-D", folder / "data", *options]
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, **account)
        try:
            _wait(process, server, folder / "log")
            yield
        finally:
            process.send_signal(signal.SIGINT)  # ends connections too
            process.wait(timeout=30)


def _wait(process: subprocess.Popen[bytes], server: Server, log: Path) -> None:
    until = time.monotonic() + 30
    while time.monotonic() < until and process.poll() is None:
        try:
            server.connect().close()
            return
        except psycopg.OperationalError:
            time.sleep(0.05)
    raise NoServerError(f"PostgreSQL did not start:\n{log.read_text(errors='replace')[-2000:]}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])
