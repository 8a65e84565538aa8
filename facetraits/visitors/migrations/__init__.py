"""The versions of the database's tables, and the way from one to the next (Alembic, without a file of settings)."""

from __future__ import annotations

from pathlib import Path
from threading import Lock
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection

# Its own name: the database may be shared with another program that uses Alembic.
VERSION_TABLE: Final = "visit_schema"
_FOLDER: Final = Path(__file__).parent
# While it works, Alembic keeps what it works on in a module, not by thread.
_AT_WORK: Final = Lock()


class NewerSchemaError(Exception):
    """The tables were made by a version of this program that is newer than this one."""


def current(connection: Connection) -> str | None:
    """The version of the tables; None where there are none.

    Raises:
        ValueError: there are several.
    """
    context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
    try:
        return context.get_current_revision()
    except CommandError as error:
        raise ValueError(str(error)) from error


def revisions() -> tuple[str, ...]:
    """All versions that this program knows, the newest first."""
    return tuple(script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions())


def upgrade(connection: Connection) -> None:
    """Bring the tables up to date, within the connection's transaction.

    Raises:
        NewerSchemaError: they are newer than this program.
        ValueError: they are of several versions.
    """
    found, known = current(connection), revisions()
    if found is not None and found not in known:
        raise NewerSchemaError(found)
    if found != known[0]:
        with _AT_WORK:
            command.upgrade(_config(connection), "head")


def downgrade(connection: Connection, revision: str) -> None:
    """Take the tables back to ``revision`` ("base": none), within the connection's transaction."""
    with _AT_WORK:
        command.downgrade(_config(connection), revision)


def _config(connection: Connection | None = None) -> Config:
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(_FOLDER).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config
