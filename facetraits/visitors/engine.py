"""Connections to the visitors' database (SQLite or PostgreSQL), and its errors as sentences for the owner."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, quote_plus

from sqlalchemy import URL, Connection, Engine, Transaction, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError, MultipleResultsFound, NoResultFound
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.pool import QueuePool

from facetraits.errors import UserError

_FORMS: Final = "sqlite:///folder/visitors.db or postgresql://user:password@server/database"
_SQLITE: Final = ("sqlite", "sqlite+pysqlite")
_POSTGRESQL: Final = ("postgresql", "postgres", "postgresql+psycopg")
# How long to wait for another writer.
_BUSY_S: Final = 10.0
_CONNECT_S: Final = 5
_WRITES: Final = "visits_written"
# Option of a statement whose rows hold many bytes: PostgreSQL sends them as they are, and not as twice as many digits.
AS_BYTES: Final = "visits_as_bytes"
_BEHIND_PAGES: Final = 64
_LONGEST_REASON: Final = 200
_DAMAGED: Final = "is damaged: restore a backup, or use another file."
_FULL: Final = "cannot be written: the disk is full."
_LACKING: Final = "lacks tables or columns of the visitors' log: restore a backup, or use another database."
# Beginnings of SQLite's names for its errors, and what they mean.
_SQLITE_FAILURES: Final = {
    "SQLITE_BUSY": "is in use: another program has been writing to it for too long.",
    "SQLITE_LOCKED": "is in use: another program has been writing to it for too long.",
    "SQLITE_READONLY": "cannot be written: the file or its folder is read-only.",
    "SQLITE_CANTOPEN": "cannot be opened: it is not a file, or this program may not write to its folder.",
    "SQLITE_PERM": "cannot be opened: this program may not read and write it.",
    "SQLITE_FULL": _FULL,
    "SQLITE_IOERR_SHM": _FULL,
    "SQLITE_IOERR": "could not be read or written: the disk failed.",
    "SQLITE_CORRUPT": _DAMAGED,
    "SQLITE_NOTADB": "is not a database: use another file.",
}
# PostgreSQL's codes, or what its library says before there is a code.
_POSTGRESQL_FAILURES: Final = {
    "28P01": "refused the user or the password.",
    "password authentication failed": "refused the user or the password.",
    "no password supplied": "asks for a password.",
    "28000": "refused the user or the password.",
    'role "': "refused the user or the password.",
    "no pg_hba.conf entry": "does not let this machine in.",
    "42P01": _LACKING,
    "42703": _LACKING,
    "3D000": "is not there: the server has no such database.",
    "does not exist": "is not there: the server has no such database.",
    "42501": "does not let this user read and write there.",
    "3F000": "does not let this user read and write there.",
    "25006": "cannot be written: it is read-only.",
    "53100": "cannot be written: the server's disk is full.",
    "53300": "has too many connections.",
    "55P03": "is in use: another program has been writing to it for too long.",
    "57014": "took too long to answer.",
    "Connection refused": "cannot be reached: no database server answers there.",
    "No such file or directory": "cannot be reached: no database server answers there.",
    "failed to resolve host": "cannot be reached: there is no server of that name.",
    "timeout expired": "cannot be reached: the server does not answer.",
    "timeout": "cannot be reached: the server does not answer.",
}
# Errors that occur while a row is converted to a visit, if the row holds something else.
_NO_SUCH_VALUE: Final = (ValueError, TypeError, AttributeError, ArithmeticError, LookupError)
_IN_THE_WAY: Final = "holds tables of another program under our names."


class StoreError(UserError):
    """The message is one sentence for the owner of the database, without its password."""


class DiskFullError(StoreError):
    """The database could not write, most likely because the disk is full."""


def parse_url(url: str) -> URL:
    """Parse a database URL and set the driver.

    Raises:
        StoreError: it is no address of an SQLite file or a PostgreSQL database.
    """
    try:
        parsed = make_url(url.strip())
    except (ArgumentError, ValueError):
        raise StoreError(f"This is not a database address; write {_FORMS}.") from None
    if parsed.drivername in _SQLITE:
        if not parsed.database or parsed.database == ":memory:" or parsed.host or parsed.query:
            raise StoreError("The address of an SQLite database names one file: sqlite:///folder/visitors.db.")
        return parsed.set(drivername="sqlite+pysqlite")
    if parsed.drivername in _POSTGRESQL:
        return parsed.set(drivername="postgresql+psycopg")
    raise StoreError(f"{parsed.drivername} cannot be used here; write {_FORMS}.")


def shown_name(url: URL) -> str:
    """The database's name for messages: the file, or database and server, never the password."""
    if url.drivername.startswith("sqlite"):
        return str(url.database)
    port = f":{url.port}" if url.port else ""
    return f"{url.database or url.username or 'PostgreSQL'} on {url.host or 'this machine'}{port}"


def engine_for(url: URL) -> Engine:
    """An engine that opens connections on demand, for any number of threads.

    Errors do not contain the written values, so logs do not either.

    Raises:
        StoreError: the file or its folder cannot be made.
    """
    if url.drivername.startswith("sqlite"):
        _make_file(Path(str(url.database)), shown_name(url))
        engine = create_engine(url, pool_timeout=_BUSY_S, hide_parameters=True)
        event.listen(engine, "connect", _prepare)
        event.listen(engine, "begin", _begin)
        return engine
    limits = f"-c timezone=utc -c statement_timeout=60000 -c lock_timeout={int(_BUSY_S * 1000)}"
    patience = {"connect_timeout": _CONNECT_S, "tcp_user_timeout": 15_000, "options": limits}
    # Options in the URL take precedence.
    arguments = {name: value for name, value in patience.items() if name not in url.query}
    engine = create_engine(url, pool_timeout=_BUSY_S, pool_pre_ping=True, connect_args=arguments, hide_parameters=True)
    event.listen(engine, "before_cursor_execute", _set_format)
    return engine


def memory_engine() -> Engine:
    """An engine for a database in memory, which one thread after the other uses and nothing else can open."""
    engine = create_engine(
        "sqlite+pysqlite://",
        poolclass=QueuePool,
        pool_size=1,  # a second connection would open a second, empty database
        max_overflow=0,
        pool_timeout=_BUSY_S,
        connect_args={"check_same_thread": False},
        hide_parameters=True,
    )
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "begin", _begin)
    return engine


def _make_file(path: Path, name: str) -> None:
    """An empty file that only its owner may read; what SQLite puts beside it takes over the file's mode."""
    try:
        path.parent.mkdir(mode=0o700, exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    except (FileNotFoundError, FileExistsError, NotADirectoryError):
        raise StoreError(f"{name} cannot be made: there is no such folder.") from None
    except PermissionError:
        raise StoreError(f"{name} cannot be opened: this program may not write there.") from None
    except IsADirectoryError:
        raise StoreError(f"{name} cannot be opened: it is a folder.") from None
    except OSError as error:
        raise StoreError(f"{name} cannot be opened: {(error.strerror or 'it is not a file').lower()}.") from None


def _prepare(raw: sqlite3.Connection, _: object) -> None:
    # The driver would begin transactions by itself, and too late; see _begin.
    raw.isolation_level = None
    raw.execute(f"PRAGMA busy_timeout = {int(_BUSY_S * 1000)}")
    # Before anything is written, or it has no effect: the file shrinks by what is deleted ...
    raw.execute("PRAGMA auto_vacuum = FULL")
    # ... and zeros are written over it.
    raw.execute("PRAGMA secure_delete = ON")
    _set_write_ahead(raw)
    # What is written goes into the file soon: on a full disk it would not fit there, and nothing could be deleted.
    raw.execute(f"PRAGMA wal_autocheckpoint = {_BEHIND_PAGES}")
    raw.execute(f"PRAGMA journal_size_limit = {_BEHIND_PAGES * 4096}")
    raw.execute("PRAGMA synchronous = FULL")
    raw.execute("PRAGMA temp_store = MEMORY")


def _set_format(_: Connection, cursor: Any, *execution: Any) -> None:
    context = execution[2]
    if context.execution_options.get(AS_BYTES):
        cursor.format = 1  # psycopg.pq.Format.BINARY, of a package that SQLite does without


def _set_write_ahead(raw: sqlite3.Connection) -> None:
    """Let readers and a writer work at the same time. SQLite does not wait for others here, so that we must."""
    until = time.monotonic() + _BUSY_S
    while True:
        try:
            raw.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
            time.sleep(0.02)


def _begin(connection: Connection) -> None:
    # A transaction that reads first and then writes fails where another wrote in between; one that says at its
    # beginning that it will write waits for its turn.
    writes = connection.get_execution_options().get(_WRITES, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


@contextmanager
def transaction(engine: Engine, name: str, *, writes: bool) -> Iterator[Connection]:
    """A transaction, committed at the end, rolled back where anything is raised.

    Raises:
        StoreError: the database failed.
    """
    with errors_as_sentences(engine.url, name), engine.connect() as connection, _begun(connection, writes):
        yield connection


def _begun(connection: Connection, writes: bool) -> Transaction:
    return connection.execution_options(**{_WRITES: writes}).begin()


def lock_schema(connection: Connection) -> None:
    """Keep other programs from changing the tables until the transaction ends. SQLite locks them at its start."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('facetraits.visitors'))"))


def forget_deleted(engine: Engine, name: str) -> None:
    """Also remove deleted rows from the files beside an SQLite database. PostgreSQL does this by itself."""
    if engine.dialect.name == "sqlite":
        with errors_as_sentences(engine.url, name), engine.connect() as connection:
            raw: Any = connection.connection.driver_connection
            raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")


@contextmanager
def errors_as_sentences(url: URL, name: str) -> Iterator[None]:
    """Convert database errors to ``StoreError``."""
    try:
        yield
    except PoolTimeoutError:
        raise StoreError(f"{name} is in use: too many things wait for it.") from None
    except DBAPIError as error:
        raise _failure(error.orig)(f"{name} {_reason(error.orig, url)}") from error
    except sqlite3.Error as error:
        raise _failure(error)(f"{name} {_reason(error, url)}") from error
    except UnicodeDecodeError as error:  # what SQLite says of a damaged file repeats its bytes
        raise StoreError(f"{name} {_DAMAGED}") from error


@contextmanager
def row_errors_as_sentences(name: str) -> Iterator[None]:
    """Convert the errors of invalid rows to ``StoreError``. Put only the conversion of rows inside.

    Another program or a failing disk may have put anything into them.
    """
    try:
        yield
    except (*_NO_SUCH_VALUE, NoResultFound, MultipleResultsFound) as error:
        raise StoreError(f"{name} {_DAMAGED}") from error


def _failure(error: BaseException | None) -> type[StoreError]:
    # Where a file may not grow, or memory that is shared, SQLite calls it a failure of the disk.
    full = getattr(error, "sqlite_errorname", "").startswith(("SQLITE_FULL", "SQLITE_IOERR"))
    return DiskFullError if full else StoreError


def _reason(error: BaseException | None, url: URL) -> str:
    message = str(error)
    if isinstance(error, sqlite3.Error):
        code = getattr(error, "sqlite_errorname", "")
        found = [why for start, why in _SQLITE_FAILURES.items() if code.startswith(start)]
    else:
        code = getattr(error, "sqlstate", None) or ""
        found = [why for part, why in _POSTGRESQL_FAILURES.items() if part == code or (not code and part in message)]
    if found:
        return found[0]
    if "already exists" in message:
        return _IN_THE_WAY
    if "no such table" in message or "no such column" in message:
        return _LACKING
    return f"failed: {_without_password(message, url)}"


def _without_password(message: str, url: URL) -> str:
    # The message names the attempt first, then the server's reason.
    first = message.strip().partition("\n")[0].rpartition("FATAL:")[2].strip() or "it does not say why"
    for secret in (url.password, url.query.get("password")):
        for form in {str(secret), quote(str(secret)), quote_plus(str(secret))} if secret else ():
            first = first.replace(form, "***")
    return "".join(sign if sign.isprintable() else "?" for sign in first[:_LONGEST_REASON]).rstrip(".") + "."
