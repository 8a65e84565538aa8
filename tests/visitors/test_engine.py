"""Whatever is wrong with a database, its owner reads one sentence without the password."""

from __future__ import annotations

import os
import shutil
import socket
import sqlite3
import stat
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest
from sqlalchemy import event

from facetraits.visitors import engine
from facetraits.visitors.store import StoreError, open_store
from tests.visitors.conftest import NOON, visit
from tests.visitors.servers import HOST, Server

SECRET = "s3cret"
NOBODY = 65534


def failure(url: str) -> str:
    """What opening this database says."""
    with pytest.raises(StoreError) as caught:
        open_store(url)
    return checked(caught.value)


def checked(error: StoreError) -> str:
    message = str(error)
    assert message.endswith(".") and "\n" not in message and SECRET not in message
    return message


@contextmanager
def unprivileged() -> Iterator[None]:
    """Root may write everywhere; here nobody may."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that other users may look into, as they may not into those of pytest."""
    folder = Path(tempfile.mkdtemp(prefix="facetraits-"))
    folder.chmod(0o755)
    yield folder
    folder.chmod(0o755)
    shutil.rmtree(folder)


class TestAddress:
    @pytest.mark.parametrize(
        ("url", "sentence"),
        [
            ("", "not a database address; write sqlite:///folder/visitors.db or postgresql://"),
            ("visitors.db", "not a database address; write sqlite:///"),
            (f"postgresql://shop:{SECRET}@server:port/log", "not a database address"),
            (f"mysql://shop:{SECRET}@server/log", "mysql cannot be used here; write"),
            (f"postgresql+asyncpg://shop:{SECRET}@server/log", "postgresql+asyncpg cannot be used here"),
            (f"sqlite+pysqlcipher://:{SECRET}@/x.db", "sqlite+pysqlcipher cannot be used here"),
            ("sqlite://", "names one file"),
            ("sqlite:///:memory:", "names one file"),
            ("sqlite://folder/visitors.db", "names one file"),
            ("sqlite:///file:visitors.db?mode=ro&uri=true", "names one file"),
        ],
    )
    def test_that_is_none(self, url: str, sentence: str):
        assert sentence in failure(url)


class TestSqliteFile:
    def test_folder_is_missing(self, tmp_path: Path):
        path = tmp_path / "not" / "there" / "visitors.db"
        assert failure(f"sqlite:///{path}") == f"{path} cannot be made: there is no such folder."
        assert list(tmp_path.iterdir()) == []

    def test_folder_is_a_file(self, tmp_path: Path):
        (tmp_path / "file").touch()
        assert "there is no such folder" in failure(f"sqlite:///{tmp_path}/file/visitors.db")

    def test_file_is_a_folder(self, tmp_path: Path):
        assert failure(f"sqlite:///{tmp_path}") == f"{tmp_path} cannot be opened: it is a folder."

    def test_file_is_none_of_a_database(self, sqlite_url: str, sqlite_path: Path):
        sqlite_path.write_text("Milk, bread, butter\n" * 100)
        assert failure(sqlite_url) == f"{sqlite_path} is not a database: use another file."
        assert sqlite_path.read_text().startswith("Milk")

    def test_file_is_damaged(self, sqlite_url: str, sqlite_path: Path):
        with closing(open_store(sqlite_url)) as store:
            store.add([visit(i) for i in range(500)])
        data = bytearray(sqlite_path.read_bytes())
        data[4096:] = b"\xa5" * (len(data) - 4096)
        sqlite_path.write_bytes(data)
        assert "is damaged: restore a backup" in failure(sqlite_url)

    def test_tables_of_another_program(self, sqlite_url: str, sqlite_path: Path):
        with closing(sqlite3.connect(sqlite_path)) as connection:
            connection.execute("CREATE TABLE visits (hotel TEXT)")
        assert failure(sqlite_url) == f"{sqlite_path} holds tables of another program under our names."
        with closing(sqlite3.connect(sqlite_path)) as connection:
            assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("visits",)]

    def test_folder_may_not_be_written(self, open_folder: Path):
        open_folder.chmod(0o555)
        with unprivileged():
            message = failure(f"sqlite:///{open_folder}/visitors.db")
        assert message == f"{open_folder}/visitors.db cannot be opened: this program may not write there."

    def test_file_may_not_be_written(self, open_folder: Path):
        path = open_folder / "visitors.db"
        open_store(f"sqlite:///{path}").close()
        path.chmod(0o444)
        with unprivileged():
            assert "may not write there" in failure(f"sqlite:///{path}")
        assert stat.S_IMODE(path.stat().st_mode) == 0o444

    def test_file_may_be_written_but_not_its_folder(self, open_folder: Path):
        path = open_folder / "visitors.db"
        open_store(f"sqlite:///{path}").close()
        path.chmod(0o666)
        open_folder.chmod(0o555)
        with unprivileged():
            message = failure(f"sqlite:///{path}")
        assert message.startswith(f"{path} cannot be ")

    def test_another_program_writes_for_too_long(
        self, sqlite_url: str, sqlite_path: Path, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr(engine, "_BUSY_S", 0.1)
        with closing(open_store(sqlite_url)) as store, closing(sqlite3.connect(sqlite_path)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(StoreError, match="is in use: another program") as caught:
                store.add([visit()])
            checked(caught.value)
            assert store.latest() == ()
            other.rollback()
            store.add([visit()])
            assert len(store.latest()) == 1

    def test_disk_is_full(self, sqlite_url: str):
        with closing(open_store(sqlite_url)) as store:
            store.add([visit()])

            def limit(raw: sqlite3.Connection, *_: object) -> None:
                raw.execute("PRAGMA max_page_count = 1")  # no more than it has now

            event.listen(store._engine, "checkout", limit)
            with pytest.raises(StoreError, match="cannot be written: the disk is full") as caught:
                store.add([visit(i) for i in range(1000)])
            checked(caught.value)
            assert len(store.latest(2000)) == 1


class TestPostgresql:
    def test_nobody_answers(self):
        with socket.socket() as free:
            free.bind((HOST, 0))  # and does not listen
            port = free.getsockname()[1]
            message = failure(f"postgresql://shop:{SECRET}@{HOST}:{port}/log")
        assert message == f"log on {HOST}:{port} cannot be reached: no database server answers there."

    def test_server_is_silent(self, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr(engine, "_CONNECT_S", 2)  # the least that the library takes
        with socket.socket() as silent:
            silent.bind((HOST, 0))
            silent.listen()
            message = failure(f"postgresql://shop:{SECRET}@{HOST}:{silent.getsockname()[1]}/log")
        assert "cannot be reached: the server does not answer" in message

    def test_no_such_machine(self, monkeypatch: pytest.MonkeyPatch):
        def unknown(*_: object, **__: object) -> None:
            raise socket.gaierror("Name or service not known")

        monkeypatch.setattr(socket, "getaddrinfo", unknown)  # tests ask nobody outside
        message = failure(f"postgresql://shop:{SECRET}@nowhere.invalid/log")
        assert message == "log on nowhere.invalid cannot be reached: there is no server of that name."

    def test_no_such_socket(self):
        message = failure(f"postgresql:///log?host=/nowhere&password={SECRET}")
        assert message == "log on this machine cannot be reached: no database server answers there."

    @pytest.mark.parametrize(("user", "password"), [("owner", SECRET), ("stranger", SECRET)])
    def test_wrong_password_or_user(self, postgresql: Server, user: str, password: str):
        assert "refused the user or the password" in failure(postgresql.url("visitors", password, user))

    def test_no_such_database(self, postgresql: Server):
        message = failure(postgresql.url("shop"))
        assert message == f"shop on {HOST}:{postgresql.port} is not there: the server has no such database."

    def test_option_that_there_is_not(self, postgresql: Server):
        message = failure(postgresql.url("visitors") + f"?{SECRET[:2]}=1")
        assert postgresql.password not in message and "failed: invalid connection option" in message

    @pytest.mark.parametrize("may", ["nothing", "read"])
    def test_user_may_not_make_tables(self, postgresql: Server, postgresql_url: str, may: str):
        with closing(postgresql.connect("visitors")) as connection:
            connection.execute(f"CREATE ROLE clerk LOGIN PASSWORD '{SECRET}'")
            if may == "read":
                connection.execute("GRANT USAGE ON SCHEMA public TO clerk")
            try:
                message = failure(postgresql.url("visitors", SECRET, "clerk"))
            finally:
                connection.execute("DROP OWNED BY clerk; DROP ROLE clerk")
        assert "does not let this user read and write there" in message

    def test_tables_of_another_program(self, postgresql: Server, postgresql_url: str):
        with closing(postgresql.connect("visitors")) as connection:
            connection.execute("CREATE TABLE visits (hotel text)")
            connection.execute("CREATE TABLE alembic_version (version_num text)")
            connection.execute("INSERT INTO alembic_version VALUES ('theirs')")
            assert "holds tables of another program" in failure(postgresql_url)
            connection.execute("DROP TABLE visits")
            open_store(postgresql_url).close()
            assert connection.execute("SELECT version_num FROM alembic_version").fetchall() == [("theirs",)]

    def test_password_is_in_no_message(self, postgresql: Server):
        url = engine.parse_url(postgresql.url("visitors"))
        for form in (postgresql.password, quote(postgresql.password), quote_plus(postgresql.password)):
            message = engine._without_password(f"could not use '{form}' \n more", url)
            assert message == "could not use '***'."

    def test_connections_that_were_cut_are_made_again(self, postgresql: Server, postgresql_url: str):
        with closing(open_store(postgresql_url)) as store, closing(postgresql.connect()) as boss:
            store.add([visit()])
            boss.execute("ALTER DATABASE visitors ALLOW_CONNECTIONS false")
            try:
                boss.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'visitors'")
                with pytest.raises(StoreError, match="failed") as caught:
                    store.latest()
                checked(caught.value)
            finally:
                boss.execute("ALTER DATABASE visitors ALLOW_CONNECTIONS true")
            assert [v.started for v in store.latest()] == [NOON]
