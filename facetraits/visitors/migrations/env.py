"""What Alembic runs for every change of version: on the connection that it was given, in its transaction."""

from alembic import context

from facetraits.visitors.migrations import VERSION_TABLE
from facetraits.visitors.schema import metadata


def run() -> None:
    """Take the steps that Alembic was asked for."""
    context.configure(
        connection=context.config.attributes["connection"], target_metadata=metadata, version_table=VERSION_TABLE
    )
    with context.begin_transaction():
        context.run_migrations()


# There is something to work on only while Alembic runs this file; to import it does nothing.
if hasattr(context, "config"):
    run()
